package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Check is one line of `weir doctor`.
type Check struct {
	Name   string `json:"name"`
	State  string `json:"state"` // ok, warning, failed
	Detail string `json:"detail"`
}

// The states of a Check.
const (
	CheckOK      = "ok"
	CheckWarning = "warning"
	CheckFailed  = "failed"
)

// doctor collects checks over one client.
type doctor struct {
	cfg    *Config
	cl     *kgo.Client
	adm    *kadm.Client
	ms     []matcher
	checks []Check
}

func (d *doctor) say(name, state, format string, args ...any) {
	d.checks = append(d.checks, Check{name, state, fmt.Sprintf(format, args...)})
}

// Doctor looks at everything a pipeline needs and says what is wrong with it.
// An error means that it could not look.
func Doctor(ctx context.Context, cfg Config) ([]Check, error) {
	ms, err := compileSources(cfg.Sources)
	if err != nil {
		return nil, err
	}
	d := &doctor{cfg: &cfg, ms: ms}
	if d.cl, err = cfg.Kafka.dial(ctx); err != nil {
		d.say("broker", CheckFailed, "%s: %s", strings.Join(cfg.Kafka.Brokers, ", "), reason(err))
		return d.checks, nil
	}
	defer d.cl.Close()
	d.adm = kadm.NewClient(d.cl)
	for _, look := range []func(context.Context){d.broker, d.permissions, d.topics, d.partitions, d.clock, d.registry, d.transactions, d.group} {
		look(ctx)
	}
	return d.checks, nil
}

func (d *doctor) broker(ctx context.Context) {
	m, err := d.adm.BrokerMetadata(ctx)
	if err != nil {
		d.say("broker", CheckFailed, "%s", reason(err))
		return
	}
	version := "unknown version"
	if vs, err := d.adm.ApiVersions(ctx); err == nil {
		for _, v := range vs {
			version = v.VersionGuess()
			break
		}
	}
	d.say("broker", CheckOK, "%s, brokers: %d", version, len(m.Brokers))
	switch v, err := transactionVersion(ctx, d.cl); {
	case err != nil:
		d.say("transaction.version", CheckFailed, "%s", reason(err))
	case v < 2 && !d.cfg.Kafka.AllowTV1:
		d.say("transaction.version", CheckFailed, "%d; %s", v, errTV1)
	case v < 2:
		d.say("transaction.version", CheckWarning, "%d, accepted by kafka.allow_tv1: KAFKA-17754 may tear a transaction", v)
	default:
		d.say("transaction.version", CheckOK, "%d", v)
	}
}

// permissions asks the broker what this principal may do with each topic.
func (d *doctor) permissions(ctx context.Context) {
	all, err := d.adm.ListTopics(kadm.WithAuthorizedOps(ctx))
	if err != nil {
		d.say("acl", CheckFailed, "%s", reason(err))
		return
	}
	denied := 0
	need := func(t string, ops ...kadm.ACLOperation) {
		topic, ok := all[t]
		if !ok || topic.Err != nil || len(topic.AuthorizedOperations) == 0 {
			return // absent topics are the topics check's; no list means no authorizer
		}
		for _, op := range ops {
			if !slices.Contains(topic.AuthorizedOperations, op) {
				denied++
				d.say("acl", CheckFailed, "%s on topic %s is missing", op, t)
			}
		}
	}
	for _, t := range all.Sorted() {
		b, ok := bind(d.ms, t.Topic)
		if !ok || internalTopic(t.Topic) {
			continue
		}
		need(t.Topic, kadm.OpRead, kadm.OpDescribe)
		for i := range d.cfg.Policy.Transforms.Recipients {
			if out, err := b.render(d.cfg.Policy.Transforms.Recipients[i].Topic); err == nil {
				need(out, kadm.OpWrite, kadm.OpDescribe)
			}
		}
	}
	for _, t := range InternalNames(d.cfg.Name).Topics() {
		need(t, kadm.OpRead, kadm.OpWrite, kadm.OpDescribe)
	}
	if denied == 0 {
		d.say("acl", CheckOK, "nothing that Weir needs is denied on the topics that exist")
	}
}

