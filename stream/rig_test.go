package stream

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/keys"
	"weir/schemas"
	"weir/schemas/registry"
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
	r.limits.metadata, r.limits.control = 500*time.Millisecond, 50*time.Millisecond
	if change != nil {
		change(r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	run := &running{Runner: r, cancel: cancel, done: make(chan error, 1)}
	go func() { run.done <- r.Run(ctx) }()
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
