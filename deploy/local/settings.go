package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// defaultBasePort lies below Linux's ephemeral range, so that an outgoing
// connection cannot take one of our ports by chance.
const defaultBasePort = 19090

// Ports are the loopback ports. With several Kafka nodes, node i (from 1) uses
// Kafka+i-1, SASL+i-1 and Controller+i-1.
type Ports struct {
	Kafka      int `json:"kafka"`
	SASL       int `json:"sasl_ssl"`
	Controller int `json:"controller"`
	Registry   int `json:"registry"`
	Postgres   int `json:"postgres"`
	Connect    int `json:"connect"`
	Redis      int `json:"redis"`
}

// portsFrom lays all ports out from one base, ten apart.
func portsFrom(base int) Ports {
	return Ports{
		Kafka: base, SASL: base + 10, Controller: base + 20,
		Registry: base + 30, Postgres: base + 40, Connect: base + 50, Redis: base + 60,
	}
}

// Settings are what decides how the servers run. They are kept in the data
// folder, so that a later command need not repeat the flags of the first.
type Settings struct {
	Nodes       int      `json:"nodes"`                  // Kafka nodes: 1 or 3
	SASL        bool     `json:"sasl_ssl"`               // a second Kafka listener, SASL_SSL with SCRAM-SHA-512
	ACL         bool     `json:"acl"`                    // StandardAuthorizer; PLAINTEXT stays super user
	Ports       Ports    `json:"ports"`                  //
	KafkaConfig []string `json:"kafka_config,omitempty"` // further broker settings, key=value
	Formatted   int      `json:"formatted,omitempty"`    // how many nodes Kafka's data was formatted for; 0 = not yet
}

// stateFile is the settings' file in the data folder; its presence also marks
// the folder as ours, which is what clean asks before it deletes.
const stateFile = "settings.json"

func defaultSettings() Settings { return Settings{Nodes: 1, Ports: portsFrom(defaultBasePort)} }

// loadSettings reads the data folder's settings, or the defaults when it has none.
func loadSettings(dir string) (Settings, error) {
	s := defaultSettings()
	b, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("reading %s: %w", filepath.Join(dir, stateFile), err)
	}
	return s, nil
}

func (s Settings) save(dir string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, stateFile), append(b, '\n'), 0o600)
}

// check refuses settings that cannot work, among them two servers on one port.
func (s Settings) check() error {
	if s.Nodes != 1 && s.Nodes != 3 {
		return fmt.Errorf("--nodes %d: 1 or 3", s.Nodes)
	}
	if s.ACL && !s.SASL {
		return errors.New("--acl needs --sasl-ssl: the PLAINTEXT listener has no users to authorise")
	}
	for _, kv := range s.KafkaConfig {
		if k, _, ok := strings.Cut(kv, "="); !ok || k == "" {
			return fmt.Errorf("--kafka-config %q: want key=value", kv)
		}
	}
	seen := map[int]string{}
	for _, p := range s.allPorts() {
		if p.port < 1 || p.port > 65535 {
			return fmt.Errorf("port %d of %s: out of range", p.port, p.name)
		}
		if other, ok := seen[p.port]; ok {
			return fmt.Errorf("port %d is given to both %s and %s", p.port, other, p.name)
		}
		seen[p.port] = p.name
	}
	return nil
}

// namedPort is a loopback port and what listens on it.
type namedPort struct {
	name string
	port int
}

func (s Settings) allPorts() []namedPort {
	var out []namedPort
	for i := range s.Nodes {
		out = append(out, s.kafkaPorts(i+1)...)
	}
	p := s.Ports
	return append(out, namedPort{"registry", p.Registry}, namedPort{"postgres", p.Postgres},
		namedPort{"connect", p.Connect}, namedPort{"redis", p.Redis})
}

func (s Settings) kafkaPorts(node int) []namedPort {
	name := fmt.Sprintf("kafka-%d", node)
	out := []namedPort{
		{name, s.Ports.Kafka + node - 1},
		{name + " controller", s.Ports.Controller + node - 1},
	}
	if s.SASL {
		out = append(out, namedPort{name + " sasl_ssl", s.Ports.SASL + node - 1})
	}
	return out
}

// brokers are the PLAINTEXT (or, with sasl, the SASL_SSL) addresses of all nodes.
func (s Settings) brokers(sasl bool) []string {
	base := s.Ports.Kafka
	if sasl {
		base = s.Ports.SASL
	}
	var out []string
	for i := range s.Nodes {
		out = append(out, loopback(base+i))
	}
	return out
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

// settingFlags are the flags that decide Settings; apply changes only what was
// given on the command line, so that what the data folder remembers stays.
type settingFlags struct {
	base int
	s    Settings
	conf list
}

func (f *settingFlags) register(fl *flag.FlagSet) {
	d := defaultSettings()
	fl.IntVar(&f.base, "base-port", defaultBasePort, "first of the ports; all others follow, ten apart")
	fl.IntVar(&f.s.Nodes, "nodes", d.Nodes, "Kafka nodes, 1 or 3")
	fl.BoolVar(&f.s.SASL, "sasl-ssl", false, "Kafka: also listen with SASL_SSL (SCRAM-SHA-512)")
	fl.BoolVar(&f.s.ACL, "acl", false, "Kafka: authorise by ACL (needs --sasl-ssl)")
	fl.Var(&f.conf, "kafka-config", "Kafka: a further broker setting `key=value` (repeatable; \"none\" forgets those of before)")
	for name, p := range f.portFlags() {
		fl.IntVar(p.from, name, *p.into(&d), "port of "+strings.TrimSuffix(name, "-port"))
	}
}

type portFlag struct {
	from *int
	into func(*Settings) *int
}

func (f *settingFlags) portFlags() map[string]portFlag {
	fields := map[string]func(*Settings) *int{
		"kafka-port":      func(s *Settings) *int { return &s.Ports.Kafka },
		"sasl-port":       func(s *Settings) *int { return &s.Ports.SASL },
		"controller-port": func(s *Settings) *int { return &s.Ports.Controller },
		"registry-port":   func(s *Settings) *int { return &s.Ports.Registry },
		"postgres-port":   func(s *Settings) *int { return &s.Ports.Postgres },
		"connect-port":    func(s *Settings) *int { return &s.Ports.Connect },
		"redis-port":      func(s *Settings) *int { return &s.Ports.Redis },
	}
	out := map[string]portFlag{}
	for name, into := range fields {
		out[name] = portFlag{into(&f.s), into}
	}
	return out
}

// apply overlays the flags that were given onto s.
func (f *settingFlags) apply(fl *flag.FlagSet, s Settings) Settings {
	var given []string
	fl.Visit(func(g *flag.Flag) { given = append(given, g.Name) })
	if slices.Contains(given, "base-port") {
		s.Ports = portsFrom(f.base)
	}
	ports := f.portFlags()
	for _, name := range given {
		switch name {
		case "nodes":
			s.Nodes = f.s.Nodes
		case "sasl-ssl":
			s.SASL = f.s.SASL
		case "acl":
			s.ACL = f.s.ACL
		case "kafka-config":
			s.KafkaConfig = slices.DeleteFunc(slices.Clone(f.conf), func(kv string) bool { return kv == "none" })
		}
		if p, ok := ports[name]; ok {
			*p.into(&s) = *p.from
		}
	}
	return s
}
