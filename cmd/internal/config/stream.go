package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"weir/keys"
	"weir/schemas/registry"
	"weir/stream"
	"weir/transforms"
)

// Stream makes the configuration of package stream: it reads certificates and
// opens the key file. Slot, Log and Reload are the caller's.
func (c *Config) Stream() (stream.Config, error) {
	out, err := c.Connections()
	if err != nil {
		return stream.Config{}, err
	}
	policy, err := c.StreamPolicy()
	if err != nil {
		return stream.Config{}, err
	}
	out.Policy = *policy
	return out, nil
}

// StreamPolicy is the part that a reload may change, with its key ring.
func (c *Config) StreamPolicy() (*stream.Policy, error) {
	ring, err := c.Ring()
	if err != nil {
		return nil, err
	}
	return &stream.Policy{Transforms: c.Policy, Ring: ring, CanonicalYAML: c.Canonical}, nil
}

// Ring opens the key file.
func (c *Config) Ring() (*keys.Ring, error) {
	ring, err := keys.OpenFile(c.KeyFile(), c.File.Profile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, c.refuse("keys.file", "there is no key file %s: make one with `weir keys init %s`", c.KeyFile(), c.KeyFile())
	}
	if err != nil {
		return nil, c.refuse("keys.file", "%v", err)
	}
	return ring, nil
}

// KeyFile is the path of the key file, relative to the working directory.
func (c *Config) KeyFile() string { return c.beside(c.pos["keys.file"], c.File.Keys.File) }

// Connections is Stream without keys: for commands that read and write no
// record. Its Policy has no Ring.
func (c *Config) Connections() (stream.Config, error) {
	f := &c.File
	out := stream.Config{
		Name: f.Name, Workers: f.Workers, Breaker: f.Breaker, MaxPoll: f.Batch.Max, AdminAddr: f.Admin.Listen,
		CreateTopics: f.Topics.Create, Sources: c.sources(),
		Policy: stream.Policy{Transforms: c.Policy, CanonicalYAML: c.Canonical},
	}
	out.Start, _ = parseStart(f.Start)                 // checked
	out.Linger, _ = time.ParseDuration(f.Batch.Linger) // checked
	out.OnPoison = map[string]stream.OnPoison{"park_key": stream.ParkKey, "skip": stream.Skip, "stop": stream.Stop}[f.OnPoison]
	var err error
	if out.Kafka, err = c.kafka(); err != nil {
		return stream.Config{}, err
	}
	if f.Registry != nil {
		out.RegisterSchemas = *f.Registry.Register
		if out.Registry, err = c.registry(); err != nil {
			return stream.Config{}, err
		}
	}
	return out, nil
}

func (c *Config) kafka() (stream.Kafka, error) {
	k := &c.File.Kafka
	out := stream.Kafka{Brokers: k.Brokers, AllowTV1: k.AllowTV1}
	if k.SASL != nil {
		out.SASL = stream.SASL{Mechanism: k.SASL.Mechanism, User: k.SASL.User, Password: k.SASL.Password, Token: k.SASL.Token}
	}
	var err error
	out.TLS, err = c.tls("kafka.tls", k.TLS)
	return out, err
}

func (c *Config) registry() (*registry.Client, error) {
	r := c.File.Registry
	tlsConfig, err := c.tls("registry.tls", r.TLS)
	if err != nil {
		return nil, err
	}
	client, err := registry.New(registry.Config{
		URL: r.URL, User: r.User, Password: r.Password, Token: r.Token, TLS: tlsConfig, Compile: stream.CompileSchema,
	})
	if err != nil {
		return nil, c.refuse("registry", "%v", err)
	}
	return client, nil
}

// tls reads certificates; nil in, nil out.
func (c *Config) tls(path string, t *TLS) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := c.env.ReadFile(c.beside(c.pos[path+".ca"], t.CA))
		out.RootCAs = x509.NewCertPool()
		if err != nil || !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, c.refuse(path+".ca", "no PEM certificate can be read from this file")
		}
	}
	if t.Cert != "" {
		cert, err1 := c.env.ReadFile(c.beside(c.pos[path+".cert"], t.Cert))
		key, err2 := c.env.ReadFile(c.beside(c.pos[path+".key"], t.Key))
		pair, err := tls.X509KeyPair(cert, key)
		if err1 != nil || err2 != nil || err != nil {
			return nil, c.refuse(path+".cert", "no PEM certificate with its key can be read from these files")
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

// refuse is one problem as an error.
func (c *Config) refuse(path, format string, args ...any) error {
	return Problems{c.src.problem(c.at(path), format, args...)}
}

func (c *Config) sources() []stream.Source {
	out := make([]stream.Source, len(c.File.Sources))
	for i := range c.File.Sources {
		s, at := &c.File.Sources[i], indexed("sources", i)
		out[i] = stream.Source{
			Topics: s.Topics, Name: s.Name, Encoding: encodings[s.Encoding], KeyEncoding: encodings[s.Key],
			HeaderFraming: s.Framing == "header", SchemaBlock: s.SchemaBlock,
			SchemaText: c.texts[at+".schema"], KeySchemaText: c.texts[at+".key_schema"],
			Envelope: envelopes[s.Envelope], Events: events[s.Events], BeforeFull: s.Before == "full",
			Placeholder: s.Placeholder, Headers: s.KeepHeaders, KeyChangeHeaders: s.Headers,
		}
	}
	return out
}

// The words of the policy file.
var (
	encodings = map[string]stream.Encoding{
		"bytes": stream.EncodingBytes, "string": stream.EncodingString, "avro": stream.EncodingAvro, "json": stream.EncodingJSON,
		"confluent-avro": stream.EncodingConfluentAvro, "confluent-json": stream.EncodingConfluentJSON,
	}
	envelopes = map[string]transforms.Envelope{
		"debezium": transforms.EnvelopeDebezium, "flat": transforms.EnvelopeFlat, "none": transforms.EnvelopeNone,
	}
	events = map[string]transforms.Events{
		"rows": transforms.EventsRows, "transaction": transforms.EventsTransaction,
		"heartbeat": transforms.EventsHeartbeat, "schema_change": transforms.EventsSchemaChange,
	}
)

func parseStart(s string) (stream.Start, error) {
	switch s {
	case "earliest":
		return stream.Start{}, nil
	case "latest":
		return stream.Start{Latest: true}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return stream.Start{}, fmt.Errorf("start: %w", err)
	}
	return stream.Start{Time: t}, nil
}
