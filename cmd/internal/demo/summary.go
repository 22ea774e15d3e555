package demo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"weir/stream"
	"weir/stream/streamtest"
)

// Summary is the demo's verdict; with --json it is the last line.
type Summary struct {
	Type        string             `json:"type"` // summary
	In          int                `json:"in"`
	Recipients  []streamtest.Tally `json:"recipients"`
	Quarantined map[string]int     `json:"quarantined"` // records by code
	Reasons     []Reason           `json:"reasons"`     // the same by topic
	Kills       int                `json:"kills"`
	Recovery    float64            `json:"recovery_seconds"` // the longest
	Drained     bool               `json:"drained"`
	ExactlyOnce bool               `json:"exactly_once"`
	Leaked      int                `json:"leaked"`
	Leaks       map[string]int     `json:"leaks,omitempty"`
	Searched    int                `json:"searched"` // raw values that were looked for
	Findings    []string           `json:"findings,omitempty"`
}

// Reason is why records of one topic are in quarantine.
type Reason struct {
	Topic   string `json:"topic"`
	Code    string `json:"code"`
	Records int    `json:"records"`
}

// reasons counts the quarantine's records, the most frequent first.
func (s *show) reasons(ctx context.Context) ([]Reason, error) {
	quarantine := stream.InternalNames(pipeline).Quarantine
	rs, err := streamtest.ReadAll(ctx, s.cluster.Client, func(t string) bool { return t == quarantine })
	if err != nil {
		return nil, err
	}
	n := map[Reason]int{}
	for _, r := range rs {
		if note, ok := streamtest.ConnectNote(r); ok {
			n[Reason{Topic: note.Topic, Code: note.Code}]++
		}
	}
	out := make([]Reason, 0, len(n))
	for r, count := range n {
		r.Records = count
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Code, b.Code))
	})
	return out, nil
}

func summarise(r *streamtest.Report, l *streamtest.Ledger, kills int, took time.Duration, drained bool) *Summary {
	return &Summary{Type: "summary", In: r.In, Recipients: r.Recipients, Quarantined: r.Quarantined, Kills: kills,
		Recovery: took.Seconds(), Drained: drained, ExactlyOnce: r.ExactlyOnce(), Leaked: r.Leaked(), Leaks: r.Leaks,
		Searched: len(l.Canaries()), Findings: r.Findings}
}

// OK reports whether the demo showed what it promises.
func (s *Summary) OK() bool { return s.ExactlyOnce && s.Leaked == 0 }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
