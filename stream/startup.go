package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
// first transaction to offset 0, which the broker may no longer have. An offset
// that was committed for a topic which has since been made anew counts as none.
func (w *worker) adjustOffsets(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	adm := admin(w.r.adm)
	ids, err := topicIDs(ctx, adm, keysOf(offsets))
	if err != nil {
		return nil, err
	}
	numbers, anew := map[string]uint32{}, map[string]bool{} // 0: none yet
	err = w.r.state.with(ctx, func(st *State) {
		for t, id := range ids {
			numbers[t], _ = st.TopicNumber(id)
			anew[t] = numbers[t] == 0 && st.hasName(t)
		}
	})
	if err != nil {
		return nil, err
	}
	fresh := map[string][]int32{}
	for t, ps := range offsets {
		for p, o := range ps {
			if o.EpochOffset().Offset < 0 || anew[t] {
				fresh[t] = append(fresh[t], p)
			}
		}
	}
	if len(fresh) == 0 {
		return offsets, nil
	}
	begins, err := adm.ListStartOffsets(ctx, keysOf(fresh)...)
	if err != nil {
		return nil, err
	}
	for t, ps := range fresh {
		for _, p := range ps {
			at, ok := markedStart(w.r.start, numbers[t], p)
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
func markedStart(m *StartMarker, number uint32, partition int32) (int64, bool) {
	if m == nil || int(partition) >= len(m.Offsets[number]) {
		return 0, false
	}
	return m.Offsets[number][partition], true
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

// loadPolled loads the polled partitions that are new to this worker, all at
// once. It runs before the transaction's first record: later, a read of the
// state topic could wait for our own transaction.
func (w *worker) loadPolled(ctx context.Context, fetches kgo.Fetches) *holding {
	var fresh []*part
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if p := w.part(tp{f.Topic, f.Partition}); len(f.Records) > 0 && !p.loaded {
			fresh = append(fresh, p)
		}
	})
	var m *missing
	if !errors.As(w.load(ctx, fresh...), &m) {
		return nil
	}
	h := &holding{reason: m.what, retry: true, err: m.err}
	for _, p := range fresh {
		h.parts = append(h.parts, p.tp)
	}
	return h
}

// load reads what the state topic holds of partitions before their first record
// is treated. The predecessor's last transaction has ended by then: the broker
// answers a RequireStable fetch only after that (contract 29). Its errors are
// *missing.
func (w *worker) load(ctx context.Context, parts ...*part) error {
	parts = slices.DeleteFunc(slices.Clone(parts), func(p *part) bool { return p.loaded })
	if len(parts) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, externalTimeout)
	defer cancel()
	ids, err := topicIDs(ctx, admin(w.r.adm), topicsOf(parts))
	if err != nil {
		return &missing{what: "broker", err: err}
	}
	if err := w.awaitStable(ctx, parts, ids); err != nil {
		return &missing{what: "stable_offsets", err: err}
	}
	adopt := func(st *State) {
		for _, p := range parts {
			if n, ok := st.TopicNumber(ids[p.topic]); ok {
				w.adopt(p, n, st)
			}
		}
	}
	if err := w.r.state.with(ctx, adopt); err != nil {
		return &missing{what: "state", err: err}
	}
	var unnumbered []TopicRecord
	for _, p := range parts {
		if !p.loaded {
			unnumbered = append(unnumbered, TopicRecord{ID: ids[p.topic], Name: p.topic})
		}
	}
	if len(unnumbered) == 0 {
		return nil
	}
	st, err := ClaimTopics(ctx, w.r.claimOpts(), w.r.cfg.Name, unnumbered)
	if err != nil {
		return &missing{what: "state", err: err}
	}
	adopt(st)
	return nil
}

// adopt takes over what the state says of a partition.
func (w *worker) adopt(p *part, number uint32, st *State) {
	p.number, p.at = number, InputPartition{Topic: number, Partition: p.partition}
	w.park.load(st, p.at)
	p.control, p.loaded = st.Control[p.at], true
}

func topicsOf(parts []*part) []string {
	seen := map[string]bool{}
	for _, p := range parts {
		seen[p.topic] = true
	}
	return keysOf(seen)
}

// awaitStable waits until no transaction holds an uncommitted offset of parts.
func (w *worker) awaitStable(ctx context.Context, parts []*part, ids map[string]kadm.TopicID) error {
	req := stableRequest(w.r.names.Group, parts, ids)
	for {
		resp, err := req.RequestWith(ctx, w.r.adm)
		if err == nil {
			err = offsetFetchErr(resp)
		}
		if !errors.Is(err, kerr.UnstableOffsetCommit) || ctx.Err() != nil {
			return err
		}
		sleep(ctx, 50*time.Millisecond)
	}
}

// stableRequest asks for committed offsets; old brokers read its topics, newer
// ones its groups, by name or by id.
func stableRequest(group string, parts []*part, ids map[string]kadm.TopicID) *kmsg.OffsetFetchRequest {
	byTopic := map[string][]int32{}
	for _, p := range parts {
		byTopic[p.topic] = append(byTopic[p.topic], p.partition)
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable, req.Group = true, group
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	for _, t := range keysOf(byTopic) {
		rt := kmsg.NewOffsetFetchRequestTopic()
		rt.Topic, rt.Partitions = t, byTopic[t]
		req.Topics = append(req.Topics, rt)
		gt := kmsg.NewOffsetFetchRequestGroupTopic()
		gt.Topic, gt.TopicID, gt.Partitions = t, ids[t], byTopic[t]
		g.Topics = append(g.Topics, gt)
	}
	req.Groups = append(req.Groups, g)
	return req
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
