package registry

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"weir/schemas"
)

// registration is what an id was found for.
type registration struct {
	subject, text string
	format        schemas.Format
}

// answer is what the registry said to a registration; hasGUID only when it
// knows global ids.
type answer struct {
	id      int
	guid    [16]byte
	hasGUID bool
}

// Register finds text under subject, or registers it there after checking that
// it is compatible with the subject's versions at the subject's level, by the
// registry's word and by ours (the registry's alone is not enough: some do not
// check). It asks once for each text; later calls are answered from memory.
//
// Errors: *schemas.Error with CodeIncompatible or CodeSchema, which no waiting
// will cure; or one that wraps ErrUnavailable, among them a registry that does
// not let us write.
func (c *Client) Register(ctx context.Context, subject, text string, format schemas.Format, refs []Reference) (int, error) {
	a, err := c.find(ctx, subject, text, format, refs)
	if err == nil || !isMissing(err) {
		return a.id, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	s := schemaOf(text, format, refs)
	if err := c.compatible(ctx, subject, s); err != nil {
		return 0, err
	}
	id, err := c.sr.RegisterSchema(ctx, subject, s, -1, -1)
	if err != nil {
		return 0, registerError(err)
	}
	if err := c.readBack(ctx, id, s); err != nil {
		return 0, err
	}
	c.remember(registration{subject, text, format}, answer{id: id}, refs)
	return id, nil
}

// Lookup finds the id of text under subject without writing, for registries
// that only others may write to. CodeSchemaID when it is not registered there.
func (c *Client) Lookup(ctx context.Context, subject, text string, format schemas.Format, refs []Reference) (int, error) {
	a, err := c.find(ctx, subject, text, format, refs)
	return a.id, err
}

// LookupGUID is Lookup for global ids: CodeUnsupported when the registry has
// none.
func (c *Client) LookupGUID(ctx context.Context, subject, text string, format schemas.Format, refs []Reference) ([16]byte, error) {
	a, err := c.find(ctx, subject, text, format, refs)
	if err == nil && !a.hasGUID {
		// Registering does not tell the global id; asking again does.
		c.forget(registration{subject, text, format})
		a, err = c.find(ctx, subject, text, format, refs)
	}
	if err == nil && !a.hasGUID {
		err = schemas.Fail(schemas.CodeUnsupported, "")
	}
	return a.guid, err
}

// find asks for text under subject, once.
func (c *Client) find(ctx context.Context, subject, text string, format schemas.Format, refs []Reference) (answer, error) {
	k := registration{subject, text, format}
	c.mu.Lock()
	a, ok := c.known[k]
	c.mu.Unlock()
	if ok && len(refs) == 0 {
		return a, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ss, err := c.sr.LookupSchema(ctx, subject, schemaOf(text, format, refs))
	switch r := responseError(err); {
	case notFound(err):
		return answer{}, schemas.Fail(schemas.CodeSchemaID, "")
	case r != nil && r.StatusCode == http.StatusUnprocessableEntity:
		return answer{}, schemas.Fail(schemas.CodeSchema, "")
	case err != nil:
		return answer{}, unavailable("looking up a subject's schema", err)
	}
	a = answer{id: ss.ID}
	a.guid, a.hasGUID = parseGUID(ss.GUID)
	c.remember(k, a, refs)
	return a, nil
}

func (c *Client) remember(k registration, a answer, refs []Reference) {
	if len(refs) != 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxCached {
		clear(c.known)
	}
	c.known[k] = a
}

func (c *Client) forget(k registration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, k)
}

// readBack compares what the registry now has under id with what it was given:
// readers will decode our records by it.
func (c *Client) readBack(ctx context.Context, id int, want sr.Schema) error {
	got, err := c.sr.SchemaByID(ctx, id)
	if err != nil {
		return unavailable("reading a registered schema back", err)
	}
	if got.Type != want.Type || !sameSchema(got.Schema, want.Schema, want.Type) {
		return fmt.Errorf("reading a registered schema back: %w: it is another one", ErrUnavailable)
	}
	return nil
}

// compatible checks s against subject's versions.
func (c *Client) compatible(ctx context.Context, subject string, s sr.Schema) error {
	versions, err := c.sr.SubjectVersions(ctx, subject)
	if notFound(err) || (err == nil && len(versions) == 0) {
		return nil
	}
	if err != nil {
		return unavailable("listing a subject's versions", err)
	}
	level, err := c.level(ctx, subject)
	if err != nil || level == sr.CompatNone {
		return err
	}
	ask := -1
	if transitive(level) {
		ask = -2
	} else {
		versions = []int{slices.Max(versions)}
	}
	res, err := c.sr.CheckCompatibility(ctx, subject, ask, s)
	if err != nil {
		return registerError(err)
	}
	if !res.Is {
		return schemas.Fail(schemas.CodeIncompatible, "")
	}
	return c.compatibleByUs(ctx, subject, versions, level, s)
}

func (c *Client) compatibleByUs(ctx context.Context, subject string, versions []int, level sr.CompatibilityLevel, s sr.Schema) error {
	own, err := c.withReferences(ctx, s)
	if err != nil {
		return err
	}
	for _, v := range versions {
		old, err := c.sr.SchemaByVersion(ctx, subject, v)
		if err != nil {
			return unavailable("looking up a subject's version", err)
		}
		before, err := c.withReferences(ctx, old.Schema)
		if err != nil {
			return err
		}
		if err := checkPair(before, own, level); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) withReferences(ctx context.Context, s sr.Schema) (*text, error) {
	t := &text{schema: s, refs: map[string]string{}}
	return t, c.resolve(ctx, s.References, t, map[Reference]bool{})
}

// level is the subject's compatibility level, or the registry's.
func (c *Client) level(ctx context.Context, subject string) (sr.CompatibilityLevel, error) {
	for _, s := range []string{subject, sr.GlobalSubject} {
		r := c.sr.Compatibility(sr.WithParams(ctx, sr.DefaultToGlobal), s)[0]
		if r.Err == nil && r.Level != 0 {
			return r.Level, nil
		}
		if e := responseError(r.Err); r.Err != nil && (e == nil || e.StatusCode != http.StatusNotFound) {
			return 0, unavailable("asking for a subject's compatibility", r.Err)
		}
	}
	return sr.CompatFull, nil // a registry that does not say: what suits every reader
}

func registerError(err error) error {
	if r := responseError(err); r != nil {
		switch {
		case r.StatusCode == http.StatusConflict:
			return schemas.Fail(schemas.CodeIncompatible, "")
		case r.ErrorCode == codeInvalidSchema:
			return schemas.Fail(schemas.CodeSchema, "")
		}
	}
	return unavailable("registering a schema", err)
}

// isMissing reports whether err says that a schema is not registered.
func isMissing(err error) bool {
	var e *schemas.Error
	return errors.As(err, &e) && e.Code == schemas.CodeSchemaID
}

func schemaOf(text string, format schemas.Format, refs []Reference) sr.Schema {
	s := sr.Schema{Schema: text, Type: typeOf(format)}
	for _, r := range refs {
		s.References = append(s.References, sr.SchemaReference(r))
	}
	return s
}

func parseGUID(s string) (g [16]byte, ok bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != len(g) {
		return g, false
	}
	return [16]byte(b), true
}
