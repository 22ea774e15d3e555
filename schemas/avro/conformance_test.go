package avro

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"

	"weir/schemas"
)

// Every promise of schemas.Codec, one by one.

const list = `{"type":"record","name":"Node","fields":[{"name":"value","type":"string"},
	{"name":"tags","type":{"type":"map","values":["null",{"type":"array","items":"string"}]}},
	{"name":"next","type":["null","Node"]}]}`

// listBytes is a list of two nodes; every map and array has a sized block.
var listBytes = listOf()

func listOf() []byte {
	items := avroBytes("ab", "cd")
	entry := avroBytes("k1", 1, -2, len(items), items, 0)
	return avroBytes("canary-1", -1, len(entry), entry, 1, "k2", 0, 0, 1, "canary-2", 0, 0)
}

func leafNames(s *schemas.Schema, v *schemas.View) (out []string) {
	for _, sp := range v.Spans {
		out = append(out, s.Leaves[sp.Leaf].Path)
	}
	return out
}

func TestLeavesInDocumentOrder(t *testing.T) {
	s := mustParse(t, list)
	var got []string
	for i := range s.Leaves {
		l := &s.Leaves[i]
		got = append(got, l.Path+" "+l.Kind.String())
		if l.Parent >= int32(i) || !l.Declared || l.Path != schemas.JoinPath(l.Names) {
			t.Errorf("leaf %+v", l)
		}
	}
	want := []string{"value string", "tags map", "tags{#} string", "tags{} array", "tags{}[] string", "next record"}
	if !slices.Equal(got, want) {
		t.Fatalf("leaves %q, want %q", got, want)
	}
	for i, cut := range []int32{0, 1, 1, 1, 1, 5} {
		if s.Leaves[i].Cut != cut {
			t.Errorf("%s is cut with %d, want %d", got[i], s.Leaves[i].Cut, cut)
		}
	}
	if !s.Leaves[5].Optional || !s.Leaves[3].Optional || s.Leaves[0].Optional {
		t.Error("Optional is wrong")
	}
	if s.Name != "Node" || s.Format != schemas.FormatAvro {
		t.Errorf("name %q, format %v", s.Name, s.Format)
	}
}

func TestTagsAndDocsAreInherited(t *testing.T) {
	s := mustParse(t, `{"type":"record","name":"R","confluent:tags":["ROW"],"fields":[
		{"name":"a","doc":"an address","confluent:tags":["PII"],"type":["null",{"type":"record","name":"A","confluent:tags":["GEO","PII"],"fields":[
			{"name":"street","type":{"type":"array","items":{"type":"string","connect.doc":"a line","confluent:tags":["LINE"]}}}]}]},
		{"name":"b","type":"int"}]}`)
	want := []struct{ path, doc, tags string }{{"a", "an address", "ROW PII GEO"}, {"a.street", "", "ROW PII GEO"},
		{"a.street[]", "a line", "ROW PII GEO LINE"}, {"b", "", "ROW"}}
	for i, w := range want {
		if l := s.Leaves[i]; l.Path != w.path || l.Doc != w.doc || strings.Join(l.Tags, " ") != w.tags {
			t.Errorf("leaf %+v, want %+v", l, w)
		}
	}
}

func TestScanReportsWantedOnlyContainersFirst(t *testing.T) {
	s := mustParse(t, list)
	all := []string{"value", "tags", "tags{#}", "tags{}", "tags{}[]", "tags{}[]", "tags{#}", "tags{}", "next", "value", "tags", "next"}
	if got := leafNames(s, mustScan(t, s, listBytes, wantAll(s))); !slices.Equal(got, all) {
		t.Fatalf("%q, want %q", got, all)
	}
	for i := range s.Leaves {
		w := &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}
		w.Leaf[i] = true
		want := slices.DeleteFunc(slices.Clone(all), func(p string) bool { return p != s.Leaves[i].Path })
		if got := leafNames(s, mustScan(t, s, listBytes, w)); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if v := mustScan(t, s, listBytes, wantPaths(s)); len(v.Spans) != 0 {
		t.Errorf("%d spans that nobody wanted", len(v.Spans))
	}
}

