package stream

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What one transaction of a release treats at most. While it is sought, four
// times as much is held.
const (
	releaseBatch = 500      // records
	releaseBytes = 16 << 20 // of their values; one larger record goes alone
)

// releaser executes release and drop for the owner of a partition (contract
// 29). It belongs to the worker's goroutine. One command takes one or more
// transactions:
//
//	job, err := r.prepare(ctx, cmd, at)     // between transactions: it reads topics to their end
//	… begin …
//	out, err := job.run(treat)              // treat produces the copies
//	… produce out.State and, when out.Done, ControlRecord(name, at, cmd.Offset+1) …
//	… end; parking.commit or rollback; until out.Done, prepare again …
//
// Nothing else of the partition may be in that transaction before run: a record
// that it quarantined itself would not be seen, and the key would go on without
// it (Invariant 4).
type releaser struct {
	cl     *kgo.Client
	name   string
	sealer *quarantineSealer
	park   *parking
	batch  int // releaseBatch, but in tests
}

// newReleaser: cl may be any client; nothing is produced with it.
func newReleaser(cl *kgo.Client, name string, sealer *quarantineSealer, park *parking) *releaser {
	return &releaser{cl: cl, name: name, sealer: sealer, park: park, batch: releaseBatch}
}

// waiting is one quarantined record and the recipients it waits for.
type waiting struct {
	notice Notice
	rec    *kgo.Record
	key    KeyHash
	for_   []string
}

// releaseJob is one transaction's part of a command.
type releaseJob struct {
	r        *releaser
	cmd      Command
	at       InputPartition
	records  []waiting // by input offset
	more     bool      // others wait behind them
	void     bool      // the command is about another topic of this name
	bytes    int       // of the records' values
	released map[ParkedKey]int64
	stuck    map[ParkedKey]bool // by this command's earlier transactions
}

// prepare finds what a command is about. It reads the state and the quarantine
// topic to their ends, so the worker's transaction must not be open.
func (r *releaser) prepare(ctx context.Context, cmd Command, at InputPartition) (*releaseJob, error) {
	st, err := ReadState(ctx, r.cl, r.name)
	if err != nil {
		return nil, err
	}
	job := &releaseJob{r: r, cmd: cmd, at: at, released: st.Released, stuck: r.park.stuckBy(cmd.Offset)}
	if cmd.Number != 0 && cmd.Number != at.Topic { // meant for a topic that was deleted since
		job.void = true
		return job, nil
	}
	err = newCommittedReader(r.cl, InternalNames(r.name).Quarantine).read(ctx, func(rec *kgo.Record) error {
		job.add(rec)
		return nil
	})
	if err != nil {
		return nil, err
	}
	job.cut(r.batch, releaseBytes)
	return job, nil
}

// add keeps rec if the command is about it. The memory stays bounded: of many
// only the first by input offset are kept.
func (j *releaseJob) add(rec *kgo.Record) {
	n, _, _, err := parseNotice(rec)
	if err != nil || n.TopicNumber != j.at.Topic || n.Partition != j.at.Partition {
		return
	}
	w := waiting{notice: n, rec: rec, key: KeyHash(rec.Key[:16])}
	if j.cmd.Key != nil && *j.cmd.Key != w.key {
		return
	}
	for _, name := range n.Recipients {
		k := j.parkedKey(name, w.key)
		if (j.cmd.Recipient == "" || j.cmd.Recipient == name) && n.Offset >= j.released[k] && !j.stuck[k] {
			w.for_ = append(w.for_, name)
		}
	}
	if len(w.for_) == 0 {
		return
	}
	j.records = append(j.records, w)
	j.bytes += len(rec.Value)
	if len(j.records) >= 4*j.r.batch || j.bytes >= 4*releaseBytes {
		j.cut(2*j.r.batch, 2*releaseBytes)
	}
}

// cut keeps the first n records by input offset, and no more than so many
// bytes of them.
func (j *releaseJob) cut(n, limit int) {
	slices.SortStableFunc(j.records, func(a, b waiting) int { return cmp.Compare(a.notice.Offset, b.notice.Offset) })
	kept, size := 0, 0
	for kept < min(n, len(j.records)) {
		size += len(j.records[kept].rec.Value)
		if size > limit && kept > 0 {
			size -= len(j.records[kept].rec.Value)
			break
		}
		kept++
	}
	j.more = j.more || kept < len(j.records)
	clear(j.records[kept:])
	j.records, j.bytes = j.records[:kept], size
}

func (j *releaseJob) parkedKey(recipient string, key KeyHash) ParkedKey {
	return ParkedKey{Recipient: recipient, Topic: j.at.Topic, Partition: j.at.Partition, Key: key}
}

// released is what one transaction of a command came to.
type released struct {
	State    []*kgo.Record // for the same transaction
	Records  int           // records times recipients released or dropped
	Stuck    int           // keys that still cannot go on, by the whole command so far
	Tampered int           // records that do not authenticate; their keys are stuck
	Done     bool          // nothing is left of the command
}

