package stream

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"weir/transforms"
)

const unavailable = "__debezium_unavailable_value"

// debezium is a source of change events; change adjusts it.
func debezium(name string, enc Encoding, change func(*Source)) Source {
	s := Source{Topics: name, Encoding: enc, KeyEncoding: enc, Envelope: transforms.EnvelopeDebezium, Placeholder: unavailable}
	if change != nil {
		change(&s)
	}
	return s
}

// TestOps: each op of Debezium, in Avro and JSON; what no written rule covers is
// held under a code.
func TestOps(t *testing.T) {
	const schema = `{"type":"record","name":"Envelope","namespace":"f","fields":[
 {"name":"before","type":["null",{"type":"record","name":"Value","fields":[{"name":"id","type":"long"},{"name":"phone","type":["null","string"],"default":null}]}],"default":null},
 {"name":"after","type":["null","Value"],"default":null},
 {"name":"op","type":"string"},{"name":"ts_ms","type":["null","long"],"default":null},
 {"name":"transaction","type":["null",{"type":"record","name":"block","fields":[{"name":"id","type":"string"},{"name":"total_order","type":"long"},{"name":"data_collection_order","type":"long"}]}],"default":null},
 {"name":"message","type":["null",{"type":"record","name":"Message","fields":[{"name":"prefix","type":["null","string"]},{"name":"content","type":["null","bytes"]}]}],"default":null}]}`
	f := newForms(t, customerPolicy("avro", "json"), debezium("avro", EncodingConfluentAvro, nil), debezium("json", EncodingJSON, nil))
	f.knows = []string{"7", "13912345678"}
	keyID, id := f.register("key", customerKeyAvro, sr.TypeAvro), f.register("value", schema, sr.TypeAvro)
	row, tx := `{"id":7,"phone":"13912345678"}`, `{"id":"571","total_order":1,"data_collection_order":1}`
	events := []struct{ key, value string }{
		{`{"id":7}`, `{"before":null,"after":` + row + `,"op":"r","ts_ms":1,"transaction":null,"message":null}`},
		{`{"id":7}`, `{"before":null,"after":` + row + `,"op":"c","ts_ms":2,"transaction":` + tx + `,"message":null}`},
		{`{"id":7}`, `{"before":` + row + `,"after":` + row + `,"op":"u","ts_ms":3,"transaction":null,"message":null}`},
		{`{"id":7}`, `{"before":` + row + `,"after":null,"op":"d","ts_ms":4,"transaction":null,"message":null}`},
		{`{"id":7}`, "-"},
		{"-", `{"before":null,"after":null,"op":"t","ts_ms":5,"transaction":null,"message":null}`},
		{`{"id":7}`, `{"before":null,"after":null,"op":"m","ts_ms":6,"transaction":null,"message":{"prefix":"p","content":"13912345678"}}`},
		{`{"id":7}`, `{"before":null,"after":` + row + `,"op":"x","ts_ms":7,"transaction":null,"message":null}`},
		{`{"id":7}`, `{"before":null,"after":` + row + `,"op":"","ts_ms":8,"transaction":null,"message":null}`},
		{`{"id":7}`, `{"before":null,"after":` + row + `,"op":"c","ts_ms":9,"transaction":null,"message":{"prefix":"13912345678","content":null}}`},
	}
	for _, e := range events {
		f.put("json", jsonText(e.key, e.value)...)
		r := &kgo.Record{}
		if e.key != "-" {
			r.Key = framed(keyID, avroOf(t, customerKeyAvro, e.key))
		}
		if e.value != "-" {
			r.Value = framed(id, avroOf(t, schema, e.value))
		}
		f.put("avro", r)
	}
	// An image twice is treated twice where no rows look at it.
	f.put("json", jsonText(`{"id":7}`, `{"after":`+row+`}`, `{"id":7}`, `{"after":`+row+`,"op":"c","op":"d"}`, `{"id":7}`, `{"after":`+row+`,"after":null,"op":"c"}`,
		`{"id":7}`, `{"after":`+row+`,"op":null}`, `{"id":7}`, `{"after":`+row+`,"op":["c"]}`)...)
	f.drain()
	const key = `{"id":"‹7›"} → `
	out := func(key, op, before, after, ts, tx string) string {
		return key + `{"after":` + after + `,"before":` + before + `,"op":"` + op + `","transaction":` + tx + `,"ts_ms":` + ts + `}`
	}
	const treated, sortedTx = `{"id":"‹7›","phone":"‹13912345678›"}`, `{"data_collection_order":1,"id":"571","total_order":1}`
	for _, form := range []string{"avro", "json"} {
		twice := map[string][]string{"json": {key + `{"after":null,"op":"c"}`}}[form]
		f.want("a", form, append([]string{out(key, "r", "null", treated, "1", "null"), out(key, "c", "null", treated, "2", sortedTx), out(key, "u", treated, treated, "3", "null"),
			out(key, "d", treated, "null", "4", "null"), key + "null", out("null → ", "t", "null", "null", "5", "null"), out(key, "c", "null", treated, "9", "null")}, twice...)...)
	}
	f.held("avro", "7 bad_op a,b", "8 bad_op a,b")
	f.held("json", "7 bad_op a,b", "8 bad_op a,b", "10 no_op a,b", "11 duplicate_name a,b", "13 no_op a,b", "14 wrong_type op a,b")
	f.leaks("13912345678")
}

