package stream

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/schemas"
)

// The records of the state topic `_weir.<name>.state` (one partition,
// compacted). Keys and values are text, so that kcat shows them; a null value
// takes the fact back.
//
//	key                                         value                             says
//	v1/epoch/<n>                                {"hash":"<64 hex>"}               policy epoch n is this policy (contract 2)
//	v1/topic/<number>                           {"id":"<32 hex>","name":"<topic>"} what a topic number stands for (contract 17)
//	v1/start                                    {"mode":"…","offsets":{"<number>":[…]}} the group has started there (contract 27)
//	v1/parked/<number>/<partition>/<key>/<recipient>   {"from":<offset>,"code":"…"} the key waits, since that input offset (contract 29)
//	v1/released/<number>/<partition>/<key>/<recipient> {"next":<offset>}          its quarantined records before that offset are done with
//	v1/control/<number>/<partition>             {"next":<control offset>}         commands before that one are executed
//	v1/loss/<number>/<partition>/<control offset> {"from":<offset>,"to":<offset>,"by":"…"} a loss that somebody accepted (contract 27)
//	v1/x-…                                      anything                          may be ignored by who does not know it
//
// <number> is a topic number, <key> 32 hex digits of the key's HMAC. A kind that
// is not listed is refused: it may be a fact that must not be overlooked.
const stateVersion = "v1"

// TopicRecord is what a topic number stands for.
type TopicRecord struct {
	ID   [16]byte // the topic's UUID: a topic made anew has another number
	Name string
}

// KeyHash is a record key as parking and the state topic know it: the first 16
// bytes of the quarantine record's Kafka key.
type KeyHash [16]byte

// String is the hash in hex, as the commands take and print it.
func (k KeyHash) String() string { return hex.EncodeToString(k[:]) }

// ParseKeyHash reads what String prints.
func ParseKeyHash(s string) (KeyHash, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(KeyHash{}) {
		return KeyHash{}, errors.New("a key is named by the 32 hex digits that `quarantine list` prints")
	}
	return KeyHash(b), nil
}

// ParkedKey is a key whose records wait in quarantine for one recipient.
type ParkedKey struct {
	Recipient string
	Topic     uint32 // number
	Partition int32
	Key       KeyHash
}

// ParkCause is why a key waits: the input offset and the code of the record
// that parked it.
type ParkCause struct {
	From int64
	Code schemas.Code
}

// InputPartition is one input partition, by topic number.
type InputPartition struct {
	Topic     uint32
	Partition int32
}

// StartMarker says that the group has started, and where (contract 27).
type StartMarker struct {
	Mode string `json:"mode"` // earliest, latest or time
	// Offsets by topic number and partition; what is not in it begins at its
	// beginning.
	Offsets map[uint32][]int64 `json:"offsets"`
}

// Loss is a gap in an input partition that somebody accepted.
type Loss struct {
	At   InputPartition
	From int64  // the first offset lost
	To   int64  // where it goes on
	By   string // who accepted it
}

// State is the state topic, read. It belongs to whoever read it.
type State struct {
	Epochs   map[uint64][32]byte // epoch → policy hash
	Topics   map[uint32]TopicRecord
	Start    *StartMarker // nil: the group never started
	Parked   map[ParkedKey]ParkCause
	Released map[ParkedKey]int64      // → first input offset neither released nor dropped
	Control  map[InputPartition]int64 // → next control offset to execute
	Losses   map[string]Loss          // by state key

	numbers map[[16]byte]uint32 // Topics, inverted
}

func newState() *State {
	return &State{
		Epochs: map[uint64][32]byte{}, Topics: map[uint32]TopicRecord{},
		Parked: map[ParkedKey]ParkCause{}, Released: map[ParkedKey]int64{}, Control: map[InputPartition]int64{},
		Losses: map[string]Loss{}, numbers: map[[16]byte]uint32{},
	}
}

// TopicNumber finds a topic's number by its UUID.
func (s *State) TopicNumber(id [16]byte) (uint32, bool) {
	n, ok := s.numbers[id]
	return n, ok
}

// hasName reports whether a topic of this name was ever numbered.
func (s *State) hasName(topic string) bool {
	for _, t := range s.Topics {
		if t.Name == topic {
			return true
		}
	}
	return false
}

// errState is a record of the state topic that this version cannot read: going
// on without it could publish what it forbids.
var errState = errors.New("the state topic holds a record that this version of Weir does not know")

// stateValue is every value's fields; each kind uses its own.
type stateValue struct {
	Hash    string             `json:"hash,omitempty"`
	ID      string             `json:"id,omitempty"`
	Name    string             `json:"name,omitempty"`
	Mode    string             `json:"mode,omitempty"`
	Offsets map[uint32][]int64 `json:"offsets,omitempty"`
	From    int64              `json:"from,omitempty"`
	To      int64              `json:"to,omitempty"`
	Next    int64              `json:"next,omitempty"`
	By      string             `json:"by,omitempty"`
	Code    schemas.Code       `json:"code,omitempty"`
}

// apply takes one record over. Its errors name the record's place, not its
// content.
func (s *State) apply(rec *kgo.Record) error {
	kind, rest, ok := splitStateKey(string(rec.Key))
	var v stateValue
	if ok && rec.Value != nil {
		ok = json.Unmarshal(rec.Value, &v) == nil
	}
	if !ok || !s.set(kind, rest, string(rec.Key), &v, rec.Value == nil) {
		return fmt.Errorf("%w (offset %d)", errState, rec.Offset)
	}
	return nil
}

func splitStateKey(key string) (kind, rest string, ok bool) {
	version, key, _ := strings.Cut(key, "/")
	kind, rest, _ = strings.Cut(key, "/")
	return kind, rest, version == stateVersion
}

