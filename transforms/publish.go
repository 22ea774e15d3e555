package transforms

import (
	"weir/schemas"
)

// publish makes a recipient's outputs: the key once, the value as its variant
// wants it, the key-change headers as keys.
func (p *Plan) publish(s *Scratch, ev *Event, cp *copyPlan, out *Copy, v *variant, prefix *Prefix) failure {
	o := Out{NullKey: ev.NullKey, NullValue: ev.NullValue}
	var f failure
	if o.Key, f = p.key(s, ev, cp, prefix.Key); f.code != "" {
		return f
	}
	first := len(s.outs)
	if !v.only {
		if !ev.NullValue {
			if o.Value, f = p.payload(s, payloadValue, cp, v, prefix.Value); f.code != "" {
				return f
			}
		}
		s.outs = append(s.outs, o)
	}
	if v.tombstone {
		s.outs = append(s.outs, Out{Key: o.Key, NullKey: o.NullKey, NullValue: true})
	}
	if s.payloads[payloadNewKey].side != nil {
		if out.NewKey, f = p.payload(s, payloadNewKey, cp, nil, prefix.Header); f.code != "" {
			return f
		}
	}
	if s.payloads[payloadOldKey].side != nil {
		if out.OldKey, f = p.payload(s, payloadOldKey, cp, nil, prefix.Header); f.code != "" {
			return f
		}
	}
	out.Outs = s.outs[first:len(s.outs):len(s.outs)]
	return failure{}
}

func (p *Plan) key(s *Scratch, ev *Event, cp *copyPlan, prefix []byte) ([]byte, failure) {
	switch {
	case ev.NullKey:
		return nil, failure{}
	case p.sides[sideKey] != nil:
		return p.payload(s, payloadKey, cp, nil, prefix)
	}
	start := len(s.out)
	s.out = append(s.out, prefix...)
	if cp.opaque.act == actPass {
		s.out = append(s.out, ev.Key...)
		return s.out[start:len(s.out):len(s.out)], failure{}
	}
	s.field = Field{Leaf: &opaqueLeaf, Kind: schemas.KindBytes, Scratch: s.slots}
	grown, err := cp.opaque.transform.Append(s.out, ev.Key, &s.field)
	if err != nil {
		return nil, failed(err, CodeTransform, "")
	}
	s.out = grown
	return s.out[start:len(s.out):len(s.out)], failure{}
}

// opaqueLeaf is the leaf of a key without a schema. It is never changed.
var opaqueLeaf = schemas.Leaf{Kind: schemas.KindBytes, Declared: true, Parent: -1, Cut: -1}

// payload splices one payload for a recipient behind its framing.
func (p *Plan) payload(s *Scratch, which int, cp *copyPlan, v *variant, prefix []byte) ([]byte, failure) {
	pl := &s.payloads[which]
	sc := &cp.sides[pl.side.kind]
	s.edits = s.edits[:0]
	if !sc.same || v != nil && *v != (variant{}) {
		if f := p.collect(s, pl, sc, v); f.code != "" {
			return nil, f
		}
	}
	start := len(s.out)
	s.out = append(s.out, prefix...)
	if sc.same && len(s.edits) == 0 && !pl.unknown {
		s.out = append(s.out, pl.view.Src...) // untouched, byte for byte
		return s.out[start:len(s.out):len(s.out)], failure{}
	}
	grown, err := pl.side.schema.Codec.Splice(s.out, &pl.view, sc.shape, s.edits)
	if err != nil {
		s.out = s.out[:start]
		return nil, failed(err, CodeTransform, "")
	}
	s.out = grown
	return s.out[start:len(s.out):len(s.out)], failure{}
}

