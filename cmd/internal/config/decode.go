package config

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"weir/transforms"
)

// decoder reads YAML into structs by their yaml and jsonschema tags. Unlike
// yaml.Unmarshal it goes on after an error, so that a person sees all of them,
// and remembers where each value stood.
type decoder struct {
	src      sources
	file     string                    // being read
	pos      map[string]transforms.Pos // by path: recipients[0].topic
	problems Problems
	unknowns int // problems that are only unknown keys: the rest can be looked at
}

func newDecoder() *decoder {
	return &decoder{src: sources{}, pos: map[string]transforms.Pos{}}
}

// nodeDecoder is a type that reads its own node.
type nodeDecoder interface {
	decodeNode(d *decoder, n ast.Node, path string)
}

// maxFile bounds a policy file; maxNesting its depth.
const (
	maxFile    = 4 << 20
	maxNesting = 32
)

// read decodes one file into v, a pointer to a struct. Several files may be
// read into one struct: its lists grow, its other fields come once.
func (d *decoder) read(file string, data []byte, v any) {
	d.file = file
	defer d.unreadable()
	d.src[file] = strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n")
	if len(data) > maxFile {
		d.fail(transforms.Pos{File: file}, "the file is larger than %d bytes", maxFile)
		return
	}
	if at := tooDeep(data); at > 0 {
		d.fail(transforms.Pos{File: file, Line: at, Col: 1}, "nested too deeply")
		return
	}
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		d.syntax(err)
		return
	}
	var body ast.Node
	for _, doc := range parsed.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			d.fail(d.at(doc.Body), "one document a file: remove the ---")
			return
		}
		body = doc.Body
	}
	if body == nil {
		d.fail(transforms.Pos{File: file}, "the file is empty")
		return
	}
	d.structure(body, reflect.ValueOf(v).Elem(), "")
}

// unreadable turns the YAML library's panics into a problem: go-yaml 1.19.2 has
// them for broken tags and anchors, in its parser and in its nodes' methods. What
// it panicked with may quote the file and is not shown.
func (d *decoder) unreadable() {
	if recover() != nil {
		d.fail(transforms.Pos{File: d.file}, "this is not YAML that can be read: look for a broken tag (!) or anchor (&)")
	}
}

// tooDeep finds the first line nested beyond what any policy needs, before the
// parser recurses into it; 0 when there is none.
func tooDeep(data []byte) int {
	line, flow, col, lead := 1, 0, 0, true
	for _, c := range data {
		switch {
		case c == '\n':
			line, col, lead = line+1, 0, true
			continue
		case c == '[' || c == '{':
			flow++
		case (c == ']' || c == '}') && flow > 0:
			flow--
		}
		col++
		lead = lead && (c == ' ' || c == '-' || c == '?')
		if flow > maxNesting || lead && col > 8*maxNesting {
			return line
		}
	}
	return 0
}

func (d *decoder) syntax(err error) {
	var ye yaml.Error
	if !errors.As(err, &ye) || ye.GetToken() == nil {
		d.fail(transforms.Pos{File: d.file}, "this is not YAML")
		return
	}
	d.fail(d.atToken(ye.GetToken()), "%s", ye.GetMessage())
}

func (d *decoder) fail(pos transforms.Pos, format string, args ...any) {
	d.problems = append(d.problems, d.src.problem(pos, format, args...))
}

func (d *decoder) at(n ast.Node) transforms.Pos { return d.atToken(firstToken(n)) }

func (d *decoder) atToken(t *token.Token) transforms.Pos {
	if t == nil || t.Position == nil {
		return transforms.Pos{File: d.file}
	}
	return transforms.Pos{File: d.file, Line: t.Position.Line, Col: t.Position.Column}
}

// firstToken is where a node begins: a block mapping's own token is a colon.
func firstToken(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
}

// value decodes n into v.
func (d *decoder) value(n ast.Node, v reflect.Value, path string, tag constraint) {
	d.pos[path] = d.at(n)
	if v.CanAddr() {
		if own, ok := v.Addr().Interface().(nodeDecoder); ok {
			own.decodeNode(d, n, path)
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if n.Type() == ast.NullType {
			d.fail(d.at(n), "%s is empty; write {} or leave it out", path)
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path, tag)
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Map:
		for _, kv := range d.entries(n, path) {
			if s, ok := d.text(kv.value, path); ok {
				if v.IsNil() {
					v.Set(reflect.MakeMap(v.Type()))
				}
				v.SetMapIndex(reflect.ValueOf(kv.key), reflect.ValueOf(s))
				d.pos[path+"."+kv.key] = kv.pos
			}
		}
	default:
		d.scalar(n, v, path, tag)
	}
}

func (d *decoder) list(n ast.Node, v reflect.Value, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(d.at(n), "%s is a list: begin each entry with - or write [a, b]", path)
		return
	}
	for _, item := range seq.Values {
		i := v.Len()
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		d.value(item, v.Index(i), path+"["+strconv.Itoa(i)+"]", constraint{})
	}
}

