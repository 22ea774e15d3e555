package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"weir/stream/streamtest"
)

// TestEvents: every event has the size that is claimed, can be read by others'
// decoders, holds the canary, and all that is a customer's comes in one width.
func TestEvents(t *testing.T) {
	_, text := eventSchemas()
	codec, err := goavro.NewCodec(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, avro := range []bool{false, true} {
		e := newEvents(avro, 1, 2)
		frame := len(e.valueID)
		for i := range 2_000 {
			_, value := e.next()
			if len(value) != frame+eventBytes || !leaks(value) {
				t.Fatalf("avro %t, event %d: %d bytes, canary %t", avro, i, len(value), leaks(value))
			}
			if avro {
				if _, rest, err := codec.NativeFromBinary(value[frame:]); err != nil || len(rest) > 0 {
					t.Fatalf("event %d: goavro leaves %d bytes (%v)", i, len(rest), err)
				}
			} else if !json.Valid(value) {
				t.Fatalf("event %d is not JSON", i)
			}
		}
	}
}

// TestCPUClock: the clock is that of the process, and moves with its work.
func TestCPUClock(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the CPU clock of a process is only read on Linux")
	}
	before, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		after, err := cpuOf(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if after-before > 5*time.Millisecond {
			return
		}
		if n > 1e8 {
			t.Fatal("the clock stands still")
		}
	}
}

// TestWorkerBenchmarks runs them whole, briefly, on the embedded broker: the
// real binary, the raw loop, and the check of what came out.
func TestWorkerBenchmarks(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("builds two programs and runs them; on Linux, without -short")
	}
	c, err := streamtest.Start(streamtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("WEIR_KAFKA", strings.Join(c.Brokers(), ","))
	t.Setenv("WEIR_RPCN", "")
	dir := t.TempDir()
	self := filepath.Join(dir, "bench")
	if err := build(".", self, "weir/bench"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		figures []string
	}{
		{"worker-copy", []string{"weir json / raw json", "weir avro / raw avro"}},
		{"worker-json", []string{"weir / raw", "weir, rate"}},
		{"worker-avro", []string{"weir / raw"}},
		{"worker-fanout", []string{"json, an output of 8 / of 1", "avro, an output of 8 / of 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := benchmarks()
			for i := range all {
				if all[i].Name == tt.name {
					all = all[i : i+1]
					break
				}
			}
			o, err := parse([]string{"--dev", "--pairs", "1", "--records", "40000"})
			if err != nil {
				t.Fatal(err)
			}
			o.worker.self = self
			res := measure(&all[0], o)
			if res.Error != "" {
				t.Fatal(res.Error)
			}
			for _, name := range tt.figures {
				found := false
				for _, f := range res.Figures {
					found = found || f.Name == name && f.Value > 0
				}
				if !found {
					t.Errorf("no figure %q in %v", name, res.Figures)
				}
			}
			if tt.name == "worker-fanout" {
				return // it has no peer
			}
			if res.OK {
				t.Error("a run without its peer met all goals")
			}
			if raw, err := json.Marshal(res); err != nil || !bytes.Contains(raw, []byte("not measured")) {
				t.Errorf("the result does not say that its peer was not measured (%v): %s", err, raw)
			}
		})
	}
}

// TestCheckSeesWrongWork: copies in the clear, and copies that are missing, make
// a run a failure.
func TestCheckSeesWrongWork(t *testing.T) {
	c, err := streamtest.Start(streamtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("WEIR_KAFKA", strings.Join(c.Brokers(), ","))
	g, err := newRig(&R{pairs: 1, worker: workerOptions{weir: "unused"}, result: &Result{Samples: map[string][]float64{}}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	in, err := g.newInput(false, 2, 400)
	if err != nil {
		t.Fatal(err)
	}
	l := &launched{outputs: []string{in.topic}, processes: []*process{{}}}
	if err := g.check(l, in); err != nil {
		t.Errorf("a copy that passes all is refused: %v", err)
	}
	l.protected = true
	if err := g.check(l, in); err == nil || !strings.Contains(err.Error(), "in the clear") {
		t.Errorf("copies in the clear: %v", err)
	}
	l.protected, in.total = false, in.total+1
	if err := g.check(l, in); err == nil {
		t.Error("a missing copy was not seen")
	}
}
