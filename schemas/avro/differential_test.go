package avro

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/linkedin/goavro/v2"
	twmb "github.com/twmb/avro"
	"pgregory.net/rapid"

	"weir/schemas"
)

// raw takes the logical types out of a schema, so that decoders of other people
// give what stands in the bytes.
func raw(schema string) string {
	return strings.ReplaceAll(schema, `"logicalType"`, `"notLogicalType"`)
}

// decode reads data with twmb/avro into plain maps, slices and scalars.
func decode(schema string, data []byte) (any, error) {
	s, err := twmb.Parse(raw(schema))
	if err != nil {
		return nil, fmt.Errorf("parsing: %w", err)
	}
	var v any
	rest, err := s.Decode(data, &v)
	if err != nil {
		return nil, fmt.Errorf("decoding: %w", err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes left", len(rest))
	}
	return plain(v), nil
}

// plain makes the types of decoded trees the same everywhere.
func plain(v any) any {
	switch v := v.(type) {
	case int32:
		return int64(v)
	case int:
		return int64(v)
	case float32:
		return float64(v)
	case []byte:
		return "bytes:" + string(v)
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, plain(e))
		}
		return out
	}
	return v
}

// throughGoavro decodes with goavro and encodes again, which leaves the tree as
// it is if goavro can read it.
func throughGoavro(schema string, data []byte) ([]byte, error) {
	c, err := goavro.NewCodec(raw(schema))
	if err != nil {
		return nil, fmt.Errorf("goavro parsing: %w", err)
	}
	native, rest, err := c.NativeFromBinary(data)
	if err != nil {
		return nil, fmt.Errorf("goavro decoding: %w", err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("goavro: %d bytes left", len(rest))
	}
	return c.BinaryFromNative(nil, native)
}

// action is what a test does to one leaf.
type action struct {
	change *schemas.Change
	text   string // of an edit, when there is one
	null   bool
}

// job is one generated case: what happens to which leaf.
type job struct {
	g       *gen
	s       *schemas.Schema
	actions map[string]*action // by path and kind
	actLeaf map[int]*action
}

// leafID names a leaf; nth counts the branches of one union that have one kind.
func leafID(path string, k schemas.Kind, nth int) string {
	return fmt.Sprintf("%s|%s|%d", path, k, nth)
}

// draw decides about every leaf.
func (j *job) draw() []schemas.Change {
	var changes []schemas.Change
	nth := map[string]int{}
	for i := range j.s.Leaves {
		l := &j.s.Leaves[i]
		id := leafID(l.Path, l.Kind, nth[l.Path+l.Kind.String()])
		nth[l.Path+l.Kind.String()]++
		if a := j.drawOne(i, l); a != nil {
			changes = append(changes, *a.change)
			j.actions[id], j.actLeaf[i] = a, a
		}
	}
	return changes
}

func (j *job) drawOne(i int, l *schemas.Leaf) *action {
	key := strings.HasSuffix(l.Path, "{#}")
	what := rapid.IntRange(0, 9).Draw(j.g.t, "action of "+l.Path)
	change := &schemas.Change{Leaf: i, Op: schemas.Retype, Kind: l.Kind, Note: "test"}
	switch {
	case what == 0 && l.Cut >= 0:
		change.Op = schemas.Cut
		return &action{change: change}
	case what == 1 && !key:
		change.Nullable = true
		return &action{change: change, null: true}
	case what == 2 && key:
		return &action{change: change, text: "edited "}
	case what <= 4 && !l.Kind.Container() && l.Kind != schemas.KindNull && !key:
		change.Kind, change.Nullable = schemas.KindString, what == 3
		return &action{change: change, text: strings.Repeat("token", 1+rapid.IntRange(0, 30).Draw(j.g.t, "token"))}
	case what == 5 && l.Kind == schemas.KindLong:
		return &action{change: change, text: "-7000000000"}
	case what == 5 && l.Kind == schemas.KindInt:
		change.Kind = schemas.KindLong
		return &action{change: change, text: "7000000000"}
	}
	return nil
}

// where is a place in the generated value: the path the codec must give it.
type where struct {
	path string
	open map[*gtype]where // enclosing records, and the place of their contents
}

func (w where) step(name string) where {
	if name != "[]" && name != "{}" && w.path != "" {
		name = "." + name
	}
	w.path += name
	return w
}

func (w where) enter(t *gtype) where {
	open := map[*gtype]where{}
	for k, v := range w.open {
		open[k] = v
	}
	w.open = open
	open[t] = w // which leads to open itself, so a reference back sees what t sees
	return w
}

// cutAt reports whether any leaf of a place is cut, directly or by what it holds.
func (j *job) cutAt(path string) bool {
	for i, a := range j.actLeaf {
		if a.change != nil && a.change.Op == schemas.Cut && j.s.Leaves[j.s.Leaves[i].Cut].Path == path {
			return true
		}
	}
	return false
}

// expect is the tree that a decoder must find in the copy.
func (j *job) expect(t *gtype, v *gval, w where) any {
	first, nth := v.typ, 0
	if t.typ == "union" {
		for _, b := range t.branches {
			if b.typ != "null" {
				first = b
				break
			}
		}
		for _, b := range t.branches[:v.branch] {
			if b.leafKind() == t.branches[v.branch].leafKind() {
				nth++
			}
		}
		t = t.branches[v.branch]
	}
	of := t
	if t.typ == "null" {
		of, nth = first, 0
	}
	root := len(w.open) == 0
	if a := j.actions[leafID(w.path, of.leafKind(), nth)]; a != nil && !root && a.change.Op != schemas.Cut {
		switch {
		case a.null || t.typ == "null":
			return nil
		case a.change.Kind == schemas.KindLong:
			return map[string]int64{"7000000000": 7000000000, "-7000000000": -7000000000}[a.text]
		}
		return a.text
	}
	return j.unchanged(t, v, w)
}

func (j *job) unchanged(t *gtype, v *gval, w where) any {
	switch t.typ {
	case "ref":
		return j.unchanged(t.target, v, w)
	case "record":
		if back, ok := w.open[t]; ok { // back to an enclosing record: its leaves
			return j.record(t, v, back)
		}
		return j.record(t, v, w.enter(t))
	case "array":
		out := []any{}
		for _, e := range v.items {
			out = append(out, j.expect(t.item, e, w.step("[]")))
		}
		return out
	case "map":
		out := map[string]any{}
		prefix := ""
		if a := j.actions[leafID(w.path+"{#}", schemas.KindString, 0)]; a != nil && a.change.Op != schemas.Cut {
			prefix = a.text
		}
		for i, e := range v.items {
			out[prefix+v.keys[i]] = j.expect(t.item, e, w.step("{}"))
		}
		return out
	case "null":
		return nil
	case "bytes", "fixed":
		return "bytes:" + v.str
	case "boolean":
		return v.num == 1
	case "int", "long":
		return v.num
	case "enum":
		return t.symbols[v.num]
	case "float", "double":
		return v.f
	}
	return v.str
}

func (j *job) record(t *gtype, v *gval, w where) any {
	out := map[string]any{}
	for i, f := range t.fields {
		if in := w.step(f.name); !j.cutAt(in.path) {
			out[f.name] = j.expect(f.typ, v.items[i], in)
		}
	}
	return out
}

// want is the leaves that the actions need.
func (j *job) want() *schemas.Wanted {
	w := &schemas.Wanted{Leaf: make([]bool, len(j.s.Leaves))}
	for i, a := range j.actLeaf {
		w.Leaf[i] = true
		if a.change != nil && a.change.Op == schemas.Cut {
			w.Leaf[j.s.Leaves[i].Cut] = true
		}
	}
	return w
}

// edits are what a plan would give: for every span outside nulled or cut ones.
func (j *job) edits(v *schemas.View) []schemas.Edit {
	var out []schemas.Edit
	for i := 0; i < len(v.Spans); i++ {
		sp := &v.Spans[i]
		a := j.actLeaf[int(sp.Leaf)]
		if a == nil || a.change.Op == schemas.Cut {
			continue
		}
		null := sp.Flags&schemas.Null != 0
		switch {
		case a.null:
			out = append(out, schemas.Edit{Span: int32(i), Null: true})
			for i+1 < len(v.Spans) && sp.Flags&schemas.Container != 0 && int32(i+1) < sp.Aux {
				i++
			}
		case null:
		case strings.HasSuffix(j.s.Leaves[sp.Leaf].Path, "{#}"):
			out = append(out, schemas.Edit{Span: int32(i), Data: append([]byte(a.text), v.Raw(i)...)})
		default:
			out = append(out, schemas.Edit{Span: int32(i), Data: []byte(a.text)})
		}
	}
	return out
}

// TestCopyDecodesAsExpected: over random schemas, values and changes, two other
// decoders find in the copy, under its derived schema, exactly what was asked for.
func TestCopyDecodesAsExpected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &gen{t: t}
		typ := g.record(3)
		val := g.value(typ, 6)
		src := g.encode(nil, typ, val)
		s, err := Parse(typ.text())
		if err != nil {
			t.Fatalf("%v: %s", err, typ.text())
		}
		j := &job{g: g, s: s, actions: map[string]*action{}, actLeaf: map[int]*action{}}
		shape, err := s.Codec.Derive(schemas.ShapeOptions{Changes: j.draw()})
		if err != nil {
			t.Fatalf("deriving: %v\n%s", err, typ.text())
		}
		var v schemas.View
		if err := s.Codec.Scan(&v, src, j.want()); err != nil {
			t.Fatalf("scanning: %v", err)
		}
		out, err := s.Codec.Splice([]byte("x"), &v, shape, j.edits(&v))
		if err != nil {
			t.Fatalf("splicing: %v\n%s\n%s", err, typ.text(), shape.Schema())
		}
		compare(t, shape.Schema(), out[1:], j.expect(typ, val, where{}))
	})
}

