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
	// Header is the schema of the key-change headers' payloads, nil when the
	// source does not say how they are written: then Event.NewKey and OldKey are
	// not read and the copies have none (contract 14).
	Header *schemas.Schema
	// OpaqueKey: the source's keys are bytes without a schema, so lint asks for a
	// decision on <dataset>.$key. At run time a key without a schema is enough.
	OpaqueKey bool
	Kinds     map[string]Factory // transforms/all.Kinds
	Ring      *keys.Ring         // nil: lint without keys, the plan cannot run
}

// Codes of fates and of undecided leaves, beside those of schemas.
const (
	CodeUntil          schemas.Code = "until"             // filtered: after the recipient's last day
	CodeRows           schemas.Code = "rows"              // filtered: outside the recipient's rows
	CodeLogicalMessage schemas.Code = "logical_message"   // filtered: op m
	CodeSchemaChange   schemas.Code = "schema_change"     // filtered: a schema-change topic
	CodeUndecided      schemas.Code = "undecided"         // a leaf that no rule covers
	CodeTie            schemas.Code = "tie"               // two rules of one length cover a leaf
	CodeKeyUnsafe      schemas.Code = "key_unsafe"        // a key field that would merge or lose rows
	CodeKeyDisagrees   schemas.Code = "key_disagrees"     // key and body would be decided differently
	CodeRefused        schemas.Code = "treatment_refused" // a treatment that cannot do this leaf
	CodeTransform      schemas.Code = "transform_failed"  // a treatment failed without a code
	CodeNoOp           schemas.Code = "no_op"             // a change event without op
	CodeBadOp          schemas.Code = "bad_op"            // an op that no written rule covers
	CodeBadImage       schemas.Code = "bad_image"         // images that do not fit the op
	CodeRowsError      schemas.Code = "rows_error"        // the rows expression failed
	CodeDuplicate      schemas.Code = "duplicate_name"    // a name twice where one value decides
	CodeNoSchema       schemas.Code = "no_schema"         // a value without a schema
	CodeTooManyNames   schemas.Code = "too_many_names"    // more undeclared names than MaxLearned
	CodeOpaqueKey      schemas.Code = "opaque_key"        // an opaque key that no rule covers
	CodeNoKeys         schemas.Code = "no_keys"           // compiled without a ring: cannot run
)

// MaxLearned bounds the undeclared JSON names that one plan learns.
const MaxLearned = 2_000

// Fate is what became of a record for one recipient (contract 11).
type Fate uint8

// The fates.
const (
	Published Fate = iota
	Filtered
	Quarantined
)

// String is the fate's name.
func (f Fate) String() string {
	switch f {
	case Published:
		return "published"
	case Filtered:
		return "filtered"
	}
	return "quarantined"
}

// Out is one output record of one recipient. Key and Value stand in Scratch's
// arena and stay valid until the next Protect.
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
	// NewKey and OldKey are the treated payloads of the key-change headers, with
	// Prefix.Header before them; nil when the event has none. They belong to
	// Outs[0].
	NewKey, OldKey []byte
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
type Prefix struct{ Key, Value, Header []byte }

// PolicyError is a policy that can never run, and where.
type PolicyError struct {
	Code schemas.Code
	Pos  Pos
	Msg  string // for people who write policies; no record's contents
}

// Error prints the place, the code and the message.
func (e *PolicyError) Error() string {
	if e.Pos.Line == 0 {
		return string(e.Code) + ": " + e.Msg
	}
	return e.Pos.String() + ": " + string(e.Code) + ": " + e.Msg
}

// Undecided is one leaf that one recipient's copy cannot have: its records are
// quarantined for that recipient under Code, and lint refuses it.
type Undecided struct {
	Recipient string
	Field     string // full name, printable
	Side      string // "key", "value" or "header"
	Code      schemas.Code
	Why       string
	Pos       Pos // the rule at fault, zero when none is
	// Soft: only records that have the field are affected (JSON whose fields the
	// policy declares); lint passes it by.
	Soft bool
}

// Row is one line of the matrix field × recipient.
type Row struct {
	Field     string `json:"field"`
	Kind      string `json:"kind"`
	In        string `json:"in"` // "key", "before", "after", "value", "envelope", joined by "+"
	Class     string `json:"class,omitempty"`
	Grade     int    `json:"grade,omitempty"`
	ClassFrom string `json:"class_from,omitempty"`
	Recipient string `json:"recipient"`
	Treatment string `json:"treatment"`         // pass, drop, null, a treatment's name, or a code of Undecided
	Describe  string `json:"options,omitempty"` // options and key domain
	Domain    string `json:"domain,omitempty"`  // linkage scope of a keyed treatment
	Why       string `json:"why"`               // the rule that decided
}