func TestSpansNest(t *testing.T) {
	s := mustParse(t, list)
	v := mustScan(t, s, listBytes, wantAll(s))
	at := uint32(0)
	for i, sp := range v.Spans {
		if sp.Open < at || sp.Start < sp.Open || sp.End < sp.Start || sp.Close < sp.End || sp.Kind == schemas.KindAny {
			t.Errorf("span %d: %+v after %d", i, sp, at)
		}
		at = sp.Open
	}
	if first := v.Spans[0]; string(v.Raw(0)) != "canary-1" || first.Open != 0 || first.Close != 9 {
		t.Errorf("%+v", first)
	}
	if last := v.Spans[len(v.Spans)-1]; last.Flags != schemas.Null || last.Kind != schemas.KindRecord {
		t.Errorf("%+v", last)
	}
}

func TestScanRefusesEveryCutAndEveryTail(t *testing.T) {
	s := mustParse(t, list)
	v := &schemas.View{}
	for n := range len(listBytes) {
		if code := codeOf(t, s.Codec.Scan(v, listBytes[:n], wantAll(s))); code != schemas.CodeTruncated {
			t.Errorf("first %d bytes: %q", n, code)
		}
		if len(v.Spans) > 0 {
			t.Fatal("spans after a failure")
		}
	}
	if code := codeOf(t, s.Codec.Scan(v, append(slices.Clone(listBytes), 0), wantAll(s))); code != schemas.CodeTrailing {
		t.Errorf("a byte more: %q", code)
	}
}

// TestErrorsHoldNoContents damages every byte in every way; whatever is said
// about it, the contents are not.
func TestErrorsHoldNoContents(t *testing.T) {
	s := mustParse(t, list)
	shape := mustDerive(t, s, change(t, s, "value", schemas.Change{Op: schemas.Retype, Kind: schemas.KindDate})...)
	v := &schemas.View{}
	for at := range listBytes {
		src := slices.Clone(listBytes)
		for b := range 256 {
			src[at] = byte(b)
			err := s.Codec.Scan(v, src, wantAll(s))
			if err == nil {
				_, err = s.Codec.Splice(nil, v, shape, []schemas.Edit{{Span: 0, Data: []byte("canary-3")}})
			}
			if err == nil {
				t.Fatal("a canary became a date")
			}
			if codeOf(t, err); strings.Contains(err.Error(), "canary") {
				t.Fatal(err)
			}
		}
	}
}

func TestWantedOfAnotherSchemaIsRefused(t *testing.T) {
	s := mustParse(t, list)
	v := &schemas.View{}
	if code := codeOf(t, s.Codec.Scan(v, listBytes, &schemas.Wanted{Leaf: make([]bool, 3)})); code != schemas.CodeUnsupported {
		t.Errorf("%q", code)
	}
}

func TestTextAppendsAndNullGivesNone(t *testing.T) {
	s := mustParse(t, list)
	v := mustScan(t, s, listBytes, wantAll(s))
	text, err := s.Codec.Text([]byte("so far "), v, 0)
	if err != nil || string(text) != "so far canary-1" {
		t.Fatalf("%q, %v", text, err)
	}
	text[7] = 'X'
	if !bytes.Contains(v.Src, []byte("canary-1")) {
		t.Error("the text aliases the record")
	}
	if text, err = s.Codec.Text(nil, v, len(v.Spans)-1); err != nil || len(text) > 0 {
		t.Errorf("null gave %q, %v", text, err)
	}
	if _, err = s.Codec.Text(nil, v, 1); codeOf(t, err) != schemas.CodeUnsupported {
		t.Errorf("a container has text: %v", err)
	}
	if _, err = s.Codec.Text(nil, v, len(v.Spans)); codeOf(t, err) != schemas.CodeUnsupported {
		t.Errorf("a span that is not there has text: %v", err)
	}
}

