package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	twmb "github.com/twmb/avro"

	"weir/cmd/internal/config"
	"weir/keys"
	"weir/schemas"
	"weir/schemas/jsonrec"
	"weir/stream"
	"weir/transforms"
)

// suite is a file of test cases.
type suite struct {
	Keys    string        `yaml:"keys"` // key file; the built-in test ring when not given
	Schemas []suiteSchema `yaml:"schemas"`
	Cases   []testCase    `yaml:"cases" jsonschema:"required"`
}

// suiteSchema names the schema files of a topic.
type suiteSchema struct {
	Topic string `yaml:"topic" jsonschema:"required"`
	Value string `yaml:"value"`
	Key   string `yaml:"key"`
}

// testCase is an input record, a recipient and what it must get.
type testCase struct {
	Name      string      `yaml:"name" jsonschema:"required"`
	Topic     string      `yaml:"topic" jsonschema:"required"`
	Recipient string      `yaml:"recipient" jsonschema:"required"`
	Schema    string      `yaml:"schema"`     // file, for this case
	KeySchema string      `yaml:"key_schema"` // file, for this case
	Key       config.JSON `yaml:"key"`        // not given, or null: a null key
	Value     config.JSON `yaml:"value"`      // not given, or null: a tombstone
	RawKey    *string     `yaml:"raw_key"`    // bytes as they are, instead of key
	RawValue  *string     `yaml:"raw_value"`  // bytes as they are, instead of value
	Timestamp string      `yaml:"timestamp"`
	Expect    config.JSON `yaml:"expect" jsonschema:"required"`
}

// testRing is a key file that everybody has: for tests of policies only.
//
//go:embed testring.key
var testRing []byte

// runner runs the cases of one file.
type runner struct {
	offline
	dir string
	suite
	scratch *transforms.Scratch
}

func runSuite(cfg *config.Config, file string) ([]outcome, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, &exitError{stream.ExitUsage, fmt.Errorf("reading test cases: %w", err)}
	}
	r := runner{offline: offline{cfg: cfg}, dir: filepath.Dir(file), scratch: transforms.NewScratch()}
	place, err := config.ReadYAML(file, data, &r.suite)
	if err != nil {
		return nil, err
	}
	if r.ring, err = r.openRing(); err != nil {
		return nil, err
	}
	var out []outcome
	for i := range r.Cases {
		c := &r.Cases[i]
		at := fmt.Sprintf("cases[%d]", i)
		diff, err := r.runCase(c)
		if err != nil {
			var problems config.Problems
			if errors.As(err, &problems) {
				return nil, err
			}
			return nil, config.Problems{place(at, err.Error())}
		}
		out = append(out, outcome{Name: c.Name, File: file, Line: place(at, "").Line, OK: len(diff) == 0, Diff: diff})
	}
	return out, nil
}

// openRing opens the suite's key file, or the built-in ring by way of a file
// that only we can read.
func (r *runner) openRing() (*keys.Ring, error) {
	if r.Keys != "" {
		return keys.OpenFile(r.beside(r.Keys), r.cfg.Policy.Profile)
	}
	dir, err := os.MkdirTemp("", "weir-test")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "test.key")
	if err := os.WriteFile(path, testRing, 0o600); err != nil {
		return nil, err
	}
	return keys.OpenFile(path, r.cfg.Policy.Profile)
}

func (r *runner) beside(file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(r.dir, file)
}

// runCase treats one record and compares. An error is a case that cannot run.
func (r *runner) runCase(c *testCase) ([]string, error) {
	at := r.recipient(c.Recipient)
	if at < 0 {
		return nil, fmt.Errorf("the policy has no recipient %s", c.Recipient)
	}
	_, src, ok := r.cfg.Dataset(c.Topic)
	if !ok {
		return nil, noSource(c.Topic)
	}
	want, err := parseExpectation(c.Expect)
	if err != nil {
		return nil, err
	}
	s, err := r.caseSchemas(c, src)
	if err != nil {
		return nil, err
	}
	ev, err := r.event(c, src, s)
	if err != nil {
		return nil, err
	}
	plan, err := r.plan(c.Topic, s)
	if err != nil {
		return nil, err
	}
	copies, next := plan.Protect(r.scratch, ev, make([]transforms.Prefix, len(r.cfg.Policy.Recipients)))
	if next != nil {
		plan = next
	}
	return want.compare(&copies[at], readerOf(plan, at))
}

