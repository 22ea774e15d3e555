package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// testEnv is an environment with nothing in it, on 1 June 2026.
func testEnv(vars map[string]string) Env {
	return Env{
		Lookup:   func(n string) (string, bool) { v, ok := vars[n]; return v, ok },
		ReadFile: os.ReadFile,
		Now:      func() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) },
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func problemsOf(t *testing.T, err error) Problems {
	t.Helper()
	var ps Problems
	if err != nil && !errors.As(err, &ps) {
		t.Fatalf("not a list of problems: %v", err)
	}
	return ps
}

// base are good top-level keys, added to chunks that lack them.
var base = [][2]string{
	{"weir", "weir: 1"}, {"name", "name: shop"}, {"epoch", "epoch: 1"}, {"kafka", `kafka: {brokers: ["localhost:9092"]}`},
	{"sources", `sources: [{topics: "cdc.*", name: "cdc.{schema}.{table}", encoding: json}]`},
	{"recipients", `recipients: [{name: a, topic: "clean.{schema}.{table}", purpose: p, grade: 2}]`},
	{"keys", "keys: {file: shop.key}"},
}

func complete(text string, without ...string) string {
	for _, kv := range base {
		if !regexp.MustCompile(`(?m)^`+kv[0]+`:`).MatchString(text) && fmt.Sprint(without) != "["+kv[0]+"]" {
			text += kv[1] + "\n"
		}
	}
	return text
}

var expectation = regexp.MustCompile(`### "((?:[^"\\]|\\.)*)"`)

// TestBadPolicies holds every message against the line it must point at.
func TestBadPolicies(t *testing.T) {
	data, err := os.ReadFile("testdata/bad.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, chunk := range strings.Split(string(data), "\n=== ")[1:] {
		title, text, _ := strings.Cut(chunk, "\n")
		t.Run(title, func(t *testing.T) { badPolicy(t, text) })
	}
}

func badPolicy(t *testing.T, text string) {
	ps := problemsOf(t, func() error { _, err := Load([]string{write(t, complete(text))}, testEnv(nil)); return err }())
	if len(ps) == 0 {
		t.Fatal("this policy was accepted")
	}
	want := map[int][]string{}
	for i, line := range strings.Split(text, "\n") {
		for _, m := range expectation.FindAllStringSubmatch(line, -1) {
			want[i+1] = append(want[i+1], m[1])
		}
	}
	for _, p := range ps {
		line := max(p.Line, 1)
		full := p.Text
		if p.Warning {
			full = "warning: " + full
		}
		if !takeMatch(want, line, full) {
			t.Errorf("line %d: unexpected: %s", line, p.Error())
		}
		if p.Line > 0 && !strings.Contains(p.Excerpt, "^") && !strings.Contains(p.Text, "password") {
			t.Errorf("line %d has no excerpt", p.Line)
		}
	}
	for line, res := range want {
		for _, re := range res {
			t.Errorf("line %d: nothing like %q was said", line, re)
		}
	}
}

// takeMatch removes the first expectation of the line that fits.
func takeMatch(want map[int][]string, line int, text string) bool {
	for i, re := range want[line] {
		if regexp.MustCompile(re).MatchString(text) {
			want[line] = append(want[line][:i:i], want[line][i+1:]...)
			return true
		}
	}
	return false
}

// TestRequired: every required key of the top is asked for at once.
func TestRequired(t *testing.T) {
	_, err := Load([]string{write(t, "weir: 1\n")}, testEnv(nil))
	ps := problemsOf(t, err)
	var texts []string
	for _, p := range ps {
		texts = append(texts, p.Text)
	}
	const want = "[name is missing epoch is missing kafka is missing sources is missing recipients is missing keys is missing]"
	if got := fmt.Sprint(texts); got != want {
		t.Errorf("got %s", got)
	}
}

