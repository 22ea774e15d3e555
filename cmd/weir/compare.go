package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"weir/schemas"
	"weir/transforms"
)

// expectation is what a case's expect says.
type expectation struct {
	fate    transforms.Fate
	code    string // "" for any
	records []expected
}

// expected is one output record; a side that is not given is not compared.
type expected struct {
	key, value           any
	keyGiven, valueGiven bool
}

var errExpect = errors.New(`expect is published, filtered, quarantined, {filtered: CODE}, {quarantined: CODE}, ` +
	`{key: …, value: …} or {records: [{key: …, value: …}, …]}`)

func parseExpectation(text []byte) (*expectation, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, errExpect
	}
	fates := map[string]transforms.Fate{
		"published": transforms.Published, "filtered": transforms.Filtered, "quarantined": transforms.Quarantined,
	}
	if s, ok := v.(string); ok {
		fate, ok := fates[s]
		if !ok {
			return nil, errExpect
		}
		return &expectation{fate: fate}, nil
	}
	m, ok := v.(map[string]any)
	if !ok || len(m) == 0 {
		return nil, errExpect
	}
	for word, fate := range fates {
		if code, ok := m[word].(string); ok && len(m) == 1 && fate != transforms.Published {
			return &expectation{fate: fate, code: code}, nil
		}
	}
	return parseRecords(m)
}

func parseRecords(m map[string]any) (*expectation, error) {
	list := []any{m}
	if many, ok := m["records"].([]any); ok && len(m) == 1 {
		list = many
	}
	out := &expectation{}
	for _, item := range list {
		rec, ok := item.(map[string]any)
		if !ok {
			return nil, errExpect
		}
		var e expected
		for k, v := range rec {
			switch k {
			case "key":
				e.key, e.keyGiven = v, true
			case "value":
				e.value, e.valueGiven = v, true
			default:
				return nil, errExpect
			}
		}
		out.records = append(out.records, e)
	}
	return out, nil
}

// compare says how a copy differs from what is expected. The differences quote
// the case's own data, which is what a test is for.
func (e *expectation) compare(c *transforms.Copy, r reader) ([]string, error) {
	if c.Fate != e.fate || e.code != "" && e.code != string(c.Code) {
		got := c.Fate.String()
		if c.Code != "" {
			got += " (" + string(c.Code) + ")"
		}
		if c.Path != "" {
			got += " at " + c.Path
		}
		want := e.fate.String()
		if e.code != "" {
			want += " (" + e.code + ")"
		}
		return []string{"want " + want, "got  " + got}, nil
	}
	if e.fate != transforms.Published || e.records == nil {
		return nil, nil
	}
	if len(c.Outs) != len(e.records) {
		return []string{fmt.Sprintf("want %d records, got %d", len(e.records), len(c.Outs))}, nil
	}
	var diff []string
	for i := range c.Outs {
		d, err := e.records[i].compare(&c.Outs[i], r)
		if err != nil {
			return nil, err
		}
		diff = append(diff, d...)
	}
	return diff, nil
}

func (e *expected) compare(o *transforms.Out, r reader) ([]string, error) {
	var diff []string
	key, err := readPayload(r.key, o.Key, o.NullKey)
	if err != nil {
		return nil, fmt.Errorf("reading the output's key: %w", err)
	}
	if e.keyGiven {
		diff = differences(diff, "key", e.key, key)
	}
	value, err := readPayload(r.value, o.Value, o.NullValue)
	if err != nil {
		return nil, fmt.Errorf("reading the output's value: %w", err)
	}
	if e.valueGiven {
		diff = differences(diff, "value", e.value, value)
	}
	return diff, nil
}

// differences appends how got differs from want, one line a place.
func differences(diff []string, path string, want, got any) []string {
	if ok, special := matches(want, got); special {
		if !ok {
			diff = append(diff, fmt.Sprintf("%s: want %s, got %s", path, show(want), show(got)))
		}
		return diff
	}
	switch w := want.(type) {
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			return differentMembers(diff, path, w, g)
		}
	case []any:
		if g, ok := got.([]any); ok && len(g) == len(w) {
			for i := range w {
				diff = differences(diff, fmt.Sprintf("%s[%d]", path, i), w[i], g[i])
			}
			return diff
		}
	default:
		if equalScalars(want, got) {
			return diff
		}
	}
	return append(diff, fmt.Sprintf("%s: want %s, got %s", path, show(want), show(got)))
}

func differentMembers(diff []string, path string, want, got map[string]any) []string {
	names := slices.Sorted(maps.Keys(want))
	for name := range got {
		if _, ok := want[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		at := path + "." + name
		w, inWant := want[name]
		g, inGot := got[name]
		switch {
		case !inWant:
			diff = append(diff, fmt.Sprintf("%s: not expected, got %s", at, show(g)))
		case !inGot:
			diff = append(diff, fmt.Sprintf("%s: want %s, it is not there", at, show(w)))
		default:
			diff = differences(diff, at, w, g)
		}
	}
	return diff
}

// tokenText is the layout of contract 19: 24 characters of Crockford base 32.
var tokenText = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{24}$`)

// matches handles {$token: true} and {$match: re}.
func matches(want, got any) (ok, special bool) {
	m, isMap := want.(map[string]any)
	if !isMap || len(m) != 1 {
		return false, false
	}
	text, isText := got.(string)
	if m["$token"] == true {
		return isText && tokenText.MatchString(text), true
	}
	if expr, isExpr := m["$match"].(string); isExpr {
		re, err := regexp.Compile("^(?:" + expr + ")$")
		return err == nil && isText && re.MatchString(text), true
	}
	return false, false
}

// equalScalars compares numbers as numbers: 12.30 is 12.3.
func equalScalars(a, b any) bool {
	x, xn := a.(json.Number)
	y, yn := b.(json.Number)
	if !xn || !yn {
		return a == b
	}
	cx, err1 := schemas.AppendCanonicalNumber(nil, []byte(x))
	cy, err2 := schemas.AppendCanonicalNumber(nil, []byte(y))
	return err1 == nil && err2 == nil && bytes.Equal(cx, cy)
}

func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(b)
}
