package jsonrec

import (
	"bytes"

	"weir/schemas"
)

// The members of the JsonConverter's envelope; it refuses any others.
const (
	memberSchema = iota + 1
	memberPayload
)

// SplitBlock finds the schema block of an envelope {"schema":…,"payload":…}
// and returns it as a part of src. It reads no further than the block, so ok
// and no error do not mean that src is well-formed; Scan tells. ok is false for
// an object without such a member. A block may be null: such a payload has no
// schema.
func SplitBlock(src []byte) (block []byte, ok bool, err error) {
	l := lexer{src: src}
	p := l.space(0)
	if p >= len(src) || src[p] != '{' {
		l.missing(p)
		return nil, false, schemas.FailAt(l.code, "", l.at)
	}
	if p = l.space(p + 1); p < len(src) && src[p] == '}' {
		return nil, false, nil
	}
	for more := true; more; {
		value, start, end := l.key(p)
		if value < 0 {
			break
		}
		if p = l.skip(value, 1); p < 0 {
			break
		}
		if envelopeMember(src[start:end]) == memberSchema {
			return src[value:p], true, nil
		}
		if p, more = l.next(p, '}'); !more && p >= 0 {
			return nil, false, nil
		}
	}
	return nil, false, schemas.FailAt(l.code, "", l.at)
}

func envelopeMember(body []byte) int {
	var buf [64]byte
	if len(body) <= len(`payload`)*6 {
		body = appendUnescaped(buf[:0], body)
	}
	switch string(body) {
	case "schema":
		return memberSchema
	case "payload":
		return memberPayload
	}
	return 0
}

// envelope scans the envelope at p: the block must be the codec's own, byte for
// byte. View.Aux begins with where it stands.
func (s *scanner) envelope(p int) int {
	if p >= len(s.src) {
		return s.missing(p)
	}
	if s.src[p] != '{' {
		return s.fail(schemas.CodeType, p)
	}
	s.v.Aux = append(s.v.Aux, 0)
	s.depth = 1
	p = s.space(p + 1)
	seen := 0
	for more := true; more; {
		value, start, end := s.key(p)
		if value < 0 {
			return value
		}
		m := envelopeMember(s.src[start:end])
		if m == 0 {
			return s.fail(schemas.CodeUndeclared, value)
		}
		if seen&m != 0 {
			return s.fail(schemas.CodeMalformed, value)
		}
		seen |= m
		if m == memberSchema {
			p = s.block(value)
		} else {
			p = s.value(s.c.root, value, none)
		}
		if p < 0 {
			return p
		}
		p, more = s.next(p, '}')
	}
	if p >= 0 && seen != memberSchema|memberPayload {
		return s.fail(schemas.CodeMalformed, p)
	}
	return p
}

// block passes the codec's own block. It is a whole JSON value, so no other
// value begins with its bytes.
func (s *scanner) block(p int) int {
	if !bytes.HasPrefix(s.src[p:], s.c.block) {
		if bytes.HasPrefix(s.c.block, s.src[p:]) {
			return s.missing(len(s.src))
		}
		return s.fail(schemas.CodeSchema, p)
	}
	s.v.Aux[0] = uint32(p)
	return p + len(s.c.block)
}
