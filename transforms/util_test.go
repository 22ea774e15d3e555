package transforms

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/keys"
	"weir/schemas"
	"weir/schemas/jsonrec"
)

// Transforms for tests; the real ones are children of this package.
type (
	fakePass     struct{}
	fakeDrop     struct{}
	fakeNull     struct{}
	fakeConstant struct{ text string }
	fakeToken    struct {
		slot int
		key  string
	}
	fakeMask  struct{}
	fakeRound struct{}
	fakeFail  struct{}
)

func (fakePass) Append(dst, src []byte, _ *Field) ([]byte, error) { panic("never called") }
func (fakePass) Out(k schemas.Kind) (schemas.Kind, int, error)    { return k, 0, nil }
func (fakePass) Passes() bool                                     { return true }
func (fakePass) KeySafe() bool                                    { return true }
func (fakeDrop) Append(dst, src []byte, _ *Field) ([]byte, error) { panic("never called") }
func (fakeDrop) Out(k schemas.Kind) (schemas.Kind, int, error)    { return k, 0, nil }
func (fakeDrop) Drops() bool                                      { return true }
func (fakeNull) Append(dst, src []byte, _ *Field) ([]byte, error) { panic("never called") }
func (fakeNull) Out(k schemas.Kind) (schemas.Kind, int, error)    { return k, 0, nil }
func (fakeNull) Nulls() bool                                      { return true }
func (c fakeConstant) Append(dst, src []byte, _ *Field) ([]byte, error) {
	return append(dst, c.text...), nil
}
func (fakeConstant) Out(schemas.Kind) (schemas.Kind, int, error)  { return schemas.KindString, 0, nil }
func (fakeConstant) ReplacesNull() bool                           { return true }
func (fakeMask) Append(dst, src []byte, _ *Field) ([]byte, error) { return append(dst, "***"...), nil }
func (fakeFail) Append(dst, src []byte, _ *Field) ([]byte, error) {
	return nil, fmt.Errorf("cannot do %s", src)
}
func (fakeFail) Out(k schemas.Kind) (schemas.Kind, int, error)     { return schemas.KindString, 0, nil }
func (fakeRound) Append(dst, src []byte, f *Field) ([]byte, error) { return append(dst, '7'), nil }
func (t fakeToken) KeySafe() bool                                  { return true }
func (t fakeToken) Domain() string                                 { return "customer" }
func (fakeToken) Out(k schemas.Kind) (schemas.Kind, int, error)    { return schemas.KindString, 0, nil }

func (fakeMask) Out(k schemas.Kind) (schemas.Kind, int, error) {
	if k != schemas.KindString {
		return 0, 0, errors.New("mask takes strings only")
	}
	return k, 0, nil
}

func (fakeRound) Out(k schemas.Kind) (schemas.Kind, int, error) {
	if !k.Numeric() {
		return 0, 0, errors.New("round takes numbers only")
	}
	return k, 0, nil
}

// Append hashes key and text in the goroutine's own state, as real tokens do.
func (t fakeToken) Append(dst, src []byte, f *Field) ([]byte, error) {
	h := f.Scratch.Hash(t.slot, func() hash.Hash { return &keyed{crc32.NewIEEE(), []byte(t.key)} }).(*keyed)
	h.Reset()
	h.Write(h.key)
	h.Write(src)
	return strconv.AppendUint(append(dst, 'T'), uint64(h.Sum32()), 16), nil
}

// keyed remembers which key its state was made for.
type keyed struct {
	hash.Hash32
	key []byte
}

func tokenOf(key, text string) string {
	return "T" + strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(key+text))), 16)
}

func of(t Transform) Factory { return func(*Env, Args) (Transform, error) { return t, nil } }

func fakes() map[string]Factory {
	return map[string]Factory{
		"pass": of(fakePass{}), "drop": of(fakeDrop{}), "null": of(fakeNull{}), "mask": of(fakeMask{}),
		"round": of(fakeRound{}), "fail": of(fakeFail{}),
		"constant": func(_ *Env, a Args) (Transform, error) {
			if a[""] == nil {
				return nil, errors.New("constant needs a value")
			}
			return fakeConstant{fmt.Sprint(a[""])}, nil
		},
		"token": func(e *Env, a Args) (Transform, error) {
			key := e.Recipient + "/"
			return fakeToken{slot: e.Slot(keys.Use{Scope: e.Recipient}), key: key}, nil
		},
	}
}