// topics compares settings with what `weir topics apply` would make.
func (d *doctor) topics(ctx context.Context) {
	changes, err := planTopics(ctx, d.adm, d.cfg, d.ms)
	if err != nil {
		d.say("topics", CheckFailed, "%s", reason(err))
		return
	}
	bad := 0
	for _, c := range changes {
		if c.Action == ActionNone {
			continue
		}
		bad++
		state := CheckFailed
		if c.Action == ActionConfig {
			state = CheckWarning
		}
		d.say("topics", state, "%s: %s needed (`weir topics apply`)", c.Topic, c.Action)
	}
	if bad == 0 {
		d.say("topics", CheckOK, "%d topics are as they should be", len(changes))
	}
}

// partitions looks for input partitions whose committed offset is gone
// (contract 27).
func (d *doctor) partitions(ctx context.Context) {
	lost, err := lostPartitions(ctx, d.adm, InternalNames(d.cfg.Name).Group)
	if err != nil {
		d.say("offsets", CheckFailed, "%s", reason(err))
		return
	}
	for _, l := range lost {
		d.say("offsets", CheckFailed, "%s/%d: committed offset %d is gone, the broker begins at %d (`weir doctor accept-loss`)",
			l.Topic, l.Partition, l.Committed, l.Begin)
	}
	if len(lost) == 0 {
		d.say("offsets", CheckOK, "the broker has every committed offset")
	}
}

// Lost is an input partition whose next record the broker no longer has.
type Lost struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed int64  `json:"committed"`
	Begin     int64  `json:"begin"`
}

func lostPartitions(ctx context.Context, adm *kadm.Client, group string) ([]Lost, error) {
	committed, err := adm.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil // a pipeline that never ran has lost nothing
	}
	if err != nil {
		return nil, err
	}
	var topics []string
	for t := range committed {
		topics = append(topics, t)
	}
	if len(topics) == 0 {
		return nil, nil
	}
	begins, err := adm.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, err
	}
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return nil, err
	}
	var out []Lost
	for _, o := range committed.Sorted() {
		b, ok := begins.Lookup(o.Topic, o.Partition)
		e, _ := ends.Lookup(o.Topic, o.Partition)
		if ok && b.Err == nil && o.At >= 0 && (o.At < b.Offset || o.At > e.Offset) {
			out = append(out, Lost{o.Topic, o.Partition, o.At, b.Offset})
		}
	}
	return out, nil
}

// clockSkewLimit is how far our clock may be from the broker's.
const clockSkewLimit = 5 * time.Second

// clock compares our clock with the broker's, by a record that it stamps.
func (d *doctor) clock(ctx context.Context) {
	before := time.Now()
	r := &kgo.Record{Topic: InternalNames(d.cfg.Name).Control, Key: []byte("clock"), Partition: 0}
	cmd := Command{Kind: CommandClock}
	if err := SendControl(ctx, d.cl, d.cfg.Name, cmd); err != nil {
		d.say("clock", CheckWarning, "not compared: %s cannot be written (%s)", r.Topic, reason(err))
		return
	}
	reader := newControlReader(d.cl, d.cfg.Name)
	rctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if _, err := reader.poll(rctx); err != nil || reader.brokerMillis() == 0 {
		d.say("clock", CheckWarning, "not compared: %s cannot be read", r.Topic)
		return
	}
	at := time.UnixMilli(reader.brokerMillis())
	skew := at.Sub(before).Round(time.Millisecond)
	if skew.Abs() > clockSkewLimit {
		d.say("clock", CheckWarning, "the broker's clock is %v from ours", skew)
		return
	}
	d.say("clock", CheckOK, "within %v of the broker's", clockSkewLimit)
}

func (d *doctor) registry(ctx context.Context) {
	if d.cfg.Registry == nil {
		d.say("registry", CheckOK, "no source needs one")
		return
	}
	if err := d.cfg.Registry.Ping(ctx); err != nil {
		d.say("registry", CheckFailed, "does not answer: %s", reason(err))
		return
	}
	d.say("registry", CheckOK, "answers")
}

// transactions looks for open transactions that are older than their timeout:
// they pin the last stable offset (reliability R8).
func (d *doctor) transactions(ctx context.Context) {
	txns, err := listTxns(ctx, d.adm)
	if err != nil {
		d.say("transactions", CheckWarning, "not listed: %s", reason(err))
		return
	}
	hanging := 0
	for _, t := range txns {
		if t.Hanging {
			hanging++
			d.say("transactions", CheckFailed, "%s is open since %s (`weir doctor txn abort %s`)", t.ID, t.Started.Format(time.RFC3339), t.ID)
		}
	}
	if hanging == 0 {
		d.say("transactions", CheckOK, "none hangs")
	}
}

