package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers are the module's folders from the bottom up: a package imports those
// below its own, never beside or above.
var layers = map[string]int{"keys": 1, "schemas": 1, "transforms": 2, "stream": 3, "cmd": 4, "deploy": 5, "bench": 5}

// forbidden are imports that a folder must not have, each with its reason.
// Patterns are paths, with /... for everything below as well.
var forbidden = []struct {
	from   string
	except []string
	to     []string
	tests  bool     // holds for tests too,
	but    []string // except for those of these
	why    string
}{
	{
		from: "...", except: []string{"stream/...", "bench/...", "deploy/...", "cmd/internal/demo", "schemas/registry"},
		to: []string{"github.com/twmb/franz-go/..."}, tests: true, but: []string{"cmd/weir"},
		why: "only stream speaks Kafka: whoever else produced or committed would stand outside the transaction",
	},
	{
		from: "schemas/registry", to: []string{
			"github.com/twmb/franz-go/pkg/kgo/...", "github.com/twmb/franz-go/pkg/kadm/...", "github.com/twmb/franz-go/pkg/kfake/..."}, tests: true,
		why: "the registry client uses pkg/sr, which is HTTP, and no Kafka",
	},
	{
		from: "cmd/internal/demo", to: []string{"github.com/twmb/franz-go/pkg/kfake/..."},
		why: "the demo produces as a shop's connector, reads as a stranger and sabotages by hand (kgo, kadm); its cluster is streamtest's",
	},
	{
		from: "transforms/...", to: append([]string{"os/...", "syscall/...", "log/...", "math/rand/..."}, network...),
		why: "transforms are pure functions of record, policy and key: no I/O, no environment, no chance",
	},
	{
		from: "schemas/...", except: []string{"schemas/registry"}, to: append([]string{"os/...", "syscall/...", "log/..."}, network...),
		why: "the decode view does no I/O; schemas/registry does",
	},
	{
		from: "keys/...", to: append([]string{"os/exec", "log"}, network...),
		why: "keys read a local file and print nothing; providers that call out get packages of their own",
	},
	{
		from: "...", except: []string{"cmd/...", "bench/...", "deploy/..."}, to: []string{"github.com/spf13/..."}, tests: true,
		why: "the command line is cmd's",
	},
	{
		from: "...", except: []string{"cmd/internal/config", "schemas", "deploy/..."}, to: []string{"github.com/goccy/go-yaml/..."},
		why: "policy and taxonomy are the only YAML; all else reads structs",
	},
	{
		from: "...", to: []string{"unsafe", "plugin", "net/http/pprof", "expvar"}, tests: true,
		why: "memory safety is an invariant's ground; profiles hold plaintext and register themselves",
	},
}

// network are the packages of net that reach out; net/url only parses.
var network = []string{"net", "net/http/...", "net/rpc/...", "net/smtp", "net/mail", "net/textproto"}

// siblings are the edges between children of one folder that are wiring, with
// their reason; any other is refused.
var siblings = []struct{ from, to, why string }{
	{"transforms/all", "transforms/...", "the map that names every transform"},
	{"cmd/...", "cmd/internal/...", "cmd wires"},
}

// TestImports holds the table over the whole module by reading import clauses.
func TestImports(t *testing.T) {
	files := 0
	walkModule(t, func(from, file string, isTest bool) {
		files++
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			return
		}
		for _, spec := range parsed.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := refuses(from, to, isTest); why != "" {
				t.Errorf("%s imports %s: %s", file, to, why)
			}
		}
	})
	if files < 50 {
		t.Errorf("only %d files were looked at", files)
	}
}

// refuses says why package from may not import to, "" when it may.
func refuses(from, to string, isTest bool) string {
	for _, f := range forbidden {
		if isTest && (!f.tests || slices.Contains(f.but, from)) || !covers(f.from, from) || slices.ContainsFunc(f.except, func(p string) bool { return covers(p, from) }) {
			continue
		}
		if slices.ContainsFunc(f.to, func(p string) bool { return covers(p, to) }) {
			return f.why
		}
	}
	inside, ours := strings.CutPrefix(to, "weir/")
	if !ours {
		return ""
	}
	a, b := top(from), top(inside)
	switch {
	case layers[b] == layers["bench"] && a != b:
		return "bench and deploy are imported by nothing"
	case a != b && layers[b] >= layers[a]:
		return "imports run one way: keys, schemas → transforms → stream → cmd"
	case a == b && !isTest && !related(from, inside):
		return "children never import siblings: the parent declares, cmd wires"
	}
	return ""
}

