package stream

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"weir/schemas"
	"weir/transforms"
)

// TestOneValueOneToken is Invariant 2 and contract 20: one value has one token
// for a recipient, in key, before, after and headers, however it is written.
func TestOneValueOneToken(t *testing.T) {
	row := func(typ string) string {
		return `{"type":"record","name":"Envelope","namespace":"f","fields":[{"name":"before","type":["null",{"type":"record","name":"Value","fields":[{"name":"id","type":` + typ + `}]}],"default":null},` +
			`{"name":"after","type":["null","Value"],"default":null},{"name":"op","type":"string"}]}`
	}
	key := func(typ string) string {
		return `{"type":"record","name":"Key","namespace":"f","fields":[{"name":"id","type":` + typ + `}]}`
	}
	block := func(field, inner string) string {
		return `{"type":"struct","optional":true,"field":"` + field + `","fields":[{"field":"id","optional":false,` + inner + `}]}`
	}
	envelope := func(inner string) string {
		return `{"type":"struct","optional":false,"fields":[` + block("before", inner) + `,` + block("after", inner) + `,{"field":"op","type":"string","optional":false}]}`
	}
	b64 := base64.StdEncoding.EncodeToString([]byte{3, 0x3d, 0x3d, 0x8c, 0x4e}) // canary's digits, unscaled
	forms := []struct{ name, typ, value string }{
		{"text", `"string"`, `"` + canary + `"`}, {"long", `"long"`, canary},
		{"decimal", `{"type":"bytes","logicalType":"decimal","precision":20,"scale":0}`, `"\u0003\u003d\u003d\u008c\u004e"`},
		{"scaled", `{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}`, `"\u0001\u0043\u00ec\u000a\u00ce\u0078"`},
		{"double", `"double"`, canary},
		{"json", "", `"` + canary + `"`}, {"number", "", canary}, {"exponent", "", "1.3912345678e10"}, {"fraction", "", canary + ".000"}, {"escaped", "", `"\u003139\u0031234567\u0038"`},
		{"block", `"type":"int64"`, canary}, {"blocktext", `"type":"string"`, `"` + canary + `"`},
		{"blockdec", `"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"0"}`, `"` + b64 + `"`},
	}
	var sources []Source
	policy := ""
	for _, c := range forms {
		policy += "catalog " + c.name + ".t.id contact.phone\n"
		switch {
		case strings.HasPrefix(c.name, "block"):
			sources = append(sources, debezium(c.name, EncodingJSON, func(s *Source) { s.SchemaBlock, s.KeyChangeHeaders = true, "json" }))
		case c.typ == "":
			sources = append(sources, debezium(c.name, EncodingJSON, func(s *Source) { s.KeyChangeHeaders = "json" }))
		default:
			sources = append(sources, debezium(c.name, EncodingConfluentAvro, func(s *Source) { s.KeyChangeHeaders = "avro" }))
		}
	}
	f := newForms(t, policy+`
recipient a
  field:*.t.id token domain=d canonical=off
recipient b
  field:*.t.id token domain=d canonical=off
recipient x
  field:*.t.id token domain=d canonical=off share=g
recipient y
  field:*.t.id token domain=d canonical=off share=g
`, sources...)
	f.knows = []string{canary}
	for _, c := range forms {
		k, v := `{"id":`+c.value+`}`, `{"before":{"id":`+c.value+`},"after":{"id":`+c.value+`},"op":"u"}`
		r := &kgo.Record{Key: []byte(k), Value: []byte(v)}
		other := []byte(k)
		switch {
		case strings.HasPrefix(c.name, "block"):
			r.Key = []byte(`{"schema":{"type":"struct","optional":false,"fields":[{"field":"id","optional":false,` + c.typ + `}]},"payload":` + k + `}`)
			r.Value = []byte(`{"schema":` + envelope(c.typ) + `,"payload":` + v + `}`)
			other = r.Key
		case c.typ != "":
			r.Key = framed(f.register("key-"+c.name, key(c.typ), sr.TypeAvro), avroOf(t, key(c.typ), k))
			r.Value = framed(f.register("value-"+c.name, row(c.typ), sr.TypeAvro), avroOf(t, row(c.typ), v))
			other = r.Key
		}
		r.Headers = []kgo.RecordHeader{{Key: newKeyHeader, Value: other}}
		f.put(c.name, r)
	}
	f.drain()
	token := regexp.MustCompile(`[0-9A-Z]{24}`)
	seen := map[string]map[string]bool{}
	for _, c := range forms {
		f.held(c.name)
		const id = `{"id":"‹` + canary + `›"}`
		want := id + ` → {"after":` + id + `,"before":` + id + `,"op":"u"} ` + newKeyHeader + `=` + id
		f.want("a", c.name, want)
		f.want("b", c.name, want)
		for _, r := range []string{"a", "b", "x", "y"} {
			if seen[r] == nil {
				seen[r] = map[string]bool{}
			}
			if c.typ != "" {
				continue // a length may look like a token's character
			}
			for _, rec := range f.out(r, c.name) {
				for _, tok := range token.FindAllString(string(rec.Key)+string(rec.Value), -1) {
					seen[r][tok] = true
				}
			}
		}
	}
	one := func(r string) string {
		for tok := range seen[r] {
			return tok
		}
		return strings.Repeat(" ", 24)
	}
	for r, toks := range seen {
		if len(toks) != 1 {
			t.Errorf("%s has %d tokens of one value", r, len(toks))
		}
	}
	if one("a") == one("b") || one("x")[:16] != one("y")[:16] || one("x") == one("y") || one("a")[:16] == one("x")[:16] {
		t.Error("tokens must differ by recipient, and agree in 16 characters within a group")
	}
	f.leaks(canary, "391234567")
}