func TestSpliceRecursiveLeafChangesEveryNode(t *testing.T) {
	s := mustParse(t, list)
	shape := mustDerive(t, s, change(t, s, "value", toString("token"))...)
	v := mustScan(t, s, listBytes, wantPaths(s, "value"))
	var edits []schemas.Edit
	for i := range v.Spans {
		edits = append(edits, schemas.Edit{Span: int32(i), Data: bytes.Repeat([]byte{'T'}, 40+60*i)})
	}
	out, err := s.Codec.Splice(nil, v, shape, edits)
	if err != nil {
		t.Fatal(err)
	}
	d := mustParse(t, shape.Schema())
	w := mustScan(t, d, out, wantPaths(d, "value"))
	if len(w.Spans) != 2 || len(w.Raw(0)) != 40 || len(w.Raw(1)) != 100 || bytes.Contains(out, []byte("canary")) {
		t.Fatalf("%q", out)
	}
}

func TestSpliceContainerNullCoversWhatItHolds(t *testing.T) {
	s := mustParse(t, list)
	v := mustScan(t, s, listBytes, wantAll(s))
	out, err := s.Codec.Splice(nil, v, mustDerive(t, s), []schemas.Edit{{Span: 3, Null: true}, {Span: 8, Null: true}})
	if want := avroBytes("canary-1", -1, 4, "k1", 0, 1, "k2", 0, 0, 0); err != nil || !bytes.Equal(out, want) {
		t.Fatalf("%x, %v; want %x", out, err, want)
	}
	_, err = s.Codec.Splice(nil, v, mustDerive(t, s), []schemas.Edit{{Span: 1, Null: true}})
	if codeOf(t, err) != schemas.CodeUnsupported {
		t.Errorf("null where the schema has none: %v", err)
	}
	shape := mustDerive(t, s, change(t, s, "tags", schemas.Change{Op: schemas.Retype, Kind: schemas.KindMap, Nullable: true})...)
	out, err = s.Codec.Splice(nil, v, shape, []schemas.Edit{{Span: 1, Null: true}})
	if want := avroBytes("canary-1", 0, 1, "canary-2", 1, 0, 0); err != nil || !bytes.Equal(out, want) {
		t.Fatalf("%x, %v; want %x", out, err, want)
	}
}

func TestSpliceBlockSizes(t *testing.T) {
	s := mustParse(t, `{"type":"array","items":{"type":"array","items":"string"}}`)
	build := func(text string) []byte {
		inner := avroBytes(text)
		outer := avroBytes(-1, len(inner), inner, 0)
		return avroBytes(-1, len(outer), outer, 1, 0, 0)
	}
	shape := mustDerive(t, s)
	for _, from := range []int{0, 50, 60, 61, 62, 63, 64, 8180, 8191} {
		for _, to := range []int{0, 50, 60, 61, 62, 63, 64, 8180, 8191} {
			v := mustScan(t, s, build(strings.Repeat("a", from)), wantPaths(s, "[][]"))
			text := strings.Repeat("b", to)
			out, err := s.Codec.Splice([]byte("head"), v, shape, []schemas.Edit{{Data: []byte(text)}})
			if want := "head" + string(build(text)); err != nil || string(out) != want {
				t.Errorf("%d to %d: %x, %v; want %x", from, to, out, err, want)
			}
		}
	}
}

