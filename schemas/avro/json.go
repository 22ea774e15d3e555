package avro

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"weir/schemas"
)

// maxJSONDepth bounds the nesting of a schema's text; a record inside a record
// takes four levels (fields, field, union, type).
const maxJSONDepth = 6 * schemas.MaxDepth

// jv is a JSON value that keeps the order of members and the text of numbers,
// so that a derived schema differs from its input only where it has to.
type jv struct {
	kind  byte     // '{', '[', '"', or '#' for numbers, true, false and null
	text  string   // '"': the characters; '#': as written
	keys  []string // '{': member names, beside elems
	elems []*jv
}

func jstr(s string) *jv { return &jv{kind: '"', text: s} }

func jraw(s string) *jv { return &jv{kind: '#', text: s} }

// get is a member of an object, nil when it is not there.
func (j *jv) get(key string) *jv {
	if j == nil || j.kind != '{' {
		return nil
	}
	for i, k := range j.keys {
		if k == key {
			return j.elems[i]
		}
	}
	return nil
}

// str is a string member, "" when it is not there or not a string.
func (j *jv) str(key string) string {
	if m := j.get(key); m != nil && m.kind == '"' {
		return m.text
	}
	return ""
}

// set replaces a member or adds it at the end.
func (j *jv) set(key string, v *jv) {
	for i, k := range j.keys {
		if k == key {
			j.elems[i] = v
			return
		}
	}
	j.keys, j.elems = append(j.keys, key), append(j.elems, v)
}

// without copies an object's outermost level, leaving out the members that drop
// names.
func (j *jv) without(drop func(key string) bool) *jv {
	out := &jv{kind: '{'}
	for i, k := range j.keys {
		if drop == nil || !drop(k) {
			out.set(k, j.elems[i])
		}
	}
	return out
}

// strings are the elements of an array of strings; ok is false for anything else.
func (j *jv) strings() (list []string, ok bool) {
	if j == nil || j.kind != '[' {
		return nil, false
	}
	for _, e := range j.elems {
		if e.kind != '"' {
			return nil, false
		}
		list = append(list, e.text)
	}
	return list, true
}

// parseJSON reads one JSON text. Duplicate members are refused: two readers
// would see two schemas.
func parseJSON(text string) (*jv, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	j, err := readJSON(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, bad("")
	}
	return j, nil
}

func readJSON(dec *json.Decoder, depth int) (*jv, error) {
	tok, err := dec.Token()
	if err != nil || depth > maxJSONDepth {
		return nil, bad("")
	}
	switch t := tok.(type) {
	case json.Delim:
		if t == '{' {
			return readObject(dec, depth)
		}
		return readArray(dec, depth)
	case string:
		return jstr(t), nil
	case json.Number:
		return jraw(t.String()), nil
	case bool:
		if t {
			return jraw("true"), nil
		}
		return jraw("false"), nil
	}
	return jraw("null"), nil
}

func readObject(dec *json.Decoder, depth int) (*jv, error) {
	out := &jv{kind: '{'}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		key, ok := tok.(string)
		if err != nil || !ok || seen[key] {
			return nil, bad("")
		}
		seen[key] = true
		v, err := readJSON(dec, depth+1)
		if err != nil {
			return nil, err
		}
		out.keys, out.elems = append(out.keys, key), append(out.elems, v)
	}
	return out, closing(dec)
}

func readArray(dec *json.Decoder, depth int) (*jv, error) {
	out := &jv{kind: '['}
	for dec.More() {
		v, err := readJSON(dec, depth+1)
		if err != nil {
			return nil, err
		}
		out.elems = append(out.elems, v)
	}
	return out, closing(dec)
}

func closing(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return bad("")
	}
	return nil
}

// append writes j as compact JSON.
func (j *jv) append(dst []byte) []byte {
	switch j.kind {
	case '#':
		return append(dst, j.text...)
	case '"':
		return appendQuoted(dst, j.text)
	}
	open, end := j.kind, byte('}')
	if open == '[' {
		end = ']'
	}
	dst = append(dst, open)
	for i, e := range j.elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		if open == '{' {
			dst = append(appendQuoted(dst, j.keys[i]), ':')
		}
		dst = e.append(dst)
	}
	return append(dst, end)
}

// appendQuoted writes a JSON string, without the HTML escapes of json.Marshal.
func appendQuoted(dst []byte, s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return append(dst, `""`...)
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// bad is the error of a schema that cannot be compiled.
func bad(path string) *schemas.Error { return schemas.Fail(schemas.CodeSchema, path) }
