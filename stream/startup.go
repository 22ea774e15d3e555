package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// claimStart turns `start` into offsets once, at the group's first start
// (contract 27). The marker holds them, so a crash before the first commit
// changes nothing.
func (r *Runner) claimStart(ctx context.Context) error {
	st, err := ReadState(ctx, r.adm, r.cfg.Name)
	if err != nil {
		return fmt.Errorf("reading state: %w", err)
	}
	if st.Start == nil {
		if st, err = r.firstStart(ctx); err != nil {
			return err
		}
	}
	r.start = st.Start
	return nil
}

func (r *Runner) firstStart(ctx context.Context) (*State, error) {
	adm := admin(r.adm)
	all, err := adm.ListTopics(ctx)
	if err != nil {
		return nil, &Gone{What: "broker", Err: err}
	}
	var topics []TopicRecord
	for _, d := range all.Sorted() {
		if _, ok := bind(r.plans.ms, d.Topic); ok && !internalTopic(d.Topic) {
			topics = append(topics, TopicRecord{ID: d.ID, Name: d.Topic})
		}
	}
	st, err := ClaimTopics(ctx, r.claimOpts(), r.cfg.Name, topics)
	if err != nil {
		return nil, fmt.Errorf("claiming topic numbers: %w", err)
	}
	m, err := r.startMarker(ctx, adm, st, topics)
	if err != nil {
		return nil, err
	}
	return ClaimStart(ctx, r.claimOpts(), r.cfg.Name, *m)
}

// startMarker finds where each partition that exists now begins.
func (r *Runner) startMarker(ctx context.Context, adm *kadm.Client, st *State, topics []TopicRecord) (*StartMarker, error) {
	m := &StartMarker{Mode: "earliest", Offsets: map[uint32][]int64{}}
	if len(topics) == 0 {
		return m, nil
	}
	names := make([]string, len(topics))
	for i := range topics {
		names[i] = topics[i].Name
	}
	list := adm.ListStartOffsets
	switch {
	case r.cfg.Start.Latest:
		m.Mode, list = "latest", adm.ListEndOffsets
	case !r.cfg.Start.Time.IsZero():
		m.Mode = "time"
		list = func(ctx context.Context, t ...string) (kadm.ListedOffsets, error) {
			return adm.ListOffsetsAfterMilli(ctx, r.cfg.Start.Time.UnixMilli(), t...)
		}
	}
	offsets, err := list(ctx, names...)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		return nil, &Gone{What: "broker", Err: err}
	}
	for _, t := range topics {
		n, _ := st.TopicNumber(t.ID)
		at := make([]int64, len(offsets[t.Name]))
		for p, o := range offsets[t.Name] {
			at[p] = o.Offset
		}
		m.Offsets[n] = at
	}
	return m, nil
}

// adjustOffsets gives every partition without a committed offset an explicit
// one: the marker's, or its beginning. Without it kgo would rewind an aborted
// first transaction to offset 0, which the broker may no longer have.
func (w *worker) adjustOffsets(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	fresh := map[string][]int32{}
	for t, ps := range offsets {
		for p, o := range ps {
			if o.EpochOffset().Offset < 0 {
				fresh[t] = append(fresh[t], p)
			}
		}
	}
	if len(fresh) == 0 {
		return offsets, nil
	}
	adm := admin(w.r.adm)
	begins, err := adm.ListStartOffsets(ctx, keysOf(fresh)...)
	if err != nil {
		return nil, err
	}
	st, err := ReadState(ctx, w.r.adm, w.r.cfg.Name)
	if err != nil {
		return nil, err
	}
	ids, err := topicIDs(ctx, adm, keysOf(fresh))
	if err != nil {
		return nil, err
	}
	for t, ps := range fresh {
		for _, p := range ps {
			at, ok := markedStart(w.r.start, st, ids[t], p)
			if !ok {
				b, listed := begins.Lookup(t, p)
				if !listed || b.Err != nil {
					return nil, firstErr(b.Err, kerr.UnknownTopicOrPartition)
				}
				at = b.Offset
			}
			offsets[t][p] = kgo.NewOffset().At(at)
		}
	}
	return offsets, nil
}

