package stream

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/schemas"
	"weir/stream/lineage"
	"weir/transforms"
)

// Codes of this package, beside those of schemas and transforms.
const (
	CodeNoSource schemas.Code = "no_source"        // the topic's name does not fit its source
	CodeOversize schemas.Code = "output_too_large" // the broker refuses the copy for its size
)

// batch is one transaction's work. It is owned by its worker's goroutine and
// keeps its memory from one transaction to the next.
type batch struct {
	w        *worker
	gen      *generation
	scratch  *transforms.Scratch
	decoded  decoded
	frames   *lineage.Builder
	releases *lineage.Builder // of released records: their offsets are old ones
	hasher   *keyHasher
	sealer   *quarantineSealer
	arena    arena
	records  slab
	fates    []lineage.Fate
	names    []string // recipients, in the policy's order
	keyText  []byte
	id       []byte // scratch for a lineage header
	tally    tally
	news     []waitingKind // quarantined for a reason that was not logged yet
	touched  []*part

	promise func(*kgo.Record, error)     // answered, made once
	failed  atomic.Pointer[produceError] // the first; set by kgo's goroutines
}

// produceError is a record that the broker refused.
type produceError struct {
	rec *kgo.Record
	err error
}

// Error names the topic and the broker's code.
func (e *produceError) Error() string {
	return fmt.Sprintf("producing to %s: %s", e.rec.Topic, reason(e.err))
}

// Unwrap gives the broker's error.
func (e *produceError) Unwrap() error { return e.err }

func newBatch(w *worker) *batch {
	b := &batch{w: w, scratch: transforms.NewScratch()}
	b.promise = b.answered
	return b
}

// reset starts a transaction under gen.
func (b *batch) reset(w *worker, gen *generation) {
	if b.gen != gen {
		b.setGeneration(gen)
	}
	b.frames.Reset()
	b.releases.Reset()
	b.arena.reset()
	b.records.reset()
	b.tally.reset(len(b.names))
	b.touched = b.touched[:0]
	b.news = b.news[:0]
	b.failed.Store(nil)
}

// setGeneration takes over a policy's recipients and keys.
func (b *batch) setGeneration(gen *generation) {
	p := gen.policy.Transforms
	b.gen, b.names = gen, b.names[:0]
	for i := range p.Recipients {
		b.names = append(b.names, p.Recipients[i].Name)
	}
	b.fates = make([]lineage.Fate, len(b.names))
	b.frames = lineage.NewBuilder(p.Epoch, b.names)
	b.releases = lineage.NewBuilder(p.Epoch, b.names)
	// Invariant 5 needs both: newGeneration has shown that they can be made.
	b.hasher, b.sealer, _ = gen.tools()
}

// run treats everything that was polled. A holding asks for an abort and a
// pause.
func (b *batch) run(ctx context.Context, fetches kgo.Fetches) (*holding, error) {
	var hold *holding
	var fatal error
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if len(f.Records) == 0 || hold != nil || fatal != nil {
			return
		}
		hold, fatal = b.partition(ctx, tp{f.Topic, f.Partition}, f.Records)
	})
	return hold, fatal
}

// partition treats one partition's records in order (Invariant 4).
func (b *batch) partition(ctx context.Context, t tp, recs []*kgo.Record) (*holding, error) {
	p := b.w.part(t)
	b.w.r.beat(b.w.n)
	b.touched = append(b.touched, p)
	for _, rec := range recs {
		if err := b.record(ctx, p, rec); err != nil {
			return b.sort(p, err)
		}
		if b.anyRefused() {
			break // flush says what
		}
	}
	return nil, nil
}

// sort decides what an error does to a partition: a dependency pauses it and
// is asked again, a breaker or `stop` waits for an operator, the rest ends the
// session.
func (b *batch) sort(p *part, err error) (*holding, error) {
	var m *missing
	var s *standstill
	switch {
	case errors.As(err, &m):
		return &holding{parts: []tp{p.tp}, reason: m.what, retry: true, err: m.err}, nil
	case errors.As(err, &s):
		return &holding{parts: []tp{p.tp}, reason: s.why}, nil
	}
	return nil, err
}

// standstill pauses a partition until an operator acts.
type standstill struct{ why string }

func (s *standstill) Error() string { return "partition stopped: " + s.why }

// record gives every recipient its copy of rec, or says why not: all its fates
// stand in this transaction (contract 11).
func (b *batch) record(ctx context.Context, p *part, rec *kgo.Record) error {
	e, copies, err := b.protect(ctx, p, rec)
	if err != nil {
		var poison *schemas.Error
		if !errors.As(err, &poison) {
			return err
		}
		copies = b.poisoned(poison)
	}
	b.expireCopies(p, rec, copies)
	if err := b.quarantine(p, e, rec, copies); err != nil {
		return err
	}
	return b.publishAll(ctx, b.frames, p, e, rec, copies)
}

