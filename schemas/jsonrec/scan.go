package jsonrec

import (
	"bytes"

	"weir/schemas"
)

// none is Span.Aux of a span that is no member of an object. Other spans have
// there the index of two words in View.Aux: where the comma or bracket before
// the member stands, and where that after it does.
const none int32 = -1

// scanner is one Scan.
type scanner struct {
	lexer
	v       *schemas.View
	c       *codec
	want    []bool
	unknown bool
	depth   int
	leaf    int32 // innermost leaf around a failure, -1 when there is none
}

// Scan implements schemas.Codec.
func (c *codec) Scan(v *schemas.View, src []byte, want *schemas.Wanted) error {
	v.Reset(src)
	if len(src) > schemas.MaxPayload {
		return schemas.Fail(schemas.CodeTooLarge, "")
	}
	s := scanner{lexer: lexer{src: src}, v: v, c: c, want: want.Leaf, unknown: want.Unknown, leaf: -1}
	p := s.space(0)
	if c.block != nil {
		p = s.envelope(p)
	} else {
		p = s.value(c.root, p, none)
	}
	if p >= 0 {
		p = s.end(p)
	}
	if p < 0 {
		return c.failure(s.code, s.leaf, s.at)
	}
	return nil
}

func (c *codec) failure(code schemas.Code, leaf int32, at int) error {
	path := ""
	if leaf >= 0 {
		path = c.leaves[leaf].Printed()
	} else if code == schemas.CodeUndeclared {
		path = "*"
	}
	return schemas.FailAt(code, path, at)
}

// value scans the value at p. lead is where the comma or bracket before the
// member stands whose value it is, none for other values.
func (s *scanner) value(n *node, p int, lead int32) int {
	if p >= len(s.src) {
		return s.blame(n, s.missing(p))
	}
	cls := firstByte[s.src[p]]
	leaf := n.accept[cls]
	if leaf == refused {
		return s.refuse(n, cls, p, lead)
	}
	wanted := leaf >= 0 && s.want[leaf]
	var end int
	switch cls {
	case clsString:
		e, escaped := s.str(p + 1)
		if e < 0 {
			return s.blame(n, e)
		}
		if wanted && !s.quoted(leaf, p, e, escaped, lead) {
			return s.blame(n, -1)
		}
		return e + 1
	case clsNumber:
		end = s.number(p)
	case clsNull:
		end = s.literal(p, "null")
	case clsBool:
		if s.src[p] == 't' {
			end = s.literal(p, "true")
		} else {
			end = s.literal(p, "false")
		}
	default:
		return s.container(n, cls, leaf, p, lead)
	}
	if end < 0 || wanted && !s.bare(leaf, cls, p, end, lead) {
		return s.blame(n, -1)
	}
	return end
}

// blame notes where a failure is, unless an inner place has done so.
func (s *scanner) blame(n *node, p int) int {
	if p < 0 && s.leaf < 0 {
		s.leaf = n.leaf
	}
	return p
}

func (s *scanner) refuse(n *node, cls class, p int, lead int32) int {
	if cls == clsNone {
		return s.blame(n, s.fail(schemas.CodeMalformed, p))
	}
	if leaf := n.accept[clsNumber]; cls == clsString && leaf >= 0 && s.c.wires[leaf].enc == encFloat {
		for _, name := range nonFinite {
			if bytes.HasPrefix(s.src[p:], []byte(name)) {
				return s.nonFinite(n, leaf, p, p+len(name), lead)
			}
		}
	}
	return s.blame(n, s.fail(schemas.CodeType, p))
}

// nonFinite is what Jackson writes for floats that JSON cannot say.
var nonFinite = [...]string{`"NaN"`, `"Infinity"`, `"-Infinity"`}

func (s *scanner) nonFinite(n *node, leaf int32, p, end int, lead int32) int {
	if s.want[leaf] && !s.quoted(leaf, p, end-1, false, lead) {
		return s.blame(n, -1)
	}
	return end
}

