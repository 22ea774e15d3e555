package jsonrec

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"weir/schemas"
)

// appendUnescaped appends the characters of a checked string body.
func appendUnescaped(dst, body []byte) []byte {
	for {
		i := bytes.IndexByte(body, '\\')
		if i < 0 {
			return append(dst, body...)
		}
		dst = append(dst, body[:i]...)
		var n int
		dst, n = appendEscape(dst, body[i:])
		body = body[i+n:]
	}
}

// appendEscape appends the character of the checked escape that esc begins
// with and says how long the escape is.
func appendEscape(dst, esc []byte) ([]byte, int) {
	switch c := esc[1]; c {
	case 'b':
		return append(dst, '\b'), 2
	case 'f':
		return append(dst, '\f'), 2
	case 'n':
		return append(dst, '\n'), 2
	case 'r':
		return append(dst, '\r'), 2
	case 't':
		return append(dst, '\t'), 2
	case 'u':
		r := hexRune(esc[2:6])
		if r < 0xD800 || r > 0xDFFF {
			return utf8.AppendRune(dst, r), 6
		}
		low := hexRune(esc[8:12])
		return utf8.AppendRune(dst, 0x10000+(r-0xD800)<<10+(low-0xDC00)), 12
	default:
		return append(dst, c), 2
	}
}

func hexRune(h []byte) rune {
	v := 0
	for _, c := range h {
		v = v<<4 | hexDigit(c)
	}
	return rune(v)
}

// appendQuoted appends text as a JSON string with as few escapes as RFC 8259
// allows. Text that is not UTF-8 gives CodeUTF8.
func appendQuoted(dst, text []byte) ([]byte, error) {
	out := append(dst, '"')
	for {
		i := plain(text, 0)
		out = append(out, text[:i]...)
		text = text[i:]
		if len(text) == 0 {
			return append(out, '"'), nil
		}
		if c := text[0]; c < utf8.RuneSelf {
			out = appendEscaped(out, c)
			text = text[1:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			return dst, schemas.Fail(schemas.CodeUTF8, "")
		}
		out = append(out, text[:n]...)
		text = text[n:]
	}
}

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// Path steps that are not names.
const (
	stepElem = "[]"
	stepItem = "{}"
	stepKey  = "{#}"
)

// nameStep is a member's name as a path step: names that look like the steps
// above, or like this escape itself, get a leading backslash.
func nameStep(name string) string {
	switch strings.TrimLeft(name, `\`) {
	case stepElem, stepItem, stepKey:
		return `\` + name
	}
	return name
}

// stepName is the name that a path step stands for.
func stepName(step string) string {
	if strings.HasPrefix(step, `\`) && nameStep(step) != step {
		return step[1:]
	}
	return step
}
