package stream

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Action is what apply does to a topic.
type Action string

// The actions.
const (
	ActionNone   Action = "ok"
	ActionCreate Action = "create"
	ActionRaise  Action = "raise"  // more partitions
	ActionConfig Action = "config" // settings differ
)

// TopicChange is one line of `weir topics plan`.
type TopicChange struct {
	Topic       string            `json:"topic"`
	Action      Action            `json:"action"`
	Partitions  int32             `json:"partitions"`
	Replication int16             `json:"replication"`
	Configs     map[string]string `json:"configs,omitempty"`
	Why         string            `json:"why,omitempty"`
}

// quarantineOverhead is what sealing and headers add to an original at most.
const quarantineOverhead = 64 << 10

// likeSource are the settings that an output takes over from its source.
var likeSource = []string{"cleanup.policy", "retention.ms", "retention.bytes", "max.message.bytes",
	"min.insync.replicas", "min.compaction.lag.ms", "delete.retention.ms", "compression.type"}

// wanted is a topic as it should be.
type wantedTopic struct {
	partitions  int32
	replication int16
	configs     map[string]string
	why         string
}

// PlanTopics says what recipient and internal topics lack, from the source
// topics that exist now (contracts 12, 28, 32).
func PlanTopics(ctx context.Context, cfg Config) ([]TopicChange, error) {
	cl, err := cfg.Kafka.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ms, err := compileSources(cfg.Sources)
	if err != nil {
		return nil, err
	}
	return planTopics(ctx, kadm.NewClient(cl), &cfg, ms)
}

func planTopics(ctx context.Context, adm *kadm.Client, cfg *Config, ms []matcher) ([]TopicChange, error) {
	all, err := adm.ListTopics(ctx)
	if err != nil {
		return nil, &Gone{What: "broker", Err: err}
	}
	want, err := wantedTopics(ctx, adm, cfg, ms, all)
	if err != nil {
		return nil, err
	}
	return diffTopics(ctx, adm, all, want)
}

// wantedTopics derives outputs and internal topics from the sources.
func wantedTopics(ctx context.Context, adm *kadm.Client, cfg *Config, ms []matcher, all kadm.TopicDetails) (map[string]*wantedTopic, error) {
	bindings := map[string]*binding{}
	for _, t := range all.Sorted() {
		if b, ok := bind(ms, t.Topic); ok && !internalTopic(t.Topic) {
			bindings[t.Topic] = b
		}
	}
	configs, err := topicConfigs(ctx, adm, keysOf(bindings))
	if err != nil {
		return nil, err
	}
	want := map[string]*wantedTopic{}
	internal := wantedTopic{partitions: 1, replication: 1}
	maxBytes := 1 << 20
	for topic, b := range bindings {
		d := all[topic]
		n, rf := int32(len(d.Partitions)), int16(d.Partitions.NumReplicas())
		internal.partitions, internal.replication = max(internal.partitions, n), max(internal.replication, rf)
		if v, err := strconv.Atoi(configs[topic]["max.message.bytes"]); err == nil {
			maxBytes = max(maxBytes, v)
		}
		for i := range cfg.Policy.Transforms.Recipients {
			r := &cfg.Policy.Transforms.Recipients[i]
			out, err := b.render(r.Topic)
			if err != nil {
				return nil, err
			}
			mergeWanted(want, out, &wantedTopic{n, rf, pick(configs[topic], likeSource), "copy of " + topic + " for " + r.Name})
		}
	}
	if len(bindings) == 0 {
		internal.replication = brokerDefault
	}
	addInternal(want, cfg.Name, internal, maxBytes+quarantineOverhead)
	return want, nil
}

