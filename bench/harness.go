package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

const minPairs = 7

// Benchmark is one line of the list in benchmarks.go.
type Benchmark struct {
	Name  string
	About string
	Goals []Goal
	Run   func(*R) error
}

// Goal is a limit on a figure.
type Goal struct {
	Figure string
	Limit  float64
	AtMost bool // else at least
	Unit   string
}

// String is the goal as list prints it.
func (g Goal) String() string {
	sign := "≥"
	if g.AtMost {
		sign = "≤"
	}
	return fmt.Sprintf("%s %s %g %s", g.Figure, sign, g.Limit, g.Unit)
}

func (g Goal) met(v float64) bool {
	if g.AtMost {
		return v <= g.Limit
	}
	return v >= g.Limit
}

// Side is one of the things that are measured against each other: ours, a
// floor that nothing can beat, or a peer that does the same work.
type Side struct {
	Name string
	Role string // ours, floor, peer
	// Op does the work n times. It reports an error, so that a side that fails
	// is not fast.
	Op func(n int) error
}

// Figure is one measured number: the median of the rounds and the 95 %
// bootstrap interval of that median.
type Figure struct {
	Name   string  `json:"name"`
	Role   string  `json:"role"`
	Value  float64 `json:"value"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Rounds int     `json:"rounds"`
	Unit   string  `json:"unit"`
}

// Verdict is a goal and what came of it.
type Verdict struct {
	Goal     string  `json:"goal"`
	Value    float64 `json:"value"`
	Met      bool    `json:"met"`
	Measured bool    `json:"measured"`
}

// Result is what is printed and kept.
type Result struct {
	Name     string               `json:"name"`
	Date     string               `json:"date"`
	Commit   string               `json:"commit"`
	Dirty    bool                 `json:"dirty"`
	Go       string               `json:"go"`
	OS       string               `json:"os"`
	CPU      string               `json:"cpu"`
	CPUs     int                  `json:"cpus"`
	Load     string               `json:"load"` // of the machine, before
	Command  string               `json:"command"`
	Pairs    int                  `json:"pairs"`
	MinTime  string               `json:"min_time"`
	Figures  []Figure             `json:"figures"`
	Verdicts []Verdict            `json:"verdicts"`
	Notes    []string             `json:"notes,omitempty"`
	Samples  map[string][]float64 `json:"samples"` // one a round, in the figure's unit
	Error    string               `json:"error,omitempty"`
	OK       bool                 `json:"ok"`
}

// R is a benchmark's run: it measures sides and collects figures.
type R struct {
	pairs   int
	minTime time.Duration
	worker  workerOptions
	result  *Result
}

// Note adds a line of text about the input to the result.
func (r *R) Note(format string, args ...any) {
	r.result.Notes = append(r.result.Notes, fmt.Sprintf(format, args...))
}

// Sides measures all sides in interleaved rounds, A B C then C B A, each for
// the minimum time, and adds their figures. It gives the samples by name.
func (r *R) Sides(sides ...Side) (map[string][]float64, error) {
	counts := make([]int, len(sides))
	for i, s := range sides {
		n, err := calibrate(s.Op, r.minTime)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		counts[i] = n
	}
	samples := map[string][]float64{}
	for round := range r.pairs {
		for k := range sides {
			i := k
			if round%2 == 1 {
				i = len(sides) - 1 - k
			}
			ns, err := once(sides[i].Op, counts[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sides[i].Name, err)
			}
			samples[sides[i].Name] = append(samples[sides[i].Name], ns)
		}
	}
	for _, s := range sides {
		r.add(s.Name, s.Role, "ns/op", samples[s.Name])
		r.result.Samples[s.Name] = samples[s.Name]
	}
	return samples, nil
}

// Ratio adds the figure a/b, paired by round.
func (r *R) Ratio(name string, a, b []float64) {
	r.add(name, "ratio", "×", ratios(a, b))
}

// PerRound adds a figure that f computes from the samples of each round.
func (r *R) PerRound(name, unit string, rounds int, f func(round int) float64) {
	xs := make([]float64, rounds)
	for i := range xs {
		xs[i] = f(i)
	}
	r.add(name, "ours", unit, xs)
}

// Allocs adds the allocations of one op.
func (r *R) Allocs(name string, op func(n int) error) error {
	var err error
	n := testing.AllocsPerRun(1000, func() {
		if e := op(1); e != nil {
			err = e
		}
	})
	if err != nil {
		return err
	}
	r.add(name, "ours", "allocs/op", []float64{n})
	return nil
}

func (r *R) add(name, role, unit string, xs []float64) {
	low, high := bootstrap(xs)
	r.result.Figures = append(r.result.Figures,
		Figure{Name: name, Role: role, Value: median(xs), Low: low, High: high, Rounds: len(xs), Unit: unit})
}

// calibrate finds how many ops take the minimum time.
func calibrate(op func(int) error, d time.Duration) (int, error) {
	for n := 1; ; {
		start := time.Now()
		if err := op(n); err != nil {
			return 0, err
		}
		took := time.Since(start)
		if took >= d {
			return n, nil
		}
		grow := 100.0
		if took > d/1000 {
			grow = min(grow, 1.1*float64(d)/float64(took))
		}
		n = max(n+1, int(float64(n)*grow))
	}
}

// once is the time of one op over n, after a collection, so that no side pays
// for the garbage of the one before.
func once(op func(int) error, n int) (float64, error) {
	runtime.GC()
	start := time.Now()
	err := op(n)
	return float64(time.Since(start).Nanoseconds()) / float64(n), err
}

// measure runs one benchmark and judges its goals.
func measure(b *Benchmark, o options) *Result {
	res := &Result{Name: b.Name, Date: time.Now().UTC().Format("2006-01-02T15:04:05Z"), Go: runtime.Version(),
		OS: runtime.GOOS + "/" + runtime.GOARCH, CPU: cpuModel(), CPUs: runtime.NumCPU(), Load: load(),
		Command: "go run ./bench run " + strings.Join(o.args, " "), Pairs: o.pairs, MinTime: o.minTime.String(),
		Samples: map[string][]float64{}}
	res.Commit, res.Dirty = commit()
	if err := b.Run(&R{pairs: o.pairs, minTime: o.minTime, worker: o.worker, result: res}); err != nil {
		res.Error = err.Error()
	}
	res.Verdicts, res.OK = judge(b.Goals, res.Figures)
	res.OK = res.OK && res.Error == ""
	return res
}

// judge holds the medians against the goals. A figure that is not there is a
// goal not met.
func judge(goals []Goal, figures []Figure) ([]Verdict, bool) {
	ok, out := true, make([]Verdict, len(goals))
	for i, g := range goals {
		out[i] = Verdict{Goal: g.String()}
		for _, f := range figures {
			if f.Name == g.Figure {
				out[i].Measured, out[i].Value, out[i].Met = true, f.Value, g.met(f.Value)
			}
		}
		ok = ok && out[i].Met
	}
	return out, ok
}

func commit() (string, bool) {
	id, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown", true
	}
	status, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output()
	return strings.TrimSpace(string(id)), err != nil || len(status) > 0
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}
