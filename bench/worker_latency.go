package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// stampHeader is the input header that tells when an event was due: nanoseconds
// since 1970, 8 bytes. The policy lets it through.
const stampHeader = "bench-at"

// workerLatency: from the moment an event was due at the producer to the moment
// a read-committed reader has its copy, at shares of the top rate, with the
// setting for quick answers and the one for bulk.
func workerLatency(g *rig) error {
	loads := []int{20, 50, 80}
	samples := map[string][]float64{} // ms by figure
	var order []string
	note := func(figure string, v float64) {
		if samples[figure] == nil {
			order = append(order, figure)
		}
		samples[figure] = append(samples[figure], v)
	}
	for _, s := range []struct {
		name string
		of   func(policyOf) policyOf
	}{{"latency", policyOf.latency}, {"throughput", policyOf.throughput}} {
		top, err := g.topRate(s.of)
		if err != nil {
			return fmt.Errorf("top rate, setting for %s: %w", s.name, err)
		}
		g.r.add(s.name+" setting, top rate", "ours", "events/s", []float64{top})
		for round := range g.r.pairs {
			for k := range loads {
				load := loads[k]
				if round%2 == 1 {
					load = loads[len(loads)-1-k]
				}
				l, err := g.latencies(s.of, top*float64(load)/100)
				if err != nil {
					return fmt.Errorf("%s at %d %%: %w", s.name, load, err)
				}
				for _, q := range []struct {
					name string
					part float64
				}{{"p50", .5}, {"p99", .99}, {"p99.9", .999}} {
					note(fmt.Sprintf("%s setting, %d %% load, %s", s.name, load, q.name), l.at(q.part))
				}
				note(fmt.Sprintf("%s setting, %d %% load, reached", s.name, load), 100*l.reached)
			}
		}
	}
	g.latencyFigures(order, samples)
	return nil
}

func (g *rig) latencyFigures(order []string, samples map[string][]float64) {
	slices.Sort(order)
	for _, name := range order {
		unit := "ms"
		if name[len(name)-len("reached"):] == "reached" {
			unit = "% of the rate"
		}
		g.r.add(name, "ours", unit, samples[name])
		g.r.result.Samples[name] = samples[name]
	}
	g.r.Ratio("p50 at 20 % load, latency / throughput", samples["latency setting, 20 % load, p50"], samples["throughput setting, 20 % load, p50"])
	g.r.Note("%d B JSON events, %d partitions, 3 tokens and 2 masks in before and after; %d s a load after 2 s of warm-up", eventBytes, partitions, g.r.worker.seconds)
	g.r.Note("producer, broker, worker and reader share this machine: the top rate is what comes out while all of them run")
	g.r.Note("setting for latency: batch {max: 200, linger: 0s}; for throughput: batch {max: 10000, linger: 50ms}")
}

// latency of one load.
type latency struct {
	nanos   []int64 // sorted
	reached float64 // events that came over events that were due
}

// at is a quantile in milliseconds.
func (l *latency) at(q float64) float64 {
	return float64(l.nanos[min(int(q*float64(len(l.nanos))), len(l.nanos)-1)]) / 1e6
}

// latencies runs a fresh pipeline under an open load: events are stamped with
// the moment they are due, so a producer that is held up does not hide it.
func (g *rig) latencies(of func(policyOf) policyOf, rate float64) (*latency, error) {
	f, err := g.newFlow(of)
	if err != nil {
		return nil, err
	}
	defer f.close()
	const warm = 2 * time.Second
	length := time.Duration(g.r.worker.seconds) * time.Second
	begin := time.Now().Add(warm)
	from, to := begin.UnixNano(), begin.Add(length).UnixNano()
	due := f.offer(rate, begin.Add(length), from)
	// What is under way comes for two seconds more; what comes later is not
	// reached.
	time.Sleep(2 * time.Second)
	l := &latency{}
	f.mu.Lock()
	for _, s := range f.seen {
		if s.due >= from && s.due < to {
			l.nanos = append(l.nanos, s.came-s.due)
		}
	}
	f.mu.Unlock()
	if len(l.nanos) == 0 {
		return nil, errors.New("nothing came out; the worker's last lines:\n" + f.worker.processes[0].logs.String())
	}
	slices.Sort(l.nanos)
	l.reached = float64(len(l.nanos)) / float64(due)
	return l, f.err()
}

// topRate is what comes out a second while more is offered than can.
func (g *rig) topRate(of func(policyOf) policyOf) (float64, error) {
	f, err := g.newFlow(of)
	if err != nil {
		return 0, err
	}
	defer f.close()
	var n0, n1 int
	var t0, t1 time.Time
	count := func() (int, time.Time) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.seen), time.Now()
	}
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		time.Sleep(3 * time.Second)
		n0, t0 = count()
		time.Sleep(5 * time.Second)
		n1, t1 = count()
	}()
	f.flood(stop)
	<-stop
	if n1 == n0 {
		return 0, errors.New("nothing came out; the worker's last lines:\n" + f.worker.processes[0].logs.String())
	}
	return float64(n1-n0) / t1.Sub(t0).Seconds(), f.err()
}

