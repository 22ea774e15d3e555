package streamtest

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The operations of an Entry; Tombstone is a record without a value.
const (
	Read      byte = 'r'
	Create    byte = 'c'
	Update    byte = 'u'
	Delete    byte = 'd'
	Tombstone byte = 0
)

// Image is what the checker must know of a row: whose it is for a `rows`
// filter, and which event wrote it.
type Image struct {
	Country string
	Seq     uint64
}

// Entry is one record that was produced to a source topic.
type Entry struct {
	Seq       uint64 // 1, 2, 3 … over all topics, in the order of the changes
	Topic     string
	Table     string
	Partition int32
	Offset    int64  // -1 until the broker has acknowledged it
	Key       string // table and primary key
	Op        byte
	LSN       int64 // source.lsn; a tombstone has that of its delete
	// NewKey and OldKey are the ledger's keys that stand in the key-change headers.
	NewKey, OldKey string
	Before         *Image // of a row event
	After          *Image
	// Undeclared: its schema has the column that no policy knows, so that a
	// recipient with `unknown: quarantine` must not get it, nor its tombstone.
	Undeclared bool
}

// place is a record's coordinates.
type place struct {
	topic     string
	partition int32
	offset    int64
}

// Canary is a raw value that must stand in no output.
type Canary struct {
	Kind string // phone, name, email, id_card, card, address
	Text string
}

// Ledger is everything that a shop has produced: what went in, and so what
// must come out. It is safe for one producer and any number of readers.
type Ledger struct {
	mu       sync.Mutex
	entries  []*Entry
	canaries []Canary
	seen     map[string]bool // canary texts
}

// Entries are the acknowledged entries in order of Seq; the entries are shared
// and no longer change.
func (l *Ledger) Entries() []*Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]*Entry, 0, len(l.entries))
	for _, e := range l.entries {
		if e.Offset >= 0 {
			out = append(out, e)
		}
	}
	return out
}

// Canaries are the raw values of all events so far.
func (l *Ledger) Canaries() []Canary {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Canary(nil), l.canaries...)
}

func (l *Ledger) add(e *Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
}

// ack notes where the broker put an entry.
func (l *Ledger) ack(e *Entry, r *kgo.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Offset = r.Offset
}

func (l *Ledger) canary(kind, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string]bool{}
	}
	if !l.seen[text] {
		l.seen[text] = true
		l.canaries = append(l.canaries, Canary{kind, text})
	}
}

// want is one record that a recipient must get for an entry.
type want struct {
	op     byte
	before bool // a before image may stand in it
}

// expect says what a recipient must get for e: the rules of contract 6, written
// down a second time.
func expect(e *Entry, r *Recipient) []want {
	in := func(i *Image) bool { return i != nil && (r.Keep == nil || r.Keep(i)) }
	was, is := in(e.Before), in(e.After)
	if r.Partial && r.Keep != nil {
		was = e.Before != nil // nobody looks: it may have been in
	}
	switch {
	case e.Op == Tombstone:
		return []want{{op: Tombstone}}
	case e.Op == Delete && was:
		return []want{{op: Delete, before: true}}
	case e.Op == Update && was && is:
		return []want{{op: Update, before: true}}
	case e.Op == Update && is:
		return []want{{op: Create}}
	case e.Op == Update && was:
		return []want{{op: Delete, before: true}, {op: Tombstone}}
	case e.Op != Update && e.Op != Delete && is:
		return []want{{op: e.Op}}
	}
	return nil
}
