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
		{
			Name:  "worker-copy",
			About: "weir run, nothing protected: CPU an event beside a raw exactly-once loop (needs a broker)",
			Goals: []Goal{
				{Figure: "weir avro / raw avro", Limit: 1.3, AtMost: true, Unit: "×"},
				{Figure: "weir json / raw json", Limit: 1.5, AtMost: true, Unit: "×"},
				{Figure: "weir avro / redpanda connect", Limit: 0.7, AtMost: true, Unit: "×"},
				{Figure: "weir json / redpanda connect", Limit: 0.7, AtMost: true, Unit: "×"},
			},
			Run: inRig(workerCopy),
		},
		{
			Name:  "worker-json",
			About: "weir run, 5 protected fields in before and after of 1 KB JSON (needs a broker)",
			Goals: []Goal{
				{Figure: "weir / raw", Limit: 2, AtMost: true, Unit: "×"},
				{Figure: "redpanda connect / weir", Limit: 12, Unit: "×"},
			},
			Run: inRig(workerProtect(false)),
		},
		{
			Name:  "worker-avro",
			About: "weir run, 5 protected fields in before and after of 1 KB Avro (needs a broker)",
			Goals: []Goal{
				{Figure: "weir / raw", Limit: 1.8, AtMost: true, Unit: "×"},
				{Figure: "redpanda connect / weir", Limit: 12, Unit: "×"},
			},
			Run: inRig(workerProtect(true)),
		},
		{
			Name:  "worker-fanout",
			About: "weir run with 8 recipients: CPU an output beside one recipient (needs a broker)",
			Goals: []Goal{
				{Figure: "json, an output of 8 / of 1", Limit: 0.7, AtMost: true, Unit: "×"},
				{Figure: "avro, an output of 8 / of 1", Limit: 0.7, AtMost: true, Unit: "×"},
			},
			Run: inRig(workerFanout),
		},
		{
			Name:  "worker-latency",
			About: "end to end, p50, p99 and p99.9 at 20, 50 and 80 % of the top rate, with both settings (needs a broker)",
			Goals: []Goal{
				{Figure: "p50 at 20 % load, latency / throughput", Limit: 1, AtMost: true, Unit: "×"},
				{Figure: "latency setting, 80 % load, reached", Limit: 99, Unit: "% of the rate"},
				{Figure: "throughput setting, 80 % load, reached", Limit: 99, Unit: "% of the rate"},
			},
			Run: inRig(workerLatency),
		},
		{
			Name:  "worker-scale",
			About: "1, 2 and 4 processes of weir run: CPU an event stays flat (needs a broker)",
			Goals: []Goal{
				{Figure: "workers 2 / workers 1", Limit: 1.1, AtMost: true, Unit: "×"},
				{Figure: "workers 4 / workers 1", Limit: 1.1, AtMost: true, Unit: "×"},
			},
			Run: inRig(workerScale),
		},
		{
			Name:  "worker-memory",
			About: "what weir run keeps resident, 12 and 1,000 partitions, over 10 million events (needs a broker)",
			Goals: []Goal{
				{Figure: "peak, 12 partitions", Limit: 256, AtMost: true, Unit: "MiB"},
				{Figure: "peak, 1000 partitions", Limit: 1024, AtMost: true, Unit: "MiB"},
				{Figure: "last tenth / second tenth", Limit: 1.1, AtMost: true, Unit: "×"},
			},
			Run: inRig(workerMemory),
		},
	}
}
