package jsonrec

import "weir/schemas"

// shape implements schemas.Shape. It is immutable.
type shape struct {
	schema      string
	block       []byte // Connect's block for the copy
	kinds       []schemas.Kind
	wires       []wire
	cut         []bool // by leaf; nil when nothing is cut
	null        []bool // by leaf: its values may be null
	keys        []bool // by leaf: the names of an object's members
	dropUnknown bool
}

// Schema implements schemas.Shape: a JSON Schema, a schema block, or "".
func (s *shape) Schema() string { return s.schema }

// Kind implements schemas.Shape. For a leaf of KindAny that no change retypes
// it is KindAny: an edit keeps the type of the value it replaces where its text
// is one of that type, and is a string where not.
func (s *shape) Kind(leaf int) schemas.Kind { return s.kinds[leaf] }

func (s *shape) cuts(sp *schemas.Span) bool {
	if sp.Leaf < 0 {
		return s.dropUnknown
	}
	return s.cut != nil && s.cut[sp.Leaf]
}

// Derive implements schemas.Codec. A leaf that is retyped to its own kind keeps
// the way it is written. Names of an object's members can only be strings, and
// other keys of Connect's maps cannot become strings (CodeUnsupported).
func (c *codec) Derive(o schemas.ShapeOptions) (schemas.Shape, error) {
	s := &shape{dropUnknown: o.DropUnknown, kinds: make([]schemas.Kind, len(c.leaves)),
		wires: append([]wire(nil), c.wires...), keys: make([]bool, len(c.leaves)), null: make([]bool, len(c.leaves))}
	for i := range c.leaves {
		s.kinds[i] = c.leaves[i].Kind
		s.null[i] = c.leaves[i].Optional || s.kinds[i] == schemas.KindNull
	}
	c.root.markKeys(s.keys, map[*content]bool{})
	for i := range o.Changes {
		if err := c.change(s, &o.Changes[i]); err != nil {
			return nil, err
		}
	}
	c.settleCuts(s)
	text, err := c.derivedText(o.Changes, s)
	if err != nil {
		return nil, err
	}
	s.schema = text
	if c.block != nil {
		s.block = []byte(text)
	}
	return s, nil
}

// settleCuts cuts a field whole: what is cut as one of its types goes as every
// other too.
func (c *codec) settleCuts(s *shape) {
	if s.cut == nil {
		return
	}
	gone := map[string]bool{}
	for i, cut := range s.cut {
		if cut {
			gone[c.leaves[i].Path] = true
		}
	}
	for i := range c.leaves {
		s.cut[i] = gone[c.leaves[i].Path]
	}
}

func (n *node) markKeys(keys []bool, seen map[*content]bool) {
	for _, held := range []*content{n.obj, n.arr} {
		if held == nil || seen[held] {
			continue
		}
		seen[held] = true
		if held.key >= 0 {
			keys[held.key] = true
		}
		for i := range held.fields {
			held.fields[i].node.markKeys(keys, seen)
		}
		for _, in := range []*node{held.extra, held.elem, held.keys} {
			if in != nil {
				in.markKeys(keys, seen)
			}
		}
	}
}

