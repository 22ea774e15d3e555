package main

// benchmarks is the list: a benchmark that is not here does not exist.
func benchmarks() []Benchmark {
	return []Benchmark{
		{
			Name:  "codec-avro",
			About: "find and replace 10 of 40 fields of a Debezium envelope in Avro (~670 B)",
			Goals: []Goal{
				{Figure: "weir", Limit: 1300, AtMost: true, Unit: "ns/op"},
				{Figure: "weir allocations", Limit: 0, AtMost: true, Unit: "allocs/op"},
				{Figure: "goavro / weir", Limit: 20, Unit: "×"},
			},
			Run: codecAvro,
		},
		{
			Name:  "codec-json",
			About: "find and replace 5 of 30 fields of a Debezium event in JSON (~1.1 KB)",
			Goals: []Goal{
				{Figure: "weir", Limit: 3000, AtMost: true, Unit: "ns/op"},
				{Figure: "weir allocations", Limit: 0, AtMost: true, Unit: "allocs/op"},
			},
			Run: codecJSON,
		},
		{
			Name:  "plan",
			About: "one scan, a copy for each of 1, 4 and 16 recipients",
			Goals: []Goal{
				{Figure: "allocations, 16 recipients", Limit: 0, AtMost: true, Unit: "allocs/op"},
				{Figure: "each further recipient / the first", Limit: 1, AtMost: true, Unit: "×"},
			},
			Run: planRecipients,
		},
	}
}
