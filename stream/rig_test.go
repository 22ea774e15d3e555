package stream

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"weir/keys"
	"weir/schemas"
	"weir/schemas/registry"
	"weir/stream/lineage"
	"weir/stream/streamtest"
	"weir/transforms"
)

// rig is an embedded cluster with a shop and a policy of two recipients.
type rig struct {
	t    *testing.T
	c    *streamtest.Cluster
	shop *streamtest.Shop
	cfg  Config
	log  *syncBuffer
	prod *kgo.Client
}

// syncBuffer collects logs of several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newRig(t *testing.T, shop streamtest.ShopOptions) *rig {
	t.Helper()
	c, err := streamtest.Start(streamtest.Options{Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	shop.Registry = c.RegistryURL()
	s, err := streamtest.NewShop(shop)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopics(3, s.Topics()...); err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, c: c, shop: s, log: &syncBuffer{}}
	if g.prod, err = c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.prod.Close)
	g.cfg = g.config(shop.JSON)
	return g
}

func (g *rig) config(json bool) Config {
	reg, err := registry.New(registry.Config{URL: g.c.RegistryURL(), Compile: CompileSchema})
	if err != nil {
		g.t.Fatal(err)
	}
	src := Source{Topics: "cdc.shop.*", Name: "cdc.{schema}.{table}", Encoding: EncodingConfluentAvro,
		KeyEncoding: EncodingConfluentAvro, Envelope: transforms.EnvelopeDebezium, Placeholder: "__debezium_unavailable_value",
		KeyChangeHeaders: "avro"}
	if json {
		src.Encoding, src.KeyEncoding, src.KeyChangeHeaders = EncodingJSON, EncodingJSON, "json"
	}
	return Config{
		Name: "shop", Workers: 1, Kafka: Kafka{Brokers: g.c.Brokers()}, Registry: reg, RegisterSchemas: true,
		CreateTopics: true, Sources: []Source{src}, Breaker: 100, MaxPoll: 200,
		Policy: Policy{Transforms: shopPolicy(g.t, 1), Ring: testRing(g.t)},
		Log:    slog.New(slog.NewJSONHandler(io.MultiWriter(g.log, testWriter{g.t}), nil)),
	}
}

// testWriter shows logs of failing tests only.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	defer func() { _ = recover() }() // a goroutine that logs after the test
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func testRing(t *testing.T) *keys.Ring {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kek.key")
	if _, err := keys.InitFile(path); err != nil {
		t.Fatal(err)
	}
	r, err := keys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// shopPolicy decides every column of the shop but backup_phone.
func shopPolicy(t *testing.T, epoch uint64) *transforms.Policy {
	t.Helper()
	tax, err := schemas.DefaultTaxonomy()
	if err != nil {
		t.Fatal(err)
	}
	p := &transforms.Policy{Name: "shop", Keyspace: "shop", Epoch: epoch, Hash: [32]byte{byte(epoch)}, Taxonomy: tax}
	class := func(table, class string, columns ...string) {
		for _, c := range columns {
			p.Catalog = append(p.Catalog, transforms.CatalogRule{Match: "shop." + table + "." + c, Class: class})
		}
	}
	class("customers", "internal", "id", "seq", "country", "city", "created_at")
	class("customers", "person.name", "name")
	class("customers", "contact.mobile_cn", "phone")
	class("customers", "contact.email", "email")
	class("customers", "id.cn_resident", "id_card")
	class("customers", "person.birth_date", "birthday")
	class("orders", "internal", "id", "seq", "customer_id", "country", "amount", "status", "placed_at")
	class("orders", "contact.address", "ship_to")
	class("orders", "contact.mobile_cn", "contact")
	class("payments", "internal", "id", "seq", "order_id", "country", "amount", "method", "paid_at")
	class("payments", "finance.bank_card", "card_no")
	class("payments", "person.name", "holder")
	p.Recipients = []transforms.Recipient{
		{Name: "analytics", Topic: "clean.analytics.{schema}.{table}", Grade: 2, Treat: []transforms.Rule{
			{Match: "contact.mobile_cn", Treatment: "token", Args: transforms.Args{"domain": "customer"}},
			{Match: "id.cn_resident", Treatment: "token", Args: transforms.Args{"domain": "customer"}},
			{Match: "person.name", Treatment: "mask", Args: transforms.Args{"keep_first": uint64(1)}},
			{Match: "*", Treatment: "drop"}}},
		{Name: "partner", Topic: "clean.partner.{schema}.{table}", Grade: 2, Rows: "after.country == 'CN'", Treat: []transforms.Rule{
			{Match: "*", Treatment: "drop"}}},
	}
	return p
}

// produce writes n changes of the shop.
func (g *rig) produce(n int) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := g.shop.Produce(ctx, g.prod, n); err != nil {
		g.t.Fatal(err)
	}
}

// running is a started Runner.
type running struct {
	*Runner
	cancel context.CancelFunc
	done   chan error
}