// TestEventTopics: transaction metadata and heartbeats pass by their lists,
// schema changes go nowhere, in Avro and JSON.
func TestEventTopics(t *testing.T) {
	kind := func(e transforms.Events) func(*Source) {
		return func(s *Source) { s.Events, s.Envelope = e, transforms.EnvelopeNone }
	}
	const txAvro = `{"type":"record","name":"TransactionMetadataValue","fields":[{"name":"status","type":"string"},{"name":"id","type":"string"},{"name":"event_count","type":["null","long"]},
 {"name":"data_collections","type":["null",{"type":"array","items":{"type":"record","name":"C","fields":[{"name":"data_collection","type":"string"},{"name":"event_count","type":"long"}]}}]},{"name":"ts_ms","type":"long"}]}`
	const txKeyAvro = `{"type":"record","name":"TransactionMetadataKey","fields":[{"name":"id","type":"string"}]}`
	f := newForms(t, "recipient a grade=2\n  contact.* drop\n",
		debezium("tx", EncodingJSON, kind(transforms.EventsTransaction)), debezium("txavro", EncodingConfluentAvro, kind(transforms.EventsTransaction)),
		debezium("beat", EncodingJSON, kind(transforms.EventsHeartbeat)), debezium("ddl", EncodingJSON, kind(transforms.EventsSchemaChange)))
	tx := `{"status":"END","id":"571:53195829","event_count":2,"data_collections":[{"data_collection":"s.a","event_count":2}],"ts_ms":5}`
	f.put("tx", jsonText(`{"id":"571"}`, tx, `{"id":"571"}`, `{"status":"BEGIN","id":"571","event_count":null,"data_collections":null,"ts_ms":1}`,
		`{"id":"571"}`, `{"status":"END","id":"571","note":"13912345678"}`, `{"who":"13912345678"}`, `{"status":"END","id":"571"}`)...)
	f.put("txavro", &kgo.Record{Key: framed(f.register("k", txKeyAvro, sr.TypeAvro), avroOf(t, txKeyAvro, `{"id":"571"}`)),
		Value: framed(f.register("v", txAvro, sr.TypeAvro), avroOf(t, txAvro, tx))})
	f.put("beat", jsonText(`{"serverName":"cdc"}`, `{"ts_ms":1}`, `{"serverName":"cdc"}`, `{"ts_ms":1,"query":"13912345678"}`)...)
	f.put("ddl", jsonText(`{"databaseName":"shop"}`, `{"ddl":"ALTER TABLE c ADD p DEFAULT '13912345678'"}`, "-", "not JSON 13912345678")...)
	f.drain()
	begin := `{"data_collections":null,"event_count":null,"id":"571","status":"BEGIN","ts_ms":1}`
	f.want("a", "tx", `{"id":"571"} → `+sorted(t, []byte(tx)), `{"id":"571"} → `+begin)
	f.want("a", "txavro", `{"id":"571"} → `+sorted(t, []byte(tx)))
	f.want("a", "beat", `{"serverName":"cdc"} → {"ts_ms":1}`)
	f.want("a", "ddl")
	f.held("tx", "2 undeclared_field * a", "3 undeclared_field * a")
	f.held("beat", "1 undeclared_field * a")
	f.held("ddl")
	f.leaks("13912345678")
}

