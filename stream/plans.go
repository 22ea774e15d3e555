package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/schemas"
	"weir/schemas/jsonrec"
	"weir/schemas/registry"
	"weir/stream/lineage"
	"weir/transforms"
	"weir/transforms/all"
)

// generation is one loaded policy and everything compiled under it. A batch
// loads one and never mixes two; a reload makes a new one. Immutable but for
// its caches, which are copy-on-write.
type generation struct {
	policy  *Policy
	name    string
	lineage []lineage.Key // by recipient
	kinds   map[string]transforms.Factory
	// undelivered recipients get nothing: their last day is over by the
	// broker's clock (contract 7). Guarded by being replaced whole.
	expired atomic.Pointer[[]bool]

	mu      sync.Mutex // one compilation at a time
	leaves  int        // guarded by mu: of the schemas in entries
	entries atomic.Pointer[map[planKey]*entry]
	json    atomic.Pointer[map[string]jsonSides] // schemaless topics
}

// planKey is what a plan is compiled for.
type planKey struct {
	topic              string
	key, value, header *schemas.Schema
}

// jsonSides are the schemas that the policy declares for a schemaless topic.
type jsonSides struct{ key, value *schemas.Schema }

// entry is a compiled plan with its outputs' topics and framing.
type entry struct {
	plan     atomic.Pointer[transforms.Plan]
	outs     []output // by recipient
	prefixes []transforms.Prefix
}

// output is where one recipient's copies of a topic go.
type output struct {
	topic string
	info  *topicInfo
	// keyHeader and valueHeader are the framing headers' values, nil when the
	// framing is a prefix or there is none.
	keyHeader, valueHeader []byte
	code                   schemas.Code // why nothing can be published, "" when all is well
}

// newGeneration derives the keys a policy needs; it fails before any record is
// treated when one cannot be had.
func newGeneration(p *Policy, cfg *Config) (*generation, error) {
	g := &generation{policy: p, name: cfg.Name, kinds: all.Kinds()}
	_, suite := suites(p.Transforms.Profile)
	for i := range p.Transforms.Recipients {
		k, err := lineage.NewKey(p.Ring, cfg.Name, p.Transforms.Recipients[i].Name, suite, 0)
		if err != nil {
			return nil, fmt.Errorf("deriving a lineage key: %w", err)
		}
		g.lineage = append(g.lineage, k)
	}
	if _, _, err := g.tools(); err != nil {
		return nil, err
	}
	g.entries.Store(&map[planKey]*entry{})
	g.json.Store(&map[string]jsonSides{})
	g.expired.Store(&[]bool{})
	return g, nil
}

// tools are one goroutine's key hasher and quarantine sealer.
func (g *generation) tools() (*keyHasher, *quarantineSealer, error) {
	p := g.policy.Transforms
	h, err := newKeyHasher(g.policy.Ring, p.Keyspace, p.Profile)
	if err != nil {
		return nil, nil, fmt.Errorf("deriving the quarantine key: %w", err)
	}
	s, err := newQuarantineSealer(g.policy.Ring, g.name, p.Keyspace, p.Profile)
	if err != nil {
		return nil, nil, fmt.Errorf("deriving the quarantine seal: %w", err)
	}
	return h, s, nil
}

// isExpired reports whether recipient i's last day is over.
func (g *generation) isExpired(i int) bool {
	e := *g.expired.Load()
	return i < len(e) && e[i]
}

// missing is a dependency that does not answer now: the partition pauses, and
// nothing of it passes (Invariant 1).
type missing struct {
	what string // registry, outputs, …
	err  error
}

func (m *missing) Error() string { return m.what + ": " + m.err.Error() }
func (m *missing) Unwrap() error { return m.err }

// plans compiles and caches plans for the workers of a process.
type plans struct {
	r   *Runner
	cfg *Config
	reg *registry.Client
	ms  []matcher

	blocks fileOfBlocks
	static sync.Map // schema text → *schemas.Schema, of plain Avro sources
}

// fileOfBlocks caches Connect schema blocks by their bytes.
type fileOfBlocks struct {
	mu   sync.RWMutex
	m    map[string]*schemas.Schema // guarded by mu
	size int                        // guarded by mu: bytes of the blocks in m
}

