package stream

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/schemas"
	"weir/stream/lineage"
	"weir/transforms"
)

// controlLog follows the control topic for the workers of a process, and keeps
// the broker's clock by it (contract 7).
type controlLog struct {
	r      *Runner
	reader *controlReader // owned by who calls look

	mu       sync.Mutex
	commands map[tp][]Command // guarded by mu; in the topic's order, clocks left out
	clock    time.Time        // guarded by mu: the broker's, when last read
	read     time.Time        // guarded by mu: our monotonic time of that
}

func newControlLog(r *Runner) *controlLog {
	return &controlLog{r: r, reader: newControlReader(r.adm, r.cfg.Name), commands: map[tp][]Command{}}
}

// run reads until ctx ends. A broker that does not answer only delays
// commands.
func (c *controlLog) run(ctx context.Context) {
	var asked time.Time
	for ctx.Err() == nil {
		if time.Since(asked) > c.r.limits.clock {
			asked = time.Now()
			if err := c.ask(ctx); err != nil && ctx.Err() == nil {
				c.r.log.Warn("the broker's clock was not asked", "reason", reason(err))
			}
		}
		if err := c.look(ctx); err != nil && ctx.Err() == nil {
			c.r.log.Warn("control topic not read", "reason", reason(err))
		}
		sleep(ctx, c.r.limits.control)
	}
}

// ask has the broker stamp a record with its time.
func (c *controlLog) ask(ctx context.Context) error {
	return SendControl(ctx, c.r.adm, c.r.cfg.Name, Command{Kind: CommandClock})
}

// look reads what is new in the control topic.
func (c *controlLog) look(ctx context.Context) error {
	cmds, err := c.reader.poll(ctx)
	c.take(cmds, c.reader.brokerMillis())
	return err
}

func (c *controlLog) take(cmds []Command, millis int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cmd := range cmds {
		t := tp{cmd.Topic, cmd.Partition}
		c.commands[t] = append(c.commands[t], cmd)
	}
	if t := time.UnixMilli(millis); millis > 0 && t.After(c.clock) {
		c.clock, c.read = t, time.Now()
	}
}

// now is the broker's time, zero when it was never read.
func (c *controlLog) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clock.IsZero() {
		return time.Time{}
	}
	return c.clock.Add(time.Since(c.read))
}

// next is the first command for t at or behind a control offset.
func (c *controlLog) next(t tp, offset int64) (Command, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cmds := c.commands[t]
	i, _ := slices.BinarySearchFunc(cmds, offset, func(cmd Command, at int64) int { return cmp.Compare(cmd.Offset, at) })
	if i == len(cmds) {
		return Command{}, false
	}
	return cmds[i], true
}

// nextCommand is a command that concerns a partition this worker owns and has
// not executed.
func (w *worker) nextCommand() (Command, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for t := range w.owned {
		done := int64(0)
		if p := w.parts[t]; p != nil && p.loaded {
			done = p.control
		}
		if cmd, ok := w.r.control.next(t, done); ok {
			return cmd, true
		}
	}
	return Command{}, false
}

// obey executes one command in a transaction of its own: nothing that was
// polled may be in it (see releaser). A dependency that is missing only
// delays it.
func (w *worker) obey(ctx context.Context) error {
	next, ok := w.nextCommand()
	if !ok {
		return nil
	}
	cmd := &next
	p := w.part(tp{cmd.Topic, cmd.Partition})
	if err := w.load(ctx, p); err != nil {
		w.log.Warn("command waits", "kind", cmd.Kind, "reason", reason(err))
		sleep(ctx, pollWait)
		return nil
	}
	if cmd.Offset < p.control {
		return nil
	}
	if cmd.Kind == CommandAcceptLoss {
		return w.acceptLoss(p, cmd)
	}
	b := w.batch
	b.reset(w, w.r.gen.Load())
	job, err := newReleaser(w.r.adm, w.r.cfg.Name, b.sealer, w.park).prepare(ctx, *cmd, p.at)
	if err != nil {
		w.log.Warn("command waits", "kind", cmd.Kind, "reason", reason(err))
		sleep(ctx, pollWait)
		return nil
	}
	return w.release(ctx, b, p, cmd, job)
}

