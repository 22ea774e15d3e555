package schemas

import "math/bits"

// number is a decimal number taken apart, its digits still in the text they
// came from: 0.d₁d₂…dₙ × 10^point, where the digits are head followed by tail,
// without leading or trailing zeros. Zero has no digits.
type number struct {
	neg        bool
	head, tail []byte
	point      int64
}

func (n number) zero() bool { return len(n.head)+len(n.tail) == 0 }

func (n number) digits() int64 { return int64(len(n.head) + len(n.tail)) }

// exponentLimit saturates exponents: far beyond MaxDigits and beyond what the
// digits of any payload can make up for, far below overflow.
const exponentLimit = 1 << 40

// AppendCanonicalNumber appends the canonical text (contract 20) of a number to
// dst: no exponent, no trailing fraction zeros, -0 as 0. text follows JSON's
// grammar (RFC 8259 §6; a sign before the exponent and E are JSON too). NaN and
// infinities give CodeNotANumber, other text CodeMalformed, and numbers that
// need more than MaxDigits digits CodeNumber, before anything is expanded. dst
// and text may not overlap; dst is returned unchanged with an error.
func AppendCanonicalNumber(dst, text []byte) ([]byte, error) {
	n, err := parseNumber(text)
	if err != nil {
		return dst, err
	}
	return n.append(dst)
}

func parseNumber(text []byte) (number, error) {
	rest, neg := text, false
	if len(rest) > 0 && rest[0] == '-' {
		neg, rest = true, rest[1:]
	}
	whole, rest := takeDigits(rest)
	if len(whole) == 0 || len(whole) > 1 && whole[0] == '0' {
		return number{}, badNumber(text)
	}
	var frac []byte
	if len(rest) > 0 && rest[0] == '.' {
		if frac, rest = takeDigits(rest[1:]); len(frac) == 0 {
			return number{}, badNumber(text)
		}
	}
	exp, ok := parseExponent(rest)
	if !ok {
		return number{}, badNumber(text)
	}
	return makeNumber(neg, whole, frac, exp), nil
}

// makeNumber takes whole.frac × 10^exp, zeros at both ends still there. It
// returns a value, and the digits stay where they are: stack buffers may be
// given.
func makeNumber(neg bool, whole, frac []byte, exp int64) number {
	point := int64(len(whole)) + exp
	for len(whole)+len(frac) > 0 && first(whole, frac) == '0' {
		point--
		if len(whole) > 0 {
			whole = whole[1:]
		} else {
			frac = frac[1:]
		}
	}
	frac = trimZeros(frac)
	if len(frac) == 0 {
		whole = trimZeros(whole)
	}
	if len(whole)+len(frac) == 0 {
		return number{}
	}
	return number{neg: neg, head: whole, tail: frac, point: point}
}

func first(a, b []byte) byte {
	if len(a) > 0 {
		return a[0]
	}
	return b[0]
}

func trimZeros(d []byte) []byte {
	for len(d) > 0 && d[len(d)-1] == '0' {
		d = d[:len(d)-1]
	}
	return d
}

func takeDigits(s []byte) (digits, rest []byte) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

func parseExponent(s []byte) (int64, bool) {
	if len(s) == 0 {
		return 0, true
	}
	if s[0]|0x20 != 'e' {
		return 0, false
	}
	s = s[1:]
	neg := false
	if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
		neg, s = s[0] == '-', s[1:]
	}
	digits, rest := takeDigits(s)
	if len(digits) == 0 || len(rest) > 0 {
		return 0, false
	}
	var e int64
	for _, d := range digits {
		e = min(e*10+int64(d-'0'), exponentLimit)
	}
	if neg {
		e = -e
	}
	return e, true
}

// badNumber tells NaN and the infinities, in the spellings of Go, Java and
// JavaScript, from text that is no number at all.
func badNumber(text []byte) error {
	t := text
	if len(t) > 0 && (t[0] == '-' || t[0] == '+') {
		t = t[1:]
	}
	switch string(t) {
	case "NaN", "nan", "Inf", "inf", "Infinity", "infinity":
		return Fail(CodeNotANumber, "")
	}
	return Fail(CodeMalformed, "")
}

// width is how many digits the expanded text has, the lone 0 before a point
// counted.
func (n number) width() int64 {
	switch d := n.digits(); {
	case d == 0:
		return 1
	case n.point <= 0:
		return 1 - n.point + d
	default:
		return max(d, n.point)
	}
}

func (n number) append(dst []byte) ([]byte, error) {
	if n.width() > MaxDigits {
		return dst, Fail(CodeNumber, "")
	}
	if n.zero() {
		return append(dst, '0'), nil
	}
	if n.neg {
		dst = append(dst, '-')
	}
	d, p := n.digits(), n.point
	switch {
	case p <= 0:
		dst = append(dst, '0', '.')
		dst = appendZeros(dst, -p)
		return append(append(dst, n.head...), n.tail...), nil
	case p >= d:
		dst = append(append(dst, n.head...), n.tail...)
		return appendZeros(dst, p-d), nil
	case p <= int64(len(n.head)):
		dst = append(append(dst, n.head[:p]...), '.')
		return append(append(dst, n.head[p:]...), n.tail...), nil
	default:
		p -= int64(len(n.head))
		dst = append(append(dst, n.head...), n.tail[:p]...)
		return append(append(dst, '.'), n.tail[p:]...), nil
	}
}

func appendZeros(dst []byte, n int64) []byte {
	for ; n > 0; n-- {
		dst = append(dst, '0')
	}
	return dst
}

