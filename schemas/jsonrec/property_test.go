package jsonrec

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"weir/schemas"
)

// tokens are text's tokens, strings unescaped, numbers as written.
func tokens(t fataler, text string) (out []string) {
	d := jsontext.NewDecoder(strings.NewReader(text), jsontext.AllowDuplicateNames(true))
	for {
		tok, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("not JSON: %v", err)
		}
		out = append(out, string(tok.Kind())+tok.String())
	}
}

// setUp draws a schema and a record of it.
func setUp(t *rapid.T, unknown bool) (m *modelType, doc *modelValue, src string, s *schemas.Schema) {
	m = genType(t, 0)
	doc = generator{t: t, unknown: unknown}.value(m, 0)
	src = spaces.Draw(t, "before") + doc.String() + spaces.Draw(t, "after")
	s, err := New(m.paths(nil))
	if err != nil {
		t.Fatal(err)
	}
	return m, doc, src, s
}

// TestIdentity: without edits and cuts, whatever is wanted, the bytes stay.
func TestIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, _, src, s := setUp(t, false)
		want := &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}
		for i := range want.Leaf {
			want.Leaf[i] = rapid.Bool().Draw(t, "wanted")
		}
		var v schemas.View
		if err := s.Codec.Scan(&v, []byte(src), want); err != nil {
			t.Fatal(err)
		}
		checkSpans(t, s, &v, want)
		if got := splice(t, s, &v, schemas.ShapeOptions{}, nil); got != src {
			t.Fatalf("%q became %q", src, got)
		}
	})
}

func checkSpans(t *rapid.T, s *schemas.Schema, v *schemas.View, want *schemas.Wanted) {
	at := uint32(0)
	for i, sp := range v.Spans {
		if sp.Leaf >= 0 && !want.Leaf[sp.Leaf] || sp.Kind == schemas.KindAny || sp.Open < at {
			t.Fatalf("span %d: %+v", i, sp)
		}
		if sp.Open > sp.Start || sp.Start > sp.End || sp.End > sp.Close || int(sp.Close) > len(v.Src) {
			t.Fatalf("span %d: %+v", i, sp)
		}
		at = sp.Open
	}
}

// TestEdits: edits, nulls and cuts against the same done to the tree.
func TestEdits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, doc, src, s := setUp(t, true)
		acts := make([]action, len(s.Leaves))
		byPath := map[string]action{}
		o := schemas.ShapeOptions{DropUnknown: true}
		want := &schemas.Wanted{Leaf: make([]bool, len(s.Leaves)), Unknown: true}
		for i := range s.Leaves {
			acts[i] = drawAction(t, &s.Leaves[i], i)
			byPath[pathID(s.Leaves[i].Names)] = acts[i]
			want.Leaf[i] = acts[i] != actKeep || rapid.Bool().Draw(t, "wanted")
			switch acts[i] {
			case actMask:
				o.Changes = append(o.Changes, schemas.Change{Leaf: i, Op: schemas.Retype, Kind: schemas.KindString})
			case actCut:
				o.Changes = append(o.Changes, schemas.Change{Leaf: i, Op: schemas.Cut})
			}
		}
		var v schemas.View
		if err := s.Codec.Scan(&v, []byte(src), want); err != nil {
			t.Fatal(err)
		}
		checkSpans(t, s, &v, want)
		got := splice(t, s, &v, o, makeEdits(t, s, &v, acts))
		expect := doc.edited(m, nil, byPath).String()
		if !slices.Equal(tokens(t, got), tokens(t, expect)) {
			t.Fatalf("%s\nbecame %s\nwanted %s", src, got, expect)
		}
		if !slices.Contains(acts, actCut) && !hasUndecided(doc) && strings.TrimSpace(got) != strings.TrimSpace(expect) {
			t.Fatalf("white space changed: %q, %q", got, expect)
		}
	})
}

func drawAction(t *rapid.T, l *schemas.Leaf, i int) action {
	a := action(rapid.IntRange(0, 5).Draw(t, "action"))
	key := l.Names[len(l.Names)-1] == "{#}"
	switch {
	case a > actCut || a == actCut && int(l.Cut) != i || key && a == actNull || l.Kind.Container() && a == actMask:
		return actKeep
	}
	return a
}

// makeEdits edits as a caller does: nothing inside what is null or gone.
func makeEdits(t *rapid.T, s *schemas.Schema, v *schemas.View, acts []action) (edits []schemas.Edit) {
	gone := uint32(0)
	for i := range v.Spans {
		sp := &v.Spans[i]
		if sp.Open < gone || sp.Leaf < 0 {
			continue
		}
		switch act := acts[sp.Leaf]; {
		case act == actCut:
			gone = sp.Close
		case act == actNull:
			edits, gone = append(edits, schemas.Edit{Span: int32(i), Null: true}), sp.Close
		case act == actMask && sp.Flags&schemas.Null == 0:
			text, err := s.Codec.Text(nil, v, i)
			if err != nil {
				t.Fatal(err)
			}
			edits = append(edits, schemas.Edit{Span: int32(i), Data: []byte(maskText(string(text)))})
		}
	}
	return edits
}

// TestLearning: what UnknownLeaves names, Extend declares, and then nothing is
// unknown any more; a path leads back to its span.
func TestLearning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, doc, src, s := setUp(t, true)
		if hasEmptyObject(doc, false) {
			t.Skip("holds what cannot be learned")
		}
		var v schemas.View
		if err := s.Codec.Scan(&v, []byte(src), &schemas.Wanted{Leaf: make([]bool, len(s.Leaves)), Unknown: true}); err != nil {
			t.Fatal(err)
		}
		var learned [][]string
		for i := range v.Spans {
			paths, err := UnknownLeaves(s, &v, i)
			if err != nil {
				t.Fatal(err)
			}
			learned = append(learned, paths...)
		}
		more, err := Extend(s, learned)
		if err != nil {
			t.Fatal(err)
		}
		if err := more.Codec.Scan(&v, []byte(src), everything(more)); err != nil {
			t.Fatalf("%v in %s", err, src)
		}
		for _, p := range learned {
			for _, i := range more.Find(schemas.JoinPath(p)) {
				if more.Leaves[i].Declared || more.Leaves[i].Printed() != "*" {
					t.Fatal("a learned leaf counts as declared")
				}
			}
		}
	})
}

func hasEmptyObject(v *modelValue, undecided bool) bool {
	if undecided && v.opening == '{' && len(v.members) == 0 {
		return true
	}
	for _, m := range v.members {
		if hasEmptyObject(m.val, undecided || m.undecided) {
			return true
		}
	}
	return false
}

func hasUndecided(v *modelValue) bool {
	for _, m := range v.members {
		if m.undecided || hasUndecided(m.val) {
			return true
		}
	}
	return false
}
