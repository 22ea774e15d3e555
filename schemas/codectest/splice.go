package codectest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"weir/schemas"
)

// identity: without changes a copy is the payload, byte for byte, and every leaf
// keeps its kind.
func identity(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		shape := derive(t, in)
		v := scan(t, in, d.Payload)
		out, err := in.Codec.Splice([]byte("head"), v, shape, nil)
		if err != nil || string(out) != "head"+string(d.Payload) {
			t.Fatalf("%q, %v", out, err)
		}
		for i := range in.Leaves {
			if k := shape.Kind(i); k != in.Leaves[i].Kind {
				t.Errorf("%s became %s", in.Leaves[i].Path, k)
			}
		}
		s.spliced(t, in, v, shape, nil, read(t, in, v))
	})
}

// texts are strings that formats write in different ways: shorter and longer
// than what they replace, across the sizes of length prefixes, with what JSON
// escapes.
var texts = []string{"", "x", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "客户 \U0001f600  ", strings.Repeat("T", 63), strings.Repeat("T", 64),
	strings.Repeat("é\"", 5_000), `{"a":[1]}`, "null", "0"}

// edited are edits of all spans of a path that are not null, and what they make
// of a document.
func edited(list []span, path, text string) (edits []schemas.Edit, want []span) {
	want = slices.Clone(list)
	for i, sp := range list {
		if sp.path == path && !sp.null {
			edits = append(edits, schemas.Edit{Span: int32(i), Data: []byte(text)})
			want[i].text = text
		}
	}
	return edits, want
}

// editsStrings: every scalar can become any string; what stands around it stays.
func editsStrings(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		v := scan(t, in, d.Payload)
		list := read(t, in, v)
		for _, p := range paths(in, scalar) {
			changes := onPath(in, p, schemas.Change{Op: schemas.Retype, Kind: schemas.KindString, Note: "token"})
			if slices.Contains(s.Fixed, p) {
				_, err := in.Codec.Derive(schemas.ShapeOptions{Changes: changes})
				if code(t, err) != schemas.CodeUnsupported {
					t.Errorf("%s: %v, want unsupported", p, err)
				}
				continue
			}
			shape := derive(t, in, changes...)
			for _, l := range in.Find(p) {
				if k := shape.Kind(l); k != schemas.KindString {
					t.Errorf("%s became %s", p, k)
				}
			}
			for _, text := range texts {
				edits, want := edited(list, p, text)
				s.spliced(t, in, v, shape, edits, want)
			}
			edits, _ := edited(list, p, "\xff"+Canary)
			if out, err := in.Codec.Splice([]byte("head"), v, shape, edits); len(edits) > 0 && (code(t, err) != schemas.CodeUTF8 || string(out) != "head") {
				t.Errorf("%s: a string that is not UTF-8: %q, %v", p, out, err)
			}
		}
	})
}

// editsKinds: an edit of a leaf's own kind is written in the leaf's own way.
func editsKinds(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		v := scan(t, in, d.Payload)
		list := read(t, in, v)
		for i, sp := range list {
			if sp.null || sp.container || isKey(sp.path) && sp.kind != schemas.KindString {
				continue
			}
			for _, shape := range []schemas.Shape{derive(t, in), derive(t, in, same(in, sp.path, false)...)} {
				for _, text := range samples(sp.kind, &in.Leaves[sp.leaf], sp.text) {
					want := slices.Clone(list)
					want[i].text = text
					s.spliced(t, in, v, shape, []schemas.Edit{{Span: int32(i), Data: []byte(text)}}, want)
				}
			}
		}
	})
}

// retypes: a string can become any kind that the format has, and reads back.
func retypes(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		v := scan(t, in, d.Payload)
		list := read(t, in, v)
		at := slices.IndexFunc(list, func(sp span) bool {
			return sp.kind == schemas.KindString && !sp.null && !isKey(sp.path) && len(in.Find(sp.path)) == 1
		})
		for k := schemas.KindBool; k < schemas.KindRecord && at >= 0; k++ {
			p := list[at].path
			shape, err := in.Codec.Derive(schemas.ShapeOptions{Changes: onPath(in, p, schemas.Change{Op: schemas.Retype, Kind: k, Scale: 2})})
			if code(t, err) != "" {
				if code(t, err) != schemas.CodeUnsupported || slices.Contains(everyFormat, k) {
					t.Errorf("to %s: %v", k, err)
				}
				continue
			}
			leaf := &schemas.Leaf{Kind: k, Scale: 2, Unit: 6}
			for _, text := range samples(k, leaf, Canary) {
				edits, want := edited(list, p, text)
				s.spliced(t, in, v, shape, edits, want)
			}
		}
	})
}

// everyFormat are kinds that each format can write anew.
var everyFormat = []schemas.Kind{schemas.KindString}

