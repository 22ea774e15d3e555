package stream

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/schemas/registry"
)

// decided is the plain policy at a later epoch with the column extra decided.
func (g *rig) decided(epoch uint64) Policy {
	return Policy{Transforms: plainPolicy(g.t, epoch, "extra"), Ring: g.cfg.Policy.Ring}
}

// Contracts 28 and 29: a quarantined record parks its key for the recipients
// concerned; it waits through restart and rebalance. Once a policy decides the
// column, a release gives the key's records in order, and later ones follow.
func TestParkedKeyIsReleasedInOrder(t *testing.T) {
	g := newPlain(t, 1)
	reload := g.reload()
	g.put(rawRec("a", "1", ""), rawRec("a", "2", "new"), rawRec("b", "3", ""), rawRec("a", "4", ""))
	run := g.start(g.cfg, nil)
	g.settled()
	g.want("strict", "1", "3")
	g.want("loose", "1", "2", "3", "4")
	if err := run.stop(t); err != nil {
		t.Fatal(err)
	}
	g.put(rawRec("a", "5", ""))
	run = g.start(g.cfg, nil) // a restart
	g.settled()
	other := g.cfg
	other.Slot = 1
	g.leave(run) // … and another owner
	run = g.start(other, nil)
	g.put(rawRec("a", "6", ""), rawRec("b", "7", ""))
	g.settled()
	g.want("strict", "1", "3", "7")

	reload <- g.decided(2)
	waitFor(t, "the new policy", func() bool { return run.Status().Epoch == 2 })
	g.put(rawRec("a", "8", "known")) // decided, but its key still waits
	g.settled()
	g.want("strict", "1", "3", "7")
	if n := len(g.state().Parked); n != 1 {
		t.Errorf("%d keys parked, want 1", n)
	}
	g.send(Command{Kind: CommandRelease, Topic: rawTopic, Recipient: "strict"})
	waitFor(t, "the release", func() bool { return len(g.state().Parked) == 0 })
	g.put(rawRec("a", "9", ""))
	g.settled()
	g.want("strict", "1", "3", "7", "2", "4", "5", "6", "8", "9")
	g.want("loose", "1", "2", "3", "4", "5", "6", "7", "8", "9")
}

// leave stops a runner and has its static members leave, so that the next
// owner does not wait for their session.
func (g *rig) leave(run *running) {
	g.t.Helper()
	if err := run.stop(g.t); err != nil {
		g.t.Fatal(err)
	}
	g.rewind(nil)
}

// A dropped key's waiting records are given up, and its later ones go on.
func TestDroppedKeyGoesOn(t *testing.T) {
	g := newPlain(t, 1)
	g.put(rawRec("a", "1", "new"), rawRec("a", "2", ""))
	g.start(g.cfg, nil)
	g.settled()
	k := KeyHash(g.read(InternalNames("plain").Quarantine)[0].Key[:16])
	g.send(Command{Kind: CommandDrop, Topic: rawTopic, Key: &k})
	waitFor(t, "the drop", func() bool { return len(g.state().Parked) == 0 })
	g.put(rawRec("a", "3", ""))
	g.settled()
	g.want("strict", "3")
}

// A release that the policy still refuses leaves the key where it is.
func TestReleaseOfWhatIsStillUndecided(t *testing.T) {
	g := newPlain(t, 1)
	g.put(rawRec("a", "1", "new"))
	run := g.start(g.cfg, nil)
	g.settled()
	g.send(Command{Kind: CommandRelease, Topic: rawTopic})
	waitFor(t, "the command", func() bool { return len(g.state().Control) == 1 })
	g.put(rawRec("a", "2", ""))
	g.settled()
	if n := outEnd(g, "out.strict.raw.t"); n != 0 || len(g.state().Parked) != 1 {
		t.Errorf("%d records of a key that waits, %d parked", n, len(g.state().Parked))
	}
	_ = run
}

// on_poison: skip quarantines the record alone.
func TestSkip(t *testing.T) {
	g := newPlain(t, 1)
	g.cfg.OnPoison = Skip
	g.put(rawRec("a", "1", "new"), rawRec("a", "2", ""))
	g.start(g.cfg, nil)
	g.settled()
	g.want("strict", "2")
	if len(g.state().Parked) != 0 || len(g.notices()) != 1 {
		t.Error("skip parks nothing and quarantines one")
	}
}

// on_poison: stop holds the partition before the record; a policy that decides
// it lets it go on.
func TestStopGoesOnUnderANewPolicy(t *testing.T) {
	g := newPlain(t, 1)
	g.cfg.OnPoison = Stop
	reload := g.reload()
	g.put(rawRec("a", "1", ""))
	run := g.start(g.cfg, nil)
	g.settled()
	g.put(rawRec("a", "2", "new"), rawRec("b", "3", ""))
	g.standsFor(run, rawTopic, haltPoison)
	g.want("loose", "1")
	reload <- g.decided(2)
	g.settled()
	g.want("strict", "1", "2", "3")
	g.want("loose", "1", "2", "3")
	if len(g.notices()) != 0 {
		t.Error("stop must quarantine nothing")
	}
}

// The key's hash does not depend on whether the value can be decoded: later
// records of a poisoned key wait (contract 28).
func TestPoisonedValueParksItsKey(t *testing.T) {
	g := newPlain(t, 1)
	bad := rawRec("a", "1", "")
	bad.Value = []byte(`{"id":"a",`)
	bad.Key = []byte(`{ "id" : "a" }`) // the same key in other bytes
	g.put(bad, rawRec("a", "2", ""), rawRec("b", "3", ""))
	g.start(g.cfg, nil)
	g.settled()
	g.want("loose", "3")
	q := g.read(InternalNames("plain").Quarantine)
	if len(q) != 2 || string(q[0].Key) != string(q[1].Key) {
		t.Errorf("%d records in quarantine, or of two keys", len(q))
	}
}

