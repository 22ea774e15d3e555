package demo

import (
	"fmt"
	"time"

	"weir/stream/streamtest"
)

// Summary is the demo's verdict; with --json it is the last line.
type Summary struct {
	Type        string             `json:"type"` // summary
	In          int                `json:"in"`
	Recipients  []streamtest.Tally `json:"recipients"`
	Quarantined map[string]int     `json:"quarantined"` // records by code
	Kills       int                `json:"kills"`
	Recovery    float64            `json:"recovery_seconds"` // the longest
	Drained     bool               `json:"drained"`
	ExactlyOnce bool               `json:"exactly_once"`
	Leaked      int                `json:"leaked"`
	Leaks       map[string]int     `json:"leaks,omitempty"`
	Searched    int                `json:"searched"` // raw values that were looked for
	Findings    []string           `json:"findings,omitempty"`
}

func summarise(r *streamtest.Report, l *streamtest.Ledger, kills int, took time.Duration, drained bool) *Summary {
	return &Summary{Type: "summary", In: r.In, Recipients: r.Recipients, Quarantined: r.Quarantined, Kills: kills,
		Recovery: took.Seconds(), Drained: drained, ExactlyOnce: r.ExactlyOnce(), Leaked: r.Leaked(), Leaks: r.Leaks,
		Searched: len(l.Canaries()), Findings: r.Findings}
}

// OK reports whether the demo showed what it promises.
func (s *Summary) OK() bool { return s.ExactlyOnce && s.Leaked == 0 }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
