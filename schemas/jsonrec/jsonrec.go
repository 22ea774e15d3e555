// Package jsonrec is the codec of JSON records: with a JSON Schema, with Kafka
// Connect's schema block beside each payload, or with nothing but a list of
// the names that somebody declared.
//
//	s, err := jsonrec.New([]jsonrec.Path{{Steps: []string{"after", "phone"}}})
//	s, err = jsonrec.FromJSONSchema(text, refs...)
//
//	block, ok, err := jsonrec.SplitBlock(payload) // {"schema":…,"payload":…}
//	s, err = jsonrec.FromConnect(block)           // once a block
//
// Scan is one pass over the payload by a scanner that is stricter than RFC 8259
// asks for: UTF-8 everywhere, no lone surrogates, nothing after the value, at
// most [schemas.MaxDepth] containers in each other. It compares names after
// unescaping and reports every occurrence of a name. What no path declares is
// an Unknown span ([UnknownPath] names it, [Extend] learns it) or fails the
// scan. Splice writes replacements over the spans and leaves every other byte
// as it was.
//
// Where a value is of a type that its place does not declare, the scan fails
// with CodeType: an object under a name declared as a scalar may hold anything.
// That holds for empty objects and arrays too, and for null where the schema
// does not allow it; without a schema every value may be null.
package jsonrec

import (
	"slices"
	"unicode/utf8"

	"weir/schemas"
)

// Path declares one leaf of JSON that has no schema.
type Path struct {
	// Steps from the root, as in [schemas.Leaf] Names; none for the root itself.
	Steps []string
	// Kind of the values; KindAny takes any scalar as it comes.
	Kind schemas.Kind
}

// Ref is a schema that another refers to, by the name it uses in $ref.
type Ref struct {
	Name string
	Text string
}

// New is the schema of JSON without one: the leaves are those of paths, with
// the containers on the way to them. Every leaf may be null. With no paths it
// is an object in which nothing is declared.
func New(paths []Path) (*schemas.Schema, error) {
	return compile(&source{flavour: schemaless, paths: slices.Clone(paths)})
}

// FromJSONSchema compiles a JSON Schema as Confluent's serialisers write them:
// draft-07 or 2020-12 with type, properties, items, additionalProperties, $ref
// (local, and to refs by name), oneOf or anyOf over distinct types, enum,
// format (date, date-time, uuid), title and connect.* properties,
// confluent:tags. Keywords that would declare names in other ways (allOf, not,
// if, patternProperties, prefixItems …) give CodeUnsupported. Values of
// additionalProperties are a map's; where it is absent or a boolean, names
// beside properties are unknown.
func FromJSONSchema(text string, refs ...Ref) (*schemas.Schema, error) {
	return compile(&source{flavour: jsonSchema, text: text, refs: slices.Clone(refs)})
}

// FromConnect compiles the schema block of Connect's JsonConverter. The codec
// reads and writes whole envelopes, {"schema":…,"payload":…}; paths begin in
// the payload. An envelope with another block, by its bytes, fails Scan with
// CodeSchema: the caller looks up that block's schema.
func FromConnect(block []byte) (*schemas.Schema, error) {
	return compile(&source{flavour: connect, text: string(block)})
}

// Extend is s with leaves for the learned paths, Declared false. Paths that are
// leaves already are left out. s must come from this package.
func Extend(s *schemas.Schema, learned [][]string) (*schemas.Schema, error) {
	c, ok := s.Codec.(*codec)
	if !ok {
		return nil, schemas.Fail(schemas.CodeUnsupported, "")
	}
	src := *c.source
	src.learned = slices.Concat(src.learned, learned)
	out, err := compile(&src)
	if err != nil {
		return nil, err
	}
	out.ID = s.ID
	return out, nil
}

// flavour is where a schema's leaves come from, and so how types that it does
// not name are written.
type flavour uint8

const (
	schemaless flavour = iota
	jsonSchema
	connect
)

// source is everything a schema is compiled from. It is immutable and kept, so
// that Extend and Derive can compile anew.
type source struct {
	flavour flavour
	text    string
	refs    []Ref
	paths   []Path
	learned [][]string
}

// build makes the tree of places, and the schema's text as a tree of its own
// that belongs to the caller; it is nil for schemaless JSON.
func (s *source) build() (root *place, text *tree, err error) {
	switch s.flavour {
	case jsonSchema:
		root, text, err = buildJSONSchema(s.text, s.refs)
	case connect:
		root, text, err = buildConnect(s.text)
	default:
		root, err = buildPaths(s.paths)
	}
	if err != nil {
		return nil, nil, err
	}
	for _, steps := range s.learned {
		if err := root.insert(steps, schemas.KindAny, true); err != nil {
			return nil, nil, err
		}
	}
	return root, text, nil
}

func buildPaths(paths []Path) (*place, error) {
	root := &place{null: true}
	if len(paths) == 0 {
		root.types = []*typ{{kind: schemas.KindRecord, accepts: mask(clsObject)}}
		root.null = false
	}
	for _, p := range paths {
		if err := root.insert(p.Steps, p.Kind, false); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// compile makes the schema of a source.
func compile(src *source) (*schemas.Schema, error) {
	if !utf8.ValidString(src.text) {
		return nil, schemas.Fail(schemas.CodeSchema, "")
	}
	root, text, err := src.build()
	if err != nil {
		return nil, err
	}
	c := &compiler{open: map[*typ]*content{}}
	node, err := c.place(root, spot{parent: -1, cut: -1, declared: true})
	if err != nil {
		return nil, err
	}
	cod := &codec{root: node, leaves: c.leaves, wires: c.wires, source: src}
	if src.flavour == connect {
		cod.block = []byte(src.text)
	}
	return &schemas.Schema{Format: schemas.FormatJSON, Name: schemaName(src.flavour, text),
		Text: src.text, Leaves: c.leaves, Codec: cod}, nil
}

func schemaName(f flavour, text *tree) string {
	switch f {
	case connect:
		return text.text("name")
	case jsonSchema:
		return text.text("title")
	}
	return ""
}

// codec implements schemas.Codec. It is immutable.
type codec struct {
	root   *node
	leaves []schemas.Leaf
	wires  []wire // by leaf
	block  []byte // Connect's schema block, nil for other flavours
	source *source
}
