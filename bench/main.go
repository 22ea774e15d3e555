// Command bench measures Weir beside its floors and its peers, in one run.
//
//	go run ./bench list
//	go run ./bench run codec-avro plan --check
//
// README.md says how to read the figures.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// The exit codes of contract 31.
const (
	exitOK    = 0
	exitCheck = 1
	exitUsage = 2
)

func main() {
	os.Exit(command(os.Args[1:], benchmarks(), os.Stdout, os.Stderr))
}

const usage = `usage:
  go run ./bench list [--json]
  go run ./bench run NAME... [--json] [--check] [--pairs N] [--min-time D] [--out DIR]
                     [--records N] [--redpanda-connect DIR] [--events N] [--idle D] [--seconds N] [--profile FILE]

  --check      exit 1 when a goal is missed or could not be measured
  --pairs      interleaved rounds, at least 7 (default 9)
  --min-time   how long each side runs in a round (default 200ms)
  --out        where raw results go (default bench/results; "-" keeps none)

The worker-* benchmarks need a broker in WEIR_KAFKA (README.md):
  --records           records that a run is measured over, after a quarter as many to warm up (default 200000)
  --redpanda-connect  the peer: a checkout that is built, or a binary (default $WEIR_RPCN); without it: not measured
  --events, --idle    of worker-memory: events in all (default 10000000), pause in the middle (default 2m)
  --seconds           of worker-latency: how long each load lasts (default 10)
  --profile           perf's record of each side in the first round: FILE-NAME-SIDE.data
  --weir              a binary of weir, instead of one built of this tree
`

// command is the program without its exits.
func command(args []string, all []Benchmark, out, errOut io.Writer) int {
	var err error
	switch {
	case len(args) > 0 && args[0] == "list":
		err = list(args[1:], all, out)
	case len(args) > 0 && args[0] == "rawcopy": // a side of the worker benchmarks, in its own process
		if err = rawCopy(args[1:]); err != nil {
			_, _ = fmt.Fprintln(errOut, "rawcopy:", err)
			return exitCheck
		}
	case len(args) > 0 && args[0] == "run":
		var missed bool
		if missed, err = run(args[1:], all, out); err == nil && missed {
			return exitCheck
		}
	default:
		err = errUsage
	}
	if err != nil {
		if !errors.Is(err, errUsage) {
			_, _ = fmt.Fprintln(errOut, "bench:", err)
		}
		_, _ = fmt.Fprint(errOut, usage)
		return exitUsage
	}
	return exitOK
}

var errUsage = errors.New("usage")

// options of run.
type options struct {
	json, check bool
	pairs       int
	minTime     time.Duration
	out         string
	names       []string
	args        []string
	worker      workerOptions
}

// parse accepts names and flags in any order.
func parse(args []string) (options, error) {
	o := options{args: args}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&o.json, "json", false, "")
	fs.BoolVar(&o.check, "check", false, "")
	fs.IntVar(&o.pairs, "pairs", 9, "")
	fs.DurationVar(&o.minTime, "min-time", 200*time.Millisecond, "")
	fs.StringVar(&o.out, "out", "bench/results", "")
	var dev bool
	fs.BoolVar(&dev, "dev", false, "") // fewer pairs, to try a benchmark out
	o.worker.flags(fs)
	for len(args) > 0 {
		if !strings.HasPrefix(args[0], "-") {
			o.names, args = append(o.names, args[0]), args[1:]
			continue
		}
		if err := fs.Parse(args); err != nil {
			return o, err
		}
		args = fs.Args()
	}
	if o.pairs < minPairs && (!dev || o.pairs < 1) {
		return o, fmt.Errorf("--pairs %d: a median needs at least %d interleaved pairs", o.pairs, minPairs)
	}
	return o, nil
}

func list(args []string, all []Benchmark, out io.Writer) error {
	o, err := parse(args)
	if err != nil || len(o.names) > 0 {
		return errors.Join(errUsage, err)
	}
	if o.json {
		type item struct {
			Name  string   `json:"name"`
			About string   `json:"about"`
			Goals []string `json:"goals"`
		}
		items := make([]item, len(all))
		for i, b := range all {
			items[i] = item{b.Name, b.About, goalTexts(b.Goals)}
		}
		return json.NewEncoder(out).Encode(items)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, b := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", b.Name, b.About)
		for _, g := range goalTexts(b.Goals) {
			_, _ = fmt.Fprintf(w, "\tgoal: %s\n", g)
		}
	}
	return w.Flush()
}

func goalTexts(gs []Goal) []string {
	out := make([]string, len(gs))
	for i, g := range gs {
		out[i] = g.String()
	}
	return out
}

// run runs the named benchmarks; missed says that --check was asked for and a
// goal was not met.
func run(args []string, all []Benchmark, out io.Writer) (missed bool, err error) {
	o, err := parse(args)
	if err != nil {
		return false, err
	}
	if len(o.names) == 0 {
		return false, errUsage
	}
	for _, name := range o.names {
		i := slices.IndexFunc(all, func(b Benchmark) bool { return b.Name == name })
		if i < 0 {
			return false, fmt.Errorf("no benchmark is called %q; see: go run ./bench list", name)
		}
		res := measure(&all[i], o)
		if err := show(res, o, out); err != nil {
			return false, err
		}
		if o.check && !res.OK {
			missed = true
		}
	}
	return missed, nil
}
