// Package codectest is the conformance suite of [schemas.Codec]: every promise
// of the interface, run over every codec.
//
//	func TestConformance(t *testing.T) {
//		codectest.Run(t, codectest.Subject{Schema: …, Docs: …, Reopen: …})
//	}
//
// A subject is a schema and payloads with what stands in them, written down by
// hand. The suite does the rest: it cuts and damages the payloads, edits, nulls
// and cuts every leaf, and reads what was written with the shape's own schema.
package codectest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"weir/schemas"
)

// Canary is what the texts of a subject's payloads hold and no error may.
const Canary = "canary"

// Subject is one codec with one schema.
type Subject struct {
	// Schema compiles the schema; each call gives a schema of its own.
	Schema func(t testing.TB) *schemas.Schema
	// Docs are well-formed payloads. Together they have every leaf, and strings
	// that hold [Canary].
	Docs []Doc
	// Reopen compiles what reads the copies of a shape.
	Reopen func(t testing.TB, s *schemas.Schema, shape schemas.Shape) *schemas.Schema
	// Trailing are texts that must not follow a payload; none where whatever
	// follows belongs to it.
	Trailing []string
	// Open: the beginning of a payload is a payload (text without framing).
	Open bool
	// Bad are payloads that are refused, with their codes, by name.
	Bad map[string]Bad
	// Fixed are paths whose kind cannot be changed.
	Fixed []string
	// NeverNull are paths that no change can make nullable; names of a map's
	// entries are known to be such.
	NeverNull []string
	// Unknown is a payload with members that the schema does not declare, nil
	// where the format has no such thing.
	Unknown *Unknown
	// Spellings writes a value in every way that the format has for its kind;
	// none where it does not have the kind.
	Spellings func(t testing.TB, v Value) []Spelling
}

// Doc is a payload and what a scan for every leaf finds in it.
type Doc struct {
	Name    string
	Payload []byte
	// Want has a line for each span: path, kind, and the quoted text, "null" or
	// "…" for a container. The root's path is written ".".
	Want []string
}

// Bad is a payload that is refused.
type Bad struct {
	Payload []byte
	Code    schemas.Code
}

// Unknown is a payload with undeclared members, and without them.
type Unknown struct {
	With, Without []byte
	Spans         int // the undeclared members
}

// Spelling is one way of writing a value: as the leaf of that path.
type Spelling struct {
	Name    string
	Schema  *schemas.Schema
	Payload []byte
	Path    string
}

// Run holds a subject to every promise of schemas.Codec.
func Run(t *testing.T, s Subject) {
	for name, test := range map[string]func(*testing.T, *Subject){
		"reads": reads, "scan to the end": scansToTheEnd, "refuses": refuses, "damage": damage, "wanted": wantedOnly,
		"owns nothing": ownsNothing, "view reuse": viewReuse, "identity": identity, "strings": editsStrings, "kinds": editsKinds,
		"retypes": retypes, "bad texts": badTexts, "nulls": nulls, "container nulls": containerNulls, "cuts": cuts,
		"mixed": mixed, "bad edits": badEdits, "unknown members": unknownMembers, "shared": shared, "allocations": allocations,
		"spellings": spellings,
	} {
		t.Run(name, func(t *testing.T) { test(t, &s) })
	}
}

// span is one span, as far as formats can agree on it.
type span struct {
	leaf            int32
	path            string
	kind            schemas.Kind
	text            string
	null, container bool
}

func (s span) String() string {
	path := s.path
	if path == "" {
		path = "."
	}
	switch {
	case s.null:
		return fmt.Sprintf("%s %s null", path, s.kind)
	case s.container:
		return fmt.Sprintf("%s %s …", path, s.kind)
	}
	return fmt.Sprintf("%s %s %q", path, s.kind, s.text)
}

// content is a span without its kind, which a copy's schema may not keep apart.
func (s span) content() string {
	s.kind = schemas.KindAny
	return s.String()
}

func contents(list []span) []string {
	var out []string
	for _, s := range list {
		out = append(out, s.content())
	}
	return out
}

func everything(s *schemas.Schema) *schemas.Wanted {
	w := &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}
	for i := range w.Leaf {
		w.Leaf[i] = true
	}
	return w
}

