package lineage

import (
	"weir/schemas"
	"weir/transforms"
)

// Fate is what became of one record for one recipient.
type Fate struct {
	Fate transforms.Fate
	Code schemas.Code // why, unless Published
	Outs uint8        // output records, when Published; two when a row leaves `rows`
}

// Builder collects the fates of one transaction. It belongs to one goroutine
// and keeps its memory over Reset.
type Builder struct{}

// NewBuilder starts frames for the recipients of one policy, in its order.
func NewBuilder(epoch uint64, recipients []string) *Builder { return &Builder{} }

// Add notes the fates of one input record, one for each recipient. Offsets of a
// partition ascend; what is left out (control records, compacted ones) is a
// gap. ErrOrder, ErrRange or ErrFrame when misused.
func (b *Builder) Add(topic uint32, partition int32, offset int64, fates []Fate) error { return nil }

// Frames calls emit once for each partition, ordered by topic and partition.
// key and value are valid until the next call of Frames or Reset; the caller
// copies what it keeps.
func (b *Builder) Frames(emit func(topic uint32, partition int32, key, value []byte)) {}

// Reset forgets the transaction, committed or not.
func (b *Builder) Reset() {}
