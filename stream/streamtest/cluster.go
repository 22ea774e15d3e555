// Package streamtest is what tests and the demo stand on: an embedded broker
// and schema registry, a shop whose change stream is known record by record,
// and a checker that reads what came out and says whether every record arrived
// exactly once, in order, and without a single raw value.
//
//	c, err := streamtest.Start(streamtest.Options{Partitions: 3})
//	shop, err := streamtest.NewShop(streamtest.ShopOptions{Seed: 1, Partitions: 3, Registry: c.RegistryURL()})
//	err = shop.Produce(ctx, client, 1000)
//	… run the pipeline …
//	report, err := check.Run(ctx, c.Client())
//	if !report.ExactlyOnce() || report.Leaked() > 0 { … }
//
// The checker shares no code with the pipeline: it decodes with goavro and
// encoding/json and knows the source of a record from the columns it carries,
// not from Weir's header.
package streamtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// User is a SCRAM-SHA-512 user of the embedded broker. ACLs apply to it unless
// it is a superuser.
type User struct {
	Name, Password string
	Super          bool
	ACLs           []kfake.ACL
}

// Options of an embedded cluster; the zero value is one plaintext broker.
type Options struct {
	Nodes      int    // brokers, 1 if zero
	Partitions int    // of topics that are made without a number, 3 if zero
	Users      []User // SASL is required when there are any
	TLS        bool   // with a certificate made for this cluster
	ACLs       bool   // enforce the users' ACLs
	// KafkaPort and RegistryPort are fixed ports; zero lets the system choose.
	KafkaPort, RegistryPort int
	RegistryAuth            string // the Authorization header that the registry demands
}

// Cluster is an embedded Kafka broker and schema registry on loopback.
type Cluster struct {
	Kafka    *kfake.Cluster
	Registry *srfake.Registry

	opts    Options
	server  *http.Server
	addr    string
	serving chan struct{} // closed when the registry's server has ended
	roots   *x509.CertPool
}

// Start starts a cluster; the caller closes it.
func Start(o Options) (*Cluster, error) {
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	if o.Partitions == 0 {
		o.Partitions = 3
	}
	c := &Cluster{opts: o, serving: make(chan struct{})}
	opts, err := c.kafkaOptions()
	if err != nil {
		return nil, err
	}
	if c.Kafka, err = kfake.NewCluster(opts...); err != nil {
		return nil, fmt.Errorf("starting the embedded broker: %w", err)
	}
	if err := c.startRegistry(); err != nil {
		c.Kafka.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) kafkaOptions() ([]kfake.Opt, error) {
	o := c.opts
	opts := []kfake.Opt{kfake.NumBrokers(o.Nodes), kfake.DefaultNumPartitions(o.Partitions)}
	if o.KafkaPort != 0 {
		opts = append(opts, kfake.Ports(o.KafkaPort))
	}
	if len(o.Users) > 0 {
		opts = append(opts, kfake.EnableSASL())
	}
	for _, u := range o.Users {
		if u.Super {
			opts = append(opts, kfake.Superuser("SCRAM-SHA-512", u.Name, u.Password))
			continue
		}
		opts = append(opts, kfake.User("SCRAM-SHA-512", u.Name, u.Password, u.ACLs...))
	}
	if o.ACLs {
		opts = append(opts, kfake.EnableACLs())
	}
	if !o.TLS {
		return opts, nil
	}
	cert, roots, err := selfSigned()
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	c.roots = roots
	return append(opts, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}})), nil
}

func (c *Cluster) startRegistry() error {
	var opts []srfake.Option
	if c.opts.RegistryAuth != "" {
		opts = append(opts, srfake.WithAuth(c.opts.RegistryAuth))
	}
	c.Registry = srfake.NewRegistry(opts...)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.opts.RegistryPort))
	if err != nil {
		return fmt.Errorf("starting the embedded registry: %w", err)
	}
	c.addr = l.Addr().String()
	c.server = &http.Server{Handler: c.Registry.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(c.serving)
		_ = c.server.Serve(l)
	}()
	return nil
}

// Brokers are the brokers' addresses, host:port.
func (c *Cluster) Brokers() []string { return c.Kafka.ListenAddrs() }

// RegistryURL is the registry's base URL.
func (c *Cluster) RegistryURL() string { return "http://" + c.addr }

// ClientTLS is a configuration that trusts the cluster, nil without TLS.
func (c *Cluster) ClientTLS() *tls.Config {
	if c.roots == nil {
		return nil
	}
	return &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12}
}

// Client connects as the first superuser, or as nobody where there are no
// users. The caller closes it.
func (c *Cluster) Client(opts ...kgo.Opt) (*kgo.Client, error) {
	base := []kgo.Opt{kgo.SeedBrokers(c.Brokers()...)}
	if t := c.ClientTLS(); t != nil {
		base = append(base, kgo.DialTLSConfig(t))
	}
	for _, u := range c.opts.Users {
		if u.Super {
			base = append(base, kgo.SASL(scram.Auth{User: u.Name, Pass: u.Password}.AsSha512Mechanism()))
			break
		}
	}
	return kgo.NewClient(append(base, opts...)...)
}

// CreateTopics makes topics with the same number of partitions.
func (c *Cluster) CreateTopics(partitions int, names ...string) error {
	var errs []error
	for _, n := range names {
		cfg := map[string]string{}
		if strings.HasPrefix(n, "_weir.") {
			cfg["retention.ms"] = "-1"
		}
		if err := c.Kafka.CreateTopic(n, int32(partitions), cfg); err != nil {
			errs = append(errs, fmt.Errorf("creating topic %s: %w", n, err))
		}
	}
	return errors.Join(errs...)
}

// Close stops both servers.
func (c *Cluster) Close() {
	_ = c.server.Close()
	<-c.serving
	c.Kafka.Close()
}

// selfSigned makes a certificate for loopback and the pool that trusts it.
func selfSigned() (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "streamtest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots, nil
}

// Schema is the text of a registered schema.
func (c *Cluster) Schema(ctx context.Context, id int) (string, error) {
	cl, err := sr.NewClient(sr.URLs(c.RegistryURL()))
	if err != nil {
		return "", fmt.Errorf("connecting to the registry: %w", err)
	}
	s, err := cl.SchemaByID(ctx, id)
	if err != nil {
		return "", fmt.Errorf("schema %d: %w", id, err)
	}
	return s.Schema, nil
}
