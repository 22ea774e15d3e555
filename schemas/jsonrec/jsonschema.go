package jsonrec

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"weir/schemas"
)

// buildJSONSchema reads a JSON Schema. References are expanded where they
// stand, in the tree too, so that a copy can change one use of a definition and
// not the others; a reference to something around it points there instead.
func buildJSONSchema(text string, refs []Ref) (*place, *tree, error) {
	b := schemaBuilder{docs: map[string]*tree{}}
	for _, r := range append([]Ref{{Text: text}}, refs...) {
		doc, err := parseTree(r.Text)
		if err != nil {
			return nil, nil, err
		}
		b.docs[r.Name] = doc
	}
	out := b.docs[""].clone()
	b.open = []expansion{{target: "#", place: &place{}}}
	root, err := b.fill(b.open[0].place, out, "", "")
	if err != nil {
		return nil, nil, err
	}
	out.remove("definitions", "$defs")
	return root, out, nil
}

type schemaBuilder struct {
	docs   map[string]*tree // by the name that $ref uses; "" is the schema itself
	open   []expansion      // what is being expanded, outermost first
	places int
	nodes  int // that references made, of the tree
}

// maxNodes bounds the tree that references expand to: each makes a copy of its
// definition, so it could be the text's length times itself.
const maxNodes = 1 << 20

// expansion is a definition in use.
type expansion struct {
	target string // document#pointer
	loc    string // JSON pointer of where it stands now
	place  *place
}

// declaring are the keywords that declare names or types in ways that this
// package does not read.
var declaring = []string{"allOf", "not", "if", "then", "else", "patternProperties", "prefixItems", "dependentSchemas",
	"dependencies", "$dynamicRef", "$recursiveRef", "unevaluatedItems", "extends", "disallow"}

func unsupported() error { return schemas.Fail(schemas.CodeUnsupported, "") }

func badSchema() error { return schemas.Fail(schemas.CodeSchema, "") }

func (b *schemaBuilder) place(t *tree, doc, loc string) (*place, error) {
	return b.fill(&place{}, t, doc, loc)
}

// fill reads the schema t of document doc, which stands at loc of the output.
func (b *schemaBuilder) fill(pl *place, t *tree, doc, loc string) (*place, error) {
	if b.places++; b.places > schemas.MaxLeaves {
		return nil, badSchema()
	}
	pl.outer = t
	if t.get("$ref") == nil {
		pl.tags, pl.doc = tagsOf(t), t.text("description")
		return pl, b.types(pl, t, doc, loc)
	}
	return pl, b.reference(pl, t, doc, loc)
}

// reference expands t, which is a $ref, in its place.
func (b *schemaBuilder) reference(pl *place, t *tree, doc, loc string) error {
	target, found, err := b.resolve(t.text("$ref"), doc)
	if err != nil {
		return err
	}
	for _, e := range b.open {
		if e.target == target {
			t.set("$ref", textTree("#"+e.loc))
			pl.types = slices.Clone(e.place.types)
			pl.null = pl.null || e.place.null
			return nil
		}
	}
	if len(b.open) > schemas.MaxDepth {
		return badSchema()
	}
	own := t.members
	if b.nodes += found.size(maxNodes - b.nodes); b.nodes >= maxNodes {
		return schemas.Fail(schemas.CodeTooLarge, "")
	}
	*t = *found.clone()
	for _, m := range own {
		if m.name != "$ref" {
			t.set(m.name, m.val)
		}
	}
	t.remove("definitions", "$defs", "$schema", "$id")
	b.open = append(b.open, expansion{target: target, loc: loc, place: pl})
	defer func() { b.open = b.open[:len(b.open)-1] }()
	newDoc, _, _ := strings.Cut(target, "#")
	if t.get("$ref") != nil {
		return b.reference(pl, t, newDoc, loc)
	}
	pl.tags = append(pl.tags, tagsOf(t)...)
	if doc := t.text("description"); doc != "" {
		pl.doc = doc
	}
	return b.types(pl, t, newDoc, loc)
}

// resolve finds what a reference in document doc means.
func (b *schemaBuilder) resolve(ref, doc string) (target string, found *tree, err error) {
	name, pointer, _ := strings.Cut(ref, "#")
	if name != "" {
		doc = name
	}
	at := b.docs[doc]
	if at == nil || ref == "" {
		return "", nil, badSchema()
	}
	if pointer == "" {
		return doc + "#", at, nil
	}
	pointer, err = url.PathUnescape(pointer)
	if err != nil || pointer[0] != '/' {
		return "", nil, unsupported() // an anchor
	}
	for _, step := range strings.Split(pointer[1:], "/") {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		next := at.get(step)
		if at.class == clsArray {
			if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(at.elems) {
				next = at.elems[i]
			}
		}
		if at = next; at == nil {
			return "", nil, badSchema()
		}
	}
	return doc + "#" + pointer, at, nil
}

// types adds the types that t allows to pl.
func (b *schemaBuilder) types(pl *place, t *tree, doc, loc string) error {
	if t.is("true") {
		t.class, t.raw = clsObject, ""
	}
	if t.class != clsObject {
		return unsupported()
	}
	for _, k := range declaring {
		if t.get(k) != nil {
			return unsupported()
		}
	}
	for _, k := range []string{"oneOf", "anyOf"} {
		if t.get(k) != nil {
			return b.branches(pl, t, k, doc, loc)
		}
	}
	names := typeNames(t)
	if slices.Contains(names, "null") {
		pl.null = true
	}
	for _, name := range names {
		if name == "null" && len(names) > 1 {
			continue
		}
		if err := b.typ(pl, t, name, doc, loc); err != nil {
			return err
		}
	}
	return nil
}

