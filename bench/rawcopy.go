package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// rawCopy is the floor of the worker benchmarks: consume, produce the same
// record, commit, exactly once, and nothing else. Its client has the settings of
// stream's worker (options in stream/worker.go, Kafka.opts in stream/conn.go):
// who changes them there changes them here.
func rawCopy(args []string) error {
	fs := flag.NewFlagSet("rawcopy", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	list, in, out := fs.String("brokers", "", ""), fs.String("in", "", ""), fs.String("out", "", "")
	group, most := fs.String("group", "", ""), fs.Int("max", 0, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	sess, err := kgo.NewGroupTransactSession(rawOptions(strings.Split(*list, ","), *in, *group)...)
	if err != nil {
		return err
	}
	defer sess.CloseAllowingRebalance()
	c := rawCopier{sess: sess, out: *out, max: *most}
	for ctx.Err() == nil {
		if err := c.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func rawOptions(brokers []string, in, group string) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(brokers...), kgo.ClientID("rawcopy"),
		kgo.MaxDecompressBatchBytes(256 << 20), kgo.RequestTimeoutOverhead(15 * time.Second),
		kgo.MetadataMinAge(250 * time.Millisecond), kgo.MetadataMaxAge(30 * time.Second),
		kgo.TransactionalID(group), kgo.InstanceID(group), kgo.ConsumerGroup(group), kgo.ConsumeTopics(in),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.SessionTimeout(10 * time.Second), kgo.HeartbeatInterval(2500 * time.Millisecond),
		kgo.RebalanceTimeout(20 * time.Second), kgo.TransactionTimeout(20 * time.Second),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.MaxBufferedRecords(1 << 20), kgo.ProducerBatchMaxBytes(1_048_588 - 128),
	}
}

// rawCopier produces the polled records themselves: no allocation for each,
// one promise for all.
type rawCopier struct {
	sess   *kgo.GroupTransactSession
	out    string
	max    int
	failed atomic.Pointer[error]
}

func (c *rawCopier) step(ctx context.Context) error {
	poll, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
	fetches := c.sess.PollRecords(poll, c.max)
	cancel()
	if err := fetches.Err0(); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return err
	}
	if fetches.NumRecords() == 0 {
		return nil
	}
	if err := c.sess.Begin(); err != nil {
		return err
	}
	all := context.Background() // a transaction that has begun is ended
	fetches.EachRecord(func(r *kgo.Record) {
		r.Topic = c.out
		c.sess.Produce(all, r, c.answered)
	})
	if err := c.sess.Client().Flush(all); err != nil {
		return err
	}
	if e := c.failed.Load(); e != nil {
		return *e
	}
	committed, err := c.sess.End(all, kgo.TryCommit)
	if err == nil && !committed {
		err = errors.New("a transaction was not committed")
	}
	return err
}

func (c *rawCopier) answered(_ *kgo.Record, err error) {
	if err != nil {
		c.failed.CompareAndSwap(nil, &err)
	}
}