// span appends a span; its member's bounds are noted when lead is given.
func (s *scanner) span(sp schemas.Span, lead int32) bool {
	if len(s.v.Spans) >= schemas.MaxSpans {
		s.fail(schemas.CodeTooLarge, int(sp.Open))
		return false
	}
	sp.Aux = none
	if lead >= 0 {
		sp.Aux = int32(len(s.v.Aux))
		s.v.Aux = append(s.v.Aux, uint32(lead), 0)
	}
	s.v.Spans = append(s.v.Spans, sp)
	return true
}

func (s *scanner) quoted(leaf int32, p, end int, escaped bool, lead int32) bool {
	flags := schemas.Quoted
	if escaped {
		flags |= schemas.Escaped
	}
	return s.span(schemas.Span{Leaf: leaf, Start: uint32(p + 1), End: uint32(end), Open: uint32(p),
		Close: uint32(end + 1), Kind: s.kind(leaf, clsString), Flags: flags}, lead)
}

func (s *scanner) bare(leaf int32, cls class, p, end int, lead int32) bool {
	var flags schemas.Flags
	if cls == clsNull {
		flags = schemas.Null
	}
	return s.span(schemas.Span{Leaf: leaf, Start: uint32(p), End: uint32(end), Open: uint32(p),
		Close: uint32(end), Kind: s.kind(leaf, cls), Flags: flags}, lead)
}

// kind is a value's kind: what its leaf says, else what it looks like.
func (s *scanner) kind(leaf int32, cls class) schemas.Kind {
	if leaf >= 0 {
		if k := s.c.leaves[leaf].Kind; k != schemas.KindAny {
			return k
		}
	}
	return classKinds[cls]
}

var classKinds = [classes]schemas.Kind{clsNull: schemas.KindNull, clsBool: schemas.KindBool,
	clsNumber: schemas.KindNumber, clsString: schemas.KindString, clsObject: schemas.KindRecord, clsArray: schemas.KindArray}

// container scans an object or array. Its own span stands before those inside;
// where it ends is filled in afterwards.
func (s *scanner) container(n *node, cls class, leaf int32, p int, lead int32) int {
	if s.depth++; s.depth > schemas.MaxDepth {
		return s.blame(n, s.fail(schemas.CodeTooDeep, p))
	}
	own := -1
	if leaf >= 0 && s.want[leaf] {
		own = len(s.v.Spans)
		if !s.span(schemas.Span{Leaf: leaf, Start: uint32(p), Open: uint32(p), Kind: s.c.leaves[leaf].Kind,
			Flags: schemas.Container}, lead) {
			return s.blame(n, -1)
		}
	}
	var end int
	switch {
	case cls == clsObject:
		end = s.object(n, p)
	case n.arr.keys != nil:
		end = s.pairs(n, p)
	default:
		end = s.array(n, p)
	}
	s.depth--
	if own >= 0 && end >= 0 {
		s.v.Spans[own].End, s.v.Spans[own].Close = uint32(end), uint32(end)
	}
	return s.blame(n, end)
}

func (s *scanner) object(n *node, p int) int {
	src, o := s.src, n.obj
	lead := p
	p++
	if p < len(src) && src[p] != '"' {
		if p = s.space(p); p < len(src) && src[p] == '}' {
			return p + 1
		}
	}
	next := 0 // writers keep to the schema's order: try the field after the last one first
	for {
		mark := len(s.v.Spans)
		if next < len(o.fields) && o.fields[next].begins(src, p) {
			f := &o.fields[next]
			next++
			p += 1 + len(f.token)
			if p < len(src) && src[p] <= ' ' {
				p = s.space(p)
			}
			p = s.value(f.node, p, int32(lead))
		} else {
			p, next = s.member(o, p, lead, next)
		}
		if p < 0 {
			return p
		}
		if p < len(src) && src[p] <= ' ' {
			p = s.space(p)
		}
		if p >= len(src) {
			return s.missing(p)
		}
		if len(s.v.Spans) > mark {
			s.close(mark, lead, p)
		}
		lead = p
		switch src[p] {
		case ',':
			if p++; p < len(src) && src[p] <= ' ' {
				p = s.space(p)
			}
		case '}':
			return p + 1
		default:
			return s.fail(schemas.CodeMalformed, p)
		}
	}
}

