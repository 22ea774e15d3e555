package main

import (
	"context"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func connectorFlags(t *testing.T, args ...string) *connectorOptions {
	t.Helper()
	o := &connectorOptions{}
	fl := flag.NewFlagSet("connector", flag.ContinueOnError)
	fl.SetOutput(io.Discard)
	o.register(fl)
	if err := fl.Parse(args); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestConnectorDefaults(t *testing.T) {
	o := connectorFlags(t, "--tables", "shop.orders")
	if err := o.check(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"connector.class":                           debeziumClass,
		"tasks.max":                                 "1",
		"plugin.name":                               "pgoutput",
		"database.hostname":                         "127.0.0.1",
		"database.port":                             "19130",
		"database.user":                             "weir",
		"database.password":                         "pw",
		"database.dbname":                           "shop",
		"topic.prefix":                              "cdc",
		"table.include.list":                        "shop.orders",
		"slot.name":                                 "weir_my_cdc_1",
		"publication.name":                          "weir_my_cdc_1",
		"publication.autocreate.mode":               "filtered",
		"snapshot.mode":                             "initial",
		"tombstones.on.delete":                      "true",
		"provide.transaction.metadata":              "false",
		"topic.creation.enable":                     "true",
		"topic.creation.default.partitions":         "1",
		"topic.creation.default.replication.factor": "-1",
		"status.update.interval.ms":                 "1000",
		"schema.name.adjustment.mode":               "avro",
	}
	for _, side := range []string{"key.converter", "value.converter"} {
		want[side] = "io.apicurio.registry.utils.converter.AvroConverter"
		want[side+".apicurio.registry.url"] = "http://127.0.0.1:19120/apis/registry/v2"
		want[side+".apicurio.registry.as-confluent"] = "true"
		want[side+".apicurio.registry.use-id"] = "contentId"
		want[side+".apicurio.registry.headers.enabled"] = "false"
		want[side+".apicurio.registry.auto-register"] = "true"
	}
	if diff := cmp.Diff(want, o.config("My-CDC.1", defaultSettings(), "pw")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConnectorJSON(t *testing.T) {
	o := connectorFlags(t, "--tables", "shop.orders", "--format", "json", "--schemas", "--heartbeat", "2s",
		"--propagate-source-type", ".*", "--compact", "--set", "tasks.max=2", "--set", "x=a=b")
	got := o.config("n", defaultSettings(), "pw")
	expect(t, got, map[string]string{
		"key.converter":                         "org.apache.kafka.connect.json.JsonConverter",
		"value.converter.schemas.enable":        "true",
		"heartbeat.interval.ms":                 "2000",
		"column.propagate.source.type":          ".*",
		"topic.creation.default.cleanup.policy": "compact",
		"tasks.max":                             "2",
		"x":                                     "a=b",
	})
	if _, ok := got["schema.name.adjustment.mode"]; ok {
		t.Error("names are adjusted for Avro though JSON is written")
	}
}

func TestConnectorUsage(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"--tables", "a.b", "--format", "xml"},
		{"--tables", "a.b", "--format", "avro", "--schemas"},
		{"--tables", "a.b", "--set", "novalue"},
	} {
		if err := connectorFlags(t, args...).check(); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

// A worker answers 409 while it rebalances, and a connector runs only when its
// task does.
func TestConnectorIsAwaited(t *testing.T) {
	answers := []string{
		`{"connector":{"state":"RUNNING"},"tasks":[]}`,
		`{"connector":{"state":"RUNNING"},"tasks":[{"state":"UNASSIGNED"}]}`,
		`{"connector":{"state":"RUNNING"},"tasks":[{"state":"RUNNING"}]}`,
	}
	puts, gets := 0, 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			if puts++; puts == 1 {
				w.WriteHeader(http.StatusConflict)
			}
			return
		}
		io.WriteString(w, answers[min(gets, len(answers)-1)])
		gets++
	}))
	defer srv.Close()
	if err := callConnect(context.Background(), http.MethodPut, srv.URL, map[string]string{}); err != nil || puts != 2 {
		t.Errorf("%v after %d requests; want success at the second", err, puts)
	}
	if err := awaitConnector(context.Background(), srv.URL, 10*time.Second); err != nil || gets != 3 {
		t.Errorf("%v after %d questions; want success at the third", err, gets)
	}
}

func TestConnectorFailures(t *testing.T) {
	status := http.StatusOK
	body := `{"connector":{"state":"RUNNING"},"tasks":[{"state":"FAILED","trace":"java.lang.Oops\n\tat x"}]}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	defer srv.Close()
	if err := awaitConnector(context.Background(), srv.URL, 10*time.Second); err == nil || !strings.Contains(err.Error(), "java.lang.Oops") {
		t.Errorf("a failed task: %v", err)
	}
	body = `{"connector":{"state":"UNASSIGNED"},"tasks":[]}`
	if err := awaitConnector(context.Background(), srv.URL, 300*time.Millisecond); err == nil || !strings.Contains(err.Error(), "UNASSIGNED") {
		t.Errorf("never running: %v", err)
	}
	status, body = http.StatusBadRequest, "no such table"
	if err := callConnect(context.Background(), http.MethodPut, srv.URL, nil); err == nil || !strings.Contains(err.Error(), "no such table") {
		t.Errorf("a refused configuration: %v", err)
	}
}