func TestShop(t *testing.T) {
	c, err := Load([]string{"testdata/shop.yaml"}, testEnv(nil))
	if err != nil {
		t.Fatal(err)
	}
	p := c.Policy
	if p.Name != "shop" || p.Keyspace != "shop" || p.Epoch != 12 || len(p.Recipients) != 2 || len(p.Catalog) != 10 {
		t.Errorf("policy: %+v", p)
	}
	r := p.Recipients[0]
	if got := r.Treat[1]; got.Match != "person.name" || got.Treatment != "mask" || got.Args["keep_first"] != int64(1) || got.Pos.Line != 30 {
		t.Errorf("second rule: %+v", got)
	}
	if r.Until != time.Date(2027, 12, 31, 0, 0, 0, 0, time.UTC) || r.Pos.Line != 21 {
		t.Errorf("recipient: %+v", r)
	}
	if got := p.Recipients[1].Treat[2].Args[""]; got != "hidden" {
		t.Errorf("constant: %v", got)
	}
	s, err := c.Connections()
	if err != nil {
		t.Fatal(err)
	}
	if s.Workers != 1 || s.Breaker != 100 || s.MaxPoll != 2000 || !s.RegisterSchemas || s.CreateTopics || s.Registry == nil {
		t.Errorf("defaults: %+v", s)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
}

// TestFolder reads a folder as one policy and names both places of a double.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("a.yaml", complete("", "recipients")+"catalog: {a.b.c: contact.email}\n")
	put("b.yaml", `recipients: [{name: a, topic: "clean.a.{table}", purpose: p, grade: 2}]`)
	put("c.yaml", `recipients: [{name: b, topic: "clean.b.{table}", purpose: p, grade: 2}]`)
	put("shop.test.yaml", "cases: []")
	put("shop_test.yaml", "cases: []")
	c, err := Load([]string{dir}, testEnv(nil))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Policy.Recipients); n != 2 || len(c.Files) != 3 {
		t.Errorf("%d recipients from %v", n, c.Files)
	}
	put("d.yaml", "name: shop\ncatalog: {a.b.c: person.name}\n"+`recipients: [{name: a, topic: "clean.d.{table}", purpose: p}]`)
	_, err = Load([]string{dir}, testEnv(nil))
	for _, want := range []string{
		`d.yaml:1:1: name is already given at .*a.yaml:\d+`, `d.yaml:2:\d+: a.b.c already has a class at .*a.yaml:\d+`,
	} {
		if !regexp.MustCompile(want).MatchString(fmt.Sprint(err)) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
	put("d.yaml", `recipients: [{name: a, topic: "clean.d.{table}", purpose: p}]`)
	_, err = Load([]string{dir}, testEnv(nil))
	if !regexp.MustCompile(`d.yaml:1:\d+: recipient a is already defined at .*b.yaml:1`).MatchString(fmt.Sprint(err)) {
		t.Errorf("double recipient: %v", err)
	}
}

// TestSecretsAreNeverPrinted pushes canaries through every refusal that a
// secret can meet.
func TestSecretsAreNeverPrinted(t *testing.T) {
	const canary = "canary-hunter2"
	for name, text := range map[string]string{
		"clear":        "kafka: {brokers: [x], sasl: {mechanism: PLAIN, user: u, password: " + canary + "}}\n",
		"misspelled":   "kafka:\n  brokers: [\"h:1\"]\n  sasl:\n    mechanism: PLAIN\n    pasword: " + canary + "\n",
		"unknown":      "kafka:\n  brokers: [\"h:1\"]\n  sasl:\n    mechanism: PLAIN\n    kennwort: " + canary + "\n",
		"list":         "kafka:\n  brokers: [\"h:1\"]\n  sasl:\n    mechanism: PLAIN\n    password: [" + canary + "]\n",
		"block":        "kafka:\n  brokers: [\"h:1\"]\n  sasl:\n    mechanism: PLAIN\n    password:\n      - " + canary + "\n",
		"unclosed":     "kafka:\n  brokers: [\"h:1\"]\n  sasl:\n    password: \"" + canary + "\n",
		"in url":       "registry: {url: \"ftp://u:" + canary + "@h\"}\n",
		"broken url":   "registry:\n  url: \"http://u:" + canary + "@[h\"\n",
		"bad mech":     "kafka:\n  brokers: [\"h:1\"]\n  sasl: {password: " + canary + ", mechanism: GSSAPI}\n",
		"both":         "registry:\n  url: http://h\n  user: u\n  password: " + canary + "\n  token: " + canary + "\n",
		"env":          "kafka: {brokers: [\"${env:CANARY}\"], sasl: {mechanism: OAUTHBEARER, user: u, token: \"${env:CANARY}\"}}\n",
		"token block":  "registry:\n  url: http://h\n  token:\n    " + canary + ": 1\n",
		"tag":          "kafka:\n  brokers: [\"h:1\"]\n  sasl:\n    mechanism: PLAIN\n    password: !x " + canary + "\n",
		"number":       "kafka:\n  brokers: [\"h:1\"]\n  sasl:\n    mechanism: PLAIN\n    user: u\n    password: " + canary + "\n",
		"quoted break": "kafka:\n  brokers: [\"h:1\"]\n  sasl:\n    password: \"x\n  " + canary + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Load([]string{write(t, complete(text))}, testEnv(map[string]string{"CANARY": canary}))
			var said strings.Builder
			fmt.Fprintln(&said, err)
			if c != nil {
				fmt.Fprintln(&said, c.Warnings)
				said.Write(c.Canonical)
			}
			if strings.Contains(said.String(), "hunter2") {
				t.Errorf("printed:\n%s", said.String())
			}
			if err == nil && len(c.Warnings) == 0 {
				t.Error("nothing was said at all")
			}
		})
	}
}

