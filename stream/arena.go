package stream

import "github.com/twmb/franz-go/pkg/kgo"

// arena keeps the bytes of one transaction's outputs in chunks that never
// move, since the client reads them until they are answered.
type arena struct {
	chunks [][]byte
	at     int // chunk in use
}

const chunkSize = 1 << 20

// keep copies b into the arena; the copy is valid until reset.
func (a *arena) keep(b []byte) []byte {
	for a.at < len(a.chunks) && len(a.chunks[a.at])+len(b) > cap(a.chunks[a.at]) {
		a.at++
	}
	if a.at == len(a.chunks) {
		a.chunks = append(a.chunks, make([]byte, 0, max(chunkSize, len(b))))
	}
	c := a.chunks[a.at]
	n := len(c)
	c = append(c, b...)
	a.chunks[a.at] = c
	return c[n:len(c):len(c)]
}

// maxKept bounds what an arena holds on to after a large transaction.
const maxKept = 64

// reset forgets the transaction. What was written is cleared: it may be
// plaintext that a policy passes.
func (a *arena) reset() {
	if len(a.chunks) > maxKept {
		a.chunks = a.chunks[:maxKept:maxKept]
	}
	for i := range a.chunks {
		if cap(a.chunks[i]) > chunkSize {
			a.chunks[i] = make([]byte, 0, chunkSize)
			continue
		}
		clear(a.chunks[i])
		a.chunks[i] = a.chunks[i][:0]
	}
	a.at = 0
}

// slab hands out records whose memory is used again in the next transaction:
// every record is answered before that.
type slab struct {
	blocks [][]slot
	n      int
}

// slot is a record with room for the usual headers.
type slot struct {
	rec     kgo.Record
	headers [3]kgo.RecordHeader
}

const slabBlock = 1024

func (s *slab) next() *kgo.Record {
	if s.n == len(s.blocks)*slabBlock {
		s.blocks = append(s.blocks, make([]slot, slabBlock))
	}
	e := &s.blocks[s.n/slabBlock][s.n%slabBlock]
	s.n++
	e.rec = kgo.Record{Headers: e.headers[:0]}
	return &e.rec
}

func (s *slab) reset() { s.n = 0 }
