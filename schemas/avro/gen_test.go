package avro

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"pgregory.net/rapid"

	"weir/schemas"
)

// The generator makes a schema, a value and the value's bytes without using the
// codec, and can say what the value must look like after a set of changes.

// gtype is a generated type.
type gtype struct {
	typ      string // Avro name, or "ref" for a reference by name
	name     string // as written
	full     string
	logical  string
	scale    int
	fields   []gfield
	item     *gtype
	branches []*gtype
	symbols  []string
	size     int
	target   *gtype // of ref
}

type gfield struct {
	name string
	typ  *gtype
	def  any // default, nil for none
}

// gval is a generated value.
type gval struct {
	typ    *gtype // the branch that was taken
	branch int
	num    int64
	f      float64
	str    string
	keys   []string
	items  []*gval // fields, elements or map values
}

type gen struct {
	t      *rapid.T
	names  int
	open   []*gtype // enclosing records
	closed []*gtype // named types that are complete
	ns     string   // enclosing namespace; either none or all names have one
}

func (g *gen) pick(n int, label string) int { return rapid.IntRange(0, n-1).Draw(g.t, label) }

func (g *gen) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

// named gives t a name, sometimes with a namespace of its own.
func (g *gen) named(t *gtype, prefix string) {
	t.name = g.name(prefix)
	if g.ns != "" && rapid.Bool().Draw(g.t, "own namespace") {
		t.name = fmt.Sprintf("n%d.%s", g.pick(3, "namespace"), t.name)
		t.full = t.name
		return
	}
	t.full = join(g.ns, t.name)
}

var scalarTypes = []gtype{
	{typ: "string"}, {typ: "string"}, {typ: "long"}, {typ: "int"}, {typ: "boolean"}, {typ: "bytes"}, {typ: "double"},
	{typ: "float"}, {typ: "string", logical: "uuid"}, {typ: "int", logical: "date"}, {typ: "int", logical: "time-millis"},
	{typ: "long", logical: "time-micros"}, {typ: "long", logical: "timestamp-millis"},
	{typ: "long", logical: "timestamp-micros"}, {typ: "long", logical: "local-timestamp-micros"},
	{typ: "long", logical: "timestamp-nanos"}, {typ: "bytes", logical: "decimal", scale: 2},
	{typ: "fixed", size: 5}, {typ: "fixed", size: 12, logical: "duration"}, {typ: "fixed", size: 16, logical: "uuid"},
	{typ: "fixed", size: 7, logical: "decimal", scale: 3}, {typ: "enum"}, {typ: "null"},
}

func (g *gen) scalar() *gtype {
	t := scalarTypes[g.pick(len(scalarTypes), "scalar")]
	switch t.typ {
	case "fixed":
		g.named(&t, "F")
	case "enum":
		g.named(&t, "E")
		t.symbols = []string{"RED", "GREEN", "BLUE"}
	default:
		return &t
	}
	g.closed = append(g.closed, &t)
	return &t
}

func (g *gen) typ(depth int, inUnion bool) *gtype {
	if depth == 0 {
		return g.scalar()
	}
	switch g.pick(10, "shape") {
	case 0:
		return &gtype{typ: "array", item: g.typ(depth-1, false)}
	case 1:
		return &gtype{typ: "map", item: g.typ(depth-1, false)}
	case 2:
		return g.record(depth - 1)
	case 3, 4, 5:
		if !inUnion {
			return g.union(depth)
		}
	case 6:
		if inUnion && len(g.open) > 0 {
			return &gtype{typ: "ref", target: g.open[g.pick(len(g.open), "ref")]}
		}
	case 7:
		if len(g.closed) > 0 {
			return &gtype{typ: "ref", target: g.closed[g.pick(len(g.closed), "closed")]}
		}
	}
	return g.scalar()
}

func (g *gen) record(depth int) *gtype {
	t := &gtype{typ: "record"}
	outer := g.ns
	if g.names == 0 && rapid.Bool().Draw(g.t, "namespaces") {
		t.name, t.full = "n0.Root", "n0.Root"
	} else {
		g.named(t, "R")
	}
	g.ns = namespaceOf(t.full)
	g.open = append(g.open, t)
	for range rapid.IntRange(1, 5).Draw(g.t, "fields") {
		f := gfield{name: g.name("f"), typ: g.typ(depth, false)}
		if rapid.Bool().Draw(g.t, "default") {
			f.def = f.typ.defaultValue()
		}
		t.fields = append(t.fields, f)
	}
	g.open, g.ns = g.open[:len(g.open)-1], outer
	g.closed = append(g.closed, t)
	return t
}

