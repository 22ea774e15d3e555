package stream

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// tp is an input partition by topic name.
type tp struct {
	topic     string
	partition int32
}

// worker is one goroutine with one transactional session (contract 24). All
// fields but those marked are owned by that goroutine.
type worker struct {
	r   *Runner
	n   int
	id  string // transactional and instance id
	log *slog.Logger

	sess    *kgo.GroupTransactSession
	sessCtx context.Context // ends when the session must be dropped: Kill
	batch   *batch
	parts   map[tp]*part
	told    map[waitingKind]bool
	park    *parking
	// oversize: copies that the broker refused for their size.
	oversize map[origin]bool
	tried    *generation // under which standing partitions were last tried
	refusals int         // transactions in a row that were aborted for a refused record
	revoked  atomic.Bool // set by the session's callbacks, cleared after End

	mu       sync.Mutex
	assigned []tp // guarded by mu: since the last step
	owned    map[tp]bool
}

// part is what a worker knows of a partition it owns; dropped when it is
// revoked (reliability R7).
type part struct {
	tp
	binding *binding // nil: no source names the topic
	number  uint32
	at      InputPartition
	loaded  bool  // number and parked keys are read
	control int64 // next control offset to execute
	breaker breaker
	paused  *halt
}

// Some reasons; others have names of dependencies. The first three are taken
// away by an operator, not by time.
const (
	haltPoison    = "poison"    // on_poison: stop
	haltBreaker   = "breaker"   // contract 26
	haltDataLoss  = "data_loss" // contract 27
	haltTopicGone = "topic_gone"
)

