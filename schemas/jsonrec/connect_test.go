package jsonrec

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/schemas"
)

// everyTypeBlock has each type of Connect's and each semantic name once.
const everyTypeBlock = `{"type":"struct","name":"db.t.Value","optional":false,"fields":[` +
	`{"type":"int8","optional":false,"field":"i8"},` +
	`{"type":"int16","optional":true,"field":"i16"},` +
	`{"type":"int32","optional":false,"default":5,"field":"i32"},` +
	`{"type":"int64","optional":false,"field":"i64"},` +
	`{"type":"float","optional":true,"field":"f"},` +
	`{"type":"double","optional":true,"field":"d"},` +
	`{"type":"boolean","optional":false,"field":"b"},` +
	`{"type":"string","optional":true,"doc":"the phone","parameters":{"len":"11"},"field":"s"},` +
	`{"type":"bytes","optional":false,"field":"bin"},` +
	`{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"field":"dec"},` +
	`{"type":"int32","optional":false,"name":"io.debezium.time.Date","version":1,"field":"date"},` +
	`{"type":"int64","optional":false,"name":"io.debezium.time.MicroTime","version":1,"field":"mt"},` +
	`{"type":"int64","optional":false,"name":"org.apache.kafka.connect.data.Timestamp","version":1,"field":"ts"},` +
	`{"type":"int64","optional":false,"name":"io.debezium.time.NanoTimestamp","version":1,"field":"nts"},` +
	`{"type":"string","optional":false,"name":"io.debezium.time.ZonedTimestamp","version":1,"field":"zts"},` +
	`{"type":"string","optional":false,"name":"io.debezium.data.Uuid","version":1,"field":"uuid"},` +
	`{"type":"string","optional":false,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"a,b"},"field":"enum"},` +
	`{"type":"array","items":{"type":"string","optional":true},"optional":false,"field":"arr"},` +
	`{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"int32","optional":true},"optional":false,"field":"m"},` +
	`{"type":"map","keys":{"type":"int32","optional":false},"values":{"type":"struct","fields":[` +
	`{"type":"string","optional":false,"field":"v"}],"optional":false},"optional":false,"field":"pairs"},` +
	`{"type":"struct","fields":[{"type":"string","optional":true,"field":"x"}],"optional":true,"field":"st"}]}`

const everyTypePayload = `{"i8":1,"i16":null,"i32":3,"i64":9007199254740993,"f":0.1,"d":"NaN","b":true,"s":"138",` +
	`"bin":"AP8=","dec":"A+g=","date":19782,"mt":3723000001,"ts":1700000000123,"nts":-1,"zts":"2024-01-01T01:00:00+01:00",` +
	`"uuid":"7d444840-9dc0-11d1-b245-5ffdce74fad2","enum":"a","arr":["p",null],"m":{"k":1},` +
	`"pairs":[[1,{"v":"q"}],[2,{"v":"r"}]],"st":{"x":null}}`

func envelope(block, payload string) string {
	return `{"schema":` + block + `,"payload":` + payload + `}`
}

