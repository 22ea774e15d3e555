package transforms

import (
	"strings"

	"weir/schemas"
	"weir/schemas/jsonrec"
)

// learn looks at the names that no leaf declares. Those that the policy decides
// by glob, and the envelope's own, become leaves of a new plan; the others stay
// unknown, and every recipient's `unknown` speaks. Only what a rule names is
// learned, so that records with invented names cannot fill the memory.
func (p *Plan) learn(s *Scratch) (*Plan, failure) {
	var found [sideCount][][]string
	n := 0
	for which := range s.payloads {
		pl := &s.payloads[which]
		if pl.side == nil || !pl.unknown {
			continue
		}
		kind := pl.side.kind
		list, f := p.learnable(pl)
		if f.code != "" {
			return nil, f
		}
		found[kind] = append(found[kind], list...)
		if n += len(list); learned(pl.side.schema)+len(found[kind]) > MaxLearned { // before the work of it
			return nil, failure{CodeTooManyNames, "*"}
		}
	}
	if n == 0 {
		return nil, failure{}
	}
	in := p.in
	for kind, at := range [sideCount]**schemas.Schema{&in.Key, &in.Value, &in.Header} {
		if len(found[kind]) == 0 {
			continue
		}
		extended, err := jsonrec.Extend(*at, found[kind])
		if err != nil {
			return nil, failed(err, schemas.CodeUndeclared, "*")
		}
		if learned(extended) > MaxLearned {
			return nil, failure{CodeTooManyNames, "*"}
		}
		if len(extended.Leaves) == len((*at).Leaves) { // nothing came of it: do not try again
			return nil, failure{schemas.CodeUndeclared, "*"}
		}
		*at = extended
	}
	next, err := Compile(in)
	if err != nil {
		return nil, failure{schemas.CodeUndeclared, "*"}
	}
	return next, failure{}
}

func learned(s *schemas.Schema) int {
	n := 0
	for i := range s.Leaves {
		if !s.Leaves[i].Declared {
			n++
		}
	}
	return n
}

// learnable are the paths of a payload's unknown scalars that the policy or the
// envelope's rules decide.
func (p *Plan) learnable(pl *payload) ([][]string, failure) {
	var out [][]string
	seen := map[string]bool{}
	spans, err := jsonrec.Unknowns(pl.side.schema, &pl.view)
	if err != nil {
		return nil, failed(err, schemas.CodeUndeclared, "*")
	}
	for _, u := range spans {
		paths, err := jsonrec.LeavesBelow(&pl.view, u)
		if err != nil {
			return nil, failed(err, schemas.CodeUndeclared, "*")
		}
		// An empty container holds no value: it has no leaf to learn.
		if pl.view.Spans[u.Span].Flags&schemas.Container != 0 && len(paths) == 1 && len(paths[0]) == len(u.Path) {
			continue
		}
		for _, steps := range paths {
			id := strings.Join(steps, "\x00")
			if !seen[id] && p.decides(pl.side.kind, steps) {
				seen[id] = true
				out = append(out, steps)
			}
		}
	}
	return out, failure{}
}

// decides reports whether a written rule or any of the policy's covers a name.
func (p *Plan) decides(kind sideKind, steps []string) bool {
	pl := placeOf(&p.in.Dataset, kind, steps, schemas.KindAny, false)
	if pl.role != roleColumn {
		return true
	}
	for i := range p.rules.catalog {
		if covers, _ := p.rules.catalog[i].covers(pl.name); covers {
			return true
		}
	}
	for _, list := range p.rules.treat {
		for i := range list {
			if list[i].kind != ruleField {
				continue
			}
			if covers, _ := list[i].covers(pl.name); covers {
				return true
			}
		}
	}
	return false
}

