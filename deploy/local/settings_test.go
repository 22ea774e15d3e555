package main

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func applied(t *testing.T, s Settings, args ...string) Settings {
	t.Helper()
	var f settingFlags
	fl := flag.NewFlagSet("up", flag.ContinueOnError)
	fl.SetOutput(io.Discard)
	f.register(fl)
	if err := fl.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f.apply(fl, s)
}

func TestFlagsOverlayWhatTheFolderRemembers(t *testing.T) {
	kept := defaultSettings()
	kept.Nodes, kept.SASL, kept.Ports, kept.KafkaConfig = 3, true, portsFrom(20000), []string{"a=b"}

	if diff := cmp.Diff(kept, applied(t, kept)); diff != "" {
		t.Errorf("no flag given (-want +got):\n%s", diff)
	}
	want := kept
	want.Ports.Redis, want.SASL, want.KafkaConfig = 7000, false, []string{"c=d", "e=f"}
	got := applied(t, kept, "--redis-port", "7000", "--sasl-ssl=false", "--kafka-config", "c=d", "--kafka-config", "e=f")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("some given (-want +got):\n%s", diff)
	}
	if got := applied(t, kept, "--kafka-config", "none"); len(got.KafkaConfig) != 0 {
		t.Errorf("none keeps %q", got.KafkaConfig)
	}
	// A server's own port wins over the base, in whatever order they are written.
	got = applied(t, defaultSettings(), "--redis-port", "7000", "--base-port", "30000")
	wantPorts := portsFrom(30000)
	wantPorts.Redis = 7000
	if got.Ports != wantPorts {
		t.Errorf("ports %+v; want %+v", got.Ports, wantPorts)
	}
}

func TestSettingsSurviveTheFile(t *testing.T) {
	dir := t.TempDir()
	if got, err := loadSettings(dir); err != nil || !cmp.Equal(got, defaultSettings()) {
		t.Errorf("no file: %+v, %v; want the defaults", got, err)
	}
	want := Settings{Nodes: 3, SASL: true, ACL: true, Ports: portsFrom(1000), KafkaConfig: []string{"x=y"}, Formatted: 3}
	if err := want.save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := loadSettings(dir)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := os.WriteFile(filepath.Join(dir, stateFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSettings(dir); err == nil || !strings.Contains(err.Error(), stateFile) {
		t.Errorf("damaged file: %v", err)
	}
}

func TestSettingsCheck(t *testing.T) {
	with := func(change func(*Settings)) Settings {
		s := defaultSettings()
		change(&s)
		return s
	}
	for _, tc := range []struct {
		name, want string
		s          Settings
	}{
		{"defaults", "", defaultSettings()},
		{"everything", "", with(func(s *Settings) { s.Nodes, s.SASL, s.ACL = 3, true, true })},
		{"two nodes", "--nodes 2", with(func(s *Settings) { s.Nodes = 2 })},
		{"acl without users", "--sasl-ssl", with(func(s *Settings) { s.ACL = true })},
		{"one port twice", "both kafka-1 and redis", with(func(s *Settings) { s.Ports.Redis = s.Ports.Kafka })},
		{"a third node's port", "both kafka-3 and redis", with(func(s *Settings) { s.Nodes, s.Ports.Redis = 3, s.Ports.Kafka+2 })},
		{"port zero", "out of range", with(func(s *Settings) { s.Ports.Postgres = 0 })},
		{"beyond the last port", "out of range", with(func(s *Settings) { s.Nodes, s.Ports.Kafka = 3, 65534 })},
		{"broken kafka-config", "key=value", with(func(s *Settings) { s.KafkaConfig = []string{"oops"} })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.s.check()
			if tc.want == "" && err != nil {
				t.Error(err)
			}
			if tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v; want %q in it", err, tc.want)
			}
		})
	}
}
