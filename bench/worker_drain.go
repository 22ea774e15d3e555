package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// side is one program of a worker benchmark.
type side struct {
	name, role string
	in         *input
	// launch starts the side's processes under a fresh name, and says how far
	// they are and where their copies go.
	launch func(name string) (*launched, error)
}

// launched is a side that runs.
type launched struct {
	processes []*process
	progress  func(context.Context) (int64, error)
	ready     func(context.Context) (bool, error) // before that nothing is measured; nil: at once
	outputs   []string
	protected bool
}

// cost is what one run of a side costs after its warm-up.
type cost struct {
	micros float64 // CPU µs an event
	rate   float64 // events a second
}

// drains runs every side once a round over its input, A B C then C B A, and
// adds the figures "NAME" (µs CPU an event) and "NAME, rate".
func (g *rig) drains(sides ...side) (map[string][]float64, error) {
	cpu, rate := map[string][]float64{}, map[string][]float64{}
	for round := range g.r.pairs {
		for k := range sides {
			s := &sides[k]
			if round%2 == 1 {
				s = &sides[len(sides)-1-k]
			}
			u, err := g.drain(s, round == 0)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", s.name, round+1, err)
			}
			cpu[s.name], rate[s.name] = append(cpu[s.name], u.micros), append(rate[s.name], u.rate)
		}
	}
	for _, s := range sides {
		g.r.add(s.name, s.role, "µs CPU/event", cpu[s.name])
		g.r.result.Samples[s.name] = cpu[s.name]
	}
	for _, s := range sides {
		g.r.add(s.name+", rate", s.role, "events/s", rate[s.name])
		g.r.result.Samples[s.name+", rate"] = rate[s.name]
	}
	return cpu, nil
}

// drain is one run of a side over its whole input. The first is looked at: a
// side that does less work than it says is not fast.
func (g *rig) drain(s *side, first bool) (cost, error) {
	name := g.run(s.name)
	defer g.sweep(name)
	l, err := s.launch(name)
	if err != nil {
		return cost{}, err
	}
	defer l.stop()
	if first && g.r.worker.profile != "" {
		file := fmt.Sprintf("%s-%s-%s.data", g.r.worker.profile, g.r.result.Name, strings.NewReplacer(" ", "-", ",", "").Replace(s.name))
		if err := l.processes[0].record(file); err != nil {
			return cost{}, err
		}
	}
	u, err := watch(l, s.in)
	if err == nil && first {
		err = g.check(l, s.in)
	}
	return u, err
}

func (l *launched) stop() {
	var all sync.WaitGroup
	for _, p := range l.processes {
		all.Go(p.stop)
	}
	all.Wait()
}

// mark is a moment of a run.
type mark struct {
	n   int64
	at  time.Time
	cpu time.Duration
}

func (l *launched) mark(n int64) (mark, error) {
	m := mark{n: n, at: time.Now()}
	for _, p := range l.processes {
		c, err := p.cpu()
		if err != nil {
			return m, err
		}
		m.cpu += c
	}
	return m, nil
}

// stall is how long a side may stand still.
const stall = time.Minute

// watch waits until a run is through its input and measures it from the end of
// its warm-up. It looks every 2 ms, so that the CPU it reads is that of the
// progress it has seen; the offsets of the end are exact.
func watch(l *launched, in *input) (cost, error) {
	ctx := context.Background()
	var from *mark
	last, moved := int64(0), time.Now()
	for {
		time.Sleep(2 * time.Millisecond)
		n, err := l.progress(ctx)
		if err != nil {
			return cost{}, err
		}
		for _, p := range l.processes {
			if err := p.alive(); err != nil {
				return cost{}, err
			}
		}
		if n > last {
			last, moved = n, time.Now()
		} else if time.Since(moved) > stall {
			return cost{}, fmt.Errorf("stood still at %d of %d; its last lines:\n%s", n, in.total, l.processes[0].logs.String())
		}
		switch {
		case n >= in.total && from == nil:
			return cost{}, errors.New("it was through before it was warm: give more --records")
		case n >= in.total:
			to, err := l.mark(n)
			return to.since(*from), err
		case from == nil && n >= in.warm:
			if from, err = l.warm(ctx, n); err != nil {
				return cost{}, err
			}
		}
	}
}

// warm is the mark at the end of the warm-up, nil while it goes on.
func (l *launched) warm(ctx context.Context, n int64) (*mark, error) {
	if l.ready != nil {
		if ok, err := l.ready(ctx); err != nil || !ok {
			return nil, err
		}
	}
	m, err := l.mark(n)
	return &m, err
}

func (m mark) since(from mark) cost {
	events := float64(m.n - from.n)
	return cost{micros: float64((m.cpu - from.cpu).Microseconds()) / events, rate: events / m.at.Sub(from.at).Seconds()}
}

// check reads a side's committed copies: as many as its input for each output,
// and where they are protected nothing that was to be protected.
func (g *rig) check(l *launched, in *input) error {
	for _, topic := range l.outputs {
		got, leaked, err := g.read(topic, in.total)
		if err != nil {
			return fmt.Errorf("reading %s back: %w", topic, err)
		}
		if got != in.total {
			return fmt.Errorf("%d copies of %d events in %s; its last lines:\n%s", got, in.total, topic, l.processes[0].logs.String())
		}
		if want := int64(0); l.protected && leaked != want || !l.protected && leaked != got {
			return fmt.Errorf("%d of %d copies hold an e-mail address in the clear: the side does not do its work", leaked, got)
		}
	}
	return nil
}

// read counts the committed records of a topic, and those with the canary.
func (g *rig) read(topic string, want int64) (n, leaked int64, err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(g.brokers...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return 0, 0, err
	}
	defer cl.Close()
	for empty := 0; empty < 5; {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		fetches := cl.PollFetches(ctx)
		cancel()
		if err := fetches.Err0(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return n, leaked, err
		}
		if fetches.NumRecords() > 0 {
			empty = 0
		} else if empty++; n >= want {
			break // and not one too many
		}
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			if leaks(r.Value) {
				leaked++
			}
		})
	}
	return n, leaked, nil
}