// flow is a pipeline with a producer before and a reader behind it.
type flow struct {
	g       *rig
	name    string
	in      *input
	events  *events
	worker  *launched
	prod    *kgo.Client
	reader  *kgo.Client
	sent    int64
	flying  atomic.Int64
	refused atomic.Pointer[error]
	readers sync.WaitGroup

	mu   sync.Mutex
	seen []arrival // guarded by mu
}

type arrival struct{ due, came int64 } // Unix nanoseconds

// newFlow starts worker and reader, and waits until a first event is through.
func (g *rig) newFlow(of func(policyOf) policyOf) (*flow, error) {
	f := &flow{g: g}
	var err error
	if f.in, f.events, err = g.emptyInput(false, partitions, nil); err != nil {
		return nil, err
	}
	p := of(policyOf{in: f.in, recipients: 1, protect: true, keep: stampHeader})
	s := g.weirSide("weir", p, 1)
	f.name = g.run(s.name)
	if f.worker, err = s.launch(f.name); err != nil {
		return nil, err
	}
	if f.prod, err = kgo.NewClient(kgo.SeedBrokers(g.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0)); err == nil {
		f.reader, err = kgo.NewClient(kgo.SeedBrokers(g.brokers...), kgo.ConsumeTopics(f.worker.outputs...),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(100*time.Millisecond),
			kgo.UnknownTopicRetries(-1))
	}
	if err == nil {
		f.readers.Go(f.read)
		err = f.first()
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// first sends events until one comes through.
func (f *flow) first() error {
	for end := time.Now().Add(stall); time.Now().Before(end); {
		f.send(time.Now().UnixNano())
		time.Sleep(200 * time.Millisecond)
		f.mu.Lock()
		n := len(f.seen)
		f.mu.Unlock()
		if n > 0 {
			return nil
		}
		if err := f.err(); err != nil {
			return err
		}
	}
	return errors.New("no event came through; the worker's last lines:\n" + f.worker.processes[0].logs.String())
}

func (f *flow) err() error {
	if e := f.refused.Load(); e != nil {
		return *e
	}
	return f.worker.processes[0].alive()
}

func (f *flow) close() {
	f.worker.stop()
	if f.prod != nil {
		f.prod.Close()
	}
	if f.reader != nil {
		f.reader.Close()
		f.readers.Wait()
	}
	f.g.sweep(f.name)
	f.g.sweep(f.in.topic)
}

// send produces one event that was due at a moment.
func (f *flow) send(due int64) {
	k, v := f.events.next()
	r := f.in.record(f.sent, k, v)
	f.sent++
	r.Headers = []kgo.RecordHeader{{Key: stampHeader, Value: binary.BigEndian.AppendUint64(nil, uint64(due))}}
	f.flying.Add(1)
	f.prod.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
		f.flying.Add(-1)
		if err != nil && !errors.Is(err, kgo.ErrClientClosed) {
			f.refused.CompareAndSwap(nil, &err)
		}
	})
}

// offer sends events at a rate until a moment, evenly, and counts those that
// were due after from.
func (f *flow) offer(rate float64, until time.Time, from int64) (due int) {
	gap, start := 1e9/rate, time.Now()
	for n := 0; ; {
		now := time.Now()
		if now.After(until) {
			return due
		}
		for ; ; n++ {
			at := start.Add(time.Duration(float64(n) * gap))
			if at.After(now) || at.After(until) {
				break
			}
			f.send(at.UnixNano())
			if at.UnixNano() >= from {
				due++
			}
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// flood sends as much as comes out, and a backlog of at most 50,000 before it.
func (f *flow) flood(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		f.mu.Lock()
		backlog := f.sent - int64(len(f.seen))
		f.mu.Unlock()
		if backlog > 50_000 {
			time.Sleep(time.Millisecond)
			continue
		}
		for range 500 {
			f.send(time.Now().UnixNano())
		}
	}
}

// read notes when copies come, until the reader is closed.
func (f *flow) read() {
	for {
		fetches := f.reader.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		now := time.Now().UnixNano()
		f.mu.Lock()
		fetches.EachRecord(func(r *kgo.Record) {
			for i := range r.Headers {
				if r.Headers[i].Key == stampHeader && len(r.Headers[i].Value) == 8 {
					f.seen = append(f.seen, arrival{int64(binary.BigEndian.Uint64(r.Headers[i].Value)), now})
				}
			}
		})
		f.mu.Unlock()
	}
}
