package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const mib = 1 << 20

// workerMemory: the peak of what a worker process keeps resident, with few and
// with many partitions, and whether it grows over events and an idle time.
func workerMemory(g *rig) error {
	g.r.result.MinTime, g.r.result.Pairs = "one run", 1
	few, err := g.longRun(12, int64(g.r.worker.events))
	if err != nil {
		return fmt.Errorf("12 partitions: %w", err)
	}
	g.r.add("peak, 12 partitions", "ours", "MiB", []float64{few.peak / mib})
	g.r.add("last tenth / second tenth", "ratio", "×", []float64{median(few.tenths[9]) / median(few.tenths[1])})
	g.r.add("after the idle time / before", "ratio", "×", []float64{median(few.tenths[5]) / median(few.tenths[4])})
	for i, t := range few.tenths {
		g.r.add(fmt.Sprintf("resident, tenth %d", i+1), "ours", "MiB", []float64{median(t) / mib})
	}
	many, err := g.longRun(1000, 5*int64(g.r.worker.records))
	if err != nil {
		return fmt.Errorf("1000 partitions: %w", err)
	}
	g.r.add("peak, 1000 partitions", "ours", "MiB", []float64{many.peak / mib})
	g.r.Note("%d events with 12 partitions, idle for %s in the middle; %d with 1000; %d B JSON, 3 tokens and 2 masks in before and after; batch {max: 10000, linger: 50ms}",
		g.r.worker.events, g.r.worker.idle, 5*g.r.worker.records, eventBytes)
	return nil
}

// residence is what a run kept resident, in bytes.
type residence struct {
	tenths [10][]float64 // samples, by how much of the run was through
	peak   float64
}

// longRun feeds a pipeline, never more than 100,000 events ahead of it; old
// segments go as it runs. Half way it is left idle.
func (g *rig) longRun(partitions int, events int64) (*residence, error) {
	segment, keep := strconv.Itoa(16*mib), strconv.Itoa(64*mib)
	in, source, err := g.emptyInput(false, partitions, map[string]*string{"segment.bytes": &segment, "retention.bytes": &keep})
	if err != nil {
		return nil, err
	}
	s := g.weirSide("weir", policyOf{in: in, recipients: 1, protect: true}.throughput(), 1)
	name := g.run(s.name)
	l, err := s.launch(name)
	if err != nil {
		return nil, err
	}
	defer g.sweep(name)
	defer l.stop()
	r := &residence{}
	f := &feed{g: g, in: in, l: l, source: source, events: events}
	for f.done < events {
		if f.sent >= events/2 && f.done == f.sent && !f.rested {
			f.rested = true
			time.Sleep(g.r.worker.idle)
			f.moved = time.Now()
		}
		if err := f.step(); err != nil {
			return nil, err
		}
		rss, err := l.processes[0].memory("VmRSS")
		if err != nil {
			return nil, err
		}
		tenth := min(f.done*10/events, 9)
		r.tenths[tenth] = append(r.tenths[tenth], rss)
	}
	r.peak, err = l.processes[0].memory("VmHWM")
	return r, err
}

// feed keeps a pipeline fed.
type feed struct {
	g            *rig
	in           *input
	l            *launched
	source       *events
	events       int64
	sent, done   int64
	moved        time.Time
	rested       bool
	produceError error // of promises, which are done after a flush
}

// step sends what may be sent and sees how far the pipeline is.
func (f *feed) step() error {
	ctx := context.Background()
	most := f.events
	if !f.rested {
		most = (f.events + 1) / 2
	}
	for n := 0; n < 5_000 && f.sent < most && f.sent-f.done < 100_000; n++ {
		k, v := f.source.next()
		f.g.cl.Produce(ctx, f.in.record(f.sent, k, v), func(_ *kgo.Record, err error) {
			if err != nil {
				f.produceError = err
			}
		})
		f.sent++
	}
	if err := f.g.cl.Flush(ctx); err != nil {
		return err
	}
	if f.produceError != nil {
		return f.produceError
	}
	done, err := f.l.progress(ctx)
	if err != nil {
		return err
	}
	if done > f.done || f.moved.IsZero() {
		f.done, f.moved = done, time.Now()
	} else if f.sent > f.done && time.Since(f.moved) > 3*stall {
		return fmt.Errorf("stood still at %d of %d; its last lines:\n%s", f.done, f.sent, f.l.processes[0].logs.String())
	}
	if f.sent-f.done >= 100_000 || f.sent == most {
		time.Sleep(20 * time.Millisecond)
	}
	return f.l.processes[0].alive()
}
