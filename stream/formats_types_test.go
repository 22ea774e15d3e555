package stream

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

// avroType is one Avro type with a value: as twmb/avro's JSON under the base
// type, as contract 20's canonical text, and generalised.
type avroType struct{ name, typ, value, text, coarse string }

// connectType is a base type that Connect or Debezium names.
func connectType(base, name string) string {
	return `{"type":"` + base + `","connect.version":1,"connect.name":"` + name + `"}`
}

func logicalType(base, name string) string {
	return `{"type":"` + base + `","logicalType":"` + name + `"}`
}

// avroTypes: `coarse` is to the month for dates, to tens for numbers, one
// character for the rest; "" where generalise refuses.
var avroTypes = []avroType{
	{"bool", `"boolean"`, `true`, "true", "t"},
	{"i", `"int"`, `-42`, "-42", "-50"},
	{"l", `"long"`, `9007199254740993`, "9007199254740993", "9007199254740990"},
	{"f", `"float"`, `25.5`, "25.5", "20"},
	{"d", `"double"`, `-0.1`, "-0.1", "-10"},
	{"by", `"bytes"`, `"\u0000\u00ffz"`, "\x00\xffz", ""},
	{"s", `"string"`, `"héllo, 世界"`, "héllo, 世界", "h"},
	{"e", `{"type":"enum","name":"E","symbols":["RED","GREEN"]}`, `"GREEN"`, "GREEN", "G"},
	{"fx", `{"type":"fixed","name":"F3","size":3}`, `"\u0001\u0002\u0003"`, "\x01\x02\x03", ""},
	{"day", logicalType("int", "date"), `19860`, "2024-05-17", "2024-05-01"},
	{"tms", logicalType("int", "time-millis"), `3723004`, "01:02:03.004", "0"},
	{"tus", logicalType("long", "time-micros"), `3723000000`, "01:02:03", "0"},
	{"ims", logicalType("long", "timestamp-millis"), `1715929384500`, "2024-05-17T07:03:04.5Z", "2024-05-01T00:00:00Z"},
	{"ius", logicalType("long", "timestamp-micros"), `1715929384000001`, "2024-05-17T07:03:04.000001Z", "2024-05-01T00:00:00Z"},
	{"ins", logicalType("long", "timestamp-nanos"), `1715929384000000000`, "2024-05-17T07:03:04Z", "2024-05-01T00:00:00Z"},
	{"lms", logicalType("long", "local-timestamp-millis"), `1715929384500`, "2024-05-17T07:03:04.5", "2024-05-01T00:00:00"},
	{"lus", logicalType("long", "local-timestamp-micros"), `-1`, "1969-12-31T23:59:59.999999", "1969-12-01T00:00:00"},
	{"lns", logicalType("long", "local-timestamp-nanos"), `1715929384000000000`, "2024-05-17T07:03:04", "2024-05-01T00:00:00"},
	{"dec", `{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}`, `"\u0030\u0039"`, "123.45", "120"},
	{"dfx", `{"type":"fixed","name":"D4","size":4,"logicalType":"decimal","precision":9,"scale":2}`, `"\u00ff\u00ff\u00ff\u009c"`, "-1", "-10"},
	{"us", logicalType("string", "uuid"), `"123e4567-e89b-12d3-a456-426614174000"`, "123e4567-e89b-12d3-a456-426614174000", "1"},
	{"uf", `{"type":"fixed","name":"U16","size":16,"logicalType":"uuid"}`,
		`"\u0012\u003e\u0045\u0067\u00e8\u009b\u0012\u00d3\u00a4\u0056\u0042\u0066\u0014\u0017\u0040\u0000"`, "123e4567-e89b-12d3-a456-426614174000", "1"},
	{"dur", `{"type":"fixed","name":"D12","size":12,"logicalType":"duration"}`,
		`"\u0001\u0000\u0000\u0000\u0002\u0000\u0000\u0000\u0003\u0000\u0000\u0000"`, "1,2,3", "1"},
	{"kday", connectType("int", "org.apache.kafka.connect.data.Date"), `19860`, "2024-05-17", "2024-05-01"},
	{"kts", connectType("long", "org.apache.kafka.connect.data.Timestamp"), `1715929384500`, "2024-05-17T07:03:04.5Z", "2024-05-01T00:00:00Z"},
	{"kdec", `{"type":"bytes","connect.version":1,"connect.parameters":{"scale":"2"},"connect.name":"org.apache.kafka.connect.data.Decimal"}`,
		`"\u0030\u0039"`, "123.45", "120"},
	{"zday", connectType("int", "io.debezium.time.Date"), `19860`, "2024-05-17", "2024-05-01"},
	{"zmt", connectType("long", "io.debezium.time.MicroTimestamp"), `1715929384000001`, "2024-05-17T07:03:04.000001", "2024-05-01T00:00:00"},
	{"zntm", connectType("long", "io.debezium.time.NanoTime"), `3723004000000`, "01:02:03.004", "0"},
	{"zz", connectType("string", "io.debezium.time.ZonedTimestamp"), `"2024-05-17T15:03:04.50+08:00"`, "2024-05-17T07:03:04.5Z", "2024-05-01T00:00:00Z"},
	{"zu", connectType("string", "io.debezium.data.Uuid"), `"123E4567-E89B-12D3-A456-426614174000"`, "123e4567-e89b-12d3-a456-426614174000", "1"},
}

