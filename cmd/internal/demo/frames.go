package demo

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/stream"
	"weir/stream/lineage"
	"weir/stream/streamtest"
)

// frames reads the pipeline's lineage frames for the checker, which then holds
// them against ledger and topics.
func (s *show) frames(ctx context.Context) (func(*kgo.Record) ([]streamtest.FrameRun, error), error) {
	st, err := stream.ReadState(ctx, s.client, pipeline)
	if err != nil {
		return nil, fmt.Errorf("reading the pipeline's state: %w", err)
	}
	return func(r *kgo.Record) ([]streamtest.FrameRun, error) {
		f, err := lineage.ParseFrame(r.Value)
		if err != nil {
			return nil, err
		}
		return runs(f, st.Topics[f.Topic].Name), nil
	}, nil
}

// runs spreads a frame's runs over its offsets.
func runs(f *lineage.Frame, topic string) []streamtest.FrameRun {
	var out []streamtest.FrameRun
	for _, r := range f.Recipients {
		span, next := 0, f.First()
		for _, run := range r.Runs {
			for left := int64(run.Count); left > 0 && span < len(f.Spans); {
				n := min(left, f.Spans[span].Last-next+1)
				out = append(out, streamtest.FrameRun{Topic: topic, Partition: f.Partition, Recipient: r.Recipient,
					Offset: next, Count: n, Fate: lineage.FateName(run.Fate.Fate)})
				left -= n
				if next += n; next > f.Spans[span].Last {
					if span++; span < len(f.Spans) {
						next = f.Spans[span].First
					}
				}
			}
		}
	}
	return out
}
