package config

import (
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// decodeNode reads the catalog; a field stands in it once, whatever the file.
func (c *Catalog) decodeNode(d *decoder, n ast.Node, path string) {
	if n.Type() == ast.NullType {
		return
	}
	for _, kv := range d.entries(n, path) {
		at := path + "[" + kv.key + "]"
		if first, twice := d.pos[at]; twice {
			d.fail(kv.pos, "%s already has a class at %s:%d", kv.key, first.File, first.Line)
			continue
		}
		d.pos[at] = kv.pos
		if class, ok := d.text(kv.value, at); ok {
			d.pos[at+".class"] = d.at(kv.value)
			*c = append(*c, CatalogEntry{kv.key, class})
		}
	}
}

// decodeNode reads a treat map: `class: drop`, `class: {mask: {keep_first: 1}}`
// or `class: {constant: "x"}`.
func (t *Treat) decodeNode(d *decoder, n ast.Node, path string) {
	for _, kv := range d.entries(n, path) {
		at := path + "[" + kv.key + "]"
		if first, twice := d.pos[at]; twice {
			d.fail(kv.pos, "%q is already treated at line %d", kv.key, first.Line)
			continue
		}
		d.pos[at] = kv.pos
		r := TreatRule{Match: kv.key}
		if d.treatment(&r, kv.value, at) {
			*t = append(*t, r)
		}
	}
}

func (d *decoder) treatment(r *TreatRule, n ast.Node, path string) bool {
	d.pos[path+".treatment"] = d.at(n)
	if !isMapping(n) {
		// A bare null is the treatment of that name.
		if n.Type() == ast.NullType && n.GetToken().Value != "" {
			r.Treatment = "null"
			return true
		}
		name, ok := d.text(n, path)
		r.Treatment = name
		return ok
	}
	kvs := d.entries(n, path)
	if len(kvs) != 1 {
		d.fail(d.at(n), "one treatment a rule: {mask: {keep_first: 1}}")
		return false
	}
	r.Treatment = kvs[0].key
	d.pos[path+".treatment"] = kvs[0].pos
	args := kvs[0].value
	if !isMapping(args) {
		v, ok := d.any(args, path)
		if ok && v != nil {
			r.Args = map[string]any{"": v}
		}
		return ok
	}
	v, ok := d.any(args, path)
	if ok && len(v.(map[string]any)) > 0 {
		r.Args = v.(map[string]any)
	}
	return ok
}

func isMapping(n ast.Node) bool {
	return n.Type() == ast.MappingType || n.Type() == ast.MappingValueType
}

// any is a node as plain Go values: string, bool, int64, float64, nil,
// []any and map[string]any.
func (d *decoder) any(n ast.Node, path string) (any, bool) {
	switch n := n.(type) {
	case *ast.NullNode:
		return nil, true
	case *ast.BoolNode:
		return n.Value, true
	case *ast.IntegerNode:
		i, err := strconv.ParseInt(n.GetToken().Value, 0, 64)
		if err != nil {
			d.fail(d.at(n), "the number is too large")
		}
		return i, err == nil
	case *ast.FloatNode:
		return n.Value, true
	case *ast.SequenceNode:
		out := make([]any, 0, len(n.Values))
		for i, item := range n.Values {
			v, ok := d.any(item, path+"["+strconv.Itoa(i)+"]")
			if !ok {
				return nil, false
			}
			out = append(out, v)
		}
		return out, true
	case *ast.MappingNode, *ast.MappingValueNode:
		out := map[string]any{}
		for _, kv := range d.entries(n, path) {
			if _, twice := out[kv.key]; twice {
				d.fail(kv.pos, "%s is given twice", kv.key)
				return nil, false
			}
			v, ok := d.any(kv.value, path+"."+kv.key)
			if !ok {
				return nil, false
			}
			out[kv.key] = v
			d.pos[path+"."+kv.key] = kv.pos
		}
		return out, true
	}
	s, ok := d.text(n, path)
	return s, ok
}
