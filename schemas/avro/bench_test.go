package avro

import (
	"testing"

	"github.com/linkedin/goavro/v2"

	"weir/schemas"
)

// envelope is the codec-avro benchmark's job, compiled: ten edits in before and
// after, as a plan would hand them to Splice.
type envelope struct {
	s       *schemas.Schema
	shape   schemas.Shape
	want    *schemas.Wanted
	payload []byte
	edits   []schemas.Edit
	columns []fixtureEdit
	view    schemas.View
}

func newEnvelope(t testing.TB) *envelope {
	t.Helper()
	text, payload, columns := envelopeFixture()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	e := &envelope{s: s, payload: payload, columns: columns, want: &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}}
	data := map[int32][]byte{}
	var changes []schemas.Change
	for _, c := range columns {
		for _, image := range []string{"before.", "after."} {
			for _, l := range s.Find(image + c.path) {
				e.want.Leaf[l], data[int32(l)] = true, []byte(c.text)
				changes = append(changes, schemas.Change{Leaf: l, Op: schemas.Retype, Kind: schemas.KindString, Note: "token"})
			}
		}
	}
	if e.shape, err = s.Codec.Derive(schemas.ShapeOptions{Changes: changes}); err != nil {
		t.Fatal(err)
	}
	if err := s.Codec.Scan(&e.view, payload, e.want); err != nil {
		t.Fatal(err)
	}
	for i, sp := range e.view.Spans {
		e.edits = append(e.edits, schemas.Edit{Span: int32(i), Data: data[sp.Leaf]})
	}
	return e
}

func BenchmarkEnvelope(b *testing.B) {
	e := newEnvelope(b)
	b.Logf("%d bytes, %d edits", len(e.payload), len(e.edits))
	b.Run("scan", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := e.s.Codec.Scan(&e.view, e.payload, e.want); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("scan+splice", func(b *testing.B) {
		b.ReportAllocs()
		var out []byte
		var err error
		for b.Loop() {
			if err = e.s.Codec.Scan(&e.view, e.payload, e.want); err != nil {
				b.Fatal(err)
			}
			if out, err = e.s.Codec.Splice(out[:0], &e.view, e.shape, e.edits); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("goavro", func(b *testing.B) { benchmarkGoavro(b, e) })
}

// benchmarkGoavro does the same job by decoding, editing and encoding.
func benchmarkGoavro(b *testing.B, e *envelope) {
	in, err := goavro.NewCodec(e.s.Text)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		native, _, err := in.NativeFromBinary(e.payload)
		if err != nil {
			b.Fatal(err)
		}
		for _, image := range []string{"before", "after"} {
			for _, row := range native.(map[string]any)[image].(map[string]any) {
				for _, c := range e.columns {
					edited := any(c.text)
					if c.path != "name" {
						edited = map[string]any{"string": c.text}
					}
					row.(map[string]any)[c.path] = edited
				}
			}
		}
		if out, err = in.BinaryFromNative(out[:0], native); err != nil {
			b.Fatal(err)
		}
	}
}
