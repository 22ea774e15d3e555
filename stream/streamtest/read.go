package streamtest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Dial makes a client with further options; Cluster.Client is one.
type Dial func(...kgo.Opt) (*kgo.Client, error)

// Run reads every topic but the sources to its last stable offset, committed
// records only, with a client of its own, and judges them.
func (c *Check) Run(ctx context.Context, dial Dial) (*Report, error) {
	sources := map[string]bool{}
	for _, e := range c.Ledger.Entries() {
		sources[e.Topic] = true
	}
	records, err := ReadAll(ctx, dial, func(topic string) bool { return !sources[topic] })
	if err != nil {
		return nil, err
	}
	return c.Judge(records), nil
}

// ReadAll reads the committed records of all topics that want accepts,
// internal ones (two underscores) left out.
func ReadAll(ctx context.Context, dial Dial, want func(topic string) bool) ([]*kgo.Record, error) {
	ends, err := stableEnds(ctx, dial, want)
	if err != nil || len(ends) == 0 {
		return nil, err
	}
	from := map[string]map[int32]kgo.Offset{}
	for t, ps := range ends {
		from[t] = map[int32]kgo.Offset{}
		for p := range ps {
			from[t][p] = kgo.NewOffset().AtStart()
		}
	}
	// Control records are kept so that the position reaches the end of a topic
	// whose last batch is a transaction's marker.
	cl, err := dial(kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NoResetOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("connecting the reader: %w", err)
	}
	defer cl.Close()
	return drain(ctx, cl, ends)
}

// stableEnds are the ends that the wanted partitions have now, empty ones left
// out, once the last stable offset has reached them: what stands before them is
// decided then. A transaction that hangs, or a partition without a leader, makes
// it fail with ctx rather than leave records out.
func stableEnds(ctx context.Context, dial Dial, want func(string) bool) (map[string]map[int32]int64, error) {
	cl, err := dial()
	if err != nil {
		return nil, fmt.Errorf("connecting the reader: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	var ends map[string]map[int32]int64
	for {
		var err error
		if ends == nil {
			ends, err = nonEmpty(ctx, adm, want)
		}
		if err == nil {
			err = reachedStable(ctx, adm, ends)
		}
		if err == nil {
			return ends, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for stable offsets: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// nonEmpty are the high watermarks of the wanted partitions that hold anything.
func nonEmpty(ctx context.Context, adm *kadm.Client, want func(string) bool) (map[string]map[int32]int64, error) {
	topics, err := adm.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range topics.Names() {
		if want(t) && !strings.HasPrefix(t, "__") {
			names = append(names, t)
		}
	}
	ends := map[string]map[int32]int64{}
	if len(names) == 0 {
		return ends, nil
	}
	starts, err := adm.ListStartOffsets(ctx, names...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, err
	}
	listed, err := adm.ListEndOffsets(ctx, names...)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, err
	}
	listed.Each(func(o kadm.ListedOffset) {
		if start, _ := starts.Lookup(o.Topic, o.Partition); o.Offset > start.Offset {
			if ends[o.Topic] == nil {
				ends[o.Topic] = map[int32]int64{}
			}
			ends[o.Topic][o.Partition] = o.Offset
		}
	})
	return ends, nil
}

// reachedStable reports the first partition whose last stable offset is still
// before its end.
func reachedStable(ctx context.Context, adm *kadm.Client, ends map[string]map[int32]int64) error {
	if len(ends) == 0 {
		return nil
	}
	listed, err := adm.ListCommittedOffsets(ctx, sortedKeys(ends)...)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return err
	}
	for t, ps := range ends {
		for p, end := range ps {
			if o, ok := listed.Lookup(t, p); !ok || o.Offset < end {
				return fmt.Errorf("%s/%d: stable to %d of %d", t, p, o.Offset, end)
			}
		}
	}
	return nil
}

// drain polls until every partition has reached its end.
func drain(ctx context.Context, cl *kgo.Client, ends map[string]map[int32]int64) ([]*kgo.Record, error) {
	var out []*kgo.Record
	left := 0
	for _, ps := range ends {
		left += len(ps)
	}
	for left > 0 {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			return nil, fmt.Errorf("reading the outputs: %w", err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			end, ok := ends[r.Topic][r.Partition]
			if !ok {
				return // past its end
			}
			if r.Offset < end && !r.Attrs.IsControl() {
				out = append(out, r)
			}
			if r.Offset >= end-1 {
				delete(ends[r.Topic], r.Partition)
				left--
			}
		})
	}
	return out, nil
}

// WaitDrained waits until the group has committed the ends that the topics
// have now.
func WaitDrained(ctx context.Context, cl *kgo.Client, group string, topics ...string) error {
	adm := kadm.NewClient(cl)
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return fmt.Errorf("listing end offsets: %w", err)
	}
	for {
		at, err := adm.FetchOffsets(ctx, group)
		if err == nil && reached(at, ends) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for group %s: %w", group, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func reached(at kadm.OffsetResponses, ends kadm.ListedOffsets) bool {
	ok := true
	ends.Each(func(o kadm.ListedOffset) {
		have, there := at.Lookup(o.Topic, o.Partition)
		if o.Offset > 0 && (!there || have.At < o.Offset) {
			ok = false
		}
	})
	return ok
}