func mustConnect(t testing.TB, block string) *schemas.Schema {
	t.Helper()
	s, err := FromConnect([]byte(block))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConnectEveryType(t *testing.T) {
	s := mustConnect(t, everyTypeBlock)
	src := envelope(everyTypeBlock, everyTypePayload)
	var v schemas.View
	if err := s.Codec.Scan(&v, []byte(src), everything(s)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, sp := range v.Spans {
		l := s.Leaves[sp.Leaf]
		text, err := s.Codec.Text(nil, &v, i)
		switch {
		case sp.Flags&schemas.Container != 0:
			text = []byte("…")
		case sp.Flags&schemas.Null != 0:
			text = []byte("null")
		case err != nil:
			text = []byte("!" + string(codeOf(err)))
		}
		got = append(got, l.Path+" "+sp.Kind.String()+" "+string(text))
	}
	want := []string{"i8 int 1", "i16 int null", "i32 int 3", "i64 long 9007199254740993", "f float 0.1",
		"d double !not_a_number", "b bool true", "s string 138", "bin bytes \x00\xff", "dec decimal 10", "date date 2024-02-29",
		"mt time 01:02:03.000001", "ts instant 2023-11-14T22:13:20.123Z", "nts local 1969-12-31T23:59:59.999999999",
		"zts instant 2024-01-01T00:00:00Z", "uuid uuid 7d444840-9dc0-11d1-b245-5ffdce74fad2", "enum enum a",
		"arr array …", "arr[] string p", "arr[] string null", "m map …", "m{#} string k", "m{} int 1",
		"pairs map …", "pairs{#} int 1", "pairs{} record …", "pairs{}.v string q", "pairs{#} int 2", "pairs{} record …",
		"pairs{}.v string r", "st record …", "st.x string null"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := splice(t, s, &v, schemas.ShapeOptions{}, nil); got != src {
		t.Error("identity changed it")
	}
	if i := s.Find("s")[0]; s.Leaves[i].Doc != "the phone" || !s.Leaves[i].Optional || s.Name != "db.t.Value" {
		t.Errorf("%+v", s.Leaves[i])
	}
}

// TestConnectSameText: every scalar rewritten from its own text, in its own
// kind, reads the same; numbers and instants may be written differently.
func TestConnectSameText(t *testing.T) {
	s := mustConnect(t, everyTypeBlock)
	src := envelope(everyTypeBlock, strings.Replace(everyTypePayload, `"NaN"`, `1.5`, 1))
	var v schemas.View
	if err := s.Codec.Scan(&v, []byte(src), everything(s)); err != nil {
		t.Fatal(err)
	}
	var edits []schemas.Edit
	for i, sp := range v.Spans {
		if sp.Flags&(schemas.Container|schemas.Null) == 0 {
			text, err := s.Codec.Text(nil, &v, i)
			if err != nil {
				t.Fatal(err)
			}
			edits = append(edits, schemas.Edit{Span: int32(i), Data: text})
		}
	}
	want := strings.Replace(src, "2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00Z", 1)
	if got := splice(t, s, &v, schemas.ShapeOptions{}, edits); got != want {
		t.Error(cmp.Diff(want, got))
	}
}

func TestConnectDerive(t *testing.T) {
	s := mustConnect(t, everyTypeBlock)
	change := func(path string, op schemas.ChangeOp, kind schemas.Kind) schemas.Change {
		return schemas.Change{Leaf: s.Find(path)[0], Op: op, Kind: kind, Note: "token"}
	}
	str := schemas.KindString
	o := schemas.ShapeOptions{Changes: []schemas.Change{
		change("i8", schemas.Cut, 0), change("st.x", schemas.Cut, 0), change("arr[]", schemas.Cut, 0),
		change("i32", schemas.Retype, str), change("s", schemas.Retype, str), change("dec", schemas.Retype, schemas.KindDecimal),
		change("date", schemas.Retype, schemas.KindInt), change("uuid", schemas.Retype, schemas.KindDate),
		change("m{}", schemas.Retype, str), change("m{#}", schemas.Retype, str), change("pairs{#}", schemas.Retype, schemas.KindLong),
		change("pairs{}.v", schemas.Retype, schemas.KindInstant), change("enum", schemas.Retype, schemas.KindLocal),
	}}
	o.Changes[5].Scale = 1
	shape, err := s.Codec.Derive(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`{"type":"string","optional":true,"field":"i32","parameters":{"weir.treatment":"token"}}`,
		`{"type":"string","optional":true,"doc":"the phone","parameters":{"len":"11","weir.treatment":"token"},"field":"s"}`,
		`{"type":"bytes","optional":true,"field":"dec","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"1","weir.treatment":"token"}}`,
		`{"type":"int32","optional":false,"field":"date","parameters":{"weir.treatment":"token"}}`,
		`{"type":"int32","optional":false,"field":"uuid","name":"io.debezium.time.Date","version":1,"parameters":{"weir.treatment":"token"}}`,
		`"keys":{"type":"string","optional":false,"parameters":{"weir.treatment":"token"}},"values":{"type":"string","optional":true,"parameters":{"weir.treatment":"token"}}`,
		`{"type":"int64","optional":false,"field":"enum","name":"io.debezium.time.MicroTimestamp","version":1,"parameters":{"weir.treatment":"token"}}`,
		`{"type":"struct","fields":[],"optional":true,"field":"st"}`,
	} {
		if !strings.Contains(shape.Schema(), part) {
			t.Errorf("the derived block lacks %s", part)
		}
	}
	for _, gone := range []string{`"i8"`, `"arr"`, `"default"`} {
		if strings.Contains(shape.Schema(), gone) {
			t.Errorf("the derived block still has %s", gone)
		}
	}
	edits := map[string]string{"i32": "T1", "s": `"`, "dec": "12.3", "date": "7", "uuid": "1970-01-02", "m{#}": "K", "m{}": "V",
		"pairs{#}": "9", "pairs{}.v": "1970-01-01T00:00:00Z", "enum": "1970-01-01T00:00:00.5"}
	for _, order := range []string{envelope(everyTypeBlock, everyTypePayload),
		"{ \"pay\\u006coad\" : " + everyTypePayload + " , \"schema\":" + everyTypeBlock + "\n}"} {
		out := spliced(t, s, order, o, edits)
		derived := mustConnect(t, shape.Schema())
		var v schemas.View
		if err := derived.Codec.Scan(&v, []byte(out), everything(derived)); err != nil {
			t.Fatalf("the copy under its own block: %v\n%s", err, out)
		}
		want := `{"i16":null,"i32":"T1","i64":9007199254740993,"f":0.1,"d":"NaN","b":true,"s":"\"","bin":"AP8=","dec":"ew==",` +
			`"date":7,"mt":3723000001,"ts":1700000000123,"nts":-1,"zts":"2024-01-01T01:00:00+01:00","uuid":1,"enum":500000,` +
			`"m":{"K":"V"},"pairs":[[9,{"v":"1970-01-01T00:00:00Z"}],[9,{"v":"1970-01-01T00:00:00Z"}]],"st":{}}`
		if !strings.Contains(out, want) || !json.Valid([]byte(out)) {
			t.Errorf("%s\nlacks %s", out, want)
		}
	}
}

// TestConnectPairKeys: a map with other keys than strings is not given strings.
func TestConnectPairKeys(t *testing.T) {
	s := mustConnect(t, everyTypeBlock)
	change := schemas.Change{Leaf: s.Find("pairs{#}")[0], Op: schemas.Retype, Kind: schemas.KindString}
	if _, err := s.Codec.Derive(schemas.ShapeOptions{Changes: []schemas.Change{change}}); codeOf(err) != schemas.CodeUnsupported {
		t.Error(err)
	}
}

// TestConnectDecimalForms: an edit keeps the form of the value it replaces.
func TestConnectDecimalForms(t *testing.T) {
	block := `{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}`
	s := mustConnect(t, block)
	for in, want := range map[string]string{`"A+g="`: `"BNI="`, `10.00`: `12.34`, `null`: `"BNI="`} {
		got := spliced(t, s, envelope(block, in), schemas.ShapeOptions{}, map[string]string{"": "12.34"})
		if got != envelope(block, want) {
			t.Errorf("%s became %s", in, got)
		}
	}
	if got := spliced(t, s, envelope(block, `"A+g="`), schemas.ShapeOptions{}, map[string]string{"": "1.234"}); got != "!wrong_type" {
		t.Errorf("more digits than the scale: %s", got)
	}
}

func TestConnectEnvelope(t *testing.T) {
	block := `{"type":"struct","fields":[{"type":"string","optional":true,"field":"a"}],"optional":true}`
	s := mustConnect(t, block)
	for _, c := range []struct{ name, src, want string }{
		{"null payload", envelope(block, "null"), ""},
		{"another block", envelope(strings.Replace(block, "true", "false", 1), `{"a":"x"}`), "bad_schema"},
		{"the same block, spaced", envelope(" "+block+" ", `{"a":"x"}`), ""},
		{"a longer block", envelope(block+"x", `{"a":"x"}`), "malformed"},
		{"no payload", `{"schema":` + block + `}`, "malformed"},
		{"no schema", `{"payload":{"a":"x"}}`, "malformed"},
		{"two payloads", `{"schema":` + block + `,"payload":{"a":"x"},"payload":{"a":"y"}}`, "malformed"},
		{"two schemas", `{"schema":` + block + `,"schema":` + block + `,"payload":{"a":"x"}}`, "malformed"},
		{"another member", `{"schema":` + block + `,"payload":{"a":"x"},"secret":1}`, "undeclared_field"},
		{"no object", `[]`, "wrong_type"},
		{"empty", `{}`, "malformed"},
		{"undeclared", envelope(block, `{"b":1}`), "undeclared_field"},
		{"wrong type", envelope(block, `{"a":1}`), "wrong_type"},
		{"trailing", envelope(block, `{"a":"x"}`) + "{}", "trailing_data"},
		{"cut in the block", envelope(block, `{"a":"x"}`)[:30], "truncated"},
	} {
		var v schemas.View
		if got := codeOf(s.Codec.Scan(&v, []byte(c.src), everything(s))); string(got) != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestConnectNotNull(t *testing.T) {
	block := `{"type":"struct","fields":[{"type":"string","optional":false,"field":"a"}],"optional":false}`
	s := mustConnect(t, block)
	var v schemas.View
	if err := s.Codec.Scan(&v, []byte(envelope(block, `{"a":null}`)), everything(s)); codeOf(err) != schemas.CodeType {
		t.Error(err)
	}
	block = strings.Replace(block, `"field"`, `"default":"x","field"`, 1)
	s = mustConnect(t, block)
	if err := s.Codec.Scan(&v, []byte(envelope(block, `{"a":null}`)), everything(s)); err != nil {
		t.Errorf("null for a default: %v", err)
	}
}

func TestConnectBadBlocks(t *testing.T) {
	for name, block := range map[string]string{
		"null": `null`, "text": `"string"`, "no type": `{}`, "unknown type": `{"type":"int128"}`, "truncated": `{"type":"int8"`,
		"array of nothing": `{"type":"array"}`, "map of nothing": `{"type":"map","keys":{"type":"string"}}`,
		"field without name":    `{"type":"struct","fields":[{"type":"int8"}]}`,
		"two fields of a name":  `{"type":"struct","fields":[{"type":"int8","field":"a"},{"type":"int8","field":"a"}]}`,
		"two members of a name": `{"type":"int8","type":"string"}`,
		"decimal without scale": `{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal"}`,
		"trailing":              `{"type":"int8"}{}`, "deep": strings.Repeat(`{"type":"array","items":`, 500),
		"not UTF-8":                    "{\"type\":\"int8\",\"doc\":\"\xff\"}",
		"a word that is not Connect's": `{"type":"int8","note":"138"}`, "another type's word": `{"type":"string","items":{"type":"int8"}}`,
		"a document for a text": `{"type":"int8","doc":{"a":"138"}}`, "a list for a parameter": `{"type":"int8","parameters":{"a":["138"]}}`,
	} {
		if _, err := FromConnect([]byte(block)); codeOf(err) != schemas.CodeSchema {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSplitBlock(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{` {"schema" : {"type":"int8"} ,"payload":1}`, `{"type":"int8"}`},
		{`{"payload":{"schema":1},"sch\u0065ma":null}`, `null`},
		{`{"a":1}`, "none"}, {`{}`, "none"}, {`{"schema":{"a"`, "!truncated"}, {`[1]`, "!malformed"}, {``, "!truncated"},
		{`{"payload":1`, "!truncated"}, {`{"payload":01}`, "!malformed"},
	} {
		block, ok, err := SplitBlock([]byte(c.src))
		got := string(block)
		if err != nil {
			got = "!" + string(codeOf(err))
		} else if !ok {
			got = "none"
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.src, got, c.want)
		}
	}
}

// TestConnectUnknown: paths of undeclared names begin in the payload, in pairs
// too.
func TestConnectUnknown(t *testing.T) {
	s := mustConnect(t, everyTypeBlock)
	src := envelope(everyTypeBlock, `{"pairs":[[1,{"u":2}]],"w":[],"st":{"y":{"z":1}}}`)
	var v schemas.View
	if err := s.Codec.Scan(&v, []byte(src), &schemas.Wanted{Leaf: make([]bool, len(s.Leaves)), Unknown: true}); err != nil {
		t.Fatal(err)
	}
	var paths, learned [][]string
	for i := range v.Spans {
		p, err := UnknownPath(s, &v, i)
		if err != nil {
			t.Fatal(err)
		}
		l, err := UnknownLeaves(s, &v, i)
		if err != nil {
			t.Fatal(err)
		}
		paths, learned = append(paths, p), append(learned, l...)
	}
	if d := cmp.Diff([][]string{{"pairs", "{}", "u"}, {"w"}, {"st", "y"}}, paths); d != "" {
		t.Error(d)
	}
	more, err := Extend(s, learned)
	if err != nil {
		t.Fatal(err)
	}
	if err := more.Codec.Scan(&v, []byte(src), everything(more)); err != nil {
		t.Error(err)
	}
	var o schemas.ShapeOptions
	for _, p := range []string{"st.y.z", "w[]", "pairs{}.u"} {
		o.Changes = append(o.Changes, schemas.Change{Leaf: more.Find(p)[0], Op: schemas.Cut})
	}
	want := envelope(everyTypeBlock, `{"pairs":[[1,{}]],"st":{"y":{}}}`)
	if got := splice(t, more, &v, o, nil); got != want {
		t.Errorf("%s", got)
	}
}
