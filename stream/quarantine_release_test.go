package stream

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/keys"
	"weir/schemas"
)

// waitingRoom is a quarantine with records in it, and the worker's side of it.
type waitingRoom struct {
	*internals
	ring *keys.Ring
	park *parking
	rel  *releaser
	got  []string // what treat was given: "recipient key offset"
	sent int64    // control offset of the last command
}

var roomAt = InputPartition{7, 3}

// newWaitingRoom quarantines offsets 0, 1, … of 7/3 for both recipients, their
// keys as given, and parks those keys.
func newWaitingRoom(t *testing.T, recordKeys ...string) *waitingRoom {
	t.Helper()
	in := newInternals(t)
	w := &waitingRoom{internals: in, ring: ringOf(t, ""), park: newParking("shop")}
	w.rel = newReleaser(in.client(), "shop", sealerOf(t, w.ring), w.park)
	w.load()
	for i, k := range recordKeys {
		w.quarantine(k, int64(i))
	}
	return w
}

func (w *waitingRoom) load() { w.park.load(w.state(), roomAt) }

func (w *waitingRoom) hash(key string) KeyHash {
	h := hasherOf(w.t, w.ring).sum([]byte(key))
	return KeyHash(h[:16])
}

func (w *waitingRoom) parkedKey(recipient, key string) ParkedKey {
	return ParkedKey{recipient, 7, 3, w.hash(key)}
}

func (w *waitingRoom) quarantine(key string, offset int64) {
	w.t.Helper()
	n := sampleNotice()
	n.Offset = offset
	rec, err := sealerOf(w.t, w.ring).seal(hasherOf(w.t, w.ring).sum([]byte(key)), n, &kgo.Record{Key: []byte(key), Value: []byte(fmt.Sprint("v", offset))})
	if err != nil {
		w.t.Fatal(err)
	}
	rec.Partition = int32(offset % 3) // order must not come from the topic
	recs := []*kgo.Record{rec}
	for _, r := range n.Recipients {
		if s := w.park.park(w.parkedKey(r, key), offset, "undecided"); s != nil {
			recs = append(recs, s)
		}
	}
	w.txn("worker", committed, recs...)
	w.park.commit()
}

// execute runs one transaction's part of cmd and ends it.
func (w *waitingRoom) execute(cmd Command, commit bool, treat func(recipient string, n Notice, rec *kgo.Record) (bool, error)) (*released, error) {
	w.t.Helper()
	cmd.Topic, cmd.Partition = "cdc.shop.customers", 3
	if w.sent++; cmd.Offset == 0 {
		cmd.Offset = 100 + w.sent // a command of its own
	}
	job, err := w.rel.prepare(w.t.Context(), cmd, roomAt)
	if err != nil {
		w.t.Fatal(err)
	}
	w.got = nil
	out, err := job.run(func(recipient string, n Notice, rec *kgo.Record) (bool, error) {
		ok, err := treat(recipient, n, rec)
		if ok {
			w.got = append(w.got, fmt.Sprint(recipient, " ", string(rec.Key), " ", n.Offset))
		}
		return ok, err
	})
	if err != nil || !commit {
		w.park.rollback()
		return out, err
	}
	w.park.commit()
	if len(out.State) > 0 {
		w.txn("worker", committed, out.State...)
	}
	return out, nil
}

func accept(string, Notice, *kgo.Record) (bool, error) { return true, nil }

func (w *waitingRoom) want(out *released, done bool, stuck int, got ...string) {
	w.t.Helper()
	if out.Done != done || out.Stuck != stuck || out.Records != len(got) {
		w.t.Errorf("got %+v, want done %v, stuck %d, %d records", out, done, stuck, len(got))
	}
	if d := cmp.Diff(got, w.got); d != "" {
		w.t.Error(d)
	}
}

func (w *waitingRoom) wantParked(want ...ParkedKey) {
	w.t.Helper()
	st := w.state()
	if len(st.Parked) != len(want) || w.park.size(roomAt) != len(want) {
		w.t.Errorf("parked: %v in the state, %d in memory, want %v", st.Parked, w.park.size(roomAt), want)
	}
	for _, k := range want {
		if _, ok := st.Parked[k]; !ok || !waits(w.park, k) {
			w.t.Errorf("%s is not parked", k.path())
		}
	}
}

