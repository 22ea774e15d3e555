// Package schemas is the decode view of a record: which leaves it has, where
// they stand in its bytes, and how replacements are spliced between untouched
// runs of the original. It does no I/O; schemas/registry does.
//
// A codec compiles a writer schema into a [Schema] (a list of leaves and a
// [Codec]). A worker scans each record once into a [View] and splices it once
// per recipient:
//
//	err := s.Codec.Scan(&view, payload, want)      // spans only, nothing copied
//	text, err = s.Codec.Text(text[:0], &view, i)   // one span's canonical text
//	out, err = s.Codec.Splice(out, &view, shape, edits)
//
// Schemas and shapes are immutable and shared; a View belongs to one goroutine.
package schemas

import (
	"strings"
)

// Kind is what a leaf holds, independent of how a format writes it.
type Kind uint8

// The kinds. Record, Array and Map are containers: they are listed among a
// schema's leaves so that a whole container can be cut or nulled, and carry no
// decision of their own.
const (
	KindAny      Kind = iota // found per occurrence: JSON without a schema
	KindNull                 // a type that has no other value
	KindBool                 // text: true, false
	KindInt                  // 32-bit integer; text: decimal digits
	KindLong                 // 64-bit integer; text: decimal digits
	KindNumber               // JSON number of any size; text: canonical number
	KindFloat                // IEEE 754 binary32; text: shortest that reads back
	KindDouble               // IEEE 754 binary64; text: shortest that reads back
	KindDecimal              // exact decimal with Leaf.Scale; text: canonical number
	KindString               // text: the characters, unescaped UTF-8
	KindBytes                // text: the raw bytes (JSON: after base64)
	KindFixed                // fixed-size bytes; text: the raw bytes
	KindEnum                 // text: the symbol
	KindUUID                 // text: 8-4-4-4-12 lower-case hex
	KindDate                 // calendar day; text: 2006-01-02
	KindTime                 // time of day; text: 15:04:05[.fff]
	KindInstant              // point in time; text: 2006-01-02T15:04:05[.fff]Z
	KindLocal                // date and time without zone; text: 2006-01-02T15:04:05[.fff]
	KindDuration             // Avro duration; text: months,days,millis
	KindRecord               // container
	KindArray                // container
	KindMap                  // container
)

var kindNames = [...]string{"any", "null", "bool", "int", "long", "number", "float", "double", "decimal",
	"string", "bytes", "fixed", "enum", "uuid", "date", "time", "instant", "local", "duration",
	"record", "array", "map"}

// String is the kind's name as explain prints it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "invalid"
}

// Container reports whether k holds other leaves instead of a value.
func (k Kind) Container() bool { return k >= KindRecord }

// Numeric reports whether k's text is a number.
func (k Kind) Numeric() bool { return k >= KindInt && k <= KindDecimal }

// Leaf is one field of a schema, however deep. It is immutable.
type Leaf struct {
	// Path is Names joined by dots, with "[]" for array elements, "{}" for map
	// values and "{#}" for map keys; the root of a non-record is "". It is safe to
	// print only when Declared.
	Path  string
	Names []string // one step each, unescaped
	Kind  Kind
	// Optional: the schema already has a null beside this kind.
	Optional bool
	Scale    int      // of KindDecimal
	Unit     int      // fraction digits of time kinds: 0 s, 3 ms, 6 µs, 9 ns
	Tags     []string // from the schema, those of enclosing types included
	Doc      string   // the column's comment, when the schema carries one
	Declared bool     // a schema declares every name in Path
	Parent   int32    // index of the enclosing container leaf, -1 at the top
	// Cut is the index of the leaf that goes when this one is dropped: itself for
	// a field of a record, the enclosing field for an array's element or a map's
	// key or value; -1 when it is the root and cannot be dropped.
	Cut int32
}

// Printed is the leaf's path for people: names that no schema declares print
// as "*", because an undeclared name may itself be a value (contract 15).
func (l *Leaf) Printed() string {
	if l.Declared {
		return l.Path
	}
	return "*"
}

// JoinPath makes a Leaf's Path from its steps. What a name has of the path's own
// characters (. [ { and the backslash) is escaped with a backslash, and an empty
// name is \0, so that distinct steps give distinct paths: a rule for one must
// not cover another.
func JoinPath(names []string) string {
	var b strings.Builder
	for i, n := range names {
		switch {
		case isStep(n):
			b.WriteString(n)
			continue
		case i > 0:
			b.WriteByte('.')
		}
		appendName(&b, n)
	}
	return b.String()
}

func isStep(n string) bool { return n == "[]" || n == "{}" || n == "{#}" }

// appendName escapes one name. A name that a backslash keeps from being a step
// has it already.
func appendName(b *strings.Builder, n string) {
	if isStep(strings.TrimLeft(n, `\`)) {
		n = n[1:]
	}
	if n == "" {
		b.WriteString(`\0`)
	}
	for i := 0; i < len(n); i++ {
		switch n[i] {
		case '.', '[', '{', '\\':
			b.WriteByte('\\')
		}
		b.WriteByte(n[i])
	}
}

// Format is how a payload is written.
type Format uint8

// The formats.
const (
	FormatAvro Format = iota + 1
	FormatJSON
)

// Schema is one compiled schema: its leaves and the codec that finds them.
// It is immutable.
type Schema struct {
	ID     int // registry id, 0 when it has none
	Format Format
	Name   string // full name of the top record, "" when it has none
	Text   string // the schema as registered, "" when there is none
	// Leaves in document order, containers before what they hold.
	Leaves []Leaf
	Codec  Codec
}

// Find gives the indexes of the leaves whose path is p: one for each union
// branch that can stand there.
func (s *Schema) Find(p string) []int {
	var out []int
	for i := range s.Leaves {
		if s.Leaves[i].Path == p {
			out = append(out, i)
		}
	}
	return out
}
