package avro

import (
	"encoding/binary"
	"unicode/utf8"
)

const topBits = 0x8080808080808080

// validUTF8 is utf8.Valid, faster for ASCII: sixteen bytes at a time, the last
// ones perhaps twice, so that no tail is left to walk.
func validUTF8(b []byte) bool {
	if len(b) < 8 {
		return utf8.Valid(b)
	}
	le := binary.LittleEndian
	all := le.Uint64(b) | le.Uint64(b[len(b)-8:])
	if len(b) > 16 {
		all |= le.Uint64(b[len(b)-16:])
	}
	for i := 0; i <= len(b)-16; i += 16 {
		all |= le.Uint64(b[i:]) | le.Uint64(b[i+8:])
	}
	return all&topBits == 0 || utf8.Valid(b)
}
