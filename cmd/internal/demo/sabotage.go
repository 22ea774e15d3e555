package demo

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/stream"
	"weir/stream/streamtest"
)

// skipOne makes the pipeline lose one record the way it happens in life: before
// it starts, somebody commits an offset past a record that nobody has read.
func (s *show) skipOne(ctx context.Context) error {
	if err := s.produce(ctx, 60); err != nil {
		return err
	}
	os := kadm.Offsets{}
	for _, t := range s.shop.Topics() {
		for p := range int32(partitions) {
			os.AddOffset(t, p, 0, -1)
		}
	}
	e := s.shop.Ledger.Entries()[0]
	os.AddOffset(e.Topic, e.Partition, e.Offset+1, -1)
	done, err := kadm.NewClient(s.client).CommitOffsets(ctx, stream.InternalNames(pipeline).Group, os)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		return fmt.Errorf("breaking: moving offsets: %w", err)
	}
	return nil
}

// doubleOne produces a committed output once more, without a transaction, as a
// pipeline does that retries after a crash without knowing what had landed.
func (s *show) doubleOne(ctx context.Context) error {
	prefix := recipients()[0].Prefix
	for {
		rs, err := streamtest.ReadAll(ctx, s.cluster.Client, func(t string) bool { return len(t) > len(prefix) && t[:len(prefix)] == prefix })
		if err != nil {
			return fmt.Errorf("breaking: %w", err)
		}
		for _, r := range rs {
			if r.Value == nil {
				continue
			}
			twice := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
			if err := s.client.ProduceSync(ctx, twice).FirstErr(); err != nil {
				return fmt.Errorf("breaking: %w", err)
			}
			return nil
		}
	}
}
