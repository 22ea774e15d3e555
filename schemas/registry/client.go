// Package registry finds schemas by id at a Confluent-compatible schema
// registry and registers derived ones. Answers are cached copy-on-write: a hit
// takes no lock.
//
//	c, err := registry.New(registry.Config{URL: url, Compile: compile})
//	id, payload, err := registry.DecodeID(record.Value)
//	s, err := c.Schema(ctx, id, schemas.FormatAvro)
//
// Two kinds of failure: an error that wraps [ErrUnavailable] says nothing about
// the record (pause and ask again); a [*schemas.Error] says that no asking will
// help (quarantine). What a registry answers is outside input: sizes, times and
// redirects are bounded, and no text of it enters an error.
package registry

import (
	"crypto/tls"
	"errors"
	"time"

	"weir/schemas"
)

// ErrUnavailable: the registry gave no answer that can be relied on. It is
// down, slow, refuses us, or answers what cannot be. Nothing is known about the
// schema: whoever needs it waits.
var ErrUnavailable = errors.New("schema registry unavailable")

// ErrChanged: an id stands for another text than before. Ids are immutable, so
// this is another registry or a broken one. It also is an [ErrUnavailable].
var ErrChanged = errors.New("schema id changed its text")

// Compile makes a schema of its registered text. refs are the texts of all
// schemas it references, however deep, by the name it references them with.
// Its error is a *schemas.Error.
type Compile func(format schemas.Format, text string, refs map[string]string) (*schemas.Schema, error)

// Config is a connection to a schema registry.
type Config struct {
	URL      string      // http or https; its path is kept as a prefix
	User     string      // basic auth, "" for none
	Password string      // of User
	Token    string      // bearer, "" for none; not together with User
	TLS      *tls.Config // nil: the system's roots
	// Compile is the codecs' entry, given by the caller because siblings do not
	// import each other. Required for Schema and GUID.
	Compile Compile
	// Timeout bounds one look-up with all its references; 0: 5 s.
	Timeout time.Duration
}

// Reference names a registered schema that a schema's text refers to.
type Reference struct {
	Name    string // as the text refers to it
	Subject string
	Version int
}
