package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// blocks are the main README's fenced blocks of a language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllSubmatch(data, -1) {
		out = append(out, string(m[1]))
	}
	if len(out) == 0 {
		t.Fatalf("the README has no block of %s", language)
	}
	return out
}

// TestReadmeCommands: the two commands that the README begins with are those
// that work on a fresh machine. The demo is run as it stands there, cut short;
// the other is this.
func TestReadmeCommands(t *testing.T) {
	commands := strings.Split(strings.TrimSpace(blocks(t, "sh")[0]), "\n")
	if len(commands) != 2 || commands[1] != "go test ./..." || !strings.HasPrefix(commands[0], "go run ") {
		t.Fatalf("the README begins with %q", commands)
	}
	words := append(strings.Fields(commands[0]), "--events", "200", "--json")
	c := exec.Command(words[0], words[1:]...)
	c.Dir, c.Stderr = "../..", os.Stderr
	out, err := c.Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil {
		t.Fatalf("%v: %v, %s", words, err, lines[len(lines)-1])
	}
	var verdict struct {
		ExactlyOnce bool `json:"exactly_once"`
		Leaked      *int `json:"leaked"`
		In          int  `json:"in"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &verdict); err != nil {
		t.Fatal(err)
	}
	if !verdict.ExactlyOnce || verdict.Leaked == nil || *verdict.Leaked != 0 || verdict.In != 200 {
		t.Errorf("the verdict is %s", lines[len(lines)-1])
	}
}

// TestReadmePolicy: the policy passes lint, and is as short as it should be.
func TestReadmePolicy(t *testing.T) {
	policy := blocks(t, "yaml")[0]
	if n := strings.Count(policy, "\n"); n > 22 {
		t.Errorf("%d lines", n)
	}
	path := filepath.Join(t.TempDir(), "shop.yaml")
	if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("WEIR_KAFKA", "localhost:9092")
	t.Setenv("WEIR_REGISTRY", "http://localhost:8081")
	p := fakeProgram()
	var out, errs strings.Builder
	p.out, p.err = &out, &errs
	if code := p.run(t.Context(), []string{"lint", path}); code != 0 || !strings.HasPrefix(out.String(), "ok") {
		t.Errorf("exit %d: %s%s", code, out.String(), errs.String())
	}
}

// TestReadmeLinks: what the README points at is there.
func TestReadmeLinks(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllSubmatch(data, -1)
	if len(links) < 8 {
		t.Errorf("%d links", len(links))
	}
	for _, l := range links {
		if _, err := os.Stat(filepath.Join("..", "..", string(l[1]))); err != nil {
			t.Error(err)
		}
	}
}
