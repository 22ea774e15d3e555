package avro

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestValidUTF8: a damaged byte is seen wherever it stands.
func TestValidUTF8(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(rapid.StringN(0, 40, 120).Draw(t, "text"))
		if len(b) > 0 && rapid.Bool().Draw(t, "damage") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		if validUTF8(b) != utf8.Valid(b) {
			t.Fatalf("%x", b)
		}
	})
	for n := range 40 {
		for at := range n {
			b := make([]byte, n)
			if b[at] = 0xff; validUTF8(b) {
				t.Fatalf("%x", b)
			}
		}
	}
}
