package lineage

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/emmansun/gmsm/sm4"
	"pgregory.net/rapid"
)

func aesKey(t testing.TB, seed byte) Key {
	b, err := aes.NewCipher(bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return Key{Block: b, Version: 1}
}

func sources() *rapid.Generator[Source] {
	return rapid.Custom(func(t *rapid.T) Source {
		return Source{
			Topic:     rapid.Uint32Range(0, MaxTopic).Draw(t, "topic"),
			Partition: rapid.Int32Range(0, MaxPartition).Draw(t, "partition"),
			Offset:    rapid.Int64Range(0, MaxOffset).Draw(t, "offset"),
			Output:    rapid.Uint8().Draw(t, "output"),
		}
	})
}

// TestHeaderGolden keeps the wire format: these bytes stand in topics for ever.
// The block is AES-256 (key 32 × 07) over 000102 ‖ 000003 ‖ 00000000000405 ‖
// 01 ‖ 0000.
func TestHeaderGolden(t *testing.T) {
	src := Source{Topic: 0x102, Partition: 3, Offset: 0x405, Output: 1}
	want := make([]byte, 16)
	plain, _ := hex.DecodeString("00010200000300000000000405010000")
	aesKey(t, 7).Block.Encrypt(want, plain)
	got, err := aesKey(t, 7).Append(nil, 300, src)
	if err != nil {
		t.Fatal(err)
	}
	if w := "01ac0201" + hex.EncodeToString(want); hex.EncodeToString(got) != w {
		t.Errorf("got %x, want %s", got, w)
	}
	if w := "01ac0201d616c08b7d3033e54f91cdd774403995"; hex.EncodeToString(got) != w {
		t.Errorf("got %x, want the bytes of the first release %s", got, w)
	}
	if len(got) >= 30 {
		t.Errorf("%d bytes, want under 30 (contract 17)", len(got))
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	sm, err := sm4.NewCipher(bytes.Repeat([]byte{7}, 16))
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]Key{"aes": aesKey(t, 7), "sm4": {Block: sm, Version: 1 << 31}} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			src, epoch := sources().Draw(t, "source"), rapid.Uint64().Draw(t, "epoch")
			b, err := k.Append([]byte("before"), epoch, src)
			if err != nil {
				t.Fatal(err)
			}
			h, err := Parse(b[len("before"):])
			if err != nil || h.Epoch != epoch || h.KeyVersion != k.Version {
				t.Fatalf("got %+v, %v", h, err)
			}
			if got, err := k.Resolve(h.ID); err != nil || got != src {
				t.Fatalf("got %+v, %v, want %+v", got, err, src)
			}
			if !bytes.Equal(h.Append(nil), b[len("before"):]) {
				t.Fatal("a parsed header writes other bytes")
			}
		}))
	}
}

func TestIDsDifferByRecipientAndSource(t *testing.T) {
	a, b := aesKey(t, 1), aesKey(t, 2)
	src := Source{Topic: 1, Partition: 2, Offset: 3}
	x, _ := a.Append(nil, 1, src)
	y, _ := b.Append(nil, 1, src)
	if bytes.Equal(x, y) {
		t.Error("two recipients' ids are equal")
	}
	src.Output = 1
	if z, _ := a.Append(nil, 1, src); bytes.Equal(x, z) {
		t.Error("two outputs' ids are equal")
	}
	h, _ := Parse(y)
	if _, err := a.Resolve(h.ID); !errors.Is(err, ErrID) {
		t.Errorf("another recipient's id: got %v, want ErrID", err)
	}
}

func TestAppendRefuses(t *testing.T) {
	k := aesKey(t, 1)
	for _, s := range []Source{{Topic: MaxTopic + 1}, {Partition: -1}, {Partition: MaxPartition + 1}, {Offset: -1}, {Offset: MaxOffset + 1}} {
		if b, err := k.Append(nil, 1, s); !errors.Is(err, ErrRange) || len(b) != 0 {
			t.Errorf("%+v: got %x, %v, want ErrRange", s, b, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good, _ := aesKey(t, 1).Append(nil, 5, Source{})
	for name, b := range map[string][]byte{
		"empty": nil, "version": append([]byte{2}, good[1:]...), "short": good[:len(good)-1],
		"trailing": append(bytes.Clone(good), 0), "long varint": append([]byte{1, 0x85, 0}, good[2:]...),
		"huge key version": append([]byte{1, 5, 0xff, 0xff, 0xff, 0xff, 0x1f}, good[3:]...),
		"endless varint":   bytes.Repeat([]byte{0xff}, 40),
	} {
		if _, err := Parse(b); !errors.Is(err, ErrHeader) {
			t.Errorf("%s: got %v, want ErrHeader", name, err)
		}
	}
}

func TestHeaderAllocates(t *testing.T) {
	k, dst := aesKey(t, 1), make([]byte, 0, 32)
	if n := testing.AllocsPerRun(100, func() {
		dst, _ = k.Append(dst[:0], 1<<40, Source{Topic: 9, Partition: 8, Offset: 7})
		_, _ = Parse(dst)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzParse(f *testing.F) {
	good, _ := aesKey(f, 1).Append(nil, 300, Source{Topic: 4})
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := Parse(b); err == nil && !bytes.Equal(h.Append(nil), b) {
			t.Fatalf("%x reads as %+v, which writes %x", b, h, h.Append(nil))
		}
	})
}

func BenchmarkHeader(b *testing.B) {
	k, dst := aesKey(b, 1), make([]byte, 0, 32)
	for b.Loop() {
		dst, _ = k.Append(dst[:0], 12, Source{Topic: 9, Partition: 8, Offset: 7})
	}
}
