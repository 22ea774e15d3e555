package stream

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"weir/transforms"
)

const rowsAvro = `{"type":"record","name":"Envelope","namespace":"f","fields":[{"name":"before","type":["null",{"type":"record","name":"Value","fields":[{"name":"id","type":"long"},
 {"name":"country","type":["null","string"],"default":null},{"name":"phone","type":["null","string"],"default":null}]}],"default":null},{"name":"after","type":["null","Value"],"default":null},{"name":"op","type":"string"}]}`

// TestRowsThroughTheEngine: what enters, leaves, stays inside and stays outside
// a recipient's rows, with full and with key-only before images, in Avro, JSON
// and JSON with a schema block; the frames tell filtered from lost.
func TestRowsThroughTheEngine(t *testing.T) {
	full := func(s *Source) { s.BeforeFull = true }
	block := `{"type":"struct","optional":false,"fields":[` + rowsBlock("before") + `,` + rowsBlock("after") + `,{"field":"op","type":"string","optional":false}]}`
	names := []string{"avrofull", "avropartial", "jsonfull", "jsonpartial", "blockfull", "blockpartial"}
	policy := ""
	for _, n := range names {
		policy += "catalog " + n + ".t.id " + n + ".t.country internal\ncatalog " + n + ".t.phone contact.mobile_cn\n"
	}
	f := newForms(t, policy+`
recipient all grade=2
  contact.* drop
recipient cn grade=2 rows=after.country == 'CN'
  contact.* drop
`, debezium("avrofull", EncodingConfluentAvro, full), debezium("avropartial", EncodingConfluentAvro, nil),
		debezium("jsonfull", EncodingJSON, full), debezium("jsonpartial", EncodingJSON, nil),
		debezium("blockfull", EncodingJSON, func(s *Source) { s.BeforeFull, s.SchemaBlock = true, true }),
		debezium("blockpartial", EncodingJSON, func(s *Source) { s.SchemaBlock = true }))
	keyID, id := f.register("k", customerKeyAvro, sr.TypeAvro), f.register("v", rowsAvro, sr.TypeAvro)
	row := func(id, country string) string {
		switch country {
		case "":
			return "null"
		case "null":
			return `{"id":` + id + `,"country":null,"phone":null}`
		}
		return `{"id":` + id + `,"country":"` + country + `","phone":"` + canary + `"}`
	}
	events := []struct{ id, op, before, after string }{
		{"1", "c", "", "CN"}, {"2", "c", "", "US"}, {"3", "r", "", "CN"}, {"4", "r", "", "US"},
		{"5", "u", "CN", "CN"}, {"6", "u", "US", "CN"}, {"7", "u", "CN", "US"}, {"8", "u", "US", "US"},
		{"9", "d", "CN", ""}, {"10", "d", "US", ""}, {"11", "", "", ""},
	}
	for _, e := range events {
		key, value := `{"id":`+e.id+`}`, `{"before":`+row(e.id, e.before)+`,"after":`+row(e.id, e.after)+`,"op":"`+e.op+`"}`
		for _, n := range names {
			r := &kgo.Record{Key: []byte(key), Value: []byte(value)}
			switch {
			case strings.HasPrefix(n, "avro"):
				r.Key, r.Value = framed(keyID, avroOf(t, customerKeyAvro, key)), framed(id, avroOf(t, rowsAvro, value))
			case strings.HasPrefix(n, "block"):
				r.Key, r.Value = []byte(`{"schema":`+customerKeyBlock+`,"payload":`+key+`}`), []byte(`{"schema":`+block+`,"payload":`+value+`}`)
			}
			if e.op == "" {
				r.Value = nil
			}
			f.put(n, r)
		}
	}
	f.drain()
	out := func(id, op, before, after string) string {
		img := func(country string) string {
			if country == "" {
				return "null"
			}
			return `{"country":"` + country + `","id":` + id + `}`
		}
		return `{"id":` + id + `} → {"after":` + img(after) + `,"before":` + img(before) + `,"op":"` + op + `"}`
	}
	tomb := func(id string) string { return `{"id":` + id + `} → null` }
	for _, n := range names {
		f.held(n)
		var all []string
		for _, e := range events[:10] {
			all = append(all, out(e.id, e.op, e.before, e.after))
		}
		f.want("all", n, append(all, tomb("11"))...)
		if strings.HasSuffix(n, "full") {
			f.want("cn", n, out("1", "c", "", "CN"), out("3", "r", "", "CN"), out("5", "u", "CN", "CN"), out("6", "c", "", "CN"),
				out("7", "d", "CN", ""), tomb("7"), out("9", "d", "CN", ""), tomb("11"))
			continue
		}
		f.want("cn", n, out("1", "c", "", "CN"), out("3", "r", "", "CN"), out("5", "u", "", "CN"), out("6", "u", "", "CN"),
			out("7", "d", "", ""), tomb("7"), out("8", "d", "", ""), tomb("8"), out("9", "d", "", ""), out("10", "d", "", ""), tomb("11"))
	}
	const p, x = "published", "filtered rows"
	fates := append(slices.Repeat([]string{p, x, p, x, p, p, p, x, p, x, p, p, x, p, x, p, p, p, p, p, p, p}, 3), []string{}...)
	if got := f.fates("cn"); !slices.Equal(got, fates) {
		t.Errorf("fates %q", got)
	}
	f.leaks(canary)
}

