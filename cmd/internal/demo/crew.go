package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/stream"
	"weir/stream/streamtest"
)

// restartAfter is how long a supervisor takes to start a dead process again.
const restartAfter = 500 * time.Millisecond

// recovery is how long after a kill all that waited had been delivered.
type recovery struct {
	took time.Duration
	err  error
}

// crew is the worker processes, one a slot. It owns their goroutines.
type crew struct {
	make      func(slot int) (Worker, error)
	failed    chan error
	recovered chan recovery

	mu      sync.Mutex
	members map[int]*member      // guarded by mu
	cancel  []context.CancelFunc // guarded by mu
	stopped bool                 // guarded by mu
	jobs    sync.WaitGroup       // recoveries
}

type member struct {
	worker Worker
	killed bool
	done   chan struct{}
}

func newCrew(make_ func(slot int) (Worker, error)) *crew {
	return &crew{make: make_, failed: make(chan error, 8), recovered: make(chan recovery, 8), members: map[int]*member{}}
}

// start starts the worker of a slot; ctx ends it by a drain.
func (c *crew) start(ctx context.Context, slot int) error {
	w, err := c.make(slot)
	if err != nil {
		return fmt.Errorf("starting worker %d: %w", slot, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	m := &member{worker: w, done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		cancel()
		return context.Canceled
	}
	c.members[slot] = m
	c.cancel = append(c.cancel, cancel)
	go func() {
		defer close(m.done)
		err := w.Run(ctx)
		c.mu.Lock()
		// One that was told to stop while it still started has nothing to report.
		over := m.killed || c.stopped && errors.Is(err, context.Canceled)
		c.mu.Unlock()
		if err != nil && !over {
			c.failed <- fmt.Errorf("worker %d: %w", slot, err)
		}
	}()
	return nil
}

// kill ends a worker as a power cut would.
func (c *crew) kill(slot int) {
	c.mu.Lock()
	m := c.members[slot]
	m.killed = true
	c.mu.Unlock()
	m.worker.Kill()
}

// recover starts a killed worker again, as a supervisor does, and measures how
// long after the kill everything is delivered that came in until the restart.
// live is the workers' context.
func (c *crew) recover(live context.Context, slot int, cl *kgo.Client, topics []string) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(live, drainTime)
	c.mu.Lock()
	c.cancel = append(c.cancel, cancel)
	c.mu.Unlock()
	c.jobs.Go(func() {
		defer cancel()
		select {
		case <-ctx.Done():
		case <-time.After(restartAfter):
		}
		// What has come in meanwhile, for the dead worker's partitions too, is what
		// must be delivered.
		drained := make(chan error, 1)
		go func() {
			drained <- streamtest.WaitDrained(ctx, cl, stream.InternalNames(pipeline).Group, topics...)
		}()
		err := c.start(live, slot)
		if err != nil {
			cancel()
		}
		if e := <-drained; err == nil {
			err = e
		}
		c.recovered <- recovery{time.Since(begin), err}
	})
}

// stop drains all workers and waits for them; a killed one may hang in a call
// that never returns, and is not waited for.
func (c *crew) stop() error {
	c.mu.Lock()
	c.stopped = true
	for _, cancel := range c.cancel {
		cancel()
	}
	var live []*member
	for _, m := range c.members {
		if !m.killed {
			live = append(live, m)
		}
	}
	c.mu.Unlock()
	c.jobs.Wait()
	for _, m := range live {
		<-m.done
	}
	select {
	case err := <-c.failed:
		return err
	default:
		return nil
	}
}
