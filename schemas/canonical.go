package schemas

// Canonical is a class's own canonical form: spellings that people count as
// one value become one text, and so one token.
type Canonical uint8

// The forms.
const (
	CanonicalNone     Canonical = iota
	CanonicalDigits             // digits only: bank cards
	CanonicalDigitsCN           // digits only, a leading +86 or 0086 left out: phones
	CanonicalLower              // A to Z in lower case: e-mail
)

var canonicalNames = map[string]Canonical{
	"": CanonicalNone, "none": CanonicalNone, "digits": CanonicalDigits, "digits_cn": CanonicalDigitsCN, "lower": CanonicalLower,
}

// String is the form's name in a taxonomy file.
func (c Canonical) String() string {
	switch c {
	case CanonicalDigits:
		return "digits"
	case CanonicalDigitsCN:
		return "digits_cn"
	case CanonicalLower:
		return "lower"
	}
	return "none"
}

// Append appends text in form c to dst. The digit forms leave out the separators of numbers (space - . / and brackets); text with anything
// else in it ("unknown", "x5544"), or without a digit, is no number and stays as
// it is, so that such texts stay different from each other. The lower form knows
// ASCII only: there is no Unicode folding (contract 20).
func (c Canonical) Append(dst, text []byte) []byte {
	switch c {
	case CanonicalDigits, CanonicalDigitsCN:
		return appendNumberDigits(dst, text, c == CanonicalDigitsCN)
	case CanonicalLower:
		return appendLower(dst, text)
	}
	return append(dst, text...)
}

func appendLower(dst, text []byte) []byte {
	for _, b := range text {
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		dst = append(dst, b)
	}
	return dst
}

func appendNumberDigits(dst, text []byte, cn bool) []byte {
	start, plus := len(dst), false
	for _, b := range text {
		switch {
		case b >= '0' && b <= '9':
			dst = append(dst, b)
		case b == '+' && cn && !plus && len(dst) == start:
			plus = true
		case b == ' ' || b == '-' || b == '.' || b == '/' || b == '(' || b == ')':
		default:
			return append(dst[:start], text...)
		}
	}
	digits := dst[start:]
	switch {
	case len(digits) == 0:
		return append(dst, text...)
	case cn && plus && hasPrefix(digits, "86") && len(digits) > 2:
		return append(dst[:start], digits[2:]...)
	case cn && !plus && hasPrefix(digits, "0086") && len(digits) > 4:
		return append(dst[:start], digits[4:]...)
	}
	return dst
}

func hasPrefix(b []byte, p string) bool { return len(b) >= len(p) && string(b[:len(p)]) == p }
