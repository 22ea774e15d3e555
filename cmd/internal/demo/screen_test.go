package demo

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"weir/stream/streamtest"
)

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 5, "abc  "},
		{"abcdef", 5, "abcd…"},
		{"王小明", 8, "王小明  "},
		{"王小明", 6, "王小明"},
		{"王小明", 5, "王小…"},
		{"王小明", 4, "王… "}, // a half character is not cut: the place is padded
		{"a\tb\x1b[2J", 8, "a b [2J "},
		{"", 3, "   "},
	} {
		got := fit(tt.in, tt.n)
		if got != tt.want || columns(got) != tt.n {
			t.Errorf("fit(%q, %d) = %q (%d columns), want %q", tt.in, tt.n, got, columns(got), tt.want)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %s, want %s", n, got, want)
		}
	}
}

// ansi matches what paints.
var ansi = regexp.MustCompile(`\x1b\[[0-9;]*[mK]`)

var spaces = regexp.MustCompile(` +`)

// atMost80 checks every line of a screen.
func atMost80(t *testing.T, out string) {
	t.Helper()
	for _, l := range strings.FieldsFunc(ansi.ReplaceAllString(out, ""), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if columns(l) > 80 {
			t.Errorf("%d columns: %s", columns(l), l)
		}
	}
}

func customer(name, phone string) map[string]any {
	return map[string]any{"id": int64(1007), "seq": int64(3), "name": name, "phone": phone, "birthday": int64(6571), "country": "CN"}
}

func TestEvent(t *testing.T) {
	raw := &streamtest.Decoded{Op: 'u', Table: "customers", After: customer("欧阳婷婷", "13812345678")}
	clean := &streamtest.Decoded{Op: 'u', Table: "customers", After: customer("欧***", "138****5678")}
	delete(clean.After, "birthday")
	gone := &streamtest.Decoded{Op: 'd', Table: "customers", Before: customer("欧***", "138****5678")}
	for _, tt := range []struct {
		name  string
		cells []cell
		want  []string
	}{
		{"published", []cell{{outs: []*streamtest.Decoded{clean}}, {outs: []*streamtest.Decoded{gone}}}, []string{
			"update customers",
			" raw │ analytics │ partner → delete",
			" phone 13812345678 │ 138****5678 │ 138****5678",
			" name 欧阳婷婷 │ 欧***",
			" birthday 1987-12-29 │ —"}},
		{"filtered and quarantined", []cell{{code: "undecided"}, {}}, []string{
			"│ ⚠ quarantine │ ∅ filtered", "│ undecided │ not its rows"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, color := range []bool{false, true} {
				var b bytes.Buffer
				s := &screen{out: &b, width: 80, color: color}
				s.event(&sample{topic: "cdc.shop.customers", partition: 1, offset: 42, raw: raw, cells: tt.cells})
				atMost80(t, b.String())
				text := ansi.ReplaceAllString(b.String(), "")
				squeezed := spaces.ReplaceAllString(text, " ")
				for _, w := range tt.want {
					if !strings.Contains(squeezed, w) {
						t.Errorf("no %q in\n%s", w, text)
					}
				}
				if !color && text != b.String() {
					t.Error("paint without color")
				}
				if first, _, _ := strings.Cut(text, "\n"); columns(first) != 80 {
					t.Errorf("rule of %d columns", columns(first))
				}
			}
		})
	}
}

func TestSummaryScreen(t *testing.T) {
	sum := &Summary{In: 12345, Kills: 1, Recovery: 1.26, Drained: true, Leaked: 3, Searched: 987,
		Recipients: []streamtest.Tally{{Name: "analytics", Delivered: 12000, Out: 12001, Quarantined: 345, Doubled: 1}, {Name: "partner", Delivered: 8000, Out: 8002}},
		Reasons:    []Reason{{"cdc.shop.customers", "undecided", 3340}, {"cdc.shop.orders", "truncated", 5}},
		Findings:   []string{strings.Repeat("a long finding ", 12)}}
	var b bytes.Buffer
	(&screen{out: &b, width: 80, color: true}).summary(sum)
	atMost80(t, b.String())
	text := ansi.ReplaceAllString(b.String(), "")
	for _, w := range []string{"events in 12,345", "published                     12,000       8,000", "records written               12,001       8,002", "why quarantined   cdc.shop.customers: undecided 3,340\n                    cdc.shop.orders: truncated 5", "after 1.3 s", "NOT exactly once", "LEAKED", "3 found"} {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in\n%s", w, text)
		}
	}
}