func (c *codec) change(s *shape, ch *schemas.Change) error {
	if ch.Leaf < 0 || ch.Leaf >= len(c.leaves) {
		return schemas.Fail(schemas.CodeSchema, "")
	}
	l := &c.leaves[ch.Leaf]
	if ch.Op == schemas.Cut {
		if l.Cut < 0 {
			return schemas.Fail(schemas.CodeUnsupported, l.Printed())
		}
		if s.cut == nil {
			s.cut = make([]bool, len(c.leaves))
		}
		s.cut[l.Cut] = true
		return nil
	}
	if c.source.flavour == connect && !s.keys[ch.Leaf] && stringKeys(l, ch.Kind) {
		return schemas.Fail(schemas.CodeUnsupported, l.Printed())
	}
	if ch.Op != schemas.Retype || l.Kind.Container() && ch.Kind != l.Kind || s.keys[ch.Leaf] && ch.Kind != schemas.KindString {
		return schemas.Fail(schemas.CodeUnsupported, l.Printed())
	}
	w := c.wires[ch.Leaf]
	if ch.Kind != l.Kind || ch.Kind == schemas.KindDecimal && ch.Scale != l.Scale {
		var ok bool
		if w, ok = defaultWire(c.source.flavour, ch.Kind, tickUnit(l.Unit)); !ok {
			return schemas.Fail(schemas.CodeUnsupported, l.Printed())
		}
		w.scale = ch.Scale
	}
	s.kinds[ch.Leaf], s.wires[ch.Leaf] = ch.Kind, w
	s.null[ch.Leaf] = s.null[ch.Leaf] || ch.Nullable
	return nil
}

// stringKeys: the keys of a map that is an array of pairs would become strings.
// Connect writes maps with such keys as objects, another structure altogether.
func stringKeys(l *schemas.Leaf, kind schemas.Kind) bool {
	if len(l.Names) == 0 || l.Names[len(l.Names)-1] != stepKey {
		return false
	}
	name, _ := connectName(kind, wire{})
	return name == "string"
}

// tickUnit is the unit for times that were not counted before: as fine as the
// leaf's own, microseconds when it has none.
func tickUnit(unit int) int {
	switch unit {
	case 3, 9:
		return unit
	}
	return 6
}

// derivedText edits the schema's own text; unchanged, it is the same text. What
// it refers to is put in its place, for a copy's schema is registered without
// references.
func (c *codec) derivedText(changes []schemas.Change, s *shape) (string, error) {
	if c.source.flavour == schemaless || len(changes) == 0 && len(c.source.refs) == 0 {
		return c.source.text, nil
	}
	root, text, err := c.source.build() // a tree of our own to edit
	if err != nil {
		return "", err
	}
	comp := &compiler{open: map[*typ]*content{}}
	if _, err := comp.place(root, spot{parent: -1, cut: -1, declared: true}); err != nil {
		return "", err
	}
	for i := range changes {
		ch := &changes[i]
		if ch.Op == schemas.Retype {
			c.editor().retype(comp.sites[ch.Leaf], &c.leaves[ch.Leaf], ch, s.wires[ch.Leaf])
		}
	}
	for i, cut := range s.cut {
		if cut {
			c.editor().cut(comp.sites[i])
		}
	}
	for _, t := range comp.around(changes, text) {
		c.editor().around(t)
	}
	return string(text.append(nil)), nil
}

// around is the schemas of all that changed leaves stand in, the whole text
// among them: what they say of values (defaults, examples) they say of the
// leaves' too.
func (c *compiler) around(changes []schemas.Change, text *tree) []*tree {
	out := []*tree{text}
	for _, k := range []string{"oneOf", "anyOf"} {
		if alts := text.get(k); alts != nil {
			out = append(out, alts.elems...)
		}
	}
	seen := make([]bool, len(c.leaves))
	for i := range changes {
		if at := c.sites[changes[i].Leaf]; at.outer != nil && at.outer != at.node {
			out = append(out, at.outer)
		}
		for up := c.leaves[changes[i].Leaf].Parent; up >= 0 && !seen[up]; up = c.leaves[up].Parent {
			seen[up] = true
			for _, t := range []*tree{c.sites[up].outer, c.sites[up].node} {
				if t != nil {
					out = append(out, t)
				}
			}
		}
	}
	return out
}

// editor changes one flavour's schema text where a leaf stands in it. Leaves
// that were learned have no place there.
type editor interface {
	retype(at site, l *schemas.Leaf, ch *schemas.Change, w wire)
	cut(at site)
	around(t *tree)
}

func (c *codec) editor() editor {
	if c.source.flavour == connect {
		return connectEditor{}
	}
	return schemaEditor{}
}
