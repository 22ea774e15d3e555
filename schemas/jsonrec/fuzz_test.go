package jsonrec

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"weir/schemas"
)

// strict walks text with jsontext, which refuses bad UTF-8 and lone surrogates
// unless told otherwise; the values of strings and numbers come back.
func strict(text []byte) (values []string, deep bool, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	docs := 0
	for {
		tok, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			if docs != 1 {
				return nil, deep, errors.New("not one value")
			}
			return values, deep, nil
		}
		if err != nil {
			return nil, deep, err
		}
		deep = deep || d.StackDepth() > schemas.MaxDepth
		if d.StackDepth() == 0 {
			docs++
		}
		if k := tok.Kind(); k == '"' || k == '0' {
			values = append(values, tok.String())
		}
	}
}

// FuzzScan: the scanner accepts what jsontext accepts, and reads the same.
func FuzzScan(f *testing.F) {
	for _, s := range []string{benchEvent, `{"a":"\ud83d\ude00","b":{"c":[1,-0.5e+9]}}`, `["a"]`, `"\u0000"`, `{"a":1}{`, `{"é":"é"}`,
		`{"a":{"a":null}}`, "{\"\xff\":1}", `{"a":"\ud800"}`, `[1,]`, ` 1 `, `{"\u0061":01}`, `[[[]]]`} {
		f.Add([]byte(s))
	}
	bare, err := New(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		// Inside a member, so that any value is well-typed.
		src := append(append([]byte(`{"u":`), text...), '}')
		values, deep, peer := strict(src)
		var v schemas.View
		err := bare.Codec.Scan(&v, src, &schemas.Wanted{Unknown: true})
		if deep {
			if err == nil {
				t.Fatal("too deep, accepted")
			}
			return
		}
		if (err == nil) != (peer == nil) {
			t.Fatalf("%v, jsontext %v", err, peer)
		}
		if err == nil {
			checkLearned(t, bare, &v, values)
			if !json.Valid(src) {
				t.Fatal("encoding/json refuses it")
			}
		}
	})
}

// checkLearned learns the names of the scanned record and compares all its
// strings and numbers with what the peer read.
func checkLearned(t *testing.T, s *schemas.Schema, v *schemas.View, values []string) {
	var learned [][]string
	for i := range v.Spans {
		paths, err := UnknownLeaves(s, v, i)
		if err != nil {
			return // more names than it lists
		}
		learned = append(learned, paths...)
	}
	s, err := Extend(s, learned)
	if err != nil {
		t.Fatal(err)
	}
	var w schemas.View
	if err = s.Codec.Scan(&w, v.Src, everything(s)); codeOf(err) == schemas.CodeType {
		return // an empty object
	} else if err != nil {
		t.Fatal(err)
	}
	// Names are values to the peer; take them out by position instead: every
	// span's text must be among the values, in order.
	at := 0
	for i := range w.Spans {
		sp := &w.Spans[i]
		if sp.Kind != schemas.KindString && sp.Kind != schemas.KindNumber || sp.Flags&schemas.Container != 0 {
			continue
		}
		text := string(w.Raw(i))
		if sp.Kind == schemas.KindString {
			b, err := s.Codec.Text(nil, &w, i)
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		for at < len(values) && values[at] != text {
			at++
		}
		if at == len(values) {
			t.Fatalf("span %d is no value that jsontext read", i)
		}
		at++
	}
}

// FuzzSplice: whatever is scanned can be cut, masked and passed, and stays JSON.
func FuzzSplice(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"c":"x","u":[]},"d":[1,"\n"],"m":{"k":null}}`), uint8(0xA5))
	f.Add([]byte(`{"d":[],"b":null,"a":"é","a":2}`), uint8(0x13))
	s, err := New([]Path{{Steps: []string{"a"}}, {Steps: []string{"b", "c"}}, {Steps: []string{"d", "[]"}}, {Steps: []string{"m", "{}"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src []byte, which uint8) {
		want := everything(s)
		want.Unknown = true
		var v schemas.View
		if s.Codec.Scan(&v, src, want) != nil {
			return
		}
		o := schemas.ShapeOptions{DropUnknown: true}
		for i := range s.Leaves {
			if int(s.Leaves[i].Cut) == i && which>>(i%8)&1 != 0 {
				o.Changes = append(o.Changes, schemas.Change{Leaf: i, Op: schemas.Cut})
			}
		}
		var edits []schemas.Edit
		for i := range v.Spans {
			if sp := v.Spans[i]; sp.Leaf >= 0 && !sp.Kind.Container() && sp.Flags&schemas.Null == 0 {
				edits = append(edits, schemas.Edit{Span: int32(i), Data: []byte("\"\\\x01é")})
			}
		}
		if out := splice(t, s, &v, o, edits); !json.Valid([]byte(out)) {
			t.Fatalf("no JSON: %s", out)
		}
	})
}

// FuzzSchemas: no text of a schema, block or envelope makes the compilers
// panic, and what compiles derives to something that compiles again.
func FuzzSchemas(f *testing.F) {
	f.Add([]byte(everyTypeBlock), []byte(`{"schema":{},"payload":{}}`))
	f.Add([]byte(customerSchema), []byte(`{"payload":1,"schema":null}`))
	f.Add([]byte(`{"$ref":"#/definitions/x","definitions":{"x":{"properties":{"x":{"$ref":"#/definitions/x"}}}}}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, text, envelope []byte) {
		_, _, _ = SplitBlock(envelope)
		for _, compile := range []func() (*schemas.Schema, error){
			func() (*schemas.Schema, error) { return FromConnect(text) },
			func() (*schemas.Schema, error) { return FromJSONSchema(string(text)) },
		} {
			s, err := compile()
			if err != nil {
				continue
			}
			var v schemas.View
			_ = s.Codec.Scan(&v, envelope, everything(s))
			var o schemas.ShapeOptions
			for i := range s.Leaves {
				if l := &s.Leaves[i]; !l.Kind.Container() && !strings.HasSuffix(l.Path, "{#}") {
					o.Changes = append(o.Changes, schemas.Change{Leaf: i, Op: schemas.Retype, Kind: schemas.KindString, Nullable: true, Note: "token"})
				}
			}
			if _, err := s.Codec.Derive(o); err != nil {
				t.Fatal(err)
			}
		}
	})
}
