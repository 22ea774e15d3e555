package transforms

import (
	"fmt"
	"time"

	"weir/schemas"
)

// Pos is a place in the policy file, for messages.
type Pos struct {
	File      string
	Line, Col int
}

// String is file:line:column.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Policy is the decided part of a policy file, checked by cmd/internal/config.
// It is immutable.
type Policy struct {
	Name     string
	Keyspace string // contract 33; defaults to Name
	Epoch    uint64
	Hash     [32]byte // SHA-256 of the canonical policy
	Taxonomy *schemas.Taxonomy
	Catalog  []CatalogRule
	// Recipients in the file's order; a recipient's index is its output index.
	Recipients []Recipient
	Profile    string // "", "fips" or "gm"
}

// CatalogRule gives a class to the fields whose full name matches.
type CatalogRule struct {
	Match string // full name or anchored glob: schema.table.column[.deeper]
	Class string
	Pos   Pos
}

// Recipient is one copy's rules.
type Recipient struct {
	Name    string
	Topic   string // pattern, e.g. "clean.analytics.{schema}.{table}"
	Purpose string
	Until   time.Time // last day, inclusive, midnight UTC; zero: no end
	Rows    string    // CEL, "" for all rows
	Grade   int       // classes up to this grade pass; 0: none by grade
	Unknown UnknownRule
	Treat   []Rule
	Share   map[string]string // domain → group (contract 19)
	Pos     Pos
}

// UnknownRule is what happens to fields without a class.
type UnknownRule uint8

// The rules for fields without a class.
const (
	QuarantineUnknown UnknownRule = iota // the default
	DropUnknown
)

// Rule is one line of a recipient's treat map.
type Rule struct {
	Match     string // "field:<glob>", "tag:<name>", a class or class glob, or "*"
	Treatment string // a name of transforms/all
	Args      Args
	Pos       Pos
}

// Envelope is how change events are wrapped.
type Envelope uint8

// The envelopes (contract 3).
const (
	EnvelopeNone Envelope = iota
	EnvelopeFlat
	EnvelopeDebezium
)

// Events is what kind of topic a source names; all but rows are handled by the
// written rules of transforms/README.md.
type Events uint8

// The kinds of source topics.
const (
	EventsRows Events = iota
	EventsTransaction
	EventsHeartbeat
	EventsSchemaChange
)

// Dataset is what a plan must know of the source a topic belongs to.
type Dataset struct {
	Topic    string
	Name     string // "schema.table": the prefix of full field names
	Envelope Envelope
	Events   Events
	// BeforeFull: the before image is a whole row (contract 6).
	BeforeFull bool
	// Placeholder is Debezium's unavailable-value text, passed unchanged.
	Placeholder string
}
