package stream

import (
	"bytes"
	"context"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"weir/schemas"
	"weir/schemas/registry"
	"weir/transforms"
)

// The same small change stream in every form: customers with a numeric id, a
// phone number and a city, inserted, updated, deleted, with a tombstone.
const (
	customerKeyAvro = `{"type":"record","name":"Key","namespace":"f","fields":[{"name":"id","type":"long"}]}`
	customerAvro    = `{"type":"record","name":"Envelope","namespace":"f","fields":[
 {"name":"before","type":["null",{"type":"record","name":"Value","fields":[{"name":"id","type":"long"},
  {"name":"phone","type":["null","string"],"default":null},{"name":"city","type":"string"}]}],"default":null},
 {"name":"after","type":["null","Value"],"default":null},
 {"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"db","type":"string"},{"name":"query","type":["null","string"],"default":null}]}},
 {"name":"op","type":"string"}]}`

	customerKeyBlock = `{"type":"struct","optional":false,"name":"f.Key","fields":[{"field":"id","type":"int64","optional":false}]}`
	rowFields        = `"name":"f.Value","fields":[{"field":"id","type":"int64","optional":false},{"field":"phone","type":"string","optional":true},{"field":"city","type":"string","optional":false}]`
	customerBlock    = `{"type":"struct","optional":false,"name":"f.Envelope","fields":[` +
		`{"field":"before","type":"struct","optional":true,` + rowFields + `},{"field":"after","type":"struct","optional":true,` + rowFields + `},` +
		`{"field":"source","type":"struct","optional":false,"fields":[{"field":"db","type":"string","optional":false},{"field":"query","type":"string","optional":true}]},` +
		`{"field":"op","type":"string","optional":false}]}`

	customerKeySchema = `{"type":"object","title":"f.Key","properties":{"id":{"type":"integer","connect.type":"int64"}},"required":["id"]}`
	rowSchema         = `{"oneOf":[{"type":"null"},{"type":"object","title":"f.Value","properties":{"id":{"type":"integer","connect.type":"int64"},` +
		`"phone":{"oneOf":[{"type":"null"},{"type":"string"}]},"city":{"type":"string"}},"required":["id","city"]}]}`
	customerSchema = `{"type":"object","title":"f.Envelope","properties":{"before":` + rowSchema + `,"after":` + rowSchema + `,` +
		`"source":{"type":"object","properties":{"db":{"type":"string"},"query":{"oneOf":[{"type":"null"},{"type":"string"}]}}},"op":{"type":"string"}}}`
)

// customerEvents are keys and values in turn, as JSON without a schema.
var customerEvents = []string{
	`{"id":7}`, `{"before":null,"after":{"id":7,"phone":"13912345678","city":"上海"},"source":{"db":"shop","query":"INSERT '13912345678'"},"op":"c"}`,
	`{"id":7}`, `{"before":{"id":7,"phone":"13912345678","city":"上海"},"after":{"id":7,"phone":null,"city":"北京"},"source":{"db":"shop","query":null},"op":"u"}`,
	`{"id":7}`, `{"before":{"id":7,"phone":"13800000000","city":"北京"},"after":null,"source":{"db":"shop","query":null},"op":"d"}`,
	`{"id":7}`, `-`,
}

// customersOf are the copies of customerEvents that recipients a (tokens) and b
// (phones dropped) get. Names stand sorted.
func customersOf(recipient string, key func(string) string) []string {
	id, phone := `"‹7›"`, func(s string) string { return `,"phone":` + s }
	if recipient == "b" {
		id, phone = "7", func(string) string { return "" }
	}
	row := func(city, p string) string { return `{"city":"` + city + `","id":` + id + phone(p) + `}` }
	value := func(op, before, after string) string {
		return key(id) + ` → {"after":` + after + `,"before":` + before + `,"op":"` + op + `","source":{"db":"shop"}}`
	}
	return []string{
		value("c", "null", row("上海", `"‹13912345678›"`)),
		value("u", row("上海", `"‹13912345678›"`), row("北京", "null")),
		value("d", row("北京", `"‹13800000000›"`), "null"),
		key(id) + " → null",
	}
}

func idKey(id string) string { return `{"id":` + id + `}` }

// customerPolicy declares the columns of the forms' tables.
func customerPolicy(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString("catalog " + n + ".t.id " + n + ".t.city internal\ncatalog " + n + ".t.phone contact.mobile_cn\n")
	}
	return b.String() + `
recipient a grade=2
  field:*.t.id token domain=d
  field:*.t.$key token domain=d
  contact.mobile_cn token domain=d
recipient b grade=2
  field:*.t.$key token domain=d
  contact.mobile_cn drop
`
}

