package avro

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/linkedin/goavro/v2"

	"weir/schemas"
)

// TestInteropSchemas: Apache Avro's own accept and refuse lists.
func TestInteropSchemas(t *testing.T) {
	dir := filepath.Join(corpus(t, "avro_interop"), "lang_c_tests", "schema_tests")
	for _, verdict := range []string{"pass", "fail"} {
		files, err := filepath.Glob(filepath.Join(dir, verdict, "*"))
		if err != nil || len(files) < 10 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, f := range files {
			if _, err := Parse(read(t, f)); (err == nil) != (verdict == "pass") {
				t.Errorf("%s/%s: %v", verdict, filepath.Base(f), err)
			}
		}
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestInteropCanonical parses the schemas of Apache's parsing-canonical-form
// test, but for the union of nothing, which no value fits.
func TestInteropCanonical(t *testing.T) {
	text := read(t, filepath.Join(corpus(t, "avro_interop"), "share_test", "data", "schema-tests.txt"))
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		for _, key := range []string{"<<INPUT ", "<<canonical "} {
			if in, ok := strings.CutPrefix(line, key); ok && !strings.HasPrefix(in, "<<") && strings.Trim(in, "[ ]") != "" {
				n++
				if _, err := Parse(in); err != nil {
					t.Errorf("%s: %v", in, err)
				}
			}
		}
	}
	if n < 30 {
		t.Fatalf("%d schemas", n)
	}
}

// TestInteropFiles scans every record of Apache's data files and splices it
// unchanged.
func TestInteropFiles(t *testing.T) {
	dir := corpus(t, "avro_interop")
	var files []string
	for _, pattern := range []string{"lang_c_tests/*.avro", "share_test/data/*.avro*", "share_test/data/schemas/*/data.avro"} {
		more, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	total := 0
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			schema, data, count, err := container([]byte(read(t, f)))
			if err != nil {
				t.Skipf("not read here: %v", err)
			}
			bad := strings.Contains(f, "bad-") || strings.Contains(f, "truncated")
			n := scanRecords(t, schema, data, bad)
			if !bad && n != count {
				t.Fatalf("%d of %d records", n, count)
			}
			total += n
		})
	}
	if total < 15 {
		t.Fatalf("%d records in %d files", total, len(files))
	}
}

// container reads an object container file of codec null or deflate.
func container(b []byte) (schema string, data []byte, count int, err error) {
	if !bytes.HasPrefix(b, []byte("Obj\x01")) { // before Avro 1.3
		return "", nil, 0, io.ErrNoProgress
	}
	r := bytes.NewReader(b[4:])
	meta := map[string]string{}
	for {
		n, err := binary.ReadVarint(r)
		if err != nil || n == 0 {
			break
		}
		if n < 0 {
			n = -n
			if _, err := binary.ReadVarint(r); err != nil {
				return "", nil, 0, err
			}
		}
		for ; n > 0; n-- {
			key := readSized(r)
			meta[key] = readSized(r)
		}
	}
	if c := meta["avro.codec"]; c != "" && c != "null" && c != "deflate" {
		return "", nil, 0, io.ErrNoProgress
	}
	_, _ = io.CopyN(io.Discard, r, 16)
	for r.Len() > 0 {
		n, _ := binary.ReadVarint(r)
		block := []byte(readSized(r))
		if meta["avro.codec"] == "deflate" {
			if block, err = io.ReadAll(flate.NewReader(bytes.NewReader(block))); err != nil {
				return "", nil, 0, err
			}
		}
		_, _ = io.CopyN(io.Discard, r, 16)
		data, count = append(data, block...), count+int(n)
	}
	return meta["avro.schema"], data, count, nil
}

func readSized(r *bytes.Reader) string {
	n, err := binary.ReadVarint(r)
	if err != nil || n < 0 {
		return ""
	}
	b := make([]byte, min(n, int64(r.Len())))
	_, _ = io.ReadFull(r, b)
	return string(b)
}

// scanRecords takes goavro's word for where a record ends.
func scanRecords(t *testing.T, schema string, data []byte, bad bool) (n int) {
	s := mustParse(t, schema)
	peer, err := goavro.NewCodec(schema)
	if err != nil {
		t.Fatal(err)
	}
	v := &schemas.View{}
	for len(data) > 0 {
		_, rest, err := peer.NativeFromBinary(data)
		if err != nil {
			if code := codeOf(t, s.Codec.Scan(v, data, wantAll(s))); !bad || code == "" {
				t.Fatalf("goavro: %v; here: %q", err, code)
			}
			return n
		}
		record := data[:len(data)-len(rest)]
		if err := s.Codec.Scan(v, record, wantAll(s)); err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
		out, err := s.Codec.Splice(nil, v, mustDerive(t, s), nil)
		if err != nil || !bytes.Equal(out, record) {
			t.Fatalf("record %d: %x became %x, %v", n, record, out, err)
		}
		data, n = rest, n+1
	}
	return n
}

// TestInteropMessage reads Java's single-object message.
func TestInteropMessage(t *testing.T) {
	dir := filepath.Join(corpus(t, "avro_interop"), "share_test", "data", "messageV1")
	s := mustParse(t, read(t, filepath.Join(dir, "test_schema.avsc")))
	body := []byte(read(t, filepath.Join(dir, "test_message.bin")))[10:]
	v := mustScan(t, s, body, wantPaths(s, "id", "name", "tags[]"))
	var got []string
	for i := range v.Spans {
		text, err := s.Codec.Text(nil, v, i)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(text))
	}
	if strings.Join(got, " ") != "42 Bill dog_lover cat_hater" {
		t.Fatal(got)
	}
}

// TestEnvelopeFixture: the benchmark's copy decodes with both other decoders to
// the original with ten columns replaced.
func TestEnvelopeFixture(t *testing.T) {
	e := newEnvelope(t)
	want, err := decode(e.s.Text, e.payload)
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range []string{"before", "after"} {
		row := want.(map[string]any)[image].(map[string]any)
		if len(row) != 20 {
			t.Errorf("%d columns", len(row))
		}
		for _, c := range e.columns {
			if (len(row[c.path].(string)) < 64) == (len(c.text) < 64) {
				t.Errorf("%s does not cross the border of a length", c.path)
			}
			row[c.path] = c.text
		}
	}
	out, err := e.s.Codec.Splice(nil, &e.view, e.shape, e.edits)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(e.shape.Schema(), out)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	if _, err := throughGoavro(e.shape.Schema(), out); err != nil {
		t.Fatal(err)
	}
	var derived any
	if err := json.Unmarshal([]byte(e.shape.Schema()), &derived); err != nil {
		t.Fatal(err)
	}
	for _, prop := range []string{`"connect.name":"io.debezium.data.Enum"`, `"connect.parameters":{"allowed":"true,last,false,incremental"}`,
		`"connect.name":"shop.public.customers.Value"`, `"weir.treatment":"token"`, `"after","type":["null","Value"]`} {
		if !strings.Contains(e.shape.Schema(), prop) {
			t.Errorf("%s is lost", prop)
		}
	}
}
