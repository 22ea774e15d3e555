package avro

import (
	"slices"

	"weir/schemas"
)

// noteProperty is the field property that names the treatment of a copy's field.
const noteProperty = "weir.treatment"

// Null branches that are no branch number.
const (
	noNull    = -1 // null cannot be written
	plainNull = -2 // the type is null: nothing is written
)

// leafShape is what Splice has to know about one leaf.
type leafShape struct {
	wire     *wire // how edits are written
	branch   int32 // branch number before a value, -1 for none
	null     int32 // branch number that says null, or noNull or plainNull
	union    bool  // the original has a branch number
	same     bool  // spans without an edit stay as they are
	cut      bool
	text     bool // edits are written as strings
	mustEdit bool // another kind: the original value does not fit
	rebranch bool // values need another branch number
	renull   bool // nulls need another branch number
}

// shape implements schemas.Shape. It is immutable.
type shape struct {
	c      *codec
	text   string
	leaves []leafShape
	need   []uint32 // leaves that a scan must have reported
	blank  bool     // changes nothing
}

// Schema implements schemas.Shape.
func (s *shape) Schema() string { return s.text }

// Kind implements schemas.Shape.
func (s *shape) Kind(leaf int) schemas.Kind {
	if leaf < 0 || leaf >= len(s.leaves) {
		return schemas.KindAny
	}
	return s.leaves[leaf].wire.kind
}

// newPlace is a place in a copy.
type newPlace struct {
	cut     bool
	union   bool
	null    int // index in list, or -1
	list    []newBranch
	retyped bool // a kind changed here or in the items
	dropDef bool // the field's default does not fit any more
	newDef  *jv  // what stands for a default that quotes treated values
}

// newBranch is a branch in a copy: an old one, retyped where fresh is set, or an
// added null.
type newBranch struct {
	old   *branch
	fresh *wire
}

func (b *newBranch) typ() typ {
	switch {
	case b.fresh != nil:
		return b.fresh.typ
	case b.old == nil:
		return tNull
	}
	return b.old.def.typ
}

// key is what may stand only once in a union.
func (b *newBranch) key() string {
	if b.fresh == nil && b.old != nil {
		return unionKey(b.old.def)
	}
	return typNames[b.typ()]
}

// changes are the wishes by leaf.
type changes []*schemas.Change

func (c changes) has(leaf int32) bool { return leaf >= 0 && c[leaf] != nil }

// deriver builds one shape.
type deriver struct {
	c       *codec
	sh      *shape
	changes changes
	changed []int // number of changed leaves before each leaf
	places  map[*place]*newPlace
}

// Derive implements schemas.Codec. A change that the format or this codec cannot
// make is CodeUnsupported; DropUnknown means nothing here.
func (c *codec) Derive(o schemas.ShapeOptions) (schemas.Shape, error) {
	d := &deriver{c: c, places: map[*place]*newPlace{}, changes: make(changes, len(c.leaves))}
	d.sh = &shape{c: c, leaves: make([]leafShape, len(c.leaves)), need: make([]uint32, (len(c.leaves)+31)/32),
		blank: len(o.Changes) == 0}
	for i := range d.sh.leaves {
		d.sh.leaves[i] = leafShape{wire: &c.wires[i], branch: -1, null: noNull, same: true}
	}
	if err := d.index(o.Changes); err != nil {
		return nil, err
	}
	if err := d.place(c.root, nil); err != nil {
		return nil, err
	}
	for i := range d.sh.leaves {
		ls := &d.sh.leaves[i]
		ls.text = ls.wire.kind == schemas.KindString && !ls.cut
	}
	if d.sh.text = c.text; !d.sh.blank || !c.selfContained {
		if err := d.write(); err != nil {
			return nil, err
		}
	}
	return d.sh, nil
}

