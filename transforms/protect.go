package transforms

import (
	"weir/schemas"
)

// facts are what the envelope's written rules read of one value.
type facts struct {
	op            byte // 0 when the envelope has none
	before, after presence
	code          schemas.Code // why the record cannot be judged
}

// presence is whether an image is there.
type presence uint8

const (
	absent presence = iota
	null
	present
)

// variant is how one recipient's copy of a change differs from the change
// because of its rows.
type variant struct {
	nullBefore, nullAfter bool
	op                    byte // 0: as it is
	tombstone             bool // a tombstone follows
	only                  bool // nothing but the tombstone goes
}

// Protect treats one record for all recipients: copies[i] belongs to
// Policy.Recipients[i] and is valid until the next call with s. prefixes[i] is
// the framing that goes before its outputs, nil when there is none. next is
// not nil when the record taught undeclared JSON names that the policy decides:
// the caller keeps it in p's place; copies are already those of next.
//
// It scans every payload to its end before anything is published (contract 16)
// and decides each recipient for itself (contract 11).
func (p *Plan) Protect(s *Scratch, ev *Event, prefixes []Prefix) (copies []Copy, next *Plan) {
	s.begin(p)
	if p.all != "" {
		return s.everyone(p, Filtered, failure{code: p.all}), nil
	}
	if p.in.Ring == nil {
		return s.everyone(p, Quarantined, failure{code: CodeNoKeys}), nil
	}
	if f := p.scan(s, ev); f.code != "" {
		return s.everyone(p, Quarantined, f), nil
	}
	if learned, f := p.learn(s); f.code != "" {
		return s.everyone(p, Quarantined, f), nil
	} else if learned != nil {
		copies, later := learned.Protect(s, ev, prefixes)
		if later != nil {
			learned = later
		}
		return copies, learned
	}
	p.readFacts(s, ev)
	for i := range p.copies {
		var prefix Prefix
		if i < len(prefixes) {
			prefix = prefixes[i]
		}
		s.copies = append(s.copies, Copy{})
		p.protectOne(s, ev, i, &prefix)
	}
	return s.copies, nil
}

// everyone gives all recipients one fate.
func (s *Scratch) everyone(p *Plan, fate Fate, f failure) []Copy {
	for range p.copies {
		s.copies = append(s.copies, Copy{Fate: fate, Code: f.code, Path: f.path})
	}
	return s.copies
}

// scan reads all payloads; what cannot be decoded is quarantined for all.
func (p *Plan) scan(s *Scratch, ev *Event) failure {
	if !ev.NullKey && p.sides[sideKey] != nil {
		if err := s.scan(payloadKey, p.sides[sideKey], ev.Key); err != nil {
			return failed(err, schemas.CodeMalformed, "")
		}
	}
	if !ev.NullValue {
		if p.sides[sideValue] == nil {
			return failure{code: CodeNoSchema}
		}
		if err := s.scan(payloadValue, p.sides[sideValue], ev.Value); err != nil {
			return failed(err, schemas.CodeMalformed, "")
		}
	}
	if p.sides[sideHeader] == nil {
		return failure{}
	}
	for which, src := range [...][]byte{payloadNewKey: ev.NewKey, payloadOldKey: ev.OldKey} {
		if src == nil {
			continue
		}
		if err := s.scan(which, p.sides[sideHeader], src); err != nil {
			return failed(err, schemas.CodeMalformed, "")
		}
	}
	return failure{}
}

// readFacts reads op and the images' presence.
func (p *Plan) readFacts(s *Scratch, ev *Event) {
	s.facts = facts{}
	d := &p.in.Dataset
	if ev.NullValue || d.Events != EventsRows || d.Envelope == EnvelopeNone {
		return
	}
	f, v := &s.facts, &s.payloads[payloadValue]
	for i := range v.view.Spans {
		leaf := v.view.Spans[i].Leaf
		switch {
		case leaf < 0:
		case has(p.facts.op, leaf):
			p.readOp(s, v, i)
		case has(p.facts.before, leaf):
			f.see(&f.before, &v.view.Spans[i])
		case has(p.facts.after, leaf):
			f.see(&f.after, &v.view.Spans[i])
		}
	}
	if f.op == 0 && f.code == "" && d.Envelope == EnvelopeDebezium {
		f.code = CodeNoOp
	}
}

func has(list []int32, leaf int32) bool {
	for _, l := range list {
		if l == leaf {
			return true
		}
	}
	return false
}

// see notes an image; one that stands there twice decides nothing.
func (f *facts) see(at *presence, span *schemas.Span) {
	switch {
	case *at != absent:
		f.code = CodeDuplicate
	case span.Flags&schemas.Null != 0:
		*at = null
	default:
		*at = present
	}
}

func (p *Plan) readOp(s *Scratch, v *payload, i int) {
	f := &s.facts
	if v.view.Spans[i].Flags&schemas.Null != 0 {
		return
	}
	t, err := s.textOf(v, i, p)
	switch {
	case err != nil || t.end-t.start != 1:
		f.code = CodeBadOp
	case f.op != 0:
		f.code = CodeDuplicate
	default:
		f.op = s.text[t.start]
	}
	if f.code != "" {
		return
	}
	switch f.op {
	case 'c', 'u', 'd', 'r', 't', 'm':
	default:
		f.code = CodeBadOp
	}
}

