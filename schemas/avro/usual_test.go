package avro

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"weir/schemas"
)

// TestUsualAndStep: a value is read alike by the usual loop (bytes enough follow
// it) and by step (it ends the payload), wanted or not.
func TestUsualAndStep(t *testing.T) {
	long9, long10 := strings.Repeat("\xff", 8)+"\x7f", strings.Repeat("\xff", 9)+"\x01"
	payloads := []string{"", "\x00", "\x02", "\x04", "\x01", "\x80", "\x80\x00", "\x82\x00", "\x7f", "\x80\x80\x80\x80\x01",
		"\xff\xff\xff\xff\x0f", "\xff\xff\xff\xff\x1f", "\xff\xff\xff\x7f", long9[:7] + "\x7f", long9, long10, strings.Repeat("\x80", 9) + "\x01", long10[:9] + "\x02", long10 + "\x01",
		"\x08abcd", "\x80\x01" + strings.Repeat("a", 64), "\x80\x01" + strings.Repeat("a", 63), "\x88\x80\x00abcd",
		"\x80\x80\x02" + strings.Repeat("b", 1<<14), "\x08ab\xffd", "\x04\xc3\xa9", "\x02\xff", "abcd", "12345678"}
	for _, typ := range []string{`"string"`, `"bytes"`, `"long"`, `"int"`, `"boolean"`, `"double"`,
		`{"type":"fixed","name":"F","size":4}`, `{"type":"enum","name":"E","symbols":["A","B"]}`} {
		for _, form := range []string{`%s`, `["null",%s]`, `[%s,"null"]`, `["null",%s,"float"]`} {
			text := `{"name":"v","type":` + fmt.Sprintf(form, typ) + `}`
			last := mustParse(t, `{"type":"record","name":"R","fields":[`+text+`]}`)
			more := mustParse(t, `{"type":"record","name":"R","fields":[`+text+`,{"name":"p","type":{"type":"fixed","name":"P","size":16}}]}`)
			for _, prefix := range []string{"", "\x00", "\x02", "\x80\x00", "\x82\x00", "\x04"} {
				for _, p := range payloads {
					compareUsual(t, last, more, prefix+p)
				}
			}
		}
	}
}

// compareUsual scans src where it ends the payload and where padding follows.
func compareUsual(t *testing.T, last, more *schemas.Schema, src string) {
	t.Helper()
	for _, wanted := range []bool{false, true} {
		var step, usual schemas.View
		want := scanWith(last, &step, src, wanted)
		var e *schemas.Error
		if errors.As(want, &e) && (e.Code == schemas.CodeTruncated || e.Code == schemas.CodeTrailing) {
			continue // padding would be part of the value, or the value ended before
		}
		got := scanWith(more, &usual, src+strings.Repeat("\x00", 16), wanted)
		if fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(usual.Spans) != fmt.Sprint(step.Spans) {
			t.Fatalf("%s\n%q: %v %v, want %v %v", last.Text, src, got, usual.Spans, want, step.Spans)
		}
	}
}

func scanWith(s *schemas.Schema, v *schemas.View, src string, wanted bool) error {
	want := &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}
	for _, l := range s.Find("v") {
		want.Leaf[l] = wanted
	}
	return s.Codec.Scan(v, []byte(src), want)
}
