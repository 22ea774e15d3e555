package registry

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"weir/schemas"
)

func codeOf(err error) schemas.Code {
	var e *schemas.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestDecodeID(t *testing.T) {
	for _, id := range []int{0, 1, 258, math.MaxInt32} {
		b := append(AppendPrefix([]byte("x"), id), "payload"...)[1:]
		got, rest, err := DecodeID(b)
		if err != nil || got != id || string(rest) != "payload" {
			t.Errorf("id %d: got %d, %q, %v", id, got, rest, err)
		}
	}
	for _, b := range [][]byte{nil, {0}, {0, 0, 0, 1}, {1, 0, 0, 0, 1, 9}, {'{', '"', 'a', '"', ':'}, {0, 0x80, 0, 0, 0}, {0, 0xff, 0xff, 0xff, 0xff}} {
		if _, _, err := DecodeID(b); codeOf(err) != schemas.CodeFraming {
			t.Errorf("% x: got %v, want %s", b, err, schemas.CodeFraming)
		}
	}
}

func TestParseHeader(t *testing.T) {
	guid := HeaderID{IsGUID: true, GUID: [16]byte{1, 2, 3, 15: 9}}
	for _, h := range []HeaderID{{ID: 7}, {ID: math.MaxInt32}, guid} {
		got, err := ParseHeader(h.Append(nil))
		if err != nil || got != h {
			t.Errorf("%+v: got %+v, %v", h, got, err)
		}
	}
	if want := []byte{0, 0, 0, 0, 7}; !bytes.Equal(HeaderID{ID: 7}.Append(nil), want) {
		t.Error("a numeric id header is not 0x00 and four bytes")
	}
	for _, b := range [][]byte{nil, {0}, {0, 0, 0, 0, 1, 0}, {1, 0, 0, 0, 1}, append([]byte{0}, make([]byte, 16)...), append([]byte{1}, make([]byte, 17)...), append([]byte{2}, make([]byte, 16)...)} {
		if _, err := ParseHeader(b); codeOf(err) != schemas.CodeFraming {
			t.Errorf("% x: got %v, want %s", b, err, schemas.CodeFraming)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add(HeaderID{ID: 7}.Append(nil))
	f.Add(HeaderID{IsGUID: true, GUID: [16]byte{5}}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err == nil && !bytes.Equal(h.Append(nil), b) {
			t.Fatalf("% x reads as %+v, which writes % x", b, h, h.Append(nil))
		}
	})
}

func TestDecodeIDAllocates(t *testing.T) {
	b := append(AppendPrefix(nil, 9), 1, 2, 3)
	dst := make([]byte, 0, 16)
	if n := testing.AllocsPerRun(100, func() {
		id, _, _ := DecodeID(b)
		dst = AppendPrefix(dst[:0], id)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
