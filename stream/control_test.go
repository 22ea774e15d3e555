package stream

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

func sampleCommands() []Command {
	k := KeyHash{1, 15: 2}
	return []Command{
		{Kind: CommandRelease, Topic: "cdc.shop.customers", Number: 7, Partition: 3, Recipient: "analytics", Key: &k, By: "uid:1000"},
		{Kind: CommandDrop, Topic: "cdc.shop.customers"},
		{Kind: CommandAcceptLoss, Topic: "cdc.shop.orders", Partition: 1, From: 42},
	}
}

func TestCommandRoundTrip(t *testing.T) {
	for _, c := range append(sampleCommands(), Command{Kind: CommandClock}) {
		b, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseCommand(b)
		if d := cmp.Diff(c, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", b, err, d)
		}
	}
	b, _ := sampleCommands()[0].encode()
	if want := `{"v":1,"command":"release","topic":"cdc.shop.customers","number":7,"partition":3,"recipient":"analytics",` +
		`"key":"01000000000000000000000000000002","by":"uid:1000"}`; string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
}

// TestCommandRefuses: a command that is misread could widen from one key to
// all.
func TestCommandRefuses(t *testing.T) {
	for _, s := range []string{
		``, `{}`, `null`, `[]`, `{"v":2,"command":"clock"}`, `{"v":1,"command":"burn","topic":"t"}`, `{"v":1,"command":"release"}`,
		`{"v":1,"command":"release","topic":"t","partition":-1}`, `{"v":1,"command":"release","topic":"t","key":"01"}`,
		`{"v":1,"command":"release","topic":"t","keys":"01"}`, `{"v":1,"command":"drop","topic":"t","from":3}`,
		`{"v":1,"command":"accept_loss","topic":"t","from":-3}`, `{"v":1,"command":"accept_loss","topic":"t","recipient":"a"}`,
		`{"v":1,"command":"clock"}{"v":1,"command":"clock"}`, `{"v":1,"command":"clock"`,
	} {
		if c, err := parseCommand([]byte(s)); !errors.Is(err, errCommand) {
			t.Errorf("%s: got %+v, %v", s, c, err)
		}
	}
	for _, c := range []Command{{}, {Kind: "burn"}, {Kind: CommandRelease}, {Kind: CommandAcceptLoss, Topic: "t", From: -1}} {
		if b, err := c.encode(); !errors.Is(err, errCommand) {
			t.Errorf("%+v: got %s, %v", c, b, err)
		}
	}
}

func TestControl(t *testing.T) {
	in := newInternals(t)
	cl := in.client()
	r := newControlReader(in.client(), "shop")
	if got, err := r.poll(t.Context()); len(got) != 0 || err != nil || r.brokerMillis() != 0 {
		t.Fatalf("empty: %v, %v", got, err)
	}
	want := sampleCommands()
	for i := range want {
		if err := SendControl(t.Context(), cl, "shop", want[i]); err != nil {
			t.Fatal(err)
		}
		want[i].Offset = int64(i)
	}
	got, err := r.poll(t.Context())
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: in.names.Control, Value: []byte("junk")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := SendControl(t.Context(), cl, "shop", Command{Kind: CommandClock}); err != nil {
		t.Fatal(err)
	}
	if got, err := r.poll(t.Context()); len(got) != 0 || err != nil || r.refused != 1 {
		t.Errorf("got %v, %v, %d refused; want nothing to do", got, err, r.refused)
	}
	if err := SendControl(t.Context(), cl, "shop", Command{Kind: "burn"}); !errors.Is(err, errCommand) {
		t.Errorf("got %v", err)
	}
}

// TestBrokerClock: only a timestamp that the broker set counts, and the clock
// never goes back. (kfake does not know message.timestamp.type, so this feeds
// the reader by hand; a real broker is read in CI.)
func TestBrokerClock(t *testing.T) {
	c := &controlReader{}
	broker := kgo.NewRecordAttrs(kgo.RecordAttrsOpts{TimestampType: 1})
	for _, r := range []kgo.Record{
		{Timestamp: time.UnixMilli(5_000), Attrs: broker}, {Timestamp: time.UnixMilli(9_000)}, {Timestamp: time.UnixMilli(4_000), Attrs: broker},
	} {
		c.observe(&r)
	}
	if got := c.brokerMillis(); got != 5_000 {
		t.Errorf("got %d, want 5000", got)
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, c := range sampleCommands() {
		b, _ := c.encode()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCommand(b)
		if err != nil {
			return
		}
		out, err := c.encode()
		if err != nil {
			t.Fatalf("%s parses, but does not encode", b)
		}
		if again, err := parseCommand(out); err != nil || cmp.Diff(c, again) != "" {
			t.Fatalf("%s became %s", b, out)
		}
	})
}