// run releases or drops the job's records, in order. Each run gets on, or finds
// keys stuck that the next one passes over, so a command ends. For a release, treat is
// called with each original and recipient: it runs the normal plan for that
// recipient and produces the copies, and answers false when the record is still
// quarantined; then the rest of its key stays where it is, for this recipient.
// An error of treat ends run, and the transaction must be aborted.
func (j *releaseJob) run(treat func(recipient string, n Notice, original *kgo.Record) (bool, error)) (*released, error) {
	out := &released{Done: !j.more}
	next, stuck := map[ParkedKey]int64{}, maps.Clone(j.stuck)
	for i := range j.records {
		w := &j.records[i]
		orig, err := j.open(w)
		if err != nil {
			out.Tampered++
		}
		for _, name := range w.for_ {
			k := j.parkedKey(name, w.key)
			if stuck[k] {
				continue
			}
			ok := err == nil
			if ok && j.cmd.Kind == CommandRelease {
				if ok, err = treat(name, w.notice, orig); err != nil {
					return nil, err
				}
			}
			if !ok {
				stuck[k] = true
				j.r.park.trying = append(j.r.park.trying, k)
				continue
			}
			next[k] = w.notice.Offset + 1
			out.Records++
		}
	}
	out.Stuck = len(stuck)
	j.finish(out, next, stuck)
	return out, nil
}

// open reads the original. Dropping needs no contents: what was tampered with
// can be dropped too.
func (j *releaseJob) open(w *waiting) (*kgo.Record, error) {
	if j.cmd.Kind == CommandDrop {
		return nil, nil
	}
	_, orig, err := j.r.sealer.open(w.rec)
	return orig, err
}

// finish writes how far each key got, and lets those go on that have nothing
// left.
func (j *releaseJob) finish(out *released, next map[ParkedKey]int64, stuck map[ParkedKey]bool) {
	for _, k := range sortedKeys(next) {
		out.State = append(out.State, releasedRecord(j.r.name, k, next[k]))
	}
	if j.more || j.void {
		return
	}
	parked := map[ParkedKey]int64{}
	for _, k := range j.r.park.keys(j.at, j.cmd.Recipient) {
		if (j.cmd.Key == nil || *j.cmd.Key == k.Key) && !stuck[k] {
			parked[k] = 0
		}
	}
	for _, k := range sortedKeys(parked) {
		out.State = append(out.State, j.r.park.unpark(k))
	}
}

// sortedKeys gives a replay the same records in the same order.
func sortedKeys(m map[ParkedKey]int64) []ParkedKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b ParkedKey) int {
		return cmp.Or(bytes.Compare(a.Key[:], b.Key[:]), cmp.Compare(a.Recipient, b.Recipient))
	})
}

// QuarantineEntry is one quarantined record as the commands show it: codes and
// places (contract 30).
type QuarantineEntry struct {
	Notice
	Key     KeyHash
	Waiting []string // recipients for which it was neither released nor dropped
	Parked  []string // of those, the recipients for which its key is parked
}

// ListQuarantine calls fn for every readable record of the quarantine topic, in
// the order of input offsets within an input partition, and answers how many
// records are none of ours. It opens nothing, so it needs no keys, and what it
// shows is not authenticated.
func ListQuarantine(ctx context.Context, cl *kgo.Client, name string, fn func(QuarantineEntry) error) (unreadable int, err error) {
	st, err := ReadState(ctx, cl, name)
	if err != nil {
		return 0, err
	}
	err = newCommittedReader(cl, InternalNames(name).Quarantine).read(ctx, func(rec *kgo.Record) error {
		e, ok := entryOf(st, rec)
		if !ok {
			unreadable++
			return nil
		}
		return fn(e)
	})
	return unreadable, err
}

func entryOf(st *State, rec *kgo.Record) (QuarantineEntry, bool) {
	n, _, _, err := parseNotice(rec)
	if err != nil {
		return QuarantineEntry{}, false
	}
	e := QuarantineEntry{Notice: n, Key: KeyHash(rec.Key[:16])}
	for _, r := range n.Recipients {
		k := ParkedKey{Recipient: r, Topic: n.TopicNumber, Partition: n.Partition, Key: e.Key}
		if n.Offset < st.Released[k] {
			continue
		}
		e.Waiting = append(e.Waiting, r)
		if _, ok := st.Parked[k]; ok {
			e.Parked = append(e.Parked, r)
		}
	}
	return e, true
}

// errNotFound ends a search that found nothing.
var errNotFound = errors.New("nothing in quarantine")

// ShowQuarantine finds the entries of one input record, one for each code and
// path.
func ShowQuarantine(ctx context.Context, cl *kgo.Client, name, topic string, partition int32, offset int64) ([]QuarantineEntry, error) {
	var out []QuarantineEntry
	_, err := ListQuarantine(ctx, cl, name, func(e QuarantineEntry) error {
		if e.Topic == topic && e.Partition == partition && e.Offset == offset {
			out = append(out, e)
		}
		return nil
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%w from %s/%d offset %d", errNotFound, topic, partition, offset)
	}
	return out, err
}

// strictJSON reads one JSON value with known fields only and nothing behind it.
func strictJSON(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("trailing data")
	}
	return nil
}
