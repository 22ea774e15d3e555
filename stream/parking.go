package stream

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/schemas"
)

// parking is the parked keys of the partitions that one worker owns. It belongs
// to that worker's goroutine. It is a cache of the state topic: what changes in
// a transaction stands in a journal until the transaction's end, so that it is
// never ahead of the committed state (reliability R11).
type parking struct {
	name    string
	parts   map[InputPartition]map[parkedID]schemas.Code // why each key waits; nil map: not loaded
	journal []parkChange

	// stuck are the keys that the command at control offset stuckAt could not
	// release; its later transactions pass over them. trying are those of the
	// open transaction.
	stuckAt int64
	stuck   map[ParkedKey]bool
	trying  []ParkedKey
}

// parkedID is a parked key within its partition.
type parkedID struct {
	key       KeyHash
	recipient string
}

// parkChange is one change of this transaction.
type parkChange struct {
	at     InputPartition
	id     parkedID
	parked bool         // it was parked by this change
	before schemas.Code // why it waited, of an unpark
}

func newParking(name string) *parking {
	return &parking{name: name, parts: map[InputPartition]map[parkedID]schemas.Code{}, stuckAt: -1}
}

// load takes a partition's parked keys from a state that was read after the
// partition's committed offset was (contract 29). It is called between
// transactions.
func (p *parking) load(st *State, at InputPartition) {
	set := map[parkedID]schemas.Code{}
	for k, cause := range st.Parked {
		if k.at() == at {
			set[k.id()] = cause.Code
		}
	}
	p.parts[at] = set
}

// drop forgets a partition that was revoked or lost (R7), this transaction's
// changes to it included.
func (p *parking) drop(at InputPartition) {
	delete(p.parts, at)
	kept := p.journal[:0]
	for _, c := range p.journal {
		if c.at != at {
			kept = append(kept, c)
		}
	}
	p.journal = kept
}

// any reports whether any key of the partition is parked: without one no key
// needs hashing.
func (p *parking) any(at InputPartition) bool { return len(p.parts[at]) > 0 }

// size is the number of parked keys, for the metrics.
func (p *parking) size(at InputPartition) int { return len(p.parts[at]) }

// parked reports whether k waits, and the code of the record that parked it.
func (p *parking) parked(k ParkedKey) (schemas.Code, bool) {
	code, ok := p.parts[k.at()][k.id()]
	return code, ok
}

// keys lists a partition's parked keys of a recipient, all recipients' when it
// is "".
func (p *parking) keys(at InputPartition, recipient string) []ParkedKey {
	var out []ParkedKey
	for id := range p.parts[at] {
		if recipient == "" || id.recipient == recipient {
			out = append(out, ParkedKey{Recipient: id.recipient, Topic: at.Topic, Partition: at.Partition, Key: id.key})
		}
	}
	return out
}

// park parks k from its record at offset on, for code. The state record goes
// into the transaction; nil: k was parked already.
func (p *parking) park(k ParkedKey, offset int64, code schemas.Code) *kgo.Record {
	if !p.change(k, true, code) {
		return nil
	}
	return parkedRecord(p.name, k, ParkCause{From: offset, Code: code})
}

// unpark is park's inverse; nil: k is not parked.
func (p *parking) unpark(k ParkedKey) *kgo.Record {
	if !p.change(k, false, "") {
		return nil
	}
	return unparkedRecord(p.name, k)
}

// change sets whether k is parked, and reports whether that is new. A partition
// that is not loaded is the caller's mistake: nothing of it may be treated, so
// it panics rather than forget a parked key.
func (p *parking) change(k ParkedKey, parked bool, code schemas.Code) bool {
	set := p.parts[k.at()]
	if set == nil {
		panic("stream: parked keys used before they were loaded")
	}
	before, was := set[k.id()]
	if was == parked {
		return false
	}
	if parked {
		set[k.id()] = code
	} else {
		delete(set, k.id())
	}
	p.journal = append(p.journal, parkChange{k.at(), k.id(), parked, before})
	return true
}

// commit ends a transaction that is known to have landed.
func (p *parking) commit() {
	for _, k := range p.trying {
		p.stuck[k] = true
	}
	p.journal, p.trying = p.journal[:0], p.trying[:0]
}

// rollback ends one that was aborted: the set is as it was before it.
func (p *parking) rollback() {
	for i := len(p.journal) - 1; i >= 0; i-- {
		c := p.journal[i]
		if c.parked {
			delete(p.parts[c.at], c.id)
		} else {
			p.parts[c.at][c.id] = c.before
		}
	}
	p.journal, p.trying = p.journal[:0], p.trying[:0]
}

// stuckBy are the keys that earlier transactions of a command found stuck.
func (p *parking) stuckBy(command int64) map[ParkedKey]bool {
	if p.stuckAt != command {
		p.stuckAt, p.stuck = command, map[ParkedKey]bool{}
	}
	return p.stuck
}

func (k ParkedKey) at() InputPartition { return InputPartition{k.Topic, k.Partition} }
func (k ParkedKey) id() parkedID       { return parkedID{k.Key, k.Recipient} }
