package avro

import (
	"strconv"
	"strings"
	"unicode"

	"weir/schemas"
)

// typ is an Avro type.
type typ uint8

const (
	tNull typ = iota
	tBool
	tInt
	tLong
	tFloat
	tDouble
	tBytes
	tString
	tFixed
	tEnum
	tRecord
	tArray
	tMap
	tUnion
)

var typNames = [...]string{"null", "boolean", "int", "long", "float", "double", "bytes", "string",
	"fixed", "enum", "record", "array", "map", "union"}

func (t typ) named() bool { return t == tFixed || t == tEnum || t == tRecord }

func primitive(name string) (typ, bool) {
	for t := tNull; t <= tString; t++ {
		if typNames[t] == name {
			return t, true
		}
	}
	return 0, false
}

// def is a type as the schema defines it; references share it. It is immutable
// once parsed.
type def struct {
	typ      typ
	name     string // full name of records, enums and fixed
	src      *jv    // the definition: a string, or an object
	fields   []*field
	items    *def   // of arrays and maps
	branches []*def // of unions
	wire     wire
	tags     []string
	doc      string
	min      int // fewest bytes a value takes
	minState uint8
}

type field struct {
	name string
	def  *def
	src  *jv
	tags []string
	doc  string
}

// parser holds the names known so far.
type parser struct {
	names map[string]*def
}

// Parse compiles an Avro schema. refs are the texts of the schemas it refers to
// by name, dependencies first. Errors are *schemas.Error with CodeSchema.
// Schema.ID is left to the caller.
func Parse(text string, refs ...string) (*schemas.Schema, error) {
	p := &parser{names: map[string]*def{}}
	for _, r := range refs {
		if _, err := p.text(r); err != nil {
			return nil, err
		}
	}
	d, err := p.text(text)
	if err != nil {
		return nil, err
	}
	c, leaves, err := expand(d)
	if err != nil {
		return nil, err
	}
	c.text, c.selfContained = text, len(refs) == 0
	return &schemas.Schema{Format: schemas.FormatAvro, Name: d.name, Text: text, Leaves: leaves, Codec: c}, nil
}

func (p *parser) text(s string) (*def, error) {
	j, err := parseJSON(s)
	if err != nil {
		return nil, err
	}
	return p.typ(j, "", 0)
}

// typ parses a type; ns is the enclosing namespace.
func (p *parser) typ(j *jv, ns string, depth int) (*def, error) {
	if depth > maxJSONDepth {
		return nil, bad("")
	}
	switch j.kind {
	case '"':
		return p.byName(j, j.text, ns)
	case '[':
		return p.union(j, ns, depth)
	case '{':
		return p.object(j, ns, depth)
	}
	return nil, bad("")
}

func (p *parser) byName(j *jv, name, ns string) (*def, error) {
	if t, ok := primitive(name); ok {
		return p.finish(&def{typ: t, src: j}, j)
	}
	if d := p.lookup(name, ns); d != nil {
		return d, nil
	}
	return nil, bad("")
}

// lookup resolves a reference: in the enclosing namespace first, then, as Java
// does, in the null namespace.
func (p *parser) lookup(name, ns string) *def {
	if strings.Contains(name, ".") {
		return p.names[strings.TrimPrefix(name, ".")]
	}
	if d := p.names[join(ns, name)]; d != nil {
		return d
	}
	return p.names[name]
}

func join(ns, name string) string {
	if ns == "" {
		return name
	}
	return ns + "." + name
}

func namespaceOf(full string) string {
	if i := strings.LastIndexByte(full, '.'); i >= 0 {
		return full[:i]
	}
	return ""
}

func (p *parser) object(j *jv, ns string, depth int) (*def, error) {
	t := j.get("type")
	if t == nil {
		return nil, bad("")
	}
	if t.kind != '"' { // {"type": {"type": …}}: the inner one counts
		return p.typ(t, ns, depth+1)
	}
	switch t.text {
	case "record", "error":
		return p.record(j, ns, depth)
	case "enum":
		return p.enum(j, ns)
	case "fixed":
		return p.fixed(j, ns)
	case "array":
		return p.container(tArray, j, j.get("items"), ns, depth)
	case "map":
		return p.container(tMap, j, j.get("values"), ns, depth)
	}
	return p.byName(j, t.text, ns)
}

func (p *parser) container(t typ, j, items *jv, ns string, depth int) (*def, error) {
	if items == nil {
		return nil, bad("")
	}
	in, err := p.typ(items, ns, depth+1)
	if err != nil {
		return nil, err
	}
	return p.finish(&def{typ: t, src: j, items: in}, j)
}

func (p *parser) union(j *jv, ns string, depth int) (*def, error) {
	d := &def{typ: tUnion, src: j}
	seen := map[string]bool{}
	for _, e := range j.elems {
		b, err := p.typ(e, ns, depth+1)
		if err != nil {
			return nil, err
		}
		key := unionKey(b)
		if b.typ == tUnion || seen[key] {
			return nil, bad("")
		}
		seen[key] = true
		d.branches = append(d.branches, b)
	}
	if len(d.branches) == 0 {
		return nil, bad("")
	}
	return d, nil
}

