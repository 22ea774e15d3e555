package stream

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/schemas/registry"
	"weir/stream/lineage"
	"weir/stream/streamtest"
)

// Contract 2: a policy switches at a batch boundary, every record names exactly
// one epoch, and a transaction's frame names the same. A lower epoch and one
// that cannot run are refused, and the old one stays.
func TestReloadSwitchesAtABatchBoundary(t *testing.T) {
	g := newPlain(t, 1)
	g.cfg.MaxPoll = 10
	reload := g.reload()
	run := g.start(g.cfg, nil)
	for epoch := uint64(2); epoch <= 4; epoch++ {
		for i := range 100 {
			g.put(rawRec(fmt.Sprint(i), fmt.Sprint(epoch), ""))
			if i == 50 {
				reload <- g.decided(epoch)
			}
		}
		waitFor(t, "the switch", func() bool { return run.Status().Epoch == epoch })
	}
	reload <- g.decided(3)
	other := g.decided(5)
	other.Transforms.Name = "other"
	reload <- other
	waitFor(t, "two refusals", func() bool { return counter(t, run, "weir_policy_reloads_total", "refused") == 2 })
	g.put(rawRec("z", "last", ""))
	g.settled()
	if run.Status().Epoch != 4 || g.state().Epochs[5] != [32]byte{} {
		t.Errorf("epoch %d after refusals", run.Status().Epoch)
	}
	frames := map[int64]uint64{} // offset → epoch
	for _, rec := range g.read(InternalNames("plain").Lineage) {
		f, err := lineage.ParseFrame(rec.Value)
		if err != nil {
			t.Fatal(err)
		}
		for o := f.First(); o <= f.Last(); o++ {
			frames[o] = f.Epoch
		}
	}
	last, seen := uint64(0), map[uint64]bool{}
	for i, rec := range g.read("out.strict.raw.t") {
		h, err := lineage.Parse(header(rec, lineage.HeaderKey))
		if err != nil {
			t.Fatal(err)
		}
		if h.Epoch < last || frames[int64(i)] != h.Epoch {
			t.Errorf("output %d: epoch %d after %d, frame says %d", i, h.Epoch, last, frames[int64(i)])
		}
		last, seen[h.Epoch] = h.Epoch, true
	}
	if len(seen) < 3 || last != 4 {
		t.Errorf("epochs %v, last %d", seen, last)
	}
}

// A policy that cannot run does not use its epoch up.
func TestRefusedPolicyClaimsNothing(t *testing.T) {
	g := newPlain(t, 1)
	run := g.start(g.cfg, nil)
	waitFor(t, "the start", run.ready.Load)
	bad := g.decided(9)
	bad.Ring = testRing(t)
	bad.Ring.Wipe()
	if err := run.reload(context.Background(), &bad); err == nil {
		t.Fatal("a policy without keys was taken")
	}
	if _, used := g.state().Epochs[9]; used || run.Status().Epoch != 1 {
		t.Error("the refused epoch is claimed")
	}
}