func compare(t *rapid.T, schema string, data []byte, want any) {
	got, err := decode(schema, data)
	if err != nil {
		t.Fatalf("%v\n%s", err, schema)
	}
	if d := cmp.Diff(want, got, cmpopts.EquateNaNs()); d != "" {
		t.Fatalf("copy differs (-want +got):\n%s\n%s", d, schema)
	}
	logical, err := twmb.Parse(schema)
	if err != nil {
		t.Fatalf("%v\n%s", err, schema)
	}
	var v any
	if rest, err := logical.Decode(data, &v); err != nil || len(rest) > 0 {
		t.Fatalf("with logical types: %v, %d left\n%s", err, len(rest), schema)
	}
	if _, err := goavro.NewCodec(schema); err != nil {
		t.Fatalf("goavro with logical types: %v\n%s", err, schema)
	}
	again, err := throughGoavro(schema, data)
	if err != nil {
		t.Fatalf("%v\n%s", err, schema)
	}
	if got, err = decode(schema, again); err != nil {
		t.Fatalf("%v\n%s", err, schema)
	}
	if d := cmp.Diff(want, got, cmpopts.EquateNaNs()); d != "" {
		t.Fatalf("copy differs for goavro (-want +got):\n%s", d)
	}
}

// TestNoEditIsIdentity: a shape without changes gives the bytes back, whatever
// was wanted.
func TestNoEditIsIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &gen{t: t}
		typ := g.typ(3, false)
		src := g.encode(nil, typ, g.value(typ, 5))
		s, err := Parse(typ.text())
		if err != nil {
			t.Fatal(err)
		}
		want := &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}
		for i := range want.Leaf {
			want.Leaf[i] = rapid.Bool().Draw(t, "want")
		}
		var v schemas.View
		if err := s.Codec.Scan(&v, src, want); err != nil {
			t.Fatalf("scanning: %v", err)
		}
		shape, err := s.Codec.Derive(schemas.ShapeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if shape.Schema() != typ.text() {
			t.Fatalf("schema changed: %s", shape.Schema())
		}
		out, err := s.Codec.Splice(nil, &v, shape, nil)
		if err != nil || string(out) != string(src) {
			t.Fatalf("%x became %x (%v)", src, out, err)
		}
	})
}

