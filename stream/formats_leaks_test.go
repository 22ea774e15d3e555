package stream

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"weir/stream/lineage"
	"weir/transforms"
)

// The tests of this file are the 13 rows of classification.md §1.5, in its
// order. Each pushes a canary through the engine at one place and looks for it
// everywhere outside the input: keys, values and headers of all topics, the
// internal ones too, the log and the metrics.

// site is one event of the customers' stream, in Avro and in bare JSON.
type site struct {
	key, value string // JSON; "-" is null
	headers    []kgo.RecordHeader
}

const siteAvro = `{"type":"record","name":"Envelope","namespace":"f","fields":[
 {"name":"before","type":["null",{"type":"record","name":"Value","fields":[{"name":"id","type":"string"},{"name":"phone","type":["null","string"],"default":null}]}],"default":null},
 {"name":"after","type":["null","Value"],"default":null},
 {"name":"source","type":["null",{"type":"record","name":"Source","fields":[{"name":"query","type":["null","string"],"default":null}]}],"default":null},
 {"name":"op","type":"string"},
 {"name":"message","type":["null",{"type":"record","name":"Message","fields":[{"name":"prefix","type":["null","string"],"default":null},{"name":"content","type":["null","bytes"],"default":null}]}],"default":null}]}`

const siteKeyAvro = `{"type":"record","name":"Key","namespace":"f","fields":[{"name":"id","type":"string"}]}`

// leakSite runs events in both forms, avro and json, and looks for canaries.
// Recipient a gets tokens, b gets neither ids nor phones in clear.
func leakSite(t *testing.T, events []site, canaries ...string) *forms {
	t.Helper()
	f := newForms(t, `
catalog avro.t.id avro.t.phone json.t.id json.t.phone contact.mobile_cn
recipient a grade=2
  contact.mobile_cn token domain=d canonical=off
recipient b grade=2
  field:*.t.id token domain=d canonical=off
  contact.mobile_cn drop
`, debezium("avro", EncodingConfluentAvro, func(s *Source) { s.KeyChangeHeaders = "avro" }), debezium("json", EncodingJSON, func(s *Source) { s.KeyChangeHeaders = "json" }))
	f.knows = append([]string{"7"}, canaries...)
	keyID, id := f.register("in-key", siteKeyAvro, sr.TypeAvro), f.register("in-value", siteAvro, sr.TypeAvro)
	for _, e := range events {
		f.put("json", &kgo.Record{Key: orNull(e.key), Value: orNull(e.value), Headers: e.headers})
		r := &kgo.Record{}
		if e.key != "-" {
			r.Key = framed(keyID, avroOf(t, siteKeyAvro, e.key))
		}
		if e.value != "-" {
			r.Value = framed(id, avroOf(t, siteAvro, e.value))
		}
		for _, h := range e.headers {
			if strings.HasPrefix(h.Key, "__debezium.") {
				h.Value = framed(keyID, avroOf(t, siteKeyAvro, string(h.Value)))
			}
			r.Headers = append(r.Headers, h)
		}
		f.put("avro", r)
	}
	f.drain()
	f.leaks(canaries...)
	f.unmeasured(canaries...)
	return f
}

func orNull(text string) []byte {
	if text == "-" {
		return nil
	}
	return []byte(text)
}

// unmeasured fails if a canary stands in a metric or the status.
func (f *forms) unmeasured(canaries ...string) {
	f.t.Helper()
	families, err := f.run.metrics.registry.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	text := fmt.Sprintf("%v %+v", families, f.run.Status())
	for _, c := range canaries {
		if strings.Contains(text, c) {
			f.t.Errorf("%q stands in the metrics or the status", c)
		}
	}
}

// both compares what a recipient got in both forms.
func (f *forms) both(recipient string, want ...string) {
	f.t.Helper()
	for _, form := range []string{"avro", "json"} {
		f.want(recipient, form, want...)
	}
}

// rowOf is an event's value.
func rowOf(op, before, after string) string {
	row := func(id string) string {
		if id == "" {
			return "null"
		}
		return `{"id":"` + id + `","phone":"` + id + `"}`
	}
	return `{"before":` + row(before) + `,"after":` + row(after) + `,"source":null,"op":"` + op + `","message":null}`
}