// policy parses a policy for tests, a line each:
//
//	catalog NAME CLASS
//	recipient NAME [grade=N] [unknown=drop] [until=DAY] [topic=PATTERN] [rows=EXPRESSION…]
//	  MATCH TREATMENT [VALUE]
//
// What follows "###" is a test's own.
func policy(t testing.TB, text string) *Policy {
	t.Helper()
	tax, err := schemas.DefaultTaxonomy()
	if err != nil {
		t.Fatal(err)
	}
	p := &Policy{Name: "shop", Keyspace: "shop", Epoch: 1, Taxonomy: tax}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "###")
		pos := Pos{File: "weir.yaml", Line: i + 1, Col: 1}
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case f[0] == "catalog":
			p.Catalog = append(p.Catalog, CatalogRule{Match: f[1], Class: f[2], Pos: pos})
		case f[0] == "recipient":
			p.Recipients = append(p.Recipients, recipient(t, line, pos))
		default:
			r := &p.Recipients[len(p.Recipients)-1]
			rule := Rule{Match: strings.Trim(f[0], `"`), Treatment: f[1], Pos: pos}
			if len(f) > 2 {
				rule.Args = Args{"": f[2]}
			}
			r.Treat = append(r.Treat, rule)
		}
	}
	return p
}

func recipient(t testing.TB, line string, pos Pos) Recipient {
	line, rows, _ := strings.Cut(line, "rows=")
	f := strings.Fields(line)
	r := Recipient{Name: f[1], Topic: "clean." + f[1] + ".{schema}.{table}", Rows: strings.TrimSpace(rows), Pos: pos}
	for _, opt := range f[2:] {
		name, v, _ := strings.Cut(opt, "=")
		switch name {
		case "grade":
			r.Grade, _ = strconv.Atoi(v)
		case "unknown":
			r.Unknown = DropUnknown
		case "topic":
			r.Topic = v
		case "until":
			day, err := time.Parse("2006-01-02", v)
			if err != nil {
				t.Fatal(err)
			}
			r.Until = day
		}
	}
	return r
}

const placeholder = "__debezium_unavailable_value"

func customers() Dataset {
	return Dataset{Topic: "cdc.shop.customers", Name: "shop.customers", Envelope: EnvelopeDebezium, Placeholder: placeholder}
}

func compile(t testing.TB, in Input) *Plan {
	t.Helper()
	if in.Kinds == nil {
		in.Kinds = fakes()
	}
	if in.Ring == nil {
		in.Ring = &keys.Ring{}
	}
	p, err := Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// schemaless compiles a plan for JSON whose fields the policy declares.
func schemaless(t testing.TB, d Dataset, text string) *Plan {
	t.Helper()
	p := policy(t, text)
	in := Input{Policy: p, Dataset: d, Key: declared(t, p, d, true), Value: declared(t, p, d, false)}
	in.Header = in.Key
	return compile(t, in)
}

func declared(t testing.TB, p *Policy, d Dataset, isKey bool) *schemas.Schema {
	t.Helper()
	s, err := jsonrec.New(DeclaredPaths(p, d, isKey))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// change is a change event in JSON.
func change(key, value string) *Event {
	return &Event{Key: []byte(key), Value: []byte(value), NullKey: key == "", NullValue: value == ""}
}

// protect runs p on a record and gives every recipient's copy as text.
func protect(t testing.TB, p *Plan, ev *Event) []string {
	t.Helper()
	copies, _ := p.Protect(NewScratch(), ev, nil)
	var out []string
	for i := range copies {
		out = append(out, show(&copies[i]))
	}
	return out
}

func show(c *Copy) string {
	switch c.Fate {
	case Filtered:
		return "filtered " + string(c.Code)
	case Quarantined:
		return strings.TrimSpace("quarantined " + string(c.Code) + " " + c.Path)
	}
	var outs []string
	for _, o := range c.Outs {
		key, value := string(o.Key), string(o.Value)
		if o.NullKey {
			key = "null"
		}
		if o.NullValue {
			value = "null"
		}
		outs = append(outs, key+" → "+value)
	}
	s := strings.Join(outs, " | ")
	if c.NewKey != nil {
		s += " newkey " + string(c.NewKey)
	}
	if c.OldKey != nil {
		s += " oldkey " + string(c.OldKey)
	}
	return s
}

func wantCopies(t *testing.T, p *Plan, ev *Event, want ...string) {
	t.Helper()
	got := protect(t, p, ev)
	if len(got) != len(want) {
		t.Fatalf("%d copies, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("copy %d:\n got %s\nwant %s", i, got[i], want[i])
		}
	}
	for i, c := range got {
		if strings.HasPrefix(c, "quarantined") || strings.HasPrefix(c, "filtered") {
			continue
		}
		copies, _ := p.Protect(NewScratch(), ev, nil)
		for _, o := range copies[i].Outs {
			if !o.NullValue && !json.Valid(o.Value) {
				t.Errorf("copy %d is not JSON: %s", i, o.Value)
			}
		}
	}
}