// TestHeadersOfEveryForm: key-change headers are treated as keys where the source says how
// they are written, else dropped and counted; others go only if listed.
func TestHeadersOfEveryForm(t *testing.T) {
	with := func(form string) func(*Source) {
		return func(s *Source) { s.KeyChangeHeaders, s.Headers = form, []string{"origin", "again"} }
	}
	f := newForms(t, customerPolicy("avro", "avroid", "json", "block", "none"),
		debezium("avro", EncodingConfluentAvro, with("avro")),
		debezium("avroid", EncodingConfluentAvro, func(s *Source) { with("avro")(s); s.HeaderFraming = true }),
		debezium("json", EncodingJSON, with("json")),
		debezium("block", EncodingConfluentAvro, with("json")), debezium("none", EncodingJSON, with("")))
	f.knows = []string{"7", "8", "13912345678"}
	keyID, id := f.register("in-key", customerKeyAvro, sr.TypeAvro), f.register("in-value", customerAvro, sr.TypeAvro)
	const deleted, created = `{"before":{"id":7,"phone":"13912345678","city":"x"},"after":null,"source":{"db":"shop"},"op":"d"}`,
		`{"before":null,"after":{"id":8,"phone":"13912345678","city":"x"},"source":{"db":"shop"},"op":"c"}`
	type change struct{ key, value, header, other string }
	for _, c := range []change{{`{"id":7}`, deleted, newKeyHeader, `{"id":8}`}, {`{"id":8}`, created, oldKeyHeader, `{"id":7}`}} {
		more := []kgo.RecordHeader{{Key: "traceparent", Value: []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")}, {Key: "origin", Value: []byte("eu")}, {Key: "secret", Value: []byte("13912345678")},
			{Key: "again", Value: []byte("1")}, {Key: "again", Value: []byte("2")}, {Key: "weir", Value: []byte("13912345678")}, {Key: "Origin", Value: []byte("13912345678")},
			{Key: "__connect.errors.exception.message", Value: []byte("13912345678")}, {Key: "__debezium.context", Value: []byte("13912345678")}}
		change := func(v []byte) []kgo.RecordHeader {
			return append([]kgo.RecordHeader{{Key: c.header, Value: v}}, more...)
		}
		key, value := avroOf(t, customerKeyAvro, c.key), avroOf(t, customerAvro, c.value)
		asAvro := framed(keyID, avroOf(t, customerKeyAvro, c.other))
		f.put("avro", &kgo.Record{Key: framed(keyID, key), Value: framed(id, value), Headers: change(asAvro)})
		f.put("avroid", &kgo.Record{Key: key, Value: value, Headers: append(change(asAvro), f.idHeader("__key_schema_id", keyID, false), f.idHeader("__value_schema_id", id, false))})
		f.put("block", &kgo.Record{Key: framed(keyID, key), Value: framed(id, value), Headers: change([]byte(`{"schema":` + customerKeyBlock + `,"payload":` + c.other + `}`))})
		for _, form := range []string{"json", "none"} {
			f.put(form, &kgo.Record{Key: []byte(c.key), Value: []byte(c.value), Headers: change([]byte(c.other))})
		}
	}
	// A header that cannot be read holds the record back; an undeclared one does not.
	f.put("json", &kgo.Record{Key: []byte(`{"id":7}`), Value: []byte(deleted), Headers: []kgo.RecordHeader{{Key: newKeyHeader, Value: []byte(`Struct{id=8}`)}}})
	f.put("avro", &kgo.Record{Key: framed(keyID, avroOf(t, customerKeyAvro, `{"id":7}`)), Headers: []kgo.RecordHeader{{Key: newKeyHeader, Value: []byte("Struct{id=8}")}}})
	f.drain()
	for _, form := range []string{"avro", "avroid", "json", "block", "none"} {
		for recipient, id := range map[string][2]string{"a": {`"‹7›"`, `"‹8›"`}, "b": {"7", "8"}} {
			phone := map[string]string{"a": `,"phone":"‹13912345678›"`}[recipient]
			header := func(name, id string) string {
				if form == "none" {
					return ""
				}
				return " " + name + `={"id":` + id + `}`
			}
			const rest = ` traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 origin=eu again=1 again=2`
			f.want(recipient, form,
				`{"id":`+id[0]+`} → {"after":null,"before":{"city":"x","id":`+id[0]+phone+`},"op":"d","source":{"db":"shop"}}`+header(newKeyHeader, id[1])+rest,
				`{"id":`+id[1]+`} → {"after":{"city":"x","id":`+id[1]+phone+`},"before":null,"op":"c","source":{"db":"shop"}}`+header(oldKeyHeader, id[0])+rest)
		}
	}
	f.held("json", "2 malformed a,b")
	f.held("avro", "2 bad_framing a,b")
	f.leaks("13912345678")
	if n := f.counted("weir_key_change_headers_dropped_total"); n != 2 {
		t.Errorf("%v dropped key-change headers counted, want 2", n)
	}
}

// counted is a counter without labels.
func (f *forms) counted(name string) float64 {
	f.t.Helper()
	families, err := f.run.metrics.registry.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, m := range families {
		if m.GetName() == name {
			return m.GetMetric()[0].GetCounter().GetValue()
		}
	}
	f.t.Fatalf("no metric %s", name)
	return 0
}

// TestUnavailableValues: Debezium's placeholder stays what it is under every
// treatment that keeps the field, also in containers, in every encoding.
func TestUnavailableValues(t *testing.T) {
	const schema = `{"type":"record","name":"Envelope","fields":[{"name":"before","type":["null",{"type":"record","name":"Value","fields":[
 {"name":"s","type":["null","string"],"default":null},{"name":"b","type":["null","bytes"],"default":null},
 {"name":"l","type":["null",{"type":"array","items":["null","string"]}],"default":null},{"name":"m","type":["null",{"type":"map","values":"string"}],"default":null}]}],"default":null},
 {"name":"after","type":["null","Value"],"default":null},{"name":"op","type":"string"}]}`
	policy := ""
	for _, form := range []string{"avro", "json"} {
		policy += strings.ReplaceAll("catalog $.t.s $.t.b $.t.l[] $.t.m{} $.t.m{#} contact.address\n", "$", form)
	}
	f := newForms(t, policy+`
recipient token
  * token domain=d
recipient mask
  field:*.t.b token domain=d
  * mask
recipient short
  field:*.t.b token domain=d
  * truncate 1
recipient constant
  field:*.t.m{#} token domain=d
  * constant x
`, debezium("avro", EncodingConfluentAvro, nil), debezium("json", EncodingJSON, nil))
	f.knows = []string{"secret", "k", unavailable + "2", "value", "base64"}
	b64 := base64.StdEncoding.EncodeToString([]byte(unavailable))
	avroValue := `{"before":null,"after":{"s":"$","b":"$","l":["$",null,"secret"],"m":{"k":"$"}},"op":"u"}`
	jsonValue := strings.Replace(avroValue, `"b":"$"`, `"b":"`+b64+`"`, 1)
	other := strings.ReplaceAll(avroValue, "$", "$2")
	id := f.register("in-value", schema, sr.TypeAvro)
	fill := func(s string) string { return strings.ReplaceAll(s, "$", unavailable) }
	f.put("avro", &kgo.Record{Value: framed(id, avroOf(t, schema, fill(avroValue)))}, &kgo.Record{Value: framed(id, avroOf(t, schema, fill(other)))})
	f.put("json", jsonText("-", fill(jsonValue), "-", fill(other))...)
	f.drain()
	want := func(s, b, l, l3, k, m string) string {
		return fill(`null → {"after":{"b":"` + b + `","l":["` + l + `",null,"` + l3 + `"],"m":{"` + k + `":"` + m + `"},"s":"` + s + `"},"before":null,"op":"u"}`)
	}
	for form, b := range map[string]string{"avro": "$", "json": b64} {
		f.held(form)
		all := "‹$2›"
		f.want("token", form, want("$", b, "$", "‹secret›", "‹k›", "$"), want(all, all, all, "‹secret›", "‹k›", all))
		stars := strings.Repeat("*", len(unavailable)+1)
		f.want("mask", form, want("$", b, "$", "******", "*", "$"), want(stars, all, stars, "******", "*", stars))
		f.want("short", form, want("$", b, "$", "s", "k", "$"), want("_", all, "_", "s", "k", "_"))
	}
}
