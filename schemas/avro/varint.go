package avro

// Varints are read in line where they take one byte; these are for the rest.
// A next index of truncated or malformed is a failure.
const (
	truncated = -1
	malformed = -2
)

// long reads an unsigned varint of at most 64 bits at src[i].
func long(src []byte, i int) (u uint64, next int) {
	if i < len(src) && src[i] < 0x80 {
		return uint64(src[i]), i + 1
	}
	for shift := 0; ; shift += 7 {
		if i >= len(src) {
			return 0, truncated
		}
		b := src[i]
		i++
		if shift == 63 && b > 1 {
			return 0, malformed
		}
		u |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return u, i
		}
	}
}

// short reads an unsigned varint of at most 32 bits, which takes at most five
// bytes, as Java reads an int.
func short(src []byte, i int) (u uint64, next int) {
	for shift := 0; ; shift += 7 {
		if i >= len(src) {
			return 0, truncated
		}
		b := src[i]
		i++
		if shift == 28 && b > 0x0f {
			return 0, malformed
		}
		u |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return u, i
		}
	}
}

// unzig undoes the zigzag coding of signed numbers.
func unzig(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// appendVarint writes a signed number.
func appendVarint(dst []byte, n int64) []byte {
	u := uint64(n)<<1 ^ uint64(n>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}