// counter reads one metric by its only or last label's value.
func counter(t *testing.T, run *running, name, value string) float64 {
	t.Helper()
	fs, err := run.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range fs {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetValue() == value {
					sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return sum
}

// Contract 32: run refuses missing topics and says how to make them; apply
// makes them, and then nothing is left to plan.
func TestTopicsPlanAndApply(t *testing.T) {
	g := newPlain(t, 4)
	g.cfg.CreateTopics = false
	err := Run(context.Background(), g.cfg)
	if err == nil || !strings.Contains(err.Error(), "weir topics apply") || ExitCode(err) != ExitUsage {
		t.Fatalf("run went on without its topics: %v", err)
	}
	if g.c.Kafka.TopicInfo("_weir.plain.state") != nil {
		t.Error("run created topics unasked")
	}
	ctx := context.Background()
	for round := range 2 {
		changes, err := PlanTopics(ctx, g.cfg)
		if err != nil || len(changes) != 6 {
			t.Fatal(changes, err)
		}
		for _, c := range changes {
			if (c.Action == ActionNone) != (round == 1) {
				t.Errorf("round %d: %s of %s", round, c.Action, c.Topic)
			}
		}
		if err := ApplyTopics(ctx, g.cfg, changes); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(g.c.Kafka.PartitionInfos("out.loose.raw.t")); n != 4 {
		t.Errorf("an output has %d partitions, its source 4", n)
	}
	g.put(rawRec("a", "1", ""))
	g.start(g.cfg, nil)
	g.settled()
	g.want("strict", "1")
}

// Cached ids keep working while the registry is down; unknown ones wait.
func TestRegistryGoesDown(t *testing.T) {
	g := newRig(t, streamtest.ShopOptions{Seed: 31, AlterAt: 700})
	var down atomic.Bool
	g.cfg.Registry = g.registry(func(string) bool { return down.Load() })
	g.produce(400)
	run := g.start(g.cfg, nil)
	g.drained()
	down.Store(true)
	g.produce(100)
	g.drained()
	g.produce(400) // meets the new schema
	g.standsFor(run, "cdc.shop.customers", "registry")
	down.Store(false)
	g.drained()
	g.exact()
}

// registry is a client of a registry that is down for what refuse names.
func (g *rig) registry(refuse func(path string) bool) *registry.Client {
	g.t.Helper()
	reg, err := registry.New(registry.Config{URL: gatedRegistry(g.t, g.c.RegistryURL(), refuse), Compile: CompileSchema})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(reg.Close)
	return reg
}

// A registry that only others may write to: where the copies' schemas are
// registered, nothing else is needed (TestReadOnlyRegistry: where not).
func TestRegistryWithoutWriteRights(t *testing.T) {
	h := newRig(t, streamtest.ShopOptions{Seed: 33})
	h.produce(200)
	run := h.start(h.cfg, nil) // registers
	h.drained()
	if err := run.stop(t); err != nil {
		t.Fatal(err)
	}
	h.cfg.RegisterSchemas, h.cfg.Registry = false, h.registry(func(string) bool { return false })
	h.start(h.cfg, nil)
	h.produce(200)
	h.drained()
	h.exact()
}

// Whatever a registry answers, nothing passes without its schema, and others go
// on.
func TestHostileRegistry(t *testing.T) {
	for name, answer := range map[string]string{
		"text":      `not json`,
		"no schema": `{"schema":"{"}`,
		"other":     `{"schema":"\"string\""}`,
		"deep":      `{"schema":"` + strings.Repeat(`{\"type\":\"array\",\"items\":`, 5_000) + `"}`,
		"large":     `{"schema":"` + strings.Repeat("x", 20<<20) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, streamtest.ShopOptions{Seed: 34})
			url := g.c.RegistryURL()
			ids := g.valueIDs("cdc.shop.customers")
			g.cfg.Registry = g.handled(func(w http.ResponseWriter, r *http.Request) {
				if ids[r.URL.Path] {
					_, _ = w.Write([]byte(answer))
					return
				}
				forward(w, r, url)
			})
			g.produce(100)
			g.start(g.cfg, nil)
			waitFor(t, "orders to go on", func() bool { return outEnd(g, "clean.analytics.shop.orders") > 0 })
			time.Sleep(200 * time.Millisecond)
			if n := outEnd(g, "clean.analytics.shop.customers"); n != 0 {
				t.Errorf("%d records passed", n)
			}
		})
	}
}

// Output refused for good: its partitions wait, nothing is committed without
// its output, and once it is taken nothing is lost.
func TestRefusedOutputHoldsItsPartitions(t *testing.T) {
	g := newRig(t, streamtest.ShopOptions{Seed: 35})
	g.produce(300)
	h := g.c.Kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "clean.partner.shop.orders",
		Err: kerr.TopicAuthorizationFailed, Count: -1})
	run := g.start(g.cfg, nil)
	g.standsFor(run, "cdc.shop.orders", "output_refused")
	waitFor(t, "payments to go on", func() bool { return outEnd(g, "clean.partner.shop.payments") > 0 })
	h.Remove()
	g.drained()
	g.exact()
}
