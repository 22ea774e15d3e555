package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errHeldBack: a transaction that does not end keeps committed readers from
// the topic's end.
var errHeldBack = errors.New("an open transaction holds the topic back (see `weir doctor txn list`)")

// errShrunk: the topic was made anew or lost its end, so what was read before
// says nothing about it.
var errShrunk = errors.New("the topic ends before what was read of it")

const (
	fetchWait  = 100 * time.Millisecond
	fetchBytes = 8 << 20
	// fetchPatience is how long a reader stands still before it gives up: every
	// honest transaction has ended by then.
	fetchPatience = 2 * txnTimeout
)

// committedReader reads internal topics: committed records, to the high
// watermark of the moment it is asked. It fetches by hand, for a consumer does
// not tell its position: at a log's end may stand nothing but transaction
// markers, aborted records or a hole that compaction left, and waiting for a
// record there would never end.
type committedReader struct {
	cl       *kgo.Client
	adm      *kadm.Client
	topic    string
	patience time.Duration
	from     map[int32]int64 // where each partition goes on; owned by read's caller
}

func newCommittedReader(cl *kgo.Client, topic string) *committedReader {
	return &committedReader{cl: cl, adm: kadm.NewClient(cl), topic: topic, patience: fetchPatience, from: map[int32]int64{}}
}

// read calls fn for every committed record between the last read and now, each
// partition in its order. When it fails, the records that fn has seen are not
// read again.
func (r *committedReader) read(ctx context.Context, fn func(*kgo.Record) error) error {
	// The end comes first: what is behind it when we look is to be read.
	ends, err := r.adm.ListEndOffsets(ctx, r.topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("finding the end of %s: %w", r.topic, err)
	}
	if len(ends[r.topic]) == 0 {
		return fmt.Errorf("finding the end of %s: %w", r.topic, kerr.UnknownTopicOrPartition)
	}
	for _, end := range ends.Offsets().Sorted() {
		if r.from[end.Partition] > end.At {
			return fmt.Errorf("reading %s: %w", r.topic, errShrunk)
		}
		if err := r.readPartition(ctx, end.Partition, end.At, fn); err != nil {
			return fmt.Errorf("reading %s: %w", r.topic, err)
		}
	}
	return nil
}

func (r *committedReader) readPartition(ctx context.Context, partition int32, end int64, fn func(*kgo.Record) error) error {
	var (
		leader leaderOf
		moved  = time.Now()
		why    = errHeldBack
	)
	for r.from[partition] < end {
		if time.Since(moved) > r.patience {
			return why
		}
		if err := r.locate(ctx, partition, &leader); err != nil {
			return err
		}
		got, err := r.fetch(ctx, partition, leader)
		if err != nil {
			if !retryFetch(err) {
				return err
			}
			leader, why = leaderOf{}, err
			if err := pause(ctx, fetchWait); err != nil {
				return err
			}
			continue
		}
		if why = errHeldBack; got.next > r.from[partition] {
			moved = time.Now()
		}
		if err := r.take(partition, end, got, fn); err != nil {
			return err
		}
	}
	return nil
}

// take hands records on; what lies at or behind end is left for the next read.
func (r *committedReader) take(partition int32, end int64, got fetched, fn func(*kgo.Record) error) error {
	for _, rec := range got.records {
		if rec.Offset >= end {
			break
		}
		r.from[partition] = rec.Offset + 1
		if err := fn(rec); err != nil {
			return err
		}
	}
	r.from[partition] = max(r.from[partition], min(got.next, end))
	return nil
}

// leaderOf is where a partition is read.
type leaderOf struct {
	known bool
	node  int32
	topic kadm.TopicID
}

func (r *committedReader) locate(ctx context.Context, partition int32, l *leaderOf) error {
	if l.known {
		return nil
	}
	topics, err := r.adm.ListTopicsWithInternal(ctx, r.topic)
	if err != nil {
		return err
	}
	d := topics[r.topic]
	p, ok := d.Partitions[partition]
	if err := d.Err; err != nil {
		return err
	}
	if !ok {
		return kerr.UnknownTopicOrPartition
	}
	*l = leaderOf{known: p.Err == nil && p.Leader >= 0, node: p.Leader, topic: d.ID}
	if !l.known {
		return pause(ctx, fetchWait)
	}
	return nil
}

// fetched is one fetch's harvest; next is where the following one begins.
type fetched struct {
	records []*kgo.Record
	next    int64
}

func (r *committedReader) fetch(ctx context.Context, partition int32, l leaderOf) (fetched, error) {
	if !l.known {
		return fetched{}, kerr.LeaderNotAvailable
	}
	from := r.from[partition]
	resp, err := r.request(partition, from, l.topic).RequestWith(ctx, r.cl.Broker(int(l.node)))
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return fetched{}, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return fetched{next: from}, nil // throttled: an answer without partitions
	}
	rp := &resp.Topics[0].Partitions[0]
	if rp.ErrorCode == kerr.OffsetOutOfRange.Code && from < rp.LogStartOffset {
		return fetched{next: rp.LogStartOffset}, nil // retention took what was before
	}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: from, IsolationLevel: kgo.ReadCommitted(), Topic: r.topic, Partition: partition,
	}, rp, kgo.DefaultDecompressor(), nil)
	if fp.Err != nil {
		return fetched{}, fp.Err
	}
	if len(rp.RecordBatches) == 0 {
		// Nothing is left between here and the last stable offset: a hole.
		next = max(next, rp.LastStableOffset)
	}
	return fetched{records: fp.Records, next: next}, nil
}

func (r *committedReader) request(partition int32, from int64, id kadm.TopicID) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(fetchWait.Milliseconds())
	req.MinBytes, req.MaxBytes = 1, fetchBytes
	req.IsolationLevel = 1
	req.SessionEpoch = -1 // no fetch session: one request stands for itself
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = r.topic, id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, from, fetchBytes
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// retryFetch: the leader moved, or its broker went away.
func retryFetch(err error) bool {
	var ke *kerr.Error
	if errors.As(err, &ke) {
		return ke.Retriable
	}
	return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, kgo.ErrClientClosed) && kgo.IsRetryableBrokerErr(err)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// ReadState reads the state topic of pipeline name to the high watermark of
// now, committed records only. It waits for the transactions that are open at
// that moment, so it must not be called inside one that has written to the
// state topic.
func ReadState(ctx context.Context, cl *kgo.Client, name string) (*State, error) {
	s := newState()
	if err := newCommittedReader(cl, InternalNames(name).State).read(ctx, s.apply); err != nil {
		return nil, err
	}
	return s, nil
}

// stateView follows the state topic for all workers of a process, so that a
// rebalance reads what is new instead of everything again.
type stateView struct {
	cl   *kgo.Client
	name string

	mu     sync.Mutex
	reader *committedReader // guarded by mu; nil: nothing was read yet
	st     *State           // guarded by mu
}

// with brings the view up to the high watermark of now and calls fn with it. fn
// must not keep the State. What ReadState says of open transactions holds here.
func (v *stateView) with(ctx context.Context, fn func(*State)) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.reader == nil {
		v.reader, v.st = newCommittedReader(v.cl, InternalNames(v.name).State), newState()
	}
	if err := v.reader.read(ctx, v.st.apply); err != nil {
		if errors.Is(err, errState) || errors.Is(err, errShrunk) {
			v.reader = nil // begin anew: a record that was not understood must not be passed over
		}
		return err
	}
	fn(v.st)
	return nil
}
