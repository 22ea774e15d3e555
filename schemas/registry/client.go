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
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"weir/schemas"
)

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

const (
	defaultTimeout = 5 * time.Second
	maxReferences  = 256     // schemas that one schema may pull in
	maxPins        = 1 << 20 // ids whose text is remembered
	maxCached      = 10_000  // compiled schemas
)

// Client is a registry client, safe for any number of goroutines.
type Client struct {
	// Immutable after New.
	sr      *sr.Client
	http    *http.Client
	compile Compile
	timeout time.Duration

	cache atomic.Pointer[map[ident]*schemas.Schema] // replaced under mu, never written

	mu       sync.Mutex
	inflight map[ident]*call         // guarded by mu
	refused  map[ident]refusal       // guarded by mu: the negative cache
	pins     map[ident][32]byte      // guarded by mu: SHA-256 of each id's text
	known    map[registration]answer // guarded by mu: what Register and Lookup found
}

// New checks c; it does not connect.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return nil, errors.New("registry.url must be an http or https address without user and password")
	}
	if c.User != "" && c.Token != "" {
		return nil, errors.New("registry: give a user or a token, not both")
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	hc := newHTTP(c.TLS, c.Timeout)
	opts := []sr.ClientOpt{sr.URLs(c.URL), sr.HTTPClient(hc), sr.UserAgent("weir"), sr.LogLevel(sr.LogLevelNone)}
	if c.User != "" {
		opts = append(opts, sr.BasicAuth(c.User, c.Password))
	}
	if c.Token != "" {
		opts = append(opts, sr.BearerToken(c.Token))
	}
	cl, err := sr.NewClient(opts...)
	if err != nil {
		return nil, errors.New("registry: the client refuses its configuration")
	}
	out := &Client{
		sr: cl, http: hc, compile: c.Compile, timeout: c.Timeout,
		inflight: map[ident]*call{}, refused: map[ident]refusal{},
		pins: map[ident][32]byte{}, known: map[registration]answer{},
	}
	out.cache.Store(&map[ident]*schemas.Schema{})
	return out, nil
}

// Close drops idle connections. The client can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Schema is the schema with a registry id, compiled. The same *schemas.Schema
// is answered for as long as it stays cached.
//
// Errors: *schemas.Error with CodeSchemaID (the registry says that there is no
// such id) or what Compile answers; or one that wraps ErrUnavailable.
func (c *Client) Schema(ctx context.Context, id int, format schemas.Format) (*schemas.Schema, error) {
	return c.get(ctx, ident{id: id, format: format})
}

// GUID is Schema by a schema's global id (contract 13), with the same errors.
// Its Schema.ID is 0. A registry without global ids gives CodeUnsupported.
func (c *Client) GUID(ctx context.Context, guid [16]byte, format schemas.Format) (*schemas.Schema, error) {
	return c.get(ctx, ident{guid: guid, isGUID: true, format: format})
}

// Verify fetches an id anew and compares it with what was cached: ErrChanged
// when the registry now answers another text.
func (c *Client) Verify(ctx context.Context, id int, format schemas.Format) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	_, err := c.fetch(ctx, ident{id: id, format: format})
	return err
}

// Ping asks for the registry's supported types: nil when it answers us.
func (c *Client) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if _, err := c.sr.SupportedTypes(ctx); err != nil {
		// Older registries lack the path; that they say so is an answer.
		if r := responseError(err); r == nil || r.StatusCode != http.StatusNotFound {
			return unavailable("asking for schema types", err)
		}
	}
	return nil
}

// text is one registered schema with everything it refers to.
type text struct {
	schema sr.Schema
	refs   map[string]string // reference name → text
	order  []string          // texts of refs, each after what it refers to itself
}

// fetch reads a schema and its references, and holds it against the text that
// its id stood for before.
func (c *Client) fetch(ctx context.Context, k ident) (*text, error) {
	s, err := c.fetchOne(ctx, k)
	if err != nil {
		return nil, err
	}
	if typeOf(k.format) != s.Type {
		return nil, schemas.Fail(schemas.CodeSchema, "")
	}
	t := &text{schema: s, refs: map[string]string{}}
	if err := c.resolve(ctx, s.References, t, map[Reference]bool{}); err != nil {
		return nil, err
	}
	if err := c.pin(k, t); err != nil {
		return nil, err
	}
	return t, nil
}

func (c *Client) fetchOne(ctx context.Context, k ident) (sr.Schema, error) {
	if !k.isGUID {
		s, err := c.sr.SchemaByID(ctx, k.id)
		return s, lookupError("looking up a schema id", err)
	}
	h := hex.EncodeToString(k.guid[:])
	s, err := c.sr.SchemaByGUID(ctx, h[:8]+"-"+h[8:12]+"-"+h[12:16]+"-"+h[16:20]+"-"+h[20:])
	if r := responseError(err); r != nil && r.StatusCode == http.StatusNotFound && r.ErrorCode != codeSchemaNotFound {
		return sr.Schema{}, schemas.Fail(schemas.CodeUnsupported, "")
	}
	return s.Schema, lookupError("looking up a schema GUID", err)
}

// resolve collects what refs name, depth first: a referenced text comes before
// the one that needs it.
func (c *Client) resolve(ctx context.Context, refs []sr.SchemaReference, t *text, seen map[Reference]bool) error {
	for _, r := range refs {
		id := Reference{Subject: r.Subject, Version: r.Version}
		if seen[id] { // a diamond or a cycle: its text is there, or on its way
			if have, ok := t.refs[r.Name]; !ok || have == "" {
				s, err := c.sr.SchemaByVersion(ctx, r.Subject, r.Version)
				if err != nil {
					return unavailable("looking up a schema reference", err)
				}
				t.refs[r.Name] = s.Schema.Schema
			}
			continue
		}
		if seen[id] = true; len(seen) > maxReferences {
			return schemas.Fail(schemas.CodeTooLarge, "")
		}
		// A missing reference is the registry's contradiction, not the record's.
		s, err := c.sr.SchemaByVersion(ctx, r.Subject, r.Version)
		if err != nil {
			return unavailable("looking up a schema reference", err)
		}
		if err := c.resolve(ctx, s.References, t, seen); err != nil {
			return err
		}
		t.refs[r.Name] = s.Schema.Schema
		t.order = append(t.order, s.Schema.Schema)
	}
	return nil
}

// pin remembers the hash of an id's text, or refuses another one: ids are
// immutable, and records already written were read by the first.
func (c *Client) pin(k ident, t *text) error {
	h := sha256.New()
	for _, s := range append([]string{t.schema.Schema}, t.order...) {
		_, _ = fmt.Fprintf(h, "%d:%s", len(s), s) // a hash does not fail
	}
	sum := [32]byte(h.Sum(nil))
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.pins[k]
	if ok && old != sum {
		return fmt.Errorf("%w: %w", ErrUnavailable, ErrChanged)
	}
	if !ok && len(c.pins) < maxPins {
		c.pins[k] = sum
	}
	return nil
}

func typeOf(f schemas.Format) sr.SchemaType {
	if f == schemas.FormatJSON {
		return sr.TypeJSON
	}
	return sr.TypeAvro
}
