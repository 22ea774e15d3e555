package streamtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// due is one output that a recipient must get for a key.
type due struct {
	seq   uint64
	op    byte
	entry *Entry
	met   bool
}

// sight is one output that stands in a recipient's topics.
type sight struct {
	seq uint64 // 0: a tombstone, whose source is found by its key
	op  byte
	rec *kgo.Record
}

// lane is one key's life at one recipient: what is due, and what is seen in
// the order of its partition.
type lane struct {
	dues   []due
	sights []sight
}

// side judges one recipient.
type side struct {
	*judgement
	r     *Recipient
	tally Tally
	lanes map[string]*lane
	keys  map[string]string // topic and output key → the ledger's key
	outOf map[string]string // the ledger's key → topic and output key
}

func (j *judgement) recipient(r *Recipient, records []*kgo.Record) Tally {
	s := &side{judgement: j, r: r, tally: Tally{Name: r.Name}, lanes: map[string]*lane{},
		keys: map[string]string{}, outOf: map[string]string{}}
	for _, e := range j.entries {
		s.expect(e)
	}
	var mine []*kgo.Record
	for _, rec := range records {
		if strings.HasPrefix(rec.Topic, r.Prefix) {
			mine = append(mine, rec)
		}
	}
	s.tally.Out = len(mine)
	sights := s.read(mine)
	s.changedKeys(mine, sights)
	s.nameTombstones(mine, sights)
	for i, rec := range mine {
		s.see(rec, sights[i])
	}
	for _, key := range sortedKeys(s.lanes) {
		s.settle(s.lanes[key])
	}
	s.count()
	return s.tally
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (s *side) lane(key string) *lane {
	l := s.lanes[key]
	if l == nil {
		l = &lane{}
		s.lanes[key] = l
	}
	return l
}

// expect notes what is due for e, by the fate that quarantine gave it.
func (s *side) expect(e *Entry) {
	l := s.lane(e.Key)
	switch n := s.parked[s.r.Name][place{e.Topic, e.Partition, e.Offset}]; {
	case n > 0:
		s.tally.Quarantined++
		if n > 1 {
			s.tally.Doubled += n - 1
			s.report.find("%s: %s/%d@%d is in quarantine %d times", s.r.Name, e.Topic, e.Partition, e.Offset, n)
		}
		s.fate(s.r.Name, e, "quarantined")
		return
	case e.Undeclared && e.Op != Tombstone:
		s.tally.Lost++ // from quarantine: nothing else may be done with it
		s.report.find("%s: %s/%d@%d is undecided and not in quarantine", s.r.Name, e.Topic, e.Partition, e.Offset)
		return
	}
	wants := expect(e, s.r)
	for _, w := range wants {
		l.dues = append(l.dues, due{seq: e.Seq, op: w.op, entry: e})
	}
	if len(wants) == 0 {
		s.tally.Filtered++
		s.fate(s.r.Name, e, "filtered")
		return
	}
	s.fate(s.r.Name, e, "published")
}

// outKey is a record's topic and key without framing, so that a new schema id
// is not a new key.
func (s *side) outKey(r *kgo.Record) string { return s.keyOf(r.Topic, r.Key) }

func (s *side) keyOf(topic string, k []byte) string {
	if s.c.Decoder.registry != nil && len(k) >= 5 {
		k = k[5:]
	}
	return topic + "\x00" + string(k)
}

// read finds the source of every record that has a value.
func (s *side) read(records []*kgo.Record) []sight {
	out := make([]sight, len(records))
	for i, rec := range records {
		out[i] = sight{rec: rec}
		d, err := s.c.Decoder.Decode(rec)
		if err != nil {
			s.wrong(rec, "does not decode under its registered schema")
			continue
		}
		if rec.Value == nil {
			continue
		}
		e := s.byLSN[d.LSN]
		if e == nil || s.r.Prefix+e.Table != rec.Topic {
			s.wrong(rec, "comes from no input of that topic")
			continue
		}
		out[i].seq, out[i].op = e.Seq, d.Op
		s.content(rec, e, d)
		if !s.oneKey(rec, e) {
			out[i].seq = 0
		}
	}
	return out
}

func (s *side) wrong(rec *kgo.Record, why string) {
	s.tally.Wrong++
	s.report.find("%s: %s %s", s.r.Name, at(rec), why)
}

// content checks that the images belong to the event that the envelope names.
func (s *side) content(rec *kgo.Record, e *Entry, d *Decoded) {
	if rec.Partition != e.Partition {
		s.wrong(rec, "stands in another partition than its input")
	}
	if !sameSeq(d.Before, e.Before, true) || !sameSeq(d.After, e.After, d.Op == Delete) {
		s.wrong(rec, "carries another event's row")
	}
}

func sameSeq(got map[string]any, want *Image, mayLack bool) bool {
	if got == nil {
		return want == nil || mayLack
	}
	n, ok := Int(got["seq"])
	return ok && want != nil && uint64(n) == want.Seq
}

// oneKey checks that keys go one to one: no two rows merge under compaction,
// and none is split.
func (s *side) oneKey(rec *kgo.Record, e *Entry) bool {
	k := s.outKey(rec)
	if old, ok := s.keys[k]; ok && old != e.Key {
		s.wrong(rec, "has the key of another row")
		return false
	}
	if old, ok := s.outOf[e.Key]; ok && old != k {
		s.wrong(rec, "has another key than its row had before")
		return false
	}
	s.keys[k], s.outOf[e.Key] = e.Key, k
	return true
}

// changedKeys checks that key-change headers, where a copy has them, carry the
// key that the other row has in its own records.
func (s *side) changedKeys(records []*kgo.Record, sights []sight) {
	for i, rec := range records {
		e := s.bySeq[sights[i].seq]
		if e == nil {
			continue
		}
		for _, h := range rec.Headers {
			want := map[string]string{headerNewKey: e.NewKey, headerOldKey: e.OldKey}[h.Key]
			if h.Key != headerNewKey && h.Key != headerOldKey {
				continue
			}
			k := s.keyOf(rec.Topic, h.Value)
			mine, named := s.outOf[want]
			owner, owned := s.keys[k]
			if want == "" || named && mine != k || owned && owner != want {
				s.wrong(rec, "has a key-change header that is not the other row's key")
			}
		}
	}
}

// nameTombstones gives keys that only tombstones have, of rows that a filter
// kept away, to rows of that partition that were never seen.
func (s *side) nameTombstones(records []*kgo.Record, sights []sight) {
	free := map[string][]string{} // topic/partition → keys that have nothing but tombstones due
	for _, e := range s.entries {
		if l := s.lanes[e.Key]; e.Op == Tombstone && s.outOf[e.Key] == "" && len(l.dues) > 0 {
			p := fmt.Sprintf("%s/%d", s.r.Prefix+e.Table, e.Partition)
			free[p] = append(free[p], e.Key)
		}
	}
	for i, rec := range records {
		k := s.outKey(rec)
		if rec.Value != nil || sights[i].seq != 0 || s.keys[k] != "" {
			continue
		}
		p := fmt.Sprintf("%s/%d", rec.Topic, rec.Partition)
		if q := free[p]; len(q) > 0 {
			s.keys[k], s.outOf[q[0]], free[p] = q[0], k, q[1:]
		}
	}
}

// see puts a record into its key's lane.
func (s *side) see(rec *kgo.Record, g sight) {
	if rec.Value != nil && g.seq == 0 {
		return // already reported
	}
	key, ok := s.keys[s.outKey(rec)]
	if !ok {
		s.wrong(rec, "is a tombstone of no row")
		return
	}
	l := s.lane(key)
	l.sights = append(l.sights, g)
}

// settle matches one lane's sights with its dues.
func (s *side) settle(l *lane) {
	last, position := -1, uint64(0)
	for _, g := range l.sights {
		i := l.match(g, position)
		switch {
		case i < 0 && g.op != Tombstone && !l.has(g):
			s.wrong(g.rec, "was not to be published")
			continue
		case i < 0:
			s.tally.Doubled++
			s.report.find("%s: %s is there twice", s.r.Name, at(g.rec))
			continue
		case i < last:
			s.tally.Misordered++
			s.report.find("%s: %s is out of order", s.r.Name, at(g.rec))
		}
		l.dues[i].met = true
		last, position = max(last, i), max(position, l.dues[i].seq)
	}
	for i := range l.dues {
		if d := &l.dues[i]; !d.met {
			s.tally.Lost++
			s.report.find("%s: nothing came of %s/%d@%d", s.r.Name, d.entry.Topic, d.entry.Partition, d.entry.Offset)
		}
	}
}

// match finds the unmet due of a sight: by its number, or for a tombstone the
// next one that is due.
func (l *lane) match(g sight, position uint64) int {
	for i := range l.dues {
		d := &l.dues[i]
		if d.met || d.op != g.op {
			continue
		}
		if d.seq == g.seq || (g.op == Tombstone && d.seq >= position) {
			return i
		}
	}
	return -1
}

func (l *lane) has(g sight) bool {
	return slices.ContainsFunc(l.dues, func(d due) bool { return d.seq == g.seq && d.op == g.op })
}

// count counts the inputs all of whose outputs are there.
func (s *side) count() {
	done := map[*Entry]bool{}
	for _, l := range s.lanes {
		for i := range l.dues {
			d := &l.dues[i]
			was, ok := done[d.entry]
			done[d.entry] = d.met && (was || !ok)
		}
	}
	for _, ok := range done {
		if ok {
			s.tally.Delivered++
		}
	}
}
