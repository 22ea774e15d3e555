package avro

import (
	"encoding/binary"
	"unicode/utf8"
)

const topBits = 0x8080808080808080

// validUTF8 is utf8.Valid, faster for ASCII: eight bytes at a time, the last
// eight perhaps twice, so that no tail is left to walk.
func validUTF8(b []byte) bool {
	if len(b) < 8 {
		return utf8.Valid(b)
	}
	all := binary.LittleEndian.Uint64(b[len(b)-8:])
	for i := 0; i+8 <= len(b); i += 8 {
		all |= binary.LittleEndian.Uint64(b[i:])
	}
	return all&topBits == 0 || utf8.Valid(b)
}