// covers reports whether pattern (a path, or one ending in /...) names p.
func covers(pattern, p string) bool {
	if pattern == "..." {
		return true
	}
	base, deep := strings.CutSuffix(pattern, "/...")
	return p == base || deep && strings.HasPrefix(p, base+"/")
}

// related reports whether one of two packages is the other's ancestor, or the
// edge is one of wiring.
func related(from, to string) bool {
	if strings.HasPrefix(from, to+"/") || strings.HasPrefix(to, from+"/") || top(from) == "bench" || top(from) == "deploy" {
		return true
	}
	for _, s := range siblings {
		if covers(s.from, from) && covers(s.to, to) {
			return true
		}
	}
	return false
}

func top(p string) string {
	first, _, _ := strings.Cut(p, "/")
	return first
}

// TestImportTable: the table refuses what it should, and nothing more.
func TestImportTable(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		test     bool
		refused  bool
	}{
		{"stream", "github.com/twmb/franz-go/pkg/kgo", false, false},
		{"stream/sink", "github.com/twmb/franz-go/pkg/kadm", false, false},
		{"cmd/weir", "github.com/twmb/franz-go/pkg/kgo", false, true},
		{"cmd/weir", "github.com/twmb/franz-go/pkg/kgo", true, false},
		{"transforms", "github.com/twmb/franz-go/pkg/kgo", true, true},
		{"cmd/internal/demo", "github.com/twmb/franz-go/pkg/kfake", false, true},
		{"schemas/registry", "github.com/twmb/franz-go/pkg/sr", false, false},
		{"schemas/registry", "net/http", false, false},
		{"schemas/registry", "github.com/twmb/franz-go/pkg/kgo", false, true},
		{"schemas/avro", "net/http", false, true},
		{"schemas/avro", "os", true, false},
		{"transforms", "os", false, true},
		{"transforms/token", "math/rand/v2", false, true},
		{"keys", "os", false, false},
		{"keys", "net", false, true},
		{"schemas", "weir/keys", false, true},
		{"keys", "weir/schemas", false, true},
		{"transforms", "weir/schemas/jsonrec", false, false},
		{"transforms", "weir/stream", true, true},
		{"stream", "weir/cmd/internal/config", true, true},
		{"transforms/mask", "weir/transforms", false, false},
		{"transforms", "weir/transforms/all", true, false},
		{"transforms/mask", "weir/transforms/token", false, true},
		{"transforms/all", "weir/transforms/token", false, false},
		{"cmd/weir", "weir/bench/load", false, true},
		{"bench/load", "weir/cmd/internal/config", false, false},
		{"cmd/internal/demo", "weir/cmd/internal/config", false, false},
		{"stream/lineage", "weir/stream/sink", false, true},
	} {
		if got := refuses(tc.from, tc.to, tc.test); (got != "") != tc.refused {
			t.Errorf("%s → %s (test %v): %q", tc.from, tc.to, tc.test, got)
		}
	}
}

// walkModule calls fn for every Go file of the module.
func walkModule(t *testing.T, fn func(pkg, file string, isTest bool)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (name == "testdata" || strings.HasPrefix(name, ".") && p != root) {
			return filepath.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		fn(filepath.ToSlash(filepath.Dir(rel)), p, strings.HasSuffix(name, "_test.go"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTopLevel: the top level is fixed.
func TestTopLevel(t *testing.T) {
	want := []string{"LICENSE", "README.md", "bench", "cmd", "deploy", "go.mod", "go.sum", "keys", "schemas", "stream", "transforms"}
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			got = append(got, e.Name())
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) {
			t.Errorf("%s does not belong at the top level", name)
		}
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("%s is missing at the top level", name)
		}
	}
}

// TestMainIsWiring: main stays a screen (style rule 13).
func TestMainIsWiring(t *testing.T) {
	data, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(data), "\n"); n >= 80 {
		t.Errorf("main.go has %d lines", n)
	}
}
