// Package general makes values coarser: a date becomes the first day of its
// period, a number the floor of its step, a text its beginning.
//
//	person.birth_date:   {generalise: {date: year}}       # 1987-06-05 → 1987-01-01
//	finance.transaction: {generalise: {number: 1000}}     # 1234.5 → 1000, -1 → -1000
//	contact.postcode:    {generalise: {prefix: 3, fill: "0"}}  # 100083 → 100000
//	text.free:           {truncate: {chars: 20}}
//
// Dates and numbers keep their kind. Everything is decided by the value alone.
package general

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"

	"weir/schemas"
	"weir/transforms"
)

const maxChars = 1_000_000

// NewTruncate is the factory of `truncate: {chars: n}`, or `truncate: n`: the
// first n runes of a text.
func NewTruncate(_ *transforms.Env, args transforms.Args) (transforms.Transform, error) {
	const usage = "truncate has one option, as in truncate: {chars: 20}"
	v, ok := args["chars"]
	if !ok {
		v, ok = args[""]
	}
	if !ok || len(args) != 1 {
		return nil, errors.New(usage)
	}
	n, err := whole("chars", v)
	if err != nil {
		return nil, err
	}
	return &Prefix{runes: n, describe: fmt.Sprintf("chars: %d", n)}, nil
}

// NewGeneralise is the factory of `generalise`. Exactly one of date (year,
// quarter, month, week, decade), number (a step) and prefix (runes kept, with
// fill for what stands in place of each that is cut); a bare period is a date.
func NewGeneralise(env *transforms.Env, args transforms.Args) (transforms.Transform, error) {
	if v, ok := args[""]; ok && len(args) == 1 {
		return newDate(v)
	}
	if v, ok := args["prefix"]; ok {
		return newPrefix(v, args)
	}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		switch {
		case len(args) != 1:
		case name == "date":
			return newDate(args[name])
		case name == "number":
			return newStep(env.Leaf, args[name])
		}
	}
	return nil, errors.New("generalise takes one of date, number and prefix (with fill), as in generalise: {date: month}")
}

func whole(name string, v any) (int, error) {
	n := int64(0)
	switch v := v.(type) {
	case int:
		n = int64(v)
	case int64:
		n = v
	case uint64:
		n = int64(min(v, maxChars+1))
	}
	if n < 1 || n > maxChars {
		return 0, fmt.Errorf("%s is a whole number from 1 to %d", name, maxChars)
	}
	return int(n), nil
}

// Prefix keeps the first runes of a text.
type Prefix struct {
	runes    int
	fill     string // for each rune cut, "" to cut
	describe string
}

func newPrefix(v any, args transforms.Args) (transforms.Transform, error) {
	n, err := whole("prefix", v)
	if err != nil {
		return nil, err
	}
	p := &Prefix{runes: n, describe: fmt.Sprintf("prefix: %d", n)}
	if fill, ok := args["fill"]; ok {
		s, _ := fill.(string)
		r, size := utf8.DecodeRuneInString(s)
		if size == 0 || size != len(s) || r == utf8.RuneError || !unicode.IsGraphic(r) {
			return nil, errors.New("fill is one visible character, as in fill: \"0\"")
		}
		p.fill = s
		p.describe += ", fill: " + s
	}
	if len(args) > 1 && p.fill == "" || len(args) > 2 {
		return nil, errors.New("prefix goes with fill and nothing else, as in generalise: {prefix: 3, fill: \"0\"}")
	}
	return p, nil
}

// Append appends the beginning of src.
func (p *Prefix) Append(dst, src []byte, _ *transforms.Field) ([]byte, error) {
	if !utf8.Valid(src) {
		return dst, schemas.Fail(schemas.CodeUTF8, "")
	}
	end := 0
	for i := 0; i < p.runes && end < len(src); i++ {
		_, n := utf8.DecodeRune(src[end:])
		end += n
	}
	dst = append(dst, src[:end]...)
	if p.fill == "" {
		return dst, nil
	}
	for range utf8.RuneCount(src[end:]) {
		dst = append(dst, p.fill...)
	}
	return dst, nil
}

// Out is a string: a cut number or date is none.
func (p *Prefix) Out(in schemas.Kind) (schemas.Kind, int, error) {
	switch {
	case in.Container() || in == schemas.KindBytes || in == schemas.KindFixed:
		return 0, 0, errors.New("only texts, numbers and dates have a beginning to keep")
	}
	return schemas.KindString, 0, nil
}

// Describe prints the options.
func (p *Prefix) Describe() string { return p.describe }
