package avro

import (
	"slices"
	"sync"
	"sync/atomic"

	"weir/schemas"
)

// codec is one compiled schema. It is immutable but for programs, which only
// remembers what was compiled.
type codec struct {
	text          string
	selfContained bool // text refers to no other subject
	root          *place
	leaves        []schemas.Leaf
	wires         []wire   // by leaf
	places        []*place // by leaf: where it stands
	fields        []bool   // by leaf: it stands in a record's field
	mu            sync.Mutex
	programs      atomic.Pointer[[]cached] // guarded by mu for writing
}

// place is where a value stands: a record's field, an array's element, a map's
// value or the root. Each use of a named type has places of its own, but for
// references back to an enclosing record.
type place struct {
	def      *def
	union    bool
	null     int // index of the null branch, -1 when there is none
	branches []branch
}

// branch is one type that can stand at a place: the only one, or a union's.
type branch struct {
	def  *def
	leaf int32  // -1 for the null of a union and a record at the root
	key  int32  // leaf of a map's keys, -1
	body *body  // of records
	item *place // of arrays and maps
	back bool   // body belongs to an enclosing record
}

// body holds a record's fields.
type body struct {
	def       *def
	fields    []*place
	recursive bool // some reference leads back here
	depth     int  // number of enclosing bodies
	up        int  // depth of the outermost body that references inside lead to
	parent    *body
	lo, hi    int // the leaves of what it holds
	steps     int // path steps before its fields' names
}

// first is the leaf that nulls of the place are reported under.
func (p *place) first() int32 {
	for i := range p.branches {
		if p.branches[i].leaf >= 0 {
			return p.branches[i].leaf
		}
	}
	return -1
}

// expander lists the leaves of a schema.
type expander struct {
	c     *codec
	open  []*body
	depth int
}

// context is what a place inherits from what encloses it.
type context struct {
	names  []string
	parent int32
	cut    int32 // -2: a record's field, which cuts itself
	tags   []string
	doc    string
}

const cutSelf = -2

func expand(d *def) (*codec, []schemas.Leaf, error) {
	x := &expander{c: &codec{}}
	root, err := x.place(d, context{parent: -1, cut: -1}, d.typ == tRecord)
	if err != nil {
		return nil, nil, err
	}
	x.c.root = root
	empty := []cached{}
	x.c.programs.Store(&empty)
	return x.c, x.c.leaves, nil
}

// place expands one place. A bare place (a record at the root) has no leaf.
func (x *expander) place(d *def, in context, bare bool) (*place, error) {
	p := &place{def: d, null: -1}
	list := []*def{d}
	if d.typ == tUnion {
		p.union, list = true, d.branches
		for i, b := range list {
			if b.typ == tNull {
				p.null = i
			}
		}
	}
	p.branches = make([]branch, len(list))
	for i, b := range list {
		p.branches[i] = branch{def: b, leaf: -1, key: -1}
		if b.typ == tNull && len(list) > 1 || bare {
			continue
		}
		if err := x.leaf(p, &p.branches[i], in); err != nil {
			return nil, err
		}
	}
	if bare {
		return p, x.contents(p, &p.branches[0], in)
	}
	return p, nil
}

// leaf lists a branch and what it holds.
func (x *expander) leaf(p *place, b *branch, in context) error {
	in.tags = merge(in.tags, b.def.tags)
	doc := in.doc
	if doc == "" {
		doc = b.def.doc
	}
	w := b.def.wire
	b.leaf = x.add(p, schemas.Leaf{Names: in.names, Kind: w.kind, Optional: p.null >= 0 && b.def.typ != tNull,
		Scale: w.scale, Unit: w.unit, Tags: in.tags, Doc: doc, Parent: in.parent, Cut: in.cut}, w)
	if len(x.c.leaves) > schemas.MaxLeaves {
		return bad("")
	}
	in.parent, in.cut, in.doc = b.leaf, x.c.leaves[b.leaf].Cut, ""
	return x.contents(p, b, in)
}

func (x *expander) add(p *place, l schemas.Leaf, w wire) int32 {
	i := int32(len(x.c.leaves))
	l.Path, l.Declared = schemas.JoinPath(l.Names), true
	own := l.Cut == cutSelf
	if own {
		l.Cut = i
	}
	x.c.leaves = append(x.c.leaves, l)
	x.c.wires = append(x.c.wires, w)
	x.c.places = append(x.c.places, p)
	x.c.fields = append(x.c.fields, own)
	return i
}

func (x *expander) contents(p *place, b *branch, in context) error {
	switch b.def.typ {
	case tRecord, tArray, tMap:
	default:
		return nil
	}
	if x.depth++; x.depth > schemas.MaxDepth {
		return bad("")
	}
	defer func() { x.depth-- }()
	if b.def.typ == tRecord {
		return x.record(b, in)
	}
	step := "[]"
	if b.def.typ == tMap {
		step = "{}"
		b.key = x.add(p, schemas.Leaf{Names: with(in.names, "{#}"), Kind: schemas.KindString, Tags: in.tags,
			Parent: in.parent, Cut: in.cut}, wire{typ: tString, kind: schemas.KindString})
	}
	in.names = with(in.names, step)
	var err error
	b.item, err = x.place(b.def.items, in, false)
	return err
}

// record expands a record's fields, or refers back to the enclosing record of
// the same type.
func (x *expander) record(b *branch, in context) error {
	for i := len(x.open) - 1; i >= 0; i-- {
		if o := x.open[i]; o.def == b.def {
			o.recursive, b.body, b.back = true, o, true
			top := x.open[len(x.open)-1]
			top.up = min(top.up, o.depth)
			return nil
		}
	}
	n := len(x.open)
	b.body = &body{def: b.def, depth: n, up: n, lo: len(x.c.leaves), steps: len(in.names)}
	if n > 0 {
		b.body.parent = x.open[n-1]
	}
	x.open = append(x.open, b.body)
	tags := merge(in.tags, b.def.tags)
	for _, f := range b.def.fields {
		p, err := x.place(f.def, context{names: with(in.names, f.name), parent: in.parent, cut: cutSelf,
			tags: merge(tags, f.tags), doc: f.doc}, false)
		if err != nil {
			return err
		}
		b.body.fields = append(b.body.fields, p)
	}
	x.open, b.body.hi = x.open[:n], len(x.c.leaves)
	if n > 0 {
		x.open[n-1].up = min(x.open[n-1].up, b.body.up)
	}
	return nil
}

// top is the body whose changes decide whether b's text changes: b itself, or
// the outermost record that references inside b lead back to.
func (b *body) top() *body {
	for b.up < b.depth {
		to := b.up
		for b.depth > to {
			b = b.parent
		}
	}
	return b
}

func with(names []string, step string) []string {
	return append(slices.Clip(names), step)
}

func merge(a, b []string) []string {
	out := a
	for _, t := range b {
		if !slices.Contains(out, t) {
			out = append(slices.Clip(out), t)
		}
	}
	return out
}