// unionKey is what may stand only once in a union.
func unionKey(d *def) string {
	if d.typ.named() {
		return d.name
	}
	return typNames[d.typ]
}

// define makes a named type and enters it before its contents are parsed, so
// that they can refer to it.
func (p *parser) define(t typ, j *jv, ns string) (*def, error) {
	name := j.str("name")
	if name == "" {
		return nil, bad("")
	}
	full := name
	if n := j.get("namespace"); n != nil && n.kind != '"' && n.text != "null" {
		return nil, bad("")
	}
	if !strings.Contains(name, ".") {
		if n := j.get("namespace"); n != nil {
			ns = n.text
			if n.kind != '"' {
				ns = ""
			}
		}
		full = join(ns, name)
	}
	full = strings.TrimPrefix(full, ".")
	if !validFull(full) || p.names[full] != nil {
		return nil, bad("")
	}
	if _, ok := primitive(full); ok {
		return nil, bad("")
	}
	d := &def{typ: t, name: full, src: j}
	p.names[full] = d
	return d, nil
}

// validFull checks every part of a full name. Like Java's, names may use any
// letters, not only ASCII ones.
func validFull(full string) bool {
	for part := range strings.SplitSeq(full, ".") {
		if !validName(part) {
			return false
		}
	}
	return true
}

func validName(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

func (p *parser) record(j *jv, ns string, depth int) (*def, error) {
	d, err := p.define(tRecord, j, ns)
	if err != nil {
		return nil, err
	}
	list := j.get("fields")
	if list == nil || list.kind != '[' {
		return nil, bad("")
	}
	seen := map[string]bool{}
	for _, f := range list.elems {
		fd, err := p.field(f, namespaceOf(d.name), depth)
		if err != nil {
			return nil, err
		}
		if seen[fd.name] {
			return nil, bad("")
		}
		seen[fd.name] = true
		d.fields = append(d.fields, fd)
	}
	return p.finish(d, j)
}

func (p *parser) field(f *jv, ns string, depth int) (*field, error) {
	name, t := f.str("name"), f.get("type")
	if !validName(name) || t == nil {
		return nil, bad("")
	}
	d, err := p.typ(t, ns, depth+1)
	if err != nil {
		return nil, err
	}
	tags, _ := f.get("confluent:tags").strings()
	return &field{name: name, def: d, src: f, tags: tags, doc: f.str("doc")}, nil
}

func (p *parser) enum(j *jv, ns string) (*def, error) {
	d, err := p.define(tEnum, j, ns)
	if err != nil {
		return nil, err
	}
	symbols, ok := j.get("symbols").strings()
	seen := map[string]bool{}
	for _, s := range symbols {
		if !validName(s) || seen[s] {
			return nil, bad("")
		}
		seen[s] = true
	}
	if !ok || len(symbols) == 0 {
		return nil, bad("")
	}
	d.wire.symbols = symbols
	return p.finish(d, j)
}

func (p *parser) fixed(j *jv, ns string) (*def, error) {
	d, err := p.define(tFixed, j, ns)
	if err != nil {
		return nil, err
	}
	n, ok := intOf(j.get("size"))
	if !ok || n < 0 || n > schemas.MaxPayload {
		return nil, bad("")
	}
	d.wire.size = n
	return p.finish(d, j)
}

// finish fills what the definition's properties say.
func (p *parser) finish(d *def, j *jv) (*def, error) {
	d.tags, _ = j.get("confluent:tags").strings()
	if d.doc = j.str("connect.doc"); d.doc == "" && d.typ.named() {
		d.doc = j.str("doc")
	}
	d.wire = wireOf(d, j)
	return d, nil
}

// intOf reads a whole number, written as a number or (Connect) as a string.
func intOf(j *jv) (int, bool) {
	if j == nil || j.kind != '#' && j.kind != '"' {
		return 0, false
	}
	n, err := strconv.ParseInt(j.text, 10, 32)
	return int(n), err == nil
}

// minWidth is the fewest bytes a value of d takes. In a type that holds itself
// the inner occurrence counts as nothing, which keeps it a lower bound.
func minWidth(d *def) int {
	switch d.minState {
	case 1:
		return 0
	case 2:
		return d.min
	}
	d.minState = 1
	n := 1
	switch d.typ {
	case tNull:
		n = 0
	case tFloat:
		n = 4
	case tDouble:
		n = 8
	case tFixed:
		n = d.wire.size
	case tRecord:
		n = 0
		for _, f := range d.fields {
			n = min(n+minWidth(f.def), schemas.MaxPayload)
		}
	case tUnion:
		n = 1 + minBranch(d)
	}
	d.min, d.minState = n, 2
	return n
}

func minBranch(d *def) int {
	n := schemas.MaxPayload
	for _, b := range d.branches {
		n = min(n, minWidth(b))
	}
	return n
}
