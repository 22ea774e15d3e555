package avro

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"

	"weir/schemas"
)

// Text implements schemas.Codec.
func (c *codec) Text(dst []byte, v *schemas.View, i int) ([]byte, error) {
	if i < 0 || i >= len(v.Spans) {
		return dst, schemas.Fail(schemas.CodeUnsupported, "")
	}
	sp := &v.Spans[i]
	if sp.Flags&schemas.Null != 0 {
		return dst, nil
	}
	out, code := appendText(dst, v.Src[sp.Start:sp.End], &c.wires[sp.Leaf])
	if code != "" {
		return dst, schemas.FailAt(code, c.leaves[sp.Leaf].Printed(), int(sp.Start))
	}
	return out, nil
}

// appendText writes the canonical text of a scanned value.
func appendText(dst, b []byte, w *wire) ([]byte, schemas.Code) {
	switch w.kind {
	case schemas.KindString, schemas.KindBytes, schemas.KindFixed:
		return append(dst, b...), ""
	case schemas.KindInt, schemas.KindLong:
		return strconv.AppendInt(dst, number(b), 10), ""
	case schemas.KindBool:
		return strconv.AppendBool(dst, b[0] == 1), ""
	case schemas.KindDecimal:
		return appendDecimal(dst, b, w.scale)
	case schemas.KindEnum:
		return append(dst, w.symbols[number(b)]...), ""
	case schemas.KindDate:
		return appendDate(dst, number(b)), ""
	case schemas.KindTime:
		return appendTime(dst, number(b), w.unit), ""
	case schemas.KindLocal:
		return appendMoment(dst, number(b), w.unit), ""
	case schemas.KindInstant:
		return appendInstant(dst, b, w)
	case schemas.KindUUID:
		return appendUUID(dst, b, w)
	case schemas.KindFloat:
		f := math.Float32frombits(binary.LittleEndian.Uint32(b))
		return appendFloat(dst, float64(f), 32)
	case schemas.KindDouble:
		return appendFloat(dst, math.Float64frombits(binary.LittleEndian.Uint64(b)), 64)
	case schemas.KindDuration:
		dst = strconv.AppendUint(dst, uint64(binary.LittleEndian.Uint32(b)), 10)
		dst = strconv.AppendUint(append(dst, ','), uint64(binary.LittleEndian.Uint32(b[4:])), 10)
		return strconv.AppendUint(append(dst, ','), uint64(binary.LittleEndian.Uint32(b[8:])), 10), ""
	}
	return dst, schemas.CodeUnsupported // containers have no text
}

// number reads a varint that the scan has checked.
func number(b []byte) int64 {
	u, _ := long(b, 0)
	return unzig(u)
}

// appendFloat writes the shortest digits that read back, never an exponent, so
// that the same number as a decimal gives the same text.
func appendFloat(dst []byte, f float64, bits int) ([]byte, schemas.Code) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, schemas.CodeNotANumber
	}
	if f == 0 {
		return append(dst, '0'), "" // minus zero too
	}
	return strconv.AppendFloat(dst, f, 'f', -1, bits), ""
}

func appendInstant(dst, b []byte, w *wire) ([]byte, schemas.Code) {
	if !w.zoned {
		return append(appendMoment(dst, number(b), w.unit), 'Z'), ""
	}
	sec, nanos, ok := parseMoment(b, true)
	if !ok {
		return dst, schemas.CodeType
	}
	return append(appendSeconds(dst, sec, nanos, 9), 'Z'), ""
}

// appendUUID writes 8-4-4-4-12 lower-case digits.
func appendUUID(dst, b []byte, w *wire) ([]byte, schemas.Code) {
	var raw [16]byte
	if w.typ == tFixed {
		copy(raw[:], b)
	} else if !parseUUID(&raw, b) {
		return dst, schemas.CodeType
	}
	for i, n := range [...]int{4, 6, 8, 10, 16} {
		from := [...]int{0, 4, 6, 8, 10}[i]
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, raw[from:n])
	}
	return dst, ""
}

func parseUUID(raw *[16]byte, b []byte) bool {
	if len(b) != 36 || b[8] != '-' || b[13] != '-' || b[18] != '-' || b[23] != '-' {
		return false
	}
	var digits [32]byte
	n := copy(digits[:], b[:8])
	n += copy(digits[n:], b[9:13])
	n += copy(digits[n:], b[14:18])
	n += copy(digits[n:], b[19:23])
	copy(digits[n:], b[24:])
	_, err := hex.Decode(raw[:], digits[:])
	return err == nil
}