// begins reports whether the field's name and colon stand at p, written plainly.
func (f *field) begins(src []byte, p int) bool {
	end := p + 1 + len(f.token)
	return end <= len(src) && len(f.token) > 0 && src[p] == '"' && string(src[p+1:end]) == f.token
}

// close notes where the member ends whose spans begin at mark. Its own span, if
// it has one, is the one that begins at lead.
func (s *scanner) close(mark, lead, end int) {
	if aux := s.v.Spans[mark].Aux; aux >= 0 && s.v.Aux[aux] == uint32(lead) {
		s.v.Aux[aux+1] = uint32(end)
	}
}

// member scans a member that is not the expected one: another field, a map's
// entry, or undeclared.
func (s *scanner) member(o *content, p, lead, next int) (end, expect int) {
	if p >= len(s.src) || s.src[p] != '"' {
		return s.missing(p), next
	}
	q, escaped := s.str(p + 1)
	if q < 0 {
		return q, next
	}
	i := o.find(s.src[p+1:q], escaped)
	v := s.colon(q + 1)
	switch {
	case v < 0:
		return v, next
	case i >= 0:
		return s.value(o.fields[i].node, v, int32(lead)), int(i) + 1
	case o.extra == nil:
		return s.undeclared(v, lead), next
	}
	if s.want[o.key] && !s.quoted(o.key, p, q, escaped, none) {
		return -1, next
	}
	return s.value(o.extra, v, none), next
}

// find is the index of the field with the name whose body is given, or -1.
func (o *content) find(body []byte, escaped bool) int32 {
	if escaped {
		if len(body) > o.longest*6 { // an escape takes at most six bytes for one
			return -1
		}
		var buf [128]byte
		body = appendUnescaped(buf[:0], body)
	}
	if i, ok := o.index[string(body)]; ok {
		return i
	}
	return -1
}

// undeclared scans the value of a member that no schema declares: one span,
// whatever it holds.
func (s *scanner) undeclared(p, lead int) int {
	if !s.unknown {
		return s.fail(schemas.CodeUndeclared, p)
	}
	if p >= len(s.src) {
		return s.missing(p)
	}
	cls := firstByte[s.src[p]]
	if cls == clsString {
		end, escaped := s.str(p + 1)
		if end < 0 || !s.quoted(schemas.Unknown, p, end, escaped, int32(lead)) {
			return -1
		}
		return end + 1
	}
	end := s.skip(p, s.depth)
	if end < 0 || !s.bare(schemas.Unknown, cls, p, end, int32(lead)) {
		return -1
	}
	if cls == clsObject || cls == clsArray {
		s.v.Spans[len(s.v.Spans)-1].Flags = schemas.Container
	}
	return end
}

func (s *scanner) array(n *node, p int) int {
	p = s.space(p + 1)
	if p < len(s.src) && s.src[p] == ']' {
		return p + 1
	}
	for more := true; more; {
		if p = s.value(n.arr.elem, p, none); p < 0 {
			return p
		}
		p, more = s.next(p, ']')
	}
	return p
}

// pairs scans a map that is written as an array of [key, value].
func (s *scanner) pairs(n *node, p int) int {
	p = s.space(p + 1)
	if p < len(s.src) && s.src[p] == ']' {
		return p + 1
	}
	for more := true; more; {
		if p = s.pair(n, p); p < 0 {
			return p
		}
		p, more = s.next(p, ']')
	}
	return p
}

func (s *scanner) pair(n *node, p int) int {
	if p >= len(s.src) {
		return s.missing(p)
	}
	if s.src[p] != '[' {
		return s.fail(schemas.CodeType, p)
	}
	if s.depth+1 > schemas.MaxDepth {
		return s.fail(schemas.CodeTooDeep, p)
	}
	s.depth++
	p = s.value(n.arr.keys, s.space(p+1), none)
	if p < 0 {
		return p
	}
	p, more := s.next(p, ']')
	if !more { // one element, or a failure
		if p >= 0 {
			p = s.fail(schemas.CodeType, p)
		}
		return p
	}
	if p = s.value(n.arr.extra, p, none); p < 0 {
		return p
	}
	if p, more = s.next(p, ']'); more {
		return s.fail(schemas.CodeType, p)
	}
	s.depth--
	return p
}
