package avro

import (
	"encoding/binary"
	"math/bits"
)

// skipWindow is what skip wants to have before it: a branch number and a varint
// of nine bytes.
const skipWindow = 10

// skip passes over values that nobody wants, as long as they are written in the
// usual way: it stops before the first instruction that reports something, and
// before all that is long, odd or wrong, which is run's to judge. It returns the
// next instruction and the next index of src.
func skip(src []byte, ins []ins, pc int32, i int) (int32, int) {
	for i <= len(src)-skipWindow {
		in := &ins[pc]
		if in.quick == quickNo {
			break
		}
		next := i
		head := binary.LittleEndian.Uint64(src[i:])
		if in.mode >= modeNullFirst {
			switch byte(head) ^ in.mode.null() {
			case 0:
				pc, i = in.null, i+1
				continue
			case 2:
				next++
				head >>= 8
			default:
				return pc, i
			}
		}
		if in.quick == quickBytes {
			size, n := head&0x7f, 1
			if head&0x80 != 0 {
				size, n = size|head>>1&0x7f80, 2
			}
			next += n
			if size >= 1<<14 || size&1 != 0 || int(size>>1) > len(src)-next {
				break
			}
			next += int(size >> 1)
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
		} else if n := skipOther(in, head, len(src)-next); n >= 0 {
			next += n
		} else {
			break
		}
		pc, i = pc+1, next
	}
	return pc, i
}

// skipOther is the size of a value that begins with head, or -1.
func skipOther(in *ins, head uint64, left int) int {
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
