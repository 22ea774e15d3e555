package stream

import (
	"maps"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/schemas"
	"weir/schemas/avro"
	"weir/schemas/jsonrec"
	"weir/schemas/rawtext"
	"weir/stream/lineage"
	"weir/transforms"
)

// The key-change headers of Debezium.
const (
	newKeyHeader = "__debezium.newkey"
	oldKeyHeader = "__debezium.oldkey"
)

// reservedHeader reports whether a header is Weir's to write: copied from the
// input it would be forged, or a record key in clear.
func reservedHeader(name string) bool {
	switch name {
	case lineage.HeaderKey, newKeyHeader, oldKeyHeader, framingHeader(true), framingHeader(false):
		return true
	}
	return false
}

// header gives a header's value, nil when the record has none.
func header(rec *kgo.Record, name string) []byte {
	for i := range rec.Headers {
		if rec.Headers[i].Key == name {
			return rec.Headers[i].Value
		}
	}
	return nil
}

// CompileSchema compiles a schema text; it is what registry clients are given.
func CompileSchema(format schemas.Format, text string, refs map[string]string) (*schemas.Schema, error) {
	if format == schemas.FormatJSON {
		list := make([]jsonrec.Ref, 0, len(refs))
		for _, name := range keysOf(refs) {
			list = append(list, jsonrec.Ref{Name: name, Text: refs[name]})
		}
		return jsonrec.FromJSONSchema(text, list...)
	}
	return avro.Parse(text, dependenciesFirst(refs)...)
}

// dependenciesFirst orders Avro references so that each finds what it refers
// to; what never does comes last and fails in Parse.
func dependenciesFirst(refs map[string]string) []string {
	left, done := keysOf(refs), make([]string, 0, len(refs))
	for range refs {
		var later []string
		for _, name := range left {
			if _, err := avro.Parse(refs[name], done...); err != nil {
				later = append(later, name)
				continue
			}
			done = append(done, refs[name])
		}
		left = later
	}
	for _, name := range left {
		done = append(done, refs[name])
	}
	return done
}

// staticAvro compiles a plain Avro source's schema once.
func (p *plans) staticAvro(text string) (*schemas.Schema, error) {
	if s, ok := p.static.Load(text); ok {
		return s.(*schemas.Schema), nil
	}
	s, err := avro.Parse(text)
	if err != nil {
		return nil, err
	}
	have, _ := p.static.LoadOrStore(text, s)
	return have.(*schemas.Schema), nil
}

// textSchema is the one schema of string keys.
func (p *plans) textSchema() *schemas.Schema {
	s, ok := p.static.Load("")
	if !ok {
		s, _ = p.static.LoadOrStore("", rawtext.New())
	}
	return s.(*schemas.Schema)
}

// schemaless gives the schemas that the policy itself declares for a JSON
// topic without one.
func (p *plans) schemaless(g *generation, b *binding) (jsonSides, error) {
	if s, ok := (*g.json.Load())[b.topic]; ok {
		return s, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	d := b.dataset()
	key, err := jsonrec.New(transforms.DeclaredPaths(g.policy.Transforms, d, true))
	if err != nil {
		return jsonSides{}, err
	}
	value, err := jsonrec.New(transforms.DeclaredPaths(g.policy.Transforms, d, false))
	if err != nil {
		return jsonSides{}, err
	}
	next := maps.Clone(*g.json.Load())
	if have, ok := next[b.topic]; ok {
		return have, nil
	}
	next[b.topic] = jsonSides{key, value}
	g.json.Store(&next)
	return next[b.topic], nil
}