// TestEncodings: one stream in every encoding, framing and key form gives every
// recipient the same copies, readable under the schemas that they name.
func TestEncodings(t *testing.T) {
	names := []string{"prefix", "header", "guid", "jsonschema", "jsonheader", "block", "bare", "string", "bytes", "mixed", "swapped", "nokey"}
	dbz := func(name string, key, value Encoding) Source {
		return Source{Topics: name, Encoding: value, KeyEncoding: key, Envelope: transforms.EnvelopeDebezium}
	}
	with := func(s Source, change func(*Source)) Source { change(&s); return s }
	inHeader := func(s *Source) { s.HeaderFraming = true }
	f := newForms(t, customerPolicy(names...),
		dbz("prefix", EncodingConfluentAvro, EncodingConfluentAvro),
		with(dbz("header", EncodingConfluentAvro, EncodingConfluentAvro), inHeader),
		with(dbz("guid", EncodingConfluentAvro, EncodingConfluentAvro), inHeader),
		dbz("jsonschema", EncodingConfluentJSON, EncodingConfluentJSON),
		with(dbz("jsonheader", EncodingConfluentJSON, EncodingConfluentJSON), inHeader),
		with(dbz("block", EncodingJSON, EncodingJSON), func(s *Source) { s.SchemaBlock = true }),
		dbz("bare", EncodingJSON, EncodingJSON),
		dbz("string", EncodingString, EncodingConfluentAvro),
		dbz("bytes", EncodingBytes, EncodingJSON),
		dbz("mixed", EncodingJSON, EncodingConfluentAvro),
		dbz("swapped", EncodingConfluentAvro, EncodingConfluentJSON),
		dbz("nokey", EncodingConfluentAvro, EncodingConfluentAvro),
	)
	f.knows = []string{"7", "13912345678", "13800000000", "k-7", "\xff\x00\x07"}
	avroKey, avroValue := f.register("in-key", customerKeyAvro, sr.TypeAvro), f.register("in-value", customerAvro, sr.TypeAvro)
	jsonKey, jsonValue := f.register("js-key", customerKeySchema, sr.TypeJSON), f.register("js-value", customerSchema, sr.TypeJSON)
	write := map[Encoding]func(text string, isKey, prefix bool) []byte{
		EncodingConfluentAvro: func(text string, isKey, prefix bool) []byte {
			schema, id := customerAvro, avroValue
			if isKey {
				schema, id = customerKeyAvro, avroKey
			}
			if b := avroOf(t, schema, text); !prefix {
				return b
			} else {
				return framed(id, b)
			}
		},
		EncodingConfluentJSON: func(text string, isKey, prefix bool) []byte {
			id := jsonValue
			if isKey {
				id = jsonKey
			}
			if !prefix {
				return []byte(text)
			}
			return framed(id, []byte(text))
		},
		EncodingJSON:   func(text string, _, _ bool) []byte { return []byte(text) },
		EncodingString: func(string, bool, bool) []byte { return []byte("k-7") },
		EncodingBytes:  func(string, bool, bool) []byte { return []byte("\xff\x00\x07") },
	}
	for i, name := range names {
		s := &f.cfg.Sources[i]
		for j := 0; j < len(customerEvents); j += 2 {
			r := &kgo.Record{Key: write[s.KeyEncoding](customerEvents[j], true, !s.HeaderFraming)}
			if text := customerEvents[j+1]; text != "-" {
				r.Value = write[s.Encoding](text, false, !s.HeaderFraming)
			}
			if s.SchemaBlock {
				r.Key = []byte(`{"schema":` + customerKeyBlock + `,"payload":` + string(r.Key) + `}`)
				if r.Value != nil {
					r.Value = []byte(`{"schema":` + customerBlock + `,"payload":` + string(r.Value) + `}`)
				}
			}
			if s.HeaderFraming {
				k, v := avroKey, avroValue
				if s.Encoding == EncodingConfluentJSON {
					k, v = jsonKey, jsonValue
				}
				r.Headers = append(r.Headers, f.idHeader(registry.HeaderKey, k, name == "guid"))
				if r.Value != nil {
					r.Headers = append(r.Headers, f.idHeader(registry.HeaderValue, v, name == "guid"))
				}
			}
			if name == "nokey" {
				if r.Key = nil; r.Value == nil {
					continue
				}
			}
			f.put(name, r)
		}
	}
	f.drain()
	keys := map[string]func(string) string{
		"string": func(string) string { return "‹k-7›" }, "bytes": func(string) string { return "‹ff0007›" }, "nokey": func(string) string { return "null" }}
	for _, name := range names {
		key := keys[name]
		if key == nil {
			key = idKey
		}
		for _, r := range []string{"a", "b"} {
			want := customersOf(r, key)
			if name == "nokey" {
				want = want[:3]
			}
			f.want(r, name, want...)
		}
		f.held(name)
		for _, r := range f.out("a", name) {
			for _, h := range r.Headers {
				if form := map[bool]int{false: 5, true: 17}[name == "guid"]; strings.HasSuffix(h.Key, "_schema_id") && len(h.Value) != form {
					t.Errorf("%s: the id header is not written as the input's", name)
				}
			}
		}
	}
	f.leaks("13912345678", "13800000000", "k-7\"", "INSERT '")
}