func TestReleaseOneKey(t *testing.T) {
	w := newWaitingRoom(t, "k", "l", "k", "k")
	k := w.hash("k")
	out, err := w.execute(Command{Kind: CommandRelease, Recipient: "analytics", Key: &k}, true, accept)
	if err != nil {
		t.Fatal(err)
	}
	w.want(out, true, 0, "analytics k 0", "analytics k 2", "analytics k 3")
	w.wantParked(w.parkedKey("partner", "k"), w.parkedKey("analytics", "l"), w.parkedKey("partner", "l"))

	// Parked anew later, released again: the first three are not published twice.
	w.quarantine("k", 9)
	out, err = w.execute(Command{Kind: CommandRelease, Recipient: "analytics", Key: &k}, true, accept)
	if err != nil {
		t.Fatal(err)
	}
	w.want(out, true, 0, "analytics k 9")
}

func TestReleaseAll(t *testing.T) {
	w := newWaitingRoom(t, "k", "l", "k")
	out, err := w.execute(Command{Kind: CommandRelease}, true, accept)
	if err != nil {
		t.Fatal(err)
	}
	w.want(out, true, 0, "analytics k 0", "partner k 0", "analytics l 1", "partner l 1", "analytics k 2", "partner k 2")
	w.wantParked()
	out, err = w.execute(Command{Kind: CommandRelease}, true, accept)
	if err != nil {
		t.Fatal(err)
	}
	w.want(out, true, 0)
}

// TestReleaseStopsAtWhatIsStillRefused: nothing of a key passes what waits
// before it (Invariant 4); other keys and recipients go on.
func TestReleaseStopsAtWhatIsStillRefused(t *testing.T) {
	w := newWaitingRoom(t, "k", "k", "l", "k")
	refuse := func(recipient string, n Notice, rec *kgo.Record) (bool, error) {
		return recipient == "partner" || n.Offset != 1, nil
	}
	out, err := w.execute(Command{Kind: CommandRelease}, true, refuse)
	if err != nil {
		t.Fatal(err)
	}
	w.want(out, true, 1, "analytics k 0", "partner k 0", "partner k 1", "analytics l 2", "partner l 2", "partner k 3")
	w.wantParked(w.parkedKey("analytics", "k"))
	out, err = w.execute(Command{Kind: CommandRelease}, true, accept)
	if err != nil {
		t.Fatal(err)
	}
	w.want(out, true, 0, "analytics k 1", "analytics k 3")
	w.wantParked()
}

func TestReleaseInSteps(t *testing.T) {
	w := newWaitingRoom(t, "k", "k", "k", "k", "k")
	w.rel.batch = 2
	var all []string
	for step := 0; ; step++ {
		out, err := w.execute(Command{Kind: CommandRelease, Recipient: "analytics"}, true, accept)
		if err != nil || step > 5 {
			t.Fatalf("step %d: %v", step, err)
		}
		all = append(all, w.got...)
		if out.Done {
			break
		}
		if !waits(w.park, w.parkedKey("analytics", "k")) {
			t.Fatal("the key went on before its last record")
		}
	}
	if want := []string{"analytics k 0", "analytics k 1", "analytics k 2", "analytics k 3", "analytics k 4"}; !slices.Equal(all, want) {
		t.Errorf("got %v", all)
	}
	w.wantParked(w.parkedKey("partner", "k"))
}

