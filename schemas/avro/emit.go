package avro

import (
	"slices"
	"strconv"
	"strings"

	"weir/schemas"
)

// emitter writes a derived schema: the input's JSON, member by member, with the
// types that changes ask for. A named type is defined where it is first used and
// referred to from then on.
type emitter struct {
	d        *deriver
	defined  map[string]string // what a definition says → its full name
	used     map[string]bool   // full names given in the copy
	reserved map[string]bool   // full names of the input
	open     []string          // names of the records being written, by depth
	err      error
}

// write makes the derived schema's text and reads it back: if the result is not
// laid out as Splice will write it, there is no shape.
func (d *deriver) write() error {
	e := &emitter{d: d, defined: map[string]string{}, used: map[string]bool{}, reserved: map[string]bool{}}
	e.reserve(d.c.root)
	j := e.place(d.c.root, "")
	if n := d.notes(d.c.root); n != "" && j.kind != '[' {
		if j.kind == '"' {
			j = &jv{kind: '{', keys: []string{"type"}, elems: []*jv{j}}
		}
		j.set(noteProperty, jstr(n))
	}
	if e.err != nil {
		return e.err
	}
	d.sh.text = string(j.append(nil))
	back, err := Parse(d.sh.text)
	if err != nil {
		return err
	}
	if c, ok := back.Codec.(*codec); !ok || !d.agrees(d.c.root, c.root) {
		return bad("")
	}
	return nil
}

// reserve collects the input's full names, which no copy's variant may take.
func (e *emitter) reserve(p *place) {
	for i := range p.branches {
		b := &p.branches[i]
		if b.def.typ.named() {
			e.reserved[b.def.name] = true
		}
		if b.item != nil {
			e.reserve(b.item)
		}
		if b.body != nil && !b.back {
			for _, f := range b.body.fields {
				e.reserve(f)
			}
		}
	}
}

// place writes the type at a place; ns is the enclosing namespace.
func (e *emitter) place(p *place, ns string) *jv {
	np := e.d.places[p]
	if !np.union {
		return e.branch(&np.list[0], ns)
	}
	out := &jv{kind: '['}
	for i := range np.list {
		out.elems = append(out.elems, e.branch(&np.list[i], ns))
	}
	return out
}

func (e *emitter) branch(b *newBranch, ns string) *jv {
	if b.old == nil {
		return jstr("null")
	}
	if b.fresh != nil {
		return freshType(b.fresh, b.old.def.src)
	}
	def := b.old.def
	switch def.typ {
	case tArray, tMap:
		return e.container(b.old, ns)
	case tRecord:
		return e.record(b.old, ns)
	case tEnum, tFixed:
		if name := e.defined[def.name]; name != "" {
			return e.reference(name, ns)
		}
		return e.rename(def, e.name(def.name, def.name), ns).without(isConnectDefault) // others may refer to it
	}
	if e.d.changes.has(b.old.leaf) && def.src.kind == '{' {
		return def.src.without(isConnectDefault)
	}
	return def.src
}

// isConnectDefault: Connect's own copy of a field's default, which quotes its
// values.
func isConnectDefault(key string) bool { return key == "connect.default" }

func (e *emitter) container(b *branch, ns string) *jv {
	out, key := b.def.src.without(nil), "items"
	if e.d.changes.has(b.leaf) || e.d.changes.has(b.key) || e.d.touched(b.item) {
		out = out.without(isConnectDefault)
	}
	if b.def.typ == tMap {
		key = "values"
	}
	out.set(key, e.place(b.item, ns))
	return out
}

// record writes a record's definition, or its name where it is already defined.
func (e *emitter) record(b *branch, ns string) *jv {
	if b.back {
		return e.reference(e.open[b.body.depth], ns)
	}
	says := e.says(b.body)
	if name := e.defined[says]; name != "" {
		return e.reference(name, ns)
	}
	name := e.name(b.def.name, says)
	out := e.rename(b.def, name, ns)
	if e.d.dirty(b.body) || e.d.changes.has(b.leaf) {
		out = out.without(isConnectDefault)
	}
	e.open = append(e.open[:b.body.depth], name)
	fields := &jv{kind: '['}
	for i, p := range b.body.fields {
		if !e.d.places[p].cut {
			fields.elems = append(fields.elems, e.field(b.def.fields[i], p, namespaceOf(name)))
		}
	}
	out.set("fields", fields)
	return out
}

// says identifies what a record's definition will say: its full name, and where
// something changes, the changes by their path inside it and the names of the
// enclosing records that it refers back to.
func (e *emitter) says(b *body) string {
	if !e.d.dirty(b) {
		return b.def.name
	}
	var s strings.Builder
	s.WriteString(b.def.name)
	for i := b.lo; i < b.hi; i++ {
		ch := e.d.changes[i]
		if ch == nil {
			continue
		}
		l := &e.d.c.leaves[i]
		s.WriteString("\x00" + schemas.JoinPath(l.Names[b.steps:]) + "\x00" + l.Kind.String())
		if ch.Op != schemas.Cut {
			s.WriteString(" " + ch.Kind.String() + "," + strconv.Itoa(ch.Scale) + strconv.FormatBool(ch.Nullable) + ch.Note)
		}
	}
	for depth := b.up; depth < b.depth; depth++ {
		s.WriteString("\x00@" + e.open[depth])
	}
	return s.String()
}

