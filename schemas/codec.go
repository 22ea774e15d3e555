package schemas

// Unknown is the Leaf of a span whose name no schema declares (JSON only).
const Unknown int32 = -1

// Flags say what a span holds besides its bytes.
type Flags uint8

// The span flags.
const (
	Null      Flags = 1 << iota // the value is null
	Escaped                     // JSON text with escapes: Text unescapes it
	Quoted                      // JSON string (Start and End are inside the quotes)
	Container                   // the whole of a container leaf; its inner spans follow
)

// Span is one occurrence of a wanted leaf in View.Src.
type Span struct {
	Leaf       int32  // index into Schema.Leaves, or Unknown
	Start, End uint32 // the value's bytes, without length prefix or quotes
	// Open and Close bound what an edit replaces: union branch and length prefix
	// included (Avro), quotes included (JSON).
	Open, Close uint32
	Kind        Kind // of this occurrence: never KindAny
	Flags       Flags
	Aux         int32 // the codec's own: index into View.Aux
}

// View is one scanned record: spans into Src, in document order. It is owned by
// one goroutine and reused; Src must not change while it is in use.
type View struct {
	Src   []byte
	Spans []Span
	Aux   []uint32 // the codec's own: block sizes, member bounds
}

// Reset makes v ready for another record, keeping its arenas.
func (v *View) Reset(src []byte) {
	v.Src, v.Spans, v.Aux = src, v.Spans[:0], v.Aux[:0]
}

// Raw is the bytes of span i as they stand in the record.
func (v *View) Raw(i int) []byte { return v.Src[v.Spans[i].Start:v.Spans[i].End] }

// Wanted says which leaves a scan reports, by leaf index. A container that is
// wanted gets a span of its own before those of its inner leaves.
type Wanted struct {
	Leaf []bool // len = len(Schema.Leaves)
	// Unknown: report members that no schema declares (JSON); without it they
	// fail the scan with CodeUndeclared.
	Unknown bool
}

// Edit replaces what span Span holds. Data is canonical text of the shape's
// kind for that leaf; the codec writes it in the format's way.
type Edit struct {
	Span int32
	Null bool // write null; Data is ignored
	Data []byte
}

// ChangeOp is what a recipient's copy does to a leaf of the schema.
type ChangeOp uint8

// The changes. A leaf without a Change keeps its type.
const (
	Retype ChangeOp = iota + 1 // the leaf's values become Kind
	Cut                        // the leaf (Leaf.Cut) is not there
)

// Change is one leaf's difference between an input schema and a copy's.
type Change struct {
	Leaf     int
	Op       ChangeOp
	Kind     Kind   // Retype: the new kind (may equal the old)
	Scale    int    // Retype to KindDecimal
	Nullable bool   // null must be allowed from now on
	Note     string // treatment, e.g. "token", for the field's properties
}

// Shape is a recipient's copy of a schema, compiled: immutable, shared.
type Shape interface {
	// Schema is the derived schema's text, "" when the format has none.
	Schema() string
	// Kind is the kind that edits of a leaf are written in.
	Kind(leaf int) Kind
}

// ShapeOptions are what a shape needs to know beyond single leaves.
type ShapeOptions struct {
	Changes []Change
	// DropUnknown cuts members that no schema declares (JSON).
	DropUnknown bool
}

// Codec reads and rewrites the payloads of one schema. Implementations are
// immutable and safe for any number of goroutines, each with its own View.
// Errors are *Error: a code and a place, never contents. Package codectest holds
// every implementation to this.
type Codec interface {
	// Scan walks src to its end and fills v with the wanted leaves. It copies
	// nothing and fails on anything malformed, truncated or trailing.
	Scan(v *View, src []byte, want *Wanted) error
	// Text appends the canonical text of span i (contract 20) to dst; the caller
	// owns the result. Null spans give no text.
	Text(dst []byte, v *View, i int) ([]byte, error)
	// Derive compiles a recipient's copy of the schema.
	Derive(o ShapeOptions) (Shape, error)
	// Splice appends v.Src with the shape's cuts and the edits (ascending by
	// span, at most one a span) to dst. Bytes no edit touches stay as they are,
	// but for lengths, block sizes and branch numbers that an edit moves.
	// An edit of a container span (null only) covers the spans inside it; the
	// caller gives no edits for those. Null where neither the schema nor a change
	// allows it, text that is none of the kind and an edit of no span are errors;
	// with one, dst comes back as it was.
	Splice(dst []byte, v *View, shape Shape, edits []Edit) ([]byte, error)
}
