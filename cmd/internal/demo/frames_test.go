package demo

import (
	"slices"
	"testing"

	"weir/stream/lineage"
	"weir/stream/streamtest"
	"weir/transforms"
)

// TestRuns: runs go over the gaps between a frame's spans, and a span may hold
// several runs.
func TestRuns(t *testing.T) {
	run := func(n uint64, f transforms.Fate) lineage.Run {
		return lineage.Run{Count: n, Fate: lineage.Fate{Fate: f}}
	}
	f := &lineage.Frame{Topic: 1, Partition: 2, Spans: []lineage.Span{{First: 10, Last: 12}, {First: 20, Last: 20}, {First: 30, Last: 33}},
		Recipients: []lineage.RecipientRuns{{Recipient: "a", Runs: []lineage.Run{
			run(1, transforms.Published), run(5, transforms.Filtered), run(2, transforms.Quarantined)}}}}
	var want []streamtest.FrameRun
	for _, w := range []struct {
		offset, count int64
		fate          string
	}{{10, 1, "published"}, {11, 2, "filtered"}, {20, 1, "filtered"}, {30, 2, "filtered"}, {32, 2, "quarantined"}} {
		want = append(want, streamtest.FrameRun{Topic: "t", Partition: 2, Recipient: "a", Offset: w.offset, Count: w.count, Fate: w.fate})
	}
	if got := runs(f, "t"); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
