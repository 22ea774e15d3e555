package transformtest

import (
	"errors"
	"strconv"
	"unicode/utf8"

	"weir/schemas"
)

var errNotCanonical = errors.New("not canonical text")

// canonical checks text against what contract 20 says of a kind.
func canonical(k schemas.Kind, scale int, l *schemas.Leaf, text string) error {
	switch k {
	case schemas.KindString, schemas.KindEnum:
		if !utf8.ValidString(text) {
			return errNotCanonical
		}
		return nil
	case schemas.KindBool:
		_, err := strconv.ParseBool(text)
		return err
	case schemas.KindInt, schemas.KindLong:
		bits := 64
		if k == schemas.KindInt {
			bits = 32
		}
		v, err := strconv.ParseInt(text, 10, bits)
		return same(text, strconv.AppendInt(nil, v, 10), err)
	case schemas.KindNumber:
		got, err := schemas.AppendCanonicalNumber(nil, []byte(text))
		return same(text, got, err)
	case schemas.KindDecimal:
		raw, err := schemas.ParseDecimal(nil, []byte(text), scale)
		if err != nil {
			return err
		}
		got, err := schemas.AppendDecimal(nil, raw, scale)
		return same(text, got, err)
	case schemas.KindFloat, schemas.KindDouble:
		_, err := strconv.ParseFloat(text, 64)
		return err
	}
	return canonicalMoment(k, l, text)
}

func canonicalMoment(k schemas.Kind, l *schemas.Leaf, text string) error {
	switch k {
	case schemas.KindDate:
		v, err := schemas.ParseDate([]byte(text))
		return same(text, schemas.AppendDate(nil, v), err)
	case schemas.KindTime:
		v, err := schemas.ParseTime([]byte(text), l.Unit)
		return same(text, schemas.AppendTime(nil, v, l.Unit), err)
	case schemas.KindInstant, schemas.KindLocal:
		zone := k == schemas.KindInstant
		v, err := schemas.ParseInstant([]byte(text), l.Unit, zone)
		return same(text, schemas.AppendInstant(nil, v, l.Unit, zone), err)
	}
	return nil // bytes, and kinds whose text has one form only
}

func same(text string, got []byte, err error) error {
	if err == nil && string(got) != text {
		return errNotCanonical
	}
	return err
}