// markedStart is where the group's first start put a partition.
func markedStart(m *StartMarker, st *State, id kadm.TopicID, partition int32) (int64, bool) {
	n, ok := st.TopicNumber(id)
	if m == nil || !ok || int(partition) >= len(m.Offsets[n]) {
		return 0, false
	}
	return m.Offsets[n][partition], true
}

func topicIDs(ctx context.Context, adm *kadm.Client, topics []string) (map[string]kadm.TopicID, error) {
	d, err := adm.ListTopics(ctx, topics...)
	if err != nil {
		return nil, err
	}
	out := map[string]kadm.TopicID{}
	for _, t := range topics {
		if d[t].Err != nil {
			return nil, d[t].Err
		}
		out[t] = d[t].ID
	}
	return out, nil
}

// load reads what the state topic holds of a partition before its first record
// is treated. The predecessor's last transaction has ended by then: the broker
// answers a RequireStable fetch only after that (contract 29).
func (w *worker) load(ctx context.Context, p *part) error {
	if p.loaded {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, externalTimeout)
	defer cancel()
	if err := w.awaitStable(ctx, p.tp); err != nil {
		return &missing{what: "stable_offsets", err: err}
	}
	adm := admin(w.r.adm)
	ids, err := topicIDs(ctx, adm, []string{p.topic})
	if err != nil {
		return &missing{what: "broker", err: err}
	}
	st, err := ReadState(ctx, w.r.adm, w.r.cfg.Name)
	if err != nil {
		return &missing{what: "state", err: err}
	}
	n, ok := st.TopicNumber(ids[p.topic])
	if !ok {
		if st, err = ClaimTopics(ctx, w.r.claimOpts(), w.r.cfg.Name, []TopicRecord{{ID: ids[p.topic], Name: p.topic}}); err != nil {
			return &missing{what: "state", err: err}
		}
		n, _ = st.TopicNumber(ids[p.topic])
	}
	p.number, p.at = n, InputPartition{Topic: n, Partition: p.partition}
	w.park.load(st, p.at)
	p.control, p.loaded = st.Control[p.at], true
	return nil
}

// awaitStable waits until no transaction holds an uncommitted offset of t.
func (w *worker) awaitStable(ctx context.Context, t tp) error {
	for {
		err := w.fetchStable(ctx, t)
		if !errors.Is(err, kerr.UnstableOffsetCommit) {
			return err
		}
		if ctx.Err() != nil {
			return err
		}
		sleep(ctx, 50*time.Millisecond)
	}
}

func (w *worker) fetchStable(ctx context.Context, t tp) error {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	req.Group = w.r.names.Group
	rt := kmsg.NewOffsetFetchRequestTopic()
	rt.Topic, rt.Partitions = t.topic, []int32{t.partition}
	req.Topics = append(req.Topics, rt)
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = req.Group
	gt := kmsg.NewOffsetFetchRequestGroupTopic()
	gt.Topic, gt.Partitions = t.topic, []int32{t.partition}
	g.Topics = append(g.Topics, gt)
	req.Groups = append(req.Groups, g)
	resp, err := req.RequestWith(ctx, w.r.adm)
	if err != nil {
		return err
	}
	return offsetFetchErr(resp)
}

func offsetFetchErr(resp *kmsg.OffsetFetchResponse) error {
	codes := []int16{resp.ErrorCode}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			codes = append(codes, p.ErrorCode)
		}
	}
	for _, g := range resp.Groups {
		codes = append(codes, g.ErrorCode)
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
	}
	for _, c := range codes {
		if err := kerr.ErrorForCode(c); err != nil {
			return err
		}
	}
	return nil
}
