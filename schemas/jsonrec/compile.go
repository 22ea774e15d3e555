package jsonrec

import (
	"slices"

	"weir/schemas"
)

// What accept says beside leaf indexes.
const (
	refused int32 = -1 // no such value here
	noLeaf  int32 = -2 // allowed, but no leaf: the record at the root
)

// node is a place, compiled. Nodes are immutable and may form cycles.
type node struct {
	accept [classes]int32 // leaf by class of value
	leaf   int32          // the first leaf, for the places of errors; -1 at the root
	obj    *content
	arr    *content
}

// content is what a container holds.
type content struct {
	fields  []field
	index   map[string]int32 // field by name
	longest int              // bytes of the longest name
	extra   *node            // values of a map
	key     int32            // leaf of an object's names, when it is a map
	elem    *node            // elements of an array
	keys    *node            // keys of pairs
	pair    bool             // one of the pairs: what finder sees
}

type field struct {
	name  string
	token string // the member as most writers begin it, `name":`; "" when it needs escapes
	node  *node
}

// site is where a leaf stands in the schema's text.
type site struct {
	owner *tree  // the schema of the object that it is a member of
	name  string // as that member
	outer *tree  // the whole schema at the place
	node  *tree  // the schema of this type, in outer or outer itself
	key   bool   // the leaf is the keys of node
}

// compiler numbers the leaves and links the nodes.
type compiler struct {
	leaves []schemas.Leaf
	wires  []wire
	sites  []site
	open   map[*typ]*content // the containers around
}

// spot is what a place inherits from those around it.
type spot struct {
	names    []string
	parent   int32
	cut      int32 // for leaves that cannot go alone
	member   bool  // a field of a record: it can
	declared bool
	tags     []string
	owner    *tree
}

func (s spot) step(name string) spot {
	s.names = append(slices.Clip(slices.Clone(s.names)), name)
	return s
}

func (c *compiler) place(pl *place, at spot) (*node, error) {
	n := &node{leaf: -1}
	for i := range n.accept {
		n.accept[i] = refused
	}
	at.declared = at.declared && !pl.learned
	at.tags = mergeTags(at.tags, pl.tags)
	if pl.null {
		n.accept[clsNull] = noLeaf
	}
	for _, t := range pl.types {
		leaf, err := c.typ(n, pl, t, at)
		if err != nil {
			return nil, err
		}
		if leaf >= 0 && n.leaf < 0 {
			n.leaf = leaf
			if pl.null {
				n.accept[clsNull] = leaf
			}
		}
	}
	return n, nil
}

// typ adds one type of a place: its leaf, and what it holds.
func (c *compiler) typ(n *node, pl *place, t *typ, at spot) (int32, error) {
	leaf := noLeaf
	if t.kind != schemas.KindRecord || len(at.names) > 0 {
		var err error
		if leaf, err = c.leaf(pl, t, at); err != nil {
			return leaf, err
		}
		at.parent = leaf
		if at.member {
			at.cut = leaf
		}
	}
	for cls := range n.accept {
		if t.accepts&mask(class(cls)) != 0 {
			n.accept[cls] = leaf
		}
	}
	if !t.kind.Container() {
		return leaf, nil
	}
	at.tags, at.member, at.owner = mergeTags(at.tags, t.tags), false, t.node
	held, seen := c.open[t]
	if !seen {
		held = &content{key: -1}
		c.open[t] = held
		if err := c.content(held, t, at); err != nil {
			return leaf, err
		}
		delete(c.open, t)
	}
	if t.accepts&mask(clsArray) != 0 {
		n.arr = held
	} else {
		n.obj = held
	}
	return leaf, nil
}

func (c *compiler) leaf(pl *place, t *typ, at spot) (int32, error) {
	if len(c.leaves) == schemas.MaxLeaves {
		return refused, schemas.Fail(schemas.CodeSchema, "")
	}
	i := int32(len(c.leaves))
	l := schemas.Leaf{Path: schemas.JoinPath(at.names), Names: at.names, Kind: t.kind, Optional: pl.null,
		Scale: t.wire.scale, Unit: t.wire.unit, Tags: mergeTags(at.tags, t.tags), Doc: pl.doc,
		Declared: at.declared, Parent: at.parent, Cut: at.cut}
	if at.member {
		l.Cut = i
	}
	if l.Doc == "" {
		l.Doc = t.doc
	}
	c.leaves = append(c.leaves, l)
	c.wires = append(c.wires, t.wire)
	s := site{outer: pl.outer, node: t.node}
	if at.member {
		s.owner, s.name = at.owner, stepName(at.names[len(at.names)-1])
	}
	c.sites = append(c.sites, s)
	return i, nil
}

func (c *compiler) content(held *content, t *typ, at spot) error {
	held.index = make(map[string]int32, len(t.fields))
	held.fields = make([]field, len(t.fields))
	for i, m := range t.fields {
		in := at.step(nameStep(m.name))
		in.member = true
		n, err := c.place(m.place, in)
		if err != nil {
			return err
		}
		held.fields[i] = field{name: m.name, token: token(m.name), node: n}
		held.index[m.name] = int32(i)
		held.longest = max(held.longest, len(m.name))
	}
	if t.elem != nil {
		var err error
		if held.elem, err = c.place(t.elem, at.step(stepElem)); err != nil {
			return err
		}
	}
	return c.mapContent(held, t, at)
}

func (c *compiler) mapContent(held *content, t *typ, at spot) (err error) {
	switch {
	case t.pairs != nil:
		held.keys, err = c.place(t.pairs, at.step(stepKey))
	case t.extra != nil:
		held.key, err = c.leaf(&place{}, t.key, at.step(stepKey))
		if err == nil {
			s := &c.sites[held.key]
			s.node, s.key = t.node, true
			if t.key.node != nil { // Connect has a schema of its own for keys
				s.node, s.key = t.key.node, false
			}
		}
	default:
		return nil
	}
	if err != nil {
		return err
	}
	held.extra, err = c.place(t.extra, at.step(stepItem))
	return err
}

// token is name as most writers write it before a value.
func token(name string) string {
	if plain([]byte(name), 0) < len(name) {
		for i := 0; i < len(name); i++ {
			if c := name[i]; c < 0x20 || c == '"' || c == '\\' {
				return ""
			}
		}
	}
	return name + `":`
}

func mergeTags(a, b []string) []string {
	for _, t := range b {
		if !slices.Contains(a, t) {
			a = append(slices.Clip(a), t)
		}
	}
	return a
}
