package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/cmd/internal/demo"
	"weir/stream"
	"weir/stream/streamtest"
)

// server is a script's embedded cluster and the shop that was produced to it.
type server struct {
	cluster *streamtest.Cluster
	shop    *streamtest.Shop
}

type serverKey struct{}

const scriptTimeout = 30 * time.Second

// startServer: cluster N [tls] starts a broker with SCRAM, ACLs and
// perhaps TLS, and a registry, produces N records, and writes the demo's policy for it as
// policy.yaml. BROKER, REGISTRY and KAFKA_PASSWORD go into the environment.
func startServer(ts *testscript.TestScript, _ bool, args []string) {
	const password = "canary-broker-password"
	secure := len(args) > 1 && args[1] == "tls"
	c, err := streamtest.Start(streamtest.Options{TLS: secure, ACLs: true, Users: []streamtest.User{
		{Name: "weir", Password: password, Super: true}, {Name: "eve", Password: "pw"}}})
	ts.Check(err)
	ts.Defer(c.Close)
	shop, err := streamtest.NewShop(streamtest.ShopOptions{Seed: 1, Registry: c.RegistryURL(), AlterAt: 200})
	ts.Check(err)
	ts.Check(c.CreateTopics(3, shop.Topics()...))
	ctx, cancel := context.WithTimeout(context.Background(), scriptTimeout)
	defer cancel()
	cl, err := c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	ts.Check(err)
	defer cl.Close()
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(shop.Produce(ctx, cl, n))
	ts.Setenv("BROKER", c.Brokers()[0])
	ts.Setenv("REGISTRY", c.RegistryURL())
	ts.Setenv("KAFKA_PASSWORD", password)
	inTLS := ""
	if secure {
		ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), certificateOf(ts, c), 0o600))
		inTLS = "tls: {ca: ca.pem}, "
	}
	policy := strings.NewReplacer(
		`{brokers: ["{{brokers}}"]}`, `{brokers: ["${env:BROKER}"], `+inTLS+`sasl: {mechanism: SCRAM-SHA-512, user: weir, password: "${env:KAFKA_PASSWORD}"}}`,
		"{{registry}}", "${env:REGISTRY}", "topics: {create: true}\n", "").Replace(demo.Policy())
	ts.Check(os.WriteFile(ts.MkAbs("policy.yaml"), []byte(policy), 0o600))
	*ts.Value(serverKey{}).(*server) = server{c, shop}
}

func certificateOf(ts *testscript.TestScript, c *streamtest.Cluster) []byte {
	conn, err := tls.Dial("tcp", c.Brokers()[0], c.ClientTLS())
	ts.Check(err)
	defer conn.Close()
	var out []byte
	for _, cert := range conn.ConnectionState().PeerCertificates {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return out
}

// drained: waits until the pipeline has consumed what there is.
func drained(ts *testscript.TestScript, _ bool, _ []string) {
	s := ts.Value(serverKey{}).(*server)
	ctx, cancel := context.WithTimeout(context.Background(), scriptTimeout)
	defer cancel()
	cl, err := s.cluster.Client()
	ts.Check(err)
	defer cl.Close()
	ts.Check(streamtest.WaitDrained(ctx, cl, stream.InternalNames("demo").Group, s.shop.Topics()...))
}

// judged: wants every record exactly once and no raw value anywhere.
func judged(ts *testscript.TestScript, _ bool, _ []string) {
	s := ts.Value(serverKey{}).(*server)
	ctx, cancel := context.WithTimeout(context.Background(), scriptTimeout)
	defer cancel()
	decoder, err := streamtest.NewDecoder(s.cluster.RegistryURL())
	ts.Check(err)
	check := streamtest.Check{
		Ledger: s.shop.Ledger, Decoder: decoder, Quarantine: stream.InternalNames("demo").Quarantine,
		Recipients: []streamtest.Recipient{
			{Name: "analytics", Prefix: "clean.analytics.shop."},
			{Name: "partner", Prefix: "clean.partner.shop.", Keep: func(i *streamtest.Image) bool { return i.Country == "CN" }},
		},
	}
	report, err := check.Run(ctx, s.cluster.Client)
	ts.Check(err)
	if !report.ExactlyOnce() || report.Leaked() > 0 || report.In == 0 {
		ts.Fatalf("exactly once %v, leaked %d, in %d: %v", report.ExactlyOnce(), report.Leaked(), report.In, report.Findings)
	}
}
