package stream

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/stream/streamtest"
)

// Reliability R1: brokers whose transactions a delayed EndTxn can tear are
// refused, unless somebody says otherwise.
func TestOldTransactionsAreRefused(t *testing.T) {
	g := newPlain(t, 1)
	req := kmsg.NewPtrUpdateFeaturesRequest()
	f := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	f.Feature, f.MaxVersionLevel, f.AllowDowngrade, f.UpgradeType = "transaction.version", 1, true, 2
	req.FeatureUpdates = append(req.FeatureUpdates, f)
	if _, err := req.RequestWith(context.Background(), g.prod); err != nil {
		t.Fatal(err)
	}
	err := Run(context.Background(), g.cfg)
	if err == nil || !strings.Contains(err.Error(), "allow_tv1") || ExitCode(err) != ExitUsage {
		t.Fatalf("transaction.version 1 was not refused: %v", err)
	}
	g.cfg.Kafka.AllowTV1 = true
	g.put(rawRec("a", "1", ""))
	g.start(g.cfg, nil)
	g.settled()
	g.want("strict", "1")
}

// Contract 25: recreated more than five times in ten minutes ends with 75.
func TestTooManyRecreations(t *testing.T) {
	g := newPlain(t, 1)
	g.cfg.MaxPoll = 1
	for range 20 {
		g.put(rawRec("a", "1", ""))
	}
	r := &rewriter{mode: "rewrite"}
	r.left.Store(1_000)
	run := g.start(g.cfg, func(run *Runner) {
		run.extra = func(int) []kgo.Opt { return []kgo.Opt{kgo.Dialer(r.dial)} }
	})
	err := run.wait(t)
	if !errors.Is(err, errTooMany) || ExitCode(err) != ExitAgain {
		t.Fatalf("ended with %v", err)
	}
	if n := metric(t, run, "weir_sessions_recreated_total"); n != 5 {
		t.Errorf("recreated %v times, want 5", n)
	}
}