func TestSpliceKeepsBytesThatNoEditTouches(t *testing.T) {
	s := mustParse(t, `{"type":"record","name":"R","fields":[{"name":"a","type":"string"},
		{"name":"b","type":["null","long"]},{"name":"c","type":["long","null","string"]},{"name":"d","type":{"type":"array","items":"int"}}]}`)
	long := []byte("\x82\x80\x00a" + "\x82\x80\x00\x84\x00" + "\x84\x80\x00\x82\x00z" + "\x81\x80\x00\x84\x00\x84\x00\x00") // longer varints than needed
	v := mustScan(t, s, long, wantAll(s))
	out, err := s.Codec.Splice(nil, v, mustDerive(t, s), nil)
	if err != nil || !bytes.Equal(out, long) {
		t.Fatalf("%x, %v", out, err)
	}
	out, err = s.Codec.Splice(nil, v, mustDerive(t, s), []schemas.Edit{{Span: 1, Null: true}})
	if want := "\x82\x80\x00a" + "\x00" + "\x84\x80\x00\x82\x00z" + "\x81\x80\x00\x84\x00\x84\x00\x00"; err != nil || string(out) != want {
		t.Fatalf("%x, %v; want %x", out, err, want)
	}
	shape := mustDerive(t, s, change(t, s, "c", schemas.Change{Op: schemas.Cut})...)
	if out, err = s.Codec.Splice(nil, v, shape, nil); err != nil || string(out) != string(long[:9])+string(long[15:]) {
		t.Fatalf("%x, %v", out, err)
	}
}

func TestSpliceRefuses(t *testing.T) {
	s, other := mustParse(t, list), mustParse(t, list)
	v := mustScan(t, s, listBytes, wantAll(s))
	plain, date := mustDerive(t, s), mustDerive(t, s, change(t, s, "value", schemas.Change{Op: schemas.Retype, Kind: schemas.KindDate})...)
	x := []byte("x")
	cases := []struct {
		name  string
		shape schemas.Shape
		edits []schemas.Edit
		code  schemas.Code
	}{
		{"a shape of another schema", mustDerive(t, other), nil, schemas.CodeUnsupported},
		{"no shape", nil, nil, schemas.CodeUnsupported},
		{"edits out of order", plain, []schemas.Edit{{Span: 2, Data: x}, {Span: 0, Data: x}}, schemas.CodeUnsupported},
		{"two edits of a span", plain, []schemas.Edit{{Span: 0, Data: x}, {Span: 0, Data: x}}, schemas.CodeUnsupported},
		{"an edit of no span", plain, []schemas.Edit{{Span: 99, Data: x}}, schemas.CodeUnsupported},
		{"an edit before all", plain, []schemas.Edit{{Span: -1, Data: x}}, schemas.CodeUnsupported},
		{"data for a container", plain, []schemas.Edit{{Span: 1, Data: x}}, schemas.CodeUnsupported},
		{"null without a branch", plain, []schemas.Edit{{Span: 0, Null: true}}, schemas.CodeUnsupported},
		{"text of another kind", date, []schemas.Edit{{Span: 0, Data: x}}, schemas.CodeType},
		{"no edit for a changed kind", date, nil, schemas.CodeType},
		{"not UTF-8", plain, []schemas.Edit{{Span: 0, Data: []byte("\xc0")}}, schemas.CodeUTF8},
	}
	for _, c := range cases {
		out, err := s.Codec.Splice(x[:1:1], v, c.shape, c.edits)
		if codeOf(t, err) != c.code || string(out) != "x" {
			t.Errorf("%s: %q, %v", c.name, out, err)
		}
	}
	partial := mustScan(t, s, listBytes, wantPaths(s, "tags"))
	if _, err := s.Codec.Splice(nil, partial, date, nil); codeOf(t, err) != schemas.CodeUnsupported {
		t.Errorf("a view without the changed leaf: %v", err)
	}
}

