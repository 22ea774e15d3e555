package general

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"weir/schemas"
	"weir/transforms"
)

// Step replaces a number by the largest multiple of a step that is not above it,
// in exact decimal arithmetic on the text.
type Step struct {
	step  uint64 // in units of 10^-scale
	scale int
	text  string
	leaf  int // the leaf's own scale, kept
}

// maxStep leaves room for one more digit in a uint64.
const maxStep = 900_000_000_000_000_000

func newStep(l *schemas.Leaf, v any) (transforms.Transform, error) {
	bad := fmt.Errorf("number is a step above 0 of at most 17 digits, as in number: 1000 or number: \"0.5\"")
	var text []byte
	switch v := v.(type) {
	case string:
		text = []byte(v)
	case int:
		text = strconv.AppendInt(nil, int64(v), 10)
	case int64:
		text = strconv.AppendInt(nil, v, 10)
	case uint64:
		text = strconv.AppendUint(nil, v, 10)
	case float64:
		text = strconv.AppendFloat(nil, v, 'g', -1, 64)
	}
	text, err := schemas.AppendCanonicalNumber(nil, text)
	if err != nil {
		return nil, bad
	}
	whole, frac, _ := bytes.Cut(text, []byte("."))
	step, err := strconv.ParseUint(string(whole)+string(frac), 10, 64)
	if err != nil || step == 0 || step > maxStep {
		return nil, bad
	}
	s := &Step{step: step, scale: len(frac), text: string(text)}
	if l != nil {
		s.leaf = l.Scale
	}
	return s, nil
}

// Append appends the floor of src.
func (s *Step) Append(dst, src []byte, f *transforms.Field) ([]byte, error) {
	n := len(dst)
	dst, err := schemas.AppendCanonicalNumber(dst, src)
	if err != nil {
		return dst, err
	}
	// What follows works in place: dst[n:] is sign, whole, point and fraction.
	neg := dst[n] == '-'
	if neg {
		dst = append(dst[:n], dst[n+1:]...)
	}
	dst, rest := s.toUnits(dst, n)
	if dst, err = s.floor(dst, n, neg, rest); err != nil {
		return dst[:n], err
	}
	dst = s.fromUnits(dst, n, neg)
	if !inRange(dst[n:], f.Kind) {
		return dst[:n], schemas.Fail(schemas.CodeType, "")
	}
	return dst, nil
}

// toUnits makes dst[n:] a whole count of 10^-scale and says whether digits were
// cut.
func (s *Step) toUnits(dst []byte, n int) (out []byte, rest bool) {
	point := bytes.IndexByte(dst[n:], '.')
	have := 0
	if point >= 0 {
		point += n
		have = len(dst) - point - 1
		dst = append(dst[:point], dst[point+1:]...)
	}
	for ; have < s.scale; have++ {
		dst = append(dst, '0')
	}
	cut := len(dst) - (have - s.scale)
	for _, d := range dst[cut:] {
		rest = rest || d != '0'
	}
	return dst[:cut], rest
}

// floor takes the remainder off the digits dst[n:], and below zero adds a step.
func (s *Step) floor(dst []byte, n int, neg, rest bool) ([]byte, error) {
	var r uint64
	for _, d := range dst[n:] {
		r = (r*10 + uint64(d-'0')) % s.step
	}
	subtract(dst[n:], r)
	if !neg || r == 0 && !rest {
		return dst, nil
	}
	if carry := add(dst[n:], s.step); carry > 0 {
		dst = insert(dst, n, carry)
	}
	if len(dst)-n > schemas.MaxDigits {
		return dst, schemas.Fail(schemas.CodeNumber, "")
	}
	return dst, nil
}

func subtract(digits []byte, v uint64) {
	borrow := byte(0)
	for i := len(digits) - 1; i >= 0; i-- {
		take := byte(v%10) + borrow
		v /= 10
		d := digits[i] - '0'
		borrow = 0
		if d < take {
			d, borrow = d+10, 1
		}
		digits[i] = '0' + d - take
	}
}

// add adds v and gives what does not fit.
func add(digits []byte, v uint64) uint64 {
	for i := len(digits) - 1; i >= 0 && v > 0; i-- {
		v += uint64(digits[i] - '0')
		digits[i] = byte('0' + v%10)
		v /= 10
	}
	return v
}

// insert puts v's digits before dst[n:].
func insert(dst []byte, n int, v uint64) []byte {
	var buf [20]byte
	head := strconv.AppendUint(buf[:0], v, 10)
	dst = append(dst, head...)
	copy(dst[n+len(head):], dst[n:len(dst)-len(head)])
	copy(dst[n:], head)
	return dst
}

// fromUnits puts sign and point back: canonical text again.
func (s *Step) fromUnits(dst []byte, n int, neg bool) []byte {
	for len(dst)-n <= s.scale {
		dst = insert(dst, n, 0)
	}
	digits := len(dst)
	if s.scale > 0 {
		dst = append(dst, 0)
		at := digits - s.scale
		copy(dst[at+1:], dst[at:digits])
		dst[at] = '.'
		dst = bytes.TrimRight(dst, "0")
		dst = bytes.TrimSuffix(dst, []byte("."))
	}
	lead := 0 // leading zeros, but one before a point or at the end
	for n+lead+1 < len(dst) && dst[n+lead] == '0' && dst[n+lead+1] != '.' {
		lead++
	}
	dst = append(dst[:n], dst[n+lead:]...)
	if neg && string(dst[n:]) != "0" {
		dst = append(dst, 0)
		copy(dst[n+1:], dst[n:])
		dst[n] = '-'
	}
	return dst
}

// inRange: a floor may fall below what the kind can hold.
func inRange(text []byte, k schemas.Kind) bool {
	bits := 64
	switch k {
	case schemas.KindInt:
		bits = 32
	case schemas.KindLong:
	default:
		return true
	}
	_, err := strconv.ParseInt(string(text), 10, bits)
	return err == nil
}

// Out keeps the kind, and a decimal's scale. Strings must hold numbers.
func (s *Step) Out(in schemas.Kind) (schemas.Kind, int, error) {
	switch in {
	case schemas.KindInt, schemas.KindLong:
		if s.scale > 0 {
			return 0, 0, errors.New("whole numbers need a whole step, not " + s.text)
		}
	case schemas.KindDecimal:
		if s.scale > s.leaf {
			return 0, 0, fmt.Errorf("step %s has more fraction digits than the field, which has %d", s.text, s.leaf)
		}
		return in, s.leaf, nil
	case schemas.KindNumber, schemas.KindFloat, schemas.KindDouble, schemas.KindString:
	default:
		return 0, 0, errors.New("generalise: {number: …} treats numbers, and strings that hold them, not " + in.String())
	}
	return in, 0, nil
}

// Describe prints the options.
func (s *Step) Describe() string { return "number: " + s.text }
