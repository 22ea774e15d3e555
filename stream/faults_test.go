package stream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/schemas/registry"
	"weir/stream/streamtest"
)

// The main job: raw CDC in, two recipients' copies out, exactly once.
func TestRunPublishesEachRecipientsCopyExactlyOnce(t *testing.T) {
	for _, json := range []bool{false, true} {
		t.Run(map[bool]string{false: "avro", true: "json"}[json], func(t *testing.T) {
			g := newRig(t, streamtest.ShopOptions{Seed: 1, JSON: json, AlterAt: 900})
			g.produce(700)
			run := g.start(g.cfg, nil)
			g.drained()
			g.produce(700)
			g.drained()
			if err := run.stop(t); err != nil {
				t.Fatal(err)
			}
			rep := g.exact()
			// One named code, tombstones behind undecided deletes included: a parked
			// record has the code of the record that parked its key.
			code := map[bool]string{false: "undecided", true: "undeclared_field"}[json]
			if rep.Quarantined[code] == 0 || len(rep.Quarantined) != 1 {
				t.Errorf("the undeclared column is quarantined as %+v, want %s alone", rep.Quarantined, code)
			}
			// Said once a kind, not once a record.
			if n := strings.Count(g.log.String(), "records wait in quarantine"); n == 0 || n > 6 {
				t.Errorf("the log says %d times that records wait", n)
			}
			for _, r := range rep.Recipients {
				if r.Delivered == 0 {
					t.Errorf("%s got nothing", r.Name)
				}
			}
		})
	}
}

// libraries.md §1 rule 1: End(TryCommit) ignores produce failures.
func TestProduceErrorInsideATransactionAborts(t *testing.T) {
	g := newRig(t, streamtest.ShopOptions{Seed: 2})
	g.produce(600)
	h := g.c.Kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "clean.analytics.shop.orders",
		Err: kerr.InvalidRecord, Count: 3})
	defer h.Remove()
	g.start(g.cfg, nil)
	g.drained()
	if h.Hits() == 0 {
		t.Fatal("no produce failed: the test tests nothing")
	}
	g.exact()
}

// libraries.md §1 rules 2 and 3: with kgo's default reset, lost input rewinds
// and doubles. Here the partition stands still until the loss is accepted, and
// the others go on.
func TestLostInputPausesThePartitionUntilAccepted(t *testing.T) {
	g := newRig(t, streamtest.ShopOptions{Seed: 3})
	g.produce(300)
	run := g.start(g.cfg, nil)
	g.drained()
	if err := run.stop(t); err != nil {
		t.Fatal(err)
	}
	g.produce(300)
	topic := g.shop.Topics()[0]
	end := g.c.Kafka.PartitionInfo(topic, 0).HighWatermark
	if err := g.c.Kafka.DeleteRecords(topic, 0, end-1); err != nil {
		t.Fatal(err)
	}
	run = g.start(g.cfg, nil)
	waitFor(t, "the pause", func() bool {
		for _, p := range run.Status().Partitions {
			if p.Topic == topic && p.Partition == 0 && p.Reason == "data_loss" {
				return true
			}
		}
		return false
	})
	ctx := context.Background()
	lost, err := AcceptLoss(ctx, g.cfg, "test")
	if err != nil || len(lost) != 1 {
		t.Fatalf("AcceptLoss = %v, %v", lost, err)
	}
	g.drained()
	rep := g.check()
	for _, r := range rep.Recipients {
		if r.Doubled != 0 || r.Misordered != 0 {
			t.Errorf("%s: %+v", r.Name, r)
		}
	}
}

// Contract 23: a dependency is missing for one of two polled partitions. The
// other goes on; nothing of the first is lost or passes through.
func TestMissingDependencyPausesOnlyThePartitionThatNeedsIt(t *testing.T) {
	g := newRig(t, streamtest.ShopOptions{Seed: 4})
	var down atomic.Bool
	down.Store(true)
	gate := gatedRegistry(t, g.c.RegistryURL(), func(path string) bool {
		return down.Load() && strings.Contains(path, "customers")
	})
	reg, err := registry.New(registry.Config{URL: gate, Compile: CompileSchema})
	if err != nil {
		t.Fatal(err)
	}
	g.cfg.Registry = reg
	g.produce(400)
	run := g.start(g.cfg, nil)
	waitFor(t, "orders to be published", func() bool {
		return g.c.Kafka.TopicInfo("clean.analytics.shop.orders") != nil && outEnd(g, "clean.analytics.shop.orders") > 0
	})
	waitFor(t, "customers to wait for the registry", func() bool {
		for _, p := range run.Status().Partitions {
			if strings.HasSuffix(p.Topic, "customers") && p.Reason == "registry" {
				return true
			}
		}
		return false
	})
	if n := outEnd(g, "clean.analytics.shop.customers"); n != 0 {
		t.Errorf("%d customers' records passed without their schema", n)
	}
	down.Store(false)
	g.drained()
	g.exact()
}

func outEnd(g *rig, topic string) int64 {
	n := int64(0)
	for _, p := range g.c.Kafka.PartitionInfos(topic) {
		n += p.HighWatermark
	}
	return n
}

// gatedRegistry passes requests on unless refuse says that the registry is
// down for them.
func gatedRegistry(t *testing.T, to string, refuse func(path string) bool) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse(r.URL.Path) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		forward(w, r, to)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// Contract 22, reliability R6: a revoke in a transaction aborts it, and
// nothing is doubled when partitions move between workers.
func TestRevokeInATransactionAborts(t *testing.T) {
	g := newRig(t, streamtest.ShopOptions{Seed: 5})
	g.produce(1_500)
	g.cfg.MaxPoll = 20
	var slow atomic.Bool
	slow.Store(true)
	first := g.start(g.cfg, func(r *Runner) {
		r.phase = func(_ int, point string) {
			if point == "flush" && slow.Load() {
				time.Sleep(20 * time.Millisecond)
			}
		}
	})
	waitFor(t, "the first worker", func() bool { return first.Status().Records > 100 })
	second := g.cfg
	second.Slot = 1
	other := g.start(second, nil)
	waitFor(t, "the second worker", func() bool { return other.Status().Records > 0 })
	slow.Store(false)
	g.drained()
	g.exact()
}

