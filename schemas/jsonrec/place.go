package jsonrec

import (
	"unicode/utf8"

	"weir/schemas"
)

// place is where a value can stand, while a schema is compiled.
type place struct {
	types   []*typ // at most one for each class of value
	null    bool   // null may stand here too
	learned bool   // no schema declares its name
	tags    []string
	doc     string
	outer   *tree // what the schema's text says of the place
}

// typ is one type of value at a place. The same typ inside itself is recursion.
type typ struct {
	kind    schemas.Kind
	wire    wire
	accepts uint8 // classes of value, as mask makes them
	tags    []string
	doc     string
	node    *tree // what the schema's text says of the type

	fields []member // objects
	extra  *place   // values of members beyond fields: a map's
	key    *typ     // of the names of those members
	elem   *place   // arrays
	pairs  *place   // keys of a map that is written as an array of pairs; extra has the values
}

type member struct {
	name  string
	place *place
}

func mask(cs ...class) uint8 {
	var m uint8
	for _, c := range cs {
		m |= 1 << c
	}
	return m
}

// add adds a type; two of one class cannot be told apart.
func (pl *place) add(t *typ) error {
	for _, have := range pl.types {
		if have.accepts&t.accepts != 0 {
			return schemas.Fail(schemas.CodeUnsupported, "")
		}
	}
	pl.types = append(pl.types, t)
	return nil
}

func (pl *place) accepting(c class) *typ {
	for _, t := range pl.types {
		if t.accepts&mask(c) != 0 {
			return t
		}
	}
	return nil
}

// insert declares a leaf and the containers on the way to it.
func (pl *place) insert(steps []string, kind schemas.Kind, learned bool) error {
	if len(steps) > schemas.MaxDepth {
		return schemas.Fail(schemas.CodeTooDeep, "")
	}
	at := pl
	for i, step := range steps {
		if !utf8.ValidString(step) {
			return schemas.Fail(schemas.CodeSchema, "")
		}
		if step == stepKey {
			keys := at.keys(learned)
			if i == len(steps)-1 {
				return nil
			}
			if at = keys; at == nil { // a name holds nothing
				return schemas.Fail(schemas.CodeSchema, "")
			}
			continue
		}
		at = at.child(step, learned)
	}
	return at.declare(kind)
}

func (pl *place) child(step string, learned bool) *place {
	switch step {
	case stepElem:
		t := pl.container(schemas.KindArray, clsArray)
		if t.pairs != nil {
			return t.extra
		}
		if t.elem == nil {
			t.elem = &place{null: true, learned: learned}
		}
		return t.elem
	case stepItem:
		return pl.asMap(learned)
	}
	t := pl.container(schemas.KindRecord, clsObject)
	name := stepName(step)
	for _, m := range t.fields {
		if m.name == name {
			return m.place
		}
	}
	if t.kind == schemas.KindMap && t.node == nil {
		t.kind = schemas.KindRecord
	}
	m := member{name: name, place: &place{null: true, learned: learned}}
	t.fields = append(t.fields, m)
	return m.place
}

func (pl *place) container(kind schemas.Kind, c class) *typ {
	if t := pl.accepting(c); t != nil {
		return t
	}
	t := &typ{kind: kind, accepts: mask(c)}
	pl.types = append(pl.types, t)
	return t
}

func (pl *place) asMap(learned bool) *place {
	if t := pl.accepting(clsArray); t != nil && t.pairs != nil {
		return t.extra
	}
	t := pl.container(schemas.KindMap, clsObject)
	if t.extra == nil {
		t.extra = &place{null: true, learned: learned}
		t.key = &typ{kind: schemas.KindString}
	}
	return t.extra
}

// keys makes the place a map. Keys that are values themselves have a place.
func (pl *place) keys(learned bool) *place {
	if t := pl.accepting(clsArray); t != nil && t.pairs != nil {
		return t.pairs
	}
	pl.asMap(learned)
	return nil
}

// declare says what stands at the place. A place that has a scalar type
// already keeps it.
func (pl *place) declare(kind schemas.Kind) error {
	switch kind {
	case schemas.KindRecord:
		pl.container(kind, clsObject)
		return nil
	case schemas.KindArray:
		pl.child(stepElem, true)
		return nil
	case schemas.KindMap:
		pl.asMap(true)
		return nil
	}
	w, ok := defaultWire(schemaless, kind, 3)
	if !ok {
		return schemas.Fail(schemas.CodeUnsupported, "")
	}
	for _, t := range pl.types {
		if !t.kind.Container() {
			return nil
		}
	}
	return pl.add(&typ{kind: kind, wire: w, accepts: w.accepts(kind)})
}
