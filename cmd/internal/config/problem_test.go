package config

import (
	"strings"
	"testing"

	"weir/transforms"
)

// TestExcerpt: the caret stands under what it is about, however long the line,
// and nothing that a terminal obeys is printed.
func TestExcerpt(t *testing.T) {
	long := strings.Repeat("a", 300) + "X" + strings.Repeat("b", 300)
	for _, tt := range []struct {
		line  string
		col   int
		under rune
	}{
		{"epoch: 0", 8, '0'},
		{"\tepoch: 0", 9, '0'},
		{"a\x1b[2J\x00X", 7, 'X'},
		{long, 301, 'X'},
		{long, 1, 'a'},
		{long, 601, 'b'},
		{strings.Repeat("王", 200) + "X", 201, 'X'},
	} {
		got := sources{"f": {tt.line}}.excerpt(transforms.Pos{File: "f", Line: 1, Col: tt.col}, false)
		text, caret, _ := strings.Cut(got, "\n")
		at := strings.IndexByte(caret, '^')
		r := []rune(text)
		if at < 0 || at >= len(r) || r[at] != tt.under || len(r) > excerptWidth+9 || strings.ContainsAny(got, "\x1b\x00\t") {
			t.Errorf("%.20q at %d:\n%s", tt.line, tt.col, got)
		}
	}
	if got := (sources{"f": {"short"}}).excerpt(transforms.Pos{File: "f", Line: 1, Col: 400}, false); !strings.Contains(got, "short") {
		t.Errorf("a place behind the line: %s", got)
	}
}
