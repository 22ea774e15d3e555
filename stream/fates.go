package stream

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/schemas"
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

// refused decides what follows when the broker does not take a record. Copies
// too large for their topic are quarantined at the next try; else the input
// partition waits, so that others go on. What has no source, or ends the
// producer, is an error.
func (b *batch) refused(e *produceError) (*holding, error) {
	// A partition that another worker raised may be new to this client.
	b.w.sess.Client().ForceMetadataRefresh()
	at, ok := b.sourceOf(e.rec)
	if !ok || !retriable(e) {
		return nil, e
	}
	tooLarge := errors.Is(e.err, kerr.MessageTooLarge) || errors.Is(e.err, kerr.RecordListTooLarge)
	if tooLarge && at.recipient >= 0 {
		b.w.noteOversize(at)
		return nil, e
	}
	return &holding{parts: []tp{at.tp}, reason: "output_refused", retry: true, err: e.err}, nil
}

// noteOversize remembers which copies the broker refuses for their size.
func (w *worker) noteOversize(at origin) {
	if len(w.oversize) >= maxOversize || w.oversize == nil {
		w.oversize = map[origin]bool{}
	}
	w.oversize[at] = true
}

// sourceOf reads a produced record's source back: a copy's from its lineage
// header, a quarantine record's (recipient -1) from its notice.
func (b *batch) sourceOf(rec *kgo.Record) (origin, bool) {
	if rec.Topic == b.w.r.names.Quarantine {
		n, _, _, err := parseNotice(rec)
		return origin{tp{n.Topic, n.Partition}, n.Offset, -1}, err == nil
	}
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
	key, err := b.keyHash(p, e, rec)
	if err != nil {
		return err
	}
	b.applyParked(p, key, copies)
	if err := b.seal(p, key, rec, copies); err != nil {
		return err
	}
	return b.judge(p, copies)
}

// parkedPath stands for the place of a record that is fine itself, but whose
// key waits: its code is that of the record that parked the key.
const parkedPath = "$parked"

// applyParked holds back the copies of a key that waits (contract 29).
func (b *batch) applyParked(p *part, key [32]byte, copies []transforms.Copy) {
	for i := range copies {
		k := ParkedKey{Recipient: b.names[i], Topic: p.number, Partition: p.partition, Key: KeyHash(key[:16])}
		if copies[i].Fate != transforms.Published {
			continue
		}
		if code, waits := b.w.park.parked(k); waits {
			copies[i] = transforms.Copy{Fate: transforms.Quarantined, Code: code, Path: parkedPath}
		}
	}
}

// waitingKind is why records of a topic wait, for the log: its first is told,
// the rest is the metrics'.
type waitingKind struct {
	topic string
	code  schemas.Code
	path  string
}

// maxTold bounds what a worker remembers of what it has told.
const maxTold = 1_000

// tellNews logs the first record of each kind that a committed transaction
// quarantined: after an ALTER TABLE a table would go silent without a word.
func (b *batch) tellNews() {
	for _, k := range b.news {
		if b.w.told[k] {
			continue
		}
		if b.w.told == nil || len(b.w.told) >= maxTold {
			b.w.told = map[waitingKind]bool{}
		}
		b.w.told[k] = true
		b.w.log.Warn("records wait in quarantine", "topic", k.topic, "code", k.code, "path", k.path, "look", "weir quarantine list")
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
		if k := (waitingKind{n.Topic, n.Code, n.Path}); !b.w.told[k] {
			b.news = append(b.news, k)
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
		if s := b.w.park.park(k, rec.Offset, copies[i].Code); s != nil {
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
		poison = poison || !isDrift(copies[i].Code) && copies[i].Path != parkedPath
	}
	if waits && b.w.r.cfg.OnPoison == Stop {
		return &standstill{haltPoison}
	}
	if p.breaker.add(poison, b.w.r.cfg.Breaker) {
		return &standstill{haltBreaker}
	}
	return nil
}

// keyHash is the record key's HMAC: of its fields' canonical text where it can
// be decoded, of its bytes where not (contract 28). An error is a dependency:
// a guess would park the key under another name than its later records have.
func (b *batch) keyHash(p *part, e *entry, rec *kgo.Record) ([32]byte, error) {
	if e == nil && p.binding != nil {
		var err error
		if e, err = b.keyOnly(p, rec); err != nil {
			return [32]byte{}, err
		}
	}
	if e != nil {
		text, err := b.textOfKey(p, e, rec)
		b.keyText = text
		if err == nil {
			return b.hasher.sum(text), nil
		}
	}
	return b.hasher.sum(rec.Key), nil
}

func (b *batch) textOfKey(p *part, e *entry, rec *kgo.Record) (text []byte, err error) {
	defer b.contain(p, rec.Offset, &err)
	return e.plan.Load().KeyText(b.keyText[:0], b.scratch, &b.decoded.event)
}

// keyOnly decodes the key of a record whose value or headers are poison, as if
// it were a bare tombstone; nil when the key is poison too.
func (b *batch) keyOnly(p *part, rec *kgo.Record) (*entry, error) {
	bare := kgo.Record{Key: rec.Key, Topic: rec.Topic, Partition: rec.Partition, Timestamp: rec.Timestamp}
	for _, h := range rec.Headers {
		if h.Key == framingHeader(true) {
			bare.Headers = append(bare.Headers, h)
		}
	}
	ctx, cancel := context.WithTimeout(b.w.sessCtx, externalTimeout)
	defer cancel()
	e, err := b.entryOf(ctx, p, &bare, rec.Offset)
	var m *missing
	if err == nil || errors.As(err, &m) {
		return e, err
	}
	return nil, nil
}

func (b *batch) entryOf(ctx context.Context, p *part, rec *kgo.Record, offset int64) (_ *entry, err error) {
	defer b.contain(p, offset, &err)
	if err := b.w.r.plans.decode(ctx, b.gen, p.binding, rec, &b.decoded); err != nil {
		return nil, err
	}
	return b.w.r.plans.entryFor(ctx, b.gen, p.binding, &b.decoded)
}
