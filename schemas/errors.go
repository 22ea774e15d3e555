package schemas

import "strconv"

// Code names one way a record, schema or transform fails. Codes are stable and
// printed in errors, headers and metrics; nothing else of a failure is.
type Code string

// Codes of schemas and codecs.
const (
	CodeTruncated    Code = "truncated"         // the payload ends inside a value
	CodeTrailing     Code = "trailing_data"     // bytes after the value
	CodeMalformed    Code = "malformed"         // not a value of the format
	CodeUTF8         Code = "invalid_utf8"      // a string that is not UTF-8
	CodeTooDeep      Code = "too_deep"          // nesting beyond MaxDepth
	CodeTooLarge     Code = "too_large"         // sizes or counts beyond the limits
	CodeBranch       Code = "bad_branch"        // a union branch or enum symbol that the schema does not have
	CodeUndeclared   Code = "undeclared_field"  // a name that no schema declares
	CodeType         Code = "wrong_type"        // a value of another type than declared
	CodeSchema       Code = "bad_schema"        // a schema that cannot be compiled
	CodeUnsupported  Code = "unsupported"       // legal, but not handled: fails closed
	CodeNumber       Code = "number_too_long"   // more than MaxDigits digits
	CodeNotANumber   Code = "not_a_number"      // NaN or infinite where text is needed
	CodeFraming      Code = "bad_framing"       // no or wrong schema id framing
	CodeSchemaID     Code = "unknown_schema_id" // the registry says the id does not exist
	CodeIncompatible Code = "incompatible"      // a derived schema that old readers cannot read
)

// Limits on one payload; crossing them is an error with a code, before memory
// is spent.
const (
	MaxDepth   = 128       // nested containers
	MaxPayload = 256 << 20 // bytes
	MaxLeaves  = 20_000    // leaves of one schema
	MaxSpans   = 1 << 20   // spans of one record
	MaxDigits  = 1_000     // digits of one number before it is expanded (contract 20)
)

// Error is a failure in one record or schema: what and where, never contents.
type Error struct {
	Code   Code
	Path   string // a declared path, or "*"
	Offset int    // in the payload, -1 when it has no meaning
}

// Error prints the code and the place.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Path != "" {
		s += " at " + e.Path
	}
	if e.Offset >= 0 {
		s += " (byte " + strconv.Itoa(e.Offset) + ")"
	}
	return s
}

// Fail makes an *Error without an offset.
func Fail(code Code, path string) *Error { return &Error{Code: code, Path: path, Offset: -1} }

// FailAt makes an *Error at a byte offset.
func FailAt(code Code, path string, offset int) *Error {
	return &Error{Code: code, Path: path, Offset: offset}
}
