// Package stream runs Weir: workers that consume raw topics and publish every
// recipient's copy, with quarantine, lineage, state and input offsets in one
// Kafka transaction.
//
// With its children it is the only importer of kgo.
package stream

import (
	"crypto/tls"
	"log/slog"
	"time"

	"weir/keys"
	"weir/schemas/registry"
	"weir/transforms"
)

// SASL is how to authenticate at the broker; the zero value does not.
type SASL struct {
	Mechanism string // "", PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER
	User      string
	Password  string
	Token     string // of OAUTHBEARER
}

// Kafka is a connection to brokers.
type Kafka struct {
	Brokers []string
	TLS     *tls.Config // nil: plaintext
	SASL    SASL
	// AllowTV1 accepts brokers without transaction.version 2 (reliability R1).
	AllowTV1 bool
}

// Encoding is how a key or value is written (contract 3).
type Encoding uint8

// The encodings.
const (
	EncodingBytes         Encoding = iota // opaque: keys only, and only where the policy passes them
	EncodingString                        // UTF-8 text: keys only, one leaf at the root
	EncodingAvro                          // no framing; Source.*SchemaText is the schema
	EncodingJSON                          // no framing
	EncodingConfluentAvro                 // registry framing
	EncodingConfluentJSON                 // registry framing, JSON Schema
)

// OnPoison is what happens to a key's later records once one is quarantined.
type OnPoison uint8

// The choices (reliability A5).
const (
	ParkKey OnPoison = iota // the default: later records of the key wait too
	Skip                    // only the record itself
	Stop                    // the partition pauses
)

// Source is one kind of input topic (contract 3).
type Source struct {
	Topics        string // anchored glob
	Name          string // "cdc.{schema}.{table}"
	Encoding      Encoding
	KeyEncoding   Encoding
	HeaderFraming bool // schema ids in __key_schema_id/__value_schema_id
	SchemaBlock   bool // JSON with Connect's schema block
	// SchemaText and KeySchemaText are the Avro schemas of EncodingAvro.
	SchemaText    string
	KeySchemaText string
	Envelope      transforms.Envelope
	Events        transforms.Events
	BeforeFull    bool
	Placeholder   string   // Debezium's unavailable value
	Headers       []string // input headers that are copied
	// KeyChangeHeaders is how __debezium.newkey/oldkey are written: "", json or avro.
	KeyChangeHeaders string
}

// Start is where a new group begins (contract 27).
type Start struct {
	Latest bool
	Time   time.Time // zero: earliest, or latest
}

// Policy is everything that a reload may change, loaded as one.
type Policy struct {
	Transforms *transforms.Policy
	Ring       *keys.Ring
	// CanonicalYAML is what Transforms.Hash is the hash of.
	CanonicalYAML []byte
}

// Config is what Run needs; cmd/internal/config fills it with defaults.
type Config struct {
	Name     string
	Slot     int
	Workers  int // worker goroutines in this process
	Kafka    Kafka
	Registry *registry.Client // nil when no source needs one
	// RegisterSchemas: derived schemas are registered; false for registries without
	// write rights, where they must be there already.
	RegisterSchemas bool
	CreateTopics    bool // run may create recipient and internal topics
	Sources         []Source
	Policy          Policy
	Start           Start
	OnPoison        OnPoison
	Breaker         int // undecodable records of the last 1,000 that pause a partition
	MaxPoll         int // records a transaction
	// Linger is how long a poll waits to fill a transaction: 0 for latency.
	Linger    time.Duration
	AdminAddr string // "", or host:port of /livez, /readyz, /status, /metrics
	Log       *slog.Logger
	// Reload answers a new policy when the file changed, nil when not. Called at
	// batch boundaries at most once a second.
	Reload func() (*Policy, error)
}
