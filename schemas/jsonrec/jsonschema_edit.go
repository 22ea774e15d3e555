package jsonrec

import (
	"slices"

	"weir/schemas"
)

// schemaEditor changes a JSON Schema.
type schemaEditor struct{}

func (schemaEditor) cut(at site) {
	if at.owner == nil || at.outer == nil {
		return
	}
	at.owner.get("properties").remove(at.name)
	required := at.owner.get("required")
	if required == nil {
		return
	}
	required.elems = slices.DeleteFunc(required.elems, func(e *tree) bool { return e.str == at.name })
	if len(required.elems) == 0 {
		at.owner.remove("required")
	}
}

// quoting are the keywords that quote values, or hold schemas that may.
var quoting = []string{"default", "examples", "example", "const", "enum", "contains", "minContains", "maxContains",
	"definitions", "$defs"}

// around takes what a schema around a changed leaf says of its values. Nothing
// refers to its definitions: references were expanded.
func (schemaEditor) around(t *tree) { t.remove(quoting...) }

// What survives of a leaf's schema. Everything that narrows its values goes:
// treated values need not match a pattern or stay in a range.
var (
	keptAlways = []string{"type", "description", "connect.index", "confluent:tags", "$schema", "$id", treatmentProperty}
	keptOfKind = append([]string{"title", "format", "contentEncoding", "connect.type", "connect.version",
		"connect.parameters"}, keptAlways...)
)

func (schemaEditor) retype(at site, l *schemas.Leaf, ch *schemas.Change, w wire) {
	t := at.node
	switch {
	case t == nil:
		return
	case at.key:
		t.remove("propertyNames")
		if ch.Note != "" {
			t.set(treatmentProperty+".keys", textTree(ch.Note))
		}
		return
	case l.Kind.Container():
	case ch.Kind == l.Kind:
		t.keep(keptOfKind...)
	default:
		t.keep(keptAlways...)
		changeType(t, l, ch.Kind)
	}
	if ch.Note != "" {
		t.set(treatmentProperty, textTree(ch.Note))
	}
	if ch.Nullable && !l.Optional {
		allowNull(at.outer, t)
	}
	tellApart(at.outer)
}

// changeType writes the type of kind in place of the leaf's own; beside types
// that another leaf has at the same place, only the name is changed.
func changeType(t *tree, l *schemas.Leaf, kind schemas.Kind) {
	name, more := typeOf(kind)
	if list := t.get("type"); list != nil && list.class == clsArray {
		old, _ := typeOf(l.Kind)
		replaceType(list, old, name)
		return
	}
	if kind == schemas.KindAny {
		t.remove("type")
		return
	}
	t.set("type", textTree(name))
	for _, m := range more {
		t.set(m.name, m.val)
	}
}

func replaceType(list *tree, old, name string) {
	var out []*tree
	has := false
	for _, e := range list.elems {
		str := e.str
		if str == old || str == "integer" && old == "number" || str == "string" && old == "" {
			str = name
		}
		if str == name && has {
			continue
		}
		has = has || str == name
		out = append(out, textTree(str))
	}
	list.elems = out
}

// typeOf is the JSON Schema of what defaultWire writes of a kind.
func typeOf(kind schemas.Kind) (name string, more []treeMember) {
	is := func(key, value string) []treeMember { return []treeMember{{key, textTree(value)}} }
	switch kind {
	case schemas.KindBool:
		return "boolean", nil
	case schemas.KindInt:
		return "integer", is("connect.type", "int32")
	case schemas.KindLong:
		return "integer", is("connect.type", "int64")
	case schemas.KindNumber, schemas.KindDecimal:
		return "number", nil
	case schemas.KindFloat:
		return "number", is("connect.type", "float32")
	case schemas.KindDouble:
		return "number", is("connect.type", "float64")
	case schemas.KindBytes, schemas.KindFixed:
		return "string", is("connect.type", "bytes")
	case schemas.KindUUID:
		return "string", is("format", "uuid")
	case schemas.KindDate:
		return "string", is("format", "date")
	case schemas.KindInstant:
		return "string", is("format", "date-time")
	}
	return "string", nil
}

// allowNull lets null stand where t does, the way Confluent's converter says
// it: as the first of two alternatives.
func allowNull(outer, t *tree) {
	null := object(treeMember{"type", textTree("null")})
	list := t.get("type")
	switch {
	case list == nil && t.get("properties") == nil:
		return // nothing is excluded
	case list != nil && list.class == clsArray:
		list.elems = append([]*tree{textTree("null")}, list.elems...)
	case outer != t:
		for _, k := range []string{"oneOf", "anyOf"} {
			if alts := outer.get(k); alts != nil {
				alts.elems = append([]*tree{null}, alts.elems...)
			}
		}
	default:
		inner := *t
		inner.members = slices.Clone(t.members)
		inner.remove("connect.index", "$schema", "$id")
		t.keep("connect.index", "$schema", "$id")
		t.set("oneOf", &tree{class: clsArray, elems: []*tree{null, &inner}})
	}
}

// tellApart turns oneOf into anyOf where two alternatives have become the same
// type: a value of it would match both.
func tellApart(outer *tree) {
	alts := outer.get("oneOf")
	if alts == nil {
		return
	}
	seen := map[string]bool{}
	for _, a := range alts.elems {
		name := a.text("type")
		if name == "integer" {
			name = "number"
		}
		if seen[name] {
			for i := range outer.members {
				if outer.members[i].name == "oneOf" {
					outer.members[i].name = "anyOf"
				}
			}
			return
		}
		seen[name] = true
	}
}
