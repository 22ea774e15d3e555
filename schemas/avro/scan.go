package avro

import "weir/schemas"

// maxEmpty bounds the items that take no bytes (nulls, empty records) in one
// payload: only their count stands in it, so nothing else would bound the loop.
const maxEmpty = 1 << 16

// markWords is the size of a block's mark in View.Aux. A mark says which spans
// stand in a block with a byte size, so that Splice can correct the size:
// first span, span after the last, start of the size, start and end of the data.
const markWords = 5

// scanner walks one payload. It lives on Scan's stack.
type scanner struct {
	src   []byte
	ins   []ins
	tab   []int32
	spans []schemas.Span
	aux   []uint32
	open  int // start of the branch number that opUnion read last
	depth int
	empty int
	code  schemas.Code
	leaf  int32
	at    int
}

// Scan implements schemas.Codec. View.Aux holds the set of reported leaves as
// bits, then the marks of blocks.
func (c *codec) Scan(v *schemas.View, src []byte, want *schemas.Wanted) error {
	v.Reset(src)
	if len(src) > schemas.MaxPayload {
		return schemas.FailAt(schemas.CodeTooLarge, "", schemas.MaxPayload)
	}
	p := c.program(want)
	if p.err != nil {
		return p.err
	}
	s := scanner{src: src, ins: p.ins, tab: p.tab, spans: v.Spans, aux: append(v.Aux, p.bits...), leaf: -1}
	i := s.run(0, 0, 1)
	v.Spans, v.Aux = s.spans, s.aux
	if i == len(src) {
		return nil
	}
	v.Reset(src)
	if i >= 0 {
		return schemas.FailAt(schemas.CodeTrailing, "", i)
	}
	path := ""
	if s.leaf >= 0 {
		path = c.leaves[s.leaf].Printed()
	}
	return schemas.FailAt(s.code, path, s.at)
}

// fail notes the first failure and returns what run returns for one.
func (s *scanner) fail(code schemas.Code, in *ins, at int) int {
	if s.code == "" {
		s.code, s.leaf, s.at = code, in.leaf, at
	}
	return -1
}

// failVarint is fail for the next index of long or short.
func (s *scanner) failVarint(next int, in *ins, at int) int {
	if next == truncated {
		return s.fail(schemas.CodeTruncated, in, len(s.src))
	}
	return s.fail(schemas.CodeMalformed, in, at)
}

// run walks the program at from n times from src[i] and returns the index after
// it, or -1.
func (s *scanner) run(from int32, i, n int) int {
	for pc := from; ; {
		at, open, start, end := usual(s.src, s.ins, pc, i)
		in := &s.ins[at]
		if start >= 0 && s.take(in, open, start, end) {
			pc, i = at+1, end
			continue
		}
		pc, i = at, open
		if in.op == opEnd {
			if n--; n == 0 {
				return i
			}
			pc = from
			continue
		}
		if pc, i = s.step(in, pc, i); i < 0 {
			return -1
		}
	}
}

// step walks one instruction. It returns the next one and the index after the
// value, or -1.
func (s *scanner) step(in *ins, pc int32, i int) (int32, int) {
	open := i
	switch {
	case in.mode == modePlain:
	case in.mode == modeBranch:
		open = s.open
	case i < len(s.src) && s.src[i] == in.mode.null()^2:
		i++
	default:
		var null bool
		if i, null = s.optional(in, i); null {
			return in.null, s.null(in, open, i)
		}
		if i < 0 {
			return pc, -1
		}
	}
	start := i
	switch in.op {
	case opInline:
		return pc + 1, i
	case opNull:
		return pc + 1, s.null(in, open, i)
	case opUnion:
		return pc + 1, s.union(in, i)
	case opRecord, opArray, opMap:
		return pc + 1, s.container(in, open, i)
	case opString, opBytes:
		start, i = s.sized(in, i)
	default:
		i = s.value(in, i)
	}
	if i >= 0 && in.report && !s.report(in, open, start, i, 0) {
		i = s.fail(schemas.CodeTooLarge, in, start)
	}
	return pc + 1, i
}

// sized reads a string or bytes: where they start after the length, and end.
func (s *scanner) sized(in *ins, at int) (start, end int) {
	var u uint64
	i := at
	if i < len(s.src) && s.src[i] < 0x80 {
		u = uint64(s.src[i])
		i++
	} else if u, i = long(s.src, i); i < 0 {
		return 0, s.failVarint(i, in, at)
	}
	if u&1 != 0 {
		return 0, s.fail(schemas.CodeMalformed, in, at)
	}
	if u >>= 1; u > uint64(len(s.src)-i) {
		return 0, s.fail(schemas.CodeTruncated, in, at)
	}
	end = i + int(u)
	if in.report && in.op == opString && !validUTF8(s.src[i:end]) {
		return 0, s.fail(schemas.CodeUTF8, in, i)
	}
	return i, end
}

// value reads a value of another type that holds no other.
func (s *scanner) value(in *ins, i int) int {
	switch in.op {
	case opFixed:
		if in.n > len(s.src)-i {
			return s.fail(schemas.CodeTruncated, in, i)
		}
		return i + in.n
	case opBool:
		if i >= len(s.src) {
			return s.fail(schemas.CodeTruncated, in, i)
		}
		if s.src[i] > 1 {
			return s.fail(schemas.CodeMalformed, in, i)
		}
		return i + 1
	case opLong:
		_, next := long(s.src, i)
		if next < 0 {
			return s.failVarint(next, in, i)
		}
		return next
	}
	u, next := short(s.src, i)
	if next < 0 {
		return s.failVarint(next, in, i)
	}
	if in.op == opEnum && (u&1 != 0 || u>>1 >= uint64(in.n)) {
		return s.fail(schemas.CodeBranch, in, i)
	}
	return next
}