// defaultValue is a default that fits the type, nil for none.
func (t *gtype) defaultValue() any {
	switch t.typ {
	case "union":
		return t.branches[0].defaultValue()
	case "null":
		return json.RawMessage("null")
	case "string", "bytes":
		if t.logical == "" {
			return "dflt"
		}
	case "int", "long":
		return 5
	case "boolean":
		return true
	case "double":
		return 1.5
	case "enum":
		return "GREEN"
	case "array":
		return []any{}
	case "map":
		return map[string]any{}
	}
	return nil
}

// union always starts or ends with null, so that recursion finds an end.
func (g *gen) union(depth int) *gtype {
	u := &gtype{typ: "union"}
	seen := map[string]bool{"null": true}
	for range rapid.IntRange(1, 4).Draw(g.t, "branches") {
		known := len(g.closed)
		b := g.typ(depth-1, true)
		key := b.typ
		if b.name != "" {
			key = b.full
		}
		if b.target != nil {
			key = b.target.full
		}
		if seen[key] {
			g.closed = g.closed[:known] // what is left out defines nothing
			continue
		}
		seen[key] = true
		u.branches = append(u.branches, b)
	}
	null := &gtype{typ: "null"}
	if rapid.Bool().Draw(g.t, "null first") {
		u.branches = append([]*gtype{null}, u.branches...)
	} else {
		u.branches = append(u.branches, null)
	}
	return u
}

// schema is the JSON of a type.
func (t *gtype) schema() any {
	m := map[string]any{"type": t.typ}
	if t.logical != "" {
		m["logicalType"] = t.logical
	}
	if t.logical == "decimal" {
		m["precision"], m["scale"] = 9, t.scale
	}
	switch t.typ {
	case "union":
		var list []any
		for _, b := range t.branches {
			list = append(list, b.schema())
		}
		return list
	case "ref":
		return t.target.full
	case "record":
		var fields []any
		for _, f := range t.fields {
			fm := map[string]any{"name": f.name, "type": f.typ.schema()}
			if f.def != nil {
				fm["default"] = f.def
			}
			fields = append(fields, fm)
		}
		m["name"], m["fields"] = t.name, fields
	case "array":
		m["items"] = t.item.schema()
	case "map":
		m["values"] = t.item.schema()
	case "enum":
		m["name"], m["symbols"] = t.name, t.symbols
	case "fixed":
		m["name"], m["size"] = t.name, t.size
	}
	return m
}

func (t *gtype) text() string {
	b, err := json.Marshal(t.schema())
	if err != nil {
		panic(err)
	}
	return string(b)
}

// value draws a value.
func (g *gen) value(t *gtype, depth int) *gval {
	v := &gval{typ: t}
	switch t.typ {
	case "union":
		return g.unionValue(t, depth)
	case "ref":
		v = g.value(t.target, depth-1)
	case "record":
		for _, f := range t.fields {
			v.items = append(v.items, g.value(f.typ, depth-1))
		}
	case "array", "map":
		n := rapid.IntRange(0, 3).Draw(g.t, "len")
		if depth <= 0 {
			n = 0
		}
		for i := range n {
			v.keys = append(v.keys, fmt.Sprintf("k%d-%s", i, rapid.StringN(0, 3, 70).Draw(g.t, "key")))
			v.items = append(v.items, g.value(t.item, depth-1))
		}
	default:
		g.scalarValue(v)
	}
	return v
}

func (g *gen) unionValue(t *gtype, depth int) *gval {
	at := g.pick(len(t.branches), "branch")
	if depth <= 0 {
		for i, b := range t.branches {
			if b.typ == "null" {
				at = i
			}
		}
	}
	v := g.value(t.branches[at], depth-1)
	out := *v
	out.branch = at
	return &out
}