// allTypes is a record of all types, each nullable beside it.
func allTypes() (schema, value, nulls string) {
	var fields, values, none []string
	for _, a := range avroTypes {
		nullable := strings.NewReplacer(`"name":"E"`, `"name":"E2"`, `"F3"`, `"F3n"`, `"D4"`, `"D4n"`, `"U16"`, `"U16n"`, `"D12"`, `"D12n"`).Replace(a.typ)
		fields = append(fields, `{"name":"`+a.name+`","type":`+a.typ+`}`, `{"name":"n_`+a.name+`","type":["null",`+nullable+`],"default":null}`)
		values = append(values, `"`+a.name+`":`+a.value+`,"n_`+a.name+`":`+a.value)
		none = append(none, `"`+a.name+`":`+a.value+`,"n_`+a.name+`":null`)
	}
	return `{"type":"record","name":"All","fields":[` + strings.Join(fields, ",") + `]}`,
		"{" + strings.Join(values, ",") + "}", "{" + strings.Join(none, ",") + "}"
}

// TestEveryTypeUnderEveryTreatment: each Avro type, plain and nullable, under
// each built treatment; goavro and twmb/avro read the result, and tokens,
// first characters and coarse values show that its canonical text was used.
func TestEveryTypeUnderEveryTreatment(t *testing.T) {
	schema, value, nulls := allTypes()
	var policy, coarse, opaque strings.Builder
	policy.WriteString("catalog")
	for _, a := range avroTypes {
		for _, n := range []string{a.name, "n_" + a.name} {
			policy.WriteString(" types.t." + n)
			rule := "prefix=1"
			switch {
			case a.coarse == "":
				opaque.WriteString("  field:types.t." + n + " drop\n")
				continue
			case strings.HasSuffix(a.coarse, "0") && len(a.coarse) > 1 && !strings.Contains(a.coarse, "T"):
				rule = "number=10"
			case strings.HasPrefix(a.coarse, "20") || strings.HasPrefix(a.coarse, "19"):
				rule = "date=month"
			}
			if strings.Count(a.coarse, "-") == 2 {
				rule = "date=month"
			}
			coarse.WriteString("  field:types.t." + n + " generalise " + rule + "\n")
		}
	}
	f := newForms(t, policy.String()+` internal
recipient pass grade=2
recipient drop
  field:types.t.* drop
recipient null
  field:types.t.* null
recipient constant
  field:types.t.* constant hidden
recipient seven
  field:types.t.* constant 7
recipient token
  field:types.t.* token domain=d
recipient mask
  field:types.t.* mask
`+opaque.String()+`recipient truncate
  field:types.t.* truncate 1
`+opaque.String()+`recipient generalise
`+coarse.String()+opaque.String()+`recipient refused
  field:types.t.* mask
`, Source{Topics: "types", Encoding: EncodingConfluentAvro, KeyEncoding: EncodingConfluentAvro})
	for _, a := range avroTypes {
		f.knows = append(f.knows, a.text)
	}
	id := f.register("types", schema, sr.TypeAvro)
	in := []*kgo.Record{{Value: framed(id, avroOf(t, schema, value))}, {Value: framed(id, avroOf(t, schema, nulls))}}
	f.put("types", in...)
	f.drain()
	f.want("pass", "types", "null → "+sorted(t, []byte(value)), "null → "+sorted(t, []byte(nulls)))
	for i, r := range f.out("pass", "types") {
		if string(r.Value[5:]) != string(in[i].Value[5:]) {
			t.Error("what passes is not the same bytes")
		}
	}
	f.want("drop", "types", "null → {}", "null → {}")
	f.held("types", "0 treatment_refused types.t.by refused", "1 treatment_refused types.t.by refused")

	first := func(s string) string { _, n := utf8.DecodeRuneInString(s); return s[:n] }
	stars := regexp.MustCompile(`^[*]+$`)
	f.each("token", func(a *avroType, got any) bool { return got == f.tokenName(a.text) }, true)
	f.each("truncate", func(a *avroType, got any) bool { return got == first(a.text) }, true)
	f.each("mask", func(a *avroType, got any) bool {
		s, _ := got.(string)
		closed := a.name == "bool" || a.name == "e"
		return stars.MatchString(s) && (closed && len(s) == 3 || !closed && len(s) == utf8.RuneCountInString(a.text))
	}, true)
	f.each("null", func(_ *avroType, got any) bool { return got == nil }, true)
	f.each("constant", func(_ *avroType, got any) bool { return got == "hidden" }, false)
	sevens := map[string]any{"dec": "\u0002\u00bc", "kdec": "\u0002\u00bc", "dfx": "\x00\x00\u0002\u00bc"} // 700
	for _, number := range []string{"i", "l", "f", "d"} {
		sevens[number] = json.Number("7")
	}
	f.each("seven", func(a *avroType, got any) bool { return got == sevens[a.name] || sevens[a.name] == nil && got == "7" }, false)
	f.each("generalise", func(a *avroType, got any) bool { return coarseAs(t, a) == fmt.Sprint(got) }, true)
}

