package stream

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/keys"
	"weir/schemas"
	"weir/transforms"
)

// TopicRecord is what a topic number stands for.
type TopicRecord struct {
	ID   [16]byte // the topic's UUID: a topic made anew has another number
	Name string
}

// KeyHash is a record key as parking and the state topic know it: the first 16
// bytes of the quarantine record's Kafka key.
type KeyHash [16]byte

// ParkedKey is a key whose records wait in quarantine for one recipient.
type ParkedKey struct {
	Recipient string
	Topic     uint32 // number
	Partition int32
	Key       KeyHash
}

// InputPartition is one input partition, by topic number.
type InputPartition struct {
	Topic     uint32
	Partition int32
}

// StartMarker says that the group has started, and where (contract 27).
type StartMarker struct {
	Mode    string             // earliest, latest or time
	Offsets map[uint32][]int64 // by topic number and partition; topics not in it begin at their beginning
}

// State is the state topic, read.
type State struct {
	Epochs     map[uint64][32]byte // epoch → policy hash
	Topics     map[uint32]TopicRecord
	Partitions map[uint32]int32         // topic number → partitions at the last look
	Start      *StartMarker             // nil: the group never started
	Parked     map[ParkedKey]int64      // → original offset that parked it
	Released   map[ParkedKey]int64      // → first original offset not yet released or dropped
	Control    map[InputPartition]int64 // → next control offset to execute
}

// TopicNumber finds a topic's number by its UUID.
func (s *State) TopicNumber(id [16]byte) (uint32, bool) { return 0, false }

// ReadState reads the state topic to the high watermark of now, committed
// records only.
func ReadState(ctx context.Context, cl *kgo.Client, name string) (*State, error) { return nil, nil }

// PartitionsRecord is the state record of a topic's partition count.
func PartitionsRecord(name string, topic uint32, partitions int32) *kgo.Record { return nil }

// EpochError refuses a policy epoch (contract 2).
type EpochError struct {
	Epoch uint64 // what was asked for
	Next  uint64 // the number to use
	Same  bool   // the epoch is known with another hash
}

// Error names the number to use.
func (e *EpochError) Error() string { return "" }

// Claim runs decide under the transactional id weir.<name>.claim and writes the
// records it answers in one transaction. opts are the connection's.
func Claim(ctx context.Context, opts []kgo.Opt, name string, decide func(*State) ([]*kgo.Record, error)) (*State, error) {
	return nil, nil
}

// ClaimEpoch claims a policy epoch, or refuses it with *EpochError.
func ClaimEpoch(ctx context.Context, opts []kgo.Opt, name string, epoch uint64, hash [32]byte) (*State, error) {
	return nil, nil
}

// ClaimTopics gives every topic a number, new ones the next free.
func ClaimTopics(ctx context.Context, opts []kgo.Opt, name string, topics []TopicRecord) (*State, error) {
	return nil, nil
}

// ClaimStart writes the start marker unless there is one; the marker that holds
// is State.Start.
func ClaimStart(ctx context.Context, opts []kgo.Opt, name string, m StartMarker) (*State, error) {
	return nil, nil
}

// keyHasher makes a record key's HMAC. It belongs to one goroutine.
type keyHasher struct{}

func newKeyHasher(ring *keys.Ring, keyspace, profile string) (*keyHasher, error) { return nil, nil }

// sum is the quarantine record's Kafka key: HMAC of plan.KeyText's text, or of
// the raw key's bytes when it cannot be decoded.
func (k *keyHasher) sum(text []byte) [32]byte { return [32]byte{} }

// Notice is what a quarantine record says in clear.
type Notice struct {
	Topic       string // input topic
	TopicNumber uint32
	Partition   int32
	Offset      int64
	Code        schemas.Code
	Path        string // printable
	Recipients  []string
	Epoch       uint64
}

