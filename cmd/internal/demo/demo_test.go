package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// run runs a demo as fast as it goes and gives its summary and output.
func run(t *testing.T, o Options) (*Summary, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var b syncBuffer
	o.Out = &b
	if o.Rate == 0 {
		o.Rate = 600
	}
	o.Every = 50 * time.Millisecond
	sum, err := Run(ctx, o)
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	return sum, b.String()
}

// syncBuffer is a buffer that a test may read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestDemo(t *testing.T) {
	sum, out := run(t, Options{Events: 1200, JSON: true})
	if !sum.OK() || sum.Leaked != 0 || !sum.Drained {
		t.Fatalf("verdict %+v", sum)
	}
	for _, r := range sum.Recipients {
		if r.Delivered+r.Filtered+r.Quarantined != 1200 {
			t.Errorf("1200 in, out of it: %+v", r)
		}
	}
	if sum.Quarantined["undecided"] < 50 || sum.Recipients[1].Filtered < 100 || sum.Kills != 1 || sum.Recovery <= 0 {
		t.Errorf("the demo does not show what it should: %+v", sum)
	}
	// After the schema change every customers event waits under one named code, and
	// nothing else does.
	if want := []Reason{{"cdc.shop.customers", "undecided", sum.Quarantined["undecided"]}}; !slices.Equal(sum.Reasons, want) {
		t.Errorf("why quarantined: %v, want %v", sum.Reasons, want)
	}
	kinds := map[string]int{}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i, l := range lines {
		var m map[string]any
		if err := json.Unmarshal([]byte(l), &m); err != nil {
			t.Fatalf("line %d is not JSON: %v", i, err)
		}
		kinds[m["type"].(string)]++
		if i == len(lines)-1 && (m["type"] != "summary" || m["exactly_once"] != true || m["leaked"] != 0.0) {
			t.Errorf("last line %s", l)
		}
	}
	if kinds["event"] < 5 || kinds["scene"] != 3 || kinds["start"] != 1 || kinds["summary"] != 1 {
		t.Errorf("lines: %v", kinds)
	}
}

// TestBreak: what is broken on purpose is seen as what it is.
func TestBreak(t *testing.T) {
	for _, tt := range []struct {
		how  string
		seen func(*Summary) bool
	}{
		{BreakDrop, func(s *Summary) bool { return !s.ExactlyOnce && s.Recipients[0].Lost == 1 && s.Leaked == 0 }},
		{BreakDouble, func(s *Summary) bool { return !s.ExactlyOnce && s.Recipients[0].Doubled == 1 && s.Leaked == 0 }},
		{BreakLeak, func(s *Summary) bool { return s.ExactlyOnce && s.Leaked > 0 && s.Leaks["phone (plain)"] == s.Leaked }},
	} {
		t.Run(tt.how, func(t *testing.T) {
			sum, out := run(t, Options{Events: 600, Break: tt.how})
			if sum.OK() || !tt.seen(sum) {
				t.Errorf("verdict %+v", sum)
			}
			atMost80(t, out)
		})
	}
}

// TestAtOnce: a stream that is produced faster than workers start loses none of
// the scenes.
func TestAtOnce(t *testing.T) {
	sum, _ := run(t, Options{Events: 200, Rate: -1})
	if !sum.OK() || !sum.Drained || sum.Kills != 1 || sum.Quarantined["undecided"] == 0 {
		t.Errorf("verdict %+v", sum)
	}
}

// TestCancel: Ctrl-C drains and judges what there is.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var b syncBuffer
	done := make(chan struct{})
	var sum *Summary
	var err error
	go func() {
		defer close(done)
		sum, err = Run(ctx, Options{Out: &b, Rate: 500, Color: true, Every: 50 * time.Millisecond, Recap: 200 * time.Millisecond})
	}()
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(b.String(), "worker 1 is back") && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	<-done
	if err != nil || !sum.OK() {
		t.Fatalf("%v, %+v\n%s", err, sum, b.String())
	}
	atMost80(t, b.String())
	if !recap.MatchString(ansi.ReplaceAllString(b.String(), "")) || !strings.Contains(b.String(), "Ctrl-C once more ends at once") {
		t.Errorf("no line of totals, or nothing about the drain, in\n%s", b.String())
	}
}

var recap = regexp.MustCompile(`▪ 0:0\d  in [\d,]+  analytics [\d,]+  partner [\d,]+  quarantine \d+\n    broker 127.0.0.1:\d+, registry http`)

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Break: "everything"}, {Events: 3}, {Events: -1}} {
		if _, err := Run(context.Background(), o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
