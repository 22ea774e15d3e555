package jsonrec

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"

	"weir/schemas"
)

// Text implements schemas.Codec.
func (c *codec) Text(dst []byte, v *schemas.View, i int) ([]byte, error) {
	sp := &v.Spans[i]
	if sp.Flags&schemas.Null != 0 {
		return dst, nil
	}
	if sp.Flags&schemas.Container != 0 {
		return dst, c.misfit(schemas.CodeType, sp)
	}
	var w wire
	if sp.Leaf >= 0 {
		w = c.wires[sp.Leaf]
	}
	out, err := appendText(dst, v.Raw(i), sp, w)
	if err != nil {
		return dst, c.misfit(code(err), sp)
	}
	return out, nil
}

// code takes the code out of an error of this module's.
func code(err error) schemas.Code {
	var e *schemas.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return schemas.CodeType
}

func (c *codec) misfit(code schemas.Code, sp *schemas.Span) error {
	path := "*"
	if sp.Leaf >= 0 {
		path = c.leaves[sp.Leaf].Printed()
	}
	return schemas.FailAt(code, path, int(sp.Start))
}

// appendText appends the canonical text of a value that was scanned.
func appendText(dst, raw []byte, sp *schemas.Span, w wire) ([]byte, error) {
	if sp.Flags&schemas.Escaped != 0 && w.enc != encPlain {
		raw = appendUnescaped(nil, raw) // nobody escapes what these encodings need
	}
	switch w.enc {
	case encText:
		return appendISO(dst, raw, sp.Kind)
	case encBase64:
		return appendDecoded(dst, raw)
	case encDecimal:
		return appendDecimal(dst, raw, sp, w)
	case encFloat:
		if sp.Flags&schemas.Quoted != 0 {
			return dst, schemas.Fail(schemas.CodeNotANumber, "")
		}
		return appendFloat(dst, raw, sp.Kind)
	case encDays, encTicks:
		return appendTicks(dst, raw, sp.Kind, w)
	}
	switch {
	case sp.Flags&schemas.Quoted == 0 && sp.Kind.Numeric():
		return appendNumber(dst, raw, sp.Kind)
	case sp.Flags&schemas.Escaped != 0:
		return appendUnescaped(dst, raw), nil
	}
	return append(dst, raw...), nil
}

// appendNumber appends a number's canonical text; an integer kind takes
// integers only, however they are written.
func appendNumber(dst, raw []byte, kind schemas.Kind) ([]byte, error) {
	out, err := schemas.AppendCanonicalNumber(dst, raw)
	if err != nil {
		return dst, err
	}
	whole := kind == schemas.KindInt || kind == schemas.KindLong
	if whole && bytes.IndexByte(out[len(dst):], '.') >= 0 {
		return dst, schemas.Fail(schemas.CodeType, "")
	}
	return out, nil
}

// appendFloat appends the shortest text that reads back as the same float of
// the kind's width, in the form of any other number.
func appendFloat(dst, raw []byte, kind schemas.Kind) ([]byte, error) {
	width := 64
	if kind == schemas.KindFloat {
		width = 32
	}
	f, err := strconv.ParseFloat(string(raw), width)
	if err != nil { // out of range
		return dst, schemas.Fail(schemas.CodeNotANumber, "")
	}
	var buf [32]byte
	return schemas.AppendCanonicalNumber(dst, strconv.AppendFloat(buf[:0], f, 'e', -1, width))
}

func appendDecoded(dst, raw []byte) ([]byte, error) {
	out, err := base64.StdEncoding.AppendDecode(dst, raw)
	if err != nil { // its text says where and what
		return dst, schemas.Fail(schemas.CodeType, "")
	}
	return out, nil
}

func appendDecimal(dst, raw []byte, sp *schemas.Span, w wire) ([]byte, error) {
	if sp.Flags&schemas.Quoted == 0 {
		return schemas.AppendCanonicalNumber(dst, raw)
	}
	out, err := appendDecoded(dst, raw)
	if err != nil {
		return dst, err
	}
	// AppendDecimal has read the bytes before it writes over them.
	return schemas.AppendDecimal(dst, out[len(dst):], w.scale)
}

func appendTicks(dst, raw []byte, kind schemas.Kind, w wire) ([]byte, error) {
	v, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil { // its text quotes the number
		return dst, schemas.Fail(schemas.CodeType, "")
	}
	switch kind {
	case schemas.KindDate:
		return schemas.AppendDate(dst, v), nil
	case schemas.KindTime:
		return schemas.AppendTime(dst, v, w.unit), nil
	}
	return schemas.AppendInstant(dst, v, w.unit, kind == schemas.KindInstant), nil
}

// appendISO appends the canonical form of text that is written as text.
func appendISO(dst, raw []byte, kind schemas.Kind) ([]byte, error) {
	switch kind {
	case schemas.KindUUID:
		return appendUUID(dst, raw)
	case schemas.KindDate:
		days, err := schemas.ParseDate(raw)
		if err != nil {
			return dst, err
		}
		return schemas.AppendDate(dst, days), nil
	case schemas.KindTime:
		t, err := schemas.ParseTime(raw, 9)
		if err != nil {
			return dst, err
		}
		return schemas.AppendTime(dst, t, 9), nil
	case schemas.KindInstant:
		return schemas.AppendCanonicalInstant(dst, raw)
	}
	return schemas.AppendCanonicalLocal(dst, raw)
}

func appendUUID(dst, raw []byte) ([]byte, error) {
	if len(raw) != 36 {
		return dst, schemas.Fail(schemas.CodeType, "")
	}
	out := dst
	for i, c := range raw {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return dst, schemas.Fail(schemas.CodeType, "")
			}
		case hexDigit(c) < 0:
			return dst, schemas.Fail(schemas.CodeType, "")
		case c >= 'A' && c <= 'F':
			c |= 0x20
		}
		out = append(out, c)
	}
	return out, nil
}
