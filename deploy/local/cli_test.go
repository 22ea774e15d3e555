package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func invoke(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), args, &o, &e)
	return code, o.String(), e.String()
}

func TestUsageErrors(t *testing.T) {
	dir := "--dir=" + filepath.Join(t.TempDir(), "run")
	for _, args := range [][]string{
		{"fly"},
		{"up", dir},
		{"up", "mysql", dir},
		{"up", "kafka-2", dir},
		{"up", "redis", "--nodes", "2", dir},
		{"up", "redis", "--redis-port", "19090", dir},
		{"up", "redis", "--no-such-flag", dir},
		{"down", "mysql", dir},
		{"install", "mysql", dir},
		{"connector", dir},
		{"connector", "a", "b", dir},
		{"readback", dir},
		{"readback", "--topics", "a", "--format", "xml", dir},
		{"readback", "--topics", "a", "--key-format", "xml", dir},
	} {
		if code, _, stderr := invoke(t, args...); code != 2 || stderr == "" {
			t.Errorf("%q: exit %d, %q; want 2 and a reason", args, code, stderr)
		}
	}
	if code, out, _ := invoke(t, "--help"); code != 0 || !strings.Contains(out, "readback") {
		t.Errorf("--help: exit %d, %q", code, out)
	}
}

func TestStatusOfNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	code, out, stderr := invoke(t, "status", "--json", "--dir", dir)
	var got struct {
		Dir     string
		Servers []serverStatus
	}
	if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, stderr)
	}
	if got.Dir != dir || len(got.Servers) != 5 {
		t.Errorf("%+v; want five servers in %s", got, dir)
	}
	for _, s := range got.Servers {
		if s.State != "stopped" || s.Ports[s.Name] == 0 {
			t.Errorf("%+v; want stopped, with a port", s)
		}
	}
	if code, out, _ := invoke(t, "env", "--dir", dir); code != 0 || strings.Contains(out, "WEIR_KAFKA") {
		t.Errorf("env of nothing: exit %d, %q", code, out)
	}
	if code, _, stderr := invoke(t, "ready", "--dir", dir); code != 1 || !strings.Contains(stderr, "nothing was started") {
		t.Errorf("ready of nothing: exit %d, %q", code, stderr)
	}
}

func TestCleanDeletesOnlyItsOwn(t *testing.T) {
	dir := t.TempDir()
	mine, theirs := filepath.Join(dir, "logs", "x.log"), filepath.Join(dir, "thesis.txt")
	for _, f := range []string{mine, theirs} {
		if err := writeFile(f, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, stderr := invoke(t, "clean", "--dir", dir); code != 1 || !strings.Contains(stderr, "nothing deleted") {
		t.Errorf("a folder without our mark: exit %d, %q", code, stderr)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error("it was deleted without the mark")
	}
	if err := defaultSettings().save(dir); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := invoke(t, "clean", "--dir", dir); code != 0 {
		t.Errorf("exit %d, %q", code, stderr)
	}
	if _, err := os.Stat(mine); err == nil {
		t.Error("our log is still there")
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Error("a file that is not ours was deleted")
	}
}

func TestDataOfAnotherQuorumIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := defaultSettings()
	s.Formatted = 1
	if err := s.save(dir); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(dir, "kafka-1", "data", "meta.properties"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := invoke(t, "up", "kafka", "--nodes", "3", "--no-apt", "--dir", dir, "--cache", t.TempDir())
	if code != 1 || !strings.Contains(stderr, "1 node") || !strings.Contains(stderr, "clean") {
		t.Errorf("exit %d, %q", code, stderr)
	}
	if kept, err := loadSettings(dir); err != nil || kept.Nodes != 1 {
		t.Errorf("a refused up changed the settings: %+v, %v", kept, err)
	}
}

func TestEnvironmentOfASecuredKafka(t *testing.T) {
	j := testJob(t)
	j.set.Nodes, j.set.SASL = 3, true
	got := map[string]string{}
	for _, v := range j.kafkaEnvironment() {
		got[v.name] = v.value
	}
	expect(t, got, map[string]string{
		"WEIR_KAFKA":               "127.0.0.1:19090,127.0.0.1:19091,127.0.0.1:19092",
		"WEIR_KAFKA_SASL_SSL":      "127.0.0.1:19100,127.0.0.1:19101,127.0.0.1:19102",
		"WEIR_KAFKA_USER":          "weir",
		"WEIR_KAFKA_MECHANISM":     "SCRAM-SHA-512",
		"WEIR_KAFKA_CA":            j.tlsPath("ca.pem"),
		"WEIR_KAFKA_PASSWORD_FILE": j.secretPath("kafka-weir"),
	})
	if err := j.makeShared(); err != nil {
		t.Fatal(err)
	}
	for name, path := range got {
		if strings.HasPrefix(path, "/") {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:9092,x":           "127.0.0.1:9092,x",
		"":                           "''",
		"a b":                        "'a b'",
		"it's $(rm)":                 `'it'\''s $(rm)'`,
		"postgres://u:p@h/d?a=b&c=d": `'postgres://u:p@h/d?a=b&c=d'`,
	} {
		if got := shellQuote(in); got != want {
			t.Errorf("%q → %s; want %s", in, got, want)
		}
	}
}

func TestReadbackCommandLine(t *testing.T) {
	j := testJob(t)
	o := &readbackOptions{format: "json", topics: "a,b", schemas: true, minimum: 3, timeout: 2e9}
	text := strings.Join(j.readbackArgs(o, "/x/ReadBack.java"), " ")
	mustContain(t, text, "/x/ReadBack.java brokers=127.0.0.1:19090 registry=http://127.0.0.1:19120/apis/registry/v2",
		"format=json keys=json schemas=true topics=a,b min=3 timeout_ms=2000", bundleKafka.name, bundleAvro.sub)
	if !strings.Contains(readBackSource, "read_committed") {
		t.Error("the program embedded is not the one meant")
	}
}

func TestTLSFilesVerifyEachOther(t *testing.T) {
	j := testJob(t)
	j.set.SASL = true
	if err := j.makeShared(); err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, j); err != nil {
		t.Error(err)
	}
	for _, secret := range []string{"server.pem", "server.key", "client.pem", "client.key", "client.properties", "kcat.conf"} {
		if st, err := os.Stat(j.tlsPath(secret)); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v; want mode 0600", secret, st.Mode())
		}
	}
}
