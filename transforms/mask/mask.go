// Package mask hides a part of a text behind a character: for display, where
// people must recognise a value that they know.
//
//	person.name:       {mask: {keep_first: 1}}    # 张三丰 → 张**
//	contact.mobile_cn: mask                       # the class's preset: 138****8000
//
// It counts runes and never splits one; what looks like one character but is
// several (combining marks, flags, families of emoji) is counted as several. A
// text that is not longer than what would be kept is hidden wholly. Masks are
// not one-to-one, and a kept length is a fact about the value.
package mask

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"weir/schemas"
	"weir/transforms"
)

// Mask is the compiled treatment. It is immutable.
type Mask struct {
	hide       hider
	separators bool // inside the hidden part, those of numbers stay
	char       string
	keepLength length
	describe   string
}

// hider gives the part of s to hide: s[lo:hi], at rune borders.
type hider func(s []byte) (lo, hi int)

type length uint8

const (
	lengthByKind length = iota
	lengthKept
	lengthFixed
)

const (
	fixedChars = 3
	maxKeep    = 1000
)

type options struct {
	first, last int
	counts      bool // first or last was given
	preset      string
	char        string
	length      length
}

// New is the factory of `mask`. Options: keep_first and keep_last (runes), or
// preset; char (default *); keep_length (default true; false hides behind three
// characters, and so do fields whose values come from a small set: enums and
// booleans). Without counts and preset the class's preset holds, and where it
// has none everything is hidden.
func New(env *transforms.Env, args transforms.Args) (transforms.Transform, error) {
	o, err := parse(args)
	if err != nil {
		return nil, err
	}
	m := &Mask{char: o.char, keepLength: o.length}
	switch {
	case o.counts:
		m.hide = keep(o.first, o.last, 1)
		m.describe = fmt.Sprintf("keep_first: %d, keep_last: %d", o.first, o.last)
	case o.preset == "" && env.Class != nil:
		o.preset = presetOf(env.Class.ID)
	case o.preset == "":
		o.preset = presetAll
	}
	if !o.counts {
		p := presets()[o.preset]
		m.hide, m.separators = p.hide, p.separators
		m.describe = "preset: " + o.preset
	}
	if o.char != "*" {
		m.describe += ", char: " + o.char
	}
	if o.length == lengthFixed {
		m.describe += ", keep_length: false"
	}
	return m, nil
}

func parse(args transforms.Args) (options, error) {
	o := options{char: "*"}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		var err error
		switch v := args[name]; name {
		case "keep_first":
			o.first, err = count(name, v)
			o.counts = true
		case "keep_last":
			o.last, err = count(name, v)
			o.counts = true
		case "preset":
			o.preset, err = preset(v)
		case "char":
			o.char, err = char(v)
		case "keep_length":
			o.length, err = keepLength(v)
		default:
			err = errors.New("mask has the options keep_first, keep_last, preset, char and keep_length, as in mask: {keep_first: 1}")
		}
		if err != nil {
			return o, err
		}
	}
	if o.counts && o.preset != "" {
		return o, errors.New("mask takes either a preset or keep_first and keep_last")
	}
	return o, nil
}

func count(name string, v any) (int, error) {
	n := int64(-1)
	switch v := v.(type) {
	case int:
		n = int64(v)
	case int64:
		n = v
	case uint64:
		n = int64(min(v, maxKeep+1))
	}
	if n < 0 || n > maxKeep {
		return 0, fmt.Errorf("%s is a whole number from 0 to %d", name, maxKeep)
	}
	return int(n), nil
}

func preset(v any) (string, error) {
	s, _ := v.(string)
	all := presets()
	if _, ok := all[s]; !ok {
		return "", fmt.Errorf("preset is one of %s", strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	return s, nil
}

func char(v any) (string, error) {
	s, _ := v.(string)
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || n != len(s) || r == utf8.RuneError || !unicode.IsGraphic(r) || unicode.IsMark(r) {
		return "", errors.New("char is one visible character, as in char: \"*\"")
	}
	return s, nil
}

func keepLength(v any) (length, error) {
	b, ok := v.(bool)
	switch {
	case !ok:
		return 0, errors.New("keep_length is true or false")
	case b:
		return lengthKept, nil
	}
	return lengthFixed, nil
}

// Append appends src with its hidden part replaced.
func (m *Mask) Append(dst, src []byte, f *transforms.Field) ([]byte, error) {
	if !utf8.Valid(src) {
		return dst, schemas.Fail(schemas.CodeUTF8, "")
	}
	lo, hi := m.hide(src)
	if f.Kind == schemas.KindBool {
		lo, hi = 0, len(src) // its length and each of its letters tell it
	}
	dst = append(dst, src[:lo]...)
	dst = m.cover(dst, src[lo:hi], f.Kind, m.separators && hi-lo < len(src))
	return append(dst, src[hi:]...), nil
}

func (m *Mask) cover(dst, hidden []byte, k schemas.Kind, separators bool) []byte {
	closed := k == schemas.KindBool || k == schemas.KindEnum && m.keepLength == lengthByKind
	if closed || m.keepLength == lengthFixed {
		for range fixedChars {
			dst = append(dst, m.char...)
		}
		return dst
	}
	for i := 0; i < len(hidden); {
		_, n := utf8.DecodeRune(hidden[i:])
		if separators && separator(hidden[i]) {
			dst = append(dst, hidden[i])
		} else {
			dst = append(dst, m.char...)
		}
		i += n
	}
	return dst
}

// Out is a string: a masked number is none.
func (m *Mask) Out(in schemas.Kind) (schemas.Kind, int, error) {
	switch {
	case in.Container():
		return 0, 0, errors.New("mask treats single values, not records, arrays or maps")
	case in == schemas.KindBytes || in == schemas.KindFixed:
		return 0, 0, errors.New("mask treats texts and numbers; bytes have no characters to keep")
	}
	return schemas.KindString, 0, nil
}

// Describe prints the options.
func (m *Mask) Describe() string { return m.describe }