// TestLeakSite01RecordKey: a key that is personal gets the token of the column,
// the same as in the body.
func TestLeakSite01RecordKey(t *testing.T) {
	f := leakSite(t, []site{{key: `{"id":"` + canary + `"}`, value: rowOf("c", "", canary)}, {key: `{"id":"` + canary + `"}`, value: "-"}}, canary)
	const id = `{"id":"‹` + canary + `›"}`
	f.both("a", id+` → {"after":{"id":"‹`+canary+`›","phone":"‹`+canary+`›"},"before":null,"op":"c","source":null}`, id+" → null")
	f.both("b", id+` → {"after":{"id":"‹`+canary+`›"},"before":null,"op":"c","source":null}`, id+" → null")
}

// TestLeakSite02Before: the old row is treated as the new one.
func TestLeakSite02Before(t *testing.T) {
	const old = "13800000000"
	f := leakSite(t, []site{{key: `{"id":"7"}`, value: rowOf("u", old, canary)}, {key: `{"id":"7"}`, value: rowOf("d", canary, "")}}, canary, old)
	f.both("b", `{"id":"‹7›"} → {"after":{"id":"‹`+canary+`›"},"before":{"id":"‹`+old+`›"},"op":"u","source":null}`,
		`{"id":"‹7›"} → {"after":null,"before":{"id":"‹`+canary+`›"},"op":"d","source":null}`)
}

// TestLeakSite03SourceQuery: the statement that made the change goes nowhere.
func TestLeakSite03SourceQuery(t *testing.T) {
	f := leakSite(t, []site{{key: `{"id":"7"}`, value: `{"before":null,"after":null,"source":{"query":"INSERT ('` + canary + `')"},"op":"r","message":null}`}}, canary)
	f.both("a", `{"id":"‹7›"} → {"after":null,"before":null,"op":"r","source":{}}`)
}

// TestLeakSite04KeyChangeHeaders: old and new keys are treated as keys.
func TestLeakSite04KeyChangeHeaders(t *testing.T) {
	f := leakSite(t, []site{
		{key: `{"id":"7"}`, value: rowOf("d", "7", ""), headers: []kgo.RecordHeader{{Key: newKeyHeader, Value: []byte(`{"id":"` + canary + `"}`)}}},
		{key: `{"id":"` + canary + `"}`, value: rowOf("c", "", canary), headers: []kgo.RecordHeader{{Key: oldKeyHeader, Value: []byte(`{"id":"7"}`)}}},
	}, canary)
	for _, form := range []string{"avro", "json"} {
		for _, r := range []string{"a", "b"} {
			out := f.out(r, form)
			if len(out) != 2 || !strings.HasSuffix(f.show(r, form, out[0]), ` __debezium.newkey={"id":"‹`+canary+`›"}`) || !strings.HasSuffix(f.show(r, form, out[1]), ` __debezium.oldkey={"id":"‹7›"}`) {
				t.Errorf("%s %s: %d records", r, form, len(out))
			}
		}
	}
}

// leakTopic runs one topic of a kind, in JSON.
func leakTopic(t *testing.T, kind transforms.Events, envelope transforms.Envelope, policy string, pairs ...string) *forms {
	t.Helper()
	f := newForms(t, policy, Source{Topics: "j", Encoding: EncodingJSON, KeyEncoding: EncodingJSON, Events: kind, Envelope: envelope})
	f.put("j", jsonText(pairs...)...)
	f.drain()
	f.leaks(canary)
	f.unmeasured(canary)
	return f
}

// TestLeakSite05SchemaChangeTopic: DDL with its defaults and comments goes
// nowhere.
func TestLeakSite05SchemaChangeTopic(t *testing.T) {
	f := leakTopic(t, transforms.EventsSchemaChange, transforms.EnvelopeNone, "recipient a grade=2\n  contact.* drop\n", `{"databaseName":"shop"}`,
		`{"ddl":"ALTER TABLE c ADD p VARCHAR(11) DEFAULT '`+canary+`'","tableChanges":[{"columns":[{"defaultValueExpression":"`+canary+`","comment":"`+canary+`"}]}]}`)
	f.want("a", "j")
	f.held("j")
	if frames := f.fates("a"); !slices.Equal(frames, []string{"filtered schema_change"}) {
		t.Errorf("fates %q", frames)
	}
}

// TestLeakSite06LogicalMessage: messages may hold anything, base64 too.
func TestLeakSite06LogicalMessage(t *testing.T) {
	const message = `{"before":null,"after":null,"source":null,"op":"m","message":{"prefix":"` + canary + `","content":"` + canary + `"}}`
	b64 := base64.StdEncoding.EncodeToString([]byte(canary))
	f := leakSite(t, []site{{key: `{"id":"7"}`, value: message}, {key: `{"id":"7"}`, value: strings.ReplaceAll(message, canary, b64)},
		{key: `{"id":"7"}`, value: strings.Replace(message, `"m"`, `"c"`, 1)}}, canary)
	f.both("a", `{"id":"‹7›"} → {"after":null,"before":null,"op":"c","source":null}`)
	if got := f.fates("a"); !slices.Equal(got, []string{"filtered logical_message", "filtered logical_message", "published", "filtered logical_message", "filtered logical_message", "published"}) {
		t.Errorf("fates %q", got)
	}
}

