package jsonrec

import (
	"fmt"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// The model: documents and schemas as trees, rendered and edited here without
// any of the package's code.

type modelKind uint8

const (
	modelScalar modelKind = iota
	modelRecord
	modelArray
	modelMap
)

// modelType is a schemaless schema.
type modelType struct {
	kind  modelKind
	names []string
	types []*modelType // of the fields, or of elements or values
}

// modelValue is one value, with the text around it.
type modelValue struct {
	raw     string // scalars: as written
	text    string // scalars: canonical, worked out when it was made
	null    bool
	opening byte // '{' or '[' for containers
	members []modelMember
	empty   string // white space in an empty container
}

type modelMember struct {
	key       string // as written, with quotes; "" in arrays
	name      string
	sep       [4]string // white space: before the key, before the colon, after it, after the value
	val       *modelValue
	undecided bool // no type declares the name
}

var modelNames = []string{"a", "b", "phone", "id", "名", "a.b", "[]", "{}", "{#}", `q"t`, "x y", "é", "\t", `\[]`, ""}

func genType(t *rapid.T, depth int) *modelType {
	m := &modelType{kind: modelKind(rapid.IntRange(0, 3).Draw(t, "kind"))}
	switch {
	case depth == 0:
		m.kind = modelRecord
	case depth > 3:
		m.kind = modelScalar
	}
	switch m.kind {
	case modelRecord:
		m.names = rapid.SliceOfNDistinct(rapid.SampledFrom(modelNames), 1, 5, rapid.ID[string]).Draw(t, "names")
		for range m.names {
			m.types = append(m.types, genType(t, depth+1))
		}
	case modelArray, modelMap:
		m.types = []*modelType{genType(t, depth+1)}
	}
	return m
}

// paths are the leaves of m as New takes them.
func (m *modelType) paths(at []string) (out []Path) {
	in := func(step string, mt *modelType) {
		out = append(out, mt.paths(append(append([]string(nil), at...), step))...)
	}
	switch m.kind {
	case modelScalar:
		return []Path{{Steps: at}}
	case modelArray:
		in("[]", m.types[0])
	case modelMap:
		in("{}", m.types[0])
	default:
		for i, n := range m.names {
			in(modelStep(n), m.types[i])
		}
	}
	return out
}

func modelStep(name string) string {
	switch name {
	case "[]", "{}", "{#}", `\[]`:
		return `\` + name
	}
	return name
}

var spaces = rapid.SampledFrom([]string{"", "", "", " ", "\n", "\t ", "\r\n  "})

type generator struct {
	t       *rapid.T
	unknown bool // with members that no type declares
}

func (g generator) pick(n int, label string) int { return rapid.IntRange(0, n-1).Draw(g.t, label) }

func (g generator) value(m *modelType, depth int) *modelValue {
	if depth > 0 && g.pick(8, "null") == 0 {
		return &modelValue{raw: "null", null: true}
	}
	switch m.kind {
	case modelScalar:
		return g.scalar()
	case modelArray:
		v := &modelValue{opening: '[', empty: spaces.Draw(g.t, "empty")}
		for range g.pick(4, "elements") {
			v.members = append(v.members, modelMember{sep: g.seps(), val: g.value(m.types[0], depth+1)})
		}
		return v
	}
	return g.object(m, depth)
}

func (g generator) seps() (s [4]string) {
	for i := range s {
		s[i] = spaces.Draw(g.t, "space")
	}
	return s
}

func (g generator) object(m *modelType, depth int) *modelValue {
	v := &modelValue{opening: '{', empty: spaces.Draw(g.t, "empty")}
	for range g.pick(7, "members") {
		mem := modelMember{sep: g.seps()}
		switch {
		case m.kind == modelMap:
			mem.name = rapid.SampledFrom(modelNames).Draw(g.t, "map key")
			mem.val = g.value(m.types[0], depth+1)
		case g.unknown && g.pick(4, "unknown") == 0:
			mem.name, mem.undecided = "unknown "+rapid.String().Draw(g.t, "name"), true
			mem.val = g.any(0)
		default: // in any order, repeated as it happens
			i := g.pick(len(m.names), "field")
			mem.name, mem.val = m.names[i], g.value(m.types[i], depth+1)
		}
		mem.key = g.quote(mem.name)
		v.members = append(v.members, mem)
	}
	return v
}

// any is a value of no declared type.
func (g generator) any(depth int) *modelValue {
	if depth > 2 || g.pick(2, "scalar") == 0 {
		return g.scalar()
	}
	v := &modelValue{opening: "{["[g.pick(2, "container")], empty: spaces.Draw(g.t, "empty")}
	for range g.pick(3, "size") {
		mem := modelMember{sep: g.seps(), val: g.any(depth + 1)}
		if v.opening == '{' {
			mem.key = g.quote(rapid.String().Draw(g.t, "name"))
		}
		v.members = append(v.members, mem)
	}
	return v
}

func (g generator) scalar() *modelValue {
	switch g.pick(4, "class") {
	case 0:
		b := strconv.FormatBool(g.pick(2, "bool") == 0)
		return &modelValue{raw: b, text: b}
	case 1:
		return g.number()
	}
	s := rapid.String().Draw(g.t, "string")
	return &modelValue{raw: g.quote(s), text: s}
}

// number makes a number of which the canonical text is known: digits with a
// point somewhere, then written with another exponent.
func (g generator) number() *modelValue {
	n := rapid.Int64Range(-1e15, 1e15).Draw(g.t, "digits")
	shift := g.pick(4, "fraction digits")
	raw := strconv.FormatInt(n, 10)
	text := raw
	if shift > 0 {
		raw += "e-" + strconv.Itoa(shift)
		text = pointLeft(n, shift)
	} else if g.pick(2, "zeros") == 0 {
		raw += ".00E+0"
	}
	return &modelValue{raw: raw, text: text}
}

func pointLeft(n int64, shift int) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	d := fmt.Sprintf("%0*d", shift+1, n)
	d = d[:len(d)-shift] + "." + d[len(d)-shift:]
	d = strings.TrimRight(strings.TrimRight(d, "0"), ".")
	if d == "0" {
		return d
	}
	return sign + d
}

// quote writes s as JSON, each character escaped or not as the drawing has it.
func (g generator) quote(s string) string {
	escapes := rapid.IntRange(0, 7).Draw(g.t, "escapes")
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r > 0xFFFF && escapes&1 != 0:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04X\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		case r < 0x20 || r == '"' || r == '\\' || r <= 0xFFFF && (i+escapes)%8 == 1:
			fmt.Fprintf(&b, `\u%04x`, r)
		case r == '/' && escapes > 3:
			b.WriteString(`\/`)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// render writes v.
func (v *modelValue) render(b *strings.Builder) {
	if v.opening == 0 {
		b.WriteString(v.raw)
		return
	}
	b.WriteByte(v.opening)
	if len(v.members) == 0 {
		b.WriteString(v.empty)
	}
	for i, m := range v.members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(m.sep[0])
		if m.key != "" {
			b.WriteString(m.key + m.sep[1] + ":" + m.sep[2])
		}
		m.val.render(b)
		b.WriteString(m.sep[3])
	}
	b.WriteByte(v.opening + 2) // '}' is '{' + 2, ']' is '[' + 2
}

func (v *modelValue) String() string {
	var b strings.Builder
	v.render(&b)
	return b.String()
}

// action is what happens to the values of a leaf.
type action uint8

const (
	actKeep action = iota
	actMask
	actNull
	actCut
)

// edited is v under the actions by path: a tree of its own.
func (v *modelValue) edited(m *modelType, path []string, acts map[string]action) *modelValue {
	switch act := acts[pathID(path)]; {
	case act == actNull:
		return &modelValue{raw: "null"}
	case v.null:
		return v
	case m.kind == modelScalar && act == actMask:
		return &modelValue{raw: maskQuoted(v.text)}
	case m.kind == modelScalar:
		return v
	}
	out := *v
	out.members = nil
	at := func(step string) []string { return append(append([]string(nil), path...), step) }
	for _, mem := range v.members {
		switch {
		case mem.undecided:
			continue
		case m.kind == modelArray:
			mem.val = mem.val.edited(m.types[0], at("[]"), acts)
		case m.kind == modelMap:
			if acts[pathID(at("{#}"))] == actMask {
				mem.key = maskQuoted(mem.name)
			}
			mem.val = mem.val.edited(m.types[0], at("{}"), acts)
		default:
			in := at(modelStep(mem.name))
			if acts[pathID(in)] == actCut {
				continue
			}
			mem.val = mem.val.edited(m.field(mem.name), in, acts)
		}
		out.members = append(out.members, mem)
	}
	return &out
}

func (m *modelType) field(name string) *modelType {
	for i, n := range m.names {
		if n == name {
			return m.types[i]
		}
	}
	return nil
}

func maskText(text string) string { return "<" + text + `"\>` }

func maskQuoted(text string) string {
	b := strings.Builder{}
	for _, r := range maskText(text) {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < 0x20 && strings.ContainsRune("\b\f\n\r\t", r):
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'")) // Go writes these as JSON does
		case r < 0x20:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

func pathID(steps []string) string {
	id := ""
	for _, s := range steps {
		id += "\x00" + s
	}
	return id
}