// badTexts: text that is none of the leaf's kind is refused, without a trace.
func badTexts(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		v := scan(t, in, d.Payload)
		for i, sp := range read(t, in, v) {
			if sp.null || sp.container || in.Leaves[sp.leaf].Kind == schemas.KindAny {
				continue
			}
			shape := derive(t, in)
			for _, text := range bad(sp.kind, &in.Leaves[sp.leaf]) {
				out, err := in.Codec.Splice([]byte("head"), v, shape, []schemas.Edit{{Span: int32(i), Data: []byte(text)}})
				if code(t, err) == "" || string(out) != "head" {
					t.Errorf("%s took %.40q for a %s: %q", sp.path, text, sp.kind, out)
				}
			}
		}
	})
}

// nulls: null is written where the schema or a change allows it, and nowhere
// else.
func nulls(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		v := scan(t, in, d.Payload)
		list := read(t, in, v)
		for _, p := range paths(in, scalar) {
			edits, want := nulled(list, p)
			if len(edits) == 0 {
				continue
			}
			optional := in.Leaves[in.Find(p)[0]].Optional
			if optional {
				s.spliced(t, in, v, derive(t, in), edits, want)
			} else if out, err := in.Codec.Splice([]byte("head"), v, derive(t, in), edits); code(t, err) == "" || string(out) != "head" {
				t.Errorf("%s may not be null, and was: %q", p, out)
			}
			shape, err := in.Codec.Derive(schemas.ShapeOptions{Changes: same(in, p, true)})
			if isName(in, p) || slices.Contains(s.NeverNull, p) {
				if code(t, err) == "" {
					_, err = in.Codec.Splice(nil, v, shape, edits)
				}
				if code(t, err) == "" {
					t.Errorf("%s became null", p)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s nullable: %v", p, err)
			}
			s.spliced(t, in, v, shape, edits, want)
			s.spliced(t, in, v, shape, nil, list)
		}
	})
}

// nulled are edits that null all spans of a path, and what they make of a
// document: what stood in a container is gone.
func nulled(list []span, path string) (edits []schemas.Edit, want []span) {
	for i, sp := range list {
		if sp.path == path && !sp.null {
			edits = append(edits, schemas.Edit{Span: int32(i), Null: true})
			sp.null, sp.container, sp.text = true, false, ""
		} else if within(sp.path, path) && sp.path != path {
			continue
		}
		want = append(want, sp)
	}
	return edits, want
}

// within reports whether path is outer or inside it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || outer == "" || rest[0] == '.' || rest[0] == '[' || rest[0] == '{')
}

func containerNulls(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		v := scan(t, in, d.Payload)
		list := read(t, in, v)
		for _, p := range paths(in, container) {
			edits, want := nulled(list, p)
			if len(edits) == 0 || slices.Contains(s.NeverNull, p) {
				continue
			}
			s.spliced(t, in, v, derive(t, in, same(in, p, true)...), edits, want)
			if !in.Leaves[in.Find(p)[0]].Optional {
				_, err := in.Codec.Splice(nil, v, derive(t, in), edits)
				if code(t, err) == "" {
					t.Errorf("%s may not be null, and was", p)
				}
			}
		}
	})
}

// without is a document with the fields gone that leaves are cut with.
func without(in *schemas.Schema, list []span, cut ...int) []span {
	return slices.DeleteFunc(slices.Clone(list), func(sp span) bool {
		return slices.ContainsFunc(cut, func(c int) bool { return within(sp.path, in.Leaves[in.Leaves[c].Cut].Path) })
	})
}

// cuts: the first, the last, each, all but one and all fields go, whatever they
// hold.
func cuts(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		v := scan(t, in, d.Payload)
		list := read(t, in, v)
		var every []int
		for i := range in.Leaves {
			if in.Leaves[i].Cut < 0 {
				_, err := in.Codec.Derive(schemas.ShapeOptions{Changes: []schemas.Change{{Leaf: i, Op: schemas.Cut}}})
				if code(t, err) == "" {
					t.Errorf("%q was cut", in.Leaves[i].Path)
				}
				continue
			}
			every = append(every, i)
		}
		try := func(cut ...int) {
			var changes []schemas.Change
			for _, c := range cut {
				changes = append(changes, schemas.Change{Leaf: c, Op: schemas.Cut})
			}
			s.spliced(t, in, v, derive(t, in, changes...), nil, without(in, list, cut...))
		}
		for _, c := range every {
			try(c)
			if rest := slices.DeleteFunc(slices.Clone(every), func(o int) bool {
				return within(in.Leaves[c].Path, in.Leaves[in.Leaves[o].Cut].Path)
			}); len(rest) > 0 {
				try(rest...)
			}
		}
		if len(every) > 0 {
			try(every...)
			try(every[0], every[len(every)-1])
		}
	})
}