// TestLeakSite07Truncate: passes with its null key; it has no row.
func TestLeakSite07Truncate(t *testing.T) {
	f := leakSite(t, []site{{key: "-", value: rowOf("t", "", "")}, {key: "-", value: rowOf("t", canary, canary)}}, canary)
	f.both("b", `null → {"after":null,"before":null,"op":"t","source":null}`,
		`null → {"after":{"id":"‹`+canary+`›"},"before":{"id":"‹`+canary+`›"},"op":"t","source":null}`)
}

// TestLeakSite08Tombstone: has the key that the row's records had, in order.
func TestLeakSite08Tombstone(t *testing.T) {
	key := `{"id":"` + canary + `"}`
	f := leakSite(t, []site{{key: key, value: rowOf("c", "", canary)}, {key: key, value: rowOf("d", canary, "")}, {key: key, value: "-"}}, canary)
	for _, form := range []string{"avro", "json"} {
		for _, r := range []string{"a", "b"} {
			out := f.out(r, form)
			if len(out) != 3 || string(out[2].Key) != string(out[0].Key) || out[2].Value != nil || out[1].Value == nil {
				t.Errorf("%s %s: the tombstone's key is not the rows'", r, form)
			}
		}
	}
}

// TestLeakSite09NestedDocuments: text that holds JSON, XML or base64 is one
// field without a class: it waits until somebody classifies it, and then it is
// treated as a whole; an outbox's payload too.
func TestLeakSite09NestedDocuments(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString([]byte(`{"p":"` + canary + `"}`))
	values := []string{`{"after":{"doc":"{\"phone\":\"` + canary + `\"}"},"op":"c"}`, `{"after":{"doc":"<p>` + canary + `</p>"},"op":"c"}`,
		`{"after":{"doc":"` + b64 + `"},"op":"c"}`, `{"after":{"doc":"` + hex.EncodeToString([]byte(canary)) + `"},"op":"c"}`,
		`{"after":{"doc":{"phone":"` + canary + `"}},"op":"c"}`, `{"after":{"doc":["` + canary + `"]},"op":"c"}`}
	var pairs []string
	for _, v := range values {
		pairs = append(pairs, "-", v)
	}
	f := leakTopic(t, transforms.EventsRows, transforms.EnvelopeDebezium, "recipient a grade=2\n  contact.* drop\nrecipient b grade=2 unknown=drop\n  contact.* drop\n", pairs...)
	f.want("a", "j")
	for _, r := range f.out("b", "j") {
		if got := f.show("b", "j", r); got != `null → {"after":{},"op":"c"}` {
			t.Error(got)
		}
	}
	if n := len(f.out("b", "j")); n != len(values) {
		t.Errorf("%d records", n)
	}
	f = leakTopic(t, transforms.EventsRows, transforms.EnvelopeDebezium, "catalog j.t.doc text.free_with_pii\nrecipient a grade=2\n  text.* token domain=d\n", pairs...)
	if n := len(f.out("a", "j")); n != 4 {
		t.Errorf("%d of 4 texts", n)
	}
	f.held("j", "4 wrong_type after.doc a", "5 wrong_type after.doc a")
}

// TestLeakSite10SignalsAndNotifications: rows of no known class.
func TestLeakSite10SignalsAndNotifications(t *testing.T) {
	f := leakTopic(t, transforms.EventsRows, transforms.EnvelopeDebezium, "recipient a grade=2\n  contact.* drop\n",
		`{"id":"1"}`, `{"before":null,"after":{"id":"1","type":"execute-snapshot","data":"{\"additional-conditions\":[{\"filter\":\"phone='`+canary+`'\"}]}"},"op":"c"}`,
		`"k"`, `{"id":"1","aggregate_type":"Initial Snapshot","additional_data":{"scanned":"`+canary+`"}}`)
	f.want("a", "j")
	f.held("j", "0 undeclared_field * a", "1 wrong_type a")
}

