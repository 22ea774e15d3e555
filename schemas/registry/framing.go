package registry

import (
	"encoding/binary"
	"math"

	"weir/schemas"
)

// The headers that carry schema ids where nothing stands before the payload
// (contract 13).
const (
	HeaderKey   = "__key_schema_id"
	HeaderValue = "__value_schema_id"
)

// PrefixLen is the length of the framing before a payload:
// 0x00 ‖ id (4 bytes, big-endian).
const PrefixLen = 5

const (
	magicID   = 0x00
	magicGUID = 0x01
)

// DecodeID splits a framed payload into its schema id and the rest, which
// shares b. Anything else fails with CodeFraming.
func DecodeID(b []byte) (id int, rest []byte, err error) {
	if len(b) < PrefixLen || b[0] != magicID {
		return 0, nil, schemas.FailAt(schemas.CodeFraming, "", 0)
	}
	n := binary.BigEndian.Uint32(b[1:])
	if n > math.MaxInt32 {
		return 0, nil, schemas.FailAt(schemas.CodeFraming, "", 1)
	}
	return int(n), b[PrefixLen:], nil
}

// AppendPrefix appends the framing of id, which must be a registry's: 0 to
// MaxInt32.
func AppendPrefix(dst []byte, id int) []byte {
	dst = append(dst, magicID)
	return binary.BigEndian.AppendUint32(dst, uint32(id))
}

// HeaderID is what a schema id header holds: a numeric id or a global one.
type HeaderID struct {
	ID     int      // when not IsGUID
	GUID   [16]byte // when IsGUID
	IsGUID bool
}

// ParseHeader reads a header's value: 0x00 ‖ id (4 bytes) or 0x01 ‖ GUID (16
// bytes). Anything else fails with CodeFraming.
func ParseHeader(b []byte) (HeaderID, error) {
	if len(b) == 1+16 && b[0] == magicGUID {
		return HeaderID{GUID: [16]byte(b[1:]), IsGUID: true}, nil
	}
	id, rest, err := DecodeID(b)
	if err != nil {
		return HeaderID{}, err
	}
	if len(rest) != 0 {
		return HeaderID{}, schemas.FailAt(schemas.CodeFraming, "", PrefixLen)
	}
	return HeaderID{ID: id}, nil
}

// Append appends the header's value to dst.
func (h HeaderID) Append(dst []byte) []byte {
	if !h.IsGUID {
		return AppendPrefix(dst, h.ID)
	}
	dst = append(dst, magicGUID)
	return append(dst, h.GUID[:]...)
}
