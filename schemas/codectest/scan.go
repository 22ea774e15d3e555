package codectest

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"weir/schemas"
)

// reads: the documents hold what was written down, and every leaf occurs.
func reads(t *testing.T, s *Subject) {
	seen := map[string]bool{}
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		v := scan(t, in, d.Payload)
		bounds(t, v)
		var got []string
		for _, sp := range read(t, in, v) {
			got = append(got, sp.String())
			seen[sp.path] = true
		}
		if !slices.Equal(got, d.Want) {
			t.Errorf("spans\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(d.Want, "\n"))
		}
		if !strings.Contains(strings.Join(got, "\n"), Canary) {
			t.Error("the document has no canary")
		}
	})
	for _, p := range paths(s.Schema(t), func(*schemas.Leaf) bool { return true }) {
		if !seen[p] {
			t.Errorf("no document has %q", p)
		}
	}
}

// bounds: spans ascend, lie in the record and have a kind; a container stands
// before what it holds and around it.
func bounds(t testing.TB, v *schemas.View) {
	t.Helper()
	at := uint32(0)
	var around []schemas.Span
	for i, sp := range v.Spans {
		for len(around) > 0 && around[len(around)-1].Close <= sp.Open && sp.Close > around[len(around)-1].Close {
			around = around[:len(around)-1]
		}
		ordered := at <= sp.Open && sp.Open <= sp.Start && sp.Start <= sp.End && sp.End <= sp.Close && sp.Close <= uint32(len(v.Src))
		inside := len(around) == 0 || sp.Close <= around[len(around)-1].Close
		if !ordered || !inside || sp.Kind == schemas.KindAny {
			t.Fatalf("span %d: %+v after %d, inside %+v", i, sp, at, around)
		}
		if at = sp.Close; sp.Flags&schemas.Container != 0 {
			at, around = sp.Open, append(around, sp)
		}
	}
}

// scansToTheEnd: whatever is wanted, a cut is refused at every byte, and so is
// what follows a payload.
func scansToTheEnd(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		v := &schemas.View{}
		for name, want := range map[string]*schemas.Wanted{"all": everything(in), "none": {Leaf: make([]bool, len(in.Leaves))}} {
			for n := range d.Payload {
				got := code(t, in.Codec.Scan(v, d.Payload[:n:n], want))
				if got != schemas.CodeTruncated && !(s.Open && (got == "" || got == schemas.CodeUTF8)) {
					t.Errorf("%s wanted, first %d bytes %q: %q", name, n, d.Payload[:n], got)
				}
			}
			for _, tail := range s.Trailing {
				long := append(slices.Clone(d.Payload), tail...)
				if got := code(t, in.Codec.Scan(v, long, want)); got != schemas.CodeTrailing {
					t.Errorf("%s wanted, followed by %q: %q", name, tail, got)
				}
			}
			if err := in.Codec.Scan(v, d.Payload, want); err != nil {
				t.Errorf("%s wanted: %v", name, err)
			}
		}
	})
}

func refuses(t *testing.T, s *Subject) {
	in := s.Schema(t)
	for name, bad := range s.Bad {
		for _, want := range []*schemas.Wanted{everything(in), {Leaf: make([]bool, len(in.Leaves))}} {
			// Strings are checked for UTF-8 where they are reported.
			got := code(t, in.Codec.Scan(&schemas.View{}, bad.Payload, want))
			if got != bad.Code && !(bad.Code == schemas.CodeUTF8 && !want.Leaf[0] && got == "") {
				t.Errorf("%s: %q, want %q", name, got, bad.Code)
			}
		}
	}
}

// damage changes every byte: a scan ends with a code and without contents, or
// with a view that is as good as any.
func damage(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		v, want, shape := &schemas.View{}, everything(in), derive(t, in)
		var out, text []byte
		for at := range d.Payload {
			src := slices.Clone(d.Payload)
			for _, b := range damages(src[at]) {
				src[at] = b
				if code(t, in.Codec.Scan(v, src, want)) != "" {
					continue
				}
				bounds(t, v)
				for i, sp := range v.Spans {
					if sp.Flags&schemas.Container == 0 {
						var err error
						text, err = in.Codec.Text(text[:0], v, i)
						code(t, err)
					}
				}
				var err error
				if out, err = in.Codec.Splice(out[:0], v, shape, nil); err != nil || !bytes.Equal(out, src) {
					t.Fatalf("%q became %q, %v", src, out, err)
				}
			}
		}
	})
}

func damages(b byte) []byte {
	out := []byte{0, 1, 2, 0x7f, 0x80, 0xff, '"', '\\', '{', '}', '[', ',', ':', ' ', 'e', '-', '0', '.'}
	for bit := range 8 {
		out = append(out, b^1<<bit)
	}
	return out
}

