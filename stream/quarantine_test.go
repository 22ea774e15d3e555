package stream

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/keys"
	"weir/schemas"
	"weir/transforms"
)

const canaryValue = "CANARY-13800138000"

func ringOf(t testing.TB, profile string) *keys.Ring {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weir.keys")
	if _, err := keys.InitFile(path); err != nil {
		t.Fatal(err)
	}
	ring, err := keys.OpenFile(path, profile)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func sealerOf(t testing.TB, ring *keys.Ring) *quarantineSealer {
	t.Helper()
	q, err := newQuarantineSealer(ring, "shop", "shop", ring.Profile())
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func hasherOf(t testing.TB, ring *keys.Ring) *keyHasher {
	t.Helper()
	h, err := newKeyHasher(ring, "shop", ring.Profile())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func sampleNotice() Notice {
	return Notice{Topic: "cdc.shop.customers", TopicNumber: 7, Partition: 3, Offset: 41, Code: "undecided",
		Path: "after.phone", Recipients: []string{"analytics", "partner"}, Epoch: 12}
}

func sampleOriginal() *kgo.Record {
	return &kgo.Record{
		Key: []byte("key " + canaryValue), Value: []byte(`{"phone":"` + canaryValue + `"}`), Timestamp: time.UnixMilli(1_700_000_000_123),
		Headers: []kgo.RecordHeader{{Key: "h-" + canaryValue, Value: []byte("v " + canaryValue)}, {Key: "null"}, {Key: "empty", Value: []byte{}}},
	}
}

func TestSealAndOpen(t *testing.T) {
	at := sampleNotice()
	same := func(t *testing.T, ring *keys.Ring, rec *kgo.Record) {
		t.Helper()
		sealed, err := sealerOf(t, ring).seal(hasherOf(t, ring).sum(rec.Key), at, rec)
		if err != nil {
			t.Fatal(err)
		}
		n, got, err := sealerOf(t, ring).open(sealed)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(at, n); d != "" {
			t.Error(d)
		}
		if !bytes.Equal(got.Key, rec.Key) || (got.Key == nil) != (rec.Key == nil) || !bytes.Equal(got.Value, rec.Value) || (got.Value == nil) != (rec.Value == nil) {
			t.Errorf("key or value differ: %+v", got)
		}
		if d := cmp.Diff(rec.Headers, got.Headers); d != "" {
			t.Error(d)
		}
		if got.Attrs.TimestampType() != rec.Attrs.TimestampType() {
			t.Error("whose the timestamp is was lost")
		}
		if got.Topic != at.Topic || got.Partition != 3 || got.Offset != 41 || !got.Timestamp.Equal(rec.Timestamp) || !sealed.Timestamp.Equal(rec.Timestamp) {
			t.Errorf("coordinates differ: %+v", got)
		}
	}
	for _, profile := range []string{"", keys.ProfileGM} {
		ring := ringOf(t, profile)
		same(t, ring, sampleOriginal())
		same(t, ring, &kgo.Record{Key: []byte("k"), Timestamp: time.UnixMilli(-1)}) // a tombstone
		same(t, ring, &kgo.Record{Value: []byte{}, Attrs: kgo.NewRecordAttrs(kgo.RecordAttrsOpts{TimestampType: 1}), Timestamp: time.UnixMilli(0)})
		same(t, ring, &kgo.Record{Value: bytes.Repeat([]byte("x"), 1<<20), Timestamp: time.UnixMilli(0)})
	}
}

// TestNothingIsReadableInQuarantine looks for the original in everything that
// the record shows, in the usual disguises.
func TestNothingIsReadableInQuarantine(t *testing.T) {
	ring := ringOf(t, "")
	rec := sampleOriginal()
	sealed, err := sealerOf(t, ring).seal(hasherOf(t, ring).sum(rec.Key), sampleNotice(), rec)
	if err != nil {
		t.Fatal(err)
	}
	seen := append(bytes.Clone(sealed.Key), sealed.Value...)
	for _, h := range sealed.Headers {
		seen = append(append(seen, h.Key...), h.Value...)
	}
	for _, needle := range []string{canaryValue, hex.EncodeToString([]byte(canaryValue)), base64.StdEncoding.EncodeToString([]byte(canaryValue))[:20], "13800138"} {
		if bytes.Contains(seen, []byte(needle)) {
			t.Errorf("%q stands in the quarantine record", needle)
		}
	}
	if len(sealed.Key) != 32 {
		t.Errorf("the Kafka key has %d bytes, want an HMAC's 32", len(sealed.Key))
	}
}

// TestConnectHeaders: the names are Connect's, the contents codes and places.
func TestConnectHeaders(t *testing.T) {
	ring := ringOf(t, "")
	sealed, err := sealerOf(t, ring).seal([32]byte{}, sampleNotice(), sampleOriginal())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, h := range sealed.Headers {
		got[h.Key] = string(h.Value)
	}
	want := map[string]string{
		"__connect.errors.topic": "cdc.shop.customers", "__connect.errors.partition": "3", "__connect.errors.offset": "41",
		"__connect.errors.connector.name": "weir.shop", "__connect.errors.task.id": "3", "__connect.errors.stage": "TRANSFORMATION",
		"__connect.errors.class.name": "weir", "__connect.errors.exception.class.name": "weir.undecided",
		"__connect.errors.exception.message": "undecided at after.phone",
		"weir.recipients":                    "analytics,partner", "weir.code": "undecided", "weir.path": "after.phone", "weir.epoch": "12",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestTampering: whatever is changed, in clear or sealed, the record does not
// open, and the error says nothing of its contents.
func TestTampering(t *testing.T) {
	ring := ringOf(t, "")
	rec := sampleOriginal()
	q := sealerOf(t, ring)
	fresh := func() *kgo.Record {
		r, err := q.seal(hasherOf(t, ring).sum(rec.Key), sampleNotice(), rec)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	refused := func(name string, r *kgo.Record, by *quarantineSealer) {
		t.Helper()
		_, orig, err := by.open(r)
		if orig != nil || err == nil {
			t.Errorf("%s: it opened", name)
			return
		}
		if strings.Contains(err.Error(), canaryValue) {
			t.Errorf("%s: %q quotes the record", name, err)
		}
	}
	good := fresh()
	for i := range good.Value {
		r := fresh()
		r.Value[i] ^= 1
		refused(fmt.Sprint("value byte ", i), r, q)
		r = fresh()
		r.Value = r.Value[:i]
		refused(fmt.Sprint("cut at ", i), r, q)
	}
	for i := range good.Key {
		r := fresh()
		r.Key[i] ^= 1
		refused(fmt.Sprint("key byte ", i), r, q)
	}
	for i, h := range good.Headers {
		switch h.Key {
		case headerErrTopic, headerErrPartition, headerErrOffset, headerRecipients, headerCode, headerPath, headerEpoch:
		default:
			continue // for Connect's tools; we do not read them
		}
		r := fresh()
		r.Headers[i].Value = append([]byte("1"), h.Value...)
		refused("header "+h.Key, r, q)
		r = fresh()
		r.Headers = append(r.Headers[:i:i], r.Headers[i+1:]...)
		refused("without header "+h.Key, r, q)
	}
	refused("another ring", fresh(), sealerOf(t, ringOf(t, "")))
	other, err := newQuarantineSealer(ring, "other", "shop", "")
	if err != nil {
		t.Fatal(err)
	}
	refused("another pipeline", fresh(), other)
	moved := sampleNotice()
	moved.Offset++
	r, err := q.seal([32]byte(good.Key), moved, rec)
	if err != nil {
		t.Fatal(err)
	}
	head := len(good.Value) - len(sealedOf(t, good))
	r.Value = append(r.Value[:head:head], sealedOf(t, good)...)
	refused("sealed bytes of another record", r, q)
}

func sealedOf(t *testing.T, r *kgo.Record) []byte {
	t.Helper()
	_, _, sealed, err := parseNotice(r)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestNoncesDiffer(t *testing.T) {
	q := sealerOf(t, ringOf(t, ""))
	seen := map[string]bool{}
	for range 1000 {
		r, err := q.seal([32]byte{}, sampleNotice(), sampleOriginal())
		if err != nil {
			t.Fatal(err)
		}
		nonce := string(sealedOf(t, r)[:12])
		if seen[nonce] {
			t.Fatal("a nonce was drawn twice")
		}
		seen[nonce] = true
	}
}

// TestSealKeysAreApart: no key seals more than 2^28 offsets of one partition.
func TestSealKeysAreApart(t *testing.T) {
	q := sealerOf(t, ringOf(t, ""))
	n := sampleNotice()
	for _, offset := range []int64{0, 1<<28 - 1, 1 << 28, 1 << 40} {
		n.Offset = offset
		r, err := q.seal([32]byte{}, n, sampleOriginal())
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := q.open(r); err != nil {
			t.Errorf("offset %d: %v", offset, err)
		}
	}
	if len(q.aeads) != 4 { // that of New (topic 0) and three of partition 7/3
		t.Errorf("%d keys, want 4", len(q.aeads))
	}
	for i := range int32(3 * maxSealKeys) {
		n.Partition = i
		if _, err := q.seal([32]byte{}, n, &kgo.Record{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(q.aeads) > maxSealKeys {
		t.Errorf("%d keys are kept, want at most %d", len(q.aeads), maxSealKeys)
	}
}

func TestSealRefusesBadNotices(t *testing.T) {
	q := sealerOf(t, ringOf(t, ""))
	for name, change := range map[string]func(*Notice){
		"no topic": func(n *Notice) { n.Topic = "" }, "no code": func(n *Notice) { n.Code = "" }, "nobody": func(n *Notice) { n.Recipients = nil },
		"comma": func(n *Notice) { n.Recipients = []string{"a,b"} }, "offset": func(n *Notice) { n.Offset = -1 },
	} {
		n := sampleNotice()
		change(&n)
		if r, err := q.seal([32]byte{}, n, sampleOriginal()); !errors.Is(err, errNotice) || r != nil {
			t.Errorf("%s: got %v, %v", name, r, err)
		}
	}
}

// TestKeyHash: framing plays no part (the caller gives canonical text), equal
// keys are equal, and the key ring decides.
func TestKeyHash(t *testing.T) {
	ring := ringOf(t, "")
	h := hasherOf(t, ring)
	a, b := h.sum([]byte("1")), h.sum([]byte("2"))
	if a == b || a != h.sum([]byte("1")) || a != hasherOf(t, ring).sum([]byte("1")) {
		t.Error("not a function of the key")
	}
	if a == hasherOf(t, ringOf(t, "")).sum([]byte("1")) {
		t.Error("the same under another ring")
	}
	text := []byte("1")
	if n := testing.AllocsPerRun(100, func() { h.sum(text) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	k := KeyHash(a[:16])
	if got, err := ParseKeyHash(k.String()); err != nil || got != k {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestNotices(t *testing.T) {
	q := func(code schemas.Code, path string) transforms.Copy {
		return transforms.Copy{Fate: transforms.Quarantined, Code: code, Path: path}
	}
	got := notices(Notice{Topic: "t", Offset: 5}, []string{"a", "b", "c", "d", "e"}, []transforms.Copy{
		q("undecided", "x"), {}, q("undecided", "y"), {Fate: transforms.Filtered, Code: "rows"}, q("undecided", "x")})
	want := []Notice{
		{Topic: "t", Offset: 5, Code: "undecided", Path: "x", Recipients: []string{"a", "e"}},
		{Topic: "t", Offset: 5, Code: "undecided", Path: "y", Recipients: []string{"c"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzParseOriginal(f *testing.F) {
	f.Add(appendOriginal(nil, sampleOriginal()))
	f.Add(appendOriginal(nil, &kgo.Record{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, ok := parseOriginal(b)
		if !ok {
			return
		}
		again, ok := parseOriginal(appendOriginal(nil, rec))
		if !ok || !bytes.Equal(again.Key, rec.Key) || !bytes.Equal(again.Value, rec.Value) || len(again.Headers) != len(rec.Headers) {
			t.Fatalf("%x does not survive", b)
		}
	})
}

func FuzzParseNotice(f *testing.F) {
	r, err := sealerOf(f, ringOf(f, "")).seal([32]byte{}, sampleNotice(), sampleOriginal())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.Key, r.Value, "cdc.shop.customers", "3", "41", "analytics", "12")
	f.Fuzz(func(t *testing.T, key, value []byte, topic, partition, offset, recipients, epoch string) {
		h := func(k, v string) kgo.RecordHeader { return kgo.RecordHeader{Key: k, Value: []byte(v)} }
		n, _, _, err := parseNotice(&kgo.Record{Key: key, Value: value, Headers: []kgo.RecordHeader{h(headerErrTopic, topic),
			h(headerErrPartition, partition), h(headerErrOffset, offset), h(headerRecipients, recipients), h(headerCode, "c"), h(headerPath, ""), h(headerEpoch, epoch)}})
		if err == nil && n.check() != nil {
			t.Fatalf("%+v was accepted", n)
		}
	})
}
