// Package demo shows Weir to somebody who sees it for the first time: an
// embedded broker, a small shop whose change stream is known record by record,
// two workers of the real engine, one of which is killed, and a verdict by a
// reader that shares no code with it.
//
//	sum, err := demo.Run(ctx, demo.Options{Events: 2000, Out: os.Stdout, Width: 80, Color: true})
//	if err == nil && !sum.OK() { os.Exit(1) }
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/stream"
	"weir/stream/streamtest"
)

// The ways to make Weir misbehave on purpose.
const (
	BreakDrop   = "drop"   // an input is skipped: offsets moved by hand
	BreakDouble = "double" // an output is produced a second time, outside any transaction
	BreakLeak   = "leak"   // the policy passes a phone number
)

// Options of one demo.
type Options struct {
	Events int           // records to produce, then it ends; 0: until ctx ends
	Rate   int           // records a second, 120 if zero; negative: as fast as it goes
	Break  string        // "", drop, double or leak
	JSON   bool          // lines of JSON instead of a screen
	Out    io.Writer     // where it is shown
	Width  int           // columns, 80 if zero
	Color  bool          // Out is a terminal that knows ANSI
	Every  time.Duration // between two events that are shown, 900 ms if zero
	Recap  time.Duration // between two lines of totals of an endless demo, 30 s if zero
	Seed   uint64        // of the shop, 1 if zero
	Dir    string        // for policy and keys, the caller's to remove; "": a temporary one
	// KafkaPort and RegistryPort are fixed ports; zero lets the system choose.
	KafkaPort, RegistryPort int
	Log                     *slog.Logger // of the workers, nil: none

	// start makes a worker process; nil: the engine's.
	start func(policy string, slot int, o *Options) (Worker, error)
}

// Worker is one worker process; *stream.Runner is it.
type Worker interface {
	Run(ctx context.Context) error
	Kill() // drops every connection at once, commits and leaves nothing
}

const (
	workers    = 2
	partitions = 3
	drainTime  = 60 * time.Second
	settleTime = 300 * time.Millisecond
)

