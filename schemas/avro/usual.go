package avro

import (
	"encoding/binary"
	"math/bits"

	"weir/schemas"
)

// usualWindow is what usual wants to have before it: a branch number and a
// varint of nine bytes.
const usualWindow = 10

// usual walks values that are written in the usual way, up to one that is to be
// reported: it begins at open and its contents are src[start:end]. Else start is
// -1, and at pc and open is something else: an array, a map, the program's end, or
// what is long, odd or wrong, which is step's to judge.
func usual(src []byte, ins []ins, pc int32, i int) (at int32, open, start, end int) {
	for i <= len(src)-usualWindow {
		in := &ins[pc]
		next := i
		head := binary.LittleEndian.Uint64(src[i:])
		if in.mode >= modeNullFirst {
			switch {
			case byte(head)^in.mode.null() == 2:
				next++
				head >>= 8
			case byte(head) == in.mode.null() && !in.report:
				pc, i = in.null, i+1
				continue
			default:
				return pc, i, -1, i
			}
		}
		start := next
		if in.quick == quickBytes {
			var size int
			if head&0x81 == 0 {
				size = int(head & 0x7e >> 1)
				start++
			} else if head&0x8081 == 0x80 { // two bytes
				size = int(head&0x7f00>>2 | head&0x7e>>1)
				start += 2
			} else {
				break
			}
			if size > len(src)-start {
				break
			}
			next = start + size
		} else if in.quick == quickLong {
			n := bits.TrailingZeros64(^head&topBits)/8 + 1
			if n >= 8 { // head may have lost its last byte to the branch number
				if n = 8; src[next+7] >= 0x80 {
					if n = 9; src[next+8] >= 0x80 {
						break
					}
				}
			}
			next += n
		} else if n := in.other(head, len(src)-next); n >= 0 {
			next += n
		} else {
			break
		}
		if in.report {
			return pc, i, start, next
		}
		pc, i = pc+1, next
	}
	return pc, i, -1, i
}

// other is the size of a value that begins with head and is no bytes, string or
// long, or -1.
func (in *ins) other(head uint64, left int) int {
	switch in.quick {
	case quickInline:
		return 0
	case quickBool:
		if byte(head) <= 1 {
			return 1
		}
	case quickInt:
		if last := ^uint32(head) & (topBits >> 32); last != 0 {
			return bits.TrailingZeros32(last)/8 + 1
		}
	case quickFixed:
		if in.n <= left {
			return in.n
		}
	}
	return -1
}

// take reports a value when it can be.
func (s *scanner) take(in *ins, open, start, end int) bool {
	if in.op == opString && !validUTF8(s.src[start:end]) {
		return false
	}
	return s.report(in, open, start, end, 0)
}

// report adds a span, if there is still room for one.
func (s *scanner) report(in *ins, open, start, end int, flags schemas.Flags) bool {
	if len(s.spans) >= schemas.MaxSpans {
		return false
	}
	s.spans = append(s.spans, schemas.Span{Leaf: in.leaf, Start: uint32(start), End: uint32(end),
		Open: uint32(open), Close: uint32(end), Kind: in.kind, Flags: flags})
	return true
}
