package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// connectorOptions describe a Debezium PostgreSQL connector.
type connectorOptions struct {
	format      string        // avro or json
	tables      string        // schema.table, comma-separated
	prefix      string        // topic.prefix
	schemas     bool          // json: embed Connect's schema block
	propagate   string        // regular expression of columns whose source type goes into the schema
	snapshot    string        // snapshot.mode
	heartbeat   time.Duration // 0 = off
	transaction bool          // transaction metadata topic and block
	partitions  int           // of the topics it makes
	compact     bool          // make the topics compacted
	set         list          // further settings, key=value
	remove      bool          // delete it instead
	timeout     time.Duration // to become RUNNING
}

func (o *connectorOptions) register(fl *flag.FlagSet) {
	fl.StringVar(&o.format, "format", "avro", "avro (Confluent framing) or json")
	fl.StringVar(&o.tables, "tables", "", "tables, `schema.table,...`")
	fl.StringVar(&o.prefix, "topic-prefix", "cdc", "topic.prefix; topics are PREFIX.schema.table")
	fl.BoolVar(&o.schemas, "schemas", false, "json: with Connect's schema block")
	fl.StringVar(&o.propagate, "propagate-source-type", "", "column.propagate.source.type: `regexp,...` of db.schema.table.column")
	fl.StringVar(&o.snapshot, "snapshot", "initial", "snapshot.mode")
	fl.DurationVar(&o.heartbeat, "heartbeat", 0, "heartbeat interval; 0 is off")
	fl.BoolVar(&o.transaction, "transaction-metadata", false, "provide.transaction.metadata")
	fl.IntVar(&o.partitions, "partitions", 1, "partitions of the topics it makes")
	fl.BoolVar(&o.compact, "compact", false, "make its topics with cleanup.policy=compact")
	fl.Var(&o.set, "set", "a further connector setting `key=value` (repeatable)")
	fl.BoolVar(&o.remove, "delete", false, "delete the connector (its replication slot stays)")
	fl.DurationVar(&o.timeout, "timeout", 60*time.Second, "to become RUNNING")
}

func (o *connectorOptions) check() error {
	if o.format != "avro" && o.format != "json" {
		return usagef("--format %q: avro or json", o.format)
	}
	if o.schemas && o.format != "json" {
		return usagef("--schemas is for --format json")
	}
	if o.tables == "" && !o.remove {
		return usagef("--tables is missing")
	}
	for _, kv := range o.set {
		if k, _, ok := strings.Cut(kv, "="); !ok || k == "" {
			return usagef("--set %q: want key=value", kv)
		}
	}
	return nil
}

// config renders the connector's settings. Slot and publication carry the
// connector's name, so that several can run on one database.
func (o *connectorOptions) config(name string, set Settings, pgPassword string) map[string]string {
	ident := sqlName(name)
	c := map[string]string{
		"connector.class":                           debeziumClass,
		"tasks.max":                                 "1",
		"plugin.name":                               "pgoutput",
		"database.hostname":                         "127.0.0.1",
		"database.port":                             strconv.Itoa(set.Ports.Postgres),
		"database.user":                             pgUser,
		"database.password":                         pgPassword,
		"database.dbname":                           pgDatabase,
		"topic.prefix":                              o.prefix,
		"table.include.list":                        o.tables,
		"slot.name":                                 "weir_" + ident,
		"publication.name":                          "weir_" + ident,
		"publication.autocreate.mode":               "filtered",
		"snapshot.mode":                             o.snapshot,
		"tombstones.on.delete":                      "true",
		"provide.transaction.metadata":              strconv.FormatBool(o.transaction),
		"topic.creation.enable":                     "true",
		"topic.creation.default.partitions":         strconv.Itoa(o.partitions),
		"topic.creation.default.replication.factor": "-1",
		"status.update.interval.ms":                 "1000",
	}
	if o.compact {
		c["topic.creation.default.cleanup.policy"] = "compact"
	}
	if o.heartbeat > 0 {
		c["heartbeat.interval.ms"] = strconv.FormatInt(o.heartbeat.Milliseconds(), 10)
	}
	if o.propagate != "" {
		c["column.propagate.source.type"] = o.propagate
	}
	for _, side := range []string{"key.converter", "value.converter"} {
		o.converter(c, side, "http://"+loopback(set.Ports.Registry))
	}
	for _, kv := range o.set {
		k, v, _ := strings.Cut(kv, "=")
		c[k] = v
	}
	return c
}

