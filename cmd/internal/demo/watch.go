package demo

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/stream/streamtest"
)

// cell is what one recipient got of an event.
type cell struct {
	outs []*streamtest.Decoded // none: filtered, or not there yet
	code string                // of a quarantined one
}

// sample is one event and every recipient's copy of it.
type sample struct {
	topic     string
	partition int32
	offset    int64
	raw       *streamtest.Decoded
	cells     []cell
	complete  time.Time // when the first recipient had its copy, so that the transaction was committed
}

// counts is what a watcher has seen so far.
type counts struct {
	in          int
	out         []int // by recipient
	quarantined int
}

// watcher reads sources, copies and quarantine as any consumer may, committed
// records only, and joins them by the log position that an event carries.
type watcher struct {
	decoder    *streamtest.Decoder
	recipients []streamtest.Recipient
	quarantine string

	mu     sync.Mutex
	counts counts
	byLSN  map[int64]*sample
	places map[coordinates]*sample
	lsns   []int64 // in order of arrival; the oldest are forgotten
	shown  map[string]int
}

type coordinates struct {
	topic     string
	partition int32
	offset    int64
}

// remembered bounds how many events wait to be shown.
const remembered = 4_000

func newWatcher(d *streamtest.Decoder, rs []streamtest.Recipient, quarantine string) *watcher {
	return &watcher{decoder: d, recipients: rs, quarantine: quarantine, counts: counts{out: make([]int, len(rs))},
		byLSN: map[int64]*sample{}, places: map[coordinates]*sample{}, shown: map[string]int{}}
}

// run reads until ctx ends.
func (w *watcher) run(ctx context.Context, dial streamtest.Dial) error {
	cl, err := dial(kgo.ConsumeTopics(`^(cdc|clean)\..*`, `^_weir\.demo\.quarantine$`), kgo.ConsumeRegex(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.MetadataMinAge(100*time.Millisecond),
		kgo.MetadataMaxAge(time.Second), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		w.mu.Lock()
		fs.EachRecord(w.see)
		w.mu.Unlock()
	}
}

// see takes one record; w.mu is held.
func (w *watcher) see(r *kgo.Record) {
	if r.Topic == w.quarantine {
		w.counts.quarantined++
		w.seeQuarantined(r)
		return
	}
	d, err := w.decoder.Decode(r)
	if i := w.recipientOf(r.Topic); i >= 0 {
		w.counts.out[i]++
		if err == nil && r.Value != nil {
			w.seeCopy(i, d)
		}
		return
	}
	w.counts.in++
	if err == nil && r.Value != nil {
		s := w.sample(d.LSN)
		s.topic, s.partition, s.offset, s.raw = r.Topic, r.Partition, r.Offset, d
		w.places[coordinates{r.Topic, r.Partition, r.Offset}] = s
	}
}

func (w *watcher) recipientOf(topic string) int {
	for i := range w.recipients {
		if p := w.recipients[i].Prefix; len(topic) > len(p) && topic[:len(p)] == p {
			return i
		}
	}
	return -1
}

func (w *watcher) seeCopy(i int, d *streamtest.Decoded) {
	s := w.sample(d.LSN)
	s.cells[i].outs = append(s.cells[i].outs, d)
	s.finish()
}

func (w *watcher) seeQuarantined(r *kgo.Record) {
	n, ok := streamtest.ConnectNote(r)
	s := w.places[coordinates{n.Topic, n.Partition, n.Offset}]
	if !ok || s == nil {
		return
	}
	for i := range w.recipients {
		if n.Has(w.recipients[i].Name) {
			s.cells[i].code = n.Code
		}
	}
	s.finish()
}

func (s *sample) finish() {
	if s.complete.IsZero() {
		s.complete = time.Now()
	}
}

// sample finds or makes the sample of a log position; copies may be read
// before their source.
func (w *watcher) sample(lsn int64) *sample {
	s := w.byLSN[lsn]
	if s == nil {
		s = &sample{cells: make([]cell, len(w.recipients))}
		w.byLSN[lsn] = s
		w.lsns = append(w.lsns, lsn)
		if len(w.lsns) > remembered {
			w.forget(w.lsns[0])
			w.lsns = w.lsns[1:]
		}
	}
	return s
}

func (w *watcher) forget(lsn int64) {
	if s := w.byLSN[lsn]; s != nil {
		delete(w.places, coordinates{s.topic, s.partition, s.offset})
		delete(w.byLSN, lsn)
	}
}

// settling is how long after the first copy the others, of the same
// transaction but other topics, may take to be read.
const settling = 300 * time.Millisecond

// next is the event that is most worth showing: of a kind that was shown least
// often, and the newest of those. It is nil when nothing is ready.
func (w *watcher) next(now time.Time) *sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	var best *sample
	var bestLSN int64
	for i := len(w.lsns) - 1; i >= 0 && i > len(w.lsns)-400; i-- {
		s := w.byLSN[w.lsns[i]]
		if s == nil || s.raw == nil || s.complete.IsZero() || now.Sub(s.complete) < settling {
			continue
		}
		if best == nil || w.shown[s.kind()] < w.shown[best.kind()] {
			best, bestLSN = s, w.lsns[i]
		}
	}
	if best != nil {
		w.shown[best.kind()]++
		w.forget(bestLSN)
	}
	return best
}

// kind is what makes an event different from others to look at.
func (s *sample) kind() string {
	k := s.raw.Table + string(s.raw.Op)
	for _, c := range s.cells {
		k += c.fate() + c.code
		for _, o := range c.outs {
			k += string(o.Op)
		}
	}
	return k
}

func (c *cell) fate() string {
	switch {
	case c.code != "":
		return "quarantined"
	case len(c.outs) > 0:
		return "published"
	}
	return "filtered"
}

func (w *watcher) seen() counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.counts
	c.out = append([]int(nil), c.out...)
	return c
}