// protectOne decides and makes recipient i's copy, in the order that the
// README's written rules give.
func (p *Plan) protectOne(s *Scratch, ev *Event, i int, prefix *Prefix) {
	cp, out := &p.copies[i], &s.copies[i]
	switch {
	case cp.until != 0 && ev.TimestampMillis >= cp.until:
		out.Fate, out.Code = Filtered, CodeUntil
		return
	case s.facts.op == 'm':
		out.Fate, out.Code = Filtered, CodeLogicalMessage
		return
	case s.facts.code != "":
		out.quarantine(failure{code: s.facts.code})
		return
	}
	if f := p.undecided(s, ev, cp); f.code != "" {
		out.quarantine(f)
		return
	}
	v, code := p.judge(s, ev, cp)
	switch {
	case code == CodeRows:
		out.Fate, out.Code = Filtered, code
	case code != "":
		out.quarantine(failure{code: code})
	default:
		if f := p.publish(s, ev, cp, out, &v, prefix); f.code != "" {
			out.quarantine(f)
		}
	}
}

func (c *Copy) quarantine(f failure) {
	*c = Copy{Fate: Quarantined, Code: f.code, Path: f.path}
}

// undecided finds what has no decision for this recipient (Invariant 1).
func (p *Plan) undecided(s *Scratch, ev *Event, cp *copyPlan) failure {
	if !ev.NullKey && p.sides[sideKey] == nil && cp.opaque.act == actBlocked {
		return failure{code: cp.opaque.bad.code}
	}
	for which := range s.payloads {
		pl := &s.payloads[which]
		if pl.side == nil {
			continue
		}
		sc := &cp.sides[pl.side.kind]
		if sc.blocked != nil {
			return failure{sc.blocked.code, sc.path}
		}
		if sc.soft || pl.unknown {
			if f := undecidedSpan(pl, sc, cp); f.code != "" {
				return f
			}
		}
	}
	return failure{}
}

// undecidedSpan looks for the first field of a record that has no decision.
func undecidedSpan(pl *payload, sc *sideCopy, cp *copyPlan) failure {
	for i := range pl.view.Spans {
		leaf := pl.view.Spans[i].Leaf
		switch {
		case leaf == schemas.Unknown && (cp.Unknown != DropUnknown || pl.side.kind != sideValue):
			return failure{schemas.CodeUndeclared, "*"}
		case leaf >= 0 && sc.act[leaf] == actBlocked:
			return failure{sc.treat[leaf].bad.code, pl.side.places[leaf].name.print()}
		}
	}
	return failure{}
}

// judge applies the recipient's rows (contract 6).
func (p *Plan) judge(s *Scratch, ev *Event, cp *copyPlan) (variant, schemas.Code) {
	if cp.rows == nil || ev.NullValue {
		return variant{}, ""
	}
	v := &s.payloads[payloadValue]
	s.rows.view, s.rows.codec, s.rows.placeholder = &v.view, v.side.schema.Codec, p.in.Dataset.Placeholder
	if p.in.Dataset.Envelope != EnvelopeDebezium {
		return p.judgePlain(s, ev, cp)
	}
	f := &s.facts
	switch f.op {
	case 't': // no rows: an image beside it would pass unjudged
		if f.before == present || f.after == present {
			return variant{}, CodeBadImage
		}
		return variant{}, ""
	case 'd':
		return p.judgeDelete(s, cp)
	case 'u':
		return p.judgeUpdate(s, ev, cp)
	}
	if f.after != present {
		return variant{}, CodeBadImage
	}
	in, code := cp.rows.matches(&s.rows, imageAfter)
	if code == "" && !in {
		code = CodeRows
	}
	return variant{nullBefore: true}, code
}

// judgePlain judges a record without images. A flattened update that is
// outside may have been inside: its tombstone goes.
func (p *Plan) judgePlain(s *Scratch, ev *Event, cp *copyPlan) (variant, schemas.Code) {
	in, code := cp.rows.matches(&s.rows, imageAfter)
	if code != "" || in {
		return variant{}, code
	}
	op := s.facts.op
	if ev.NullKey || p.in.Dataset.Envelope == EnvelopeNone || op == 'c' || op == 'r' {
		return variant{}, CodeRows
	}
	return variant{tombstone: true, only: true}, ""
}

func (p *Plan) judgeDelete(s *Scratch, cp *copyPlan) (variant, schemas.Code) {
	f := &s.facts
	switch {
	case f.after == present:
		return variant{}, CodeBadImage
	case !p.in.Dataset.BeforeFull || f.before != present:
		return variant{nullBefore: true}, ""
	}
	was, code := cp.rows.matches(&s.rows, imageBefore)
	if code == "" && !was {
		code = CodeRows
	}
	return variant{}, code
}

func (p *Plan) judgeUpdate(s *Scratch, ev *Event, cp *copyPlan) (variant, schemas.Code) {
	f := &s.facts
	if f.after != present {
		return variant{}, CodeBadImage
	}
	in, code := cp.rows.matches(&s.rows, imageAfter)
	if code != "" {
		return variant{}, code
	}
	if !p.in.Dataset.BeforeFull || f.before != present {
		if in {
			return variant{nullBefore: true}, ""
		}
		return variant{nullBefore: true, nullAfter: true, op: 'd', tombstone: !ev.NullKey}, ""
	}
	was, code := cp.rows.matches(&s.rows, imageBefore)
	switch {
	case code != "":
	case in && !was: // enters
		return variant{nullBefore: true, op: 'c'}, ""
	case !in && was: // leaves
		return variant{nullAfter: true, op: 'd', tombstone: !ev.NullKey}, ""
	case !in:
		code = CodeRows
	}
	return variant{}, code
}