// notices groups the quarantined copies of a record by code and path.
func notices(at Notice, recipients []string, copies []transforms.Copy) []Notice { return nil }

// quarantineSealer seals and opens quarantine records. It belongs to one goroutine.
type quarantineSealer struct{}

// newQuarantineSealer: slot names the instance (weir.<name>.<slot>.<n>) for Connect's connector.name and task.id.
func newQuarantineSealer(ring *keys.Ring, name, keyspace, profile string, task string) (*quarantineSealer, error) {
	return nil, nil
}

// seal makes the quarantine record of rec; key is keyHasher.sum's.
func (q *quarantineSealer) seal(key [32]byte, n Notice, rec *kgo.Record) (*kgo.Record, error) {
	return nil, nil
}

// open is seal's inverse: the original record, at its original coordinates.
func (q *quarantineSealer) open(rec *kgo.Record) (Notice, *kgo.Record, error) {
	return Notice{}, nil, nil
}

// parking is the parked keys of the partitions that one worker owns. It belongs
// to that worker's goroutine.
type parking struct{}

func newParking(name string) *parking { return nil }

// load takes a partition's parked keys from a state that was read after the
// partition's committed offset was (contract 29).
func (p *parking) load(st *State, at InputPartition) {}

// drop forgets a partition that was revoked or lost (R7).
func (p *parking) drop(at InputPartition) {}

// any reports whether any key of the partition is parked: without one no key needs hashing.
func (p *parking) any(at InputPartition) bool { return false }

func (p *parking) parked(k ParkedKey) bool { return false }

// park parks k from its record at offset on; the state record goes into the
// transaction (nil: it was parked already).
func (p *parking) park(k ParkedKey, offset int64) *kgo.Record { return nil }

// unpark is park's inverse: a tombstone, nil when k is not parked.
func (p *parking) unpark(k ParkedKey) *kgo.Record { return nil }

// commit and rollback end the transaction.
func (p *parking) commit()   {}
func (p *parking) rollback() {}

// CommandKind is what a control record asks for.
type CommandKind string

// The commands.
const (
	CommandRelease    CommandKind = "release"
	CommandDrop       CommandKind = "drop"
	CommandAcceptLoss CommandKind = "accept_loss"
	CommandClock      CommandKind = "clock" // only its broker timestamp counts
)

// Command is one record of the control topic.
type Command struct {
	Kind      CommandKind
	Recipient string // release, drop: "" for all
	Topic     string
	Number    uint32
	Partition int32
	Key       *KeyHash // nil: all keys
	From      int64    // accept_loss: where to go on
	By        string   // who asked, by the operating system
	Offset    int64    // in the control topic, when read
}

// SendControl writes a command, acknowledged by all replicas.
func SendControl(ctx context.Context, cl *kgo.Client, name string, c Command) error { return nil }

// controlReader reads new commands; it belongs to one goroutine.
type controlReader struct{}

func newControlReader(cl *kgo.Client, name string) *controlReader { return nil }

// poll answers the commands committed since the last poll, and never waits for more.
func (c *controlReader) poll(ctx context.Context) ([]Command, error) { return nil, nil }

// brokerMillis is the latest broker time seen (LogAppendTime), 0 when none.
func (c *controlReader) brokerMillis() int64 { return 0 }

// QuarantineEntry is one quarantined record as the commands show it.
type QuarantineEntry struct {
	Notice
	Key     KeyHash
	Waiting []string // recipients for which it was neither released nor dropped
	Parked  []string // recipients for which its key is parked
}

// ListQuarantine calls fn for every record of the quarantine topic.
func ListQuarantine(ctx context.Context, cl *kgo.Client, name string, fn func(QuarantineEntry) error) error {
	return nil
}

// releaser executes release and drop for the owner of a partition.
type releaser struct{}

func newReleaser(cl *kgo.Client, name string, sealer *quarantineSealer, park *parking) *releaser {
	return nil
}
