package registry

import (
	"context"
	"errors"
	"maps"
	"time"

	"weir/schemas"
)

// negativeTTL is how long "there is no such schema" is believed: a producer may
// have registered it a moment after we asked.
const negativeTTL = time.Second

// ident is what a schema is asked for by.
type ident struct {
	id     int
	guid   [16]byte
	isGUID bool
	format schemas.Format
}

// refusal is a poison answer and how long it holds.
type refusal struct {
	err   error
	until time.Time
}

// call is a look-up under way; its result may be read after done is closed.
type call struct {
	done   chan struct{}
	schema *schemas.Schema
	err    error
}

// get answers from the cache without a lock, else looks the schema up once for
// all who ask meanwhile.
func (c *Client) get(ctx context.Context, k ident) (*schemas.Schema, error) {
	for {
		if s := (*c.cache.Load())[k]; s != nil {
			return s, nil
		}
		cl, mine, err := c.join(k)
		if err != nil {
			return nil, err
		}
		if mine {
			c.lead(ctx, k, cl)
			return cl.schema, cl.err
		}
		select {
		case <-cl.done:
		case <-ctx.Done():
			return nil, unavailable("waiting for a schema", ctx.Err())
		}
		// The one who asked may have been told to stop; then it is our turn.
		if !errors.Is(cl.err, context.Canceled) {
			return cl.schema, cl.err
		}
	}
}

// join finds the look-up of k that is under way, or starts one that the caller
// must lead. err is a recent refusal.
func (c *Client) join(k ident) (cl *call, mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.refused[k]; ok {
		if time.Now().Before(r.until) {
			return nil, false, r.err
		}
		delete(c.refused, k)
	}
	if cl = c.inflight[k]; cl != nil {
		return cl, false, nil
	}
	cl = &call{done: make(chan struct{})}
	c.inflight[k] = cl
	return cl, true, nil
}

// lead makes the look-up and publishes its result.
func (c *Client) lead(ctx context.Context, k ident, cl *call) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	// A codec that panics on a hostile schema must not leave the others waiting.
	defer c.finish(k, cl)
	cl.err = unavailable("looking up a schema", errPanicked)
	cl.schema, cl.err = c.load(ctx, k)
}

func (c *Client) load(ctx context.Context, k ident) (*schemas.Schema, error) {
	t, err := c.fetch(ctx, k)
	if err != nil {
		return nil, err
	}
	if c.compile == nil {
		return nil, schemas.Fail(schemas.CodeUnsupported, "")
	}
	s, err := c.compile(k.format, t.schema.Schema, t.refs)
	if err != nil {
		var known *schemas.Error
		if errors.As(err, &known) {
			return nil, known
		}
		return nil, schemas.Fail(schemas.CodeSchema, "") // a foreign error may quote the schema
	}
	own := *s
	own.ID = k.id
	return &own, nil
}

func (c *Client) finish(k ident, cl *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.inflight, k)
	switch {
	case cl.schema != nil:
		c.store(k, cl.schema)
	case !errors.Is(cl.err, ErrUnavailable):
		c.refuse(k, cl.err)
	}
	close(cl.done)
}

// store replaces the cache by one with k in it. A full cache starts over: ids
// come from outside. Callers hold mu.
func (c *Client) store(k ident, s *schemas.Schema) {
	next := map[ident]*schemas.Schema{}
	if old := *c.cache.Load(); len(old) < maxCached {
		next = maps.Clone(old)
	}
	next[k] = s
	c.cache.Store(&next)
}

// refuse remembers a poison answer for negativeTTL. Callers hold mu.
func (c *Client) refuse(k ident, err error) {
	if len(c.refused) >= maxCached {
		clear(c.refused)
	}
	c.refused[k] = refusal{err: err, until: time.Now().Add(negativeTTL)}
}
