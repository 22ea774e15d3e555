package config

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/goccy/go-yaml/ast"

	"weir/transforms"
)

// ReadYAML decodes another YAML file of ours (test cases) as strictly as the
// policy: by yaml and jsonschema tags, every problem at once. place answers
// where a path of it stands.
func ReadYAML(file string, data []byte, v any) (place func(path string, text string) *Problem, err error) {
	d := newDecoder()
	d.read(file, data, v)
	place = func(path, text string) *Problem {
		pos, ok := d.pos[path]
		if !ok {
			pos = transforms.Pos{File: file}
		}
		return d.src.problem(pos, "%s", text)
	}
	if len(d.problems) > 0 {
		d.problems.sort()
		return place, d.problems
	}
	return place, nil
}

// JSON is any YAML value as JSON text: keys in the file's order, numbers as
// they are written. nil when the key is not given.
type JSON []byte

func (j *JSON) decodeNode(d *decoder, n ast.Node, path string) {
	var b bytes.Buffer
	if d.appendJSON(&b, n, path) {
		*j = b.Bytes()
	}
}

func (d *decoder) appendJSON(b *bytes.Buffer, n ast.Node, path string) bool {
	switch n := n.(type) {
	case *ast.NullNode:
		b.WriteString("null")
	case *ast.BoolNode:
		b.WriteString(strconv.FormatBool(n.Value))
	case *ast.IntegerNode, *ast.FloatNode:
		text := n.GetToken().Value
		if !json.Valid([]byte(text)) {
			d.fail(d.at(n), "a number is written as JSON writes it: no +, _, 0x or leading zero; or quote it")
			return false
		}
		b.WriteString(text)
	case *ast.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.Values {
			if i > 0 {
				b.WriteByte(',')
			}
			if !d.appendJSON(b, item, path) {
				return false
			}
		}
		b.WriteByte(']')
	case *ast.MappingNode, *ast.MappingValueNode:
		return d.appendObject(b, n, path)
	default:
		s, ok := d.text(n, path)
		if !ok {
			return false
		}
		b.Write(quote(s))
	}
	return true
}

func (d *decoder) appendObject(b *bytes.Buffer, n ast.Node, path string) bool {
	b.WriteByte('{')
	for i, kv := range d.entries(n, path) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(kv.key))
		b.WriteByte(':')
		if !d.appendJSON(b, kv.value, path+"."+kv.key) {
			return false
		}
	}
	b.WriteByte('}')
	return true
}

// quote is a JSON string without HTML escapes.
func quote(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return bytes.TrimRight(b.Bytes(), "\n")
}
