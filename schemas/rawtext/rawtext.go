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

// Derive refuses to cut the root, for there would be nothing left, and every
// kind but a string: text does not say what it is.
func (codec) Derive(o schemas.ShapeOptions) (schemas.Shape, error) {
	for _, c := range o.Changes {
		if c.Leaf != 0 || c.Op != schemas.Retype || c.Kind != schemas.KindString {
			return nil, schemas.Fail(schemas.CodeUnsupported, "")
		}
	}
	return shape{}, nil
}

// Splice appends the text, or the edit in its place. There is no null.
func (codec) Splice(dst []byte, v *schemas.View, sh schemas.Shape, edits []schemas.Edit) ([]byte, error) {
	if _, ok := sh.(shape); !ok {
		return dst, schemas.Fail(schemas.CodeUnsupported, "")
	}
	switch {
	case len(edits) == 0:
		return append(dst, v.Src...), nil
	case len(edits) > 1 || edits[0].Span != 0 || len(v.Spans) == 0 || edits[0].Null:
		return dst, schemas.Fail(schemas.CodeUnsupported, "")
	case !utf8.Valid(edits[0].Data):
		return dst, schemas.Fail(schemas.CodeUTF8, "")
	}
	return append(dst, edits[0].Data...), nil
}