// null reports a null and returns the index after it, or -1.
func (s *scanner) null(in *ins, open, i int) int {
	if in.report && !s.report(in, open, i, i, schemas.Null) {
		return s.fail(schemas.CodeTooLarge, in, open)
	}
	return i
}

// optional reads the branch number of a union of null and one type: 0 or 2,
// rarely in more than one byte.
func (s *scanner) optional(in *ins, i int) (next int, null bool) {
	u, next := short(s.src, i)
	if next < 0 {
		return s.failVarint(next, in, i), false
	}
	if u != 0 && u != 2 {
		return s.fail(schemas.CodeBranch, in, i), false
	}
	return next, (u == 0) == (in.mode == modeNullFirst)
}

func (s *scanner) union(in *ins, i int) int {
	u, next := short(s.src, i)
	if next < 0 {
		return s.failVarint(next, in, i)
	}
	if u&1 != 0 || u>>1 >= uint64(in.n) {
		return s.fail(schemas.CodeBranch, in, i)
	}
	s.open = i
	return s.run(s.tab[in.to+int32(u>>1)], next, 1)
}

// container walks a record, array or map; its span, when it is wanted, stands
// before those of what it holds and names the span after them in Aux.
func (s *scanner) container(in *ins, open, i int) int {
	if s.depth++; s.depth > schemas.MaxDepth {
		return s.fail(schemas.CodeTooDeep, in, i)
	}
	at := len(s.spans)
	if in.report {
		if at >= schemas.MaxSpans {
			return s.fail(schemas.CodeTooLarge, in, i)
		}
		s.spans = append(s.spans, schemas.Span{Leaf: in.leaf, Start: uint32(i), Open: uint32(open),
			Kind: in.kind, Flags: schemas.Container})
	}
	if in.op == opRecord {
		i = s.run(in.to, i, 1)
	} else {
		i = s.blocks(in, i)
	}
	if i >= 0 && in.report {
		sp := &s.spans[at]
		sp.End, sp.Close, sp.Aux = uint32(i), uint32(i), int32(len(s.spans))
	}
	s.depth--
	return i
}

// blocks walks an array or map to its end.
func (s *scanner) blocks(in *ins, i int) int {
	for {
		n, size, data := s.head(in, i)
		if data < 0 || n == 0 {
			return data
		}
		mark := len(s.aux)
		if size >= 0 {
			s.aux = append(s.aux, uint32(len(s.spans)), 0, uint32(s.open), uint32(data), uint32(data+size))
		}
		end := s.items(in, n, data)
		if end < 0 {
			return -1
		}
		if size >= 0 {
			if end != data+size {
				return s.fail(schemas.CodeMalformed, in, i)
			}
			s.closeMark(mark)
		}
		i = end
	}
}

// closeMark keeps a block's mark when spans stand in it.
func (s *scanner) closeMark(mark int) {
	if int(s.aux[mark]) == len(s.spans) {
		s.aux = s.aux[:mark]
		return
	}
	s.aux[mark+1] = uint32(len(s.spans))
}

// head reads a block's count and size (-1 without one). data is the index of
// its first item; n is 0 at the end. The size's own start is left in s.open.
func (s *scanner) head(in *ins, i int) (n, size, data int) {
	if i < len(s.src) && s.src[i] == 0 {
		return 0, -1, i + 1
	}
	u, next := long(s.src, i)
	if next < 0 {
		return 0, 0, s.failVarint(next, in, i)
	}
	count, size := unzig(u), -1
	if count < 0 {
		s.open = next
		if u, next = long(s.src, s.open); next < 0 {
			return 0, 0, s.failVarint(next, in, s.open)
		}
		if u&1 != 0 || u>>1 > uint64(len(s.src)-next) {
			return 0, 0, s.fail(schemas.CodeTruncated, in, i)
		}
		count, size = -count, int(u>>1)
	}
	if count < 0 { // the least int64 has no opposite
		return 0, 0, s.fail(schemas.CodeMalformed, in, i)
	}
	if in.n > 0 {
		if left := int64(len(s.src) - next); count > left || in.n > 1 && count > left/int64(in.n) {
			return 0, 0, s.fail(schemas.CodeTruncated, in, i)
		}
	} else if count > int64(maxEmpty-s.empty) {
		return 0, 0, s.fail(schemas.CodeTooLarge, in, i)
	} else {
		s.empty += int(count)
	}
	return int(count), size, next
}

// items walks the items of one block.
func (s *scanner) items(in *ins, n, i int) int {
	if in.op == opArray {
		return s.run(in.to, i, n)
	}
	for ; n > 0; n-- {
		if i = s.mapKey(in, i); i < 0 {
			return -1
		}
		if i = s.run(in.to, i, 1); i < 0 {
			return -1
		}
	}
	return i
}

func (s *scanner) mapKey(in *ins, i int) int {
	u, start := long(s.src, i)
	if start < 0 {
		return s.failVarint(start, in, i)
	}
	if u&1 != 0 {
		return s.fail(schemas.CodeMalformed, in, i)
	}
	if u>>1 > uint64(len(s.src)-start) {
		return s.fail(schemas.CodeTruncated, in, i)
	}
	end := start + int(u>>1)
	if in.key < 0 {
		return end
	}
	if !validUTF8(s.src[start:end]) {
		return s.fail(schemas.CodeUTF8, in, start)
	}
	if len(s.spans) >= schemas.MaxSpans {
		return s.fail(schemas.CodeTooLarge, in, i)
	}
	s.spans = append(s.spans, schemas.Span{Leaf: in.key, Start: uint32(start), End: uint32(end),
		Open: uint32(i), Close: uint32(end), Kind: schemas.KindString})
	return end
}
