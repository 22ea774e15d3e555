package jsonrec

import (
	"slices"
	"strconv"

	"weir/schemas"
)

// buildConnect reads the block that Connect's JsonConverter writes beside each
// payload (org.apache.kafka.connect.json.JsonSchema).
func buildConnect(block string) (*place, *tree, error) {
	text, err := parseTree(block)
	if err != nil {
		return nil, nil, err
	}
	b := connectBuilder{}
	root, err := b.place(text)
	return root, text, err
}

type connectBuilder struct{ places int }

var connectTypes = map[string]struct {
	kind schemas.Kind
	wire wire
}{
	"boolean": {kind: schemas.KindBool},
	"int8":    {kind: schemas.KindInt},
	"int16":   {kind: schemas.KindInt},
	"int32":   {kind: schemas.KindInt},
	"int64":   {kind: schemas.KindLong},
	"float":   {schemas.KindFloat, wire{enc: encFloat}},
	"double":  {schemas.KindDouble, wire{enc: encFloat}},
	"string":  {kind: schemas.KindString},
	"bytes":   {schemas.KindBytes, wire{enc: encBase64}},
}

func (b *connectBuilder) place(t *tree) (*place, error) {
	if b.places++; b.places > schemas.MaxLeaves || t.class != clsObject || !ownWords(t) {
		return nil, schemas.Fail(schemas.CodeSchema, "")
	}
	// A field with a default may be null too: the converter reads the default.
	def := t.get("default")
	pl := &place{null: t.get("optional").is("true") || def != nil && def.class != clsNull, outer: t, doc: t.text("doc")}
	ty, err := b.typ(t)
	if err != nil {
		return nil, err
	}
	ty.node = t
	pl.types = []*typ{ty}
	return pl, nil
}

// blockWords are the members that Connect's JsonConverter writes in a schema,
// with the class of their values (clsNone: any), beside those of one type.
var (
	blockWords = map[string]class{"type": clsString, "optional": clsBool, "name": clsString, "version": clsNumber,
		"doc": clsString, "parameters": clsObject, "default": clsNone, "field": clsString}
	typeWords = map[string]map[string]class{"struct": {"fields": clsArray}, "array": {"items": clsObject},
		"map": {"keys": clsObject, "values": clsObject}}
)

// ownWords refuses members that no schema has. A block is part of its record:
// what stands in it beside Connect's words is an undeclared field, and copies
// would carry it.
func ownWords(t *tree) bool {
	for _, m := range t.members {
		want, ok := blockWords[m.name]
		if !ok {
			want, ok = typeWords[t.text("type")][m.name]
		}
		if !ok || want != clsNone && m.val.class != want && m.val.class != clsNull {
			return false
		}
	}
	params := t.get("parameters")
	return params == nil || !slices.ContainsFunc(params.members, func(m treeMember) bool { return m.val.class != clsString })
}

func (b *connectBuilder) typ(t *tree) (*typ, error) {
	name := t.text("type")
	switch name {
	case "struct":
		return b.record(t)
	case "array":
		return b.array(t)
	case "map":
		return b.mapping(t)
	}
	basic, ok := connectTypes[name]
	if !ok {
		return nil, schemas.Fail(schemas.CodeSchema, "")
	}
	kind, w := named(t.text("name"), basic.kind, basic.wire)
	if w.enc == encDecimal {
		scale, err := strconv.Atoi(t.get("parameters").text("scale"))
		if err != nil {
			return nil, schemas.Fail(schemas.CodeSchema, "")
		}
		w.scale = scale
	}
	return &typ{kind: kind, wire: w, accepts: w.accepts(kind)}, nil
}

func (b *connectBuilder) record(t *tree) (*typ, error) {
	ty := &typ{kind: schemas.KindRecord, accepts: mask(clsObject)}
	fields := t.get("fields")
	if fields == nil {
		return ty, nil
	}
	seen := map[string]bool{}
	for _, f := range fields.elems {
		name := f.get("field")
		if name == nil || name.class != clsString || seen[name.str] {
			return nil, schemas.Fail(schemas.CodeSchema, "")
		}
		seen[name.str] = true
		pl, err := b.place(f)
		if err != nil {
			return nil, err
		}
		ty.fields = append(ty.fields, member{name: name.str, place: pl})
	}
	return ty, nil
}