// start runs cfg; change may adjust the runner before it starts.
func (g *rig) start(cfg Config, change func(*Runner)) *running {
	g.t.Helper()
	r, err := NewRunner(cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	r.limits.metadata, r.limits.control, r.limits.heartbeat = 500*time.Millisecond, 50*time.Millisecond, 300*time.Millisecond
	if change != nil {
		change(r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	run := &running{Runner: r, cancel: cancel, done: make(chan error, 1)}
	go func() {
		err := r.Run(ctx)
		if err != nil {
			fmt.Fprintln(testWriter{g.t}, "Run ended:", err)
		}
		run.done <- err
	}()
	g.t.Cleanup(func() { cancel(); run.wait(g.t) })
	return run
}

// stop drains and answers Run's error.
func (r *running) stop(t *testing.T) error {
	r.cancel()
	return r.wait(t)
}

func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(60 * time.Second):
		t.Error("Run did not end within a minute")
		return nil
	}
}

// drained waits until everything produced is committed.
func (g *rig) drained() {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if err := streamtest.WaitDrained(ctx, g.prod, InternalNames(g.cfg.Name).Group, g.shop.Topics()...); err != nil {
		g.t.Fatal(err)
	}
}

// check judges all that was published.
func (g *rig) check() *streamtest.Report {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	url := g.c.RegistryURL()
	if g.cfg.Sources[0].Encoding == EncodingJSON {
		url = ""
	}
	dec, err := streamtest.NewDecoder(url)
	if err != nil {
		g.t.Fatal(err)
	}
	c := &streamtest.Check{Ledger: g.shop.Ledger, Decoder: dec, Quarantine: InternalNames(g.cfg.Name).Quarantine,
		Lineage: InternalNames(g.cfg.Name).Lineage, Frames: g.frameRuns(),
		Recipients: []streamtest.Recipient{
			{Name: "analytics", Prefix: "clean.analytics.shop."},
			{Name: "partner", Prefix: "clean.partner.shop.", Partial: true, Keep: func(i *streamtest.Image) bool { return i.Country == "CN" }},
		}}
	rep, err := c.Run(ctx, g.c.Client)
	if err != nil {
		g.t.Fatal(err)
	}
	return rep
}

// exact fails unless every record had its one fate and nothing leaked.
func (g *rig) exact() *streamtest.Report {
	g.t.Helper()
	rep := g.check()
	if !rep.ExactlyOnce() || rep.Leaked() != 0 {
		g.t.Fatalf("not exact: %+v", rep)
	}
	return rep
}

// state reads the state topic.
func (g *rig) state() *State {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	st, err := ReadState(ctx, g.prod, g.cfg.Name)
	if err != nil {
		g.t.Fatal(err)
	}
	return st
}

// frameRuns reads frames for the checker.
func (g *rig) frameRuns() func(*kgo.Record) ([]streamtest.FrameRun, error) {
	st := g.state()
	return func(rec *kgo.Record) ([]streamtest.FrameRun, error) {
		f, err := lineage.ParseFrame(rec.Value)
		if err != nil {
			return nil, err
		}
		var out []streamtest.FrameRun
		for _, r := range f.Recipients {
			for _, s := range f.Spans {
				for o := s.First; o <= s.Last; o++ {
					fate, _ := f.Fate(r.Recipient, o)
					out = append(out, streamtest.FrameRun{Topic: st.Topics[f.Topic].Name, Partition: f.Partition,
						Recipient: r.Recipient, Offset: o, Count: 1, Fate: lineage.FateName(fate.Fate)})
				}
			}
		}
		return out, nil
	}
}

// read answers the committed records of a topic, by partition and offset.
func (g *rig) read(topic string) []*kgo.Record {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	recs, err := streamtest.ReadAll(ctx, g.c.Client, func(s string) bool { return s == topic })
	if err != nil {
		g.t.Fatal(err)
	}
	slices.SortFunc(recs, func(a, b *kgo.Record) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return recs
}

// notices are what the quarantine topic says in clear.
func (g *rig) notices() []Notice {
	g.t.Helper()
	var out []Notice
	for _, rec := range g.read(InternalNames(g.cfg.Name).Quarantine) {
		n, _, _, err := parseNotice(rec)
		if err != nil {
			g.t.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

// standsFor waits until a partition of topic is paused for a reason.
func (g *rig) standsFor(run *running, topic, why string) {
	g.t.Helper()
	waitFor(g.t, topic+" to stand for "+why, func() bool {
		for _, p := range run.Status().Partitions {
			if p.Topic == topic && p.State == "paused" && p.Reason == why {
				return true
			}
		}
		return false
	})
}

// rawTopic is the topic of a plain rig; recipient x gets out.x.raw.
const rawTopic = "raw.t"

// newPlain is a rig for records written by hand: schemaless JSON without an
// envelope, {"id":…,"v":…}. Recipient strict quarantines names that nobody
// declared, recipient loose drops them.
func newPlain(t *testing.T, partitions int, more ...string) *rig {
	t.Helper()
	c, err := streamtest.Start(streamtest.Options{Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.CreateTopics(partitions, append(more, rawTopic)...); err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, c: c, log: &syncBuffer{}}
	if g.prod, err = c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(64<<20)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.prod.Close)
	g.cfg = Config{
		Name: "plain", Workers: 1, Kafka: Kafka{Brokers: c.Brokers()}, CreateTopics: true, Breaker: 100, MaxPoll: 100,
		Sources: []Source{{Topics: "raw.*", Encoding: EncodingJSON, KeyEncoding: EncodingJSON}},
		Policy:  Policy{Transforms: plainPolicy(t, 1), Ring: testRing(t)},
		Log:     slog.New(slog.NewJSONHandler(io.MultiWriter(g.log, testWriter{t}), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return g
}

// plainPolicy declares id and v, and the columns in more.
func plainPolicy(t *testing.T, epoch uint64, more ...string) *transforms.Policy {
	t.Helper()
	tax, err := schemas.DefaultTaxonomy()
	if err != nil {
		t.Fatal(err)
	}
	p := &transforms.Policy{Name: "plain", Keyspace: "plain", Epoch: epoch, Hash: [32]byte{byte(epoch)}, Taxonomy: tax}
	for _, c := range append(more, "id", "v") {
		p.Catalog = append(p.Catalog, transforms.CatalogRule{Match: rawTopic + "." + c, Class: "internal"})
	}
	p.Recipients = []transforms.Recipient{
		{Name: "strict", Topic: "out.strict.{topic}", Grade: 2},
		{Name: "loose", Topic: "out.loose.{topic}", Grade: 2, Unknown: transforms.DropUnknown},
	}
	return p
}

// rawRec makes a record; extra stands in its value as undeclared text unless "".
func rawRec(id, v, extra string) *kgo.Record {
	value := fmt.Sprintf(`{"id":%q,"v":%q}`, id, v)
	if extra != "" {
		value = fmt.Sprintf(`{"id":%q,"v":%q,"extra":%q}`, id, v, extra)
	}
	return &kgo.Record{Topic: rawTopic, Key: fmt.Appendf(nil, `{"id":%q}`, id), Value: []byte(value)}
}

// put produces to partition 0 unless a record names another.
func (g *rig) put(recs ...*kgo.Record) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := g.prod.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		g.t.Fatal(err)
	}
}

// settled waits until all of topics, the raw one if none, is committed.
func (g *rig) settled(topics ...string) {
	g.t.Helper()
	if len(topics) == 0 {
		topics = []string{rawTopic}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	if err := streamtest.WaitDrained(ctx, g.prod, InternalNames(g.cfg.Name).Group, topics...); err != nil {
		g.t.Fatal(err)
	}
}

// got is the field v of each record that a recipient got, "-" for a tombstone.
func (g *rig) got(recipient string) []string {
	g.t.Helper()
	var out []string
	for _, rec := range g.read("out." + recipient + "." + rawTopic) {
		if rec.Value == nil {
			out = append(out, "-")
			continue
		}
		var row struct{ V string }
		if err := json.Unmarshal(rec.Value, &row); err != nil {
			g.t.Fatalf("an output of %s is not JSON", recipient)
		}
		out = append(out, row.V)
	}
	return out
}

// want compares got.
func (g *rig) want(recipient string, v ...string) {
	g.t.Helper()
	if d := gocmp.Diff(v, g.got(recipient)); d != "" {
		g.t.Errorf("%s got (-want +got):\n%s", recipient, d)
	}
}

// reload gives cfg a Reload that answers what is sent to the channel.
func (g *rig) reload() chan<- Policy {
	ch := make(chan Policy, 16)
	g.cfg.Reload = func() (*Policy, error) {
		select {
		case p := <-ch:
			return &p, nil
		default:
			return nil, nil
		}
	}
	return ch
}

// send writes a command.
func (g *rig) send(c Command) {
	g.t.Helper()
	if err := SendControl(context.Background(), g.prod, g.cfg.Name, c); err != nil {
		g.t.Fatal(err)
	}
}

// handled is a client of a registry with this handler.
func (g *rig) handled(h http.HandlerFunc) *registry.Client {
	g.t.Helper()
	s := httptest.NewServer(h)
	g.t.Cleanup(s.Close)
	reg, err := registry.New(registry.Config{URL: s.URL, Compile: CompileSchema})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(reg.Close)
	return reg
}

// valueIDs are the registry's paths of a topic's value schemas.
func (g *rig) valueIDs(topic string) map[string]bool {
	g.t.Helper()
	cl, err := sr.NewClient(sr.URLs(g.c.RegistryURL()))
	if err != nil {
		g.t.Fatal(err)
	}
	ss, err := cl.Schemas(context.Background(), topic+"-value")
	if err != nil {
		g.t.Fatal(err)
	}
	out := map[string]bool{}
	for _, s := range ss {
		out[fmt.Sprintf("/schemas/ids/%d", s.ID)] = true
	}
	return out
}