// collect makes the edits of one payload, in span order.
func (p *Plan) collect(s *Scratch, pl *payload, sc *sideCopy, v *variant) failure {
	inside := uint32(0) // spans that open before it stand in a nulled container
	for i := range pl.view.Spans {
		span := &pl.view.Spans[i]
		if span.Leaf < 0 || span.Open < inside {
			continue
		}
		isNull := span.Flags&schemas.Null != 0
		if v != nil && *v != (variant{}) && p.vary(s, span, i, v) {
			if span.Kind.Container() {
				inside = span.Close
			}
			continue
		}
		switch sc.act[span.Leaf] {
		case actNull:
			if isNull {
				continue
			}
			s.edits = append(s.edits, schemas.Edit{Span: int32(i), Null: true})
			if span.Kind.Container() {
				inside = span.Close
			}
		case actTreat:
			if f := p.treat(s, pl, sc.treat[span.Leaf], i, isNull); f.code != "" {
				return f
			}
		case actBlocked: // undecidedSpan has seen to it; nothing passes by mistake
			return failure{code: CodeUndecided}
		}
	}
	return failure{}
}

// vary makes the edits that rows ask of the envelope; true when it dealt with
// the span.
func (p *Plan) vary(s *Scratch, span *schemas.Span, i int, v *variant) bool {
	switch {
	case has(p.facts.op, span.Leaf):
		if v.op == 0 {
			return false
		}
		s.edits = append(s.edits, schemas.Edit{Span: int32(i), Data: opText(v.op)})
		return true
	case v.nullBefore && has(p.facts.before, span.Leaf), v.nullAfter && has(p.facts.after, span.Leaf):
		if span.Flags&schemas.Null == 0 {
			s.edits = append(s.edits, schemas.Edit{Span: int32(i), Null: true})
		}
		return true
	}
	return false
}

var opCreate, opDelete = []byte{'c'}, []byte{'d'}

func opText(op byte) []byte {
	if op == 'c' {
		return opCreate
	}
	return opDelete
}

// treat makes the edit of one value.
func (p *Plan) treat(s *Scratch, pl *payload, t *treatment, i int, isNull bool) failure {
	span := &pl.view.Spans[i]
	if isNull && !t.replacesNull { // contract 8: null stays null
		return failure{}
	}
	if span.Kind.Container() { // null of a union whose first branch holds others
		return failure{}
	}
	kind := span.Kind
	s.field = Field{Leaf: &pl.side.schema.Leaves[span.Leaf], Kind: kind, Scratch: s.slots}
	var ref *text
	if !isNull {
		var err error
		if ref, err = s.textOf(pl, i, p); err != nil {
			return p.failedAt(err, pl, span)
		}
		if ref.placeholder && t.holdsText() {
			if t.out != kind && t.out != schemas.KindAny {
				s.edits = append(s.edits, schemas.Edit{Span: int32(i), Data: s.text[ref.start:ref.end:ref.end]})
			}
			return failure{}
		}
		if done, ok := s.recall(t, kind, ref); ok {
			s.edits = append(s.edits, schemas.Edit{Span: int32(i), Data: done})
			return failure{}
		}
	}
	if t.asks && !t.accepts(kind, isNull) {
		return failure{schemas.CodeType, pl.side.places[span.Leaf].name.print()}
	}
	start := len(s.text)
	var src []byte
	if ref != nil {
		src = s.text[ref.start:ref.end:ref.end]
	}
	grown, err := t.transform.Append(s.text, src, &s.field)
	if err != nil {
		return p.failedAt(err, pl, span)
	}
	s.text = grown
	if ref != nil {
		s.remember(t, kind, ref, start)
	}
	s.edits = append(s.edits, schemas.Edit{Span: int32(i), Data: grown[start:len(grown):len(grown)]})
	return failure{}
}

// holdsText reports whether the results' kind can hold the placeholder.
func (t *treatment) holdsText() bool {
	return t.out == schemas.KindString || t.out == schemas.KindBytes || t.out == schemas.KindAny
}

// accepts asks whether a kind that occurs at a KindAny leaf gives the kind that
// was settled for it.
func (t *treatment) accepts(k schemas.Kind, isNull bool) bool {
	if isNull {
		return t.out != schemas.KindAny
	}
	out, _, err := t.transform.Out(k)
	return err == nil && (out == t.out || t.out == schemas.KindAny && out == k)
}

func (p *Plan) failedAt(err error, pl *payload, span *schemas.Span) failure {
	return failed(err, CodeTransform, pl.side.places[span.Leaf].name.print())
}