func (s *State) set(kind, rest, key string, v *stateValue, gone bool) bool {
	switch kind {
	case "epoch":
		return s.setEpoch(rest, v, gone)
	case "topic":
		return s.setTopic(rest, v, gone)
	case "start":
		s.Start = nil
		if !gone {
			s.Start = &StartMarker{Mode: v.Mode, Offsets: v.Offsets}
		}
		return true
	case "parked":
		k, ok := parseParked(rest)
		return ok && put(s.Parked, k, ParkCause{From: v.From, Code: v.Code}, gone)
	case "released":
		k, ok := parseParked(rest)
		return ok && put(s.Released, k, v.Next, gone)
	case "control":
		at, more, ok := parseInput(rest)
		return ok && more == "" && put(s.Control, at, v.Next, gone)
	case "loss":
		at, _, ok := parseInput(rest)
		return ok && put(s.Losses, key, Loss{At: at, From: v.From, To: v.To, By: v.By}, gone)
	}
	return strings.HasPrefix(kind, "x-")
}

func put[K comparable, V any](m map[K]V, k K, v V, gone bool) bool {
	if gone {
		delete(m, k)
	} else {
		m[k] = v
	}
	return true
}

func (s *State) setEpoch(rest string, v *stateValue, gone bool) bool {
	n, err := strconv.ParseUint(rest, 10, 64)
	hash, herr := hex.DecodeString(v.Hash)
	if err != nil || (!gone && (herr != nil || len(hash) != 32)) {
		return false
	}
	if gone {
		delete(s.Epochs, n)
		return true
	}
	s.Epochs[n] = [32]byte(hash)
	return true
}

func (s *State) setTopic(rest string, v *stateValue, gone bool) bool {
	n, ok := parseNumber(rest)
	id, err := hex.DecodeString(v.ID)
	if !ok || (!gone && (err != nil || len(id) != 16)) {
		return false
	}
	if old, had := s.Topics[n]; had {
		delete(s.numbers, old.ID)
		delete(s.Topics, n)
	}
	if !gone {
		s.Topics[n] = TopicRecord{ID: [16]byte(id), Name: v.Name}
		s.numbers[[16]byte(id)] = n
	}
	return true
}

func parseNumber(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 24)
	return uint32(n), err == nil
}

// parseInput reads <number>/<partition>[/more].
func parseInput(s string) (at InputPartition, more string, ok bool) {
	number, rest, _ := strings.Cut(s, "/")
	partition, more, _ := strings.Cut(rest, "/")
	n, ok := parseNumber(number)
	p, err := strconv.ParseUint(partition, 10, 31)
	return InputPartition{n, int32(p)}, more, ok && err == nil
}

// parseParked reads <number>/<partition>/<key>/<recipient>.
func parseParked(s string) (ParkedKey, bool) {
	at, rest, ok := parseInput(s)
	hash, recipient, _ := strings.Cut(rest, "/")
	key, err := ParseKeyHash(hash)
	return ParkedKey{Recipient: recipient, Topic: at.Topic, Partition: at.Partition, Key: key}, ok && err == nil && recipient != ""
}

// stateRecord makes a record of the state topic; v nil is a tombstone.
func stateRecord(name, key string, v *stateValue) *kgo.Record {
	rec := &kgo.Record{Topic: InternalNames(name).State, Key: []byte(stateVersion + "/" + key)}
	if v != nil {
		// The struct holds nothing that json cannot write.
		rec.Value, _ = json.Marshal(v)
	}
	return rec
}

func epochRecord(name string, epoch uint64, hash [32]byte) *kgo.Record {
	return stateRecord(name, "epoch/"+strconv.FormatUint(epoch, 10), &stateValue{Hash: hex.EncodeToString(hash[:])})
}

func topicRecord(name string, number uint32, t TopicRecord) *kgo.Record {
	return stateRecord(name, fmt.Sprintf("topic/%d", number), &stateValue{ID: hex.EncodeToString(t.ID[:]), Name: t.Name})
}

func startRecord(name string, m StartMarker) *kgo.Record {
	return stateRecord(name, "start", &stateValue{Mode: m.Mode, Offsets: m.Offsets})
}

// ControlRecord notes that the commands for a partition before control offset
// next are executed. It goes into the transaction that executed them.
func ControlRecord(name string, at InputPartition, next int64) *kgo.Record {
	return stateRecord(name, fmt.Sprintf("control/%d/%d", at.Topic, at.Partition), &stateValue{Next: next})
}

// LossRecord is the trace of an accepted loss, asked for by the command at
// control offset command.
func LossRecord(name string, l Loss, command int64) *kgo.Record {
	return stateRecord(name, fmt.Sprintf("loss/%d/%d/%d", l.At.Topic, l.At.Partition, command), &stateValue{From: l.From, To: l.To, By: l.By})
}

func parkedRecord(name string, k ParkedKey, c ParkCause) *kgo.Record {
	return stateRecord(name, "parked/"+k.path(), &stateValue{From: c.From, Code: c.Code})
}

func unparkedRecord(name string, k ParkedKey) *kgo.Record {
	return stateRecord(name, "parked/"+k.path(), nil)
}

func releasedRecord(name string, k ParkedKey, next int64) *kgo.Record {
	return stateRecord(name, "released/"+k.path(), &stateValue{Next: next})
}

// path ends with the recipient, the only part that may hold a slash.
func (k ParkedKey) path() string {
	return fmt.Sprintf("%d/%d/%s/%s", k.Topic, k.Partition, k.Key, k.Recipient)
}