// halt says why a partition stands still and when to look again.
type halt struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"next_try,omitzero"` // zero: an operator must act
	tries  int
	trying bool // it is polled again, and nothing was heard of the cause yet
}

// pollWait is how long a poll waits: commands, reloads and paused partitions
// want their turn.
const pollWait = 250 * time.Millisecond

// run keeps a session going until ctx ends: what start-up does, recovery does.
func (w *worker) run(ctx context.Context) error {
	var recreated []time.Time
	for {
		err := w.session(ctx)
		if ctx.Err() != nil || w.r.killed.Load() {
			return nil //nolint:nilerr // it was told to end: how the session ended no longer matters
		}
		var fenced *Fenced
		if errors.As(err, &fenced) || !recoverable(err) {
			return err
		}
		now := time.Now()
		recreated = append(recreated, now)
		for now.Sub(recreated[0]) > w.r.limits.window {
			recreated = recreated[1:]
		}
		if len(recreated) > w.r.limits.recreations {
			return errTooMany
		}
		w.r.metrics.recreated.WithLabelValues(reason(err)).Inc()
		w.log.Warn("session dropped; going on from the offsets the broker holds", "reason", reason(err))
		sleep(ctx, time.Duration(len(recreated))*200*time.Millisecond)
	}
}

// producerFenced reports whether somebody took over our transactional id.
func producerFenced(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch)
}

// awaitFence finds out who fenced our producer: a second holder of the slot
// joins the group in our place within a session, and then we must not come
// back; otherwise it was the broker's timeout, and we may. What is polled
// meanwhile is not treated; without this wait two holders would fence each
// other for ever (contract 1, reliability R5).
func (w *worker) awaitFence(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, w.r.limits.session)
	defer cancel()
	for ctx.Err() == nil && !w.r.killed.Load() {
		w.r.beat(w.n)
		fetches := w.sess.PollRecords(ctx, 1)
		var fenced error
		fetches.EachError(func(_ string, _ int32, err error) {
			if errors.Is(err, kerr.FencedInstanceID) {
				fenced = &Fenced{Name: w.r.cfg.Name, Slot: w.r.cfg.Slot, ID: w.id}
			}
		})
		if fenced != nil {
			return fenced
		}
	}
	return cause
}

// session opens a client and steps until something ends it.
func (w *worker) session(ctx context.Context) error {
	if err := w.open(ctx); err != nil {
		return err
	}
	defer w.close()
	for ctx.Err() == nil && !w.r.killed.Load() {
		w.r.beat(w.n)
		err := w.step(ctx)
		if producerFenced(err) {
			err = w.awaitFence(ctx, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open makes the session. The producer id is claimed before the first poll, so
// that a predecessor's open transaction is aborted now and not when it times
// out.
func (w *worker) open(ctx context.Context) error {
	w.parts, w.park = map[tp]*part{}, newParking(w.r.cfg.Name)
	w.mu.Lock()
	w.assigned, w.owned = nil, map[tp]bool{}
	w.mu.Unlock()
	w.revoked.Store(false)
	sess, err := kgo.NewGroupTransactSession(w.options()...)
	if err != nil {
		return err
	}
	w.sess, w.batch, w.oversize, w.tried = sess, newBatch(w), nil, nil
	for {
		_, _, err := sess.Client().ProducerID(ctx)
		if err == nil {
			w.r.health.waiting[w.n].Store(nil)
			return nil
		}
		if !waitable(err) || ctx.Err() != nil || w.r.killed.Load() {
			w.close()
			return err
		}
		w.r.beat(w.n)
		w.r.setWaiting(w.n, "broker")
		sleep(ctx, time.Second)
	}
}

func (w *worker) close() {
	if w.sess == nil {
		return
	}
	w.sess.CloseAllowingRebalance()
	w.sess = nil
	w.mu.Lock()
	w.owned = map[tp]bool{}
	w.mu.Unlock()
}

// options are the session's client options; each rule of libraries.md §1 that
// holds here has its test.
func (w *worker) options() []kgo.Opt {
	names, l := w.r.names, &w.r.limits
	patterns := make([]string, len(w.r.cfg.Sources))
	for i := range w.r.cfg.Sources {
		patterns[i] = globRegexp(w.r.cfg.Sources[i].Topics)
	}
	o := append(w.r.cfg.Kafka.opts(),
		kgo.TransactionalID(w.id), kgo.InstanceID(w.id),
		kgo.ConsumerGroup(names.Group), kgo.ConsumeRegex(), kgo.ConsumeTopics(patterns...),
		kgo.ConsumeExcludeTopics(`^_weir\..*`, `^__consumer_offsets$`, `^__transaction_state$`),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(fetchMaxWait),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.AdjustFetchOffsetsFn(w.adjustOffsets),
		kgo.SessionTimeout(l.session), kgo.HeartbeatInterval(l.heartbeat), kgo.RebalanceTimeout(l.rebalance),
		kgo.TransactionTimeout(l.txn), kgo.MetadataMaxAge(l.metadata),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.MaxBufferedRecords(1<<20), kgo.ProducerBatchMaxBytes(maxBatchBytes),
		kgo.OnPartitionsAssigned(w.onAssigned), kgo.OnPartitionsRevoked(w.onRevoked), kgo.OnPartitionsLost(w.onRevoked),
	)
	return append(o, w.r.hooks(w)...)
}

// fetchMaxWait is short, because a partition that goes on is not in the fetch
// that waits already.
const fetchMaxWait = 500 * time.Millisecond

// maxBatchBytes lets records as large as Weir treats into one batch; the
// broker's own limit decides.
const maxBatchBytes = 100 << 20

func (w *worker) onAssigned(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for t, ps := range parts {
		for _, p := range ps {
			w.assigned = append(w.assigned, tp{t, p})
			w.owned[tp{t, p}] = true
		}
	}
}

func (w *worker) onRevoked(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	if len(parts) == 0 {
		return
	}
	w.revoked.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	for t, ps := range parts {
		for _, p := range ps {
			delete(w.owned, tp{t, p})
		}
	}
}

// syncAssignment forgets what was known of partitions that came anew or went.
func (w *worker) syncAssignment() {
	w.mu.Lock()
	moved := len(w.assigned) > 0
	for _, t := range w.assigned {
		w.forget(t)
	}
	w.assigned = w.assigned[:0]
	for t := range w.parts {
		if !w.owned[t] {
			w.forget(t)
			moved = true
		}
	}
	w.mu.Unlock()
	if moved {
		w.publishStatus()
	}
}

// forget drops all that is known of a partition (reliability R7). The client
// remembers a pause beyond a revocation, so it is lifted.
func (w *worker) forget(t tp) {
	p := w.parts[t]
	if p == nil {
		return
	}
	if p.paused != nil {
		w.sess.Client().ResumeFetchPartitions(map[string][]int32{t.topic: {t.partition}})
	}
	for o := range w.oversize {
		if o.tp == t {
			delete(w.oversize, o)
		}
	}
	w.park.drop(p.at)
	delete(w.parts, t)
}

// step is one transaction: poll, begin, protect, produce, end. Its order is the
// exactly-once guarantee; see stream/README.md for each line's reason.
func (w *worker) step(ctx context.Context) error {
	fetches := w.poll(ctx)
	w.syncAssignment()
	if err := w.fetchErrors(fetches); err != nil {
		return err
	}
	gen := w.r.gen.Load()
	w.reconsider(gen)
	if fetches.NumRecords() == 0 {
		return w.obey(ctx)
	}
	if err := w.sess.Begin(); err != nil {
		return err
	}
	b := w.batch
	b.reset(w, gen)
	hold := w.loadPolled(ctx, fetches)
	var err error
	if hold == nil {
		hold, err = b.run(ctx, fetches)
	}
	if err == nil && hold == nil {
		hold, err = b.flush(w.sessCtx) // Invariant 3: every produce is answered before offsets are added
	}
	if err != nil || hold != nil || w.revoked.Load() {
		return w.abort(b, hold, err)
	}
	if err := w.commit(b); err != nil { // Invariant 3
		return err
	}
	return w.obey(ctx)
}

// commit ends the transaction. Anything but a plain yes is unknown: it is
// neither reported nor repeated, the session is dropped and the broker's
// offsets decide (contract 22).
func (w *worker) commit(b *batch) error {
	w.r.at("end")
	w.r.beat(w.n) // the flush had its time, End has its own
	committed, err := w.sess.End(w.sessCtx, kgo.TryCommit)
	w.revoked.Store(false)
	if err != nil || !committed {
		w.park.rollback()
		w.r.metrics.txns.WithLabelValues("unknown").Inc()
		return unknownCommit{err}
	}
	w.park.commit()
	w.r.metrics.txns.WithLabelValues("committed").Inc()
	b.report()
	return nil
}

// abort ends the transaction without effect. The cause decides what follows: a
// hold pauses partitions, a produce error that leaves the producer usable is
// tried again, anything else drops the session.
func (w *worker) abort(b *batch, hold *holding, cause error) error {
	w.park.rollback()
	b.forgetCounts()
	w.r.metrics.txns.WithLabelValues("aborted").Inc()
	w.r.beat(w.n)
	_, err := w.sess.End(w.sessCtx, kgo.TryAbort)
	w.revoked.Store(false)
	if err != nil {
		return err
	}
	if hold != nil {
		w.hold(hold)
	}
	if cause != nil {
		w.log.Warn("transaction aborted", "reason", reason(cause))
		if !retriable(cause) {
			return cause
		}
		w.refusals++
		sleep(w.sessCtx, min(100*time.Millisecond<<min(w.refusals, 10), 5*time.Second))
	}
	return nil
}

// unknownCommit is a commit whose outcome the client does not know.
type unknownCommit struct{ err error }

// Error says so.
func (u unknownCommit) Error() string { return "commit outcome unknown" }

// Unwrap gives the cause, nil when the client gave none.
func (u unknownCommit) Unwrap() error { return u.err }

// poll waits for records, shortly: commands, reloads and paused partitions
// want their turn. With a linger it waits longer to fill the transaction.
func (w *worker) poll(ctx context.Context) kgo.Fetches {
	w.resume()
	pctx, cancel := context.WithTimeout(ctx, pollWait)
	defer cancel()
	if w.r.cfg.Linger > 0 {
		w.linger(ctx)
	}
	return w.sess.PollRecords(pctx, w.r.cfg.MaxPoll)
}

// linger sleeps until a transaction's worth of records is buffered, or for the
// configured time.
func (w *worker) linger(ctx context.Context) {
	end := time.Now().Add(w.r.cfg.Linger)
	for time.Now().Before(end) && ctx.Err() == nil {
		if int(w.sess.Client().BufferedFetchRecords()) >= w.r.cfg.MaxPoll {
			return
		}
		sleep(ctx, w.r.cfg.Linger/10)
	}
}

// fetchErrors sorts what a poll reports: one partition's trouble pauses that
// partition, a fenced member ends the process, the rest drops the session.
func (w *worker) fetchErrors(fetches kgo.Fetches) error {
	var fatal error
	fetches.EachError(func(topic string, partition int32, err error) {
		var loss *kgo.ErrDataLoss
		switch {
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, kgo.ErrClientClosed):
		case errors.Is(err, kerr.FencedInstanceID):
			fatal = &Fenced{Name: w.r.cfg.Name, Slot: w.r.cfg.Slot, ID: w.id}
		case errors.As(err, &loss), errors.Is(err, kerr.OffsetOutOfRange):
			w.hold(&holding{parts: []tp{{topic, partition}}, reason: haltDataLoss})
		case errors.Is(err, kerr.TopicAuthorizationFailed):
			w.hold(&holding{parts: []tp{{topic, partition}}, reason: "not_authorized", retry: true})
		case topic != "" && errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
			w.hold(&holding{parts: []tp{{topic, partition}}, reason: haltTopicGone, retry: true})
		default:
			fatal = err
		}
	})
	return fatal
}

// holding is why partitions must pause.
type holding struct {
	parts  []tp
	reason string
	retry  bool // look again by ourselves
	err    error
}

// hold pauses partitions: their records are not polled until the cause is
// gone, those of others go on (contract 23).
func (w *worker) hold(h *holding) {
	pausing := map[string][]int32{}
	for _, t := range h.parts {
		p := w.part(t)
		now := time.Now()
		tries, since := 0, now
		if p.paused != nil {
			tries, since = p.paused.tries+1, p.paused.Since
		}
		p.paused = &halt{Reason: h.reason, Since: since, tries: tries}
		if h.retry {
			p.paused.Until = now.Add(min(100*time.Millisecond<<min(tries, 10), 10*time.Second))
		}
		pausing[t.topic] = append(pausing[t.topic], t.partition)
		if tries == 0 {
			w.log.Warn("partition paused", "topic", t.topic, "partition", t.partition, "waiting_for", h.reason, "cause", reason(h.err))
		}
	}
	w.sess.Client().PauseFetchPartitions(pausing)
	w.publishStatus()
}

// resume lets partitions whose time has come try again. They keep their pause
// record until a batch of theirs commits, so that tries add up, or until
// nothing is heard of the cause for a minute: there may be nothing to read.
func (w *worker) resume() {
	now := time.Now()
	resuming := map[string][]int32{}
	ended := false
	for _, p := range w.parts {
		if p.paused == nil || p.paused.Until.IsZero() || now.Before(p.paused.Until) {
			continue
		}
		resuming[p.topic] = append(resuming[p.topic], p.partition)
		if p.paused.trying {
			p.paused, ended = nil, true
			continue
		}
		p.paused.trying, p.paused.Until = true, now.Add(time.Minute)
		if p.paused.Reason == haltTopicGone {
			// The client holds on to the topic's id: a topic made anew must be found
			// anew.
			w.sess.Client().PurgeTopicsFromConsuming(p.topic)
		}
	}
	if len(resuming) > 0 {
		w.sess.Client().ResumeFetchPartitions(resuming)
	}
	if ended {
		w.publishStatus()
	}
}

// reconsider tries partitions again that stand for what a policy decides, once
// there is another policy.
func (w *worker) reconsider(gen *generation) {
	if w.tried == gen {
		return
	}
	w.tried = gen
	w.tryAgain(func(h *halt) bool { return h.Reason == haltPoison || h.Reason == haltBreaker })
}

// tryAgain lets paused partitions try at the next poll.
func (w *worker) tryAgain(which func(*halt) bool) {
	for _, p := range w.parts {
		if p.paused != nil && which(p.paused) {
			p.paused.Until, p.paused.trying = time.Now(), false
		}
	}
}

func (w *worker) part(t tp) *part {
	p := w.parts[t]
	if p == nil {
		p = &part{tp: t}
		p.binding, _ = bind(w.r.plans.ms, t.topic)
		w.parts[t] = p
	}
	return p
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