// TestReleasePassesStuckKeys: more stuck records than a transaction takes do not
// keep the other keys waiting, and the command ends.
func TestReleasePassesStuckKeys(t *testing.T) {
	w := newWaitingRoom(t, "k", "k", "k", "l", "m", "l")
	w.rel.batch = 2
	refuse := func(_ string, _ Notice, rec *kgo.Record) (bool, error) { return string(rec.Key) != "k", nil }
	refuseAll := func(string, Notice, *kgo.Record) (bool, error) { return false, nil }
	var all []string
	for step := 0; ; step++ {
		// An aborted transaction must not leave keys behind as stuck.
		if _, err := w.execute(Command{Kind: CommandRelease, Recipient: "analytics", Offset: 5}, false, refuseAll); err != nil {
			t.Fatal(err)
		}
		out, err := w.execute(Command{Kind: CommandRelease, Recipient: "analytics", Offset: 5}, true, refuse)
		if err != nil || step > 5 {
			t.Fatalf("step %d: %v", step, err)
		}
		all = append(all, w.got...)
		if out.Done {
			if out.Stuck != 1 {
				t.Errorf("%d stuck keys, want 1", out.Stuck)
			}
			break
		}
	}
	if want := []string{"analytics l 3", "analytics m 4", "analytics l 5"}; !slices.Equal(all, want) {
		t.Errorf("got %v, want %v", all, want)
	}
	w.wantParked(w.parkedKey("analytics", "k"), w.parkedKey("partner", "k"), w.parkedKey("partner", "l"), w.parkedKey("partner", "m"))
	out, err := w.execute(Command{Kind: CommandRelease, Recipient: "analytics", Offset: 6}, true, accept)
	if err != nil || out.Records != 2 {
		t.Errorf("the next command: %+v, %v; want it to try the stuck key again", out, err)
	}
}

// TestReleaseIsBoundedInBytes: large records go in more transactions.
func TestReleaseIsBoundedInBytes(t *testing.T) {
	j := &releaseJob{r: &releaser{batch: releaseBatch}}
	for i := range 10 {
		j.records = append(j.records, waiting{notice: Notice{Offset: int64(9 - i)}, rec: &kgo.Record{Value: make([]byte, 1000)}})
	}
	j.cut(10, 3500)
	if len(j.records) != 3 || !j.more || j.bytes != 3000 || j.records[2].notice.Offset != 2 {
		t.Errorf("kept %d records of %d bytes, more %v", len(j.records), j.bytes, j.more)
	}
	j.cut(10, 1)
	if len(j.records) != 1 || j.bytes != 1000 {
		t.Errorf("kept %d records: one that is too large goes alone", len(j.records))
	}
}

// TestReleaseIsRolledBack: an aborted release leaves everything as it was.
func TestReleaseIsRolledBack(t *testing.T) {
	w := newWaitingRoom(t, "k", "k")
	both := []ParkedKey{w.parkedKey("analytics", "k"), w.parkedKey("partner", "k")}
	if _, err := w.execute(Command{Kind: CommandRelease}, false, accept); err != nil {
		t.Fatal(err)
	}
	w.wantParked(both...)
	failed := errors.New("no key service")
	if _, err := w.execute(Command{Kind: CommandRelease}, true, func(string, Notice, *kgo.Record) (bool, error) { return false, failed }); !errors.Is(err, failed) {
		t.Errorf("got %v, want treat's error", err)
	}
	w.wantParked(both...)
	out, err := w.execute(Command{Kind: CommandRelease, Recipient: "partner"}, true, accept)
	if err != nil {
		t.Fatal(err)
	}
	w.want(out, true, 0, "partner k 0", "partner k 1")
}

func TestDrop(t *testing.T) {
	w := newWaitingRoom(t, "k", "l", "k")
	k := w.hash("k")
	out, err := w.execute(Command{Kind: CommandDrop, Key: &k}, true, func(string, Notice, *kgo.Record) (bool, error) {
		t.Error("a dropped record was treated")
		return false, nil
	})
	if err != nil || out.Records != 4 || !out.Done {
		t.Errorf("got %+v, %v", out, err)
	}
	w.wantParked(w.parkedKey("analytics", "l"), w.parkedKey("partner", "l"))
	out, err = w.execute(Command{Kind: CommandRelease, Key: &k}, true, accept)
	if err != nil {
		t.Fatal(err)
	}
	w.want(out, true, 0)
}