// Decimals are worked in base 2⁶⁴, least significant limb first, on the stack.
const (
	maxDecimalBytes = 416 // two's complement of MaxDigits digits
	maxLimbs        = maxDecimalBytes/8 + 1
	chunk           = 1e19 // the largest power of ten in a limb
	chunkDigits     = 19
)

type limbs struct {
	w [maxLimbs]uint64
	n int
}

// AppendDecimal appends the canonical text of unscaled × 10^-scale to dst.
// unscaled is a big-endian two's complement integer, as Avro's decimal and
// Connect's Decimal write it; scale may be negative. No bytes at all give
// CodeMalformed, more than MaxDigits digits CodeNumber.
func AppendDecimal(dst, unscaled []byte, scale int) ([]byte, error) {
	if len(unscaled) == 0 {
		return dst, Fail(CodeMalformed, "")
	}
	var l limbs
	neg, ok := l.fromBytes(unscaled)
	if !ok {
		return dst, Fail(CodeNumber, "")
	}
	var buf [maxLimbs*20 + chunkDigits]byte
	i := l.digits(&buf)
	return makeNumber(neg, buf[i:], nil, clampExponent(-int64(scale))).append(dst)
}

func clampExponent(e int64) int64 { return max(-exponentLimit, min(e, exponentLimit)) }

// fromBytes loads the magnitude of a two's complement integer.
func (l *limbs) fromBytes(b []byte) (neg, ok bool) {
	neg = b[0]&0x80 != 0
	fill := byte(0)
	if neg {
		fill = 0xff
	}
	for len(b) > 1 && b[0] == fill && b[1]&0x80 == fill&0x80 {
		b = b[1:] // sign extension says nothing
	}
	if len(b) > maxDecimalBytes {
		return neg, false
	}
	carry := uint64(0)
	if neg {
		carry = 1
	}
	for ; len(b) > 0; l.n++ {
		var w uint64
		for shift := 0; shift < 64; shift += 8 {
			c := fill
			if len(b) > 0 {
				c, b = b[len(b)-1], b[:len(b)-1]
			}
			w |= uint64(c) << shift
		}
		if neg {
			w = ^w
		}
		l.w[l.n], carry = bits.Add64(w, carry, 0)
	}
	l.trim()
	return neg, true
}

func (l *limbs) trim() {
	for l.n > 0 && l.w[l.n-1] == 0 {
		l.n--
	}
}

// digits writes l in decimal at the end of buf and says where it begins. It
// uses l up.
func (l *limbs) digits(buf *[maxLimbs*20 + chunkDigits]byte) int {
	i := len(buf)
	for l.n > 0 {
		var rem uint64
		for j := l.n - 1; j >= 0; j-- {
			l.w[j], rem = bits.Div64(rem, l.w[j], chunk)
		}
		l.trim()
		for k := 0; k < chunkDigits; k++ {
			i--
			buf[i] = byte('0' + rem%10)
			rem /= 10
		}
	}
	return i
}

// mulAdd makes l × m + a; false when it does not fit.
func (l *limbs) mulAdd(m, a uint64) bool {
	for j := 0; j < l.n; j++ {
		hi, lo := bits.Mul64(l.w[j], m)
		lo, c := bits.Add64(lo, a, 0)
		l.w[j], a = lo, hi+c
	}
	if a == 0 {
		return true
	}
	if l.n == maxLimbs {
		return false
	}
	l.w[l.n] = a
	l.n++
	return true
}

// ParseDecimal appends to dst the shortest big-endian two's complement integer
// v with v × 10^-scale = text, the inverse of AppendDecimal. text is any number
// that AppendCanonicalNumber reads. Fraction digits beyond the scale give
// CodeType (nothing is rounded), more than MaxDigits digits CodeNumber.
func ParseDecimal(dst, text []byte, scale int) ([]byte, error) {
	n, err := parseNumber(text)
	if err != nil {
		return dst, err
	}
	if n.zero() {
		return append(dst, 0), nil
	}
	whole := n.point + clampExponent(int64(scale)) // digits of the unscaled integer
	if whole < n.digits() {
		return dst, Fail(CodeType, "")
	}
	if whole > MaxDigits {
		return dst, Fail(CodeNumber, "")
	}
	var l limbs
	if !l.load(n, whole) {
		return dst, Fail(CodeNumber, "")
	}
	return l.appendBytes(dst, n.neg), nil
}

func (l *limbs) load(n number, whole int64) bool {
	ok := true
	for _, part := range [2][]byte{n.head, n.tail} {
		for _, d := range part {
			ok = ok && l.mulAdd(10, uint64(d-'0'))
		}
	}
	for i := n.digits(); i < whole; i++ {
		ok = ok && l.mulAdd(10, 0)
	}
	return ok
}

func (l *limbs) appendBytes(dst []byte, neg bool) []byte {
	if neg {
		carry := uint64(1)
		for j := 0; j < l.n; j++ {
			l.w[j], carry = bits.Add64(^l.w[j], 0, carry)
		}
	}
	fill := byte(0)
	if neg {
		fill = 0xff
	}
	size := l.n * 8
	for size > 1 && l.byte(size-1) == fill && l.byte(size-2)&0x80 == fill&0x80 {
		size--
	}
	if l.byte(size-1)&0x80 != fill&0x80 {
		dst = append(dst, fill)
	}
	for i := size - 1; i >= 0; i-- {
		dst = append(dst, l.byte(i))
	}
	return dst
}

func (l *limbs) byte(i int) byte { return byte(l.w[i/8] >> (i % 8 * 8)) }
