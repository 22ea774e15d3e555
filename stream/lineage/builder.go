package lineage

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"weir/schemas"
	"weir/transforms"
)

// Builder collects the fates of one transaction. It belongs to one goroutine
// and keeps its memory over Reset, so that a steady stream does not allocate.
type Builder struct {
	epoch      uint64
	recipients []string
	codes      []schemas.Code // of all partitions; each frame lists those it uses
	parts      []*part        // in use, in order of appearance
	spare      []*part
	last       *part // the partition of the latest Add: a poll is sorted by partition
	key, value []byte
	tags       []uint64 // of the record being added
	used       []int32  // per code: its number in the frame being written, or -1
	list       []byte   // the codes of the frame being written
}

// part is one input partition's fates so far.
type part struct {
	topic     uint32
	partition int32
	spans     []Span
	runs      [][]run // by recipient
}

// run is a run in the builder: its tag's argument is an index into Builder.codes.
type run struct{ count, tag uint64 }

// NewBuilder starts frames for the recipients of one policy, in its order.
func NewBuilder(epoch uint64, recipients []string) *Builder {
	return &Builder{epoch: epoch, recipients: slices.Clone(recipients)}
}

// Add notes the fates of one input record, one for each recipient. Offsets of a
// partition ascend; what is left out (control records, compacted ones) is a
// gap. Nothing is noted when it fails: ErrOrder for an offset that does not
// ascend, ErrRange for coordinates beyond the limits, ErrFrame for fates that
// no frame can hold.
func (b *Builder) Add(topic uint32, partition int32, offset int64, fates []Fate) error {
	if topic > MaxTopic || partition < 0 || partition > MaxPartition || offset < 0 || offset > MaxOffset {
		return ErrRange
	}
	if len(fates) != len(b.recipients) {
		return ErrFrame
	}
	b.tags = b.tags[:0]
	for i := range fates {
		tag, ok := b.tag(&fates[i])
		if !ok {
			return ErrFrame
		}
		b.tags = append(b.tags, tag)
	}
	p := b.part(topic, partition)
	if n := len(p.spans); n > 0 && offset <= p.spans[n-1].Last {
		return ErrOrder
	}
	p.see(offset)
	for i, tag := range b.tags {
		p.note(i, tag)
	}
	return nil
}

// Empty reports whether nothing was added.
func (b *Builder) Empty() bool { return len(b.parts) == 0 }

// tag is a fate as a number, its code interned.
func (b *Builder) tag(f *Fate) (uint64, bool) {
	switch f.Fate {
	case transforms.Published:
		return uint64(f.Outs)<<2 | uint64(f.Fate), f.Code == ""
	case transforms.Filtered, transforms.Quarantined:
		i := slices.Index(b.codes, f.Code)
		if i < 0 {
			if !validCode(string(f.Code)) || len(b.codes) == maxCodes {
				return 0, false
			}
			i = len(b.codes)
			b.codes = append(b.codes, f.Code)
		}
		return uint64(i)<<2 | uint64(f.Fate), f.Outs == 0
	}
	return 0, false
}

func (b *Builder) part(topic uint32, partition int32) *part {
	if p := b.last; p != nil && p.topic == topic && p.partition == partition {
		return p
	}
	for _, p := range b.parts {
		if p.topic == topic && p.partition == partition {
			b.last = p
			return p
		}
	}
	var p *part
	if n := len(b.spare); n > 0 {
		p, b.spare = b.spare[n-1], b.spare[:n-1]
	} else {
		p = &part{runs: make([][]run, len(b.recipients))}
	}
	p.topic, p.partition = topic, partition
	b.parts, b.last = append(b.parts, p), p
	return p
}

func (p *part) see(offset int64) {
	if n := len(p.spans); n > 0 && p.spans[n-1].Last == offset-1 {
		p.spans[n-1].Last = offset
		return
	}
	p.spans = append(p.spans, Span{offset, offset})
}

func (p *part) note(recipient int, tag uint64) {
	runs := p.runs[recipient]
	if n := len(runs); n > 0 && runs[n-1].tag == tag && runs[n-1].count < math.MaxInt64 {
		runs[n-1].count++
		return
	}
	p.runs[recipient] = append(runs, run{1, tag})
}

// Frames calls emit once for each partition, ordered by topic and partition.
// key and value are valid until emit returns; the caller copies what it keeps.
func (b *Builder) Frames(emit func(topic uint32, partition int32, key, value []byte)) {
	slices.SortFunc(b.parts, func(x, y *part) int {
		return cmp.Or(cmp.Compare(x.topic, y.topic), cmp.Compare(x.partition, y.partition))
	})
	for _, p := range b.parts {
		b.key = AppendKey(b.key[:0], p.topic, p.partition)
		b.value = b.appendFrame(b.value[:0], p)
		emit(p.topic, p.partition, b.key, b.value)
	}
}

func (b *Builder) appendFrame(dst []byte, p *part) []byte {
	dst = append(dst, frameVersion)
	for _, v := range [...]uint64{uint64(p.topic), uint64(p.partition), b.epoch, uint64(p.spans[0].First), uint64(len(p.spans))} {
		dst = binary.AppendUvarint(dst, v)
	}
	next := p.spans[0].First
	for _, s := range p.spans {
		dst = binary.AppendUvarint(dst, uint64(s.First-next))
		dst = binary.AppendUvarint(dst, uint64(s.Last-s.First)+1)
		next = s.Last + 1
	}
	dst = b.appendCodes(dst, p)
	dst = binary.AppendUvarint(dst, uint64(len(b.recipients)))
	for i, name := range b.recipients {
		dst = appendText(dst, name)
		dst = binary.AppendUvarint(dst, uint64(len(p.runs[i])))
		for _, r := range p.runs[i] {
			dst = binary.AppendUvarint(dst, r.count)
			dst = binary.AppendUvarint(dst, b.frameTag(r.tag))
		}
	}
	return dst
}

// appendCodes lists the codes that p uses, in the order of their first use, so
// that equal input gives equal frames whatever came before it.
func (b *Builder) appendCodes(dst []byte, p *part) []byte {
	b.used = b.used[:0]
	for range b.codes {
		b.used = append(b.used, -1)
	}
	n := int32(0)
	b.list = b.list[:0]
	for _, runs := range p.runs {
		for _, r := range runs {
			if transforms.Fate(r.tag&3) == transforms.Published || b.used[r.tag>>2] >= 0 {
				continue
			}
			b.used[r.tag>>2] = n
			n++
			b.list = appendText(b.list, string(b.codes[r.tag>>2]))
		}
	}
	dst = binary.AppendUvarint(dst, uint64(n))
	return append(dst, b.list...)
}

func (b *Builder) frameTag(tag uint64) uint64 {
	if transforms.Fate(tag&3) == transforms.Published {
		return tag
	}
	return uint64(b.used[tag>>2])<<2 | tag&3
}

// Reset forgets the transaction, committed or not.
func (b *Builder) Reset() {
	for _, p := range b.parts {
		p.spans = p.spans[:0]
		for i := range p.runs {
			p.runs[i] = p.runs[i][:0]
		}
	}
	b.spare = append(b.spare, b.parts...)
	b.parts, b.last = b.parts[:0], nil
	b.codes = b.codes[:0]
}
