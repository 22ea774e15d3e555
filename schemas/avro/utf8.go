package avro

import (
	"encoding/binary"
	"unicode/utf8"
)

const topBits = 0x8080808080808080

// validUTF8 is utf8.Valid, faster for ASCII: 32 bytes at a time, then eight, the
// last eight perhaps twice, so that no tail is left to walk.
func validUTF8(b []byte) bool {
	if len(b) < 8 {
		return utf8.Valid(b)
	}
	le, rest := binary.LittleEndian, b
	all := le.Uint64(b[len(b)-8:])
	for len(rest) >= 32 {
		all |= le.Uint64(rest) | le.Uint64(rest[8:]) | le.Uint64(rest[16:]) | le.Uint64(rest[24:])
		rest = rest[32:]
	}
	for len(rest) >= 8 {
		all |= le.Uint64(rest)
		rest = rest[8:]
	}
	return all&topBits == 0 || utf8.Valid(b)
}