// TestReleaseOfAbortedRecords: what an aborted transaction quarantined was
// never there.
func TestReleaseOfAbortedRecords(t *testing.T) {
	w := newWaitingRoom(t, "k")
	n := sampleNotice()
	n.Offset = 1
	rec, err := sealerOf(t, w.ring).seal(hasherOf(t, w.ring).sum([]byte("k")), n, &kgo.Record{Key: []byte("k")})
	if err != nil {
		t.Fatal(err)
	}
	w.txn("worker", aborted, rec)
	out, err := w.execute(Command{Kind: CommandRelease, Recipient: "analytics"}, true, accept)
	if err != nil {
		t.Fatal(err)
	}
	w.want(out, true, 0, "analytics k 0")
}

// TestReleaseOfTamperedRecords: they are not published, what is behind them in
// their key waits, and only a drop gets rid of them.
func TestReleaseOfTamperedRecords(t *testing.T) {
	w := newWaitingRoom(t)
	n := sampleNotice()
	n.Offset = 0
	rec, err := sealerOf(t, w.ring).seal(hasherOf(t, w.ring).sum([]byte("k")), n, &kgo.Record{Key: []byte("k"), Value: []byte("v")})
	if err != nil {
		t.Fatal(err)
	}
	rec.Value[len(rec.Value)-1] ^= 1
	w.txn("worker", committed, rec, &kgo.Record{Topic: w.names.Quarantine, Key: []byte("junk"), Value: []byte("junk")})
	w.quarantine("k", 1)
	w.quarantine("l", 2)
	out, err := w.execute(Command{Kind: CommandRelease, Recipient: "analytics"}, true, accept)
	if err != nil {
		t.Fatal(err)
	}
	w.want(out, true, 1, "analytics l 2")
	if out.Tampered != 1 {
		t.Errorf("%d tampered records, want 1", out.Tampered)
	}
	if out, err = w.execute(Command{Kind: CommandDrop}, true, accept); err != nil || out.Stuck != 0 {
		t.Errorf("got %+v, %v", out, err)
	}
	w.wantParked()
}

func TestCommandForADeletedTopic(t *testing.T) {
	w := newWaitingRoom(t, "k")
	out, err := w.execute(Command{Kind: CommandRelease, Number: 6}, true, accept)
	if err != nil || out.Records != 0 || !out.Done {
		t.Errorf("got %+v, %v: the command is about another topic of that name", out, err)
	}
	w.wantParked(w.parkedKey("analytics", "k"), w.parkedKey("partner", "k"))
}

func TestListQuarantine(t *testing.T) {
	w := newWaitingRoom(t, "k", "l", "k")
	k := w.hash("k")
	if _, err := w.execute(Command{Kind: CommandRelease, Recipient: "analytics", Key: &k}, true, accept); err != nil {
		t.Fatal(err)
	}
	w.txn("other", committed, &kgo.Record{Topic: w.names.Quarantine, Value: []byte(canaryValue)})
	var got []string
	unreadable, err := ListQuarantine(t.Context(), w.client(), "shop", func(e QuarantineEntry) error {
		got = append(got, fmt.Sprint(e.Offset, " ", e.Key == k, " ", e.Code, " ", e.Path, " ", e.Waiting, " ", e.Parked))
		return nil
	})
	slices.Sort(got)
	want := []string{
		"0 true undecided after.phone [partner] [partner]",
		"1 false undecided after.phone [analytics partner] [analytics partner]",
		"2 true undecided after.phone [partner] [partner]",
	}
	if d := cmp.Diff(want, got); d != "" || err != nil || unreadable != 1 {
		t.Errorf("%v, %d unreadable %s", err, unreadable, d)
	}
	one, err := ShowQuarantine(t.Context(), w.client(), "shop", "cdc.shop.customers", 3, 1)
	if err != nil || len(one) != 1 || one[0].Code != schemas.Code("undecided") {
		t.Errorf("got %+v, %v", one, err)
	}
	if _, err := ShowQuarantine(t.Context(), w.client(), "shop", "cdc.shop.customers", 3, 77); !errors.Is(err, errNotFound) {
		t.Errorf("got %v, want errNotFound", err)
	}
}