// tokenName is how show prints the token of a text.
func (f *forms) tokenName(text string) string {
	f.tokens("token")
	for _, name := range f.names["token"] {
		if name == "‹"+text+"›" || name == "‹"+hex.EncodeToString([]byte(text))+"›" {
			return name
		}
	}
	return "no such token"
}

// coarseAs is a's coarse value as the JSON of its base type.
func coarseAs(t *testing.T, a *avroType) string {
	t.Helper()
	switch a.name {
	case "day", "kday", "zday":
		return "19844" // 2024-05-01
	case "ims", "kts", "lms":
		return "1714521600000"
	case "ius", "zmt":
		return "1714521600000000"
	case "ins", "lns":
		return "1714521600000000000"
	case "lus":
		return "-2678400000000" // 1969-12-01
	case "dec", "kdec":
		return "\u002e\u00e0" // 12000, as JSON shows bytes
	case "dfx":
		return "\u00ff\u00ff\u00fc\u0018" // -1000
	}
	return a.coarse
}

// each checks every field of a recipient's two records. Null stays null in the
// second unless the treatment replaces it.
func (f *forms) each(recipient string, ok func(*avroType, any) bool, keepsNull bool) {
	f.t.Helper()
	out := f.out(recipient, "types")
	if len(out) != 2 {
		f.t.Errorf("%s has %d records: %v", recipient, len(out), f.notes("types"))
		return
	}
	for i, r := range out {
		_, text, _ := strings.Cut(f.show(recipient, "types", r), " → ")
		row := map[string]any{}
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&row); err != nil {
			f.t.Fatal(err)
		}
		for j := range avroTypes {
			a := &avroTypes[j]
			for _, n := range []string{a.name, "n_" + a.name} {
				got, there := row[n]
				if a.coarse == "" && !there && recipient != "token" && recipient != "null" {
					continue // dropped
				}
				want := a.text
				if i == 1 && n != a.name && keepsNull {
					if got != nil || !there {
						f.t.Errorf("%s %s: null became %v", recipient, n, got)
					}
					continue
				}
				if !there || !ok(a, got) {
					f.t.Errorf("%s %s: %q became %q", recipient, n, want, fmt.Sprint(got))
				}
			}
		}
	}
}

