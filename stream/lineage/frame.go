package lineage

import (
	"encoding/binary"
	"encoding/json"

	"weir/schemas"
	"weir/transforms"
)

// A frame, all numbers uvarints in their shortest form unless a width is given:
//
//	version (1 byte) ‖ topic number ‖ partition ‖ epoch ‖ first offset
//	‖ n ‖ n × (gap before ‖ offsets)          offsets seen, from the first on
//	‖ n ‖ n × lp(code)
//	‖ n ‖ n × ( lp(recipient) ‖ n ‖ n × (records ‖ fate) )
//
// fate = 4·argument + kind; kind 0 published (argument: output records),
// 1 filtered, 2 quarantined (argument: number in the list of codes). A
// recipient's runs cover the offsets seen, in order, and no more. Gaps are
// offsets that never reached us: control records and what compaction took.
//
// Its Kafka key is version (1) ‖ topic number (3) ‖ partition (3), so that the
// frames of an input partition stay in order.
const frameVersion = 1

// Limits of a frame; longer code names and recipients are nobody's.
const (
	maxCode       = 64
	maxCodes      = 1_000
	maxName       = 255
	maxRecipients = 10_000
)

// Fate is what became of one record for one recipient.
type Fate struct {
	Fate transforms.Fate
	Code schemas.Code // why, "" when Published
	Outs uint8        // output records when Published: two when a row leaves `rows`
}

// Span is a run of offsets, both ends inclusive.
type Span struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// Run is a run of records with one fate.
type Run struct {
	Count uint64
	Fate
}

// RecipientRuns are one recipient's fates of a frame's offsets, in order.
type RecipientRuns struct {
	Recipient string `json:"recipient"`
	Runs      []Run  `json:"runs"`
}

// Frame is a parsed frame.
type Frame struct {
	Topic      uint32          `json:"topic_number"`
	Partition  int32           `json:"partition"`
	Epoch      uint64          `json:"epoch"`
	Spans      []Span          `json:"offsets"` // ascending, with gaps between
	Recipients []RecipientRuns `json:"recipients"`
}

// FateName is a fate as it is printed.
func FateName(f transforms.Fate) string {
	switch f {
	case transforms.Published:
		return "published"
	case transforms.Filtered:
		return "filtered"
	case transforms.Quarantined:
		return "quarantined"
	}
	return "invalid"
}

// MarshalJSON prints a run as {"count":3,"fate":"filtered","code":"rows"}.
func (r Run) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Count uint64       `json:"count"`
		Fate  string       `json:"fate"`
		Code  schemas.Code `json:"code,omitempty"`
		Outs  uint8        `json:"outs,omitempty"`
	}{r.Count, FateName(r.Fate.Fate), r.Code, r.Outs})
}

// First is the frame's first offset.
func (f *Frame) First() int64 { return f.Spans[0].First }

// Last is the frame's last offset.
func (f *Frame) Last() int64 { return f.Spans[len(f.Spans)-1].Last }

// Fate finds what became of an offset for a recipient; false when the frame
// does not have it.
func (f *Frame) Fate(recipient string, offset int64) (Fate, bool) {
	n, ok := f.index(offset)
	if !ok {
		return Fate{}, false
	}
	for i := range f.Recipients {
		if f.Recipients[i].Recipient != recipient {
			continue
		}
		for _, r := range f.Recipients[i].Runs {
			if n < r.Count {
				return r.Fate, true
			}
			n -= r.Count
		}
	}
	return Fate{}, false
}

// index is an offset's place among those seen.
func (f *Frame) index(offset int64) (n uint64, ok bool) {
	for _, s := range f.Spans {
		if offset < s.First {
			return 0, false
		}
		if offset <= s.Last {
			return n + uint64(offset-s.First), true
		}
		n += uint64(s.Last-s.First) + 1
	}
	return 0, false
}

// AppendKey appends the Kafka key of a partition's frames.
func AppendKey(dst []byte, topic uint32, partition int32) []byte {
	dst = append(dst, frameVersion)
	dst = appendUint(dst, uint64(topic), 3)
	return appendUint(dst, uint64(partition), 3)
}

