package jsonrec

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"weir/schemas"
)

const benchRow = `{"id":100234,"name":"张伟","phone":"13800138000","email":"zhang.wei@example.com",` +
	`"id_card":"11010519491231002X","address":"北京市朝阳区建国路88号现代城5号楼1203室","city":"北京","birthday":6571,"gender":1,"level":3,` +
	`"balance":"1099.50","vip":true,"note":null,"created_at":1727000000000000,"updated_at":1732400000000000}`

const benchEvent = `{"before":` + benchRow + `,"after":` + benchRow +
	`,"source":{"version":"3.4.0.Final","connector":"postgresql","name":"cdc","ts_ms":1732400000123,` +
	`"snapshot":"false","db":"shop","sequence":"[\"24023120\",\"24023128\"]",` +
	`"ts_us":1732400000123456,"ts_ns":1732400000123456789,"schema":"public","table":"customers","txId":771,"lsn":24023128,"xmin":null},` +
	`"transaction":null,"op":"u","ts_ms":1732400000456,"ts_us":1732400000456789,"ts_ns":1732400000456789123}`

func benchPaths(t testing.TB, text string) []Path {
	t.Helper()
	s, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var v schemas.View
	if err := s.Codec.Scan(&v, []byte(text), &schemas.Wanted{Unknown: true}); err != nil {
		t.Fatal(err)
	}
	var paths []Path
	for i := range v.Spans {
		leaves, err := UnknownLeaves(s, &v, i)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leaves {
			paths = append(paths, Path{Steps: l})
		}
	}
	return paths
}

// benchSetup is the schema of benchEvent with 5 of the 30 columns wanted, and
// edits for them.
func benchSetup(t testing.TB) (s *schemas.Schema, want *schemas.Wanted, shape schemas.Shape, edits []schemas.Edit) {
	t.Helper()
	s, err := New(benchPaths(t, benchEvent))
	if err != nil {
		t.Fatal(err)
	}
	want = &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}
	for i, p := range []string{"before.phone", "before.email", "after.name", "after.phone", "after.id_card"} {
		want.Leaf[s.Find(p)[0]] = true
		edits = append(edits, schemas.Edit{Span: int32(i), Data: []byte("7K3QW9XZ2M4N6P8R0T1V3Y5B")})
	}
	if shape, err = s.Codec.Derive(schemas.ShapeOptions{}); err != nil {
		t.Fatal(err)
	}
	return s, want, shape, edits
}

func BenchmarkScanSplice(b *testing.B) {
	s, want, shape, edits := benchSetup(b)
	src := []byte(benchEvent)
	var v schemas.View
	var out []byte
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		err := s.Codec.Scan(&v, src, want)
		if err == nil {
			out, err = s.Codec.Splice(out[:0], &v, shape, edits)
		}
		if err != nil || len(v.Spans) != len(edits) {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	s, want, _, _ := benchSetup(b)
	src := []byte(benchEvent)
	var v schemas.View
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if err := s.Codec.Scan(&v, src, want); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScanSpaced reads the same event indented: no token matches whole.
func BenchmarkScanSpaced(b *testing.B) {
	s, want, _, _ := benchSetup(b)
	var spaced bytes.Buffer
	if err := json.Indent(&spaced, []byte(benchEvent), "", "  "); err != nil {
		b.Fatal(err)
	}
	var v schemas.View
	b.SetBytes(int64(spaced.Len()))
	for b.Loop() {
		if err := s.Codec.Scan(&v, spaced.Bytes(), want); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJSONText walks the same event's tokens with the strict peer.
func BenchmarkJSONText(b *testing.B) {
	src := []byte(benchEvent)
	dec := jsontext.NewDecoder(strings.NewReader(""))
	r := bytes.NewReader(nil)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		r.Reset(src)
		dec.Reset(r, jsontext.AllowDuplicateNames(true))
		for {
			if _, err := dec.ReadToken(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkEncodingJSON decodes the same event into a map.
func BenchmarkEncodingJSON(b *testing.B) {
	src := []byte(benchEvent)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		var m map[string]any
		if err := json.Unmarshal(src, &m); err != nil {
			b.Fatal(err)
		}
	}
}