// index puts changes by leaf; a cut goes to the leaf that goes with it.
func (d *deriver) index(list []schemas.Change) error {
	for i := range list {
		ch := &list[i]
		at := ch.Leaf
		if at < 0 || at >= len(d.changes) {
			return schemas.Fail(schemas.CodeUnsupported, "")
		}
		if ch.Op == schemas.Cut {
			at = int(d.c.leaves[at].Cut)
		}
		if at < 0 || ch.Op != schemas.Cut && ch.Op != schemas.Retype {
			return d.unsupported(ch.Leaf)
		}
		old := d.changes[at]
		switch {
		case old == nil || ch.Op == schemas.Cut:
			d.changes[at] = ch
		case old.Op != schemas.Cut:
			return d.unsupported(ch.Leaf) // two wishes for one leaf
		}
	}
	d.settleCuts()
	d.changed = make([]int, len(d.changes)+1)
	for i, ch := range d.changes {
		d.changed[i+1] = d.changed[i]
		if ch != nil {
			d.changed[i+1]++
		}
	}
	return nil
}

// settleCuts leaves one change where something is cut: on the first leaf of the
// place, whatever else was wished for its branches and what they hold.
func (d *deriver) settleCuts() {
	gone := make([]bool, len(d.changes)) // by leaf: it is cut, or inside what is
	for i, ch := range d.changes {
		if ch == nil || ch.Op != schemas.Cut {
			continue
		}
		p := d.c.places[i]
		for b := range p.branches {
			if l := p.branches[b].leaf; l >= 0 {
				gone[l], d.changes[l] = true, nil
			}
		}
		d.changes[p.first()] = ch
	}
	for i := range d.changes {
		if up := d.c.leaves[i].Parent; up >= 0 && gone[up] {
			gone[i], d.changes[i] = true, nil
		}
	}
}

func (d *deriver) unsupported(leaf int) error {
	return schemas.Fail(schemas.CodeUnsupported, d.c.leaves[leaf].Printed())
}

// dirty reports whether the text of b differs in the copy: something changed in
// it, or in an enclosing record that it refers back to.
func (d *deriver) dirty(b *body) bool {
	t := b.top()
	return d.changed[t.hi] > d.changed[t.lo]
}

// place decides one place and all that it holds; f is the field it stands in.
func (d *deriver) place(p *place, f *field) error {
	np := &newPlace{union: p.union, null: -1}
	d.places[p] = np
	for i := range p.branches {
		if l := p.branches[i].leaf; l >= 0 && d.changes[l] != nil && d.changes[l].Op == schemas.Cut {
			np.cut = true
		}
	}
	if np.cut {
		d.cut(p)
		return nil
	}
	nullable := false
	for i := range p.branches {
		b := &p.branches[i]
		null, err := d.branch(np, b)
		if err != nil {
			return err
		}
		nullable = nullable || null
	}
	index := d.merge(np)
	d.addNull(p, np, f, nullable, index)
	d.leaves(p, np, index)
	return nil
}

func (d *deriver) cut(p *place) {
	for i := range p.branches {
		if l := p.branches[i].leaf; l >= 0 {
			d.sh.leaves[l].cut, d.sh.leaves[l].same = true, false
			d.require(l)
		}
	}
}

func (d *deriver) require(leaf int32) { d.sh.need[leaf/32] |= 1 << (leaf % 32) }

// branch adds one branch to the copy's list and decides what it holds.
func (d *deriver) branch(np *newPlace, b *branch) (nullable bool, err error) {
	nb := newBranch{old: b}
	if b.leaf >= 0 {
		if ch := d.changes[b.leaf]; ch != nil {
			nullable = ch.Nullable
			if nb.fresh, err = d.retype(b, ch); err != nil {
				return false, err
			}
			np.retyped = np.retyped || nb.fresh != nil
		}
	}
	np.list = append(np.list, nb)
	return nullable, d.contents(np, b)
}

// retype is the wire of a changed kind, nil when the kind stays.
func (d *deriver) retype(b *branch, ch *schemas.Change) (*wire, error) {
	old := &d.c.wires[b.leaf]
	if ch.Kind == old.kind {
		return nil, nil
	}
	w, ok := fresh(ch.Kind, ch.Scale)
	if !ok || old.kind.Container() {
		return nil, d.unsupported(int(b.leaf))
	}
	return &w, nil
}