// rowsBlock is an image's schema block.
func rowsBlock(field string) string {
	return `{"field":"` + field + `","type":"struct","optional":true,"fields":[{"field":"id","type":"int64","optional":false},` +
		`{"field":"country","type":"string","optional":true},{"field":"phone","type":"string","optional":true}]}`
}

// TestRowsThatCannotBeJudged: null, an absent field, the placeholder and an
// expression that fails hold a record for that recipient alone, under a code.
func TestRowsThatCannotBeJudged(t *testing.T) {
	f := newForms(t, `
catalog j.t.id j.t.country j.t.n internal
recipient all grade=2
recipient cn grade=2 rows=after.country == 'CN'
recipient some grade=2 rows=has(after.country) && after.country == 'CN'
recipient div grade=2 rows=1 / after.n > 0
recipient year grade=2 rows=int(after.country) > 3
`, debezium("j", EncodingJSON, func(s *Source) { s.BeforeFull = true }))
	for _, after := range []string{`{"id":7,"country":"CN","n":1}`, `{"id":7,"country":null,"n":0}`, `{"id":7}`, `{"id":7,"country":"` + unavailable + `","n":1}`,
		`{"id":7,"country":"CN","country":"US","n":1}`, `{"id":7,"country":"` + canary + `x","n":1}`} {
		f.put("j", jsonText(`{"id":7}`, `{"before":null,"after":`+after+`,"op":"c"}`)...)
	}
	f.drain()
	if n := len(f.out("all", "j")); n != 6 {
		t.Errorf("all got %d records", n)
	}
	got := func(r string) []string {
		var out []string
		for _, fate := range f.fates(r) {
			out = append(out, strings.TrimPrefix(strings.TrimPrefix(fate, "quarantined "), "filtered "))
		}
		return out
	}
	const p, rows, bad = "published", "rows", "rows_error"
	for r, want := range map[string][]string{
		"cn":   {p, rows, bad, bad, "duplicate_name", rows},
		"some": {p, rows, rows, bad, "duplicate_name", rows},
		"div":  {p, bad, bad, p, p, p},
		"year": {bad, bad, bad, bad, "duplicate_name", bad},
	} {
		if !slices.Equal(got(r), want) {
			t.Errorf("%s: %q, want %q", r, got(r), want)
		}
	}
	logs := f.log.String()
	if strings.Contains(logs, canary) {
		t.Error("the log quotes a value that rows saw")
	}
}