func (o *Options) defaults() error {
	switch o.Break {
	case "", BreakDrop, BreakDouble, BreakLeak:
	default:
		return fmt.Errorf("--break %s: it is drop, double or leak", o.Break)
	}
	if o.Events != 0 && o.Events < 200 {
		return errors.New("--events: at least 200, so that there is something to see and to break")
	}
	if o.Rate == 0 {
		o.Rate = 120
	}
	if o.Width < 80 {
		o.Width = 80
	}
	if o.Every == 0 {
		o.Every = 900 * time.Millisecond
	}
	if o.Recap == 0 {
		o.Recap = 30 * time.Second
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.start == nil {
		o.start = newWorker
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// scenes say after how many records what happens.
func (o *Options) scenes() (alterAt, killAt int) {
	if o.Events > 0 {
		return o.Events / 2, o.Events / 3
	}
	return 900, 450
}

// show is one run of the demo; its parts run in goroutines that Run waits for.
type show struct {
	o       Options
	cluster *streamtest.Cluster
	shop    *streamtest.Shop
	watch   *watcher
	crew    *crew
	ui      ui
	client  *kgo.Client     // produces and administers
	live    context.Context // of workers and watcher: outlives Run's, for the drain

	produced int
	altered  bool
	killed   int           // how many times
	recovery time.Duration // the longest
	epoch    int32         // of the group when it was last looked at, -1: not stable
	since    time.Time     // when that epoch was first seen
}

// Run runs the demo and judges it. It ends by itself after Events records, or
// when ctx ends: then it drains and judges what there is. The error is one of
// the demo, not a verdict.
func Run(ctx context.Context, o Options) (*Summary, error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	dir := o.Dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "weir-demo-"); err != nil {
			return nil, fmt.Errorf("making a folder for policy and keys: %w", err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
	}
	cluster, err := streamtest.Start(streamtest.Options{Partitions: partitions, KafkaPort: o.KafkaPort, RegistryPort: o.RegistryPort})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	s := &show{o: o, cluster: cluster, ui: newUI(&o)}
	if err := s.open(ctx, dir); err != nil {
		return nil, err
	}
	defer s.client.Close()
	return s.run(ctx)
}

// open makes shop, topics and crew; no worker runs yet.
func (s *show) open(ctx context.Context, dir string) error {
	policy, err := writePolicy(dir, s.cluster, s.o.Break)
	if err != nil {
		return err
	}
	alterAt, _ := s.o.scenes()
	s.shop, err = streamtest.NewShop(streamtest.ShopOptions{Seed: s.o.Seed, Partitions: partitions,
		Registry: s.cluster.RegistryURL(), AlterAt: uint64(alterAt), Start: time.Now()})
	if err != nil {
		return err
	}
	if err := s.cluster.CreateTopics(partitions, s.shop.Topics()...); err != nil {
		return err
	}
	s.client, err = s.cluster.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	if s.o.Break == BreakDrop {
		if err := s.skipOne(ctx); err != nil {
			return err
		}
	}
	s.crew = newCrew(func(slot int) (Worker, error) { return s.o.start(policy, slot, &s.o) })
	decoder, err := streamtest.NewDecoder(s.cluster.RegistryURL())
	if err != nil {
		return err
	}
	s.watch = newWatcher(decoder, recipients(), stream.InternalNames(pipeline).Quarantine)
	return nil
}

func (s *show) run(ctx context.Context) (*Summary, error) {
	s.ui.open(s)
	// Watcher and crew outlive ctx: after Ctrl-C there is a drain and a verdict.
	live, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.live = live
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		if err := s.watch.run(live, s.cluster.Client); err != nil {
			s.crew.failed <- err
		}
	}()
	defer func() { stop(); <-watching }()
	for slot := range workers {
		if err := s.crew.start(live, slot); err != nil {
			return nil, err
		}
	}
	defer func() { _ = s.crew.stop() }() // finish has reported it
	if err := s.play(ctx); err != nil {
		return nil, err
	}
	return s.finish(ctx)
}

// play produces and shows until the stream or ctx ends.
func (s *show) play(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	begin, owed := time.Now(), 0.0
	lastShown, lastRecap := begin, begin
	for s.o.Events == 0 || s.produced < s.o.Events || s.toKill() {
		owed += s.pace() / 20
		n := int(owed)
		owed -= float64(n)
		if err := s.produce(ctx, n); err != nil {
			return err
		}
		if err := s.happen(ctx); err != nil {
			return err
		}
		if now := time.Now(); now.Sub(lastShown) >= s.o.Every {
			if e := s.watch.next(now); e != nil {
				s.ui.event(e)
				lastShown = now
			}
		}
		if now := time.Now(); s.o.Events == 0 && now.Sub(lastRecap) >= s.o.Recap {
			s.ui.recap(s, now.Sub(begin))
			lastRecap = now
		}
		s.ui.progress(s)
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.crew.failed:
			return err
		case <-tick.C:
		}
	}
	return nil
}

// toKill says that it is time for the kill.
func (s *show) toKill() bool {
	_, killAt := s.o.scenes()
	return s.killed == 0 && s.produced >= killAt
}

// settled reports whether every partition has had its worker for a while: a
// kill while the group still forms would show how long a group takes to form.
func (s *show) settled() bool {
	g := s.cluster.Kafka.GroupInfo(stream.InternalNames(pipeline).Group)
	if g == nil || g.State != "Stable" || len(g.Members) != workers || g.NumAssigned() != partitions*len(s.shop.Topics()) {
		s.epoch = -1
		return false
	}
	if g.Epoch != s.epoch {
		s.epoch, s.since = g.Epoch, time.Now()
	}
	return time.Since(s.since) > settleTime
}

// pace is the records a second. The stream waits for a kill that is due.
// An endless demo slows down, because its broker keeps everything in memory.
func (s *show) pace() float64 {
	switch {
	case s.toKill():
		return 0
	case s.o.Rate < 0:
		return 20 * 500
	case s.o.Events == 0 && s.produced > 3_000:
		return float64(min(s.o.Rate, 20))
	}
	return float64(s.o.Rate)
}

func (s *show) produce(ctx context.Context, n int) error {
	if s.o.Events > 0 {
		n = min(n, s.o.Events-s.produced)
	}
	// Not ctx: what the ledger has must be in the broker.
	err := s.shop.Produce(context.WithoutCancel(ctx), s.client, n)
	s.produced += n
	if err != nil {
		return fmt.Errorf("producing the shop's stream: %w", err)
	}
	if s.shop.Altered() && !s.altered {
		s.altered = true
		s.ui.scene("ALTER TABLE customers ADD backup_phone: a column nobody has decided about, full of phone numbers")
	}
	return nil
}

// happen kills a worker when it is time, and breaks what was asked to break.
func (s *show) happen(ctx context.Context) error {
	if s.toKill() && s.settled() {
		if s.o.Break == BreakDouble {
			if err := s.doubleOne(ctx); err != nil {
				return err
			}
		}
		s.killed++
		s.ui.scene("worker 1 killed: no commit, no goodbye; its transaction hangs until it is back")
		s.crew.kill(1)
		s.crew.recover(s.live, 1, s.client, s.shop.Topics())
	}
	select {
	case r := <-s.crew.recovered:
		return s.back(r)
	default:
		return nil
	}
}

func (s *show) back(r recovery) error {
	if r.err != nil {
		return r.err
	}
	s.recovery = max(s.recovery, r.took)
	s.ui.scene(fmt.Sprintf("worker 1 is back; all that waited is delivered %s after the kill", seconds(r.took)))
	return nil
}

// finish drains, stops the workers and has the outputs judged.
func (s *show) finish(ctx context.Context) (*Summary, error) {
	if ctx.Err() != nil {
		s.ui.scene("draining, then the verdict; Ctrl-C once more ends at once, without one")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if s.killed > 0 && s.recovery == 0 {
		select {
		case r := <-s.crew.recovered:
			if err := s.back(r); err != nil {
				return nil, err
			}
		case <-ctx.Done():
		}
	}
	drained := streamtest.WaitDrained(ctx, s.client, stream.InternalNames(pipeline).Group, s.shop.Topics()...)
	if err := s.crew.stop(); err != nil {
		return nil, err
	}
	// A fresh deadline: a pipeline that hangs must still be judged.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	report, err := s.judge(ctx)
	if err != nil {
		return nil, fmt.Errorf("judging the outputs: %w", err)
	}
	sum := summarise(report, s.shop.Ledger, s.killed, s.recovery, drained == nil)
	if sum.Reasons, err = s.reasons(ctx); err != nil {
		return nil, fmt.Errorf("reading the quarantine: %w", err)
	}
	s.ui.summary(sum)
	return sum, nil
}

// judge holds topics and frames against the ledger.
func (s *show) judge(ctx context.Context) (*streamtest.Report, error) {
	names := stream.InternalNames(pipeline)
	check := &streamtest.Check{Ledger: s.shop.Ledger, Recipients: recipients(), Decoder: s.watch.decoder,
		Quarantine: names.Quarantine, Lineage: names.Lineage}
	var err error
	if check.Frames, err = s.frames(ctx); err != nil {
		return nil, err
	}
	return check.Run(ctx, s.cluster.Client)
}
