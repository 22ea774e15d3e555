package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Runner is one process of a pipeline: its workers and what they share.
type Runner struct {
	cfg     Config
	names   Names
	log     *slog.Logger
	plans   *plans
	gen     atomic.Pointer[generation] // loaded once a batch
	metrics *metrics
	net     *network
	adm     *kgo.Client // administration and plain reads; owned by Run
	start   *StartMarker
	state   *stateView
	limits  limits
	dump    io.Writer // of a worker that hangs

	lineage, quarantine *topicInfo
	topics              topicInfos

	killed  atomic.Bool
	ready   atomic.Bool
	control *controlLog
	health  health

	// phase is called at named points of a transaction; nil outside tests.
	phase func(worker int, point string)
	// now is the broker's time; tests set it where the broker stamps nothing.
	now func() time.Time
	// extra are a worker's further client options; nil outside tests.
	extra func(worker int) []kgo.Opt
}

// NewRunner checks cfg; it connects to nothing.
func NewRunner(cfg Config) (*Runner, error) {
	if cfg.Name == "" || cfg.Policy.Transforms == nil || len(cfg.Sources) == 0 {
		return nil, &Refused{Why: "a pipeline needs a name, a policy and at least one source"}
	}
	if cfg.Policy.Ring == nil {
		return nil, &Refused{Why: "no key file: make one with `weir keys init FILE` and name it under keys.file"}
	}
	cfg.Workers = max(cfg.Workers, 1)
	if cfg.MaxPoll <= 0 {
		cfg.MaxPoll = 2_000
	}
	for i := range cfg.Sources {
		for _, h := range cfg.Sources[i].Headers {
			if reservedHeader(h) {
				return nil, &Refused{Why: fmt.Sprintf("source %q: header %q cannot be copied: Weir writes it itself", cfg.Sources[i].Topics, h)}
			}
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ms, err := compileSources(cfg.Sources)
	if err != nil {
		return nil, err
	}
	r := &Runner{cfg: cfg, names: InternalNames(cfg.Name), log: cfg.Log, net: newNetwork(cfg.Kafka.TLS), limits: defaultLimits(), dump: os.Stderr}
	r.plans = &plans{cfg: &r.cfg, reg: cfg.Registry, ms: ms, r: r}
	r.metrics = newMetrics(cfg.Name)
	r.health.beats = make([]atomic.Int64, cfg.Workers)
	r.health.waiting = make([]atomic.Pointer[string], cfg.Workers)
	r.health.parts = make([]atomic.Pointer[[]PartitionStatus], cfg.Workers)
	return r, nil
}

// Run runs cfg until ctx ends: then the current transactions finish and it
// answers nil. Errors map to exit codes by ExitCode.
func Run(ctx context.Context, cfg Config) error {
	r, err := NewRunner(cfg)
	if err != nil {
		return err
	}
	return r.Run(ctx)
}

// Run runs until ctx ends, then drains.
func (r *Runner) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := r.prepare(ctx); err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil // told to end before it began
		}
		return err
	}
	defer r.adm.Close()
	stop, err := r.serveAdmin()
	if err != nil {
		return err
	}
	defer stop()
	var background sync.WaitGroup
	for _, f := range []func(context.Context){r.control.run, r.reloads} {
		background.Go(func() { f(ctx) })
	}
	err = r.runWorkers(ctx, cancel)
	cancel()
	// A record that is under way to a broker that is gone cannot be given up by
	// its context, only by its client.
	r.adm.Close()
	background.Wait()
	return err
}

