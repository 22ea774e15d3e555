package jsonrec

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"weir/schemas"
)

// class is what the first byte of a JSON value says of it.
type class uint8

const (
	clsNone class = iota // no value begins like this
	clsNull
	clsBool
	clsNumber
	clsString
	clsObject
	clsArray
	classes
)

var firstByte = [256]class{
	'n': clsNull, 't': clsBool, 'f': clsBool, '"': clsString, '{': clsObject, '[': clsArray,
	'-': clsNumber, '0': clsNumber, '1': clsNumber, '2': clsNumber, '3': clsNumber, '4': clsNumber,
	'5': clsNumber, '6': clsNumber, '7': clsNumber, '8': clsNumber, '9': clsNumber,
}

// lexer checks JSON text against RFC 8259, more strictly than many parsers:
// strings are UTF-8 without lone surrogates. Its methods take the index where
// something begins and return the one after it, or -1 after fail.
type lexer struct {
	src  []byte
	code schemas.Code // set by fail
	at   int
}

func (l *lexer) fail(code schemas.Code, at int) int {
	l.code, l.at = code, at
	return -1
}

// missing fails where something else was expected: at the end of the payload
// it is truncated, before that malformed.
func (l *lexer) missing(p int) int {
	if p >= len(l.src) {
		return l.fail(schemas.CodeTruncated, len(l.src))
	}
	return l.fail(schemas.CodeMalformed, p)
}