// scan scans for every leaf; the payload must be well-formed.
func scan(t testing.TB, s *schemas.Schema, payload []byte) *schemas.View {
	t.Helper()
	v := &schemas.View{}
	if err := s.Codec.Scan(v, payload, everything(s)); err != nil {
		t.Fatalf("scanning %q: %v", payload, err)
	}
	return v
}

// read lists the spans of a view.
func read(t testing.TB, s *schemas.Schema, v *schemas.View) []span {
	t.Helper()
	var out []span
	for i, sp := range v.Spans {
		one := span{leaf: sp.Leaf, path: s.Leaves[sp.Leaf].Path, kind: sp.Kind,
			null: sp.Flags&schemas.Null != 0, container: sp.Flags&schemas.Container != 0}
		if !one.container {
			text, err := s.Codec.Text([]byte("<"), v, i)
			if err != nil || len(text) == 0 || text[0] != '<' {
				t.Fatalf("text of %s: %q, %v", one.path, text, err)
			}
			one.text = string(text[1:])
		}
		out = append(out, one)
	}
	return out
}

// code is an error's code. It fails the test where the error is of another type
// or says something of the payload.
func code(t testing.TB, err error) schemas.Code {
	t.Helper()
	var e *schemas.Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &e) || e.Code == "":
		t.Fatalf("not a coded *schemas.Error: %v", err)
	case strings.Contains(err.Error(), Canary):
		t.Fatalf("an error quotes the payload: %v", err)
	}
	return e.Code
}

func derive(t testing.TB, s *schemas.Schema, changes ...schemas.Change) schemas.Shape {
	t.Helper()
	shape, err := s.Codec.Derive(schemas.ShapeOptions{Changes: changes})
	if err != nil {
		t.Fatalf("deriving %+v: %v", changes, err)
	}
	return shape
}

// onPath makes one change on all leaves of a path.
func onPath(s *schemas.Schema, path string, c schemas.Change) []schemas.Change {
	var out []schemas.Change
	for _, i := range s.Find(path) {
		c.Leaf = i
		out = append(out, c)
	}
	return out
}

// same is the change that keeps a path's kinds.
func same(s *schemas.Schema, path string, nullable bool) []schemas.Change {
	var out []schemas.Change
	for _, i := range s.Find(path) {
		l := &s.Leaves[i]
		out = append(out, schemas.Change{Leaf: i, Op: schemas.Retype, Kind: l.Kind, Scale: l.Scale, Nullable: nullable})
	}
	return out
}

// spliced writes a copy, reads it with the shape's schema and holds it against
// want.
func (s *Subject) spliced(t testing.TB, in *schemas.Schema, v *schemas.View, shape schemas.Shape, edits []schemas.Edit, want []span) {
	t.Helper()
	out, err := in.Codec.Splice([]byte("head"), v, shape, edits)
	if err != nil || string(out[:4]) != "head" {
		t.Fatalf("splicing: %q, %v\nwant %q", out, err, contents(want))
	}
	copied := s.Reopen(t, in, shape)
	got := read(t, copied, scan(t, copied, out[4:]))
	if !slices.Equal(contents(got), contents(want)) {
		t.Fatalf("the copy %q\nholds %q\nwant  %q", out[4:], contents(got), contents(want))
	}
}

// paths lists the distinct paths of a schema's leaves that pass the filter.
func paths(s *schemas.Schema, keep func(*schemas.Leaf) bool) []string {
	var out []string
	for i := range s.Leaves {
		if l := &s.Leaves[i]; keep(l) && !slices.Contains(out, l.Path) {
			out = append(out, l.Path)
		}
	}
	return out
}

func scalar(l *schemas.Leaf) bool { return !l.Kind.Container() && l.Kind != schemas.KindNull }

func container(l *schemas.Leaf) bool { return l.Kind.Container() }

func isKey(path string) bool { return strings.HasSuffix(path, "{#}") }

// isName reports whether a path is of a map's keys that are names, as all are
// but those of Connect's arrays of pairs.
func isName(s *schemas.Schema, path string) bool {
	return isKey(path) && s.Leaves[s.Find(path)[0]].Kind == schemas.KindString
}

// each runs f for every document with a schema of its own.
func (s *Subject) each(t *testing.T, f func(t *testing.T, in *schemas.Schema, d *Doc)) {
	for i := range s.Docs {
		t.Run(s.Docs[i].Name, func(t *testing.T) { f(t, s.Schema(t), &s.Docs[i]) })
	}
}