// runWorkers runs the workers; the first error stops all. It does not wait for
// one that hangs: the process must end then (reliability R4).
func (r *Runner) runWorkers(ctx context.Context, cancel context.CancelFunc) error {
	errs := make(chan error, r.cfg.Workers+1)
	// sessCtx outlives ctx, so that a drain ends its transactions.
	sessCtx, drop := context.WithCancel(context.WithoutCancel(ctx))
	defer drop()
	r.net.onKill(drop)
	r.ready.Store(true)
	r.log.Info("running", "pipeline", r.cfg.Name, "slot", r.cfg.Slot, "workers", r.cfg.Workers, "epoch", r.gen.Load().policy.Transforms.Epoch)
	defer context.AfterFunc(ctx, func() { r.ready.Store(false) })()
	for n := range r.cfg.Workers {
		w := &worker{r: r, n: n, id: instanceID(r.cfg.Name, r.cfg.Slot, n), sessCtx: sessCtx, log: r.log.With("worker", n)}
		r.beat(n)
		go func() { errs <- w.run(ctx) }()
	}
	watch, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	defer unwatch()
	stuck := make(chan error, 1)
	go func() { stuck <- r.watchdog(watch) }()
	var first error
	for range r.cfg.Workers {
		select {
		case err := <-errs:
			if err != nil {
				first = firstErr(first, err)
				cancel()
			}
		case err := <-stuck:
			return err
		}
	}
	return first
}

// Kill drops every connection at once, as a power cut would: nothing is
// committed, aborted or left. For demonstrations and tests.
func (r *Runner) Kill() {
	r.killed.Store(true)
	r.net.kill()
}

// prepare claims and checks what must hold before the first record.
func (r *Runner) prepare(ctx context.Context) error {
	var err error
	if r.adm, err = r.cfg.Kafka.dial(ctx, r.net.opts()...); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			r.adm.Close()
		}
	}()
	r.state = &stateView{cl: r.adm, name: r.cfg.Name}
	r.control = newControlLog(r)
	if r.now == nil {
		r.now = r.control.now
	}
	// The policy's keys come before its claim: a policy that cannot run must not
	// use its epoch up.
	var gen *generation
	if gen, err = newGeneration(&r.cfg.Policy, &r.cfg); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.checkBroker, r.ensureInternal, r.claim, r.claimStart} {
		if err = step(ctx); err != nil {
			return err
		}
	}
	if err = r.firstClock(ctx, gen); err != nil {
		return err
	}
	r.use(gen)
	return nil
}

// use makes gen the policy of every batch that begins from now on.
func (r *Runner) use(gen *generation) {
	r.gen.Store(gen)
	r.metrics.epoch.Set(float64(gen.policy.Transforms.Epoch))
}

// firstClock reads the broker's time before the first record, where a
// recipient has a last day.
func (r *Runner) firstClock(ctx context.Context, gen *generation) error {
	for i := range gen.policy.Transforms.Recipients {
		if gen.policy.Transforms.Recipients[i].Until.IsZero() {
			continue
		}
		err := r.control.ask(ctx)
		if err == nil {
			err = r.control.look(ctx)
		}
		if err == nil && r.now().IsZero() {
			err = errNoClock
		}
		if err != nil {
			return &Gone{What: "the broker's clock", Err: err}
		}
		break
	}
	r.expire(gen)
	return nil
}

// errNoClock: without LogAppendTime the control topic tells no broker time.
var errNoClock = errors.New("the control topic does not have message.timestamp.type=LogAppendTime (`weir topics plan`)")

func (r *Runner) checkBroker(ctx context.Context) error {
	v, err := transactionVersion(ctx, r.adm)
	if err != nil {
		return err
	}
	if v < 2 && !r.cfg.Kafka.AllowTV1 {
		return &Refused{Why: errTV1.Error()}
	}
	return nil
}