// ParseKey reads a frame's Kafka key.
func ParseKey(b []byte) (topic uint32, partition int32, err error) {
	if len(b) != 7 || b[0] != frameVersion {
		return 0, 0, ErrFrame
	}
	return uint32(readUint(b[1:4])), int32(readUint(b[4:7])), nil
}

// reader reads a frame's parts; the first fault stays.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uint(limit uint64) uint64 {
	v, rest, ok := uvarint(r.b)
	if !ok || v > limit {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = rest
	return v
}

// count reads the length of a list whose elements take at least size bytes, so
// that no more memory is made ready than there is input.
func (r *reader) count(limit, size uint64) int {
	return int(r.uint(min(limit, uint64(len(r.b))/size)))
}

func (r *reader) text(limit uint64) string {
	n := r.count(limit, 1)
	if r.bad || n > len(r.b) {
		r.bad = true
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// ParseFrame reads a frame's value. ErrFrame for anything that is not exactly
// one frame; its memory is bounded by len(b).
func ParseFrame(b []byte) (*Frame, error) {
	if len(b) == 0 || b[0] != frameVersion {
		return nil, ErrFrame
	}
	r := &reader{b: b[1:]}
	f := &Frame{
		Topic: uint32(r.uint(MaxTopic)), Partition: int32(r.uint(MaxPartition)), Epoch: r.uint(1<<64 - 1),
	}
	records := r.spans(f)
	codes := r.codes()
	n := r.count(maxRecipients, 2)
	f.Recipients = make([]RecipientRuns, 0, n)
	for range n {
		f.Recipients = append(f.Recipients, r.recipient(records, codes))
	}
	if r.bad || len(r.b) != 0 {
		return nil, ErrFrame
	}
	return f, nil
}

// spans reads the offsets and answers how many they are.
func (r *reader) spans(f *Frame) (records uint64) {
	next := r.uint(MaxOffset)
	n := r.count(MaxOffset, 2)
	f.Spans = make([]Span, 0, n)
	for i := range n {
		gap, count := r.uint(MaxOffset), r.uint(MaxOffset)
		first := next + gap
		if count == 0 || (i == 0) != (gap == 0) || first+count > MaxOffset+1 {
			r.bad = true
			return 0
		}
		f.Spans = append(f.Spans, Span{int64(first), int64(first + count - 1)})
		next, records = first+count, records+count
	}
	r.bad = r.bad || n == 0
	return records
}

func (r *reader) codes() []schemas.Code {
	n := r.count(maxCodes, 1)
	out := make([]schemas.Code, 0, n)
	for range n {
		c := r.text(maxCode)
		r.bad = r.bad || !validCode(c)
		out = append(out, schemas.Code(c))
	}
	return out
}

func (r *reader) recipient(records uint64, codes []schemas.Code) RecipientRuns {
	out := RecipientRuns{Recipient: r.text(maxName)}
	n := r.count(MaxOffset, 2)
	out.Runs = make([]Run, 0, n)
	for range n {
		count, tag := r.uint(MaxOffset), r.uint(1<<32)
		fate, ok := fateOf(tag, codes)
		if !ok || count == 0 || count > records || (len(out.Runs) > 0 && out.Runs[len(out.Runs)-1].Fate == fate) {
			r.bad = true
			return out
		}
		records -= count
		out.Runs = append(out.Runs, Run{count, fate})
	}
	r.bad = r.bad || records != 0
	return out
}

// fateOf reads a run's tag.
func fateOf(tag uint64, codes []schemas.Code) (Fate, bool) {
	kind, arg := transforms.Fate(tag&3), tag>>2
	switch kind {
	case transforms.Published:
		return Fate{Fate: kind, Outs: uint8(arg)}, arg <= MaxOutput
	case transforms.Filtered, transforms.Quarantined:
		if arg < uint64(len(codes)) {
			return Fate{Fate: kind, Code: codes[arg]}, true
		}
	}
	return Fate{}, false
}

// validCode: lower_snake only, so that nothing else can travel as a code.
func validCode(c string) bool {
	if c == "" || len(c) > maxCode {
		return false
	}
	for i := range len(c) {
		if b := c[i]; (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '_' {
			return false
		}
	}
	return true
}

// appendText appends lp(s).
func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
