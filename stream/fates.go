package stream

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/stream/lineage"
	"weir/transforms"
)

// origin is one recipient's copy of one input record.
type origin struct {
	tp
	offset    int64
	recipient int
}

// maxOversize bounds what a worker remembers of refused copies; each is
// forgotten when its partition commits past it or goes.
const maxOversize = 10_000

// noteOversize remembers which copies the broker refuses for their size, so
// that the next try quarantines them. The refused record names its source by
// topic, partition and lineage id; all copies of that offset to that topic are
// meant.
func (w *worker) noteOversize(b *batch, rec *kgo.Record) {
	at, ok := b.sourceOf(rec)
	if !ok {
		return
	}
	if len(w.oversize) >= maxOversize || w.oversize == nil {
		w.oversize = map[origin]bool{}
	}
	w.oversize[at] = true
}

// sourceOf reads a produced record's source back from its lineage header.
func (b *batch) sourceOf(rec *kgo.Record) (origin, bool) {
	h, err := lineage.Parse(header(rec, lineage.HeaderKey))
	if err != nil {
		return origin{}, false
	}
	for i := range b.gen.lineage {
		s, err := b.gen.lineage[i].Resolve(h.ID)
		if err != nil || s.Partition != rec.Partition {
			continue
		}
		for _, p := range b.touched {
			if p.number == s.Topic && p.partition == s.Partition {
				return origin{p.tp, s.Offset, i}, true
			}
		}
	}
	return origin{}, false
}

// quarantine puts what could not be decided into the quarantine topic, once for
// all recipients with the same reason, and parks its key.
func (b *batch) quarantine(p *part, e *entry, rec *kgo.Record, copies []transforms.Copy) error {
	bad := false
	for i := range copies {
		bad = bad || copies[i].Fate == transforms.Quarantined
	}
	if !bad && !b.w.park.any(p.at) {
		p.breaker.add(false, 0)
		return nil
	}
	key := b.keyHash(p, e, rec)
	b.applyParked(p, key, copies)
	if err := b.seal(p, key, rec, copies); err != nil {
		return err
	}
	return b.judge(p, copies)
}

// applyParked holds back the copies of a key that waits (contract 29).
func (b *batch) applyParked(p *part, key [32]byte, copies []transforms.Copy) {
	for i := range copies {
		k := ParkedKey{Recipient: b.names[i], Topic: p.number, Partition: p.partition, Key: KeyHash(key[:16])}
		if copies[i].Fate == transforms.Published && b.w.park.parked(k) {
			copies[i] = transforms.Copy{Fate: transforms.Quarantined, Code: CodeParked}
		}
	}
}

// seal writes the sealed original and, under park_key, the parked keys.
func (b *batch) seal(p *part, key [32]byte, rec *kgo.Record, copies []transforms.Copy) error {
	at := Notice{Topic: p.topic, TopicNumber: p.number, Partition: p.partition, Offset: rec.Offset,
		Epoch: b.gen.policy.Transforms.Epoch}
	for _, n := range notices(at, b.names, copies) {
		q, err := b.sealer.seal(key, n, rec)
		if err != nil {
			return err
		}
		info := b.w.r.quarantine
		q.Topic, q.Partition = info.topic, p.partition%info.partitions.Load()
		b.produce(q)
	}
	if b.w.r.cfg.OnPoison != ParkKey || rec.Key == nil {
		return nil
	}
	for i := range copies {
		if copies[i].Fate != transforms.Quarantined {
			continue
		}
		k := ParkedKey{Recipient: b.names[i], Topic: p.number, Partition: p.partition, Key: KeyHash(key[:16])}
		if s := b.w.park.park(k, rec.Offset); s != nil {
			b.produce(s)
		}
	}
	return nil
}

// judge lets the breaker or `stop` hold the partition.
func (b *batch) judge(p *part, copies []transforms.Copy) error {
	poison, waits := false, false
	for i := range copies {
		if copies[i].Fate != transforms.Quarantined {
			continue
		}
		waits = true
		poison = poison || !isDrift(copies[i].Code)
	}
	if waits && b.w.r.cfg.OnPoison == Stop {
		return &standstill{"poison"}
	}
	if p.breaker.add(poison, b.w.r.cfg.Breaker) {
		return &standstill{"breaker"}
	}
	return nil
}

// keyHash is the record key's HMAC: of its fields' canonical text where it can
// be decoded, of its bytes where not (contract 28).
func (b *batch) keyHash(p *part, e *entry, rec *kgo.Record) [32]byte {
	if e == nil && p.binding != nil {
		e = b.keyOnly(p, rec)
	}
	if e != nil {
		text, err := e.plan.Load().KeyText(b.keyText[:0], b.scratch, &b.decoded.event)
		b.keyText = text
		if err == nil {
			return b.hasher.sum(text)
		}
	}
	return b.hasher.sum(rec.Key)
}

// keyOnly decodes the key of a record whose value is poison, as if it were a
// tombstone.
func (b *batch) keyOnly(p *part, rec *kgo.Record) *entry {
	bare := kgo.Record{Key: rec.Key, Topic: rec.Topic, Partition: rec.Partition, Timestamp: rec.Timestamp, Headers: rec.Headers}
	ctx, cancel := context.WithTimeout(b.w.sessCtx, externalTimeout)
	defer cancel()
	if err := b.w.r.plans.decode(ctx, b.gen, p.binding, &bare, &b.decoded); err != nil {
		return nil
	}
	e, err := b.w.r.plans.entryFor(ctx, b.gen, p.binding, &b.decoded)
	if err != nil {
		return nil
	}
	return e
}