// mixed: any of these beside any other, as a policy has them.
func mixed(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		v := scan(t, in, d.Payload)
		list := read(t, in, v)
		r := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			var changes []schemas.Change
			var edits []schemas.Edit
			var gone []int
			want := slices.Clone(list)
			for _, p := range paths(in, scalar) {
				what := r.IntN(4)
				l := in.Find(p)[0]
				cuttable := in.Leaves[l].Cut >= 0
				switch {
				case what == 0 && cuttable:
					changes = append(changes, schemas.Change{Leaf: l, Op: schemas.Cut})
					gone = append(gone, l)
				case what == 1 && !slices.Contains(s.Fixed, p):
					changes = append(changes, onPath(in, p, schemas.Change{Op: schemas.Retype, Kind: schemas.KindString})...)
					for i, sp := range list {
						if sp.path == p && !sp.null {
							want[i].text = strings.Repeat("T", r.IntN(100))
							edits = append(edits, schemas.Edit{Span: int32(i), Data: []byte(want[i].text)})
						}
					}
				}
			}
			inCut := func(e schemas.Edit) bool {
				return len(without(in, list[e.Span:e.Span+1], gone...)) == 0
			}
			edits = slices.DeleteFunc(edits, inCut)
			slices.SortFunc(edits, func(a, b schemas.Edit) int { return int(a.Span - b.Span) })
			s.spliced(t, in, v, derive(t, in, changes...), edits, without(in, want, gone...))
		}
	})
}

// badEdits: edits that are not in order, or of no span, are refused: what they
// were for would pass.
func badEdits(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		v := scan(t, in, d.Payload)
		var strs []int32
		for i, sp := range read(t, in, v) {
			if sp.kind == schemas.KindString && !sp.null {
				strs = append(strs, int32(i))
			}
		}
		x := []byte("x")
		cases := map[string][]schemas.Edit{
			"of no span": {{Span: int32(len(v.Spans)), Data: x}}, "before all": {{Span: -1, Data: x}},
			"twice": {{Span: strs[0], Data: x}, {Span: strs[0], Data: x}},
		}
		if len(strs) > 1 {
			cases["out of order"] = []schemas.Edit{{Span: strs[1], Data: x}, {Span: strs[0], Data: x}}
		}
		for name, edits := range cases {
			out, err := in.Codec.Splice([]byte("head"), v, derive(t, in), edits)
			if code(t, err) == "" || string(out) != "head" {
				t.Errorf("an edit %s: %q", name, out)
			}
		}
		if out, err := in.Codec.Splice([]byte("head"), v, stranger{}, nil); code(t, err) == "" || string(out) != "head" {
			t.Errorf("a shape of another codec: %q", out)
		}
	})
}

// stranger is a shape that no codec made.
type stranger struct{}

func (stranger) Schema() string        { return "" }
func (stranger) Kind(int) schemas.Kind { return schemas.KindString }

// job is scan, texts and splice of one document with every string edited.
type job struct {
	in    *schemas.Schema
	want  *schemas.Wanted
	shape schemas.Shape
	edits []schemas.Edit
	src   []byte
}

func jobOf(t testing.TB, in *schemas.Schema, d *Doc) *job {
	j := &job{in: in, want: everything(in), src: d.Payload}
	var changes []schemas.Change
	for i, sp := range read(t, in, scan(t, in, d.Payload)) {
		if sp.kind == schemas.KindString && !sp.null && !isKey(sp.path) {
			j.edits = append(j.edits, schemas.Edit{Span: int32(i), Data: []byte("0123456789ABCDEFGHJKMNPQ")})
		}
	}
	j.shape = derive(t, in, changes...)
	return j
}

func (j *job) run(v *schemas.View, text, out []byte) ([]byte, []byte, error) {
	if err := j.in.Codec.Scan(v, j.src, j.want); err != nil {
		return text, out, err
	}
	text = text[:0]
	for i := range v.Spans {
		if v.Spans[i].Flags&schemas.Container != 0 {
			continue
		}
		var err error
		if text, err = j.in.Codec.Text(text, v, i); err != nil {
			return text, out, err
		}
	}
	out, err := j.in.Codec.Splice(out[:0], v, j.shape, j.edits)
	return text, out, err
}

// shared: goroutines with a view each share codec and shape; the race detector
// looks on.
func shared(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		j := jobOf(t, in, d)
		wantText, wantOut, err := j.run(&schemas.View{}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				var text, out []byte
				v := &schemas.View{}
				for range 50 {
					var err error
					if text, out, err = j.run(v, text, out); err != nil || !bytes.Equal(text, wantText) || !bytes.Equal(out, wantOut) {
						t.Errorf("%q, %q, %v", text, out, err)
						return
					}
					mine := *j
					mine.want = everything(in) // one of its own
					if _, out2, err := mine.run(&schemas.View{}, nil, nil); err != nil || !bytes.Equal(out2, wantOut) {
						t.Errorf("%q, %v", out2, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// allocations: a warm scan, texts and splice take nothing from the heap.
func allocations(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		j, v := jobOf(t, in, d), &schemas.View{}
		var text, out []byte
		n := testing.AllocsPerRun(100, func() {
			var err error
			if text, out, err = j.run(v, text, out); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
