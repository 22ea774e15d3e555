// Package transformtest is the conformance suite of transforms: what every
// treatment promises whatever it does. Each family runs it over its own cases.
package transformtest

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"weir/keys"
	"weir/schemas"
	"weir/transforms"
)

// Case is one compiled treatment to hold to the contract.
type Case struct {
	Name  string
	New   transforms.Factory
	Args  transforms.Args
	Leaf  schemas.Leaf // its Kind is that of Values
	Class *schemas.Class
	// Values are canonical texts of Leaf.Kind that the treatment must treat, all
	// different. Wants, where given, are the results.
	Values, Wants []string
}

// hostile are texts that no treatment may stumble over, whatever its kind: it
// gives a result or an error with a code.
func hostile() []string {
	return []string{"", " ", "\x00", "\xff\xfe", "a\xc3", "\xed\xa0\x80", strings.Repeat("长", 1<<18), strings.Repeat("9", 1<<20),
		"-", "1e999999999", "NaN", "2024-02-30", "@", "a@b", "\u202eabc", "👩‍👩‍👧", "é", "�"}
}

// Env is an environment with a fresh ring.
func Env(t testing.TB, leaf *schemas.Leaf, class *schemas.Class) *transforms.Env {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weir.keys")
	if _, err := keys.InitFile(path); err != nil {
		t.Fatal(err)
	}
	ring, err := keys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return EnvOf(ring, leaf, class)
}

// EnvOf is an environment with the given ring, which may be nil.
func EnvOf(ring *keys.Ring, leaf *schemas.Leaf, class *schemas.Class) *transforms.Env {
	slots := map[keys.Use]int{}
	return &transforms.Env{Ring: ring, Keyspace: "shop", Recipient: "analytics", Class: class, Leaf: leaf,
		Slot: func(u keys.Use) int {
			if _, ok := slots[u]; !ok {
				slots[u] = len(slots)
			}
			return slots[u]
		}}
}

// Run holds each case to the contract of transforms.Transform.
func Run(t *testing.T, cases ...Case) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			env := Env(t, &c.Leaf, c.Class)
			tr, err := c.New(env, c.Args)
			if err != nil {
				t.Fatal(err)
			}
			s := &suite{c: c, tr: tr, env: env}
			t.Run("factory", s.factory)
			t.Run("out", s.out)
			t.Run("append", s.append)
			t.Run("retains nothing", s.retains)
			t.Run("deterministic", s.deterministic)
			t.Run("concurrent", s.concurrent)
			t.Run("hostile", s.hostile)
			t.Run("keys", s.keySafe)
			t.Run("allocations", s.allocations)
		})
	}
}

type suite struct {
	c   Case
	tr  transforms.Transform
	env *transforms.Env
}

func (s *suite) field() *transforms.Field {
	return &transforms.Field{Leaf: &s.c.Leaf, Kind: s.c.Leaf.Kind, Scratch: &transforms.Slots{}}
}

// treat runs the transform over a value that it must treat.
func (s *suite) treat(t *testing.T, tr transforms.Transform, f *transforms.Field, v string) string {
	t.Helper()
	got, err := tr.Append(nil, []byte(v), f)
	if err != nil {
		t.Fatalf("%.40q: %v", v, err)
	}
	return string(got)
}

// factory: unknown options are refused, and none is quoted from elsewhere.
func (s *suite) factory(t *testing.T) {
	args := transforms.Args{"no_such_option": "x"}
	for k, v := range s.c.Args {
		args[k] = v
	}
	if _, err := s.c.New(s.env, args); err == nil {
		t.Error("an unknown option was taken")
	}
	lint := EnvOf(nil, s.env.Leaf, s.env.Class)
	lint.Slot = nil
	if _, err := s.c.New(lint, s.c.Args); err != nil {
		t.Errorf("without keys, where lint runs: %v", err)
	}
}

// out: a result is canonical text of the kind that Out names, and containers
// are refused unless the treatment is decided with the schema.
func (s *suite) out(t *testing.T) {
	kind, scale, err := s.tr.Out(s.c.Leaf.Kind)
	if err != nil {
		t.Fatal(err)
	}
	f := s.field()
	for i, v := range s.c.Values {
		got := s.treat(t, s.tr, f, v)
		if err := canonical(kind, scale, &s.c.Leaf, got); err != nil {
			t.Errorf("%.40q: %.40q is no %v: %v", v, got, kind, err)
		}
		if s.c.Wants != nil && got != s.c.Wants[i] {
			t.Errorf("%.40q: %.40q, want %.40q", v, got, s.c.Wants[i])
		}
	}
	for _, k := range []schemas.Kind{schemas.KindRecord, schemas.KindArray, schemas.KindMap} {
		if _, _, err := s.tr.Out(k); err == nil {
			t.Errorf("%v was taken", k)
		}
	}
}

