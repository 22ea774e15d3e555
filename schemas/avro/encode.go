package avro

import (
	"encoding/binary"
	"math"
	"strconv"

	"weir/schemas"
)

// appendValue writes canonical text as w's type has it, length prefix included.
func appendValue(dst, text []byte, w *wire) ([]byte, schemas.Code) {
	switch w.kind {
	case schemas.KindString:
		if !validUTF8(text) {
			return dst, schemas.CodeUTF8
		}
		return appendSized(dst, text), ""
	case schemas.KindBytes:
		return appendSized(dst, text), ""
	case schemas.KindFixed:
		if len(text) != w.size {
			return dst, schemas.CodeType
		}
		return append(dst, text...), ""
	case schemas.KindInt, schemas.KindLong:
		return appendInteger(dst, text, w.typ)
	case schemas.KindBool:
		return appendBool(dst, text)
	case schemas.KindFloat, schemas.KindDouble:
		return appendBinary(dst, text, w.typ)
	case schemas.KindDecimal:
		return encodeDecimal(dst, text, w)
	case schemas.KindEnum:
		return encodeEnum(dst, text, w)
	case schemas.KindUUID:
		return encodeUUID(dst, text, w)
	case schemas.KindDuration:
		return encodeDuration(dst, text)
	case schemas.KindDate, schemas.KindTime, schemas.KindInstant, schemas.KindLocal:
		return encodeTime(dst, text, w)
	case schemas.KindNull:
		return dst, ""
	}
	return dst, schemas.CodeUnsupported
}

// appendSized writes the length, one or two bytes long as a rule, and the bytes.
func appendSized(dst, b []byte) []byte {
	switch n := len(b); {
	case n < 1<<6:
		dst = append(dst, byte(n<<1))
	case n < 1<<13:
		dst = append(dst, byte(n<<1)|0x80, byte(n>>6))
	default:
		dst = appendVarint(dst, int64(n))
	}
	return append(dst, b...)
}

// parseInteger reads -digits of at most 64 bits.
func parseInteger(b []byte) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	var u uint64
	for _, c := range b {
		if c-'0' > 9 {
			return 0, false
		}
		u = u*10 + uint64(c-'0')
	}
	if neg {
		return -int64(u), u <= 1<<63
	}
	return int64(u), u <= math.MaxInt64
}

func appendInteger(dst, text []byte, t typ) ([]byte, schemas.Code) {
	n, ok := parseInteger(text)
	if !ok {
		return dst, schemas.CodeType
	}
	return appendNumber(dst, n, t)
}

// appendNumber writes an int or a long.
func appendNumber(dst []byte, n int64, t typ) ([]byte, schemas.Code) {
	if t == tInt && int64(int32(n)) != n {
		return dst, schemas.CodeType
	}
	return appendVarint(dst, n), ""
}

func appendBool(dst, text []byte) ([]byte, schemas.Code) {
	switch string(text) {
	case "true":
		return append(dst, 1), ""
	case "false":
		return append(dst, 0), ""
	}
	return dst, schemas.CodeType
}

func appendBinary(dst, text []byte, t typ) ([]byte, schemas.Code) {
	if len(text) > schemas.MaxDigits+8 {
		return dst, schemas.CodeNumber
	}
	if _, _, _, ok := splitNumber(text); !ok {
		return dst, schemas.CodeType
	}
	if t == tFloat {
		f, err := strconv.ParseFloat(string(text), 32)
		if err != nil {
			return dst, schemas.CodeType
		}
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f))), ""
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return dst, schemas.CodeType
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), ""
}

func encodeDecimal(dst, text []byte, w *wire) ([]byte, schemas.Code) {
	var tmp [32]byte
	b, code := unscaled(tmp[:0], text, w.scale, w.prec)
	if code != "" {
		return dst, code
	}
	if w.typ != tFixed {
		return appendSized(dst, b), ""
	}
	if len(b) > w.size {
		return dst, schemas.CodeType
	}
	fill := byte(0)
	if b[0] >= 0x80 {
		fill = 0xff
	}
	for n := w.size - len(b); n > 0; n-- {
		dst = append(dst, fill)
	}
	return append(dst, b...), ""
}

func encodeEnum(dst, text []byte, w *wire) ([]byte, schemas.Code) {
	for i, s := range w.symbols {
		if s == string(text) {
			return appendVarint(dst, int64(i)), ""
		}
	}
	return dst, schemas.CodeBranch
}

func encodeUUID(dst, text []byte, w *wire) ([]byte, schemas.Code) {
	var raw [16]byte
	if !parseUUID(&raw, text) {
		return dst, schemas.CodeType
	}
	if w.typ == tFixed {
		return append(dst, raw[:]...), ""
	}
	return appendUUID(appendVarint(dst, 36), raw[:], &wire{typ: tFixed})
}

// encodeDuration reads months,days,millis.
func encodeDuration(dst, text []byte) ([]byte, schemas.Code) {
	r := readerOf(text)
	at := len(dst)
	for i := range 3 {
		if i > 0 {
			r.byte(',')
		}
		n := r.digits(1, 10)
		if n > math.MaxUint32 {
			r.ok = false
		}
		dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	}
	if !r.done() {
		return dst[:at], schemas.CodeType
	}
	return dst, ""
}

// encodeTime writes dates, times and moments; digits beyond the leaf's unit are
// refused rather than cut.
func encodeTime(dst, text []byte, w *wire) ([]byte, schemas.Code) {
	var n int64
	var ok bool
	switch w.kind {
	case schemas.KindDate:
		n, ok = parseDate(text)
	case schemas.KindTime:
		n, ok = parseTime(text, w.unit)
	default:
		var sec, nanos int64
		if sec, nanos, ok = parseMoment(text, w.kind == schemas.KindInstant); !ok {
			break
		}
		if w.zoned {
			return appendSized(dst, text), ""
		}
		n, ok = count(sec, nanos, w.unit)
	}
	if !ok {
		return dst, schemas.CodeType
	}
	return appendNumber(dst, n, w.typ)
}