// idHeader is a header that names a schema, by GUID if asked for.
func (f *forms) idHeader(name string, id int, guid bool) kgo.RecordHeader {
	f.t.Helper()
	if !guid {
		return kgo.RecordHeader{Key: name, Value: registry.AppendPrefix(nil, id)}
	}
	for _, subject := range []string{"in-key", "in-value"} {
		list, err := f.sr.Schemas(context.Background(), subject)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, s := range list {
			if s.ID == id {
				b, err := hex.DecodeString(strings.ReplaceAll(s.GUID, "-", ""))
				if err != nil || len(b) != 16 {
					f.t.Fatalf("GUID %q", s.GUID)
				}
				return kgo.RecordHeader{Key: name, Value: append([]byte{1}, b...)}
			}
		}
	}
	f.t.Fatal("no GUID")
	return kgo.RecordHeader{}
}

// TestPlainForms: plain Avro with a schema file, flattened events, and JSON
// without an envelope.
func TestPlainForms(t *testing.T) {
	const row = `{"type":"record","name":"Row","namespace":"f","fields":[{"name":"id","type":"long"},{"name":"phone","type":["null","string"]},{"name":"city","type":"string"}]}`
	f := newForms(t, customerPolicy("file", "flat", "none", "flatblock"),
		Source{Topics: "file", Encoding: EncodingAvro, KeyEncoding: EncodingAvro, SchemaText: row, KeySchemaText: customerKeyAvro},
		Source{Topics: "flat", Encoding: EncodingJSON, KeyEncoding: EncodingJSON, Envelope: transforms.EnvelopeFlat},
		Source{Topics: "none", Encoding: EncodingJSON, KeyEncoding: EncodingJSON},
		Source{Topics: "flatblock", Encoding: EncodingJSON, KeyEncoding: EncodingJSON, SchemaBlock: true, Envelope: transforms.EnvelopeFlat},
	)
	f.knows = []string{"7", "13912345678"}
	f.put("file", &kgo.Record{Key: avroOf(t, customerKeyAvro, `{"id":7}`), Value: avroOf(t, row, `{"id":7,"phone":"13912345678","city":"上海"}`)},
		&kgo.Record{Key: avroOf(t, customerKeyAvro, `{"id":7}`)})
	// What ExtractNewRecordState writes: added fields, a rewritten delete, a tombstone.
	f.put("flat", jsonText(
		`{"id":7}`, `{"id":7,"phone":"13912345678","city":"x","__op":"c","__deleted":"false","__source_ts_ms":5,"__table":"t","__source_db":"shop","__source_query":"INSERT '13912345678'"}`,
		`{"id":7}`, `{"id":7,"phone":null,"city":"x","__op":"d","__deleted":"true","__source_ts_ms":6,"__ts_ns":1,"__transaction_id":"9"}`,
		`{"id":7}`, `-`,
		`{"id":7}`, `{"id":7,"__invented":"13912345678"}`)...)
	f.put("none", jsonText(`{"id":7}`, `{"id":7,"phone":"13912345678","city":"x"}`, `{"id":7}`, `-`,
		`{"id":7}`, `{"id":7.0,"phone":13912345678,"city":"x"}`, `{"id":7e0}`, `{"id":70e-1,"city":null}`)...)
	const flatBlock = `{"type":"struct","optional":false,"name":"f.Row","fields":[{"field":"id","type":"int64","optional":false},{"field":"phone","type":"string","optional":true},` +
		`{"field":"__op","type":"string","optional":true},{"field":"__deleted","type":"string","optional":true},{"field":"__source_query","type":"string","optional":true}]}`
	for _, r := range jsonText(`{"id":7}`, `{"id":7,"phone":"13912345678","__op":"u","__deleted":"false","__source_query":"13912345678"}`,
		`{"id":7}`, `{"id":7,"phone":null,"__op":"d","__deleted":"true","__source_query":null}`) {
		r.Key = []byte(`{"schema":` + customerKeyBlock + `,"payload":` + string(r.Key) + `}`)
		r.Value = []byte(`{"payload":` + string(r.Value) + `,"schema":` + flatBlock + `}`)
		f.put("flatblock", r)
	}
	f.drain()
	const keyToken = `{"id":"‹7›"} → `
	f.want("a", "flat", keyToken+`{"__deleted":"false","__op":"c","__source_db":"shop","__source_ts_ms":5,"__table":"t","city":"x","id":"‹7›","phone":"‹13912345678›"}`,
		keyToken+`{"__deleted":"true","__op":"d","__source_ts_ms":6,"__transaction_id":"9","__ts_ns":1,"city":"x","id":"‹7›","phone":null}`, keyToken+"null")
	f.want("b", "flat", `{"id":7} → {"__deleted":"false","__op":"c","__source_db":"shop","__source_ts_ms":5,"__table":"t","city":"x","id":7}`,
		`{"id":7} → {"__deleted":"true","__op":"d","__source_ts_ms":6,"__transaction_id":"9","__ts_ns":1,"city":"x","id":7}`, `{"id":7} → null`)
	f.held("flat", "3 undeclared_field * a,b")
	f.want("a", "none", keyToken+`{"city":"x","id":"‹7›","phone":"‹13912345678›"}`, keyToken+"null",
		keyToken+`{"city":"x","id":"‹7›","phone":"‹13912345678›"}`, keyToken+`{"city":null,"id":"‹7›"}`)
	f.want("b", "none", `{"id":7} → {"city":"x","id":7}`, `{"id":7} → null`, `{"id":7} → {"city":"x","id":7.0}`, `{"id":7e0} → {"city":null,"id":70e-1}`)
	f.held("none")
	f.want("a", "flatblock", keyToken+`{"__deleted":"false","__op":"u","id":"‹7›","phone":"‹13912345678›"}`, keyToken+`{"__deleted":"true","__op":"d","id":"‹7›","phone":null}`)
	f.want("b", "flatblock", `{"id":7} → {"__deleted":"false","__op":"u","id":7}`, `{"id":7} → {"__deleted":"true","__op":"d","id":7}`)
	// Plain Avro names no schema: the copy's is what Derive says, and explain prints.
	key, value := f.derived("a", customerKeyAvro, row)
	for i, want := range []string{keyToken + `{"city":"上海","id":"‹7›","phone":"‹13912345678›"}`, keyToken + "null"} {
		r := f.out("a", "file")[i]
		got := avroText(t, key, r.Key) + " → null"
		if r.Value != nil {
			got = avroText(t, key, r.Key) + " → " + avroText(t, value, r.Value)
		}
		for token, name := range f.tokens("a") {
			got = strings.ReplaceAll(got, token, name)
		}
		if got != want {
			t.Errorf("file: got %s, want %s", got, want)
		}
	}
	if b := f.out("b", "file")[0]; !bytes.Equal(b.Key, avroOf(t, customerKeyAvro, `{"id":7}`)) || bytes.Contains(b.Value, []byte("139")) {
		t.Error("b's copy of plain Avro")
	}
	f.leaks("13912345678")
}

// derived are a recipient's copies of the schemas of form file.
func (f *forms) derived(recipient, key, value string) (string, string) {
	f.t.Helper()
	compile := func(text string) *schemas.Schema {
		s, err := CompileSchema(schemas.FormatAvro, text, nil)
		if err != nil {
			f.t.Fatal(err)
		}
		return s
	}
	gen, err := newGeneration(&f.cfg.Policy, &f.cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	p, err := transforms.Compile(transforms.Input{Policy: f.cfg.Policy.Transforms, Dataset: transforms.Dataset{Name: "file.t"},
		Key: compile(key), Value: compile(value), Kinds: gen.kinds, Ring: f.cfg.Policy.Ring})
	if err != nil {
		f.t.Fatal(err)
	}
	for i, r := range f.cfg.Policy.Transforms.Recipients {
		if r.Name == recipient {
			k, v := p.Shape(i)
			return k.Schema(), v.Schema()
		}
	}
	f.t.Fatal("no such recipient")
	return "", ""
}
