package avro

import "weir/schemas"

// splicer writes one copy. It lives on Splice's stack.
type splicer struct {
	dst   []byte
	src   []byte
	spans []schemas.Span
	edits []schemas.Edit
	marks []uint32 // what is left of the view's marks
	sh    *shape
	c     *codec
	ei    int // next edit
	pos   int // src before it is written or cut
	code  schemas.Code
	leaf  int32
}

// Splice implements schemas.Codec.
func (c *codec) Splice(dst []byte, v *schemas.View, s schemas.Shape, edits []schemas.Edit) ([]byte, error) {
	sh, ok := s.(*shape)
	if !ok || sh.c != c || len(v.Aux) < len(sh.need) {
		return dst, schemas.Fail(schemas.CodeUnsupported, "")
	}
	for i, w := range sh.need {
		if w&^v.Aux[i] != 0 {
			return dst, schemas.Fail(schemas.CodeUnsupported, "")
		}
	}
	if sh.blank && len(edits) == 0 {
		return append(dst, v.Src...), nil
	}
	m := splicer{dst: dst, src: v.Src, spans: v.Spans, edits: edits, marks: v.Aux[len(sh.need):], sh: sh, c: c}
	if m.run(0, len(m.spans)) != len(m.spans) || m.ei != len(edits) {
		return dst, m.failure()
	}
	return append(m.dst, m.src[m.pos:]...), nil
}

func (m *splicer) failure() error {
	if m.code == "" { // edits out of order, twice or of no span
		return schemas.Fail(schemas.CodeUnsupported, "")
	}
	return schemas.Fail(m.code, m.c.leaves[m.leaf].Printed())
}

func (m *splicer) fail(code schemas.Code, leaf int32) int {
	m.code, m.leaf = code, leaf
	return -1
}

// run writes the spans from si up to end; it returns end, or -1.
func (m *splicer) run(si, end int) int {
	for si >= 0 && si < end {
		if len(m.marks) > 0 && int(m.marks[0]) == si {
			si = m.block(si)
			continue
		}
		var e *schemas.Edit
		if m.ei < len(m.edits) && int(m.edits[m.ei].Span) == si {
			e = &m.edits[m.ei]
			m.ei++
		}
		sp := &m.spans[si]
		ls := &m.sh.leaves[sp.Leaf]
		switch {
		case e == nil && ls.same:
			si++
		case e != nil && ls.text && !e.Null:
			si = m.text(si, sp, ls, e.Data)
		default:
			si = m.span(si, sp, ls, e)
		}
	}
	return si
}

// text writes the edit of a string: what the treatments make as a rule.
func (m *splicer) text(si int, sp *schemas.Span, ls *leafShape, data []byte) int {
	if !validUTF8(data) {
		return m.fail(schemas.CodeUTF8, sp.Leaf)
	}
	dst := append(m.dst, m.src[m.pos:sp.Open]...)
	if ls.branch >= 0 {
		dst = appendBranch(dst, ls.branch)
	}
	m.dst, m.pos = appendSized(dst, data), int(sp.Close)
	return si + 1
}

// span writes one span that does not stay as it is and returns the next.
func (m *splicer) span(si int, sp *schemas.Span, ls *leafShape, e *schemas.Edit) int {
	null := sp.Flags&schemas.Null != 0
	switch {
	case ls.cut:
		m.replace(sp)
		return m.after(si, sp)
	case e != nil && e.Null || e == nil && null && ls.renull:
		if ls.null == noNull {
			return m.fail(schemas.CodeUnsupported, sp.Leaf)
		}
		m.replace(sp)
		if ls.null >= 0 {
			m.dst = appendVarint(m.dst, int64(ls.null))
		}
		return m.after(si, sp)
	case e == nil && null:
		return si + 1
	case e == nil:
		return m.unedited(si, sp, ls)
	}
	return m.value(si, sp, ls, e.Data)
}

// value writes an edit of another kind.
func (m *splicer) value(si int, sp *schemas.Span, ls *leafShape, data []byte) int {
	m.replace(sp)
	if ls.branch >= 0 {
		m.dst = appendBranch(m.dst, ls.branch)
	}
	var code schemas.Code
	if m.dst, code = appendValue(m.dst, data, ls.wire); code != "" {
		return m.fail(code, sp.Leaf)
	}
	return si + 1
}

func appendBranch(dst []byte, n int32) []byte {
	if n < 64 {
		return append(dst, byte(n<<1))
	}
	return appendVarint(dst, int64(n))
}

// unedited writes the branch number of a value that stays otherwise. For a
// container, the spans inside it come next.
func (m *splicer) unedited(si int, sp *schemas.Span, ls *leafShape) int {
	if ls.mustEdit {
		return m.fail(schemas.CodeType, sp.Leaf)
	}
	if !ls.rebranch {
		return si + 1
	}
	m.copyTo(int(sp.Open))
	if ls.union {
		_, m.pos = long(m.src, m.pos)
	}
	if ls.branch >= 0 {
		m.dst = appendBranch(m.dst, ls.branch)
	}
	return si + 1
}

func (m *splicer) copyTo(at int) {
	m.dst = append(m.dst, m.src[m.pos:at]...)
	m.pos = at
}

// replace writes what stands before the span and leaves the span out.
func (m *splicer) replace(sp *schemas.Span) {
	m.copyTo(int(sp.Open))
	m.pos = int(sp.Close)
}

// after is the span that follows sp and all it holds; edits and marks inside
// are passed over.
func (m *splicer) after(si int, sp *schemas.Span) int {
	next := si + 1
	if sp.Flags&schemas.Container != 0 {
		next = int(sp.Aux)
	}
	for m.ei < len(m.edits) && int(m.edits[m.ei].Span) < next && int(m.edits[m.ei].Span) > si {
		m.ei++
	}
	for len(m.marks) > 0 && int(m.marks[0]) < next {
		m.marks = m.marks[markWords:]
	}
	return next
}

// block writes a block with a byte size, and the size after it: bytes move only
// when the size's own length changes.
func (m *splicer) block(si int) int {
	mark := m.marks
	m.marks = m.marks[markWords:]
	sizeAt, dataAt, dataEnd := int(mark[2]), int(mark[3]), int(mark[4])
	m.copyTo(sizeAt)
	outSize := len(m.dst)
	m.copyTo(dataAt)
	outData := len(m.dst)
	if si = m.run(si, int(mark[1])); si < 0 {
		return si
	}
	m.copyTo(dataEnd)
	size := len(m.dst) - outData
	if size == dataEnd-dataAt {
		return si
	}
	var tmp [10]byte
	enc := appendVarint(tmp[:0], int64(size))
	if more := len(enc) - (outData - outSize); more > 0 {
		m.dst = append(m.dst, enc[:more]...)
		copy(m.dst[outData+more:], m.dst[outData:])
	} else if more < 0 {
		copy(m.dst[outData+more:], m.dst[outData:])
		m.dst = m.dst[:len(m.dst)+more]
	}
	copy(m.dst[outSize:], enc)
	return si
}

var _ schemas.Codec = (*codec)(nil)