// release runs one transaction's part of a release or drop.
func (w *worker) release(ctx context.Context, b *batch, p *part, cmd *Command, job *releaseJob) error {
	if err := w.sess.Begin(); err != nil {
		return err
	}
	b.touched = append(b.touched, p)
	f := &releaseFrames{b: b, p: p}
	out, err := job.run(func(recipient string, _ Notice, original *kgo.Record) (bool, error) {
		return f.treat(ctx, recipient, original)
	})
	if err == nil {
		err = f.close()
	}
	if err != nil {
		hold, fatal := b.sort(p, err)
		return w.abort(b, hold, fatal)
	}
	for _, r := range out.State {
		b.produce(r)
	}
	if out.Done {
		b.produce(ControlRecord(w.r.cfg.Name, p.at, cmd.Offset+1))
	}
	if hold, err := b.flush(w.sessCtx); err != nil || hold != nil || w.revoked.Load() {
		return w.abort(b, hold, err)
	}
	if err := w.commit(b); err != nil {
		return err
	}
	if out.Done {
		p.control = cmd.Offset + 1
		w.r.metrics.released.WithLabelValues(string(cmd.Kind)).Inc()
	}
	w.log.Info("command executed", "kind", cmd.Kind, "topic", p.topic, "partition", p.partition,
		"records", out.Records, "stuck_keys", out.Stuck, "tampered", out.Tampered, "done", out.Done)
	return nil
}

// CodeUnchanged stands in the frame of a released record for the recipients
// that the release did not concern.
const CodeUnchanged schemas.Code = "unchanged"

// releaseFrames publishes released records and collects their new fates: one
// record may be released for several recipients in turn.
type releaseFrames struct {
	b      *batch
	p      *part
	offset int64
	fates  []lineage.Fate
}

// treat runs the present policy over an original for one recipient; false when
// it still cannot go on.
func (f *releaseFrames) treat(ctx context.Context, recipient string, original *kgo.Record) (bool, error) {
	i := slices.Index(f.b.names, recipient)
	if i < 0 {
		return false, nil // the recipient is gone from the policy: drop is what is left
	}
	e, copies, err := f.b.protect(ctx, f.p, original)
	var poison *schemas.Error
	if errors.As(err, &poison) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f.b.expireCopies(f.p, original, copies)
	c := &copies[i]
	if c.Fate == transforms.Quarantined {
		return false, nil
	}
	if err := f.begin(original.Offset); err != nil {
		return false, err
	}
	f.fates[i] = lineage.Fate{Fate: c.Fate, Code: c.Code, Outs: uint8(len(c.Outs))}
	f.b.tally.count(i, c)
	if c.Fate != transforms.Published {
		return true, nil
	}
	return true, f.b.publish(ctx, f.p, e, i, c, original)
}

// begin starts the fates of another record.
func (f *releaseFrames) begin(offset int64) error {
	if f.fates != nil && f.offset == offset {
		return nil
	}
	if err := f.close(); err != nil {
		return err
	}
	f.offset, f.fates = offset, make([]lineage.Fate, len(f.b.names))
	for i := range f.fates {
		f.fates[i] = lineage.Fate{Fate: transforms.Quarantined, Code: CodeUnchanged}
	}
	return nil
}

func (f *releaseFrames) close() error {
	if f.fates == nil {
		return nil
	}
	return f.b.releases.Add(f.p.number, f.p.partition, f.offset, f.fates)
}

// acceptLoss goes on where an operator said, and leaves the loss in the state
// topic. The offset itself is committed with the next batch.
func (w *worker) acceptLoss(p *part, cmd *Command) error {
	if err := w.sess.Begin(); err != nil {
		return err
	}
	b := w.batch
	b.reset(w, w.r.gen.Load())
	void := cmd.Number != 0 && cmd.Number != p.number // meant for a topic that was deleted since
	from := w.sess.Client().CommittedOffsets()[p.topic][p.partition].Offset
	if !void {
		b.produce(LossRecord(w.r.cfg.Name, Loss{At: p.at, From: from, To: cmd.From, By: cmd.By}, cmd.Offset))
	}
	b.produce(ControlRecord(w.r.cfg.Name, p.at, cmd.Offset+1))
	if hold, err := b.flush(w.sessCtx); err != nil || hold != nil || w.revoked.Load() {
		return w.abort(b, hold, err)
	}
	if err := w.commit(b); err != nil {
		return err
	}
	p.control = cmd.Offset + 1
	if void {
		return nil
	}
	w.r.metrics.released.WithLabelValues(string(cmd.Kind)).Inc()
	w.sess.Client().SetOffsets(map[string]map[int32]kgo.EpochOffset{p.topic: {p.partition: {Epoch: -1, Offset: cmd.From}}})
	w.sess.Client().ResumeFetchPartitions(map[string][]int32{p.topic: {p.partition}})
	p.paused = nil
	w.publishStatus()
	w.log.Warn("loss accepted", "topic", p.topic, "partition", p.partition, "offset", cmd.From)
	return nil
}
