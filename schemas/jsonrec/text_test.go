package jsonrec

import (
	"strings"
	"testing"

	"weir/schemas"
)

// TestText: canonical text by kind, and that Splice of that text gives a value
// with the same text again.
func TestText(t *testing.T) {
	for _, c := range []struct {
		kind schemas.Kind
		raw  string
		want string // text, or !code
	}{
		{schemas.KindAny, `"a\u00e9\n\/\ud83d\ude00"`, "aé\n/😀"},
		{schemas.KindAny, `"007"`, "007"},
		{schemas.KindAny, `true`, "true"},
		{schemas.KindAny, `-0.0`, "0"},
		{schemas.KindAny, `1.500e2`, "150"},
		{schemas.KindAny, `12345678901234567890.10`, "12345678901234567890.1"},
		{schemas.KindAny, `1e-3`, "0.001"},
		{schemas.KindAny, `1e999999999999999999999`, "!number_too_long"},
		{schemas.KindAny, `1e-1000`, "!number_too_long"},
		{schemas.KindInt, `1E1`, "10"},
		{schemas.KindInt, `1.5`, "!wrong_type"},
		{schemas.KindLong, `9007199254740993`, "9007199254740993"},
		{schemas.KindNumber, `1.5`, "1.5"},
		{schemas.KindDecimal, `1.50`, "1.5"},
		{schemas.KindFloat, `0.1`, "0.1"},
		{schemas.KindFloat, `16777217`, "16777216"},
		{schemas.KindDouble, `1e21`, "1000000000000000000000"},
		{schemas.KindDouble, `0.30000000000000004`, "0.30000000000000004"},
		{schemas.KindDouble, `1e999`, "!not_a_number"},
		{schemas.KindDouble, `"NaN"`, "!not_a_number"},
		{schemas.KindDouble, `"-Infinity"`, "!not_a_number"},
		{schemas.KindBool, `false`, "false"},
		{schemas.KindBytes, `"AP8="`, "\x00\xff"},
		{schemas.KindBytes, `"\u0041P8="`, "\x00\xff"},
		{schemas.KindBytes, `"AP8"`, "!wrong_type"},
		{schemas.KindUUID, `"7D444840-9DC0-11D1-B245-5FFDCE74FAD2"`, "7d444840-9dc0-11d1-b245-5ffdce74fad2"},
		{schemas.KindUUID, `"7d444840-9dc0-11d1-b245-5ffdce74fad"`, "!wrong_type"},
		{schemas.KindDate, `"2024-02-29"`, "2024-02-29"},
		{schemas.KindDate, `"2023-02-29"`, "!malformed"},
		{schemas.KindTime, `"01:02:03.500"`, "01:02:03.5"},
		{schemas.KindInstant, `"2024-01-01T01:00:00.10+01:00"`, "2024-01-01T00:00:00.1Z"},
		{schemas.KindLocal, `"9999-12-31T23:59:59"`, "9999-12-31T23:59:59"},
	} {
		t.Run(c.kind.String()+" "+c.raw, func(t *testing.T) {
			s := mustNew(t, []Path{{Steps: []string{"x"}, Kind: c.kind}})
			text := textOf(t, s, `{"x":`+c.raw+`}`)
			if text != c.want {
				t.Fatalf("%q, want %q", text, c.want)
			}
			if strings.HasPrefix(text, "!") {
				return
			}
			var v schemas.View
			if err := s.Codec.Scan(&v, []byte(`{"x":`+c.raw+`}`), everything(s)); err != nil {
				t.Fatal(err)
			}
			out := splice(t, s, &v, schemas.ShapeOptions{}, []schemas.Edit{{Data: []byte(text)}})
			if again := textOf(t, s, out); again != text {
				t.Errorf("%s reads %q, want %q", out, again, text)
			}
		})
	}
}

// textOf is the first span's text, or ! and the code.
func textOf(t *testing.T, s *schemas.Schema, src string) string {
	t.Helper()
	var v schemas.View
	if err := s.Codec.Scan(&v, []byte(src), everything(s)); err != nil {
		t.Fatal(err)
	}
	prefix := []byte("kept")
	text, err := s.Codec.Text(prefix, &v, 0)
	if err != nil {
		if string(text) != "kept" {
			t.Errorf("an error left text")
		}
		return "!" + string(codeOf(err))
	}
	return strings.TrimPrefix(string(text), "kept")
}

