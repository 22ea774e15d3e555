// Package config reads the policy file into structs, checks it, and makes the
// configuration of package stream. It is the only place with defaults.
//
//	cfg, err := config.Load([]string{"shop.yaml"}, config.OS())
//	// err is Problems: every problem with file, line, column and excerpt
//	scfg, err := cfg.Stream()
//
// A policy may be a folder: its *.yaml files are read as one, recipients,
// sources and catalog growing together, every other key standing once.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"weir/schemas"
	"weir/transforms"
)

// Config is a policy that was read and checked. It is immutable after Load.
type Config struct {
	File     File     // as written, defaults and secrets filled in
	Warnings Problems // what is allowed but unwise
	// Policy is the part that decides.
	Policy *transforms.Policy
	// Canonical is the text that Policy.Hash is the SHA-256 of.
	Canonical []byte
	// Files are the paths that were read, test files excluded.
	Files []string

	env      Env
	pos      map[string]transforms.Pos
	src      sources
	problems Problems // while loading
	taxonomy *schemas.Taxonomy
	texts    map[string]string // schema files and taxonomy that were read, by path in the policy
}

// Load reads the policy files or folders in paths. The error is a Problems with
// everything found, or that of a file that cannot be read.
func Load(paths []string, env Env) (*Config, error) {
	files, err := policyFiles(paths)
	if err != nil {
		return nil, err
	}
	d := newDecoder()
	c := &Config{Files: files, env: env, pos: d.pos, src: d.src, texts: map[string]string{}}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("reading the policy: %w", err)
		}
		d.read(f, data, &c.File)
	}
	if len(d.problems) == d.unknowns {
		d.required(reflect.TypeFor[File](), "", transforms.Pos{File: files[0]})
	}
	c.problems = d.problems
	if len(c.problems) == d.unknowns {
		c.build()
	}
	c.split()
	if len(c.problems) > 0 {
		return nil, append(c.problems, c.Warnings...)
	}
	return c, nil
}

// build fills, checks and compiles what was decoded.
func (c *Config) build() {
	c.expand()
	c.defaults()
	c.readFiles()
	c.check()
	c.policy()
}

// split puts warnings apart, both in file order.
func (c *Config) split() {
	c.problems.sort()
	var errs Problems
	for _, p := range c.problems {
		if p.Warning {
			c.Warnings = append(c.Warnings, p)
		} else {
			errs = append(errs, p)
		}
	}
	c.problems = errs
}

// policyFiles lists the files that paths name. In folders, files of test cases
// (*_test.yaml, *.test.yaml) are not policy.
func policyFiles(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, fmt.Errorf("reading the policy: %w", err)
		}
		if !info.IsDir() {
			out = append(out, p)
			continue
		}
		names, err := os.ReadDir(p)
		if err != nil {
			return nil, fmt.Errorf("reading the policy: %w", err)
		}
		before := len(out)
		for _, n := range names {
			if isPolicy(n.Name()) && !n.IsDir() {
				out = append(out, filepath.Join(p, n.Name()))
			}
		}
		if len(out) == before {
			return nil, fmt.Errorf("reading the policy: no *.yaml file in %s", p)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("reading the policy: no file named")
	}
	return out, nil
}

func isPolicy(name string) bool {
	ext := filepath.Ext(name)
	return (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(name, ".") && !IsTestFile(name)
}

// IsTestFile reports whether a file's name is one of test cases.
func IsTestFile(name string) bool {
	base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(name), ".yaml"), ".yml")
	return strings.HasSuffix(base, "_test") || strings.HasSuffix(base, ".test")
}

// defaults are all here and nowhere else.
func (c *Config) defaults() {
	f := &c.File
	def(&f.Keyspace, f.Name)
	def(&f.Start, "earliest")
	def(&f.OnPoison, "park_key")
	def(&f.Breaker, 100)
	def(&f.Workers, 1)
	def(&f.Batch.Max, 2000)
	def(&f.Batch.Linger, "0s")
	for i := range f.Sources {
		s := &f.Sources[i]
		def(&s.Key, s.Encoding)
		def(&s.Framing, "prefix")
		def(&s.Envelope, "debezium")
		def(&s.Before, "partial")
		def(&s.Events, "rows")
		def(&s.Placeholder, "__debezium_unavailable_value")
	}
	for i := range f.Recipients {
		def(&f.Recipients[i].Unknown, "quarantine")
	}
	if f.Registry != nil && f.Registry.Register == nil {
		yes := true
		f.Registry.Register = &yes
	}
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// at is where a path of the policy stands; the nearest enclosing place when it
// was not written.
func (c *Config) at(path string) transforms.Pos {
	for {
		if pos, ok := c.pos[path]; ok {
			return pos
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return transforms.Pos{File: c.Files[0]}
		}
		path = path[:i]
	}
}

func (c *Config) fail(path, format string, args ...any) {
	c.problems = append(c.problems, c.src.problem(c.at(path), format, args...))
}

func (c *Config) warn(path, format string, args ...any) {
	p := c.src.problem(c.at(path), format, args...)
	p.Warning = true
	c.problems = append(c.problems, p)
}

// ProblemAt makes a problem at a place that this policy's Pos named, with its
// excerpt: for errors of transforms.Compile.
func (c *Config) ProblemAt(pos transforms.Pos, text string) *Problem {
	return c.src.problem(pos, "%s", text)
}

func indexed(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