func (r *runner) recipient(name string) int {
	for i := range r.cfg.Policy.Recipients {
		if r.cfg.Policy.Recipients[i].Name == name {
			return i
		}
	}
	return -1
}

func (r *runner) caseSchemas(c *testCase, src *stream.Source) (sides, error) {
	value, key := c.Schema, c.KeySchema
	for _, s := range r.Schemas {
		if s.Topic == c.Topic {
			if value == "" {
				value = s.Value
			}
			if key == "" {
				key = s.Key
			}
		}
	}
	s, err := r.schemas(c.Topic, r.beside(value), r.beside(key))
	if err != nil || !src.SchemaBlock {
		return s, err
	}
	for raw, into := range map[*config.JSON]**schemas.Schema{&c.Key: &s.key, &c.Value: &s.value} {
		if block, ok, err := jsonrec.SplitBlock(*raw); err == nil && ok && *into == nil {
			if *into, err = jsonrec.FromConnect(block); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// event encodes a case's record as its source writes it, without framing.
func (r *runner) event(c *testCase, src *stream.Source, s sides) (*transforms.Event, error) {
	ev := &transforms.Event{}
	if c.Timestamp != "" {
		t, err := time.Parse(time.RFC3339, c.Timestamp)
		if err != nil {
			return nil, errors.New("timestamp is a time such as 2026-06-01T00:00:00Z")
		}
		ev.TimestampMillis = t.UnixMilli()
	}
	var err error
	if ev.Key, ev.NullKey, err = payload(c.Key, c.RawKey, src.KeyEncoding, s.key, "key"); err != nil {
		return nil, err
	}
	ev.Value, ev.NullValue, err = payload(c.Value, c.RawValue, src.Encoding, s.value, "value")
	return ev, err
}

func payload(text config.JSON, raw *string, enc stream.Encoding, s *schemas.Schema, what string) (b []byte, null bool, err error) {
	switch {
	case raw != nil:
		return []byte(*raw), false, nil
	case text == nil || string(text) == "null":
		return nil, true, nil
	}
	switch enc {
	case stream.EncodingJSON, stream.EncodingConfluentJSON:
		return text, false, nil
	case stream.EncodingString, stream.EncodingBytes:
		var str string
		if json.Unmarshal(text, &str) != nil {
			return nil, false, fmt.Errorf("the %s is a string", what)
		}
		return []byte(str), false, nil
	}
	if s == nil {
		return nil, false, fmt.Errorf("the %s is Avro: name its schema file under `schemas`", what)
	}
	b, err = encodeAvro(s.Text, text)
	if err != nil {
		return nil, false, fmt.Errorf("the %s does not fit its schema: %w", what, err)
	}
	return b, false, nil
}

func encodeAvro(schema string, text []byte) ([]byte, error) {
	s, err := twmb.Parse(schema)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return s.Encode(v)
}

// reader turns an output payload into JSON.
type reader struct{ key, value schemas.Shape }

func readerOf(plan *transforms.Plan, recipient int) reader {
	key, value := plan.Shape(recipient)
	return reader{key, value}
}

func readPayload(shape schemas.Shape, b []byte, null bool) (any, error) {
	if null {
		return nil, nil
	}
	if shape != nil && isAvro(shape.Schema()) {
		s, err := twmb.Parse(shape.Schema())
		if err != nil {
			return nil, err
		}
		var v any
		if _, err := s.Decode(b, &v); err != nil {
			return nil, err
		}
		if b, err = s.EncodeJSON(v); err != nil {
			return nil, err
		}
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if ok := dec.Decode(&v) == nil && !dec.More(); !ok {
		return string(b), nil // a string or opaque key
	}
	return v, nil
}

// isAvro tells a derived Avro schema from a JSON Schema and from Connect's.
func isAvro(schema string) bool {
	_, err := twmb.Parse(schema)
	return schema != "" && err == nil
}
