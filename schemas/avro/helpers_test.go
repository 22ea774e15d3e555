package avro

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"weir/schemas"
)

func mustParse(t testing.TB, text string, refs ...string) *schemas.Schema {
	t.Helper()
	s, err := Parse(text, refs...)
	if err != nil {
		t.Fatalf("parsing: %v", err)
	}
	return s
}

// wantAll wants every leaf; wantPaths wants those of some paths.
func wantAll(s *schemas.Schema) *schemas.Wanted {
	w := &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}
	for i := range w.Leaf {
		w.Leaf[i] = true
	}
	return w
}

func wantPaths(s *schemas.Schema, paths ...string) *schemas.Wanted {
	w := &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}
	for _, p := range paths {
		for _, l := range s.Find(p) {
			w.Leaf[l] = true
		}
	}
	return w
}

func mustScan(t testing.TB, s *schemas.Schema, src []byte, w *schemas.Wanted) *schemas.View {
	t.Helper()
	v := &schemas.View{}
	if err := s.Codec.Scan(v, src, w); err != nil {
		t.Fatalf("scanning %x: %v", src, err)
	}
	return v
}

func mustDerive(t testing.TB, s *schemas.Schema, changes ...schemas.Change) schemas.Shape {
	t.Helper()
	shape, err := s.Codec.Derive(schemas.ShapeOptions{Changes: changes})
	if err != nil {
		t.Fatalf("deriving: %v", err)
	}
	return shape
}

// change makes the same change on every leaf of a path.
func change(t testing.TB, s *schemas.Schema, path string, c schemas.Change) []schemas.Change {
	t.Helper()
	var out []schemas.Change
	for _, l := range s.Find(path) {
		c.Leaf = l
		out = append(out, c)
	}
	if len(out) == 0 {
		t.Fatalf("no leaf %q", path)
	}
	return out
}

func toString(note string) schemas.Change {
	return schemas.Change{Op: schemas.Retype, Kind: schemas.KindString, Note: note}
}

// codeOf is the code of an error of the codec; anything else fails the test.
func codeOf(t testing.TB, err error) schemas.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *schemas.Error
	if !errors.As(err, &e) {
		t.Fatalf("not a *schemas.Error: %v", err)
	}
	return e.Code
}

// avroBytes joins numbers, strings and bytes as Avro writes them; []byte goes in as
// it is.
func avroBytes(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = binary.AppendVarint(b, int64(p))
		case string:
			b = append(binary.AppendVarint(b, int64(len(p))), p...)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

// corpus is the path of shared test data, which stands beside the checkout.
func corpus(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "corpora", name)
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the corpus %s is missing", name)
		}
		t.Skipf("NOT TESTED: the corpus %s is missing beside the checkout", name)
	}
	return dir
}
