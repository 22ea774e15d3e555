package transforms

import (
	"encoding/binary"

	"weir/schemas"
)

// KeyText appends what a record is parked under (contract 28): lp(canonical
// text) of each key field in schema order, never framing, which changes with
// the schema id. JSON that only the policy declares has no order but the
// record's. An opaque key is its bytes; a null key gives nothing. The view in s
// of the last Protect stays as it is; its answers do too.
func (p *Plan) KeyText(dst []byte, s *Scratch, ev *Event) ([]byte, error) {
	sd := p.sides[sideKey]
	switch {
	case ev.NullKey:
		return dst, nil
	case sd == nil:
		return append(dst, ev.Key...), nil
	}
	v := &s.keyView
	if err := sd.schema.Codec.Scan(v, ev.Key, &sd.every); err != nil {
		return dst, err
	}
	if sd.declared {
		return s.keySpans(dst, sd, -1)
	}
	for leaf := range sd.places {
		var err error
		if dst, err = s.keySpans(dst, sd, int32(leaf)); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// keySpans appends the fields of one leaf, or of all when leaf is negative.
func (s *Scratch) keySpans(dst []byte, sd *side, leaf int32) ([]byte, error) {
	for i := range s.keyView.Spans {
		span := &s.keyView.Spans[i]
		if span.Kind.Container() || leaf >= 0 && span.Leaf != leaf {
			continue
		}
		text := s.keyText[:0]
		if span.Flags&schemas.Null == 0 {
			var err error
			if text, err = sd.schema.Codec.Text(text, &s.keyView, i); err != nil {
				return dst, err
			}
		}
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		dst = append(dst, text...)
		clear(text)
		s.keyText = text
	}
	return dst, nil
}
