package lineage

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"

	"weir/keys"
)

// HeaderKey is the name of the one header that Weir adds to a record.
const HeaderKey = "weir"

// IDLen is the length of a lineage id: one cipher block.
const IDLen = 16

const headerVersion = 1

// Limits of the id's fields.
const (
	MaxTopic     = 1<<24 - 1 // topic numbers
	MaxPartition = 1<<24 - 1
	MaxOffset    = 1<<56 - 1
	MaxOutput    = 1<<8 - 1
)

// Errors of this package. None of them quotes what it read.
var (
	ErrHeader = errors.New("not a lineage header")
	ErrID     = errors.New("lineage id is not of this key")
	ErrRange  = errors.New("lineage coordinates out of range")
	ErrFrame  = errors.New("not a lineage frame")
	ErrOrder  = errors.New("lineage offsets out of order")
)

// Source is where an output record came from: contract 17's block.
type Source struct {
	Topic     uint32 // the topic's number in the state topic
	Partition int32
	Offset    int64
	Output    uint8 // which of the record's outputs for one recipient, from 0
}

// Header is a parsed lineage header.
type Header struct {
	Epoch      uint64
	KeyVersion uint32
	ID         [IDLen]byte
}

// Key is one recipient's lineage key. It is immutable and safe for any number
// of goroutines.
type Key struct {
	Block   cipher.Block
	Version uint32
}

// Use names recipient's lineage key of the pipeline called name: lineage keys
// go by name, never by keyspace (contract 33). version 0 is the pinned one.
func Use(name, recipient string, suite keys.Suite, version uint32) keys.Use {
	return keys.Use{Keyspace: name, Purpose: keys.PurposeLineage, Scope: recipient, Suite: suite, Version: version}
}

// NewKey derives recipient's lineage key; suite is keys.AES256, or keys.SM4
// under the profile gm.
func NewKey(ring *keys.Ring, name, recipient string, suite keys.Suite, version uint32) (Key, error) {
	u := Use(name, recipient, suite, version)
	ref, err := ring.Ref(u)
	if err != nil {
		return Key{}, err
	}
	block, err := ring.Block(u)
	if err != nil {
		return Key{}, err
	}
	return Key{Block: block, Version: ref.Version}, nil
}

// Append appends the header of one output record to dst: version (1) ‖ epoch
// (uvarint) ‖ key version (uvarint) ‖ id (16). It does not allocate when dst
// has room for 32 bytes. ErrRange when s does not fit the block.
func (k Key) Append(dst []byte, epoch uint64, s Source) ([]byte, error) {
	if s.Topic > MaxTopic || s.Partition < 0 || s.Partition > MaxPartition || s.Offset < 0 || s.Offset > MaxOffset {
		return dst, ErrRange
	}
	dst = append(dst, headerVersion)
	dst = binary.AppendUvarint(dst, epoch)
	dst = binary.AppendUvarint(dst, uint64(k.Version))
	n := len(dst)
	dst = appendUint(dst, uint64(s.Topic), 3)
	dst = appendUint(dst, uint64(s.Partition), 3)
	dst = appendUint(dst, uint64(s.Offset), 7)
	dst = append(dst, s.Output, 0, 0)
	k.Block.Encrypt(dst[n:], dst[n:])
	return dst, nil
}

// Append appends h as it was parsed.
func (h Header) Append(dst []byte) []byte {
	dst = append(dst, headerVersion)
	dst = binary.AppendUvarint(dst, h.Epoch)
	dst = binary.AppendUvarint(dst, uint64(h.KeyVersion))
	return append(dst, h.ID[:]...)
}

// Parse reads a header's value. ErrHeader for anything Append does not write:
// longer varints than needed, trailing bytes and other versions included.
func Parse(b []byte) (Header, error) {
	var h Header
	if len(b) == 0 || b[0] != headerVersion {
		return h, ErrHeader
	}
	b = b[1:]
	var ok bool
	if h.Epoch, b, ok = uvarint(b); !ok {
		return h, ErrHeader
	}
	v, b, ok := uvarint(b)
	if !ok || v > 1<<32-1 || len(b) != IDLen {
		return h, ErrHeader
	}
	h.KeyVersion = uint32(v)
	copy(h.ID[:], b)
	return h, nil
}

// Resolve reads the source back from an id. ErrID when the block's padding is
// not zero, that is, when the id was made under another key: one foreign id in
// 65,536 is not noticed, so callers compare what they find with the record.
func (k Key) Resolve(id [IDLen]byte) (Source, error) {
	b := make([]byte, IDLen)
	k.Block.Decrypt(b, id[:])
	if b[14] != 0 || b[15] != 0 {
		return Source{}, ErrID
	}
	return Source{
		Topic:     uint32(readUint(b[0:3])),
		Partition: int32(readUint(b[3:6])),
		Offset:    int64(readUint(b[6:13])),
		Output:    b[13],
	}, nil
}

// appendUint appends the low n bytes of v, big-endian.
func appendUint(dst []byte, v uint64, n int) []byte {
	for i := n - 1; i >= 0; i-- {
		dst = append(dst, byte(v>>(8*i)))
	}
	return dst
}

func readUint(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

// uvarint reads a minimal uvarint: one number has one spelling, so that a
// header or frame has one too.
func uvarint(b []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || (n > 1 && b[n-1] == 0) {
		return 0, nil, false
	}
	return v, b[n:], true
}