// outage is a network that can be cut and mended.
type outage struct {
	down  atomic.Bool
	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

func (o *outage) dial(ctx context.Context, proto, host string) (net.Conn, error) {
	if o.down.Load() {
		return nil, &net.OpError{Op: "dial", Net: proto, Err: errors.New("connection refused")}
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, proto, host)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conns = append(o.conns, c)
	return c, err
}

func (o *outage) cut() {
	o.down.Store(true)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.conns {
		if c != nil {
			c.Close()
		}
	}
}

// Contract 25: a broker that is away for long is waited for; it does not count
// as recreation after recreation.
func TestLongOutageIsWaitedFor(t *testing.T) {
	g := newPlain(t, 1)
	g.put(rawRec("a", "1", ""))
	o := &outage{}
	var cut sync.Once
	run := g.start(g.cfg, func(run *Runner) {
		run.limits.recreations, run.limits.txn = 1, 2*time.Second
		run.extra = func(int) []kgo.Opt { return []kgo.Opt{kgo.Dialer(o.dial), kgo.RetryTimeout(time.Second)} }
		run.phase = func(_ int, at string) {
			if at == "flush" {
				cut.Do(o.cut)
			}
		}
	})
	waitFor(t, "the worker to wait for the broker", func() bool { return strings.Contains(strings.Join(run.Status().Waiting, ""), "broker") })
	time.Sleep(3 * time.Second) // several tries
	if n := metric(t, run, "weir_sessions_recreated_total"); n != 1 {
		t.Errorf("recreated %v times, want 1", n)
	}
	o.down.Store(false)
	g.settled()
	g.want("strict", "1")
	if len(run.Status().Waiting) != 0 {
		t.Error("/status still waits")
	}
}

// Reliability R4: a worker that hangs ends the process with 70, after a dump of
// the goroutines.
func TestWatchdog(t *testing.T) {
	g := newPlain(t, 1)
	g.put(rawRec("a", "canary-value", ""))
	free := make(chan struct{})
	var dump bytes.Buffer
	run := g.start(g.cfg, func(r *Runner) {
		r.limits.stuck, r.dump = time.Second, &dump
		r.phase = func(int, string) { <-free }
	})
	err := run.wait(t)
	close(free)
	if !errors.Is(err, errStuck) || ExitCode(err) != ExitInternal {
		t.Errorf("ended with %v", err)
	}
	if !strings.Contains(dump.String(), "stream.(*worker).step") || strings.Contains(dump.String(), "canary") {
		t.Error("the dump does not show the worker, or shows a value")
	}
}

// Reliability R5: a producer fenced by somebody who does not take the slot (a
// broker's timeout, `doctor txn abort`) comes back after a session; see
// TestSecondHolderOfASlotFencesTheFirst for one who does.
func TestFencedProducerComesBack(t *testing.T) {
	g := newPlain(t, 1)
	g.put(rawRec("a", "1", ""))
	run := g.start(g.cfg, func(r *Runner) { r.limits.session = 6 * time.Second })
	g.settled()
	if err := AbortTxn(context.Background(), g.cfg, instanceID("plain", 0, 0)); err != nil {
		t.Fatal(err)
	}
	g.put(rawRec("a", "2", ""))
	fenced := time.Now()
	g.settled()
	g.want("strict", "1", "2")
	if n := metric(t, run, "weir_sessions_recreated_total"); n != 1 || time.Since(fenced) < 5*time.Second {
		t.Errorf("came back after %v, recreated %v times", time.Since(fenced), n)
	}
}

// SIGTERM: Run answers nil, the open transaction is ended, nothing is lost or
// doubled, and the next start goes on.
func TestDrain(t *testing.T) {
	g := newRig(t, streamtest.ShopOptions{Seed: 20})
	g.produce(1_200)
	g.cfg.MaxPoll = 40
	for round := range 3 {
		var n atomic.Int32
		var run *running
		started := make(chan struct{})
		run = g.start(g.cfg, func(r *Runner) {
			r.phase = func(_ int, at string) {
				if at == []string{"flush", "end", "flush"}[round] && n.Add(1) == 3 {
					<-started
					run.cancel()
				}
			}
		})
		close(started)
		if err := run.wait(t); err != nil || run.ready.Load() {
			t.Fatalf("drained with %v, ready %v", err, run.ready.Load())
		}
		txns, err := ListTxns(context.Background(), g.cfg)
		if err != nil || len(txns) == 0 {
			t.Fatal(txns, err)
		}
		for _, x := range txns {
			if x.State == "Ongoing" || strings.HasPrefix(x.State, "Prepare") {
				t.Errorf("%s is left %s", x.ID, x.State)
			}
		}
	}
	g.start(g.cfg, nil)
	g.drained()
	g.exact()
}

// Contract 27: a time is turned into offsets at the group's first start.
func TestStartAtATime(t *testing.T) {
	g := newPlain(t, 2)
	at := func(p int32, v string, sec int64) *kgo.Record {
		r := rawRec("a", v, "")
		r.Partition, r.Timestamp = p, time.Unix(sec, 0)
		return r
	}
	g.put(at(0, "1", 100), at(0, "2", 200), at(0, "3", 300), at(1, "4", 100))
	g.cfg.Start.Time = time.Unix(200, 0)
	run := g.start(g.cfg, nil)
	waitFor(t, "two records", func() bool { return outEnd(g, "out.strict.raw.t") > 0 })
	g.put(at(1, "5", 50)) // behind the end of then, whatever its time
	g.settled()
	g.want("strict", "2", "3", "5")
	if m := g.state().Start; m == nil || m.Mode != "time" || m.Offsets[1][0] != 1 || m.Offsets[1][1] != 1 {
		t.Errorf("marker %+v", m)
	}
	_ = run.stop(t)
}

// Nothing is there at start; topics come later, with partitions read from
// their beginning.
func TestTopicsThatComeLater(t *testing.T) {
	g := newPlain(t, 1)
	if err := g.c.Kafka.DeleteTopic(rawTopic); err != nil {
		t.Fatal(err)
	}
	run := g.start(g.cfg, nil)
	waitFor(t, "the start", run.ready.Load)
	if err := g.c.CreateTopics(2, rawTopic); err != nil {
		t.Fatal(err)
	}
	g.put(rawRec("a", "1", ""))
	g.settled()
	g.want("strict", "1")
}

// A topic made anew is another topic: it has another number, and nothing of it
// is passed over.
func TestTopicMadeAnew(t *testing.T) {
	g := newPlain(t, 1)
	g.put(rawRec("a", "1", ""))
	g.start(g.cfg, nil)
	g.settled()
	if err := g.c.Kafka.DeleteTopic(rawTopic); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if err := g.c.CreateTopics(1, rawTopic); err != nil {
		t.Fatal(err)
	}
	g.prod.PurgeTopicsFromProducing(rawTopic)
	g.put(rawRec("b", "2", ""), rawRec("b", "3", ""))
	waitFor(t, "the new topic's records", func() bool { return len(g.got("strict")) == 3 })
	if st := g.state(); len(st.Topics) != 2 {
		t.Errorf("topics %v", st.Topics)
	}
	g.want("strict", "1", "2", "3")
}

// An offset that was committed for a topic of the same name, deleted since, says
// nothing about the new one: it begins at its beginning (contract 27).
func TestOffsetOfADeletedTopicCountsForNothing(t *testing.T) {
	g := newPlain(t, 1)
	g.put(rawRec("a", "1", ""))
	g.leave(g.startSettled())
	if err := g.c.Kafka.DeleteTopic(rawTopic); err != nil {
		t.Fatal(err)
	}
	if err := g.c.CreateTopics(1, rawTopic); err != nil {
		t.Fatal(err)
	}
	g.prod.PurgeTopicsFromProducing(rawTopic)
	g.put(rawRec("b", "2", ""), rawRec("b", "3", ""))
	g.rewind(map[int32]int64{0: 1}) // what the old topic left behind
	g.startSettled()
	g.want("strict", "1", "2", "3")
}

// startSettled starts and waits until all is committed.
func (g *rig) startSettled() *running {
	g.t.Helper()
	run := g.start(g.cfg, nil)
	g.settled()
	return run
}