// Contract 1: who is fenced by FENCED_INSTANCE_ID names its slot and exits 75.
func TestSecondHolderOfASlotFencesTheFirst(t *testing.T) {
	g := newRig(t, streamtest.ShopOptions{Seed: 6})
	g.produce(300)
	first := g.start(g.cfg, nil)
	waitFor(t, "the first", func() bool { return first.Status().Records > 0 })
	g.start(g.cfg, nil)
	select {
	case err := <-first.done:
		first.done <- err
		var f *Fenced
		if !errors.As(err, &f) || f.Slot != 0 || ExitCode(err) != ExitAgain {
			t.Fatalf("the first holder ended with %v", err)
		}
	case <-time.After(40 * time.Second):
		t.Fatal("two processes hold one slot")
	}
	g.produce(200)
	g.drained()
	g.exact()
}

// A killed worker's open transaction is aborted by its successor at once
// (eager producer id), and nothing is lost or doubled.
func TestKilledWorkerIsReplacedWithoutLossOrDouble(t *testing.T) {
	for _, point := range []string{"flush", "end"} {
		t.Run(point, func(t *testing.T) {
			g := newRig(t, streamtest.ShopOptions{Seed: 8})
			g.produce(1_000)
			g.cfg.MaxPoll = 50
			for i := range 4 {
				var n atomic.Int32
				r := g.start(g.cfg, func(r *Runner) {
					r.phase = func(_ int, at string) {
						if at == point && int(n.Add(1)) == 2+i {
							r.Kill()
						}
					}
				})
				select {
				case err := <-r.done:
					r.done <- err
				case <-time.After(30 * time.Second):
					t.Fatal("the killed runner goes on")
				}
			}
			g.start(g.cfg, nil)
			g.drained()
			g.exact()
		})
	}
}

// Reliability A6 row 10: the producer's epochs run out after 32,766
// transactions and nobody notices.
func TestProducerIDRollover(t *testing.T) {
	if testing.Short() {
		t.Skip("33,000 transactions")
	}
	g := newRig(t, streamtest.ShopOptions{Seed: 9, Partitions: 1})
	g.cfg.MaxPoll = 1
	g.produce(33_500)
	g.start(g.cfg, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := streamtest.WaitDrained(ctx, g.prod, InternalNames("shop").Group, g.shop.Topics()...); err != nil {
		t.Fatal(err)
	}
	g.exact()
}

// Contract 27: `start: latest` is turned into offsets once; a crash before the
// first commit changes nothing, and partitions that come later begin at their
// beginning.
func TestStartIsClaimedOnce(t *testing.T) {
	g := newRig(t, streamtest.ShopOptions{Seed: 10})
	g.produce(200)
	g.cfg.Start.Latest = true
	run := g.start(g.cfg, nil)
	waitFor(t, "the start", func() bool { return run.ready.Load() })
	if err := run.stop(t); err != nil {
		t.Fatal(err)
	}
	g.cfg.Start.Latest = false // the marker holds
	before := len(g.shop.Ledger.Entries())
	g.produce(200)
	g.start(g.cfg, nil)
	g.drained()
	rep := g.check()
	if got := rep.Recipients[0]; got.Delivered+got.Filtered+got.Quarantined > rep.In-before || got.Doubled != 0 {
		t.Errorf("records from before the start came out: %+v of %d", got, rep.In)
	}
}

// Contract 12: a source grows; outputs are raised and the new partition's
// records arrive.
func TestGrownSourceRaisesTheOutputs(t *testing.T) {
	g := newRig(t, streamtest.ShopOptions{Seed: 11})
	g.produce(300)
	g.start(g.cfg, nil)
	g.drained()
	adm := kadm.NewClient(g.prod)
	if _, err := adm.UpdatePartitions(context.Background(), 5, g.shop.Topics()...); err != nil {
		t.Fatal(err)
	}
	rec := &kgo.Record{Topic: "cdc.shop.orders", Partition: 4}
	for _, e := range g.lastOf("cdc.shop.orders") {
		rec.Key, rec.Value = e.Key, e.Value
	}
	g.prod.PurgeTopicsFromProducing("cdc.shop.orders")
	if err := g.prod.ProduceSync(context.Background(), rec).FirstErr(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the grown output", func() bool {
		ps := g.c.Kafka.PartitionInfos("clean.analytics.shop.orders")
		return len(ps) == 5 && ps[4].HighWatermark > 0
	})
}

// lastOf is the last record of each partition of a source topic.
func (g *rig) lastOf(topic string) []*kgo.Record {
	g.t.Helper()
	recs, err := streamtest.ReadAll(context.Background(), g.c.Client, func(s string) bool { return s == topic })
	if err != nil || len(recs) == 0 {
		g.t.Fatalf("reading %s: %v", topic, err)
	}
	last := map[int32]*kgo.Record{}
	for _, r := range recs {
		if r.Value != nil {
			last[r.Partition] = r
		}
	}
	var out []*kgo.Record
	for _, r := range last {
		out = append(out, r)
	}
	return out
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(40 * time.Second)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("waited for %s in vain", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func forward(w http.ResponseWriter, r *http.Request, to string) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, to+r.URL.RequestURI(), r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	req.Header = r.Header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for k, v := range resp.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}