// append: what stands in dst stays, whatever its capacity; src stays.
func (s *suite) append(t *testing.T) {
	f := s.field()
	for _, v := range s.c.Values {
		want := s.treat(t, s.tr, f, v)
		for _, spare := range []int{0, 1, 7, 30, 4096} {
			dst := append(make([]byte, 0, 6+spare), "before"...)
			src := []byte(v)
			got, err := s.tr.Append(dst, src, f)
			if err != nil || string(got) != "before"+want || string(dst) != "before" {
				t.Errorf("%.40q with %d spare bytes: %.60q %v", v, spare, got, err)
			}
			if string(src) != v {
				t.Errorf("%.40q: src was written to", v)
			}
		}
	}
}

// retains: results stay when src and later results change.
func (s *suite) retains(t *testing.T) {
	f := s.field()
	for _, v := range s.c.Values {
		want := s.treat(t, s.tr, f, v)
		src := []byte(v)
		got, err := s.tr.Append(nil, src, f)
		if err != nil {
			t.Fatal(err)
		}
		for i := range src {
			src[i] = '#'
		}
		for _, other := range s.c.Values {
			s.treat(t, s.tr, f, other)
		}
		if string(got) != want {
			t.Errorf("%.40q: %.40q became %.40q", v, want, got)
		}
		if again := s.treat(t, s.tr, f, v); again != want {
			t.Errorf("%.40q: %.40q, then %.40q", v, want, again)
		}
	}
}

// deterministic: another compilation and another goroutine's scratch give the
// same, in any order.
func (s *suite) deterministic(t *testing.T) {
	again, err := s.c.New(s.env, s.c.Args)
	if err != nil {
		t.Fatal(err)
	}
	f := s.field()
	for i := range s.c.Values {
		v := s.c.Values[len(s.c.Values)-1-i]
		if a, b := s.treat(t, s.tr, s.field(), v), s.treat(t, again, f, v); a != b {
			t.Errorf("%.40q: %.40q and %.40q", v, a, b)
		}
	}
}

func (s *suite) concurrent(t *testing.T) {
	wants := make([]string, len(s.c.Values))
	for i, v := range s.c.Values {
		wants[i] = s.treat(t, s.tr, s.field(), v)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			f, dst := s.field(), []byte(nil)
			for range 20 {
				for i, v := range s.c.Values {
					var err error
					if dst, err = s.tr.Append(dst[:0], []byte(v), f); err != nil || string(dst) != wants[i] {
						t.Errorf("%.40q: %.40q %v", v, dst, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// hostile: no panic, no value in an error, no text that is not UTF-8 under a
// text kind, and dst stays whatever happens.
func (s *suite) hostile(t *testing.T) {
	kind, _, err := s.tr.Out(s.c.Leaf.Kind)
	if err != nil {
		t.Fatal(err)
	}
	f := s.field()
	for _, v := range hostile() {
		got, err := s.tr.Append([]byte("before"), []byte(v), f)
		if !bytes.HasPrefix(got, []byte("before")) {
			t.Errorf("%.40q: dst was lost", v)
		}
		if err == nil {
			if kind == schemas.KindString && !utf8.Valid(got) {
				t.Errorf("%.40q: %.40q is not UTF-8", v, got)
			}
			continue
		}
		var coded *schemas.Error
		if !errors.As(err, &coded) || coded.Code == "" {
			t.Errorf("%.40q: an error without a code: %T", v, err)
		}
		if string(got) != "before" {
			t.Errorf("%.40q: output beside an error", v)
		}
		if len(v) > 3 && strings.Contains(err.Error(), v[:4]) {
			t.Errorf("%.40q: the error quotes the value", v)
		}
	}
	for _, v := range s.c.Values { // errors leave nothing behind
		s.treat(t, s.tr, f, v)
	}
}

// keySafe: one-to-one, over the values and many like them.
func (s *suite) keySafe(t *testing.T) {
	k, ok := s.tr.(transforms.KeySafe)
	if !ok || !k.KeySafe() {
		return
	}
	f, seen := s.field(), map[string]string{}
	values := append([]string(nil), s.c.Values...)
	for i := range 5000 {
		values = append(values, fmt.Sprint(i), fmt.Sprintf("x%x", i), fmt.Sprintf(" %d", i))
	}
	for _, v := range values {
		got, err := s.tr.Append(nil, []byte(v), f)
		if err != nil {
			continue
		}
		if other, ok := seen[string(got)]; ok && other != v {
			t.Fatalf("%q and %q are both %q", other, v, got)
		}
		seen[string(got)] = v
	}
}

func (s *suite) allocations(t *testing.T) {
	f, dst := s.field(), make([]byte, 0, 1<<16)
	for _, v := range s.c.Values {
		src := []byte(v)
		if n := testing.AllocsPerRun(50, func() { _, _ = s.tr.Append(dst[:0], src, f) }); n != 0 {
			t.Errorf("%.40q: %v allocations", v, n)
		}
	}
}
