package jsonrec

import (
	"encoding/base64"
	"strconv"

	"weir/schemas"
)

// Splice implements schemas.Codec. It fails with CodeUndeclared when the record
// has members that no schema declares and the shape does not drop them: they
// are never passed.
func (c *codec) Splice(dst []byte, v *schemas.View, sh schemas.Shape, edits []schemas.Edit) ([]byte, error) {
	s, ok := sh.(*shape)
	if !ok {
		return dst, schemas.Fail(schemas.CodeUnsupported, "")
	}
	w := writer{dst: dst, src: v.Src}
	block := len(v.Src)
	if c.block != nil {
		block = int(v.Aux[0])
		if len(v.Spans) == 0 || block < int(v.Spans[0].Open) {
			w.replaceBlock(block, c.block, s.block)
			block = len(v.Src)
		}
	}
	for i := range v.Spans {
		sp := &v.Spans[i]
		if int(sp.Open) < w.pos { // inside what is gone
			if len(edits) > 0 && int(edits[0].Span) == i {
				edits = edits[1:]
			}
			continue
		}
		switch {
		case s.cuts(sp):
			if sp.Aux < 0 {
				return dst, c.misfit(schemas.CodeUnsupported, sp)
			}
			w.cut(int(v.Aux[sp.Aux]), int(v.Aux[sp.Aux+1]))
		case sp.Leaf < 0:
			return dst, c.misfit(schemas.CodeUndeclared, sp)
		case len(edits) > 0 && int(edits[0].Span) == i:
			if err := w.edit(sp, &edits[0], s); err != nil {
				return dst, c.misfit(code(err), sp)
			}
		}
		if len(edits) > 0 && int(edits[0].Span) == i {
			edits = edits[1:]
		}
	}
	if len(edits) > 0 { // out of order: a value would pass untreated
		return dst, schemas.Fail(schemas.CodeUnsupported, "")
	}
	if block < len(v.Src) {
		w.replaceBlock(block, c.block, s.block)
	}
	return append(w.dst, w.src[w.pos:]...), nil
}

// writer copies src to dst up to pos, with changes.
type writer struct {
	dst, src []byte
	pos      int
}

func (w *writer) upTo(p int) {
	w.dst = append(w.dst, w.src[w.pos:p]...)
	w.pos = p
}

func (w *writer) replaceBlock(at int, old, block []byte) {
	w.upTo(at)
	w.dst = append(w.dst, block...)
	w.pos = at + len(old)
}

// cut leaves out a member. lead is where the bracket or comma before it stands,
// tail where that after it does. The member goes with the comma after it; the
// last member of an object goes with the comma before it instead, which is
// still the last byte written when the member before it is cut too.
func (w *writer) cut(lead, tail int) {
	w.upTo(lead + 1)
	w.pos = tail + 1
	if w.src[tail] != ',' {
		w.pos = tail
		if last := len(w.dst) - 1; w.dst[last] == ',' {
			w.dst = w.dst[:last]
		}
	}
}

// edit writes one replacement.
func (w *writer) edit(sp *schemas.Span, e *schemas.Edit, s *shape) error {
	w.upTo(int(sp.Open))
	if e.Null {
		if s.keys[sp.Leaf] { // a name is never null
			return schemas.Fail(schemas.CodeType, "")
		}
		if !s.null[sp.Leaf] {
			return schemas.Fail(schemas.CodeUnsupported, "")
		}
		w.dst = append(w.dst, "null"...)
	} else {
		out, err := appendValue(w.dst, e.Data, sp, s.kinds[sp.Leaf], s.wires[sp.Leaf])
		if err != nil {
			return err
		}
		w.dst = out
	}
	w.pos = int(sp.Close)
	return nil
}

// appendValue writes canonical text of a kind as JSON.
func appendValue(dst, text []byte, sp *schemas.Span, kind schemas.Kind, w wire) ([]byte, error) {
	switch w.enc {
	case encText:
		out, err := appendISO(append(dst, '"'), text, kind)
		return append(out, '"'), err
	case encBase64:
		out := base64.StdEncoding.AppendEncode(append(dst, '"'), text)
		return append(out, '"'), nil
	case encDecimal:
		return writeDecimal(dst, text, sp, w)
	case encDays:
		days, err := schemas.ParseDate(text)
		if err == nil && int64(int32(days)) != days { // its type is int32
			return dst, schemas.Fail(schemas.CodeType, "")
		}
		return strconv.AppendInt(dst, days, 10), err
	case encTicks:
		return writeTicks(dst, text, kind, w)
	}
	switch {
	case kind == schemas.KindAny:
		return writeAny(dst, text, sp)
	case kind == schemas.KindBool:
		if !boolean(text) {
			return dst, schemas.Fail(schemas.CodeType, "")
		}
		return append(dst, text...), nil
	case kind == schemas.KindInt || kind == schemas.KindLong:
		return writeInteger(dst, text, kind)
	case kind.Numeric():
		return appendNumber(dst, text, kind)
	case kind.Container() || kind == schemas.KindNull:
		return dst, schemas.Fail(schemas.CodeType, "")
	}
	return appendQuoted(dst, text)
}

// writeInteger writes what readers of the kind's width can read.
func writeInteger(dst, text []byte, kind schemas.Kind) ([]byte, error) {
	out, err := appendNumber(dst, text, kind)
	if err != nil {
		return dst, err
	}
	width := 64
	if kind == schemas.KindInt {
		width = 32
	}
	if _, err := strconv.ParseInt(string(out[len(dst):]), 10, width); err != nil { // its text quotes the number
		return dst, schemas.Fail(schemas.CodeType, "")
	}
	return out, nil
}

func boolean(text []byte) bool { return string(text) == "true" || string(text) == "false" }

// writeAny keeps the type of the value that is replaced where the text allows
// it, and writes a string where not.
func writeAny(dst, text []byte, sp *schemas.Span) ([]byte, error) {
	switch {
	case sp.Kind.Container():
		return dst, schemas.Fail(schemas.CodeType, "")
	case sp.Kind == schemas.KindBool && boolean(text):
		return append(dst, text...), nil
	case sp.Kind == schemas.KindNumber:
		if out, err := schemas.AppendCanonicalNumber(dst, text); err == nil {
			return out, nil
		}
	}
	return appendQuoted(dst, text)
}

func writeDecimal(dst, text []byte, sp *schemas.Span, w wire) ([]byte, error) {
	if sp.Flags&(schemas.Quoted|schemas.Null) == 0 && sp.Kind == schemas.KindDecimal {
		return schemas.AppendCanonicalNumber(dst, text)
	}
	var buf [64]byte
	unscaled, err := schemas.ParseDecimal(buf[:0], text, w.scale)
	if err != nil {
		return dst, err
	}
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), unscaled), '"'), nil
}

func writeTicks(dst, text []byte, kind schemas.Kind, w wire) ([]byte, error) {
	var v int64
	var err error
	if kind == schemas.KindTime {
		v, err = schemas.ParseTime(text, w.unit)
	} else {
		v, err = schemas.ParseInstant(text, w.unit, kind == schemas.KindInstant)
	}
	return strconv.AppendInt(dst, v, 10), err
}
