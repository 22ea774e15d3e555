package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// topicInfo is what workers must know of a topic they write to.
type topicInfo struct {
	topic      string
	partitions atomic.Int32
	maxBytes   int32
}

// topicInfos caches topicInfo by topic.
type topicInfos struct {
	mu sync.RWMutex
	m  map[string]*topicInfo // guarded by mu
}

// get reads a topic's partitions and limits once. A topic that is not there is
// *missing: the partition waits for somebody to make it.
func (t *topicInfos) get(ctx context.Context, r *Runner, topic string) (*topicInfo, error) {
	if i := t.cached(topic); i != nil {
		return i, nil
	}
	adm := admin(r.adm)
	d, err := adm.ListTopics(ctx, topic)
	if err != nil {
		return nil, &missing{what: "broker", err: err}
	}
	if !d.Has(topic) || d[topic].Err != nil || len(d[topic].Partitions) == 0 {
		return nil, &missing{what: "output_topic", err: kerr.UnknownTopicOrPartition}
	}
	configs, err := topicConfigs(ctx, adm, []string{topic})
	if err != nil {
		return nil, &missing{what: "broker", err: err}
	}
	i := &topicInfo{topic: topic, maxBytes: defaultMaxBytes}
	i.partitions.Store(int32(len(d[topic].Partitions)))
	if n, err := strconv.Atoi(configs[topic]["max.message.bytes"]); err == nil && n >= 1024 {
		i.maxBytes = int32(min(n, 1<<30)) - batchOverhead
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		t.m = map[string]*topicInfo{}
	}
	if have := t.m[topic]; have != nil {
		return have, nil
	}
	t.m[topic] = i
	return i, nil
}

// Kafka's default limit, less what kgo leaves for a batch's own bytes.
const (
	defaultMaxBytes = 1_000_012
	batchOverhead   = 128
)

func (t *topicInfos) cached(topic string) *topicInfo {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.m[topic]
}

// maxBytes is the client's batch limit for a topic.
func (t *topicInfos) maxBytes(topic string) int32 {
	if i := t.cached(topic); i != nil {
		return max(i.maxBytes, 512)
	}
	return defaultMaxBytes
}

// output finds a recipient's topic, and makes it when run may.
func (r *Runner) output(ctx context.Context, b *binding, topic string) (*topicInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, externalTimeout)
	defer cancel()
	i, err := r.topics.get(ctx, r, topic)
	var m *missing
	if err == nil || !errors.As(err, &m) || m.what != "output_topic" || !r.cfg.CreateTopics {
		return i, err
	}
	changes, err := planTopics(ctx, admin(r.adm), &r.cfg, r.plans.ms)
	if err == nil {
		err = applyRaced(ctx, admin(r.adm), only(changes, topic))
	}
	if err != nil {
		return nil, &missing{what: "output_topic", err: err}
	}
	return r.topics.get(ctx, r, topic)
}

func only(changes []TopicChange, topic string) []TopicChange {
	var out []TopicChange
	for _, c := range changes {
		if c.Topic == topic {
			out = append(out, c)
		}
	}
	return out
}

// applyRaced applies changes that another worker may be applying too.
func applyRaced(ctx context.Context, adm *kadm.Client, changes []TopicChange) error {
	for i := range changes {
		err := applyTopic(ctx, adm, &changes[i])
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) && !errors.Is(err, kerr.InvalidPartitions) {
			return fmt.Errorf("topic %s: %s: %w", changes[i].Topic, changes[i].Action, err)
		}
	}
	return awaitTopics(ctx, adm, changes)
}

// errRaised: the partition is there, and the client learns of it before the
// next try.
var errRaised = errors.New("the output has just been given more partitions")

// raise gives an output as many partitions as its source has grown to
// (contract 12). The input partition waits meanwhile. It needs no
// topics.create: that is about topics that do not exist.
func (r *Runner) raise(ctx context.Context, i *topicInfo, partitions int32) error {
	ctx, cancel := context.WithTimeout(ctx, externalTimeout)
	defer cancel()
	adm := admin(r.adm)
	resp, err := adm.UpdatePartitions(ctx, int(partitions), i.topic)
	if err == nil {
		err = resp.Error()
	}
	if err != nil && !errors.Is(err, kerr.InvalidPartitions) {
		return &missing{what: "output_partitions", err: err}
	}
	d, err := adm.ListTopics(ctx, i.topic)
	if err != nil || len(d[i.topic].Partitions) == 0 {
		return &missing{what: "output_partitions", err: firstErr(err, kerr.UnknownTopicOrPartition)}
	}
	i.partitions.Store(int32(len(d[i.topic].Partitions)))
	if i.partitions.Load() < partitions {
		return &missing{what: "output_partitions", err: kerr.InvalidPartitions}
	}
	return nil
}