// TestLeakSite11UnavailableValue: the placeholder passes, what only looks like
// it does not.
func TestLeakSite11UnavailableValue(t *testing.T) {
	f := leakSite(t, []site{{key: `{"id":"7"}`, value: `{"before":null,"after":{"id":"7","phone":"` + unavailable + `"},"source":null,"op":"u","message":null}`},
		{key: `{"id":"7"}`, value: `{"before":null,"after":{"id":"7","phone":"` + unavailable + canary + `"},"source":null,"op":"u","message":null}`}}, canary, unavailable+canary)
	for _, form := range []string{"avro", "json"} {
		out := f.out("a", form)
		if len(out) != 2 || !strings.Contains(f.show("a", form, out[0]), `"phone":"`+unavailable+`"`) || !strings.Contains(f.show("a", form, out[1]), `"phone":"‹`+unavailable+canary+`›"`) {
			t.Errorf("%s: %d records", form, len(out))
		}
	}
}

// TestLeakSite12ErrorsAndLogs: whatever fails, error headers, logs and metrics
// hold codes and places; names that nobody declared print as *.
func TestLeakSite12ErrorsAndLogs(t *testing.T) {
	bad := []string{`{"after":{"phone":"` + canary + `"`, `{"after":{"` + canary + `":1},"op":"c"}`, `{"op":"` + canary + `"}`, canary, `{"after":{"phone":{"` + canary + `":1}},"op":"c"}`,
		`{"after":{"n":"` + canary + `"},"op":"c"}`, `{"after":{"day":"` + canary + `"},"op":"c"}`, `{"after":{"secret_` + canary + `":"x"},"op":"c"}`}
	var pairs []string
	for _, v := range bad {
		pairs = append(pairs, `{"phone":"`+canary+`"}`, v, `{"`+canary+`":1}`, v, canary, v)
	}
	f := leakTopic(t, transforms.EventsRows, transforms.EnvelopeDebezium, `
catalog j.t.phone j.t.secret_* contact.mobile_cn
catalog j.t.n j.t.day finance.transaction
recipient a rows=int(after.phone) > 3
  field:j.t.n generalise number=10
  field:j.t.day generalise date=month
  contact.mobile_cn token domain=d canonical=off
recipient b
  field:j.t.n generalise number=10
  field:j.t.day generalise date=month
  field:j.t.phone token domain=d canonical=off
`, pairs...)
	if n := len(f.notes("j")); n < len(pairs)/2 {
		t.Errorf("only %d notices", n)
	}
	for _, r := range f.read {
		for _, h := range r.Headers {
			if strings.HasPrefix(h.Key, "__connect.errors.exception.message") && strings.Contains(string(h.Value), "secret_") {
				t.Errorf("a learned name stands in %s", h.Key)
			}
		}
	}
}

// TestLeakSite13TopicNames: a recipient's topic is made of the source's
// placeholders alone; the partition is the input's, no hash of a new key.
func TestLeakSite13TopicNames(t *testing.T) {
	f := leakSite(t, []site{{key: `{"id":"` + canary + `"}`, value: rowOf("c", "", canary)}}, canary)
	for _, r := range f.read {
		if !strings.HasPrefix(r.Topic, "out.") && !strings.HasPrefix(r.Topic, "_weir.forms.") || r.Partition != 0 {
			t.Errorf("a record in %s/%d", r.Topic, r.Partition)
		}
	}
	cfg := f.cfg
	p := *cfg.Policy.Transforms
	p.Recipients = slices.Clone(p.Recipients)
	p.Recipients[0].Topic = "out.{id}"
	cfg.Name, cfg.Policy.Transforms = "other", &p
	run := f.start(cfg, nil)
	if code := ExitCode(run.wait(t)); code != ExitUsage {
		t.Errorf("a topic named after a field: exit code %d", code)
	}
}

// fates are a recipient's fates in the lineage frames, topic by topic and in
// order of offset.
func (f *forms) fates(recipient string) []string {
	f.t.Helper()
	st, err := ReadState(context.Background(), f.prod, f.cfg.Name)
	if err != nil {
		f.t.Fatal(err)
	}
	byTopic := map[string][]string{}
	for _, r := range f.read {
		if r.Topic != InternalNames(f.cfg.Name).Lineage {
			continue
		}
		frame, err := lineage.ParseFrame(r.Value)
		if err != nil {
			f.t.Fatal(err)
		}
		name := st.Topics[frame.Topic].Name
		for _, s := range frame.Spans {
			for o := s.First; o <= s.Last; o++ {
				fate, _ := frame.Fate(recipient, o)
				byTopic[name] = append(byTopic[name], strings.TrimSpace(lineage.FateName(fate.Fate)+" "+string(fate.Code)))
			}
		}
	}
	var out []string
	for _, topic := range f.topics {
		out = append(out, byTopic[topic]...)
	}
	return out
}