func (b *schemaBuilder) branches(pl *place, t *tree, keyword, doc, loc string) error {
	list := t.get(keyword)
	for _, k := range []string{"type", "properties", "items", "additionalProperties", "oneOf", "anyOf"} {
		if k != keyword && t.get(k) != nil {
			return unsupported()
		}
	}
	for _, br := range list.elems {
		if br.text("type") == "null" {
			pl.null = true
		}
	}
	for i, br := range list.elems {
		if br.text("type") == "null" && len(list.elems) > 1 {
			continue
		}
		in := pointer(loc, keyword) + "/" + strconv.Itoa(i)
		var err error
		if br.get("$ref") != nil {
			err = b.reference(pl, br, doc, in)
		} else {
			err = b.types(pl, br, doc, in)
		}
		if err != nil {
			return err
		}
	}
	if len(list.elems) == 0 {
		return badSchema()
	}
	return nil
}

// typeNames are the types that t names or, if it names none, lets see; "" is
// any scalar.
func typeNames(t *tree) []string {
	switch ty := t.get("type"); {
	case ty == nil && (t.get("properties") != nil || t.get("additionalProperties") != nil):
		return []string{"object"}
	case ty == nil && t.get("items") != nil:
		return []string{"array"}
	case ty == nil:
		return []string{""}
	case ty.class == clsArray:
		var out []string
		for _, e := range ty.elems {
			out = append(out, e.str)
		}
		if slices.Contains(out, "number") { // an integer is a number
			out = slices.DeleteFunc(out, func(n string) bool { return n == "integer" })
		}
		return out
	default:
		return []string{ty.str}
	}
}

func (b *schemaBuilder) typ(pl *place, t *tree, name, doc, loc string) error {
	ty := &typ{node: t, doc: t.text("description")}
	if pl.outer != t {
		ty.tags = tagsOf(t)
	}
	switch name {
	case "object":
		return b.object(pl, ty, t, doc, loc)
	case "array":
		ty.kind, ty.accepts = schemas.KindArray, mask(clsArray)
		if err := pl.add(ty); err != nil {
			return err
		}
		items := t.get("items")
		if items == nil {
			items = object()
			t.set("items", items)
		}
		var err error
		ty.elem, err = b.place(items, doc, pointer(loc, "items"))
		return err
	case "":
		pl.null = true
		ty.kind = schemas.KindAny
	case "null":
		ty.kind = schemas.KindNull
	case "boolean":
		ty.kind = schemas.KindBool
	case "integer", "number":
		ty.kind, ty.wire = numberType(t, name)
	case "string":
		ty.kind, ty.wire = stringType(t)
	default:
		return badSchema()
	}
	if ty.accepts = ty.wire.accepts(ty.kind); name == "string" {
		ty.accepts = mask(clsString)
	}
	if ty.kind == schemas.KindDecimal {
		scale := t.get("connect.parameters").text("scale")
		n, err := strconv.Atoi(scale)
		if err != nil && ty.wire.enc == encDecimal {
			return badSchema()
		}
		ty.wire.scale = n
	}
	return pl.add(ty)
}

func (b *schemaBuilder) object(pl *place, ty *typ, t *tree, doc, loc string) error {
	ty.kind, ty.accepts = schemas.KindRecord, mask(clsObject)
	if err := pl.add(ty); err != nil {
		return err
	}
	if props := t.get("properties"); props != nil {
		for _, m := range props.members {
			in, err := b.place(m.val, doc, pointer(pointer(loc, "properties"), m.name))
			if err != nil {
				return err
			}
			ty.fields = append(ty.fields, member{name: m.name, place: in})
		}
	}
	extra := t.get("additionalProperties")
	if extra == nil || extra.class != clsObject {
		return nil
	}
	if len(ty.fields) == 0 {
		ty.kind = schemas.KindMap
	}
	ty.key = &typ{kind: schemas.KindString}
	var err error
	ty.extra, err = b.place(extra, doc, pointer(loc, "additionalProperties"))
	return err
}

func pointer(loc, step string) string {
	return loc + "/" + strings.ReplaceAll(strings.ReplaceAll(step, "~", "~0"), "/", "~1")
}

func tagsOf(t *tree) []string {
	list := t.get("confluent:tags")
	if list == nil {
		return nil
	}
	var out []string
	for _, e := range list.elems {
		if e.class == clsString {
			out = append(out, e.str)
		}
	}
	return out
}

const decimalName = "org.apache.kafka.connect.data.Decimal"

func numberType(t *tree, name string) (schemas.Kind, wire) {
	kind, w := schemas.KindNumber, wire{}
	if name == "integer" {
		kind = schemas.KindLong
	}
	switch t.text("connect.type") {
	case "int8", "int16", "int32":
		kind = schemas.KindInt
	case "int64":
		kind = schemas.KindLong
	case "float32":
		kind, w.enc = schemas.KindFloat, encFloat
	case "float64":
		kind, w.enc = schemas.KindDouble, encFloat
	}
	if t.text("title") == decimalName {
		return schemas.KindDecimal, wire{}
	}
	return named(t.text("title"), kind, w)
}

func stringType(t *tree) (schemas.Kind, wire) {
	switch {
	case t.text("connect.type") == "bytes":
		return named(t.text("title"), schemas.KindBytes, wire{enc: encBase64})
	case t.text("contentEncoding") == "base64":
		return schemas.KindBytes, wire{enc: encBase64}
	case t.get("enum") != nil:
		return schemas.KindEnum, wire{}
	}
	switch t.text("format") {
	case "date":
		return schemas.KindDate, wire{enc: encText}
	case "date-time":
		return schemas.KindInstant, wire{enc: encText, unit: 9}
	case "uuid":
		return schemas.KindUUID, wire{enc: encText}
	}
	return named(t.text("title"), schemas.KindString, wire{})
}