// expireCopies takes back what may not be delivered any more, and what the
// broker refused for its size.
func (b *batch) expireCopies(p *part, rec *kgo.Record, copies []transforms.Copy) {
	for i := range copies {
		if b.gen.isExpired(i) {
			copies[i] = transforms.Copy{Fate: transforms.Filtered, Code: transforms.CodeUntil}
		} else if copies[i].Fate == transforms.Published && b.w.oversize[origin{p.tp, rec.Offset, i}] {
			copies[i] = transforms.Copy{Fate: transforms.Quarantined, Code: CodeOversize}
		}
	}
}

// protect decodes rec and runs its plan.
func (b *batch) protect(ctx context.Context, p *part, rec *kgo.Record) (_ *entry, _ []transforms.Copy, err error) {
	defer b.contain(p, rec.Offset, &err)
	if p.binding == nil {
		return nil, nil, schemas.Fail(CodeNoSource, "")
	}
	ps := b.w.r.plans
	if err := ps.decode(ctx, b.gen, p.binding, rec, &b.decoded); err != nil {
		return nil, nil, err
	}
	e, err := ps.entryFor(ctx, b.gen, p.binding, &b.decoded)
	if err != nil {
		return nil, nil, err
	}
	copies, next := e.plan.Load().Protect(b.scratch, &b.decoded.event, e.prefixes)
	if next != nil {
		e.plan.Store(next)
	}
	for i := range copies {
		if code := e.outs[i].code; code != "" && copies[i].Fate == transforms.Published {
			copies[i] = transforms.Copy{Fate: transforms.Quarantined, Code: code}
		}
	}
	return e, copies, nil
}

// poisoned quarantines an undecodable record for everybody.
func (b *batch) poisoned(e *schemas.Error) []transforms.Copy {
	copies := make([]transforms.Copy, len(b.names))
	for i := range copies {
		copies[i] = transforms.Copy{Fate: transforms.Quarantined, Code: e.Code, Path: e.Path}
	}
	return copies
}

// publishAll produces the copies and notes every fate in the frame.
func (b *batch) publishAll(ctx context.Context, frames *lineage.Builder, p *part, e *entry, rec *kgo.Record, copies []transforms.Copy) error {
	for i := range copies {
		c := &copies[i]
		b.fates[i] = lineage.Fate{Fate: c.Fate, Code: c.Code}
		if c.Fate == transforms.Published {
			b.fates[i] = lineage.Fate{Outs: uint8(len(c.Outs))}
			if err := b.publish(ctx, p, e, i, c, rec); err != nil {
				return err
			}
		}
		b.tally.count(i, c)
	}
	b.tally.in++
	if p.binding != nil && p.binding.src.KeyChangeHeaders == "" && (header(rec, newKeyHeader) != nil || header(rec, oldKeyHeader) != nil) {
		b.tally.headers++
	}
	b.tally.bytes += len(rec.Key) + len(rec.Value)
	return frames.Add(p.number, p.partition, rec.Offset, b.fates)
}

// publish produces one recipient's outputs of a record, to the input's
// partition and with its timestamp (contracts 12, 13).
func (b *batch) publish(ctx context.Context, p *part, e *entry, i int, c *transforms.Copy, rec *kgo.Record) error {
	o := &e.outs[i]
	if rec.Partition >= o.info.partitions.Load() {
		if err := b.w.r.raise(ctx, o.info, rec.Partition+1); err != nil {
			return err
		}
		b.w.sess.Client().ForceMetadataRefresh()
		return &missing{what: "output_partitions", err: errRaised}
	}
	for j := range c.Outs {
		out := b.records.next()
		out.Topic, out.Partition, out.Timestamp = o.topic, rec.Partition, rec.Timestamp
		if !c.Outs[j].NullKey {
			out.Key = b.arena.keep(c.Outs[j].Key)
		}
		if !c.Outs[j].NullValue {
			out.Value = b.arena.keep(c.Outs[j].Value)
		}
		if err := b.headers(out, p, o, i, uint8(j), c, rec); err != nil {
			return err
		}
		b.produce(out)
	}
	return nil
}