// name gives a definition its full name: the input's for the first, then _w2, _w3, …
func (e *emitter) name(full, says string) string {
	name := full
	for n := 2; e.used[name] || n > 2 && e.reserved[name]; n++ {
		name = full + "_w" + strconv.Itoa(n)
	}
	e.used[name], e.defined[says] = true, name
	return name
}

// rename copies a definition and writes its name so that it means full here.
func (e *emitter) rename(def *def, full, ns string) *jv {
	out := def.src.without(func(k string) bool { return k == "aliases" && full != def.name })
	if full == def.name && resolve(out, ns) == full {
		return out
	}
	out = out.without(func(k string) bool { return k == "namespace" })
	out.set("name", jstr(full))
	if !strings.Contains(full, ".") && ns != "" {
		out.set("namespace", jstr(""))
	}
	return out
}

// resolve is the full name that a definition has inside namespace ns.
func resolve(j *jv, ns string) string {
	name := j.str("name")
	if strings.Contains(name, ".") {
		return strings.TrimPrefix(name, ".")
	}
	if n := j.get("namespace"); n != nil {
		ns = j.str("namespace")
	}
	return join(ns, name)
}

// reference names a defined type from inside namespace ns.
func (e *emitter) reference(full, ns string) *jv {
	own := namespaceOf(full)
	if own == "" && ns != "" && e.used[join(ns, full)] {
		e.err = schemas.Fail(schemas.CodeUnsupported, "") // no way to say which is meant
	}
	if short := strings.TrimPrefix(full, own+"."); own == ns && own != "" {
		if _, prim := primitive(short); !prim {
			return jstr(short)
		}
	}
	return jstr(full)
}

// field writes a record's field.
func (e *emitter) field(f *field, p *place, ns string) *jv {
	np := e.d.places[p]
	notes := e.d.notes(p)
	out := f.src.without(func(k string) bool {
		return k == "confluent:tags" && np.retyped || k == "default" && np.dropDef && np.list[0].typ() != tNull
	})
	out.set("type", e.place(p, ns))
	switch {
	case np.dropDef && np.list[0].typ() == tNull:
		out.set("default", jraw("null"))
	case np.newDef != nil && !np.dropDef:
		out.set("default", np.newDef)
	}
	if notes != "" {
		out.set(noteProperty, jstr(notes))
	}
	return out
}

// notes joins the treatments at a place, items and keys included.
func (d *deriver) notes(p *place) string {
	var list []string
	d.collect(p, &list)
	return strings.Join(list, ",")
}

func (d *deriver) collect(p *place, list *[]string) {
	for i := range p.branches {
		b := &p.branches[i]
		for _, l := range [...]int32{b.leaf, b.key} {
			if l >= 0 && d.changes[l] != nil && d.changes[l].Note != "" && !slices.Contains(*list, d.changes[l].Note) {
				*list = append(*list, d.changes[l].Note)
			}
		}
		if b.item != nil {
			d.collect(b.item, list)
		}
	}
}

// typeProperties belong to a type as it was and go when its kind changes.
var typeProperties = []string{"type", "name", "namespace", "aliases", "symbols", "size", "default", "doc",
	"logicalType", "precision", "scale", "connect.name", "connect.version", "connect.parameters",
	"connect.default", "connect.type", "confluent:tags", "avro.java.string"}

// freshType writes a retyped leaf's type, keeping what does not speak of the old
// one (connect.doc, properties of strangers).
func freshType(w *wire, src *jv) *jv {
	out := &jv{kind: '{'}
	out.set("type", jstr(typNames[w.typ]))
	if l := freshLogical(w.kind); l != "" {
		out.set("logicalType", jstr(l))
	}
	if w.kind == schemas.KindDecimal {
		out.set("precision", jraw(strconv.Itoa(w.prec)))
		out.set("scale", jraw(strconv.Itoa(w.scale)))
	}
	if src != nil && src.kind == '{' {
		for i, k := range src.keys {
			if !slices.Contains(typeProperties, k) {
				out.set(k, src.elems[i])
			}
		}
	}
	if len(out.keys) == 1 {
		return out.elems[0]
	}
	return out
}

// agrees reports whether q, read back from the derived text, is laid out as p's
// copy is.
func (d *deriver) agrees(p, q *place) bool {
	np := d.places[p]
	if np.union != q.union || len(np.list) != len(q.branches) {
		return false
	}
	for i := range np.list {
		b, r := &np.list[i], &q.branches[i]
		if b.typ() != r.def.typ {
			return false
		}
		if b.old != nil && b.fresh == nil && !d.agreesInside(b.old, r) {
			return false
		}
	}
	return true
}

func (d *deriver) agreesInside(b, r *branch) bool {
	w, v := &b.def.wire, &r.def.wire
	if w.kind != v.kind || w.size != v.size || w.scale != v.scale || w.unit != v.unit || b.back != r.back ||
		!slices.Equal(w.symbols, v.symbols) {
		return false
	}
	if b.item != nil {
		return d.agrees(b.item, r.item)
	}
	if b.body == nil || b.back {
		return true
	}
	at := 0
	for i, f := range b.body.fields {
		if d.places[f].cut {
			continue
		}
		if at >= len(r.body.fields) || b.def.fields[i].name != r.def.fields[at].name || !d.agrees(f, r.body.fields[at]) {
			return false
		}
		at++
	}
	return at == len(r.body.fields)
}