// DeclaredPaths are what a policy declares of a JSON topic without a schema:
// the fields that a catalog entry or a field rule names in full, and for values
// the envelope and what `rows` reads. A key may have any of the fields: which ones it has, nobody
// declared.
func DeclaredPaths(p *Policy, d Dataset, isKey bool) []jsonrec.Path {
	out := newPathSet()
	if !isKey {
		out.envelope(&d)
	}
	for _, name := range fullNames(p) {
		rest, ok := strings.CutPrefix(name, d.Name+".")
		if !ok {
			continue
		}
		out.column(&d, splitPath(rest), isKey)
	}
	for i := range p.Recipients {
		if r := &p.Recipients[i]; r.Rows != "" && d.Events == EventsRows && !isKey {
			if f, err := compileRows(r); err == nil { // Lint and Compile say what is wrong with it
				out.rows(&d, f.root, nil)
			}
		}
	}
	return out.list
}

func fullNames(p *Policy) []string {
	var out []string
	add := func(text string) {
		if pat := parsePattern(text); !pat.glob {
			out = append(out, text)
		}
	}
	for i := range p.Catalog {
		add(p.Catalog[i].Match)
	}
	for i := range p.Recipients {
		for _, r := range p.Recipients[i].Treat {
			if name, ok := strings.CutPrefix(r.Match, "field:"); ok {
				add(name)
			}
		}
	}
	return out
}

// pathSet is a list of paths without repetition.
type pathSet struct {
	list []jsonrec.Path
	seen map[string]bool
}

func newPathSet() *pathSet { return &pathSet{seen: map[string]bool{}} }

func (s *pathSet) add(kind schemas.Kind, steps ...string) {
	id := strings.Join(steps, "\x00")
	if !s.seen[id] {
		s.seen[id] = true
		s.list = append(s.list, jsonrec.Path{Steps: steps, Kind: kind})
	}
}

func (s *pathSet) column(d *Dataset, steps []string, isKey bool) {
	if len(steps) == 0 {
		return
	}
	special := strings.HasPrefix(steps[0], "$")
	switch {
	case special && steps[0] == rootEnvelope && !isKey && d.Envelope == EnvelopeDebezium && len(steps) > 1:
		s.add(schemas.KindAny, steps[1:]...)
	case special && (steps[0] == rootKey || steps[0] == rootValue || steps[0] == rootEnvelope):
	case special && !isKey && d.Envelope == EnvelopeDebezium && (steps[0] == "$"+stepBefore || steps[0] == "$"+stepAfter):
		s.add(schemas.KindAny, steps[0][1:])
	case !isKey && d.Envelope == EnvelopeDebezium && d.Events == EventsRows:
		s.add(schemas.KindAny, append([]string{stepBefore}, steps...)...)
		s.add(schemas.KindAny, append([]string{stepAfter}, steps...)...)
	default:
		s.add(schemas.KindAny, steps...)
	}
}

// rows declares the innermost fields that an expression reads.
func (s *pathSet) rows(d *Dataset, n *rowNode, at []string) {
	for _, f := range n.fields {
		steps := append(at[:len(at):len(at)], f.name)
		if len(f.fields) == 0 {
			s.column(d, steps, false)
			continue
		}
		s.rows(d, f, steps)
	}
}

// envelope declares what the envelope's written rules name.
func (s *pathSet) envelope(d *Dataset) {
	switch {
	case d.Events == EventsTransaction:
		for _, f := range eventFields {
			s.add(schemas.KindAny, splitPath(f)...)
		}
	case d.Events == EventsHeartbeat:
		for _, f := range heartbeatFields {
			s.add(schemas.KindAny, f)
		}
	case d.Envelope == EnvelopeDebezium:
		s.add(schemas.KindRecord, stepBefore)
		s.add(schemas.KindRecord, stepAfter)
		for _, f := range sourceFields {
			s.add(schemas.KindAny, stepSource, f)
		}
		for _, f := range transactionFields {
			s.add(schemas.KindAny, stepTransaction, f)
		}
		s.add(schemas.KindString, stepOp)
		for _, f := range heartbeatFields {
			s.add(schemas.KindAny, f)
		}
		s.add(schemas.KindAny, stepMessage, "prefix")
		s.add(schemas.KindAny, stepMessage, "content")
	case d.Envelope == EnvelopeFlat:
		for _, f := range flatFields {
			s.add(schemas.KindAny, f)
		}
		for _, f := range sourceFields {
			s.add(schemas.KindAny, "__source_"+f)
		}
	}
}
