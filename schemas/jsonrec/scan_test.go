package jsonrec

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"weir/schemas"
)

// steps splits a path of plain names; "[]" and "{}" are steps of their own.
func steps(path string) []string {
	if path == "" {
		return nil
	}
	var out []string
	for _, s := range strings.Split(path, ".") {
		name, rest := s, ""
		if i := strings.IndexAny(s, "[{"); i > 0 {
			name, rest = s[:i], s[i:]
		}
		out = append(out, name)
		for ; len(rest) > 0; rest = rest[strings.IndexAny(rest, "]}")+1:] {
			out = append(out, rest[:strings.IndexAny(rest, "]}")+1])
		}
	}
	return out
}

func declare(t testing.TB, paths ...string) *schemas.Schema {
	t.Helper()
	var list []Path
	for _, p := range paths {
		list = append(list, Path{Steps: steps(p)})
	}
	return mustNew(t, list)
}

func TestNewLeaves(t *testing.T) {
	s := mustNew(t, []Path{{Steps: []string{"after", "tags", "[]"}}, {Steps: []string{"after", "id"}, Kind: schemas.KindLong},
		{Steps: []string{"attrs", "{}", "x"}}, {Steps: []string{"a.b"}}})
	var got []string
	for _, l := range s.Leaves {
		got = append(got, fmt.Sprintf("%s %s parent %d cut %d", l.Path, l.Kind, l.Parent, l.Cut))
	}
	want := []string{"after record parent -1 cut 0", "after.tags array parent 0 cut 1", "after.tags[] any parent 1 cut 1",
		"after.id long parent 0 cut 3", "attrs map parent -1 cut 4", "attrs{#} string parent 4 cut 4",
		"attrs{} record parent 4 cut 4", "attrs{}.x any parent 6 cut 7", `a\.b any parent -1 cut 8`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestScanSpans: which spans a record gives, as leaf=raw.
func TestScanSpans(t *testing.T) {
	for _, c := range []struct{ name, paths, src, want string }{
		{"every occurrence of a name", "phone", `{"phone":"1","phone":"2","phone":3}`, `phone=1 phone=2 phone=3`},
		{"escaped names", "phone", `{"\u0070hone":"1","ph\u006fne":"2"}`, `phone=1 phone=2`},
		{"a name that needs escapes", `q"t`, `{"q\"t":1}`, `q"t=1`},
		{"white space", "a b", " {\n\"a\" :\t1 ,\r\n\"b\":2 } ", `a=1 b=2`},
		{"any order", "a b c", `{"c":3,"a":1,"b":2}`, `c=3 a=1 b=2`},
		{"containers before their content", "x.y z[]", `{"x":{"y":1},"z":[2,3]}`, `x={"y":1} x.y=1 z=[2,3] z[]=2 z[]=3`},
		{"map keys", "m{}", `{"m":{"k":1,"k":2}}`, `m={"k":1,"k":2} m{#}=k m{}=1 m{#}=k m{}=2`},
		{"null containers", "x.y", `{"x":null}`, `x=null`},
		{"a scalar beside a container", "x x.y", `{"x":1,"x":{"y":2}}`, `x=1 x={"y":2} x.y=2`},
		{"a scalar root", "", ` "key" `, `=key`},
		{"a number root", "", `12`, `=12`},
		{"an array root", "[]", `[1,null]`, `=[1,null] []=1 []=null`},
		{"an undeclared container is one span", "a", `{"u":{"a":[1]},"a":1}`, `?={"a":[1]} a=1`},
		{"undeclared below declared", "x.y", `{"x":{"u":"v","y":1}}`, `x={"u":"v","y":1} ?=v x.y=1`},
		{"a prefix of a name", "phone", `{"phon":1,"phone2":2,"phone":3}`, `?=1 ?=2 phone=3`},
		{"empty name", "a", `{"":1}`, `?=1`},
		{"empty object", "a", `{ }`, ``},
		{"big numbers", "a", `{"a":123456789012345678901234567890.5e-400}`, `a=123456789012345678901234567890.5e-400`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := declare(t, strings.Split(c.paths, " ")...)
			want := everything(s)
			want.Unknown = true
			var v schemas.View
			if err := s.Codec.Scan(&v, []byte(c.src), want); err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, sp := range v.Spans {
				path := "?"
				if sp.Leaf >= 0 {
					path = s.Leaves[sp.Leaf].Path
				}
				got = append(got, path+"="+string(v.Raw(i)))
			}
			if d := cmp.Diff(c.want, strings.Join(got, " ")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestScanFailures(t *testing.T) {
	deep := schemas.MaxDepth
	for _, c := range []struct{ name, paths, src, want string }{
		{"empty", "a", ``, "truncated (byte 0)"},
		{"only white space", "a", "\n ", "truncated (byte 2)"},
		{"cut in a name", "a", `{"a`, "truncated (byte 3)"},
		{"cut in a value", "x.y", `{"x":{"y":"ab`, "truncated at x.y (byte 13)"},
		{"cut in an escape", "a", `{"a":"\`, "truncated at a (byte 7)"},
		{"cut in a surrogate pair", "a", `{"a":"\ud83d`, "truncated at a (byte 12)"},
		{"cut in a literal", "a", `{"a":nul`, "truncated at a (byte 8)"},
		{"cut after a number's sign", "a", `{"a":-`, "truncated at a (byte 6)"},
		{"two documents", "a", `{"a":1}{"a":2}`, "trailing_data (byte 7)"},
		{"a byte after the end", "a", "{\"a\":1}\x00", "trailing_data (byte 7)"},
		{"lone surrogate", "a", `{"a":"\ud800x"}`, "invalid_utf8 at a (byte 6)"},
		{"lone second half", "a", `{"a":"\udc00"}`, "invalid_utf8 at a (byte 6)"},
		{"second halves", "a", `{"a":"\udc00\udc00"}`, "invalid_utf8 at a (byte 6)"},
		{"half and another escape", "a", `{"a":"\ud800\u0041"}`, "invalid_utf8 at a (byte 6)"},
		{"bad UTF-8 in a name", "a", "{\"\xff\":1}", "invalid_utf8 (byte 2)"},
		{"overlong UTF-8", "a", "{\"a\":\"\xc0\xaf\"}", "invalid_utf8 at a (byte 6)"},
		{"control character", "a", "{\"a\":\"x\ny\"}", "malformed at a (byte 7)"},
		{"bad escape", "a", `{"a":"\x41"}`, "malformed at a (byte 6)"},
		{"leading zero", "a", `{"a":01}`, "malformed (byte 6)"},
		{"bare fraction", "a", `{"a":.5}`, "malformed at a (byte 5)"},
		{"plus sign", "a", `{"a":+5}`, "malformed at a (byte 5)"},
		{"NaN", "a", `{"a":NaN}`, "malformed at a (byte 5)"},
		{"trailing comma", "a", `{"a":1,}`, "malformed (byte 7)"},
		{"missing colon", "a", `{"a" 1}`, "malformed (byte 5)"},
		{"byte order mark", "a", "\xef\xbb\xbf{}", "malformed (byte 0)"},
		{"wrong closing", "a", `{"a":1]`, "malformed (byte 6)"},
		{"undeclared", "a", `{"secret name":1}`, "undeclared_field at * (byte 15)"},
		{"undeclared below", "x.y", `{"x":{"secret":1}}`, "undeclared_field at x (byte 15)"},
		{"undeclared in an array", "x[].y", `{"x":[{"secret":1}]}`, "undeclared_field at x[] (byte 16)"},
		{"undeclared, badly formed", "x.y", `{"x":{"secret":}}`, "undeclared_field at x (byte 15)"},
		{"object under a scalar", "a", `{"a":{"secret":1}}`, "wrong_type at a (byte 5)"},
		{"empty object under a scalar", "a", `{"a":{}}`, "wrong_type at a (byte 5)"},
		{"array under a scalar", "a", `{"a":[1]}`, "wrong_type at a (byte 5)"},
		{"scalar under a container", "a.b", `{"a":1}`, "wrong_type at a (byte 5)"},
		{"scalar at the root", "a", `7`, "wrong_type (byte 0)"},
		{"object at a scalar root", "", `{"secret":1}`, "wrong_type (byte 0)"},
		{"too deep", "a", `{"u":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + `}`, fmt.Sprintf("too_deep (byte %d)", deep+4)},
		{"endless opening", "a", `{"u":` + strings.Repeat("[", 1<<20), fmt.Sprintf("too_deep (byte %d)", deep+4)},
		{"endless opening of objects", "a", `{"u":` + strings.Repeat(`{"":`, 1<<20), fmt.Sprintf("too_deep (byte %d)", deep*4+1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := declare(t, c.paths)
			want := everything(s)
			want.Unknown = !strings.HasPrefix(c.name, "undeclared")
			var v schemas.View
			err := s.Codec.Scan(&v, []byte(c.src), want)
			if got := fmt.Sprint(err); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestDepthLimit: the deepest legal nesting is accepted on both ways down.
func TestDepthLimit(t *testing.T) {
	s := mustNew(t, []Path{{Steps: slices128()}})
	deepest := strings.Repeat("[", schemas.MaxDepth) + "1" + strings.Repeat("]", schemas.MaxDepth)
	var v schemas.View
	if err := s.Codec.Scan(&v, []byte(deepest), everything(s)); err != nil || len(v.Spans) != schemas.MaxDepth+1 {
		t.Errorf("%d spans, %v", len(v.Spans), err)
	}
	n := schemas.MaxDepth - 1
	if err := scanAnything(t, []byte(strings.Repeat("[", n)+strings.Repeat("]", n))); err != nil {
		t.Error(err)
	}
}

// TestDeclaredDepth: recursion in a schema ends too, and siblings do not count.
func TestDeclaredDepth(t *testing.T) {
	s := mustSchema(t, `{"type":"object","properties":{"x":{"type":"array","items":{"$ref":"#"}}}}`)
	var v schemas.View
	n := schemas.MaxDepth / 2 // each step is an object and an array
	for _, c := range []struct {
		steps int
		want  schemas.Code
	}{{n - 1, ""}, {n, schemas.CodeTooDeep}, {1 << 16, schemas.CodeTooDeep}} {
		src := strings.Repeat(`{"x":[`, c.steps) + "{}" + strings.Repeat("]}", c.steps)
		if got := codeOf(s.Codec.Scan(&v, []byte(src), everything(s))); got != c.want {
			t.Errorf("%d steps: %q", c.steps, got)
		}
	}
	wide := `{"x":[{}` + strings.Repeat(`,{"x":[]}`, 1000) + `]}`
	if err := s.Codec.Scan(&v, []byte(wide), everything(s)); err != nil {
		t.Error(err)
	}
}

func slices128() (out []string) {
	for range schemas.MaxDepth {
		out = append(out, "[]")
	}
	return out
}

func TestTooManySpans(t *testing.T) {
	s := declare(t, "a[]")
	var v schemas.View
	src := []byte(`{"a":[` + strings.Repeat("1,", schemas.MaxSpans) + `1]}`)
	err := s.Codec.Scan(&v, src, everything(s))
	if codeOf(err) != schemas.CodeTooLarge {
		t.Errorf("%v", err)
	}
	if err := s.Codec.Scan(&v, src, &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}); err != nil {
		t.Errorf("unwanted elements need no spans: %v", err)
	}
}

func TestUnknownPath(t *testing.T) {
	s := declare(t, "x.y", "l[].y", "m{}.y")
	src := `{"u":1,"x":{"[]":{"v":[7]}},"l":[{"y":1},{"n\u0061":2}],"m":{"k":{"{#}":[]}}}`
	var v schemas.View
	want := &schemas.Wanted{Leaf: make([]bool, len(s.Leaves)), Unknown: true}
	if err := s.Codec.Scan(&v, []byte(src), want); err != nil {
		t.Fatal(err)
	}
	var paths, leaves [][]string
	for i := range v.Spans {
		p, err := UnknownPath(s, &v, i)
		if err != nil {
			t.Fatal(err)
		}
		l, err := UnknownLeaves(s, &v, i)
		if err != nil {
			t.Fatal(err)
		}
		paths, leaves = append(paths, p), append(leaves, l...)
	}
	if d := cmp.Diff([][]string{{"u"}, {"x", `\[]`}, {"l", "[]", "na"}, {"m", "{}", `\{#}`}}, paths); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([][]string{{"u"}, {"x", `\[]`, "v", "[]"}, {"l", "[]", "na"}, {"m", "{}", `\{#}`, "[]"}}, leaves); d != "" {
		t.Error(d)
	}
	if _, err := UnknownPath(s, &v, 9); err == nil {
		t.Error("a path of no span")
	}
}

// TestTooManyNames: a record cannot make UnknownLeaves list without end.
func TestTooManyNames(t *testing.T) {
	s := mustNew(t, nil)
	var b strings.Builder
	b.WriteString(`{"u":{"x":0`)
	for i := range maxLearned {
		fmt.Fprintf(&b, `,"%d":0`, i)
	}
	b.WriteString("}}")
	var v schemas.View
	if err := s.Codec.Scan(&v, []byte(b.String()), &schemas.Wanted{Unknown: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := UnknownLeaves(s, &v, 0); codeOf(err) != schemas.CodeTooLarge {
		t.Error(err)
	}
}

// TestErrorsHideNames: no failure says what stood in the record or what an
// undeclared name was.
func TestErrorsHideNames(t *testing.T) {
	s, err := Extend(declare(t, "a"), [][]string{{"canary-name"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, src := range []string{`{"canary-name":{"canary":1}}`, `{"canary-2":1}`, `{"canary-name":"canary`, `{"a":"canary`, `{"a":canary}`} {
		var v schemas.View
		err := s.Codec.Scan(&v, []byte(src), everything(s))
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v", err)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	s, want, shape, edits := benchSetup(t)
	src := []byte(strings.Replace(benchEvent, `"email"`, `"em\u0061il"`, 1))
	var v schemas.View
	var out, text []byte
	run := func() {
		err := s.Codec.Scan(&v, src, want)
		for i := 0; i < len(v.Spans) && err == nil; i++ {
			text, err = s.Codec.Text(text[:0], &v, i)
		}
		if err == nil {
			out, err = s.Codec.Splice(out[:0], &v, shape, edits)
		}
		if err != nil || len(v.Spans) != len(edits) {
			t.Fatal(err)
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

// TestExtendTwice: what was learned before stays, and s itself does not change.
func TestExtendTwice(t *testing.T) {
	s := declare(t, "a")
	one, err := Extend(s, [][]string{{"u"}})
	if err != nil {
		t.Fatal(err)
	}
	two, err := Extend(one, [][]string{{"v", "[]"}, {"u"}})
	if err != nil {
		t.Fatal(err)
	}
	var v schemas.View
	src := []byte(`{"u":1,"v":[2],"a":3}`)
	if err := two.Codec.Scan(&v, src, everything(two)); err != nil {
		t.Error(err)
	}
	if err := one.Codec.Scan(&v, src, everything(one)); codeOf(err) != schemas.CodeUndeclared {
		t.Error(err)
	}
	if len(s.Leaves) != 1 || len(one.Leaves) != 2 || len(two.Leaves) != 4 {
		t.Error(len(s.Leaves), len(one.Leaves), len(two.Leaves))
	}
	if _, err := Extend(&schemas.Schema{}, nil); codeOf(err) != schemas.CodeUnsupported {
		t.Error(err)
	}
}

// TestUTF8 tries sequences around every border of the encoding.
func TestUTF8(t *testing.T) {
	borders := []byte{'x', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff}
	s := declare(t, "")
	var v schemas.View
	for lead := 0x80; lead <= 0xff; lead++ {
		for i := range len(borders) * len(borders) * len(borders) {
			n := len(borders)
			text := []byte{byte(lead), borders[i%n], borders[i/n%n], borders[i/n/n]}
			err := s.Codec.Scan(&v, []byte(`"`+string(text)+`"`), everything(s))
			if (err == nil) != utf8.Valid(text) {
				t.Fatalf("% x: %v", text, err)
			}
		}
	}
}
