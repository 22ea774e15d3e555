// Package rawtext is the codec of payloads that are one piece of UTF-8 text,
// without quotes or framing: record keys written by a StringSerializer.
package rawtext

import (
	"unicode/utf8"

	"weir/schemas"
)

// New is the schema of such a payload: one leaf at the root, path "".
func New() *schemas.Schema {
	s := &schemas.Schema{Format: schemas.FormatJSON, Codec: codec{}}
	s.Leaves = []schemas.Leaf{{Kind: schemas.KindString, Declared: true, Parent: -1, Cut: -1}}
	return s
}

type codec struct{}

type shape struct{}

// Schema is empty: text has no schema.
func (shape) Schema() string { return "" }

// Kind is always a string.
func (shape) Kind(int) schemas.Kind { return schemas.KindString }

// Scan checks that src is UTF-8 and reports all of it as one span.
func (codec) Scan(v *schemas.View, src []byte, want *schemas.Wanted) error {
	v.Reset(src)
	if len(src) > schemas.MaxPayload {
		return schemas.Fail(schemas.CodeTooLarge, "")
	}
	if !utf8.Valid(src) {
		return schemas.Fail(schemas.CodeUTF8, "")
	}
	if want.Leaf[0] {
		n := uint32(len(src))
		v.Spans = append(v.Spans, schemas.Span{End: n, Close: n, Kind: schemas.KindString})
	}
	return nil
}

// Text appends the text as it stands.
func (codec) Text(dst []byte, v *schemas.View, i int) ([]byte, error) {
	return append(dst, v.Raw(i)...), nil
}

// Derive refuses to cut the root: there would be nothing left.
func (codec) Derive(o schemas.ShapeOptions) (schemas.Shape, error) {
	for _, c := range o.Changes {
		if c.Op == schemas.Cut {
			return nil, schemas.Fail(schemas.CodeUnsupported, "")
		}
	}
	return shape{}, nil
}

// Splice appends the text, or the edit in its place.
func (codec) Splice(dst []byte, v *schemas.View, _ schemas.Shape, edits []schemas.Edit) ([]byte, error) {
	if len(edits) == 0 {
		return append(dst, v.Src...), nil
	}
	if edits[0].Null {
		return dst, schemas.Fail(schemas.CodeUnsupported, "")
	}
	return append(dst, edits[0].Data...), nil
}