// structure decodes a mapping into a struct's tagged fields.
func (d *decoder) structure(n ast.Node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	failed := len(d.problems)
	for _, kv := range d.entries(n, path) {
		f, ok := fields[kv.key]
		if !ok {
			d.unknown(kv, path, fields)
			continue
		}
		at := join(path, kv.key)
		if first, twice := d.pos[at]; twice && f.kind != reflect.Slice {
			d.fail(kv.pos, "%s is already given at %s:%d", at, first.File, first.Line)
			continue
		}
		d.value(kv.value, v.Field(f.index), at, f.constraint)
		d.pos[at+"#key"] = kv.pos
	}
	if path == "" || len(d.problems) > failed { // the top is checked once all files are read
		return
	}
	d.required(v.Type(), path, d.at(n))
}

// required refuses a struct that lacks a required field.
func (d *decoder) required(t reflect.Type, path string, at transforms.Pos) {
	for i := range t.NumField() {
		name, c := tagsOf(t.Field(i))
		if _, given := d.pos[join(path, name)]; c.required && !given {
			d.fail(at, "%s is missing", join(path, name))
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// entry is one line of a mapping.
type entry struct {
	key   string
	pos   transforms.Pos // of the key
	value ast.Node
}

// entries lists a mapping's lines. Anchors, aliases, merge keys and tags are
// refused: a policy is read by people, and says things once where they hold.
func (d *decoder) entries(n ast.Node, path string) []entry {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		d.notMapping(n, path)
		return nil
	}
	var out []entry
	for _, mv := range values {
		key, ok := mv.Key.(ast.ScalarNode)
		if !ok || mv.Key.Type() == ast.MergeKeyType {
			d.fail(d.at(mv), "merge keys, anchors and complex keys are not used in policies")
			continue
		}
		out = append(out, entry{keyText(key), d.atToken(mv.Key.GetToken()), mv.Value})
	}
	return out
}

func (d *decoder) notMapping(n ast.Node, path string) {
	switch n.Type() {
	case ast.AliasType, ast.AnchorType, ast.TagType:
		d.fail(d.at(n), "anchors, aliases and tags are not used in policies")
	default:
		if path == "" {
			path = "the file"
		}
		d.fail(d.at(n), "%s is a map: write key: value", path)
	}
}

// keyText is a key as written, without quotes.
func keyText(n ast.ScalarNode) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	return n.GetToken().Value
}

// text is a scalar as text, however YAML would type it: 2027-03-31 and 12 too.
func (d *decoder) text(n ast.Node, path string) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	case *ast.NullNode:
		d.failValue(n, path, "%s is empty", path)
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode:
		d.failValue(n, path, "anchors, aliases and tags are not used in policies")
	default:
		d.failValue(n, path, "%s is a single value, not a list or map", path)
	}
	return "", false
}

// failValue is fail at a value; what stands in a secret's place is not shown.
func (d *decoder) failValue(n ast.Node, path, format string, args ...any) {
	d.fail(d.at(n), format, args...)
	if isSecret(path) {
		d.problems[len(d.problems)-1].Excerpt = ""
	}
}

// scalar decodes n into a string, bool or number, and checks its tags.
func (d *decoder) scalar(n ast.Node, v reflect.Value, path string, tag constraint) {
	s, ok := d.text(n, path)
	if !ok {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		b, isBool := n.(*ast.BoolNode)
		if !isBool {
			d.fail(d.at(n), "%s is true or false", path)
			return
		}
		v.SetBool(b.Value)
	case reflect.Int:
		i, err := strconv.ParseInt(s, 10, 63)
		if _, isInt := n.(*ast.IntegerNode); !isInt || err != nil {
			d.fail(d.at(n), "%s is a whole number", path)
			return
		}
		v.SetInt(i)
		d.bounds(n, i, path, tag)
	case reflect.Uint64:
		u, err := strconv.ParseUint(s, 10, 63)
		if _, isInt := n.(*ast.IntegerNode); !isInt || err != nil {
			d.fail(d.at(n), "%s is a whole number from %d", path, tag.min)
			return
		}
		v.SetUint(u)
		d.bounds(n, int64(u), path, tag)
	}
	if len(tag.enum) > 0 && !slices.Contains(tag.enum, s) {
		d.fail(d.at(n), "%s is one of: %s", path, strings.Join(tag.enum, ", "))
	}
}

func (d *decoder) bounds(n ast.Node, i int64, path string, tag constraint) {
	if tag.hasMin && i < tag.min || tag.hasMax && i > tag.max {
		d.fail(d.at(n), "%s is out of range (%s)", path, tag.rangeText())
	}
}