// ensureInternal checks the internal topics, and makes them when run may.
func (r *Runner) ensureInternal(ctx context.Context) error {
	changes, err := planTopics(ctx, admin(r.adm), &r.cfg, r.plans.ms)
	if err != nil {
		return err
	}
	var absent []TopicChange
	for _, c := range changes {
		if c.Action == ActionCreate {
			absent = append(absent, c)
		}
		if c.Action == ActionRaise { // needs no topics.create; what fails here waits for its first record
			if err := applyRaced(ctx, admin(r.adm), []TopicChange{c}); err != nil {
				r.log.Warn("output has fewer partitions than its source", "topic", c.Topic, "wanted", c.Partitions, "reason", reason(err))
			}
		}
	}
	if len(absent) > 0 && !r.cfg.CreateTopics {
		return &Refused{Why: fmt.Sprintf("%d topics are missing, the first is %s: make them with `weir topics apply`, or set topics.create",
			len(absent), absent[0].Topic)}
	}
	if err := applyRaced(ctx, admin(r.adm), absent); err != nil {
		return err
	}
	if r.lineage, err = r.topics.get(ctx, r, r.names.Lineage); err != nil {
		return err
	}
	r.quarantine, err = r.topics.get(ctx, r, r.names.Quarantine)
	return err
}

// claim takes the policy's epoch (contract 2).
func (r *Runner) claim(ctx context.Context) error {
	p := r.cfg.Policy.Transforms
	_, err := ClaimEpoch(ctx, r.claimOpts(), r.cfg.Name, p.Epoch, p.Hash)
	var refused *EpochError
	if errors.As(err, &refused) {
		return &Refused{Why: refused.Error()}
	}
	return err
}

func (r *Runner) claimOpts() []kgo.Opt { return append(r.cfg.Kafka.opts(), r.net.opts()...) }

// reloads asks for a new policy each second and switches to it; workers take
// it up at their next batch. A bad one is refused and the old one stays.
func (r *Runner) reloads(ctx context.Context) {
	for ctx.Err() == nil {
		sleep(ctx, time.Second)
		r.expire(r.gen.Load())
		if r.cfg.Reload == nil {
			continue
		}
		p, err := r.cfg.Reload()
		if err == nil && p == nil {
			continue
		}
		if err == nil {
			err = r.reload(ctx, p)
		}
		if err != nil && ctx.Err() == nil {
			r.metrics.reloads.WithLabelValues("refused").Inc()
			r.log.Error("policy refused; the old one stays", "epoch", r.gen.Load().policy.Transforms.Epoch, "error", err.Error())
		}
	}
}

func (r *Runner) reload(ctx context.Context, p *Policy) error {
	if p.Transforms.Name != r.cfg.Name {
		return errors.New("the pipeline's name cannot change")
	}
	gen, err := newGeneration(p, &r.cfg)
	if err != nil {
		return err
	}
	if _, err := ClaimEpoch(ctx, r.claimOpts(), r.cfg.Name, p.Transforms.Epoch, p.Transforms.Hash); err != nil {
		return err
	}
	r.expire(gen)
	r.use(gen)
	r.metrics.reloads.WithLabelValues("switched").Inc()
	r.log.Info("policy switched", "epoch", p.Transforms.Epoch)
	return nil
}

// expire works out whose last day is over by the broker's clock (contract 7).
func (r *Runner) expire(gen *generation) {
	now := r.now()
	if now.IsZero() {
		return
	}
	rs := gen.policy.Transforms.Recipients
	expired := make([]bool, len(rs))
	for i := range rs {
		expired[i] = !rs[i].Until.IsZero() && !now.Before(rs[i].Until.AddDate(0, 0, 1))
	}
	gen.expired.Store(&expired)
}

// at reports a named point of a transaction to the test that asked for it.
func (r *Runner) at(point string) {
	if r.phase != nil {
		r.phase(0, point)
	}
}

// hooks are the client options of tests, and the network that Kill cuts.
func (r *Runner) hooks(w *worker) []kgo.Opt {
	o := append(r.net.opts(), kgo.ProducerBatchMaxBytesFn(r.topics.maxBytes), kgo.WithHooks(r.metrics.client))
	if r.extra != nil {
		o = append(o, r.extra(w.n)...)
	}
	return o
}
