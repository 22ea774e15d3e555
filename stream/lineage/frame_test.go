package lineage

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"weir/schemas"
	"weir/transforms"
)

var (
	published   = Fate{Fate: transforms.Published, Outs: 1}
	twice       = Fate{Fate: transforms.Published, Outs: 2}
	rows        = Fate{Fate: transforms.Filtered, Code: "rows"}
	quarantined = Fate{Fate: transforms.Quarantined, Code: "undecided"}
)

// one is the only frame of b.
func one(t testing.TB, b *Builder) []byte {
	t.Helper()
	var out [][]byte
	b.Frames(func(_ uint32, _ int32, _, value []byte) { out = append(out, bytes.Clone(value)) })
	if len(out) != 1 {
		t.Fatalf("%d frames, want 1", len(out))
	}
	return out[0]
}

func sample(t testing.TB) *Builder {
	b := NewBuilder(12, []string{"analytics", "partner"})
	for _, r := range []struct {
		offset int64
		fates  []Fate
	}{
		{40, []Fate{published, rows}},
		{41, []Fate{published, twice}},
		{44, []Fate{quarantined, quarantined}}, // 42 and 43: a gap
		{45, []Fate{quarantined, published}},
	} {
		if err := b.Add(7, 3, r.offset, r.fates); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// TestFrameGolden keeps the wire format: frames are kept for years.
func TestFrameGolden(t *testing.T) {
	want := "01" + "07" + "03" + "0c" + "28" + // version, topic, partition, epoch, first
		"02" + "0002" + "0202" + // two spans: 40–41, 44–45
		"02" + "09756e64656369646564" + "04726f7773" + // codes
		"02" +
		"09616e616c7974696373" + "02" + "0204" + "0202" + // analytics: 2 published, 2 quarantined
		"07706172746e6572" + "04" + "0105" + "0108" + "0102" + "0104"
	if got := hex.EncodeToString(one(t, sample(t))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFrameJSON(t *testing.T) {
	f, err := ParseFrame(one(t, sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(f)
	want := `{"topic_number":7,"partition":3,"epoch":12,"offsets":[{"first":40,"last":41},{"first":44,"last":45}],` +
		`"recipients":[{"recipient":"analytics","runs":[{"count":2,"fate":"published","outs":1},{"count":2,"fate":"quarantined","code":"undecided"}]},` +
		`{"recipient":"partner","runs":[{"count":1,"fate":"filtered","code":"rows"},{"count":1,"fate":"published","outs":2},` +
		`{"count":1,"fate":"quarantined","code":"undecided"},{"count":1,"fate":"published","outs":1}]}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFrameRoundTrip(t *testing.T) {
	fates := []Fate{published, twice, rows, quarantined, {Fate: transforms.Filtered, Code: "until"}, {Fate: transforms.Published}}
	b := NewBuilder(9, []string{"a", "b", "c"})
	rapid.Check(t, func(t *rapid.T) {
		b.Reset() // kept memory must not show
		type record struct {
			offset int64
			fates  []Fate
		}
		var model []record
		next := rapid.Int64Range(0, 1<<50).Draw(t, "first")
		for range rapid.IntRange(1, 60).Draw(t, "records") {
			r := record{offset: next, fates: rapid.SliceOfN(rapid.SampledFrom(fates), 3, 3).Draw(t, "fates")}
			if err := b.Add(5, 6, r.offset, r.fates); err != nil {
				t.Fatal(err)
			}
			model = append(model, r)
			next += rapid.SampledFrom([]int64{1, 1, 1, 2, 1000}).Draw(t, "step")
		}
		var value []byte
		b.Frames(func(_ uint32, _ int32, _, v []byte) { value = bytes.Clone(v) })
		f, err := ParseFrame(value)
		if err != nil {
			t.Fatal(err)
		}
		if f.Topic != 5 || f.Partition != 6 || f.Epoch != 9 || f.First() != model[0].offset || f.Last() != model[len(model)-1].offset {
			t.Fatalf("got %+v", f)
		}
		for i, r := range model {
			for j, name := range []string{"a", "b", "c"} {
				if got, ok := f.Fate(name, r.offset); !ok || got != r.fates[j] {
					t.Fatalf("offset %d for %s: got %+v, %v, want %+v", r.offset, name, got, ok, r.fates[j])
				}
			}
			if i > 0 && model[i-1].offset+1 < r.offset {
				if _, ok := f.Fate("a", r.offset-1); ok {
					t.Fatalf("offset %d was never added, yet it has a fate", r.offset-1)
				}
			}
		}
	})
}

func TestFramesAreSorted(t *testing.T) {
	b := NewBuilder(1, []string{"a"})
	for _, at := range []struct {
		topic     uint32
		partition int32
	}{{2, 1}, {1, 5}, {2, 0}, {1, 5}} {
		if err := b.Add(at.topic, at.partition, int64(10+len(b.parts)), []Fate{published}); err != nil {
			t.Fatal(err)
		}
	}
	var got []uint32
	b.Frames(func(topic uint32, partition int32, key, value []byte) {
		f, err := ParseFrame(value)
		kt, kp, kerr := ParseKey(key)
		if err != nil || kerr != nil || f.Topic != topic || f.Partition != partition || kt != topic || kp != partition {
			t.Errorf("frame of %d/%d: %+v, %v, %v", topic, partition, f, err, kerr)
		}
		got = append(got, topic*10+uint32(partition))
	})
	if !slices.Equal(got, []uint32{15, 20, 21}) {
		t.Errorf("got %v", got)
	}
	b.Reset()
	b.Frames(func(uint32, int32, []byte, []byte) { t.Error("a frame after Reset") })
}

func TestAddRefuses(t *testing.T) {
	ok := []Fate{published}
	for name, tc := range map[string]struct {
		topic     uint32
		partition int32
		offset    int64
		fates     []Fate
		want      error
	}{
		"same offset":     {1, 1, 5, ok, ErrOrder},
		"earlier offset":  {1, 1, 4, ok, ErrOrder},
		"topic":           {MaxTopic + 1, 1, 6, ok, ErrRange},
		"partition":       {1, -1, 6, ok, ErrRange},
		"offset":          {1, 1, -1, ok, ErrRange},
		"too few fates":   {1, 1, 6, nil, ErrFrame},
		"invalid fate":    {1, 1, 6, []Fate{{Fate: 3}}, ErrFrame},
		"no code":         {1, 1, 6, []Fate{{Fate: transforms.Filtered}}, ErrFrame},
		"code of success": {1, 1, 6, []Fate{{Code: "rows"}}, ErrFrame},
		"value as code":   {1, 1, 6, []Fate{{Fate: transforms.Quarantined, Code: "13800138000 Wang"}}, ErrFrame},
	} {
		b := NewBuilder(1, []string{"a"})
		if err := b.Add(1, 1, 5, ok); err != nil {
			t.Fatal(err)
		}
		before := one(t, b)
		if err := b.Add(tc.topic, tc.partition, tc.offset, tc.fates); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
		if !bytes.Equal(one(t, b), before) {
			t.Errorf("%s: it was noted all the same", name)
		}
	}
}

func TestParseFrameRefuses(t *testing.T) {
	good := one(t, sample(t))
	for i := range good {
		if _, err := ParseFrame(good[:i]); !errors.Is(err, ErrFrame) {
			t.Errorf("cut at %d: got %v", i, err)
		}
	}
	if _, err := ParseFrame(append(bytes.Clone(good), 0)); !errors.Is(err, ErrFrame) {
		t.Error("trailing byte accepted")
	}
	for from, to := range map[string]string{
		"09616e616c7974696373020204": "09616e616c7974696373020104", // a run too short: an offset without a fate
		"09616e616c79746963730202":   "09616e616c79746963730203",   // a run too long
		"04726f7773":                 "04524f5753",                 // a code that is none: ROWS
	} {
		bad, err := hex.DecodeString(strings.Replace(hex.EncodeToString(good), from, to, 1))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(bad, good) {
			t.Fatalf("%s does not stand in the frame", from)
		}
		if _, err := ParseFrame(bad); !errors.Is(err, ErrFrame) {
			t.Errorf("%s for %s: got %v", to, from, err)
		}
	}
	huge := []byte{1, 1, 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f} // 4 billion spans in ten bytes
	if n := testing.AllocsPerRun(10, func() { _, _ = ParseFrame(huge) }); n > 5 {
		t.Errorf("%v allocations for a hostile count", n)
	}
	for _, b := range [][]byte{nil, {1}, {1, 2, 3}, append([]byte{2}, make([]byte, 6)...), make([]byte, 8)} {
		if _, _, err := ParseKey(b); !errors.Is(err, ErrFrame) {
			t.Errorf("key %x: got %v", b, err)
		}
	}
}

// TestFrameIsSmall: a partition where all goes well costs a few bytes,
// whatever the number of records.
func TestFrameIsSmall(t *testing.T) {
	b := NewBuilder(12, []string{"analytics", "partner"})
	for i := range int64(10_000) {
		if err := b.Add(7, 3, 1_000_000+i, []Fate{published, published}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(one(t, b)); n > 48 {
		t.Errorf("%d bytes for 10,000 records, want at most 48", n)
	}
}

// TestCodesAreOfOneTransaction: their number is bounded in a frame, not in a
// worker's life.
func TestCodesAreOfOneTransaction(t *testing.T) {
	b := NewBuilder(1, []string{"a"})
	for i := range 2 * maxCodes {
		if err := b.Add(1, 1, int64(i), []Fate{{Fate: transforms.Filtered, Code: schemas.Code(fmt.Sprint("c", i))}}); err != nil {
			t.Fatal(err)
		}
		b.Reset()
	}
}

func TestBuilderAllocates(t *testing.T) {
	b := NewBuilder(12, []string{"analytics", "partner"})
	fates := []Fate{published, rows}
	batch := func() {
		for i := range int64(50) {
			_ = b.Add(7, int32(i%3), i, fates)
		}
		b.Frames(func(uint32, int32, []byte, []byte) {})
		b.Reset()
	}
	batch()
	if n := testing.AllocsPerRun(20, batch); n > 0 {
		t.Errorf("%v allocations a transaction, want 0", n)
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add(one(f, sample(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := ParseFrame(b)
		if err != nil {
			return
		}
		if fr.First() > fr.Last() {
			t.Fatalf("%x: offsets %d to %d", b, fr.First(), fr.Last())
		}
		for _, r := range fr.Recipients {
			if _, ok := fr.Fate(r.Recipient, fr.First()); !ok {
				t.Fatalf("%x: no fate for the first offset", b)
			}
			if _, ok := fr.Fate(r.Recipient, fr.Last()); !ok {
				t.Fatalf("%x: no fate for the last offset", b)
			}
		}
	})
}