// versions are the registered texts of a subject.
func (f *forms) versions(subject string) []string {
	f.t.Helper()
	list, err := f.sr.Schemas(context.Background(), subject)
	if err != nil {
		f.t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b sr.SubjectSchema) int { return a.Version - b.Version })
	var out []string
	for _, s := range list {
		out = append(out, s.Schema.Schema)
	}
	return out
}

// TestDerivedSchemasSayWhatWasDone: under the topic's subjects, names kept,
// treatments in the fields' properties.
func TestDerivedSchemasSayWhatWasDone(t *testing.T) {
	f := newForms(t, customerPolicy("avro", "json", "block"), debezium("avro", EncodingConfluentAvro, nil), debezium("json", EncodingConfluentJSON, nil),
		debezium("block", EncodingJSON, func(s *Source) { s.SchemaBlock = true }))
	f.put("avro", &kgo.Record{Key: framed(f.register("k", customerKeyAvro, sr.TypeAvro), avroOf(t, customerKeyAvro, `{"id":7}`)),
		Value: framed(f.register("v", customerAvro, sr.TypeAvro), avroOf(t, customerAvro, customerEvents[1]))})
	f.put("json", &kgo.Record{Key: framed(f.register("jk", customerKeySchema, sr.TypeJSON), []byte(`{"id":7}`)),
		Value: framed(f.register("jv", customerSchema, sr.TypeJSON), []byte(customerEvents[1]))})
	f.put("block", &kgo.Record{Key: []byte(`{"schema":` + customerKeyBlock + `,"payload":{"id":7}}`), Value: []byte(`{"schema":` + customerBlock + `,"payload":` + customerEvents[1] + `}`)})
	f.drain()
	block := f.out("a", "block")[0]
	for subject, texts := range map[string][]string{
		"out.a.in.avro.t-key": f.versions("out.a.in.avro.t-key"), "out.a.in.avro.t-value": f.versions("out.a.in.avro.t-value"),
		"out.a.in.json.t-key": f.versions("out.a.in.json.t-key"), "out.a.in.json.t-value": f.versions("out.a.in.json.t-value"),
		"block key": {string(block.Key)}, "block value": {string(block.Value)},
	} {
		if len(texts) != 1 {
			t.Fatalf("%s has %d versions", subject, len(texts))
		}
		notes, name := strings.Count(texts[0], `"weir.treatment":"token"`), "Key"
		want := 1
		if strings.HasSuffix(subject, "value") {
			name, want = "Envelope", map[bool]int{true: 2, false: 4}[strings.Contains(subject, "avro")] // Avro names the row once
		}
		if notes != want || !strings.Contains(texts[0], name) || strings.Contains(texts[0], "query") {
			t.Errorf("%s notes %d treatments: %s", subject, notes, texts[0])
		}
	}
}