// TestContainersAndUnions: arrays and maps in several blocks with and without
// byte sizes, recursion, unions of several types.
func TestContainersAndUnions(t *testing.T) {
	const schema = `{"type":"record","name":"T","fields":[
 {"name":"list","type":{"type":"array","items":"string"}},
 {"name":"map","type":{"type":"map","values":"long"}},
 {"name":"u","type":["null","string","long","boolean",{"type":"record","name":"A","fields":[{"name":"city","type":"string"}]},{"type":"array","items":"int"}]},
 {"name":"node","type":{"type":"record","name":"Node","fields":[{"name":"v","type":["string","int"]},{"name":"next","type":["null","Node"],"default":null},{"name":"kids","type":{"type":"array","items":"Node"}}]}},
 {"name":"end","type":"string"}]}`
	f := newForms(t, `
catalog c.t.end internal
recipient token grade=2
  field:c.t.* token domain=d
  field:c.t.end pass
recipient pass grade=2
  field:c.t.list pass
  field:c.t.map{} pass
  field:c.t.map{#} pass
  field:c.t.u pass
  field:c.t.u[] pass
  field:c.t.u.city pass
  field:c.t.node.v pass
  field:c.t.node.next.v pass
  field:c.t.node.kids[].v pass
  field:c.t.node.next.kids[].v pass
  field:c.t.node.kids[].next.v pass
recipient drop grade=2
  field:c.t.* drop
  field:c.t.node.v truncate 1
  field:c.t.end pass
recipient some grade=2 unknown=drop
  field:c.t.list mask
  field:c.t.map{} null
  field:c.t.map{#} token domain=d
`, Source{Topics: "c", Encoding: EncodingConfluentAvro, KeyEncoding: EncodingConfluentAvro})
	f.knows = []string{"one", "two", "three", "k1", "k2", "1", "22", "-3", "s", "5", "true", "Shanghai", "root", "kid", "7"}
	id := f.register("c", schema, sr.TypeAvro)
	blocks := avroBytes(2, "one", "two", -1, 6, "three", 0, // two blocks, the second with its size
		-1, 4, "k1", 1, 1, "k2", -3, 0)
	node := avroBytes(0, "root", 1, 1, 7, 0, 0, -1, 7, 0, "kid", 0, 0, 0)
	var in []*kgo.Record
	for _, u := range [][]byte{avroBytes(1, "s"), avroBytes(2, 5), {6, 1}, avroBytes(4, "Shanghai"), avroBytes(0), avroBytes(5, 1, 22, -1, 1, 1, 0)} {
		b := append(append(append(append([]byte(nil), blocks...), u...), node...), avroBytes("end")...)
		in = append(in, &kgo.Record{Value: framed(id, b)})
	}
	f.put("c", in...)
	f.drain()
	f.held("c")
	row := func(u string) string {
		return `null → {"end":"end","list":["‹one›","‹two›","‹three›"],"map":{"‹k1›":"‹1›","‹k2›":"‹-3›"},"node":{"kids":[{"kids":[],"next":null,"v":"‹kid›"}],"next":{"kids":[],"next":null,"v":"‹7›"},"v":"‹root›"},"u":` + u + `}`
	}
	f.want("token", "c", row(`"‹s›"`), row(`"‹5›"`), row(`"‹true›"`), row(`{"city":"‹Shanghai›"}`), row(`null`), row(`["‹22›","‹1›"]`))
	for i, r := range f.out("pass", "c") {
		if string(r.Value[5:]) != string(in[i].Value[5:]) {
			t.Error("what passes is not the same bytes")
		}
	}
	for _, r := range f.out("some", "c") {
		if got := f.show("some", "c", r); got != `null → {"end":"end","list":["***","***","*****"],"map":{"‹k1›":null,"‹k2›":null}}` {
			t.Error(got)
		}
	}
	if n := len(f.out("some", "c")) + len(f.out("pass", "c")) + len(f.out("drop", "c")); n != 18 {
		t.Errorf("%d of 18 records", n)
	}
	for _, r := range f.out("drop", "c") {
		if got := f.show("drop", "c", r); !strings.Contains(got, `"end":"end"`) || strings.Contains(got, "root") {
			t.Error(got)
		}
	}
}

// avroBytes joins numbers and strings as Avro writes them.
func avroBytes(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = binary.AppendVarint(b, int64(p))
		case string:
			b = append(binary.AppendVarint(b, int64(len(p))), p...)
		}
	}
	return b
}
