package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"weir/stream"
)

// TestChronicle: an assignment is told once it has settled, progress every few
// minutes, and a process that has nothing to do says so once.
func TestChronicle(t *testing.T) {
	var b bytes.Buffer
	c := &chronicle{log: slog.New(slog.NewTextHandler(&b, nil))}
	at := time.Unix(0, 0)
	see := func(after time.Duration, records int64, topics ...string) string {
		b.Reset()
		at = at.Add(after)
		s := stream.Status{Ready: true, Epoch: 3, Records: records}
		for i, topic := range topics {
			s.Partitions = append(s.Partitions, stream.PartitionStatus{Topic: topic, Partition: int32(i), State: []string{"running", "paused"}[i%2]})
		}
		c.see(at, s)
		_, said, _ := strings.Cut(b.String(), "msg=")
		return strings.TrimSpace(said)
	}
	c.see(at, stream.Status{})
	for i, step := range []struct {
		after   time.Duration
		records int64
		topics  []string
		want    string
	}{
		{0, 0, nil, ""},
		{time.Second, 0, []string{"b"}, ""},
		{time.Second, 0, []string{"a", "b"}, ""},
		{time.Second, 0, []string{"b", "a", "b"}, `assigned partitions=3 topics="[a b]"`},
		{time.Second, 0, []string{"a", "b"}, ""},
		{5 * time.Minute, 70, []string{"a", "b"}, "progress records=70 seconds=304 epoch=3 partitions=2 paused=1"},
		{5 * time.Minute, 70, []string{"a", "b"}, ""},
		{time.Second, 70, nil, ""},
		{time.Second, 70, nil, "assigned partitions=0 topics=[]"},
		{13 * time.Second, 70, nil, `"nothing to do" text="no topic matches the policy's sources, or other slots hold every partition"`},
		{time.Hour, 70, nil, ""},
	} {
		got := see(step.after, step.records, step.topics...)
		if !strings.Contains(got, step.want) || step.want == "" && got != "" {
			t.Errorf("step %d says %q, want %q", i, got, step.want)
		}
	}
}
