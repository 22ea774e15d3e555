package registry

import (
	"encoding/json"
	"reflect"
	"slices"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"

	"weir/schemas"
)

func transitive(l sr.CompatibilityLevel) bool {
	return l == sr.CompatBackwardTransitive || l == sr.CompatForwardTransitive || l == sr.CompatFullTransitive
}

// backward: readers of the new schema read old records.
func backward(l sr.CompatibilityLevel) bool {
	return l == sr.CompatBackward || l == sr.CompatBackwardTransitive || forward(l) && l != sr.CompatForward && l != sr.CompatForwardTransitive
}

// forward: readers of the old schema read new records.
func forward(l sr.CompatibilityLevel) bool {
	return l == sr.CompatForward || l == sr.CompatForwardTransitive || l == sr.CompatFull || l == sr.CompatFullTransitive
}

// checkPair holds a new schema against one old version at a level.
func checkPair(before, after *text, l sr.CompatibilityLevel) error {
	if before.schema.Type != after.schema.Type {
		return schemas.Fail(schemas.CodeIncompatible, "")
	}
	reads := jsonReads
	if after.schema.Type == sr.TypeAvro {
		reads = avroReads
	}
	if backward(l) {
		if err := reads(before, after); err != nil {
			return err
		}
	}
	if forward(l) {
		return reads(after, before)
	}
	return nil
}

// avroReads reports whether reader's schema reads what writer's wrote, by
// Avro's schema resolution.
func avroReads(writer, reader *text) error {
	w, err := parseAvro(writer)
	if err != nil {
		return err
	}
	r, err := parseAvro(reader)
	if err != nil {
		return err
	}
	if avro.CheckCompatibility(w, r) != nil {
		return schemas.Fail(schemas.CodeIncompatible, "")
	}
	return nil
}

func parseAvro(t *text) (*avro.Schema, error) {
	var c avro.SchemaCache
	for _, ref := range t.order {
		if _, err := c.Parse(ref, avro.WithLaxNames(nil)); err != nil {
			return nil, schemas.Fail(schemas.CodeSchema, "")
		}
	}
	s, err := c.Parse(t.schema.Schema, avro.WithLaxNames(nil))
	if err != nil {
		return nil, schemas.Fail(schemas.CodeSchema, "")
	}
	return s, nil
}

// maxSchemaDepth bounds the walk of a JSON Schema.
const maxSchemaDepth = 64

// jsonReads is our own part of JSON Schema's compatibility, which is not
// decidable in full: a property that both schemas declare may be of no type
// for the writer that the reader does not have. The rest is the registry's.
func jsonReads(writer, reader *text) error {
	var w, r any
	if json.Unmarshal([]byte(writer.schema.Schema), &w) != nil || json.Unmarshal([]byte(reader.schema.Schema), &r) != nil {
		return schemas.Fail(schemas.CodeSchema, "")
	}
	if !typesFit(w, r, 0) {
		return schemas.Fail(schemas.CodeIncompatible, "")
	}
	return nil
}

func typesFit(w, r any, depth int) bool {
	wm, ok1 := w.(map[string]any)
	rm, ok2 := r.(map[string]any)
	if !ok1 || !ok2 || depth > maxSchemaDepth {
		return depth <= maxSchemaDepth
	}
	wt, rt := jsonTypes(wm), jsonTypes(rm)
	if len(rt) > 0 {
		for _, t := range wt {
			if !slices.Contains(rt, t) && !(t == "integer" && slices.Contains(rt, "number")) {
				return false
			}
		}
	}
	wp, _ := wm["properties"].(map[string]any)
	rp, _ := rm["properties"].(map[string]any)
	for name, sub := range wp {
		if !typesFit(sub, rp[name], depth+1) {
			return false
		}
	}
	return typesFit(wm["items"], rm["items"], depth+1)
}

// jsonTypes are the types that a schema allows by `type` or by a `oneOf` or
// `anyOf` of plain types (Connect's way to say nullable); none: any.
func jsonTypes(m map[string]any) []string {
	switch t := m["type"].(type) {
	case string:
		return []string{t}
	case []any:
		var out []string
		for _, v := range t {
			if s, ok := v.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	var out []string
	for _, word := range []string{"oneOf", "anyOf"} {
		list, _ := m[word].([]any)
		for _, v := range list {
			sub, _ := v.(map[string]any)
			t, ok := sub["type"].(string)
			if !ok {
				return nil
			}
			out = append(out, t)
		}
	}
	return out
}

// sameSchema compares two texts by what they say: registries put JSON into
// another order, and Avro into its normal form.
func sameSchema(a, b string, t sr.SchemaType) bool {
	if a == b {
		return true
	}
	var x, y any
	if json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y) {
		return true
	}
	if t != sr.TypeAvro {
		return false
	}
	p, err1 := avro.Parse(a, avro.WithLaxNames(nil))
	q, err2 := avro.Parse(b, avro.WithLaxNames(nil))
	return err1 == nil && err2 == nil && string(p.Canonical()) == string(q.Canonical())
}