// addInternal adds the four internal topics.
func addInternal(want map[string]*wantedTopic, name string, like wantedTopic, maxBytes int) {
	n := InternalNames(name)
	add := func(topic, why string, partitions int32, configs map[string]string) {
		want[topic] = &wantedTopic{partitions, like.replication, configs, why}
	}
	add(n.State, "epochs, topic numbers, parked keys", 1, map[string]string{"cleanup.policy": "compact"})
	add(n.Control, "releases and the broker's clock", 1, map[string]string{
		"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "message.timestamp.type": "LogAppendTime"})
	add(n.Quarantine, "sealed originals", like.partitions, map[string]string{
		"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": strconv.Itoa(maxBytes)})
	add(n.Lineage, "one frame an input partition and transaction", like.partitions, map[string]string{
		"cleanup.policy": "delete", "retention.ms": "2592000000"})
}

// mergeWanted keeps the larger of two sources' demands on one output.
func mergeWanted(want map[string]*wantedTopic, topic string, w *wantedTopic) {
	have := want[topic]
	if have == nil {
		want[topic] = w
		return
	}
	have.partitions = max(have.partitions, w.partitions)
	have.replication = max(have.replication, w.replication)
}

// diffTopics compares what should be with what is.
func diffTopics(ctx context.Context, adm *kadm.Client, all kadm.TopicDetails, want map[string]*wantedTopic) ([]TopicChange, error) {
	var existing []string
	for t := range want {
		if all.Has(t) {
			existing = append(existing, t)
		}
	}
	have, err := topicConfigs(ctx, adm, existing)
	if err != nil {
		return nil, err
	}
	var out []TopicChange
	for _, t := range keysOf(want) {
		w := want[t]
		c := TopicChange{Topic: t, Action: ActionNone, Partitions: w.partitions, Replication: w.replication, Why: w.why}
		switch d, ok := all[t]; {
		case !ok || d.Err != nil:
			c.Action, c.Configs = ActionCreate, w.configs
		case int32(len(d.Partitions)) < w.partitions:
			c.Action = ActionRaise
		default:
			c.Partitions = int32(len(d.Partitions))
			if diff := differing(have[t], w.configs); len(diff) > 0 {
				c.Action, c.Configs = ActionConfig, diff
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// ApplyTopics carries out what PlanTopics said.
func ApplyTopics(ctx context.Context, cfg Config, changes []TopicChange) error {
	cl, err := cfg.Kafka.dial(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	return applyTopics(ctx, kadm.NewClient(cl), changes)
}

func applyTopics(ctx context.Context, adm *kadm.Client, changes []TopicChange) error {
	for i := range changes {
		if err := applyTopic(ctx, adm, &changes[i]); err != nil {
			return fmt.Errorf("topic %s: %s: %w", changes[i].Topic, changes[i].Action, err)
		}
	}
	return awaitTopics(ctx, adm, changes)
}

// awaitTopics waits until the brokers' metadata shows what was applied: a
// topic is created before every broker knows of it.
func awaitTopics(ctx context.Context, adm *kadm.Client, changes []TopicChange) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for {
		all, err := adm.ListTopics(ctx)
		if err != nil {
			return &Gone{What: "broker", Err: err}
		}
		seen := 0
		for i := range changes {
			if d, ok := all[changes[i].Topic]; ok && led(&d) >= changes[i].Partitions {
				seen++
			}
		}
		if seen == len(changes) {
			return nil
		}
		sleep(ctx, 50*time.Millisecond)
	}
}

// led counts a topic's partitions that have a leader.
func led(d *kadm.TopicDetail) int32 {
	n := int32(0)
	for _, p := range d.Partitions {
		if p.Err == nil && p.Leader >= 0 {
			n++
		}
	}
	return n
}

func applyTopic(ctx context.Context, adm *kadm.Client, c *TopicChange) error {
	switch c.Action {
	case ActionCreate:
		configs := map[string]*string{}
		for k, v := range c.Configs {
			configs[k] = kadm.StringPtr(v)
		}
		_, err := adm.CreateTopic(ctx, c.Partitions, c.Replication, configs, c.Topic)
		return err
	case ActionRaise:
		resp, err := adm.UpdatePartitions(ctx, int(c.Partitions), c.Topic)
		if err != nil {
			return err
		}
		return resp.Error()
	case ActionConfig:
		var alter []kadm.AlterConfig
		for k, v := range c.Configs {
			alter = append(alter, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: kadm.StringPtr(v)})
		}
		resp, err := adm.AlterTopicConfigs(ctx, alter, c.Topic)
		if err != nil {
			return err
		}
		_, err = resp.On(c.Topic, func(r *kadm.AlterConfigsResponse) error { return r.Err })
		return err
	}
	return nil
}

// topicConfigs reads the settings of topics, defaults included.
func topicConfigs(ctx context.Context, adm *kadm.Client, topics []string) (map[string]map[string]string, error) {
	out := map[string]map[string]string{}
	if len(topics) == 0 {
		return out, nil
	}
	rs, err := adm.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("reading topic settings: %w", err)
	}
	for _, r := range rs {
		m := map[string]string{}
		for _, c := range r.Configs {
			if c.Value != nil {
				m[c.Key] = *c.Value
			}
		}
		out[r.Name] = m
	}
	return out, nil
}

func pick(from map[string]string, names []string) map[string]string {
	out := map[string]string{}
	for _, n := range names {
		if v, ok := from[n]; ok {
			out[n] = v
		}
	}
	return out
}

// differing gives what in want have lacks.
func differing(have, want map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range want {
		if h, ok := have[k]; ok && h != v {
			out[k] = v
		}
	}
	return out
}

// brokerDefault leaves the number of replicas to the broker: where no source is
// there to copy from, one replica would be a guess that loses state.
const brokerDefault = -1

func keysOf[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// admin wraps a client for administration.
func admin(cl *kgo.Client) *kadm.Client { return kadm.NewClient(cl) }
