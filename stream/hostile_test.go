package stream

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"weir/schemas"
	"weir/schemas/registry"
)

// TestPanicIsPoison: a codec or a library that panics over a record costs that
// record, not the process, and what it panicked with is shown nowhere.
func TestPanicIsPoison(t *testing.T) {
	f := newForms(t, customerPolicy("p", "s"), debezium("p", EncodingConfluentAvro, nil),
		Source{Topics: "s", Encoding: EncodingJSON, KeyEncoding: EncodingJSON})
	var err error
	f.cfg.Registry, err = registry.New(registry.Config{URL: f.c.RegistryURL(), Compile: func(schemas.Format, string, map[string]string) (*schemas.Schema, error) {
		panic("cannot do " + canary)
	}})
	if err != nil {
		t.Fatal(err)
	}
	id := f.register("in-value", customerAvro, sr.TypeAvro)
	f.put("p", &kgo.Record{Key: framed(id, []byte(canary)), Value: framed(id, []byte(canary))}, &kgo.Record{Key: framed(id, []byte(canary))})
	f.put("s", &kgo.Record{Key: []byte(`{"id":7}`), Value: []byte(`{"id":7,"phone":null}`)})
	f.drain()
	f.held("p", "0 panic a,b", "1 panic a,b")
	if n := len(f.out("a", "s")); n != 1 {
		t.Errorf("%d records of another topic went out", n)
	}
	if !strings.Contains(f.log.String(), "hostile_test.go:") {
		t.Error("the log does not say where it panicked")
	}
	f.leaks(canary)
}

// TestTraceParentIsOne: the one header that passes unasked is no way out.
func TestTraceParentIsOne(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for value, want := range map[string]bool{
		good: true, "": false, canary: false, good + canary: false, strings.ToUpper(good): false, good[:54]: false,
		strings.Replace(good, "-", "0", 1): false, strings.Replace(good, "0", "-", 1): false, strings.Replace(good, "4bf", "zhang", 1)[:55]: false,
	} {
		in := []kgo.RecordHeader{{Key: "traceparent", Value: []byte(value)}, {Key: "Traceparent", Value: []byte(value)}}
		if got := len(copied(nil, nil, in)) == 1; got != want {
			t.Errorf("%q passes: %v", value, got)
		}
		if len(copied(nil, []string{"traceparent"}, in)) != 1 {
			t.Error("a header that the source lists does not pass")
		}
	}
}

// TestBlockCacheIsBounded: blocks come from records, and every one may be new.
func TestBlockCacheIsBounded(t *testing.T) {
	var f fileOfBlocks
	block := func(i, size int) []byte {
		return fmt.Appendf(nil, `{"type":"string","doc":"%d%s"}`, i, strings.Repeat("x", size))
	}
	for i := range 100 {
		if _, err := f.get(block(i, maxBlock/2)); err != nil {
			t.Fatal(err)
		}
		held := 0
		for b := range f.m {
			held += len(b)
		}
		if held > maxBlocks || held != f.size {
			t.Fatalf("%d bytes are held, %d counted", held, f.size)
		}
	}
	if _, err := f.get(block(0, maxBlock)); poisonCode(err) != schemas.CodeTooLarge {
		t.Error(err)
	}
}

func poisonCode(err error) schemas.Code {
	var e *schemas.Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code
}