// TestEditWithOwnTextKeepsValue: writing back the canonical text of every value
// gives a copy that decodes to the same tree: Text and edits are inverse.
func TestEditWithOwnTextKeepsValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &gen{t: t}
		typ := g.record(3)
		val := g.value(typ, 5)
		src := g.encode(nil, typ, val)
		s, err := Parse(typ.text())
		if err != nil {
			t.Fatal(err)
		}
		v, edits := rewriteAll(t, s, src)
		shape, err := s.Codec.Derive(schemas.ShapeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.Codec.Splice(nil, v, shape, edits)
		if err != nil {
			t.Fatal(err)
		}
		w, again := rewriteAll(t, s, out)
		if len(w.Spans) != len(v.Spans) || !cmp.Equal(edits, again) {
			t.Fatalf("texts changed: %v became %v", edits, again)
		}
	})
}

func rewriteAll(t *rapid.T, s *schemas.Schema, src []byte) (*schemas.View, []schemas.Edit) {
	v := &schemas.View{}
	want := &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}
	for i := range want.Leaf {
		want.Leaf[i] = true
	}
	if err := s.Codec.Scan(v, src, want); err != nil {
		t.Fatal(err)
	}
	var edits []schemas.Edit
	for i, sp := range v.Spans {
		if sp.Flags&(schemas.Container|schemas.Null) != 0 {
			continue
		}
		text, err := s.Codec.Text(nil, v, i)
		if err != nil {
			t.Fatalf("%s: %v", s.Leaves[sp.Leaf].Kind, err)
		}
		edits = append(edits, schemas.Edit{Span: int32(i), Data: text})
	}
	return v, edits
}