// wantedOnly: a path that is wanted alone gives its own spans, as they were
// among all.
func wantedOnly(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		all := read(t, in, scan(t, in, d.Payload))
		for _, p := range paths(in, func(*schemas.Leaf) bool { return true }) {
			w := &schemas.Wanted{Leaf: make([]bool, len(in.Leaves))}
			for _, l := range in.Find(p) {
				w.Leaf[l] = true
			}
			v := &schemas.View{}
			if err := in.Codec.Scan(v, d.Payload, w); err != nil {
				t.Fatalf("wanting %q: %v", p, err)
			}
			want := slices.DeleteFunc(slices.Clone(all), func(sp span) bool { return sp.path != p })
			if got := read(t, in, v); !slices.Equal(got, want) {
				t.Errorf("wanting %q: %v, want %v", p, got, want)
			}
		}
		v := &schemas.View{}
		err := in.Codec.Scan(v, d.Payload, &schemas.Wanted{Leaf: make([]bool, len(in.Leaves))})
		if err != nil || len(v.Spans) > 0 {
			t.Errorf("%d spans that nobody wanted, %v", len(v.Spans), err)
		}
	})
}

// ownsNothing: a view points into the payload, nothing writes to it, and what
// Text and Splice answer is the caller's.
func ownsNothing(t *testing.T, s *Subject) {
	s.each(t, func(t *testing.T, in *schemas.Schema, d *Doc) {
		src := slices.Clone(d.Payload)
		v := scan(t, in, src)
		if len(v.Src) != len(src) || len(src) > 0 && &v.Src[0] != &src[0] {
			t.Error("the view is not of the payload")
		}
		shape := derive(t, in)
		out, err := in.Codec.Splice(nil, v, shape, nil)
		if err != nil {
			t.Fatal(err)
		}
		texts := read(t, in, v)
		for i, sp := range v.Spans {
			if sp.Flags&schemas.Container == 0 {
				text, _ := in.Codec.Text(nil, v, i)
				scribble(text[:cap(text)])
			}
		}
		scribble(out[:cap(out)])
		if !bytes.Equal(src, d.Payload) || !slices.Equal(texts, read(t, in, v)) {
			t.Error("an answer shares memory with the payload")
		}
	})
}

func scribble(b []byte) {
	for i := range b {
		b[i] = '#'
	}
}

// viewReuse: a view that was used for something else, or for a failure, gives
// what a fresh one gives.
func viewReuse(t *testing.T, s *Subject) {
	in, v := s.Schema(t), &schemas.View{}
	want := everything(in)
	for range 2 {
		for i := range s.Docs {
			_ = in.Codec.Scan(v, s.Docs[i].Payload[:len(s.Docs[i].Payload)/2], want)
			for j := range s.Docs {
				p := s.Docs[j].Payload
				if err := in.Codec.Scan(v, p, want); err != nil {
					t.Fatal(err)
				}
				fresh := scan(t, in, p)
				if !slices.Equal(v.Spans, fresh.Spans) || !slices.Equal(v.Aux, fresh.Aux) {
					t.Fatalf("%s: %+v, fresh %+v", s.Docs[j].Name, v, fresh)
				}
			}
		}
	}
}

// unknownMembers: they fail a scan that does not ask for them, never pass a
// splice, and leave no trace where they are dropped.
func unknownMembers(t *testing.T, s *Subject) {
	if s.Unknown == nil {
		t.Skip("the format has no undeclared members")
	}
	in, v := s.Schema(t), &schemas.View{}
	if got := code(t, in.Codec.Scan(v, s.Unknown.With, everything(in))); got != schemas.CodeUndeclared {
		t.Errorf("not asked for: %q", got)
	}
	want := everything(in)
	want.Unknown = true
	if err := in.Codec.Scan(v, s.Unknown.With, want); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, sp := range v.Spans {
		if sp.Leaf == schemas.Unknown {
			n++
		}
	}
	if n != s.Unknown.Spans {
		t.Errorf("%d undeclared members, want %d", n, s.Unknown.Spans)
	}
	_, err := in.Codec.Splice(nil, v, derive(t, in), nil)
	if got := code(t, err); got != schemas.CodeUndeclared {
		t.Errorf("passed on: %q", got)
	}
	shape, err := in.Codec.Derive(schemas.ShapeOptions{DropUnknown: true})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := in.Codec.Splice(nil, v, shape, nil); err != nil || !bytes.Equal(out, s.Unknown.Without) {
		t.Errorf("dropped: %q, %v\nwant %q", out, err, s.Unknown.Without)
	}
}
