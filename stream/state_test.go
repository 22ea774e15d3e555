package stream

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// internals is an embedded broker with the internal topics of pipeline shop.
type internals struct {
	*kfake.Cluster
	t     *testing.T
	names Names
}

func newInternals(t *testing.T) *internals {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	in := &internals{c, t, InternalNames("shop")}
	in.create(in.names.State, 1, map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "0"})
	in.create(in.names.Control, 1, map[string]string{"message.timestamp.type": "LogAppendTime"})
	in.create(in.names.Quarantine, 3, nil)
	return in
}

func (in *internals) create(topic string, partitions int32, configs map[string]string) {
	in.t.Helper()
	if err := in.CreateTopic(topic, partitions, configs); err != nil {
		in.t.Fatal(err)
	}
}

func (in *internals) opts() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(in.ListenAddrs()...), kgo.MetadataMinAge(10 * time.Millisecond)}
}

func (in *internals) client(extra ...kgo.Opt) *kgo.Client {
	in.t.Helper()
	cl, err := kgo.NewClient(append(in.opts(), extra...)...)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(cl.Close)
	return cl
}

// txn writes recs in one transaction under id and ends it; nil try leaves it
// open.
func (in *internals) txn(id string, try *kgo.TransactionEndTry, recs ...*kgo.Record) *kgo.Client {
	in.t.Helper()
	cl := in.client(kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := cl.BeginTransaction(); err != nil {
		in.t.Fatal(err)
	}
	if err := cl.ProduceSync(in.t.Context(), recs...).FirstErr(); err != nil {
		in.t.Fatal(err)
	}
	if try != nil {
		if err := cl.EndTransaction(in.t.Context(), *try); err != nil {
			in.t.Fatal(err)
		}
	}
	return cl
}

var (
	committed = ptr(kgo.TryCommit)
	aborted   = ptr(kgo.TryAbort)
)

func ptr[T any](v T) *T { return &v }

func (in *internals) state() *State {
	in.t.Helper()
	st, err := ReadState(in.t.Context(), in.client(), "shop")
	if err != nil {
		in.t.Fatal(err)
	}
	return st
}

func uuid(b byte) [16]byte { return [16]byte{b, 15: b} }

func parkedKey(recipient string, k byte) ParkedKey {
	return ParkedKey{Recipient: recipient, Topic: 7, Partition: 3, Key: KeyHash{k}}
}

func TestStateRoundTrip(t *testing.T) {
	in := newInternals(t)
	start := StartMarker{Mode: "time", Offsets: map[uint32][]int64{7: {0, 12, 1 << 40}}}
	loss := Loss{At: InputPartition{7, 3}, From: 5, To: 9, By: "uid:1000"}
	odd := parkedKey("a/b", 2)
	in.txn("t", committed,
		epochRecord("shop", 12, [32]byte{1, 2}), topicRecord("shop", 7, TopicRecord{uuid(7), "cdc.shop.customers"}),
		topicRecord("shop", 8, TopicRecord{uuid(8), "cdc.shop.orders"}), startRecord("shop", start),
		parkedRecord("shop", parkedKey("analytics", 1), ParkCause{From: 41, Code: "truncated"}), parkedRecord("shop", odd, ParkCause{From: 0, Code: "truncated"}), parkedRecord("shop", parkedKey("gone", 3), ParkCause{From: 1, Code: "truncated"}),
		unparkedRecord("shop", parkedKey("gone", 3)), releasedRecord("shop", odd, 44), ControlRecord("shop", InputPartition{7, 3}, 17),
		LossRecord("shop", loss, 16), stateRecord("shop", "x-later/1", &stateValue{}),
		stateRecord("shop", "topic/8", nil))
	want := newState()
	want.Epochs[12] = [32]byte{1, 2}
	want.Topics[7], want.numbers[uuid(7)] = TopicRecord{uuid(7), "cdc.shop.customers"}, 7
	want.Start = &start
	want.Parked[parkedKey("analytics", 1)], want.Parked[odd] = ParkCause{41, "truncated"}, ParkCause{0, "truncated"}
	want.Released[odd] = 44
	want.Control[InputPartition{7, 3}] = 17
	want.Losses["v1/loss/7/3/16"] = loss
	if d := cmp.Diff(want, in.state(), cmp.AllowUnexported(State{}), cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	if n, ok := in.state().TopicNumber(uuid(8)); ok {
		t.Errorf("a forgotten topic still has number %d", n)
	}
}

// TestStateKeys keeps the keys' text: compaction goes by it.
func TestStateKeys(t *testing.T) {
	for want, rec := range map[string]*kgo.Record{
		`v1/epoch/12 {"hash":"` + strings.Repeat("00", 32) + `"}`:                                 epochRecord("shop", 12, [32]byte{}),
		`v1/topic/7 {"id":"07000000000000000000000000000007","name":"t"}`:                         topicRecord("shop", 7, TopicRecord{uuid(7), "t"}),
		`v1/start {"mode":"latest","offsets":{"7":[1,2]}}`:                                        startRecord("shop", StartMarker{"latest", map[uint32][]int64{7: {1, 2}}}),
		`v1/parked/7/3/01000000000000000000000000000000/analytics {"from":41,"code":"truncated"}`: parkedRecord("shop", parkedKey("analytics", 1), ParkCause{From: 41, Code: "truncated"}),
		`v1/parked/7/3/01000000000000000000000000000000/analytics `:                               unparkedRecord("shop", parkedKey("analytics", 1)),
		`v1/released/7/3/01000000000000000000000000000000/analytics {"next":41}`:                  releasedRecord("shop", parkedKey("analytics", 1), 41),
		`v1/control/7/3 {"next":17}`:                                                              ControlRecord("shop", InputPartition{7, 3}, 17),
		`v1/loss/7/3/16 {"from":5,"to":9,"by":"uid:1000"}`:                                        LossRecord("shop", Loss{InputPartition{7, 3}, 5, 9, "uid:1000"}, 16),
	} {
		if got := string(rec.Key) + " " + string(rec.Value); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestStateRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, kv := range [][2]string{
		{"v2/epoch/1", `{}`}, {"v1/ring/1", `{}`}, {"", `{}`}, {"v1/epoch/x", `{"hash":""}`}, {"v1/epoch/1", `{"hash":"00"}`},
		{"v1/topic/16777216", `{"id":"07000000000000000000000000000007"}`}, {"v1/topic/7", `{"id":"07"}`}, {"v1/partitions/7", `13800138000`},
		{"v1/parked/7/3/01000000000000000000000000000000", `{}`}, {"v1/parked/7/3/0100/analytics", `{}`}, {"v1/parked/7/-3/01000000000000000000000000000000/a", `{}`},
		{"v1/control/7/3/4", `{}`}, {"v1/control/7/3", `{"next":"13800138000"}`}, {"v1/partitions/7", ``},
	} {
		err := newState().apply(&kgo.Record{Key: []byte(kv[0]), Value: []byte(kv[1]), Offset: 5})
		if !errors.Is(err, errState) {
			t.Errorf("%s %s: got %v, want errState", kv[0], kv[1], err)
		}
		if err != nil && (strings.Contains(err.Error(), "13800138000") || !strings.Contains(err.Error(), "offset 5")) {
			t.Errorf("%s: %q must name the place and nothing else", kv[0], err)
		}
	}
}

// TestStateEndsWithoutRecords: at the log's end stand an aborted transaction
// and its marker, and the reader must neither take the records nor wait for
// others.
func TestStateEndsWithoutRecords(t *testing.T) {
	in := newInternals(t)
	in.txn("a", committed, parkedRecord("shop", parkedKey("analytics", 1), ParkCause{From: 1, Code: "truncated"}))
	in.txn("b", aborted, parkedRecord("shop", parkedKey("analytics", 2), ParkCause{From: 1, Code: "truncated"}), unparkedRecord("shop", parkedKey("analytics", 1)))
	want := map[ParkedKey]ParkCause{parkedKey("analytics", 1): {1, "truncated"}}
	if got := in.state().Parked; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestStateOfAnEmptyTopic(t *testing.T) {
	if st := newInternals(t).state(); len(st.Epochs)+len(st.Topics) != 0 || st.Start != nil {
		t.Errorf("got %+v", st)
	}
}

// TestStateAfterCompaction: same facts, fewer records, holes between them.
func TestStateAfterCompaction(t *testing.T) {
	in := newInternals(t)
	for i := range int64(20) {
		try := committed
		if i%3 == 2 {
			try = aborted
		}
		in.txn("a", try, ControlRecord("shop", InputPartition{7, 3}, i), parkedRecord("shop", parkedKey("analytics", byte(i%4)), ParkCause{From: i}))
	}
	before := in.state()
	in.Compact()
	after := in.state()
	if d := cmp.Diff(before, after, cmp.AllowUnexported(State{})); d != "" {
		t.Error(d)
	}
	if before.Control[InputPartition{7, 3}] != 19 || len(before.Parked) != 4 {
		t.Errorf("got %v and %v", before.Control, before.Parked)
	}
}

// TestStateEndsInAHole: between the last record and the high watermark
// compaction may have left nothing at all. kfake keeps its last batch, so the
// broker's answer is made up.
func TestStateEndsInAHole(t *testing.T) {
	in := newInternals(t)
	in.txn("a", committed, epochRecord("shop", 1, [32]byte{1}))
	in.ControlKey(1, func(r kmsg.Request) (kmsg.Response, error, bool) {
		in.KeepControl()
		req := r.(*kmsg.FetchRequest)
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic, rt.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
		rp := kmsg.NewFetchResponseTopicPartition()
		rp.HighWatermark, rp.LastStableOffset = 2, 2
		rt.Partitions = append(rt.Partitions, rp)
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	r := newCommittedReader(in.client(), in.names.State)
	r.patience = time.Second // spent only when the test fails
	if err := r.read(t.Context(), func(*kgo.Record) error { t.Error("a record"); return nil }); err != nil {
		t.Error(err)
	}
	if r.from[0] != 2 {
		t.Errorf("stands at %d, want 2", r.from[0])
	}
}

// TestStateWaitsForOpenTransactions: what may still be committed before the
// high watermark is waited for, and a transaction that never ends is named.
func TestStateWaitsForOpenTransactions(t *testing.T) {
	in := newInternals(t)
	open := in.txn("open", nil, epochRecord("shop", 1, [32]byte{1}))
	st := newState()
	r := newCommittedReader(in.client(), in.names.State)
	r.patience = time.Millisecond
	if err := r.read(t.Context(), st.apply); !errors.Is(err, errHeldBack) {
		t.Fatalf("got %v, want errHeldBack", err)
	}
	done := make(chan *State)
	go func() { done <- in.state() }()
	if err := open.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if got := (<-done).Epochs; got[1] != [32]byte{1} {
		t.Errorf("got %v, want epoch 1: it was below the high watermark", got)
	}
}

func TestReaderGoesOn(t *testing.T) {
	in := newInternals(t)
	r := newCommittedReader(in.client(), in.names.Quarantine)
	read := func() (n int) {
		t.Helper()
		if err := r.read(t.Context(), func(*kgo.Record) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	var recs []*kgo.Record
	for i := range 30 {
		recs = append(recs, &kgo.Record{Topic: in.names.Quarantine, Partition: int32(i % 3), Value: []byte(fmt.Sprint(i))})
	}
	in.txn("a", committed, recs[:20]...)
	if n := read(); n != 20 {
		t.Errorf("first: %d records, want 20", n)
	}
	if n := read(); n != 0 {
		t.Errorf("nothing new: %d records", n)
	}
	in.txn("a", committed, recs[20:]...)
	failed := errors.New("stop")
	seen := 0
	if err := r.read(t.Context(), func(*kgo.Record) error { seen++; return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v, want the callback's error", err)
	}
	if n := read(); seen+n != 10 {
		t.Errorf("after an error: %d and %d records, want 10 in all", seen, n)
	}
	in.ShufflePartitionLeaders()
	if n := read(); n != 0 {
		t.Errorf("after the leaders moved: %d records", n)
	}
}

func TestReaderOfAMissingTopic(t *testing.T) {
	in := newInternals(t)
	if err := newCommittedReader(in.client(), "nowhere").read(t.Context(), nil); err == nil {
		t.Error("a topic that does not exist was read")
	}
}