func (g *gen) scalarValue(v *gval) {
	switch t := v.typ; {
	case t.typ == "string" && t.logical == "uuid":
		v.str = fmt.Sprintf("01234567-89AB-cdef-0123-%012x", rapid.Uint32().Draw(g.t, "uuid"))
	case t.typ == "string":
		v.str = rapid.StringN(0, 90, 300).Draw(g.t, "string")
	case t.typ == "bytes" && t.logical == "decimal":
		v.str = string(twos(rapid.Int64Range(-99999999, 99999999).Draw(g.t, "decimal"), 4+g.pick(4, "pad")))
	case t.typ == "bytes":
		v.str = string(rapid.SliceOfN(rapid.Byte(), 0, 90).Draw(g.t, "bytes"))
	case t.typ == "fixed" && t.logical == "decimal":
		v.str = string(twos(rapid.Int64Range(-99999999, 99999999).Draw(g.t, "decimal"), t.size))
	case t.typ == "fixed":
		v.str = string(rapid.SliceOfN(rapid.Byte(), t.size, t.size).Draw(g.t, "fixed"))
	case t.typ == "enum":
		v.num = int64(g.pick(3, "symbol"))
	case t.typ == "boolean":
		v.num = int64(g.pick(2, "bool"))
	case t.typ == "int" && t.logical == "date":
		v.num = int64(rapid.Int32Range(-800_000, 900_000).Draw(g.t, "date"))
	case t.logical == "time-millis" || t.logical == "time-micros": // what twmb/avro reads as such
		v.num = int64(rapid.Int32Range(0, 86_399_999).Draw(g.t, "time"))
	case t.typ == "int":
		v.num = int64(rapid.Int32().Draw(g.t, "int"))
	case t.typ == "long":
		v.num = rapid.Int64().Draw(g.t, "long")
	case t.typ == "double":
		v.f = rapid.Float64Range(-1e30, 1e30).Draw(g.t, "double")
	case t.typ == "float":
		v.f = float64(rapid.Float32Range(-1e20, 1e20).Draw(g.t, "float"))
	}
}

// twos is n in size bytes of two's complement.
func twos(n int64, size int) []byte {
	out := make([]byte, size)
	for i := range out {
		out[size-1-i] = byte(n >> min(63, 8*i))
	}
	return out
}

// encode writes a value, arrays and maps in several blocks, some with sizes.
func (g *gen) encode(dst []byte, t *gtype, v *gval) []byte {
	if t.typ == "union" {
		dst = binary.AppendVarint(dst, int64(v.branch))
		return g.encode(dst, t.branches[v.branch], v)
	}
	if t.typ == "ref" {
		t = t.target
	}
	switch t.typ {
	case "record":
		for i, f := range t.fields {
			dst = g.encode(dst, f.typ, v.items[i])
		}
	case "array", "map":
		dst = g.blocks(dst, t, v)
	case "string", "bytes":
		dst = append(binary.AppendVarint(dst, int64(len(v.str))), v.str...)
	case "fixed":
		dst = append(dst, v.str...)
	case "int", "long", "enum":
		dst = binary.AppendVarint(dst, v.num)
	case "boolean":
		dst = append(dst, byte(v.num))
	case "double":
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.f))
	case "float":
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(v.f)))
	}
	return dst
}

func (g *gen) blocks(dst []byte, t *gtype, v *gval) []byte {
	for at := 0; at < len(v.items); {
		n := rapid.IntRange(1, len(v.items)-at).Draw(g.t, "block")
		var body []byte
		for i := at; i < at+n; i++ {
			if t.typ == "map" {
				body = append(binary.AppendVarint(body, int64(len(v.keys[i]))), v.keys[i]...)
			}
			body = g.encode(body, t.item, v.items[i])
		}
		if rapid.Bool().Draw(g.t, "sized") {
			dst = binary.AppendVarint(dst, int64(-n))
			dst = binary.AppendVarint(dst, int64(len(body)))
		} else {
			dst = binary.AppendVarint(dst, int64(n))
		}
		dst, at = append(dst, body...), at+n
	}
	return append(dst, 0)
}

// leafKind is the kind that the codec must find for a type.
func (t *gtype) leafKind() schemas.Kind {
	if t.target != nil {
		t = t.target
	}
	switch {
	case t.logical == "uuid":
		return schemas.KindUUID
	case t.logical == "decimal":
		return schemas.KindDecimal
	case t.logical == "duration":
		return schemas.KindDuration
	case t.logical == "date":
		return schemas.KindDate
	case t.logical == "time-millis" || t.logical == "time-micros":
		return schemas.KindTime
	case t.logical == "local-timestamp-micros":
		return schemas.KindLocal
	case t.logical != "":
		return schemas.KindInstant
	case t.typ == "boolean":
		return schemas.KindBool
	}
	for k := schemas.KindNull; k <= schemas.KindMap; k++ {
		if k.String() == t.typ {
			return k
		}
	}
	return schemas.KindAny
}