func (d *doctor) group(ctx context.Context) {
	g := InternalNames(d.cfg.Name).Group
	gs, err := d.adm.DescribeGroups(ctx, g)
	if err == nil && (errors.Is(gs[g].Err, kerr.GroupIDNotFound) || gs[g].State == "Dead") {
		d.say("group", CheckOK, "%s has not run yet", g)
		return
	}
	if err != nil || gs[g].Err != nil {
		d.say("group", CheckWarning, "%s: %s", g, reason(firstErr(err, gs[g].Err)))
		return
	}
	d.say("group", CheckOK, "%s: %s, %d members", g, gs[g].State, len(gs[g].Members))
}

// Txn is one transaction as `weir doctor txn list` shows it.
type Txn struct {
	ID         string        `json:"id"`
	State      string        `json:"state"`
	ProducerID int64         `json:"producer_id"`
	Epoch      int16         `json:"producer_epoch"`
	Started    time.Time     `json:"started,omitzero"`
	Timeout    time.Duration `json:"timeout_ns"`
	Partitions int           `json:"partitions"`
	Hanging    bool          `json:"hanging"` // open for more than twice its timeout
}

// ListTxns lists the transactions that the cluster's coordinators know.
func ListTxns(ctx context.Context, cfg Config) ([]Txn, error) {
	cl, err := cfg.Kafka.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	return listTxns(ctx, kadm.NewClient(cl))
}

func listTxns(ctx context.Context, adm *kadm.Client) ([]Txn, error) {
	listed, err := adm.ListTransactions(ctx, nil, nil)
	if err != nil {
		return nil, err
	}
	ids := listed.TransactionalIDs()
	if len(ids) == 0 {
		return nil, nil
	}
	described, err := adm.DescribeTransactions(ctx, ids...)
	if err != nil {
		return nil, err
	}
	var out []Txn
	for _, t := range described.Sorted() {
		if t.Err != nil {
			continue
		}
		x := Txn{ID: t.TxnID, State: t.State, ProducerID: t.ProducerID, Epoch: t.ProducerEpoch,
			Timeout: time.Duration(t.TimeoutMillis) * time.Millisecond}
		for _, ps := range t.Topics {
			x.Partitions += len(ps)
		}
		if t.StartTimestamp > 0 {
			x.Started = time.UnixMilli(t.StartTimestamp)
		}
		x.Hanging = t.State == "Ongoing" && !x.Started.IsZero() && time.Since(x.Started) > 2*x.Timeout
		out = append(out, x)
	}
	return out, nil
}

// AbortTxn ends the open transaction of a transactional id by taking the id
// over: its holder is fenced.
func AbortTxn(ctx context.Context, cfg Config, id string) error {
	cl, err := cfg.Kafka.dial(ctx, kgo.TransactionalID(id))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, _, err = cl.ProducerID(ctx)
	return err
}

// AcceptLoss asks the owners of the partitions whose next record the broker no
// longer has to go on where it begins, and answers what is lost. The control
// topic keeps the trace. When nothing is lost it asks for nothing.
func AcceptLoss(ctx context.Context, cfg Config, by string) ([]Lost, error) {
	cl, err := cfg.Kafka.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	lost, err := lostPartitions(ctx, adm, InternalNames(cfg.Name).Group)
	if err != nil {
		return nil, err
	}
	st, err := ReadState(ctx, cl, cfg.Name)
	if err != nil {
		return nil, err
	}
	for _, l := range lost {
		ids, err := topicIDs(ctx, adm, []string{l.Topic})
		if err != nil {
			return nil, err
		}
		n, ok := st.TopicNumber(ids[l.Topic])
		if !ok {
			return nil, fmt.Errorf("topic %s was never consumed by %s: %w", l.Topic, cfg.Name, kerr.UnknownTopicOrPartition)
		}
		cmd := Command{Kind: CommandAcceptLoss, Topic: l.Topic, Number: n, Partition: l.Partition, From: l.Begin, By: by}
		if err := SendControl(ctx, cl, cfg.Name, cmd); err != nil {
			return nil, err
		}
	}
	return lost, nil
}