// TestCodecIsShared: goroutines with a view each share codec and shape; the race
// detector looks on.
func TestCodecIsShared(t *testing.T) {
	s := mustParse(t, list)
	shape := mustDerive(t, s, change(t, s, "value", toString("token"))...)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 40 { // more Wanteds than the codec remembers
				v := &schemas.View{}
				if err := s.Codec.Scan(v, listBytes, wantPaths(s, "value")); err != nil {
					t.Error(err)
					return
				}
				_, err := s.Codec.Splice(nil, v, shape, []schemas.Edit{{Span: 0, Data: []byte("a")}, {Span: 1, Data: []byte("b")}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(*s.Codec.(*codec).programs.Load()); n > maxPrograms {
		t.Errorf("%d programs kept", n)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	e := newEnvelope(t)
	var out []byte
	job := func() {
		if err := e.s.Codec.Scan(&e.view, e.payload, e.want); err != nil {
			t.Fatal(err)
		}
		var err error
		if out, err = e.s.Codec.Splice(out[:0], &e.view, e.shape, e.edits); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(100, job); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(e.edits) != 10 || len(e.payload) < 600 || len(e.payload) > 740 {
		t.Errorf("%d edits in %d bytes", len(e.edits), len(e.payload))
	}
}

// TestSpliceSizesAfterACut: blocks inside what was cut or nulled do not confuse
// the sizes of those that follow.
func TestSpliceSizesAfterACut(t *testing.T) {
	s := mustParse(t, `{"type":"record","name":"R","fields":[{"name":"a","type":["null",{"type":"array","items":"string"}]},
		{"name":"b","type":{"type":"array","items":"string"}},{"name":"c","type":{"type":"array","items":"string"}}]}`)
	v := mustScan(t, s, avroBytes(1, -1, 2, "x", 0, -1, 2, "y", 0, -1, 2, "z", 0), wantAll(s))
	shape := mustDerive(t, s, change(t, s, "b", schemas.Change{Op: schemas.Cut})...)
	out, err := s.Codec.Splice(nil, v, shape, []schemas.Edit{{Span: 0, Null: true}, {Span: 5, Data: []byte("zzz")}})
	if want := avroBytes(0, -1, 4, "zzz", 0); err != nil || !bytes.Equal(out, want) {
		t.Fatalf("%x, %v; want %x", out, err, want)
	}
}

// TestSpliceNulls: constants in the place of nulls, and leaves that were only
// ever null.
func TestSpliceNulls(t *testing.T) {
	text := toString("constant")
	nullable := text
	nullable.Nullable = true
	x := []schemas.Edit{{Data: []byte("x")}}
	cases := []struct {
		name, typ string
		change    schemas.Change
		src       []byte
		edits     []schemas.Edit
		want      string
		code      schemas.Code
	}{
		{"a constant for null", `["null","string"]`, text, avroBytes(0), x, "\x02\x02x", ""},
		{"a constant for null, null last", `["long","null"]`, text, avroBytes(1), x, "\x00\x02x", ""},
		{"null stays", `["long","null"]`, text, avroBytes(1), nil, "\x02", ""},
		{"null moves", `["long","int","null"]`, text, avroBytes(2), nil, "\x02", ""},
		{"the null type becomes text", `"null"`, text, nil, x, "\x02x", ""},
		{"the null type without an edit", `"null"`, text, nil, nil, "", schemas.CodeUnsupported},
		{"the null type, nullable", `"null"`, nullable, nil, nil, "\x00", ""},
		{"the null type, nullable, a constant", `"null"`, nullable, nil, x, "\x02\x02x", ""},
		{"a union of null", `["null"]`, nullable, avroBytes(0), x, "\x02\x02x", ""},
		{"nullable in front", `"long"`, nullable, avroBytes(5), []schemas.Edit{{Null: true}}, "\x00", ""},
		{"a value made nullable", `"long"`, schemas.Change{Op: schemas.Retype, Kind: schemas.KindLong, Nullable: true}, avroBytes(5), nil, "\x02\x0a", ""},
	}
	for _, c := range cases {
		s := mustParse(t, `{"type":"record","name":"R","fields":[{"name":"f","type":`+c.typ+`}]}`)
		shape := mustDerive(t, s, change(t, s, "f", c.change)...)
		out, err := s.Codec.Splice(nil, mustScan(t, s, c.src, wantAll(s)), shape, c.edits)
		if codeOf(t, err) != c.code || string(out) != c.want {
			t.Errorf("%s: %x, %v; want %x", c.name, out, err, c.want)
		}
		if err != nil {
			continue
		}
		if _, err := decode(shape.Schema(), out); err != nil {
			t.Errorf("%s: %v\n%s", c.name, err, shape.Schema())
		}
	}
}
