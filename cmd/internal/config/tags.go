package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// constraint is what a field's jsonschema tag asks for: the published schema
// and the decoder read the same tag, so they cannot disagree.
type constraint struct {
	required       bool
	enum           []string
	min, max       int64
	hasMin, hasMax bool
}

func (c constraint) rangeText() string {
	if c.hasMax {
		return fmt.Sprintf("%d to %d", c.min, c.max)
	}
	return fmt.Sprintf("at least %d", c.min)
}

type field struct {
	index int
	kind  reflect.Kind
	constraint
}

func fieldsOf(t reflect.Type) map[string]field {
	out := make(map[string]field, t.NumField())
	for i := range t.NumField() {
		name, c := tagsOf(t.Field(i))
		out[name] = field{i, t.Field(i).Type.Kind(), c}
	}
	return out
}

func tagsOf(f reflect.StructField) (string, constraint) {
	var c constraint
	for _, part := range strings.Split(f.Tag.Get("jsonschema"), ",") {
		k, v, _ := strings.Cut(part, "=")
		switch k {
		case "required":
			c.required = true
		case "enum":
			c.enum = append(c.enum, v)
		case "minimum":
			c.min, _ = strconv.ParseInt(v, 10, 64)
			c.hasMin = true
		case "maximum":
			c.max, _ = strconv.ParseInt(v, 10, 64)
			c.hasMax = true
		}
	}
	return f.Tag.Get("yaml"), c
}

// refusals explain keys that people bring from other tools and that Weir
// refuses on purpose; `later` are those of Weir that are not built yet.
var (
	unsafeDelivery = "delivery is exactly once and cannot be weakened: acks, idempotence, isolation and transactions are fixed"
	refusals       = map[string]string{
		"acks": unsafeDelivery, "isolation": unsafeDelivery, "isolation_level": unsafeDelivery,
		"idempotence": unsafeDelivery, "enable_idempotence": unsafeDelivery, "transactional": unsafeDelivery,
		"transactions": unsafeDelivery, "delivery": unsafeDelivery, "guarantee": unsafeDelivery, "processing_guarantee": unsafeDelivery,
		"at_least_once": unsafeDelivery, "exactly_once": unsafeDelivery, "auto_commit": unsafeDelivery,
		"enable_auto_commit": unsafeDelivery, "commit_interval": unsafeDelivery, "retries": unsafeDelivery,
		"transactional_id":     "transactional ids follow from name and slot, so that fencing works",
		"group":                "the consumer group follows from name, so that two pipelines cannot share one",
		"group_id":             "the consumer group follows from name, so that two pipelines cannot share one",
		"auto_offset_reset":    "write start: earliest, latest or a time; it holds for a new group only",
		"insecure":             "certificates are always verified; give ca: for a private authority",
		"insecure_skip_verify": "certificates are always verified; give ca: for a private authority",
		"skip_verify":          "certificates are always verified; give ca: for a private authority",
		"secret":               "no key stands in the policy; write keys: {file: PATH}",
	}
	later = map[string]bool{
		"keys.store": true, "keys.kek": true, "keys.rotate": true, "subjects": true, "mark": true,
		"recipients.mark": true, "grants": true, "sinks": true, "retention": true,
	}
)

// unknown refuses a key, with a reason or a likely spelling where there is one.
func (d *decoder) unknown(kv entry, path string, fields map[string]field) {
	where := "here"
	if path != "" {
		where = "in " + path
	}
	text := fmt.Sprintf("unknown key %q %s", kv.key, where)
	plain := indexes.ReplaceAllString(join(path, kv.key), "")
	if later[plain] {
		text = fmt.Sprintf("%s is not built yet", plain)
	} else if why, ok := refusals[strings.ReplaceAll(strings.ToLower(kv.key), "-", "_")]; ok {
		text += ": " + why
	} else if near := nearest(kv.key, fields); near != "" {
		text += fmt.Sprintf("; do you mean %s?", near)
	}
	p := d.src.problem(kv.pos, "%s", text)
	p.Excerpt = d.src.excerpt(kv.pos, true)
	d.problems = append(d.problems, p)
	d.unknowns++
}

// nearest is the known name closest to s, "" when none is close.
func nearest[V any](s string, known map[string]V) string {
	best, at := "", 2+len(s)/4
	for name := range known {
		if n := distance(strings.ToLower(s), name); n < at || n == at && best != "" && name < best {
			best, at = name, n
		}
	}
	return best
}

// distance is the Levenshtein distance of a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diag, row[j] = row[j], min(row[j]+1, row[j-1]+1, diag+cost)
		}
	}
	return row[len(b)]
}