// Bounds of one embedded schema block and of their cache, in bytes: a producer
// that invents one per record must not fill the memory. Compiled, a block takes
// about ten times its size.
const (
	maxBlock  = 1 << 20
	maxBlocks = 32 << 20
)

// maxEntries and maxLeaves bound the cache of plans, for the same reason: plans,
// and the leaves of their schemas together.
const (
	maxEntries = 10_000
	maxLeaves  = 1 << 20
)

func (f *fileOfBlocks) get(block []byte) (*schemas.Schema, error) {
	f.mu.RLock()
	s := f.m[string(block)]
	f.mu.RUnlock()
	if s != nil {
		return s, nil
	}
	if len(block) > maxBlock {
		return nil, schemas.Fail(schemas.CodeTooLarge, "")
	}
	s, err := jsonrec.FromConnect(block)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if have := f.m[string(block)]; have != nil {
		return have, nil
	}
	if f.size += len(block); f.m == nil || f.size > maxBlocks {
		f.m, f.size = map[string]*schemas.Schema{}, len(block)
	}
	f.m[string(block)] = s
	return s, nil
}

// decoded is a record whose schemas are known.
type decoded struct {
	key, value, header *schemas.Schema
	event              transforms.Event
}

// decode takes the framing off a record and finds its schemas. A
// *schemas.Error is poison, a *missing pauses.
func (p *plans) decode(ctx context.Context, g *generation, b *binding, rec *kgo.Record, d *decoded) error {
	d.event = transforms.Event{TimestampMillis: rec.Timestamp.UnixMilli(), NullKey: rec.Key == nil, NullValue: rec.Value == nil}
	d.key, d.value, d.header = nil, nil, nil
	var err error
	if rec.Key != nil {
		d.key, d.event.Key, err = p.side(ctx, g, b, b.src.KeyEncoding, rec.Key, rec, true)
		if err != nil {
			return err
		}
	}
	if rec.Value != nil {
		d.value, d.event.Value, err = p.side(ctx, g, b, b.src.Encoding, rec.Value, rec, false)
		if err != nil {
			return err
		}
	}
	if b.src.KeyChangeHeaders == "" {
		return nil
	}
	d.header, d.event.NewKey, err = p.keyHeader(ctx, g, b, rec, newKeyHeader)
	if err != nil {
		return err
	}
	old, payload, err := p.keyHeader(ctx, g, b, rec, oldKeyHeader)
	if err == nil && old != nil && d.header != nil && old != d.header {
		return schemas.Fail(schemas.CodeSchema, "") // both headers of one record are written alike
	}
	d.event.OldKey = payload
	if d.header == nil {
		d.header = old
	}
	return err
}

// keyHeader finds the schema of a key-change header, written as the source
// says (contract 14); nil when the record has none.
func (p *plans) keyHeader(ctx context.Context, g *generation, b *binding, rec *kgo.Record, name string) (*schemas.Schema, []byte, error) {
	raw := header(rec, name)
	if raw == nil {
		return nil, nil, nil
	}
	if b.src.KeyChangeHeaders == "avro" {
		return p.prefixed(ctx, raw, schemas.FormatAvro) // the id headers are about the record's key and value
	}
	block, ok, err := jsonrec.SplitBlock(raw)
	if err != nil {
		return nil, nil, err
	}
	if ok {
		s, err := p.blocks.get(block)
		return s, raw, err
	}
	sides, err := p.schemaless(g, b)
	return sides.key, raw, err
}

// side finds the schema of a key or a value and gives the bytes its codec
// reads.
func (p *plans) side(ctx context.Context, g *generation, b *binding, enc Encoding, raw []byte, rec *kgo.Record, isKey bool) (*schemas.Schema, []byte, error) {
	switch enc {
	case EncodingBytes:
		return nil, raw, nil
	case EncodingString:
		return p.textSchema(), raw, nil
	case EncodingConfluentAvro, EncodingConfluentJSON:
		return p.framed(ctx, b, enc, raw, rec, isKey)
	case EncodingAvro:
		text := b.src.SchemaText
		if isKey {
			text = b.src.KeySchemaText
		}
		s, err := p.staticAvro(text)
		return s, raw, err
	case EncodingJSON:
		if b.src.SchemaBlock {
			block, ok, err := jsonrec.SplitBlock(raw)
			if err != nil || !ok {
				return nil, nil, firstErr(err, schemas.Fail(schemas.CodeSchema, ""))
			}
			s, err := p.blocks.get(block)
			return s, raw, err
		}
		sides, err := p.schemaless(g, b)
		if isKey {
			return sides.key, raw, err
		}
		return sides.value, raw, err
	}
	return nil, nil, schemas.Fail(schemas.CodeUnsupported, "")
}

func firstErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// framed looks a registry schema up by the id before the payload or in the
// headers (contract 13). The client bounds its requests; a deadline here would
// cost every record a timer.
func (p *plans) framed(ctx context.Context, b *binding, enc Encoding, raw []byte, rec *kgo.Record, isKey bool) (*schemas.Schema, []byte, error) {
	format := schemas.FormatAvro
	if enc == EncodingConfluentJSON {
		format = schemas.FormatJSON
	}
	if !b.src.HeaderFraming {
		return p.prefixed(ctx, raw, format)
	}
	s, err := p.headerFramed(ctx, header(rec, framingHeader(isKey)), format)
	return s, raw, err
}

// prefixed looks a schema up by the id before a payload.
func (p *plans) prefixed(ctx context.Context, raw []byte, format schemas.Format) (*schemas.Schema, []byte, error) {
	id, rest, err := registry.DecodeID(raw)
	if err != nil {
		return nil, nil, err
	}
	s, err := p.reg.Schema(ctx, id, format)
	return s, rest, registryErr(err)
}

func framingHeader(isKey bool) string {
	if isKey {
		return registry.HeaderKey
	}
	return registry.HeaderValue
}

func (p *plans) headerFramed(ctx context.Context, value []byte, format schemas.Format) (*schemas.Schema, error) {
	id, err := registry.ParseHeader(value)
	if err != nil {
		return nil, err
	}
	var s *schemas.Schema
	if id.IsGUID {
		s, err = p.reg.GUID(ctx, id.GUID, format)
	} else {
		s, err = p.reg.Schema(ctx, id.ID, format)
	}
	return s, registryErr(err)
}

// registryErr sorts a registry's failure: poison keeps its code, silence
// pauses.
func registryErr(err error) error {
	if err == nil {
		return nil // before errors.As, whose target is an allocation
	}
	var poison *schemas.Error
	if errors.As(err, &poison) {
		return err
	}
	return &missing{what: "registry", err: err}
}

