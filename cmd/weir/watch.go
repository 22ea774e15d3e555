package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"weir/stream"
)

// runPipeline is stream.Run with a log of what the process works on.
func runPipeline(ctx context.Context, cfg stream.Config) error {
	r, err := stream.NewRunner(cfg)
	if err != nil {
		return err
	}
	watched, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { watch(watched, &chronicle{log: cfg.Log}, r.Status) })
	err = r.Run(ctx)
	stop()
	watching.Wait()
	return err
}

func watch(ctx context.Context, c *chronicle, status func() stream.Status) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			c.see(now, status())
		}
	}
}

const (
	idleAfter = 15 * time.Second // ready, and nothing assigned: worth a warning
	tellEvery = 5 * time.Minute  // between two lines of progress
)

// chronicle turns snapshots of a process, one a second, into the few log lines
// that are worth one. The zero value with a log is ready.
type chronicle struct {
	log      *slog.Logger
	busy     time.Time // when the process last had a partition, or began
	told     time.Time // when progress was last told
	records  int64     // told then
	last     []string  // topics of the snapshot before, with their partitions
	assigned []string  // the same, as last told
	warned   bool      // of having nothing to do, since it was last busy
}

// see takes the snapshot of a moment.
func (c *chronicle) see(now time.Time, s stream.Status) {
	if !s.Ready {
		return
	}
	if c.told.IsZero() {
		c.busy, c.told = now, now
	}
	c.seePartitions(now, &s)
	if now.Sub(c.told) >= tellEvery {
		if s.Records != c.records {
			c.log.Info("progress", "records", s.Records-c.records, "seconds", int(now.Sub(c.told).Seconds()),
				"epoch", s.Epoch, "partitions", len(s.Partitions), "paused", paused(&s))
		}
		c.told, c.records = now, s.Records
	}
}

// seePartitions tells an assignment that has lasted from one snapshot to the
// next: a rebalance passes through many.
func (c *chronicle) seePartitions(now time.Time, s *stream.Status) {
	topics := topicsOf(s)
	settled := slices.Equal(topics, c.last)
	c.last = topics
	if len(topics) > 0 {
		c.busy, c.warned = now, false
	}
	switch {
	case settled && !slices.Equal(topics, c.assigned):
		c.assigned = topics
		c.log.Info("assigned", "partitions", len(s.Partitions), "topics", topics)
	case len(topics) == 0 && !c.warned && now.Sub(c.busy) >= idleAfter:
		c.warned = true
		c.log.Warn("nothing to do", "text", "no topic matches the policy's sources, or other slots hold every partition")
	}
}

// topicsOf lists the assigned topics, each once.
func topicsOf(s *stream.Status) []string {
	out := make([]string, 0, len(s.Partitions))
	for i := range s.Partitions {
		out = append(out, s.Partitions[i].Topic)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func paused(s *stream.Status) int {
	n := 0
	for i := range s.Partitions {
		if s.Partitions[i].State == "paused" {
			n++
		}
	}
	return n
}
