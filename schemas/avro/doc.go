// Package avro is the Avro codec: it compiles a writer schema into leaves and a
// skip program, finds wanted values as spans in the binary form, and splices
// replacements between untouched runs of the original bytes.
//
//	s, err := avro.Parse(text, refs...)            // once per schema id
//	want := &schemas.Wanted{Leaf: make([]bool, len(s.Leaves))}
//	err = s.Codec.Scan(&view, payload, want)        // payload without framing
//	shape, err := s.Codec.Derive(schemas.ShapeOptions{Changes: changes})
//	out, err = s.Codec.Splice(out[:0], &view, shape, edits)
//
// What a caller has to know beyond schemas.Codec:
//
//   - A [schemas.Wanted] is compiled at its first scan and remembered by pointer:
//     never change one that was used.
//   - The branches of a union share one path. When one of them is wanted, all of
//     them are reported, so that a copy can renumber branches; a null is reported
//     under the first non-null branch. When one of them is cut, the field goes.
//   - A record at the root has no leaf; any other root has leaves of Path "".
//   - A reference back to an enclosing record has a leaf of its own, but what it
//     holds is reported under the leaves of the enclosing record.
//   - Splice refuses (CodeUnsupported) a view whose scan did not report every leaf
//     that the shape changes, and (CodeType) a value of a leaf whose kind the shape
//     changes when no edit is given for it. Nothing passes by omission.
//   - A derived schema is self-contained: named references to other subjects are
//     written out where they are first used.
//
// Kinds come from logicalType (Avro 1.12) and from Kafka Connect's and Debezium's
// names in connect.name, which win. A logical type that does not fit its type is
// ignored, as the specification asks. io.debezium.data.VariableScaleDecimal stays
// the record it is; ZonedTime, Interval, Year, Json, Xml, Enum and EnumSet keep
// the kind of their base type.
//
// Scan accepts what the specification allows and no more: varints of at most 5
// (int, branch, enum) or 10 bytes, booleans 0 and 1, block sizes that agree with
// the block's contents. Strings are checked for UTF-8 where they are reported.
package avro
