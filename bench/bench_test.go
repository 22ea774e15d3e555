package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		xs   []float64
		want float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
		{[]float64{1, 1, 1, 1, 1, 1, 1e9}, 1},
	} {
		in := append([]float64(nil), tt.xs...)
		if got := median(in); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.xs, got, tt.want)
		}
		if in[0] != tt.xs[0] {
			t.Errorf("median(%v) sorted its argument: rounds would no longer be pairs", tt.xs)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("the median of nothing is no number")
	}
}

func TestBootstrap(t *testing.T) {
	xs := []float64{10, 11, 9, 10, 12, 10, 50}
	low, high := bootstrap(xs)
	if low > median(xs) || high < median(xs) || low < 9 || high > 50 {
		t.Errorf("interval %v … %v about median %v", low, high, median(xs))
	}
	if l, h := bootstrap(xs); l != low || h != high {
		t.Error("the same samples gave another interval")
	}
	if l, h := bootstrap([]float64{7, 7, 7, 7, 7, 7, 7}); l != 7 || h != 7 {
		t.Errorf("interval of equal samples: %v … %v", l, h)
	}
}

func TestRatios(t *testing.T) {
	// A machine that halves its speed in round 2 leaves the ratio alone.
	got := ratios([]float64{100, 200, 100}, []float64{50, 100, 50})
	if median(got) != 2 || len(got) != 3 {
		t.Errorf("ratios %v", got)
	}
}

func TestJudge(t *testing.T) {
	goals := []Goal{{Figure: "ours", Limit: 10, AtMost: true}, {Figure: "peer/ours", Limit: 20}}
	for _, tt := range []struct {
		name    string
		figures []Figure
		ok      bool
	}{
		{"both met", []Figure{{Name: "ours", Value: 10}, {Name: "peer/ours", Value: 20}}, true},
		{"one missed", []Figure{{Name: "ours", Value: 10.1}, {Name: "peer/ours", Value: 20}}, false},
		{"ratio missed", []Figure{{Name: "ours", Value: 1}, {Name: "peer/ours", Value: 19}}, false},
		{"one not measured", []Figure{{Name: "ours", Value: 1}}, false},
		{"not a number", []Figure{{Name: "ours", Value: math.NaN()}, {Name: "peer/ours", Value: 20}}, false},
	} {
		if _, ok := judge(goals, tt.figures); ok != tt.ok {
			t.Errorf("%s: ok = %v", tt.name, ok)
		}
	}
}

// fakes are benchmarks that end at once.
func fakes() []Benchmark {
	goal := []Goal{{Figure: "fast", Limit: 5, AtMost: true, Unit: "ns/op"}}
	figure := func(v float64) func(*R) error {
		return func(r *R) error { r.add("fast", "ours", "ns/op", []float64{v, v, v}); return nil }
	}
	return []Benchmark{
		{"good", "meets its goal", goal, figure(4)},
		{"slow", "misses it", goal, figure(6)},
		{"broken", "cannot run", goal, func(*R) error { return errors.New("no fixture") }},
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		args string
		code int
		has  string
	}{
		{"list", 0, "goal: fast ≤ 5 ns/op"},
		{"run good --check --out " + dir, 0, "met (4)"},
		{"run slow --out -", 0, "MISSED (6)"},
		{"run slow --check --out -", 1, "MISSED (6)"},
		{"run --check good broken --out -", 1, "NOT MEASURED"},
		{"run good --json --out -", 0, `"ok":true`},
		{"run nothing", 2, `"nothing"`},
		{"run good --pairs 3", 2, "at least 7"},
		{"run", 2, "usage"},
		{"", 2, "usage"},
	} {
		var out, errs bytes.Buffer
		if code := command(strings.Fields(tt.args), fakes(), &out, &errs); code != tt.code {
			t.Errorf("%q: exit %d, want %d", tt.args, code, tt.code)
		}
		if !strings.Contains(out.String()+errs.String(), tt.has) {
			t.Errorf("%q printed %q, want %q in it", tt.args, out.String()+errs.String(), tt.has)
		}
	}
	kept, err := filepath.Glob(filepath.Join(dir, "good-*.json"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %v (%v)", kept, err)
	}
	raw, err := os.ReadFile(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	var res Result
	if err := json.Unmarshal(raw, &res); err != nil || res.Go == "" || res.Commit == "" || !strings.Contains(res.Command, "run good") {
		t.Errorf("kept %s (%v)", raw, err)
	}
}

// TestSidesAlternate: A B, then B A; a side that fails ends the measurement.
func TestSidesAlternate(t *testing.T) {
	var order strings.Builder
	side := func(name string) Side {
		return Side{Name: name, Role: "ours", Op: func(int) error { order.WriteString(name); return nil }}
	}
	r := &R{pairs: 7, result: &Result{Samples: map[string][]float64{}}}
	got, err := r.Sides(side("a"), side("b"))
	if err != nil || len(got["a"]) != 7 || len(got["b"]) != 7 {
		t.Fatalf("samples %v (%v)", got, err)
	}
	if want := "ab" + "abbaabbaabbaab"; order.String() != want { // calibration first
		t.Errorf("order %s, want %s", order.String(), want)
	}
	bad := Side{Name: "bad", Op: func(int) error { return errors.New("wrong result") }}
	if _, err := r.Sides(bad); err == nil {
		t.Error("a side that fails was measured")
	}
}

func TestListed(t *testing.T) {
	names := map[string]bool{}
	for _, b := range benchmarks() {
		if b.Name == "" || b.About == "" || len(b.Goals) == 0 || b.Run == nil || names[b.Name] {
			t.Errorf("benchmark %q lacks a name of its own, a text, a goal or a body", b.Name)
		}
		names[b.Name] = true
	}
}
