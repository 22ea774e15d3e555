package transforms

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"weir/schemas"
)

// String is EXPLAIN: a table of field × recipient with what happens and which
// rule says so, then what stands in the way.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan of %s: policy %s, epoch %d\n", p.in.Dataset.Name, p.in.Policy.Name, p.in.Policy.Epoch)
	if p.all != "" {
		fmt.Fprintf(&b, "every record is filtered: %s\n", p.all)
		return b.String()
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FIELD\tKIND\tIN\tCLASS\tRECIPIENT\tTREATMENT\tWHY")
	last := ""
	var cut []string
	for _, r := range p.Matrix() {
		if r.Why == whyEnvelope {
			if !slices.Contains(cut, r.Field) {
				cut = append(cut, r.Field)
			}
			continue
		}
		class := r.Class
		if class != "" {
			class = fmt.Sprintf("%s (%d)", class, r.Grade)
		}
		head := fmt.Sprintf("%s\t%s\t%s\t%s", r.Field, r.Kind, r.In, class)
		if head == last {
			head = "\t\t\t"
		} else {
			last = head
		}
		treatment := r.Treatment
		if r.Describe != "" {
			treatment += " {" + r.Describe + "}"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", head, r.Recipient, treatment, r.Why)
	}
	_ = w.Flush() // into memory
	if len(cut) > 0 {
		fmt.Fprintf(&b, "dropped from the envelope for everyone: %s\n", strings.Join(cut, ", "))
	}
	p.explainRecipients(&b)
	return trimLines(b.String())
}

func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func (p *Plan) explainRecipients(b *strings.Builder) {
	for i := range p.copies {
		cp := &p.copies[i]
		if cp.rows != nil {
			fmt.Fprintf(b, "%s: rows %s\n", cp.Name, cp.Rows)
			for _, f := range cp.rows.absent(p.sides[sideValue]) {
				fmt.Fprintf(b, "%s: rows reads %s, which this schema does not have\n", cp.Name, f)
			}
		}
		if cp.until != 0 {
			fmt.Fprintf(b, "%s: until %s\n", cp.Name, cp.Until.Format("2006-01-02"))
		}
	}
	for _, u := range p.Undecided() {
		if u.Soft {
			continue
		}
		fmt.Fprintf(b, "%s: %s in %s: %s: %s\n", u.Recipient, u.Field, u.Side, u.Code, u.Why)
	}
}

// absent are the fields that the expression reads and a schema lacks.
func (f *rowFilter) absent(s *side) []string {
	var out []string
	if s == nil {
		return nil
	}
	for _, n := range f.root.fields {
		if len(n.leaves[imageAfter]) == 0 {
			out = append(out, rowsVariable+"."+n.name)
		}
	}
	return out
}

// rowID is one line's field: key, before and after stand in one.
type rowID struct {
	field string
	kind  schemas.Kind
}

// Matrix is String for machines: fields in the order of the value's schema,
// each for every recipient in the policy's order.
func (p *Plan) Matrix() []Row {
	var order []rowID
	in := map[rowID][]string{}
	at := map[rowID][2]int{} // side and leaf
	for _, k := range [...]sideKind{sideKey, sideValue, sideHeader} {
		s := p.sides[k]
		if s == nil {
			continue
		}
		for i := range s.places {
			id, ok := s.rowID(i)
			if !ok || p.idle(k, i) {
				continue
			}
			if _, seen := at[id]; !seen {
				order = append(order, id)
				at[id] = [2]int{int(k), i}
			}
			if !slices.Contains(in[id], s.places[i].in) {
				in[id] = append(in[id], s.places[i].in)
			}
		}
	}
	var out []Row
	for _, id := range order {
		for r := range p.copies {
			row := p.row(r, at[id])
			row.Field, row.Kind, row.In = id.field, id.kind.String(), strings.Join(in[id], "+")
			out = append(out, row)
		}
	}
	return out
}

// idle reports whether a leaf of a key is only there because the policy might
// mean it: a key without a schema has some of the row's fields.
func (p *Plan) idle(k sideKind, i int) bool {
	s := p.sides[k]
	if k == sideValue || !s.declared {
		return false
	}
	for r := range p.copies {
		if p.copies[r].sides[k].act[i] == actBlocked {
			return true
		}
	}
	return false
}

// rowID names the line of a leaf; the envelope's own fields have one only when
// they are dropped.
func (s *side) rowID(i int) (rowID, bool) {
	pl, l := &s.places[i], &s.schema.Leaves[i]
	switch {
	case pl.role == roleColumn && !l.Kind.Container():
		return rowID{pl.name.print(), l.Kind}, true
	case pl.role == roleDrop && !l.Kind.Container():
		return rowID{l.Printed(), l.Kind}, true
	}
	return rowID{}, false
}

// whyEnvelope is the reason of what the envelope's written rules drop.
const whyEnvelope = "Debezium's envelope"

func (p *Plan) row(r int, at [2]int) Row {
	sc := &p.copies[r].sides[at[0]]
	row := Row{Recipient: p.copies[r].Name}
	t := sc.treat[at[1]]
	if t == nil {
		row.Treatment, row.Why = "drop", whyEnvelope
		return row
	}
	row.Treatment, row.Describe, row.Domain, row.Why = t.name, t.options, t.domain, t.why
	if t.class != nil && t.class.class != nil {
		row.Class, row.Grade, row.ClassFrom = t.class.class.ID, t.class.class.Grade, t.class.from
	}
	switch sc.act[at[1]] {
	case actBlocked:
		row.Treatment, row.Why = string(t.bad.code), t.bad.why
	case actCovered, actCut:
		if t.act != actCut && t.act != actNull {
			row.Treatment, row.Why = "drop", "the container around it is dropped"
		}
	}
	return row
}

// Undecided lists the leaves that a recipient's copy cannot have, in schema
// order, each field once a recipient, side and code.
func (p *Plan) Undecided() []Undecided {
	var out []Undecided
	for r := range p.copies {
		cp := &p.copies[r]
		if o := cp.opaque; p.in.OpaqueKey && o != nil && o.act == actBlocked {
			out = append(out, Undecided{Recipient: cp.Name, Field: p.in.Dataset.Name + "." + rootKey, Side: sideNames[sideKey],
				Code: o.bad.code, Why: o.bad.why, Pos: o.bad.pos})
		}
		for _, s := range p.sides {
			if s != nil {
				out = p.undecidedOn(out, cp, s)
			}
		}
	}
	return out
}

func (p *Plan) undecidedOn(out []Undecided, cp *copyPlan, s *side) []Undecided {
	sc := &cp.sides[s.kind]
	seen := map[Undecided]bool{}
	for i, a := range sc.act {
		if a != actBlocked {
			continue
		}
		bad := sc.treat[i].bad
		u := Undecided{Recipient: cp.Name, Field: s.fieldName(i), Side: sideNames[s.kind], Code: bad.code, Why: bad.why,
			Pos: bad.pos, Soft: !s.schema.Leaves[i].Declared || s.declared && s.kind != sideValue}
		if !seen[u] {
			seen[u] = true
			out = append(out, u)
		}
	}
	if sc.blocked != nil && len(seen) == 0 {
		out = append(out, Undecided{Recipient: cp.Name, Side: sideNames[s.kind], Code: sc.blocked.code, Why: sc.blocked.why})
	}
	return out
}

func (s *side) fieldName(i int) string {
	if n := s.places[i].name; n != nil {
		return n.print()
	}
	return s.schema.Leaves[i].Printed()
}