// TestSplice: edits and cuts on whole records.
func TestSplice(t *testing.T) {
	str := schemas.KindString
	for _, c := range []struct {
		name, src string
		cut       string // paths
		retype    map[string]schemas.Kind
		edits     map[string]string // path → text, "null" for null
		want      string
	}{
		{"only member", `{"a":1}`, "a", nil, nil, `{}`},
		{"only member, spaced", `{ "a" : 1 }`, "a", nil, nil, `{}`},
		{"first", `{"a":1,"b":2,"c":3}`, "a", nil, nil, `{"b":2,"c":3}`},
		{"middle", `{"a":1, "b":2, "c":3}`, "b", nil, nil, `{"a":1, "c":3}`},
		{"last", `{"a":1 , "b":2 , "c":3 }`, "c", nil, nil, `{"a":1 , "b":2 }`},
		{"two at the end", `{"a":1,"b":2,"c":3}`, "b c", nil, nil, `{"a":1}`},
		{"two at the start", `{"a":1,"b":2,"c":3}`, "a b", nil, nil, `{"c":3}`},
		{"both ends", `{"a":1,"b":2,"c":3}`, "a c", nil, nil, `{"b":2}`},
		{"all", `{"a":1,"b":2,"c":3}`, "a b c", nil, nil, `{}`},
		{"every occurrence", `{"a":1,"b":2,"a":3}`, "a", nil, nil, `{"b":2}`},
		{"a container", `{"x":{"y":[1,2]},"b":2}`, "x", nil, nil, `{"b":2}`},
		{"inside a container", `{"x":{"y":1,"z":2}}`, "x.y", nil, nil, `{"x":{"z":2}}`},
		{"an element cuts its field", `{"l":[1,2],"b":2}`, "l[]", nil, nil, `{"b":2}`},
		{"unknown among cut ones", `{"u":{"a":1},"a":1,"v":2,"b":2,"w":3}`, "a", nil, nil, `{"b":2}`},
		{"beside an edit", `{"a":1,"b":2,"c":3}`, "a", map[string]schemas.Kind{"b": str}, map[string]string{"b": "x", "c": "9"}, `{"b":"x","c":9}`},
		{"null", `{"a":"x","b":2}`, "", nil, map[string]string{"a": "null"}, `{"a":null,"b":2}`},
		{"a null container", `{"x":{"y":1},"b":2}`, "", nil, map[string]string{"x": "null"}, `{"x":null,"b":2}`},
		{"constant for null", `{"a":null}`, "", map[string]schemas.Kind{"a": str}, map[string]string{"a": "x"}, `{"a":"x"}`},
		{"any keeps numbers", `{"a":1,"b":2}`, "", nil, map[string]string{"a": "20", "b": "2*"}, `{"a":20,"b":"2*"}`},
		{"any keeps strings and booleans", `{"a":"1","b":true}`, "", nil, map[string]string{"a": "20", "b": "false"}, `{"a":"20","b":false}`},
		{"a token that looks like a number", `{"a":1}`, "", map[string]schemas.Kind{"a": str}, map[string]string{"a": "1234"}, `{"a":"1234"}`},
		{"map keys and values", `{"m":{"k":1}}`, "", map[string]schemas.Kind{"m{}": str}, map[string]string{"m{#}": `"`, "m{}": "é\x01"}, `{"m":{"\"":"é\u0001"}}`},
		{"to a date", `{"a":1}`, "", map[string]schemas.Kind{"a": schemas.KindDate}, map[string]string{"a": "2024-01-01"}, `{"a":"2024-01-01"}`},
		{"to bytes", `{"a":1}`, "", map[string]schemas.Kind{"a": schemas.KindBytes}, map[string]string{"a": "\x00\xff"}, `{"a":"AP8="}`},
		{"to a number", `{"a":"x"}`, "", map[string]schemas.Kind{"a": schemas.KindLong}, map[string]string{"a": "12"}, `{"a":12}`},
		{"not UTF-8", `{"a":"x"}`, "", nil, map[string]string{"a": "\xff"}, `!invalid_utf8`},
		{"not a number", `{"a":"x"}`, "", map[string]schemas.Kind{"a": schemas.KindLong}, map[string]string{"a": "12,\"b\":1"}, `!malformed`},
		{"not an integer", `{"a":"x"}`, "", map[string]schemas.Kind{"a": schemas.KindInt}, map[string]string{"a": "1.5"}, `!wrong_type`},
		{"not a boolean", `{"a":"x"}`, "", map[string]schemas.Kind{"a": schemas.KindBool}, map[string]string{"a": "yes"}, `!wrong_type`},
		{"text for a container", `{"x":{"y":1}}`, "", nil, map[string]string{"x": "y"}, `!wrong_type`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := declare(t, "a", "b", "c", "x.y[]", "x.y", "x.z", "l[]", "m{}")
			var o schemas.ShapeOptions
			o.DropUnknown = true
			for _, p := range strings.Fields(c.cut) {
				for _, i := range s.Find(p) {
					o.Changes = append(o.Changes, schemas.Change{Leaf: i, Op: schemas.Cut})
				}
			}
			for p, k := range c.retype {
				o.Changes = append(o.Changes, schemas.Change{Leaf: s.Find(p)[0], Op: schemas.Retype, Kind: k})
			}
			if got := spliced(t, s, c.src, o, c.edits); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// spliced scans src and edits the values whose path is in edits; ! and the code
// when Splice fails.
func spliced(t *testing.T, s *schemas.Schema, src string, o schemas.ShapeOptions, edits map[string]string) string {
	t.Helper()
	want := everything(s)
	want.Unknown = true
	var v schemas.View
	if err := s.Codec.Scan(&v, []byte(src), want); err != nil {
		t.Fatal(err)
	}
	var list []schemas.Edit
	for i, sp := range v.Spans {
		if sp.Leaf < 0 {
			continue
		}
		if text, ok := edits[s.Leaves[sp.Leaf].Path]; ok {
			list = append(list, schemas.Edit{Span: int32(i), Null: text == "null", Data: []byte(text)})
		}
	}
	shape, err := s.Codec.Derive(o)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Codec.Splice([]byte("kept"), &v, shape, list)
	if err != nil {
		return "!" + string(codeOf(err))
	}
	return strings.TrimPrefix(string(out), "kept")
}

func TestSpliceFailsClosed(t *testing.T) {
	s := declare(t, "a", "b", "m{}")
	var v schemas.View
	want := everything(s)
	want.Unknown = true
	if err := s.Codec.Scan(&v, []byte(`{"u":1,"a":2,"b":3,"m":{"k":1}}`), want); err != nil {
		t.Fatal(err)
	}
	keep, err := s.Codec.Derive(schemas.ShapeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	drop, err := s.Codec.Derive(schemas.ShapeOptions{DropUnknown: true})
	if err != nil {
		t.Fatal(err)
	}
	edit := func(spans ...int32) (e []schemas.Edit) {
		for _, i := range spans {
			e = append(e, schemas.Edit{Span: i, Null: true})
		}
		return e
	}
	for name, c := range map[string]struct {
		shape schemas.Shape
		edits []schemas.Edit
		want  schemas.Code
	}{
		"undeclared, not dropped": {keep, nil, schemas.CodeUndeclared},
		"edits out of order":      {drop, edit(2, 1), schemas.CodeUnsupported},
		"an edit twice":           {drop, edit(1, 1), schemas.CodeUnsupported},
		"an edit of no span":      {drop, edit(77), schemas.CodeUnsupported},
		"a null name":             {drop, edit(4), schemas.CodeType},
	} {
		if out, err := s.Codec.Splice(nil, &v, c.shape, c.edits); codeOf(err) != c.want || len(out) > 0 {
			t.Errorf("%s: %v, %d bytes", name, err, len(out))
		}
	}
}

func TestDeriveRefuses(t *testing.T) {
	s := mustNew(t, []Path{{Steps: []string{"[]"}}, {Steps: []string{"x", "m", "{}"}}})
	for name, c := range map[string]schemas.Change{
		"cutting the root":           {Leaf: s.Find("")[0], Op: schemas.Cut},
		"cutting the root's element": {Leaf: s.Find("[]")[0], Op: schemas.Cut},
		"a name that is a number":    {Leaf: s.Find("x.m{#}")[0], Op: schemas.Retype, Kind: schemas.KindLong},
		"a container as string":      {Leaf: s.Find("x.m")[0], Op: schemas.Retype, Kind: schemas.KindString},
		"a kind JSON lacks":          {Leaf: s.Find("x.m{}")[0], Op: schemas.Retype, Kind: schemas.KindDuration},
		"no such operation":          {Leaf: 0},
	} {
		if _, err := s.Codec.Derive(schemas.ShapeOptions{Changes: []schemas.Change{c}}); codeOf(err) != schemas.CodeUnsupported {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Codec.Derive(schemas.ShapeOptions{Changes: []schemas.Change{{Leaf: 99, Op: schemas.Cut}}}); codeOf(err) != schemas.CodeSchema {
		t.Error(err)
	}
}
