package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The records of the control topic `_weir.<name>.control`: one command each, a
// JSON object without a key. They are executed by the owner of the partition
// they name, in the topic's order, in its own transaction, which also notes how
// far it got (ControlRecord). The topic has LogAppendTime, so that a record's
// timestamp is the broker's clock (contract 7).
//
//	{"v":1,"command":"release","topic":"cdc.shop.customers","number":7,"partition":3,"recipient":"analytics","key":"<32 hex>","by":"uid:1000"}
//	{"v":1,"command":"drop",…}              as release
//	{"v":1,"command":"accept_loss","topic":"…","partition":3,"from":42,"by":"…"}
//	{"v":1,"command":"clock"}
const controlVersion = 1

// maxControl bounds a command's size.
const maxControl = 16 << 10

// CommandKind is what a control record asks for.
type CommandKind string

// The commands.
const (
	CommandRelease    CommandKind = "release"     // treat a parked key's records again, then go on with it
	CommandDrop       CommandKind = "drop"        // give a parked key's records up, then go on with it
	CommandAcceptLoss CommandKind = "accept_loss" // go on at From where the broker no longer has the offset
	CommandClock      CommandKind = "clock"       // nothing: only its broker timestamp counts
)

// Command is one record of the control topic.
type Command struct {
	Kind      CommandKind
	Topic     string // input topic, by name
	Number    uint32 // its number, where known: a topic made anew is another; 0: any
	Partition int32
	Recipient string   // release, drop: "" for all
	Key       *KeyHash // release, drop: nil for all
	From      int64    // accept_loss: where to go on
	By        string   // who asked, by the operating system's word
	Offset    int64    // in the control topic, when read
}

type commandJSON struct {
	V         int         `json:"v"`
	Command   CommandKind `json:"command"`
	Topic     string      `json:"topic,omitempty"`
	Number    uint32      `json:"number,omitempty"`
	Partition int32       `json:"partition"`
	Recipient string      `json:"recipient,omitempty"`
	Key       string      `json:"key,omitempty"`
	From      int64       `json:"from,omitempty"`
	By        string      `json:"by,omitempty"`
}

var errCommand = errors.New("not a control command of this version")

func (c *Command) check() error {
	switch c.Kind {
	case CommandRelease, CommandDrop:
		if c.Topic != "" && c.Partition >= 0 && c.From == 0 {
			return nil
		}
	case CommandAcceptLoss:
		if c.Topic != "" && c.Partition >= 0 && c.From >= 0 && c.Recipient == "" && c.Key == nil {
			return nil
		}
	case CommandClock:
		return nil
	}
	return errCommand
}

// encode is the record's value.
func (c *Command) encode() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	j := commandJSON{V: controlVersion, Command: c.Kind, Topic: c.Topic, Number: c.Number, Partition: c.Partition,
		Recipient: c.Recipient, From: c.From, By: c.By}
	if c.Key != nil {
		j.Key = c.Key.String()
	}
	return json.Marshal(j)
}

// parseCommand reads a record's value. What it does not know it refuses: a
// field overlooked could widen a command from one key to all.
func parseCommand(b []byte) (Command, error) {
	var j commandJSON
	if len(b) > maxControl || strictJSON(b, &j) != nil || j.V != controlVersion {
		return Command{}, errCommand
	}
	c := Command{Kind: j.Command, Topic: j.Topic, Number: j.Number, Partition: j.Partition,
		Recipient: j.Recipient, From: j.From, By: j.By}
	if j.Key != "" {
		k, err := ParseKeyHash(j.Key)
		if err != nil {
			return Command{}, errCommand
		}
		c.Key = &k
	}
	return c, c.check()
}

// SendControl writes a command and waits until all in-sync replicas have it.
// cl may be any client that is not transactional.
func SendControl(ctx context.Context, cl *kgo.Client, name string, c Command) error {
	value, err := c.encode()
	if err != nil {
		return err
	}
	rec := &kgo.Record{Topic: InternalNames(name).Control, Value: value}
	if err := cl.ProduceSync(ctx, rec).FirstErr(); err != nil {
		return fmt.Errorf("writing to %s: %w", rec.Topic, err)
	}
	return nil
}

// controlReader reads new commands. It belongs to one goroutine.
type controlReader struct {
	r     *committedReader
	clock int64
	// refused counts records that are no commands; they are skipped.
	refused int
}

func newControlReader(cl *kgo.Client, name string) *controlReader {
	return &controlReader{r: newCommittedReader(cl, InternalNames(name).Control)}
}

// poll answers the commands written since the last poll, clocks left out, and
// does not wait for more. The first poll answers all there are.
func (c *controlReader) poll(ctx context.Context) ([]Command, error) {
	var out []Command
	err := c.r.read(ctx, func(rec *kgo.Record) error {
		c.observe(rec)
		cmd, err := parseCommand(rec.Value)
		switch {
		case err != nil:
			c.refused++
		case cmd.Kind != CommandClock:
			cmd.Offset = rec.Offset
			out = append(out, cmd)
		}
		return nil
	})
	return out, err
}

// observe reads the clock. A timestamp of the sender's is nobody's word.
func (c *controlReader) observe(rec *kgo.Record) {
	if rec.Attrs.TimestampType() == 1 {
		c.clock = max(c.clock, rec.Timestamp.UnixMilli())
	}
}

// brokerMillis is the latest broker time seen (LogAppendTime), 0 when none.
func (c *controlReader) brokerMillis() int64 { return c.clock }
