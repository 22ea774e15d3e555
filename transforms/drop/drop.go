// Package drop holds the treatments that do not look at the value: drop, pass,
// null and constant.
//
// The first three are decided with the schema, not with the record: Compile
// asks them which they are (Drops, Passes, Nulls) and never runs them.
package drop

import (
	"errors"
	"strconv"

	"weir/schemas"
	"weir/transforms"
)

// Drop takes the field out of value and schema.
type Drop struct{ marker }

// Pass leaves the field as it is, byte for byte.
type Pass struct{ marker }

// Null replaces the value by null.
type Null struct{ marker }

// Drops reports true.
func (Drop) Drops() bool { return true }

// Passes reports true.
func (Pass) Passes() bool { return true }

// Nulls reports true.
func (Null) Nulls() bool { return true }

// Append copies src: what passes may be run.
func (Pass) Append(dst, src []byte, _ *transforms.Field) ([]byte, error) {
	return append(dst, src...), nil
}

// KeySafe reports true: what passes is one-to-one.
func (Pass) KeySafe() bool { return true }

type marker struct{}

// Append fails: a marker that reaches the records was not understood.
func (marker) Append(dst, _ []byte, _ *transforms.Field) ([]byte, error) {
	return dst, schemas.Fail(schemas.CodeUnsupported, "")
}

// Out keeps the kind.
func (marker) Out(in schemas.Kind) (schemas.Kind, int, error) { return in, 0, nil }

// NewDrop is the factory of `drop`.
func NewDrop(_ *transforms.Env, args transforms.Args) (transforms.Transform, error) {
	return Drop{}, noOptions("drop", args)
}

// NewPass is the factory of `pass`.
func NewPass(_ *transforms.Env, args transforms.Args) (transforms.Transform, error) {
	return Pass{}, noOptions("pass", args)
}

// NewNull is the factory of `null`.
func NewNull(_ *transforms.Env, args transforms.Args) (transforms.Transform, error) {
	return Null{}, noOptions("null", args)
}

func noOptions(name string, args transforms.Args) error {
	if len(args) > 0 {
		return errors.New(name + " has no options")
	}
	return nil
}

// Constant replaces every value, null too, by one text.
type Constant struct {
	text  []byte
	in    schemas.Kind // the leaf's
	out   schemas.Kind
	scale int
}

// NewConstant is the factory of `constant: X`. The result keeps the field's
// kind where X is a value of it, and is a string otherwise; where the schema
// does not say the kind, X's own decides.
func NewConstant(env *transforms.Env, args transforms.Args) (transforms.Transform, error) {
	v, ok := args[""]
	if !ok || len(args) != 1 {
		return nil, errors.New("constant takes one value, as in constant: hidden")
	}
	text, own, err := scalar(v)
	if err != nil {
		return nil, err
	}
	c := &Constant{text: text, out: own}
	if env.Leaf == nil || env.Leaf.Kind == schemas.KindAny {
		return c, nil
	}
	c.in, c.out = env.Leaf.Kind, schemas.KindString
	if fit, ok := fits(env.Leaf, text); ok {
		c.text, c.out = fit, c.in
		if c.in == schemas.KindDecimal {
			c.scale = env.Leaf.Scale
		}
	}
	return c, nil
}

// scalar is a policy value's text and kind.
func scalar(v any) ([]byte, schemas.Kind, error) {
	switch v := v.(type) {
	case string:
		return []byte(v), schemas.KindString, nil
	case bool:
		return strconv.AppendBool(nil, v), schemas.KindBool, nil
	case int:
		return strconv.AppendInt(nil, int64(v), 10), schemas.KindNumber, nil
	case int64:
		return strconv.AppendInt(nil, v, 10), schemas.KindNumber, nil
	case uint64:
		return strconv.AppendUint(nil, v, 10), schemas.KindNumber, nil
	case float64:
		text, err := schemas.AppendCanonicalNumber(nil, strconv.AppendFloat(nil, v, 'g', -1, 64))
		return text, schemas.KindNumber, err
	}
	return nil, 0, errors.New("constant takes a text, a number, true or false; for null there is the treatment null")
}

// fits is text as canonical text of the leaf's kind, if it is a value of it.
func fits(l *schemas.Leaf, text []byte) ([]byte, bool) {
	switch l.Kind {
	case schemas.KindString, schemas.KindBytes:
		return text, true
	case schemas.KindBool:
		return text, string(text) == "true" || string(text) == "false"
	case schemas.KindInt:
		_, err := strconv.ParseInt(string(text), 10, 32)
		return number(text, err)
	case schemas.KindLong:
		_, err := strconv.ParseInt(string(text), 10, 64)
		return number(text, err)
	case schemas.KindFloat:
		_, err := strconv.ParseFloat(string(text), 32)
		return number(text, err)
	case schemas.KindDouble:
		_, err := strconv.ParseFloat(string(text), 64)
		return number(text, err)
	case schemas.KindNumber:
		return number(text, nil)
	case schemas.KindDecimal:
		_, err := schemas.ParseDecimal(nil, text, l.Scale)
		return number(text, err)
	case schemas.KindUUID:
		return text, isUUID(text)
	}
	return temporal(l, text)
}

func number(text []byte, err error) ([]byte, bool) {
	if err != nil {
		return nil, false
	}
	out, err := schemas.AppendCanonicalNumber(nil, text)
	return out, err == nil
}

func temporal(l *schemas.Leaf, text []byte) ([]byte, bool) {
	switch l.Kind {
	case schemas.KindDate:
		days, err := schemas.ParseDate(text)
		return schemas.AppendDate(nil, days), err == nil
	case schemas.KindTime:
		v, err := schemas.ParseTime(text, l.Unit)
		return schemas.AppendTime(nil, v, l.Unit), err == nil
	case schemas.KindInstant, schemas.KindLocal:
		zone := l.Kind == schemas.KindInstant
		v, err := schemas.ParseInstant(text, l.Unit, zone)
		return schemas.AppendInstant(nil, v, l.Unit, zone), err == nil
	}
	return nil, false
}

// isUUID: 8-4-4-4-12 digits of lower-case hex.
func isUUID(s []byte) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f'
		if dash && c != '-' || !dash && !hex {
			return false
		}
	}
	return true
}

// Append appends the constant.
func (c *Constant) Append(dst, _ []byte, _ *transforms.Field) ([]byte, error) {
	return append(dst, c.text...), nil
}

// Out is the kind that the constant has at this leaf.
func (c *Constant) Out(in schemas.Kind) (schemas.Kind, int, error) {
	if in.Container() {
		return 0, 0, errors.New("constant replaces single values, not records, arrays or maps")
	}
	return c.out, c.scale, nil
}

// ReplacesNull reports true: constant is the one treatment of nulls (contract 8).
func (c *Constant) ReplacesNull() bool { return true }

// Describe prints the constant as the policy gives it.
func (c *Constant) Describe() string { return strconv.Quote(string(c.text)) }