// headers gives an output its lineage id and what else it may carry
// (contracts 13, 14, 17).
func (b *batch) headers(out *kgo.Record, p *part, o *output, i int, j uint8, c *transforms.Copy, rec *kgo.Record) error {
	id, err := b.gen.lineage[i].Append(b.id[:0], b.gen.policy.Transforms.Epoch,
		lineage.Source{Topic: p.number, Partition: rec.Partition, Offset: rec.Offset, Output: j})
	if err != nil {
		return err
	}
	h := append(out.Headers, kgo.RecordHeader{Key: lineage.HeaderKey, Value: b.arena.keep(id)})
	b.id = id
	if o.keyHeader != nil && out.Key != nil {
		h = append(h, kgo.RecordHeader{Key: framingHeader(true), Value: o.keyHeader})
	}
	if o.valueHeader != nil && out.Value != nil {
		h = append(h, kgo.RecordHeader{Key: framingHeader(false), Value: o.valueHeader})
	}
	if j == 0 && c.NewKey != nil {
		h = append(h, kgo.RecordHeader{Key: newKeyHeader, Value: b.arena.keep(c.NewKey)})
	}
	if j == 0 && c.OldKey != nil {
		h = append(h, kgo.RecordHeader{Key: oldKeyHeader, Value: b.arena.keep(c.OldKey)})
	}
	out.Headers = copied(h, p.binding.src.Headers, rec.Headers)
	return nil
}

// copied appends the input headers that pass: an upstream trace context, and
// those the source lists. What calls itself a trace context and is none is a
// header that nobody listed.
func copied(h []kgo.RecordHeader, listed []string, in []kgo.RecordHeader) []kgo.RecordHeader {
	for i := range in {
		pass := in[i].Key == "traceparent" && isTraceParent(in[i].Value)
		for _, l := range listed {
			pass = pass || l == in[i].Key
		}
		if pass {
			h = append(h, in[i])
		}
	}
	return h
}

// isTraceParent reports whether v is version-trace-parent-flags in lower-case hex
// (W3C Trace Context §3.2.2), the one length that version 00 has.
func isTraceParent(v []byte) bool {
	if len(v) != 55 {
		return false
	}
	for i, c := range v {
		dash := i == 2 || i == 35 || i == 52
		if dash != (c == '-') || !dash && !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

// produce hands a record to the client; its answer is waited for in flush.
func (b *batch) produce(r *kgo.Record) {
	b.w.sess.Produce(b.w.sessCtx, r, b.promise)
}

// anyRefused reports whether the broker has refused a record of the transaction.
func (b *batch) anyRefused() bool { return b.failed.Load() != nil }

// answered keeps the first refusal. End would commit the offsets without the
// record (libraries.md §1 rule 1), so flush asks for it.
func (b *batch) answered(r *kgo.Record, err error) {
	if err != nil {
		b.failed.CompareAndSwap(nil, &produceError{r, err})
	}
}

// flush sends the frames and waits until every record of the transaction is
// answered.
func (b *batch) flush(ctx context.Context) (*holding, error) {
	n := b.w.r.lineage.partitions.Load()
	emit := func(_ uint32, partition int32, key, value []byte) {
		r := b.records.next()
		r.Topic, r.Partition = b.w.r.names.Lineage, partition%n
		r.Key, r.Value = b.arena.keep(key), b.arena.keep(value)
		b.produce(r)
	}
	b.frames.Frames(emit)
	b.releases.Frames(emit)
	b.w.r.at("flush")
	// Not kgo.RecordDeliveryTimeout: it counts from the record's timestamp, which
	// is the input's and may be years old.
	ctx, cancel := context.WithTimeout(ctx, b.w.r.limits.txn)
	defer cancel()
	if err := b.w.sess.Client().Flush(ctx); err != nil {
		return nil, err
	}
	if e := b.failed.Load(); e != nil {
		return b.refused(e)
	}
	return nil, nil
}

// forgetCounts takes back what an aborted transaction counted: its records
// come again.
func (b *batch) forgetCounts() {
	for _, p := range b.touched {
		p.breaker.rollback()
	}
}

// report counts what was committed, and ends the pauses of partitions that
// moved.
func (b *batch) report() {
	b.tally.report(b.w.r.metrics, b.names)
	b.tellNews()
	moved := false
	b.w.refusals = 0
	for _, p := range b.touched {
		p.breaker.commit()
		if p.paused != nil {
			why := p.paused.Reason
			p.paused, moved = nil, true
			// A release moves a partition that is not polled.
			b.w.sess.Client().ResumeFetchPartitions(map[string][]int32{p.topic: {p.partition}})
			b.w.log.Info("partition goes on", "topic", p.topic, "partition", p.partition)
			// What is back for one is likely back for all.
			b.w.tryAgain(func(h *halt) bool { return h.Reason == why && !h.Until.IsZero() && !h.trying })
		}
	}
	b.w.r.progress(b.w.n, b.tally.in)
	if moved {
		b.w.publishStatus()
	}
}
