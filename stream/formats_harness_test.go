package stream

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
	twmb "github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"weir/keys"
	"weir/schemas"
	"weir/schemas/registry"
	"weir/stream/streamtest"
	"weir/transforms"
)

// forms runs the engine over topics of many input forms at once: in.<form>.t is
// the topic of a form, <form>.t its dataset, out.<recipient>.in.<form>.t the
// copies.
type forms struct {
	*rig
	sr     *sr.Client
	topics []string
	policy string
	read   []*kgo.Record // all committed records but the input's, after run
	run    *running
	// knows are values whose tokens show reads back.
	knows []string
	names map[string]map[string]string // recipient → token → ‹value›
}

// newForms starts a cluster whose pipeline has these sources, one a form; a
// source's Topics is the form's name.
func newForms(t *testing.T, policy string, sources ...Source) *forms {
	t.Helper()
	c, err := streamtest.Start(streamtest.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	f := &forms{rig: &rig{t: t, c: c, log: &syncBuffer{}}, policy: policy, names: map[string]map[string]string{}}
	if f.sr, err = sr.NewClient(sr.URLs(c.RegistryURL())); err != nil {
		t.Fatal(err)
	}
	if f.prod, err = c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.prod.Close)
	for i := range sources {
		s := &sources[i]
		topic := "in." + s.Topics + ".t"
		s.Topics, s.Name = topic, "in.{form}.{table}"
		f.topics = append(f.topics, topic)
	}
	if err := c.CreateTopics(1, f.topics...); err != nil {
		t.Fatal(err)
	}
	reg, err := registry.New(registry.Config{URL: c.RegistryURL(), Compile: CompileSchema})
	if err != nil {
		t.Fatal(err)
	}
	f.cfg = Config{
		Name: "forms", Workers: 1, Kafka: Kafka{Brokers: c.Brokers()}, Registry: reg, RegisterSchemas: true, CreateTopics: true,
		Sources: sources, Breaker: 1_000, MaxPoll: 500, OnPoison: Skip,
		Policy: Policy{Transforms: formsPolicy(t, policy), Ring: testRing(t)},
		Log:    slog.New(slog.NewJSONHandler(io.MultiWriter(f.log, testWriter{t}), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return f
}

// formsPolicy parses a policy, a line each:
//
//	catalog NAME... CLASS
//	recipient NAME [grade=N] [unknown=drop] [until=DAY] [rows=EXPRESSION…]
//	  MATCH TREATMENT [VALUE | NAME=VALUE…]
func formsPolicy(t *testing.T, text string) *transforms.Policy {
	t.Helper()
	tax, err := schemas.DefaultTaxonomy()
	if err != nil {
		t.Fatal(err)
	}
	p := &transforms.Policy{Name: "forms", Keyspace: "forms", Epoch: 1, Hash: [32]byte{1}, Taxonomy: tax}
	for line := range strings.Lines(text) {
		line, rows, _ := strings.Cut(line, "rows=")
		w := strings.Fields(line)
		switch {
		case len(w) == 0:
		case w[0] == "catalog":
			for _, name := range w[1 : len(w)-1] {
				p.Catalog = append(p.Catalog, transforms.CatalogRule{Match: name, Class: w[len(w)-1]})
			}
		case w[0] == "recipient":
			r := transforms.Recipient{Name: w[1], Topic: "out." + w[1] + ".{topic}", Rows: strings.TrimSpace(rows)}
			for name, v := range options(w[2:]) {
				switch name {
				case "grade":
					r.Grade, err = strconv.Atoi(fmt.Sprint(v))
				case "unknown":
					r.Unknown = transforms.DropUnknown
				case "until":
					r.Until, err = time.Parse(time.DateOnly, v.(string))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			p.Recipients = append(p.Recipients, r)
		default:
			r := &p.Recipients[len(p.Recipients)-1]
			r.Treat = append(r.Treat, transforms.Rule{Match: w[0], Treatment: w[1], Args: options(w[2:])})
		}
	}
	return p
}

func options(words []string) transforms.Args {
	a := transforms.Args{}
	for _, w := range words {
		name, v, named := strings.Cut(w, "=")
		if !named {
			name, v = "", w
		}
		if n, err := strconv.ParseUint(v, 10, 63); err == nil {
			a[name] = n
		} else {
			a[name] = v
		}
	}
	return a
}

// put produces records to a form's topic, partition 0.
func (f *forms) put(form string, recs ...*kgo.Record) {
	f.t.Helper()
	for _, r := range recs {
		r.Topic = "in." + form + ".t"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := f.prod.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		f.t.Fatal(err)
	}
}

// register registers an input schema; refs are name, subject pairs at version 1.
func (f *forms) register(subject, text string, typ sr.SchemaType, refs ...string) int {
	f.t.Helper()
	s := sr.Schema{Schema: text, Type: typ}
	for i := 0; i < len(refs); i += 2 {
		s.References = append(s.References, sr.SchemaReference{Name: refs[i], Subject: refs[i+1], Version: 1})
	}
	id, err := f.sr.RegisterSchema(context.Background(), subject, s, -1, -1)
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// drain starts the engine unless it runs, waits until all is committed, and
// reads everything that came out.
func (f *forms) drain() {
	f.t.Helper()
	if f.run == nil {
		f.run = f.start(f.cfg, nil)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := streamtest.WaitDrained(ctx, f.prod, InternalNames(f.cfg.Name).Group, f.topics...); err != nil {
		f.t.Fatalf("%v: %+v", err, f.run.Status().Partitions)
	}
	recs, err := streamtest.ReadAll(ctx, f.c.Client, func(s string) bool { return !slices.Contains(f.topics, s) })
	if err != nil {
		f.t.Fatal(err)
	}
	slices.SortFunc(recs, func(a, b *kgo.Record) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	f.read = recs
}

// out are the records that a recipient got of a form.
func (f *forms) out(recipient, form string) []*kgo.Record {
	var out []*kgo.Record
	for _, r := range f.read {
		if r.Topic == "out."+recipient+".in."+form+".t" {
			out = append(out, r)
		}
	}
	return out
}

// want compares what a recipient got of a form, as show prints it.
func (f *forms) want(recipient, form string, want ...string) {
	f.t.Helper()
	var got []string
	for _, r := range f.out(recipient, form) {
		got = append(got, f.show(recipient, form, r))
	}
	if d := gocmp.Diff(want, got); d != "" {
		f.t.Errorf("%s of %s (-want +got):\n%s", recipient, form, d)
	}
}

// held compares the quarantine notices of a form: "OFFSET CODE [PATH] RECIPIENT,…".
func (f *forms) held(form string, want ...string) {
	f.t.Helper()
	if d := gocmp.Diff(want, f.notes(form)); d != "" {
		f.t.Errorf("quarantined of %s (-want +got):\n%s", form, d)
	}
}

func (f *forms) notes(form string) []string {
	f.t.Helper()
	var got []string
	for _, r := range f.read {
		if r.Topic != InternalNames(f.cfg.Name).Quarantine {
			continue
		}
		n, _, _, err := parseNotice(r)
		if err != nil {
			f.t.Fatal(err)
		}
		if n.Topic == "in."+form+".t" {
			got = append(got, strings.Join(strings.Fields(fmt.Sprintf("%d %s %s %s", n.Offset, n.Code, n.Path, strings.Join(n.Recipients, ","))), " "))
		}
	}
	return got
}

// source is the source of a form.
func (f *forms) source(form string) *Source {
	for i := range f.cfg.Sources {
		if f.cfg.Sources[i].Topics == "in."+form+".t" {
			return &f.cfg.Sources[i]
		}
	}
	f.t.Fatalf("no form %s", form)
	return nil
}

// show prints a record as somebody else's code reads it: key → value, then the
// headers but those of framing and lineage; tokens of f.knows print as ‹value›.
func (f *forms) show(recipient, form string, r *kgo.Record) string {
	f.t.Helper()
	s := f.source(form)
	named := func(text string) string {
		for token, name := range f.tokens(recipient) {
			text = strings.ReplaceAll(text, token, name)
		}
		if strings.HasPrefix(text, "{") {
			text = sorted(f.t, []byte(text))
		}
		return text
	}
	text := named(f.decode(s, s.KeyEncoding, r, r.Key, registry.HeaderKey, "-key")) + " → " +
		named(f.decode(s, s.Encoding, r, r.Value, registry.HeaderValue, "-value"))
	lineages := 0
	for _, h := range r.Headers {
		switch {
		case h.Key == "weir":
			lineages++
		case h.Key == registry.HeaderKey || h.Key == registry.HeaderValue:
		case strings.HasPrefix(h.Key, "__debezium.") && s.KeyChangeHeaders == "avro":
			text += " " + h.Key + "=" + named(f.decode(&Source{}, EncodingConfluentAvro, r, h.Value, "", "-key"))
		case strings.HasPrefix(h.Key, "__debezium.") && bytes.HasPrefix(h.Value, []byte(`{"schema"`)):
			text += " " + h.Key + "=" + named(f.connect(h.Value))
		default:
			text += " " + h.Key + "=" + named(string(h.Value))
		}
	}
	if lineages != 1 {
		f.t.Errorf("%d lineage headers", lineages)
	}
	return text
}

// tokens are the tokens of f.knows for a recipient in domain d, computed from
// contracts 19 and 20 without the code under test.
func (f *forms) tokens(recipient string) map[string]string {
	if f.names[recipient] != nil {
		return f.names[recipient]
	}
	lp := func(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }
	ring := f.cfg.Policy.Ring
	use := keys.Use{Keyspace: "forms", Purpose: keys.PurposeToken, Scope: recipient, Domain: "d", Suite: keys.HMACSHA256}
	check := use
	check.Purpose, check.Suite = keys.PurposeTokenCheck, keys.AES256
	mac, err := ring.MAC(use)
	if err != nil {
		f.t.Fatal(err)
	}
	block, err := ring.Block(check)
	if err != nil {
		f.t.Fatal(err)
	}
	out := map[string]string{}
	for _, v := range f.knows {
		mac.Reset()
		mac.Write(append(lp("d"), lp(v)...))
		var b [16]byte
		copy(b[:10], mac.Sum(nil))
		raw := append([]byte(nil), b[:10]...)
		block.Encrypt(b[:], b[:])
		raw = append(raw, b[:5]...)
		n := crockford.EncodeToString(raw)
		if out[n] = "‹" + v + "›"; strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == utf8.RuneError }) {
			out[n] = "‹" + hex.EncodeToString([]byte(v)) + "›"
		}
	}
	f.names[recipient] = out
	return out
}

// leaks fails if a canary stands anywhere outside the input topics: in clear,
// base64, hex, or escaped, in any key, value, header or log line.
func (f *forms) leaks(canaries ...string) {
	f.t.Helper()
	logs := f.log.String()
	for _, c := range canaries {
		for how, needle := range disguised(c) {
			for _, r := range f.read {
				places := map[string][]byte{"key": r.Key, "value": r.Value, "topic": []byte(r.Topic)}
				for _, h := range r.Headers {
					places["header "+h.Key] = append([]byte(h.Key+"\n"), h.Value...)
				}
				for _, where := range slices.Sorted(maps.Keys(places)) {
					if bytes.Contains(places[where], []byte(needle)) {
						f.t.Errorf("%q (%s) stands in the %s of %s/%d", c, how, where, r.Topic, r.Offset)
					}
				}
			}
			if strings.Contains(logs, needle) {
				f.t.Errorf("%q (%s) stands in the log", c, how)
			}
		}
	}
}

// disguised are the ways to write c that leaks looks for.
func disguised(c string) map[string]string {
	out := map[string]string{"plain": c, "hex": hex.EncodeToString([]byte(c)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(c)))}
	for k := range 3 { // without the characters that depend on what stands around
		for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			text := enc.EncodeToString(append(make([]byte, k), c...))
			out[fmt.Sprint(name, k)] = text[(k*8+5)/6 : (k+len(c))*8/6]
		}
	}
	var u strings.Builder
	for _, r := range c {
		fmt.Fprintf(&u, `\u%04x`, r)
	}
	out["escaped"] = u.String()
	return out
}

// jsonText makes records of "KEY VALUE" texts; "-" is null.
func jsonText(pairs ...string) []*kgo.Record {
	var out []*kgo.Record
	for i := 0; i < len(pairs); i += 2 {
		r := &kgo.Record{Key: []byte(pairs[i]), Value: []byte(pairs[i+1])}
		if pairs[i] == "-" {
			r.Key = nil
		}
		if pairs[i+1] == "-" {
			r.Value = nil
		}
		out = append(out, r)
	}
	return out
}

// avroOf writes JSON text as Avro, with somebody else's encoder; logical types
// are given as their base types.
func avroOf(t *testing.T, schema, text string) []byte {
	t.Helper()
	s, err := twmb.Parse(unlogical(schema))
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := s.DecodeJSON([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out, err := s.Encode(v)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

func unlogical(schema string) string {
	return strings.ReplaceAll(schema, `"logicalType"`, `"notLogicalType"`)
}

// framed puts an id before a payload.
func framed(id int, payload []byte) []byte {
	return append(registry.AppendPrefix(nil, id), payload...)
}

// sorted is JSON text with its names sorted, read by encoding/json.
func sorted(t *testing.T, text []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		t.Fatalf("an output is not JSON: %v", err)
	}
	return canonicalJSON(t, v)
}

func canonicalJSON(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}