func (l *lexer) space(p int) int {
	for p < len(l.src) {
		switch l.src[p] {
		case ' ', '\n', '\r', '\t':
			p++
		default:
			return p
		}
	}
	return p
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes of x that end a run of plain string text: quotes,
// backslashes, control characters, non-ASCII. The lowest mark is exact; a
// subtraction's borrow can only set false marks above a true one.
func special(x uint64) uint64 {
	q := x ^ ones*'"'
	b := x ^ ones*'\\'
	return ((q-ones)&^q | (b-ones)&^b | (x-ones*0x20)&^x | x) & highs
}

// plain is the index of the first special byte from p on, or len(src).
func plain(src []byte, p int) int {
	for p+8 <= len(src) {
		if m := special(binary.LittleEndian.Uint64(src[p:])); m != 0 {
			return p + bits.TrailingZeros64(m)>>3
		}
		p += 8
	}
	for p < len(src) {
		if c := src[p]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
		p++
	}
	return p
}

// str checks a string whose body begins at p (its opening quote at p-1) and
// returns the index of the closing quote.
func (l *lexer) str(p int) (end int, escaped bool) {
	for {
		p = plain(l.src, p)
		if p >= len(l.src) {
			return l.fail(schemas.CodeTruncated, p), false
		}
		switch c := l.src[p]; {
		case c == '"':
			return p, escaped
		case c == '\\':
			escaped = true
			p = l.escape(p)
		case c < 0x20:
			return l.fail(schemas.CodeMalformed, p), false
		default:
			p = l.runes(p)
		}
		if p < 0 {
			return p, false
		}
	}
}

// runes checks a run of non-ASCII characters.
func (l *lexer) runes(p int) int {
	for p < len(l.src) && l.src[p] >= utf8.RuneSelf {
		if threeBytes(l.src, p) {
			p += 3
			continue
		}
		r, n := utf8.DecodeRune(l.src[p:])
		if r == utf8.RuneError && n == 1 {
			return l.fail(schemas.CodeUTF8, p)
		}
		p += n
	}
	return p
}

// threeBytes: a character of three bytes stands at p, one of those (all of
// Chinese among them) whose second byte may be any continuation byte.
func threeBytes(src []byte, p int) bool {
	if p+2 >= len(src) {
		return false
	}
	c := src[p]
	return c > 0xE0 && c < 0xF0 && c != 0xED && src[p+1]&0xC0 == 0x80 && src[p+2]&0xC0 == 0x80
}

// escape checks one escape sequence, or two that are a surrogate pair.
func (l *lexer) escape(p int) int {
	if p+1 >= len(l.src) {
		return l.fail(schemas.CodeTruncated, len(l.src))
	}
	switch l.src[p+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return p + 2
	case 'u':
	default:
		return l.fail(schemas.CodeMalformed, p)
	}
	u := l.hex4(p + 2)
	switch {
	case u < 0:
		return -1
	case u < 0xD800 || u > 0xDFFF:
		return p + 6
	case u >= 0xDC00: // a second half alone
		return l.fail(schemas.CodeUTF8, p)
	}
	if p+7 >= len(l.src) {
		return l.fail(schemas.CodeTruncated, len(l.src))
	}
	if l.src[p+6] != '\\' || l.src[p+7] != 'u' {
		return l.fail(schemas.CodeUTF8, p)
	}
	if u = l.hex4(p + 8); u >= 0 && (u < 0xDC00 || u > 0xDFFF) {
		return l.fail(schemas.CodeUTF8, p)
	} else if u < 0 {
		return -1
	}
	return p + 12
}

// hex4 is the value of four hex digits, or -1 after fail.
func (l *lexer) hex4(p int) int {
	v := 0
	for i := p; i < p+4; i++ {
		if i >= len(l.src) {
			return l.fail(schemas.CodeTruncated, i)
		}
		d := hexDigit(l.src[i])
		if d < 0 {
			return l.fail(schemas.CodeMalformed, i)
		}
		v = v<<4 | d
	}
	return v
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// number checks a number. What follows it is the caller's: "01" ends after 0.
func (l *lexer) number(p int) int {
	src := l.src
	if src[p] == '-' {
		p++
	}
	if p < len(src) && src[p] == '0' {
		p++
	} else if p = l.digits(p); p < 0 {
		return p
	}
	if p < len(src) && src[p] == '.' {
		if p = l.digits(p + 1); p < 0 {
			return p
		}
	}
	if p < len(src) && src[p]|0x20 == 'e' {
		p++
		if p < len(src) && (src[p] == '+' || src[p] == '-') {
			p++
		}
		return l.digits(p)
	}
	return p
}

// digits checks one or more digits.
func (l *lexer) digits(p int) int {
	start := p
	for p < len(l.src) && l.src[p]-'0' <= 9 {
		p++
	}
	if p == start {
		return l.missing(p)
	}
	return p
}

func (l *lexer) literal(p int, word string) int {
	end := p + len(word)
	if end <= len(l.src) && string(l.src[p:end]) == word {
		return end
	}
	for i := 0; i < len(word) && p < len(l.src) && l.src[p] == word[i]; i++ {
		p++
	}
	return l.missing(p)
}

// scalar checks a value that is no container.
func (l *lexer) scalar(p int) int {
	switch l.src[p] {
	case '"':
		end, _ := l.str(p + 1)
		if end < 0 {
			return end
		}
		return end + 1
	case 'n':
		return l.literal(p, "null")
	case 't':
		return l.literal(p, "true")
	case 'f':
		return l.literal(p, "false")
	}
	return l.number(p)
}

// skip checks any value; depth counts the containers it stands in.
func (l *lexer) skip(p, depth int) int {
	if p >= len(l.src) {
		return l.missing(p)
	}
	switch firstByte[l.src[p]] {
	case clsNone:
		return l.fail(schemas.CodeMalformed, p)
	case clsObject:
		return l.skipContainer(p, '}', depth+1)
	case clsArray:
		return l.skipContainer(p, ']', depth+1)
	}
	return l.scalar(p)
}

func (l *lexer) skipContainer(p int, closing byte, depth int) int {
	if depth > schemas.MaxDepth {
		return l.fail(schemas.CodeTooDeep, p)
	}
	p = l.space(p + 1)
	if p < len(l.src) && l.src[p] == closing {
		return p + 1
	}
	for {
		if closing == '}' {
			if p, _, _ = l.key(p); p < 0 {
				return p
			}
		}
		if p = l.skip(p, depth); p < 0 {
			return p
		}
		var more bool
		if p, more = l.next(p, closing); !more {
			return p
		}
	}
}

// key checks a member's name and colon. It returns where the value begins and
// the bounds of the name's body; whether it has escapes is found by the caller.
func (l *lexer) key(p int) (value, start, end int) {
	if p >= len(l.src) || l.src[p] != '"' {
		return l.missing(p), 0, 0
	}
	end, _ = l.str(p + 1)
	if end < 0 {
		return end, 0, 0
	}
	return l.colon(end + 1), p + 1, end
}

func (l *lexer) colon(p int) int {
	p = l.space(p)
	if p >= len(l.src) || l.src[p] != ':' {
		return l.missing(p)
	}
	return l.space(p + 1)
}

// next passes the comma after a member or element, or the closing bracket:
// then more is false, as it is after fail.
func (l *lexer) next(p int, closing byte) (after int, more bool) {
	p = l.space(p)
	if p >= len(l.src) {
		return l.missing(p), false
	}
	switch l.src[p] {
	case ',':
		return l.space(p + 1), true
	case closing:
		return p + 1, false
	}
	return l.fail(schemas.CodeMalformed, p), false
}

// end checks that nothing but white space follows p.
func (l *lexer) end(p int) int {
	if p = l.space(p); p < len(l.src) {
		return l.fail(schemas.CodeTrailing, p)
	}
	return p
}