// converter sets one side's converter. Apicurio's writes what Confluent's would:
// 0x00, four bytes of schema id, the payload.
func (o *connectorOptions) converter(c map[string]string, side, registry string) {
	if o.format == "json" {
		c[side] = "org.apache.kafka.connect.json.JsonConverter"
		c[side+".schemas.enable"] = strconv.FormatBool(o.schemas)
		return
	}
	c["schema.name.adjustment.mode"] = "avro"
	c[side] = "io.apicurio.registry.utils.converter.AvroConverter"
	c[side+".apicurio.registry.url"] = registry + "/apis/registry/v2"
	c[side+".apicurio.registry.as-confluent"] = "true"
	c[side+".apicurio.registry.use-id"] = "contentId"
	c[side+".apicurio.registry.headers.enabled"] = "false"
	c[side+".apicurio.registry.auto-register"] = "true"
}

// sqlName makes a replication slot's name of a connector's: lower-case letters,
// digits and underscores.
func sqlName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
}

func cmdConnector(ctx context.Context, in *invocation) error {
	if len(in.names) != 1 {
		return usagef("connector needs one name")
	}
	if err := in.conn.check(); err != nil {
		return err
	}
	needed := []string{"connect", "postgres"}
	if in.conn.format == "avro" {
		needed = append(needed, "registry")
	}
	for _, n := range needed {
		if !in.conn.remove && !in.running(n) {
			return fmt.Errorf("%s is not running: `up %s` first", n, strings.Join(needed, " "))
		}
	}
	at := in.connectURL() + "/connectors/" + url.PathEscape(in.names[0])
	if in.conn.remove {
		return callConnect(ctx, http.MethodDelete, at, nil)
	}
	pass, err := in.secret("postgres")
	if err != nil {
		return err
	}
	began := time.Now()
	if err := callConnect(ctx, http.MethodPut, at+"/config", in.conn.config(in.names[0], in.set, pass)); err != nil {
		return err
	}
	if err := awaitConnector(ctx, at+"/status", in.conn.timeout); err != nil {
		return err
	}
	in.say("connector %s is RUNNING (%.1f s)", in.names[0], time.Since(began).Seconds())
	return nil
}

func callConnect(ctx context.Context, method, at string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	// A worker that is rebalancing answers 409: it is asked again.
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(300 * time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(b))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := loopbackHTTP().Do(req)
		if err != nil {
			return err
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		resp.Body.Close()
		if resp.StatusCode < 300 {
			return nil
		}
		if resp.StatusCode != http.StatusConflict || time.Now().After(end) {
			return fmt.Errorf("%s %s: %s: %s", method, at, resp.Status, bytes.TrimSpace(text))
		}
	}
}

// connectorStatus is the part of Connect's answer that decides.
type connectorStatus struct {
	Connector taskStatus   `json:"connector"`
	Tasks     []taskStatus `json:"tasks"`
}

type taskStatus struct {
	State string `json:"state"`
	Trace string `json:"trace"`
}

// verdict: running, or an error that will not heal, or neither yet.
func (s connectorStatus) verdict() (running bool, err error) {
	running = s.Connector.State == "RUNNING" && len(s.Tasks) > 0
	for _, t := range append([]taskStatus{s.Connector}, s.Tasks...) {
		if t.State == "FAILED" {
			return false, fmt.Errorf("the connector failed:\n%s", firstLines(t.Trace, 8))
		}
		running = running && t.State == "RUNNING"
	}
	return running, nil
}

func awaitConnector(ctx context.Context, at string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	last := errors.New("no answer yet")
	for {
		var s connectorStatus
		if err := getJSON(ctx, at, &s); err == nil {
			ok, err := s.verdict()
			if ok || err != nil {
				return err
			}
			last = fmt.Errorf("connector %s, %d task(s)", s.Connector.State, len(s.Tasks))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the connector is not RUNNING: %w", last)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func firstLines(s string, n int) string {
	lines := strings.SplitN(s, "\n", n+1)
	return strings.Join(lines[:min(n, len(lines))], "\n")
}