// TestFlatAndPlainRows: a flattened row that leaves becomes its tombstone.
func TestFlatAndPlainRows(t *testing.T) {
	f := newForms(t, `
catalog flat.t.id flat.t.country none.t.id none.t.country internal
recipient cn grade=2 rows=after.country == 'CN'
`, Source{Topics: "flat", Encoding: EncodingJSON, KeyEncoding: EncodingJSON, Envelope: transforms.EnvelopeFlat}, Source{Topics: "none", Encoding: EncodingJSON, KeyEncoding: EncodingJSON})
	f.put("flat", jsonText(`{"id":1}`, `{"id":1,"country":"CN","__op":"c"}`, `{"id":2}`, `{"id":2,"country":"US","__op":"c"}`, `{"id":1}`, `{"id":1,"country":"US","__op":"u"}`,
		`{"id":3}`, `{"id":3,"country":"US","__op":"d","__deleted":"true"}`, "-", `{"id":4,"country":"US","__op":"u"}`, `{"id":5}`, `{"id":5,"country":"US"}`, `{"id":6}`, "-")...)
	f.put("none", jsonText(`{"id":1}`, `{"id":1,"country":"CN"}`, `{"id":1}`, `{"id":1,"country":"US"}`, `{"id":1}`, "-")...)
	f.drain()
	f.want("cn", "flat", `{"id":1} → {"__op":"c","country":"CN","id":1}`, `{"id":1} → null`, `{"id":3} → null`, `{"id":5} → null`, `{"id":6} → null`)
	f.want("cn", "none", `{"id":1} → {"country":"CN","id":1}`, `{"id":1} → null`)
}

// TestUntilAndUnknown: the last day by the record's own time, and the rule for
// what nobody declared, each recipient for itself.
func TestUntilAndUnknown(t *testing.T) {
	f := newForms(t, `
catalog j.t.id internal
catalog j.t.deep.phone contact.mobile_cn
recipient strict grade=2
  contact.* drop
recipient loose grade=2 unknown=drop
  contact.* drop
recipient gone grade=2 unknown=drop until=2020-02-29
  contact.* drop
recipient ends grade=2 unknown=drop until=2199-12-31
  contact.* drop
`, Source{Topics: "j", Encoding: EncodingJSON, KeyEncoding: EncodingJSON}, Source{Topics: "avro", Encoding: EncodingConfluentAvro, KeyEncoding: EncodingConfluentAvro})
	for i, at := range []string{"2020-02-29T23:59:59.999Z", "2020-03-01T00:00:00Z", "2199-12-31T23:59:59.999Z", "2200-01-01T00:00:00Z"} {
		r := jsonText(`{"id":1}`, []string{`{"id":1}`, `{"id":1,"phone":"` + canary + `"}`, `{"x":{"y":["` + canary + `"]},"id":1,"` + canary + `":{}}`,
			`{"id":1,"deep":{"phone":"` + canary + `","other":"` + canary + `"}}`}[i])[0]
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		r.Timestamp = when
		f.put("j", r)
	}
	const schema = `{"type":"record","name":"R","fields":[{"name":"p","type":"string"},{"name":"q","type":{"type":"array","items":"string"}}]}`
	f.put("avro", &kgo.Record{Value: framed(f.register("v", schema, sr.TypeAvro), avroOf(t, schema, `{"p":"`+canary+`","q":["`+canary+`"]}`))})
	f.run = f.start(f.cfg, func(r *Runner) { r.now = time.Now }) // kfake stamps no record with its own time
	f.drain()
	const id = `{"id":1} → {"id":1}`
	f.want("strict", "j", id)
	f.want("loose", "j", id, id, id, id)
	f.want("gone", "j") // its last day is over by the broker's time too
	f.want("ends", "j", id, id, id)
	f.held("j", "1 undeclared_field * strict", "2 undeclared_field * strict", "3 undeclared_field * strict")
	f.want("loose", "avro", "null → {}")
	f.want("ends", "avro", "null → {}")
	f.held("avro", "0 undecided avro.t.p strict")
	f.leaks(canary)
}