// entryFor finds or compiles the plan for a topic's schemas, its output
// topics and the derived schemas' ids.
func (p *plans) entryFor(ctx context.Context, g *generation, b *binding, d *decoded) (*entry, error) {
	k := planKey{b.topic, d.key, d.value, d.header}
	if e := (*g.entries.Load())[k]; e != nil {
		return e, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := (*g.entries.Load())[k]; e != nil {
		return e, nil
	}
	e, err := p.compile(ctx, g, b, d)
	if err != nil {
		return nil, err
	}
	next := maps.Clone(*g.entries.Load())
	if g.leaves += k.leaves(); len(next) >= maxEntries || g.leaves > maxLeaves {
		next, g.leaves = map[planKey]*entry{}, k.leaves()
	}
	next[k] = e
	g.entries.Store(&next)
	return e, nil
}

// leaves is how many leaves a plan's schemas have.
func (k *planKey) leaves() int {
	n := 0
	for _, s := range [...]*schemas.Schema{k.key, k.value, k.header} {
		if s != nil {
			n += len(s.Leaves)
		}
	}
	return n
}

func (p *plans) compile(ctx context.Context, g *generation, b *binding, d *decoded) (*entry, error) {
	tp := g.policy.Transforms
	plan, err := transforms.Compile(transforms.Input{
		Policy: tp, Dataset: b.dataset(), Key: d.key, Value: d.value, Header: d.header, Kinds: g.kinds, Ring: g.policy.Ring})
	if err != nil {
		return nil, planErr(err)
	}
	e := &entry{outs: make([]output, len(tp.Recipients)), prefixes: make([]transforms.Prefix, len(tp.Recipients))}
	e.plan.Store(plan)
	for i := range tp.Recipients {
		if err := p.output(ctx, b, &tp.Recipients[i], plan, i, d, e); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// planErr makes a compile error a code: what cannot be compiled for a schema
// quarantines its records.
func planErr(err error) error {
	var poison *schemas.Error
	if errors.As(err, &poison) {
		return poison
	}
	return schemas.Fail(CodePlan, "")
}

// CodePlan quarantines records whose schema the policy cannot be compiled for.
const CodePlan schemas.Code = "plan"

// output registers what recipient i's copies are written in.
func (p *plans) output(ctx context.Context, b *binding, r *transforms.Recipient, plan *transforms.Plan, i int, d *decoded, e *entry) error {
	topic, err := b.render(r.Topic)
	if err != nil {
		return err
	}
	o := &e.outs[i]
	o.topic = topic
	if o.info, err = p.r.output(ctx, b, topic); err != nil {
		return err
	}
	if plan.Blocked(i) != "" {
		return nil // Protect quarantines all of it: there is nothing to register
	}
	key, value := plan.Shape(i)
	frame, err := p.frame(ctx, b, b.src.KeyEncoding, topic+"-key", d.key, key, o)
	if err != nil {
		return err
	}
	o.keyHeader, e.prefixes[i].Key = frame.place(b.src.HeaderFraming)
	if frame, err = p.frame(ctx, b, b.src.Encoding, topic+"-value", d.value, value, o); err != nil {
		return err
	}
	o.valueHeader, e.prefixes[i].Value = frame.place(b.src.HeaderFraming)
	if b.src.KeyChangeHeaders == "avro" {
		e.prefixes[i].Header, err = p.frame(ctx, b, EncodingConfluentAvro, topic+"-key", d.header, plan.HeaderShape(i), o)
	}
	return err
}

// framing is the bytes that name a schema, in front of a payload or in a
// header: one form for both (contract 13).
type framing []byte

func (f framing) place(inHeader bool) (header, prefix []byte) {
	if inHeader {
		return f, nil
	}
	return nil, f
}

// frame registers one side's derived schema under its subject, or finds it
// there when the registry must not be written. A schema that the registry
// refuses stops this recipient only: o.code says why (contract 11).
func (p *plans) frame(ctx context.Context, b *binding, enc Encoding, subject string, in *schemas.Schema, shape schemas.Shape, o *output) (framing, error) {
	if shape == nil || (enc != EncodingConfluentAvro && enc != EncodingConfluentJSON) {
		return nil, nil
	}
	format := schemas.FormatAvro
	if enc == EncodingConfluentJSON {
		format = schemas.FormatJSON
	}
	ctx, cancel := context.WithTimeout(ctx, externalTimeout)
	defer cancel()
	id, err := p.register(ctx, subject, shape.Schema(), format)
	if err == nil && b.src.HeaderFraming && in.ID == 0 {
		var guid [16]byte
		if guid, err = p.reg.LookupGUID(ctx, subject, shape.Schema(), format, nil); err == nil {
			return registry.HeaderID{GUID: guid, IsGUID: true}.Append(nil), nil
		}
	}
	var refused *schemas.Error
	var absent *missing
	switch {
	case errors.As(err, &absent):
		return nil, absent
	case errors.As(err, &refused):
		o.code = refused.Code
		return nil, nil
	case err != nil:
		return nil, &missing{what: "registry", err: err}
	}
	return registry.AppendPrefix(nil, id), nil
}

// errNoSchema: who may write to the registry has yet to register a copy's
// schema.
var errNoSchema = errors.New("the copy's schema is not registered")

// register finds or registers a copy's schema. Where the registry must not be
// written, a schema that is not there is a missing dependency (contract 23).
func (p *plans) register(ctx context.Context, subject, text string, format schemas.Format) (int, error) {
	if p.cfg.RegisterSchemas {
		return p.reg.Register(ctx, subject, text, format, nil)
	}
	id, err := p.reg.Lookup(ctx, subject, text, format, nil)
	var e *schemas.Error
	if errors.As(err, &e) && e.Code == schemas.CodeSchemaID {
		return 0, &missing{what: "output_schema", err: errNoSchema}
	}
	return id, err
}