func (d *deriver) contents(np *newPlace, b *branch) error {
	if b.key >= 0 {
		if ch := d.changes[b.key]; ch != nil && (ch.Kind != schemas.KindString || ch.Nullable) {
			return d.unsupported(int(b.key)) // keys are never anything but strings
		}
	}
	if b.item != nil {
		if err := d.place(b.item, nil); err != nil {
			return err
		}
		np.retyped = np.retyped || d.places[b.item].retyped
	}
	if b.body == nil || b.back {
		return nil
	}
	for i, f := range b.body.fields {
		if err := d.place(f, b.def.fields[i]); err != nil {
			return err
		}
	}
	return nil
}

// merge makes branches that have become the same type one. It returns the new
// index of each old branch.
func (d *deriver) merge(np *newPlace) []int {
	index := make([]int, len(np.list))
	var out []newBranch
	for i := range np.list {
		b := &np.list[i]
		at := -1
		for k := range out {
			if out[k].key() == b.key() {
				at = k
				w := wire{typ: b.typ(), kind: plainKinds[b.typ()]}
				out[k].fresh = &w
			}
		}
		if at < 0 {
			at, out = len(out), append(out, *b)
		}
		index[i] = at
	}
	np.list = out
	np.null = slices.IndexFunc(out, func(b newBranch) bool { return b.typ() == tNull })
	return index
}

// addNull makes null possible where it is asked for: at the end when the field's
// default still needs the first branch, else in front.
func (d *deriver) addNull(p *place, np *newPlace, f *field, nullable bool, index []int) {
	var def *jv
	if f != nil {
		def = f.src.get("default")
	}
	touched := def != nil && d.touched(p)
	fits := def != nil && (!touched || d.fits(def, &np.list[0]))
	if fits && touched { // a default is a value, and nothing has treated it
		np.newDef = neutral(&np.list[0])
		fits = np.newDef != nil
	}
	np.dropDef = def != nil && !fits
	if !nullable || np.null >= 0 {
		return
	}
	np.union = true
	if fits {
		np.null, np.list = len(np.list), append(np.list, newBranch{})
		return
	}
	np.null, np.list = 0, append([]newBranch{{}}, np.list...)
	for i := range index {
		index[i]++
	}
}

// touched reports whether anything at the place changes.
func (d *deriver) touched(p *place) bool {
	for i := range p.branches {
		b := &p.branches[i]
		if d.changes.has(b.leaf) || d.changes.has(b.key) {
			return true
		}
		if b.body != nil && d.dirty(b.body) || b.item != nil && d.touched(b.item) {
			return true
		}
	}
	return false
}

// leaves writes down what Splice needs about the place's leaves.
func (d *deriver) leaves(p *place, np *newPlace, index []int) {
	for i := range p.branches {
		b := &p.branches[i]
		if b.leaf < 0 {
			continue
		}
		ls := &d.sh.leaves[b.leaf]
		ls.union, ls.null = p.union, int32(np.null)
		if !np.union && np.null == 0 {
			ls.null = plainNull
		}
		if np.union {
			ls.branch = int32(index[i])
		}
		if ch := d.changes[b.leaf]; ch != nil && ch.Kind != d.c.wires[b.leaf].kind {
			w, _ := fresh(ch.Kind, ch.Scale)
			ls.wire, ls.mustEdit = &w, b.def.typ != tNull
		}
		ls.rebranch = np.union != p.union || np.union && index[i] != i
		ls.renull = renull(p, np)
		ls.same = !ls.mustEdit && !ls.rebranch && !ls.renull
		if !ls.same || d.changes[b.leaf] != nil {
			d.require(b.leaf)
		}
	}
}

// renull: a null that stands at p is written in another way in the copy.
func renull(p *place, np *newPlace) bool {
	switch {
	case p.union:
		return p.null >= 0 && (p.null != np.null || !np.union)
	case p.branches[0].def.typ == tNull:
		return np.union || np.null != 0
	}
	return false
}
