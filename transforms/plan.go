package transforms

import (
	"weir/keys"
	"weir/schemas"
)

// Input is what Compile needs. Key and Value may be nil: a topic whose keys
// are opaque has no key schema, a tombstone has no value.
type Input struct {
	Policy  *Policy
	Dataset Dataset
	Key     *schemas.Schema
	Value   *schemas.Schema
	Kinds   map[string]Factory // transforms/all.Kinds
	Ring    *keys.Ring         // nil: lint without keys, the plan cannot run
}

// Fate is what became of a record for one recipient (contract 11).
type Fate uint8

// The fates.
const (
	Published Fate = iota
	Filtered
	Quarantined
)

// Out is one output record of one recipient. Key and Value are appended to
// Scratch's arena and stay valid until the next Protect.
type Out struct {
	Key, Value         []byte
	NullKey, NullValue bool
}

// Copy is one recipient's copy of a record.
type Copy struct {
	Fate Fate
	Code schemas.Code // why it was filtered or quarantined
	Path string       // printable place of a quarantine
	Outs []Out        // none unless Published; an update that leaves `rows` has two
}

// Event is one input record, framing removed.
type Event struct {
	Key, Value         []byte
	NullKey, NullValue bool
	TimestampMillis    int64
	// NewKey and OldKey are the key-change headers' payloads, nil when absent.
	NewKey, OldKey []byte
}

// Prefix is the framing that goes before one recipient's outputs.
type Prefix struct{ Key, Value []byte }
