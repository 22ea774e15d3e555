package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/stream/lineage"
)

// Quarantined calls fn for every readable record of the pipeline's quarantine.
func Quarantined(ctx context.Context, cfg Config, fn func(QuarantineEntry) error) error {
	cl, err := cfg.Kafka.dial(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	_, err = ListQuarantine(ctx, cl, cfg.Name, fn)
	return err
}

// Send writes a command for the owner of an input partition.
func Send(ctx context.Context, cfg Config, c Command) error {
	cl, err := cfg.Kafka.dial(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	return SendControl(ctx, cl, cfg.Name, c)
}

// Provenance is where an output record came from.
type Provenance struct {
	Topic     string // of the input
	Partition int32
	Offset    int64
	Recipient string
	Epoch     uint64
	Output    int // which of that input's outputs for the recipient, from 0
}

// Why a source cannot be read back.
var (
	ErrNoRecord  = errors.New("no committed record at that offset")
	ErrNoHeader  = errors.New("the record has no weir header: Weir did not write it")
	ErrNoLineage = errors.New("no recipient's lineage key of this policy opens the record's header")
)

// LineageFrom reads an output record's source back from its header alone: who
// holds the key needs no index (contract 17).
func LineageFrom(ctx context.Context, cfg Config, topic string, partition int32, offset int64) (Provenance, error) {
	cl, err := cfg.Kafka.dial(ctx)
	if err != nil {
		return Provenance{}, err
	}
	defer cl.Close()
	rec, err := readOne(ctx, &cfg.Kafka, topic, partition, offset)
	if err != nil {
		return Provenance{}, err
	}
	h, err := lineage.Parse(header(rec, lineage.HeaderKey))
	if err != nil {
		return Provenance{}, ErrNoHeader
	}
	st, err := ReadState(ctx, cl, cfg.Name)
	if err != nil {
		return Provenance{}, fmt.Errorf("reading state: %w", err)
	}
	return cfg.provenance(st, topic, h)
}

// provenance tries each recipient's key; the input that it names must lead to
// the topic that the record stands in, since one foreign id in 65,536 would
// resolve by chance.
func (cfg *Config) provenance(st *State, topic string, h lineage.Header) (Provenance, error) {
	ms, err := compileSources(cfg.Sources)
	if err != nil {
		return Provenance{}, err
	}
	p := cfg.Policy.Transforms
	_, suite := suites(p.Profile)
	for i := range p.Recipients {
		k, err := lineage.NewKey(cfg.Policy.Ring, cfg.Name, p.Recipients[i].Name, suite, h.KeyVersion)
		if err != nil {
			continue // a version that this key file does not have
		}
		s, err := k.Resolve(h.ID)
		if err != nil {
			continue
		}
		in := st.Topics[s.Topic].Name
		b, ok := bind(ms, in)
		if !ok {
			continue
		}
		if out, err := b.render(p.Recipients[i].Topic); err == nil && out == topic {
			return Provenance{in, s.Partition, s.Offset, p.Recipients[i].Name, h.Epoch, int(s.Output)}, nil
		}
	}
	return Provenance{}, ErrNoLineage
}

// readOne reads the committed record at an offset.
func readOne(ctx context.Context, k *Kafka, topic string, partition int32, offset int64) (*kgo.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	cl, err := k.dial(ctx, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(offset)}}))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	fetches := cl.PollRecords(ctx, 1)
	recs := fetches.Records()
	if len(recs) == 0 || recs[0].Offset != offset || recs[0].Attrs.IsControl() {
		return nil, fmt.Errorf("%s/%d@%d: %w", topic, partition, offset, ErrNoRecord)
	}
	return recs[0], nil
}