// TestSchemaEvolution: a field that is decided makes a second version of the
// copies' schemas; a change that a recipient's readers cannot take holds that
// recipient's records and no other's.
func TestSchemaEvolution(t *testing.T) {
	row := func(fields string) string {
		return `{"type":"record","name":"Row","namespace":"f","fields":[` + fields + `]}`
	}
	const id, phone, city = `{"name":"id","type":"long"}`, `{"name":"phone","type":["null","string"],"default":null}`, `{"name":"city","type":"string","default":"?"}`
	first, second, third := row(id+","+phone), row(id+","+phone+","+city), row(`{"name":"id","type":"string"},`+phone+","+city)
	fourth := row(`{"name":"id","type":"string"},` + phone + "," + city + `,{"name":"backup","type":["null","string"],"default":null}`)
	f := newForms(t, customerPolicy("avro"), Source{Topics: "avro", Encoding: EncodingConfluentAvro, KeyEncoding: EncodingConfluentAvro})
	f.knows = []string{"7", "x7"}
	for i, s := range []struct{ schema, value string }{
		{first, `{"id":7,"phone":null}`}, {second, `{"id":7,"phone":null,"city":"x"}`}, {first, `{"id":7,"phone":null}`},
		{third, `{"id":"x7","phone":null,"city":"x"}`}, {fourth, `{"id":"x7","phone":null,"city":"x","backup":"` + canary + `"}`}, {second, `{"id":7,"phone":null,"city":"y"}`}} {
		f.put("avro", &kgo.Record{Value: framed(f.register(fmt.Sprint("in", i), s.schema, sr.TypeAvro), avroOf(t, s.schema, s.value))})
	}
	f.drain()
	f.want("a", "avro", `null → {"id":"‹7›","phone":null}`, `null → {"city":"x","id":"‹7›","phone":null}`, `null → {"id":"‹7›","phone":null}`,
		`null → {"city":"x","id":"‹x7›","phone":null}`, `null → {"city":"y","id":"‹7›","phone":null}`)
	f.want("b", "avro", `null → {"id":7}`, `null → {"city":"x","id":7}`, `null → {"id":7}`, `null → {"city":"y","id":7}`)
	f.held("avro", "3 incompatible b", "4 undecided avro.t.backup a,b")
	for subject, want := range map[string]int{"out.a.in.avro.t-value": 2, "out.b.in.avro.t-value": 2} {
		// a's third version differs in its order of types at most: it is a token in all.
		if n := len(f.versions(subject)); n != want {
			t.Errorf("%s has %d versions, want %d", subject, n, want)
		}
	}
	f.leaks(canary)
}

// TestReadOnlyRegistry: without write rights a copy's schema must be there: the
// partition waits until somebody registers it, and nothing passes meanwhile.
func TestReadOnlyRegistry(t *testing.T) {
	f := newForms(t, customerPolicy("avro", "json"), debezium("avro", EncodingConfluentAvro, nil), Source{Topics: "json", Encoding: EncodingJSON, KeyEncoding: EncodingJSON})
	f.cfg.RegisterSchemas = false
	f.put("avro", &kgo.Record{Value: framed(f.register("v", customerAvro, sr.TypeAvro), avroOf(t, customerAvro, customerEvents[1]))})
	f.put("json", jsonText(`{"id":7}`, `{"id":7}`)...)
	run := f.start(f.cfg, nil)
	f.run = run
	waitFor(t, "in.avro.t to wait for the copies' schemas", func() bool {
		for _, p := range run.Status().Partitions {
			if p.Topic == "in.avro.t" && p.Reason == "output_schema" {
				return true
			}
		}
		return false
	})
	if n := outEnd(f.rig, "out.a.in.avro.t"); n != 0 || slices.Contains(f.subjects(), "out.a.in.avro.t-value") {
		t.Error("something passed, or was registered")
	}
	in, err := CompileSchema(schemas.FormatAvro, customerAvro, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := transforms.Compile(transforms.Input{Policy: f.cfg.Policy.Transforms, Dataset: transforms.Dataset{Name: "avro.t", Envelope: transforms.EnvelopeDebezium, Placeholder: unavailable},
		Value: in, Kinds: f.kinds(), Ring: f.cfg.Policy.Ring})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range f.cfg.Policy.Transforms.Recipients {
		_, value := p.Shape(i)
		f.register("out."+r.Name+".in.avro.t-value", value.Schema(), sr.TypeAvro)
	}
	f.knows = []string{"7", canary}
	f.put("json", jsonText(`{"id":7}`, `-`)...) // ends the long poll, in which the waiting partition is not
	f.drain()
	f.held("avro")
	f.want("a", "avro", strings.Replace(customersOf("a", idKey)[0], `{"id":"‹7›"} →`, "null →", 1))
	f.want("b", "avro", strings.Replace(customersOf("b", idKey)[0], `{"id":7} →`, "null →", 1))
	f.want("b", "json", `{"id":7} → {"id":7}`, `{"id":7} → null`)
}

func (f *forms) subjects() []string {
	f.t.Helper()
	list, err := f.sr.Subjects(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

func (f *forms) kinds() map[string]transforms.Factory {
	f.t.Helper()
	gen, err := newGeneration(&f.cfg.Policy, &f.cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	return gen.kinds
}