// Contract 26: more than `breaker` undecodable records of the last 1,000 pause
// the partition; drift does not count.
func TestBreaker(t *testing.T) {
	g := newPlain(t, 1)
	g.cfg.Breaker, g.cfg.OnPoison = 3, Skip
	poison := func(i int) *kgo.Record {
		r := rawRec("p", fmt.Sprint(i), "")
		r.Value = r.Value[:5]
		return r
	}
	for i := range 20 {
		g.put(rawRec("a", fmt.Sprint(i), "undeclared"))
	}
	g.put(poison(0), poison(1), poison(2))
	run := g.start(g.cfg, nil)
	g.settled()
	g.put(poison(3))
	g.standsFor(run, rawTopic, haltBreaker)
	if n := len(g.notices()); n != 23 {
		t.Errorf("%d quarantined, want 23: the record that trips it waits", n)
	}
}

// What an aborted transaction counted comes again, and is counted once.
func TestBreakerDoesNotCountAReplayTwice(t *testing.T) {
	g := newPlain(t, 1)
	g.cfg.Breaker, g.cfg.OnPoison = 3, Skip
	for i := range 3 {
		r := rawRec("p", fmt.Sprint(i), "")
		r.Value = r.Value[:5]
		g.put(r)
	}
	h := g.c.Kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "_weir.plain.quarantine", Err: kerr.InvalidRecord, Count: 3})
	defer h.Remove()
	g.start(g.cfg, nil)
	g.settled()
	if h.Hits() < 3 || len(g.notices()) != 3 {
		t.Errorf("%d aborts, %d quarantined", h.Hits(), len(g.notices()))
	}
}

// The window is the last 1,000 records, however large the transactions are.
func TestBreakerLooksBackOnAThousand(t *testing.T) {
	var b breaker
	for i := range 10_000 {
		if b.add(i%100 == 0, 10) {
			t.Fatalf("tripped at record %d: 10 of the last 1,000 are bad", i)
		}
	}
	if !b.add(true, 9) || !b.add(true, 10) || b.add(true, 0) || b.add(false, 1) {
		t.Error("more than the limit trips, 0 never, a good record never")
	}
	b.rollback()
	if b.now.bad != 0 {
		t.Error("an aborted transaction left a count")
	}
}

// A dependency that is missing for the key pauses: guessing its hash would let
// later records of the key pass.
func TestKeyOfPoisonWaitsForItsSchema(t *testing.T) {
	g := newPlain(t, 1)
	run := g.start(g.cfg, nil)
	waitFor(t, "the start", run.ready.Load)
	w := &worker{r: run.Runner, sessCtx: t.Context()}
	b := newBatch(w)
	b.setGeneration(run.gen.Load())
	src := g.cfg.Sources[0]
	src.KeyEncoding = EncodingConfluentAvro
	run.plans.reg = refusingRegistry(t)
	p := &part{tp: tp{rawTopic, 0}, binding: &binding{src: &src, topic: rawTopic, values: map[string]string{"topic": rawTopic}}}
	_, err := b.keyHash(p, nil, &kgo.Record{Topic: rawTopic, Key: []byte{0, 0, 0, 0, 9, 2}, Value: []byte("junk")})
	if hold, fatal := b.sort(p, err); hold == nil || hold.reason != "registry" || fatal != nil {
		t.Errorf("got %v, %v", hold, err)
	}
}

// refusingRegistry is a registry that is down.
func refusingRegistry(t *testing.T) *registry.Client {
	t.Helper()
	url := gatedRegistry(t, "", func(string) bool { return true })
	reg, err := registry.New(registry.Config{URL: url, Compile: CompileSchema})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reg.Close)
	return reg
}

// Reliability R7: what is known of a partition goes with it, and so does its
// pause, which the client would remember.
func TestForgottenPartition(t *testing.T) {
	g := newPlain(t, 1)
	r, err := NewRunner(g.cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{r: r, log: r.log, parts: map[tp]*part{}, park: newParking("plain"), owned: map[tp]bool{{rawTopic, 0}: true}}
	w.sess, err = kgo.NewGroupTransactSession(kgo.SeedBrokers(g.c.Brokers()...), kgo.TransactionalID("t"), kgo.ConsumerGroup("g"), kgo.ConsumeTopics(rawTopic))
	if err != nil {
		t.Fatal(err)
	}
	defer w.sess.Close()
	at, k := InputPartition{1, 0}, ParkedKey{Recipient: "strict", Topic: 1}
	p := w.part(tp{rawTopic, 0})
	p.at, p.loaded = at, true
	w.park.load(newState(), at)
	w.park.park(k, 7, "undecided")
	w.noteOversize(origin{p.tp, 3, 0})
	w.hold(&holding{parts: []tp{p.tp}, reason: "registry", retry: true})
	if len(w.sess.Client().PauseFetchPartitions(nil)) != 1 || len(r.Status().Partitions) != 1 {
		t.Fatal("it is not paused")
	}
	w.onRevoked(t.Context(), nil, map[string][]int32{rawTopic: {0}})
	w.syncAssignment()
	if !w.revoked.Load() || len(w.parts) != 0 || len(w.oversize) != 0 || w.park.any(at) ||
		len(w.sess.Client().PauseFetchPartitions(nil)) != 0 || len(r.Status().Partitions) != 0 {
		t.Error("something is still known of a revoked partition")
	}
}
