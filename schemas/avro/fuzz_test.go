package avro

import (
	"bytes"
	"testing"

	"github.com/linkedin/goavro/v2"
	twmb "github.com/twmb/avro"

	"weir/schemas"
)

// fuzzSchemas between them have every type, every kind of union, recursion and
// blocks of blocks.
func fuzzSchemas() []string {
	envelope, _, _ := envelopeFixture()
	return []string{
		list,
		envelope,
		`{"type":"record","name":"All","fields":[
			{"name":"a","type":"null"},{"name":"b","type":"boolean"},{"name":"c","type":"int"},{"name":"d","type":"long"},
			{"name":"e","type":"float"},{"name":"f","type":"double"},{"name":"g","type":"bytes"},{"name":"h","type":"string"},
			{"name":"i","type":{"type":"fixed","name":"F","size":3}},{"name":"j","type":{"type":"enum","name":"E","symbols":["A","B"]}},
			{"name":"k","type":["string","null"]},{"name":"l","type":["long","null","string","F","E"]},
			{"name":"m","type":{"type":"map","values":["null",{"type":"array","items":{"type":"map","values":"long"}}]}},
			{"name":"n","type":[{"type":"array","items":"boolean"},{"type":"map","values":"int"}]},
			{"name":"o","type":{"type":"array","items":{"type":"record","name":"Z","fields":[{"name":"z","type":"null"},{"name":"y","type":["null","All"]}]}}}]}`,
		`{"type":"array","items":["null",` + decimal2 + `,` + withLogical("long", "timestamp-micros") + `,` + duration + `,` +
			withLogical("string", "uuid") + `]}`,
		`["null",` + fixedDec + `,` + withLogical("int", "date") + `]`,
		`"string"`,
	}
}

// stricter are the failures where this codec refuses what others let pass: block
// sizes that do not agree, text that is not UTF-8, limits, longer varints.
var stricter = []schemas.Code{schemas.CodeMalformed, schemas.CodeUTF8, schemas.CodeTooLarge, schemas.CodeTooDeep, schemas.CodeTruncated}

// FuzzScan: no bytes make the codec panic; what it accepts twmb/avro accepts; what
// twmb/avro accepts and it refuses, it refuses for a reason in stricter; and what
// it accepts comes back whole from a splice, and equal from a splice that writes
// every text.
func FuzzScan(f *testing.F) {
	texts := fuzzSchemas()
	var peers []*twmb.Schema
	var own []*schemas.Schema
	for _, text := range texts {
		p, err := twmb.Parse(raw(text))
		if err != nil {
			f.Fatal(err)
		}
		peers, own = append(peers, p), append(own, mustParse(f, text))
	}
	_, payload, _ := envelopeFixture()
	f.Add(uint8(0), listBytes)
	f.Add(uint8(1), payload)
	f.Add(uint8(2), avroBytes([]byte{1}, 5, 6, []byte("abcdefghijkl"), "g", "hé", []byte("iii"), 1, 0, "k", 3, []byte("lll"), 1, "m", 1, -1, 3, 1, "x", 5, 0, 0, 0, 1, 0, 2, 0, 0, 0))
	f.Add(uint8(3), avroBytes(2, 1, "\x01", 2, 7, 0))
	f.Add(uint8(4), avroBytes(2, 5))
	f.Add(uint8(5), avroBytes("x"))
	for _, c := range hostile() {
		if len(c.src) < 100 {
			f.Add(uint8(2), c.src)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, src []byte) {
		s, peer := own[int(which)%len(own)], peers[int(which)%len(own)]
		v := &schemas.View{}
		err := s.Codec.Scan(v, src, wantAll(s))
		var tree any
		rest, peerErr := peer.Decode(src, &tree)
		accepted := peerErr == nil && len(rest) == 0
		if err != nil {
			if code := codeOf(t, err); accepted && !contains(stricter, code) {
				t.Fatalf("refused with %q what twmb/avro reads", code)
			}
			return
		}
		if !accepted {
			t.Fatalf("accepted what twmb/avro refuses: %v, %d left", peerErr, len(rest))
		}
		splices(t, s, v, src)
	})
}

func contains(list []schemas.Code, c schemas.Code) bool {
	for _, l := range list {
		if l == c {
			return true
		}
	}
	return false
}

func splices(t *testing.T, s *schemas.Schema, v *schemas.View, src []byte) {
	shape := mustDerive(t, s)
	out, err := s.Codec.Splice(nil, v, shape, nil)
	if err != nil || !bytes.Equal(out, src) {
		t.Fatalf("no edits: %x, %v", out, err)
	}
	var edits []schemas.Edit
	for i, sp := range v.Spans {
		if sp.Flags&(schemas.Container|schemas.Null) != 0 {
			continue
		}
		text, err := s.Codec.Text(nil, v, i)
		if err != nil {
			continue
		}
		edits = append(edits, schemas.Edit{Span: int32(i), Data: text})
	}
	out, err = s.Codec.Splice(nil, v, shape, edits)
	if code := codeOf(t, err); code == schemas.CodeType { // a decimal of more digits than its precision
		return
	}
	if err != nil {
		t.Fatalf("writing own texts: %v", err)
	}
	if err := s.Codec.Scan(&schemas.View{}, out, wantAll(s)); err != nil {
		t.Fatalf("reading what was written: %v", err)
	}
}

// FuzzParse: no text makes the parser panic; what both other parsers accept it
// accepts, but for limits and duplicate members; and a copy's schema is read by
// whoever reads the original.
func FuzzParse(f *testing.F) {
	for _, s := range fuzzSchemas() {
		f.Add(s)
	}
	for _, c := range fieldCases {
		f.Add(`{"type":"record","name":"R","namespace":"a.b","fields":[` + c.field + `]}`)
	}
	f.Add(`[]`)
	f.Add(doubling(3))
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 20_000 {
			return
		}
		s, err := Parse(text)
		if err != nil {
			codeOf(t, err)
			return
		}
		var changes []schemas.Change
		for i, l := range s.Leaves {
			if !l.Kind.Container() && l.Kind != schemas.KindNull && l.Names != nil && l.Names[len(l.Names)-1] != "{#}" {
				changes = append(changes, schemas.Change{Leaf: i, Op: schemas.Retype, Kind: schemas.KindString, Note: "x"})
			}
		}
		shape, err := s.Codec.Derive(schemas.ShapeOptions{Changes: changes})
		if err != nil {
			if code := codeOf(t, err); code != schemas.CodeUnsupported {
				t.Fatalf("deriving: %v", err)
			}
			return
		}
		if _, err := goavro.NewCodec(text); err == nil {
			if _, err := goavro.NewCodec(shape.Schema()); err != nil {
				t.Fatalf("goavro: %v\n%s\n%s", err, text, shape.Schema())
			}
		}
		if _, err := twmb.Parse(text); err == nil {
			if _, err := twmb.Parse(shape.Schema()); err != nil {
				t.Fatalf("twmb/avro: %v\n%s\n%s", err, text, shape.Schema())
			}
		}
	})
}
