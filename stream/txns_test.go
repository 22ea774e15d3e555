package stream

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/stream/streamtest"
)

// Reliability R8: an open transaction of a client that is gone pins the last
// stable offset; it is listed, and aborting it lets readers go on.
func TestForeignTransactionIsListedAndAborted(t *testing.T) {
	g := newRig(t, streamtest.ShopOptions{Seed: 30})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cl, err := g.c.Client(kgo.TransactionalID("foreign"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: g.shop.Topics()[0], Value: []byte("open")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	state := func() string {
		txns, err := ListTxns(ctx, g.cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range txns {
			if x.ID == "foreign" {
				return x.State
			}
		}
		return ""
	}
	if s := state(); s != "Ongoing" {
		t.Fatalf("the open transaction is listed as %q", s)
	}
	if err := AbortTxn(ctx, g.cfg, "foreign"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the abort", func() bool { return state() != "Ongoing" })
	recs, err := streamtest.ReadAll(ctx, g.c.Client, func(topic string) bool { return topic == g.shop.Topics()[0] })
	if err != nil || len(recs) != 0 {
		t.Errorf("readers see %d records of it, %v", len(recs), err)
	}
}