func (b *connectBuilder) array(t *tree) (*typ, error) {
	items := t.get("items")
	if items == nil {
		return nil, schemas.Fail(schemas.CodeSchema, "")
	}
	elem, err := b.place(items)
	return &typ{kind: schemas.KindArray, accepts: mask(clsArray), elem: elem}, err
}

// mapping: a map with string keys is an object, one with others an array of
// pairs.
func (b *connectBuilder) mapping(t *tree) (*typ, error) {
	keys, values := t.get("keys"), t.get("values")
	if keys == nil || values == nil {
		return nil, schemas.Fail(schemas.CodeSchema, "")
	}
	k, err := b.place(keys)
	if err != nil {
		return nil, err
	}
	v, err := b.place(values)
	if err != nil {
		return nil, err
	}
	if keys.text("type") == "string" {
		key := k.types[0]
		key.kind, key.wire = schemas.KindString, wire{}
		return &typ{kind: schemas.KindMap, accepts: mask(clsObject), extra: v, key: key}, nil
	}
	return &typ{kind: schemas.KindMap, accepts: mask(clsArray), extra: v, pairs: k}, nil
}

// treatmentProperty names the property of a field that says how its values were
// treated.
const treatmentProperty = "weir.treatment"

// connectEditor changes a schema block.
type connectEditor struct{}

func (connectEditor) cut(at site) {
	if at.owner == nil || at.outer == nil {
		return
	}
	fields := at.owner.get("fields")
	for i, f := range fields.elems {
		if f == at.outer {
			fields.elems = append(fields.elems[:i:i], fields.elems[i+1:]...)
			return
		}
	}
}

// around takes the default of what a changed leaf stands in: it holds the
// leaf's values too.
func (connectEditor) around(t *tree) {
	if t.get("default") != nil {
		t.remove("default")
		t.set("optional", rawTree("true"))
	}
}

func (connectEditor) retype(at site, l *schemas.Leaf, ch *schemas.Change, w wire) {
	t := at.node
	if t == nil {
		return
	}
	connectEditor{}.around(t) // of the old type, and untreated
	if ch.Kind != l.Kind || ch.Kind == schemas.KindDecimal && w.scale != l.Scale {
		t.remove("name", "version", "parameters")
		typeName, semantic := connectName(ch.Kind, w)
		t.set("type", textTree(typeName))
		if semantic != "" {
			t.set("name", textTree(semantic))
			t.set("version", rawTree("1"))
		}
		if ch.Kind == schemas.KindDecimal {
			t.set("parameters", object(treeMember{"scale", textTree(strconv.Itoa(w.scale))}))
		}
	}
	if ch.Nullable {
		t.set("optional", rawTree("true"))
	}
	if ch.Note != "" {
		params := t.get("parameters")
		if params == nil || params.class != clsObject {
			params = object()
			t.set("parameters", params)
		}
		params.set(treatmentProperty, textTree(ch.Note))
	}
}

// connectName is the type, and the semantic name if it has one, of what w
// writes.
func connectName(kind schemas.Kind, w wire) (typeName, semantic string) {
	switch kind {
	case schemas.KindBool:
		return "boolean", ""
	case schemas.KindInt:
		return "int32", ""
	case schemas.KindLong:
		return "int64", ""
	case schemas.KindFloat:
		return "float", ""
	case schemas.KindDouble:
		return "double", ""
	case schemas.KindDecimal:
		return "bytes", "org.apache.kafka.connect.data.Decimal"
	case schemas.KindBytes, schemas.KindFixed:
		return "bytes", ""
	case schemas.KindUUID:
		return "string", "io.debezium.data.Uuid"
	case schemas.KindDate:
		return "int32", "io.debezium.time.Date"
	case schemas.KindInstant:
		return "string", "io.debezium.time.ZonedTimestamp"
	case schemas.KindTime:
		return tickName(w.unit, "Time")
	case schemas.KindLocal:
		return tickName(w.unit, "Timestamp")
	}
	return "string", ""
}

func tickName(unit int, name string) (typeName, semantic string) {
	const prefix = "io.debezium.time."
	switch {
	case unit == 9:
		return "int64", prefix + "Nano" + name
	case unit == 6:
		return "int64", prefix + "Micro" + name
	case name == "Time":
		return "int32", prefix + name
	}
	return "int64", prefix + name
}