func TestSecretsAreFilledIn(t *testing.T) {
	path := write(t, complete(`kafka: {brokers: ["${env:HOST}:9092"], tls: {}, sasl: {mechanism: SCRAM-SHA-512, user: "${env:U}", password: "${file:pw}"}}`+"\n"))
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "pw"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load([]string{path}, testEnv(map[string]string{"HOST": "h", "U": "me"}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Connections()
	if err != nil {
		t.Fatal(err)
	}
	if k := s.Kafka; k.Brokers[0] != "h:9092" || k.SASL.User != "me" || k.SASL.Password != "secret" || k.TLS == nil {
		t.Errorf("brokers %v, user %s", k.Brokers, k.SASL.User)
	}
	if len(c.Warnings) != 0 || bytes.Contains(c.Canonical, []byte("secret")) {
		t.Errorf("warnings %v", c.Warnings)
	}
}

// TestCanonical: the hash follows what decides, and nothing else.
func TestCanonical(t *testing.T) {
	data, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	hash := func(text string) [32]byte {
		c, err := Load([]string{write(t, text)}, testEnv(nil))
		if err != nil {
			t.Fatal(err)
		}
		return c.Policy.Hash
	}
	shop := string(data)
	first := hash(shop)
	swap := func(old, new string) string {
		if !strings.Contains(shop, old) {
			t.Fatalf("no %q in the example", old)
		}
		return strings.Replace(shop, old, new, 1)
	}
	for _, same := range []string{
		swap("epoch: 12", "epoch: 13 # again"), swap("localhost:9092", "other:9092"), shop + "workers: 4\nstart: latest\n",
		swap("  shop.orders.id:              internal      # below grade 3: only by full name\n  shop.orders.amount:          internal\n",
			"  shop.orders.amount: internal\n  shop.orders.id: internal\n"),
		swap("unknown: quarantine\n", "\n"), swap("envelope: debezium", "before: partial"), swap("shop.key", "other.key"),
	} {
		if hash(same) != first {
			t.Error("the hash changed with what does not decide")
		}
	}
	for _, other := range []string{
		swap("keep_first: 1", "keep_first: 2"), swap("grade: 2", "grade: 1"), swap("unknown: drop", "unknown: quarantine"),
		swap("text.free", "contact.email"), shop + "on_poison: skip\n", shop + "keyspace: x\n", swap("envelope: debezium", "envelope: flat"),
		swap("until: 2027-12-31", "until: 2027-12-30"), swap(`constant: "hidden"`, `constant: "gone"`),
	} {
		if hash(other) == first {
			t.Error("the hash did not change with what decides")
		}
	}
}

func TestReload(t *testing.T) {
	data, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	shop := string(data)
	path := write(t, shop)
	c, err := Load([]string{path}, testEnv(nil))
	if err != nil {
		t.Fatal(err)
	}
	r := NewReloader([]string{path}, testEnv(nil), c)
	at := time.Now()
	step := func(text string) error {
		at = at.Add(time.Second) // a coarse clock may not tell two writes apart
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
		p, err := r.Reload()
		if p != nil {
			t.Fatal("a policy was taken over")
		}
		return err
	}
	for _, tc := range []struct{ text, want string }{
		{shop, ""},
		{shop + "# a comment\n", ""},
		{strings.Replace(shop, "grade: 2", "grade: 1", 1), "use 13"},
		{strings.Replace(shop, "epoch: 12", "epoch: 11", 1), "the epoch fell"},
		{strings.Replace(shop, "localhost:9092", "h:9092", 1), "kafka changed"},
		{shop + "acks: 1\n", `policy.yaml:\d+:1: unknown key "acks"`},
		{shop + "acks: 1\n", ""}, // said once
		{strings.Replace(shop, "cdc.shop.*", "cdc.*", 1), "sources changed"},
		{"", "empty"},
	} {
		err := step(tc.text)
		if (err == nil) != (tc.want == "") || err != nil && !regexp.MustCompile(tc.want).MatchString(err.Error()) {
			t.Errorf("want %q, got %v", tc.want, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reload(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is gone: %v", err)
	}
}

// panicking stands for the nodes' methods of go-yaml that panic.
type panicking struct{}

func (*panicking) decodeNode(*decoder, ast.Node, string) { panic("canary") }

// TestYAMLPanics: a panic of the YAML library is a problem with the file's name,
// and says nothing of what stands in it.
func TestYAMLPanics(t *testing.T) {
	var v struct {
		A string    `yaml:"a"`
		B panicking `yaml:"b"`
	}
	_, err := ReadYAML("x.test.yaml", []byte("a: 1\nb: 2\n"), &v)
	ps := problemsOf(t, err)
	if len(ps) != 1 || ps[0].File != "x.test.yaml" || !strings.Contains(ps[0].Text, "not YAML that can be read") || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
	path := write(t, "classes: &a\n !0 ") // go-yaml 1.19.2's own decoder panics on this
	_, err = Load([]string{path}, testEnv(nil))
	if ps := problemsOf(t, err); len(ps) == 0 || ps[0].File != path {
		t.Errorf("%v", err)
	}
}

// FuzzRead: no text makes the reader panic or go silent.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"classes: &a\n !0 ", "a: !!binary x", "a: [*b, <<: {c: &d}]", "? {a: b}\n: - !x", "a: |\n  b\n", "- a\n-"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := newDecoder()
		d.read("f.yaml", data, new(File))
		for _, p := range d.problems {
			if p.File != "f.yaml" || p.Text == "" {
				t.Errorf("%+v", p)
			}
		}
	})
}

func TestOverlap(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"cdc.shop.*", "clean.{schema}.{table}", false},
		{"cdc.*", "cdc.clean.{table}", true},
		{"*", "_weir.shop.*", true},
		{"cdc.*.x", "cdc.{a}.y", false},
		{"cdc.?", "cdc.{table}", true},
		{"a.b.c", "a.{table}", false}, // a placeholder holds no dot
		{"a.*", "a.{table}", true},
		{"*.a.*", "x.{t}.y", true},
		{"*.shop", "clean.{table}", true},
		{"", "", true},
		{"", "a", false},
		{"a*b*c*d*e*f*g*h*", "*a*b*c*d*e*f*g*hx", true},
	} {
		if got := overlap(tc.a, tc.b); got != tc.want {
			t.Errorf("overlap(%q, %q) = %v", tc.a, tc.b, got)
		}
	}
}

// FuzzLoad: no policy text makes Load panic, and refusals are Problems.
func FuzzLoad(f *testing.F) {
	shop, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		f.Fatal(err)
	}
	bad, err := os.ReadFile("testdata/bad.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(shop)
	for _, chunk := range strings.Split(string(bad), "\n=== ") {
		f.Add([]byte(chunk))
	}
	f.Add([]byte("classes: &a\n !0 "))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := Load([]string{write(t, string(data))}, testEnv(nil))
		problemsOf(t, err)
	})
}
