package avro

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"weir/schemas"
)

// TestUsualAndStep: a value is read alike by the usual loop and by step, wanted or
// not, with padding behind it and without.
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
					compareUsual(t, last, prefix+p)
					compareUsual(t, more, prefix+p+strings.Repeat("\x00", 16))
				}
			}
		}
	}
}

// compareUsual scans src with the usual loop, and by steps alone.
func compareUsual(t *testing.T, s *schemas.Schema, src string) {
	t.Helper()
	for _, wanted := range []bool{false, true} {
		want := &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}
		for _, l := range s.Find("v") {
			want.Leaf[l] = wanted
		}
		p := s.Codec.(*codec).program(want)
		usual := scanner{src: []byte(src), ins: p.ins, tab: p.tab}
		end := usual.run(0, 0, 1)
		step := scanner{src: []byte(src), ins: p.ins, tab: p.tab}
		pc, i := int32(0), 0
		for i >= 0 && p.ins[pc].op != opEnd {
			pc, i = step.step(&p.ins[pc], pc, i)
		}
		if end != i || usual.code != step.code || usual.at != step.at || !slices.Equal(usual.spans, step.spans) {
			t.Fatalf("%s\n%q: %d %s %v, want %d %s %v", s.Text, src, end, usual.code, usual.spans, i, step.code, step.spans)
		}
	}
}
