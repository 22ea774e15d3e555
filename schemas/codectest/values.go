package codectest

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"weir/schemas"
)

// Value is a value of a kind and its canonical text (contract 20).
type Value struct {
	Kind schemas.Kind
	Text string
}

// numbers are canonical texts; which kinds can hold them, numeric says.
var numbers = []string{"0", "1", "-1", "7", "10", "100", "1000", "-1000", "0.5", "-0.5", "0.1", "0.3", "12.25", "-12.25", "99.99",
	"2147483647", "-2147483648", "4294967296", "16777216", "16777217", "9007199254740993", "9223372036854775807", "-9223372036854775808",
	"0.000001", "123456789.125", "100000000000000000000", "10000000000000000000000", "0.00000000000000000000000001",
	"123456789012345678901234567890.5", "-340282350000000000000000000000000000000", "1" + strings.Repeat("0", 300)}

// holds reports whether a number's canonical text is that of a value of kind k.
func holds(k schemas.Kind, text string) bool {
	switch k {
	case schemas.KindInt:
		_, err := strconv.ParseInt(text, 10, 32)
		return err == nil
	case schemas.KindLong:
		_, err := strconv.ParseInt(text, 10, 64)
		return err == nil
	case schemas.KindFloat:
		f, err := strconv.ParseFloat(text, 32)
		return err == nil && strconv.FormatFloat(f, 'f', -1, 32) == text
	case schemas.KindDouble:
		f, err := strconv.ParseFloat(text, 64)
		return err == nil && strconv.FormatFloat(f, 'f', -1, 64) == text
	}
	return k.Numeric()
}

// floats are canonical texts of random numbers of a width, the least and the
// greatest among them.
func floats(bits int) []string {
	r := rand.New(rand.NewPCG(7, uint64(bits)))
	list := []float64{math.SmallestNonzeroFloat64, math.MaxFloat64, 2.2250738585072014e-308, 1e23}
	if bits == 32 {
		list = []float64{math.SmallestNonzeroFloat32, math.MaxFloat32, 1 << 24}
	}
	for range 100 {
		f := math.Float64frombits(r.Uint64())
		if bits == 32 {
			f = float64(math.Float32frombits(r.Uint32()))
		}
		if f == f && !math.IsInf(f, 0) {
			list = append(list, f)
		}
	}
	out := make([]string, len(list))
	for i, f := range list {
		out[i] = strconv.FormatFloat(f, 'f', -1, bits)
	}
	return out
}

// Values are what every format must give the same text for, whatever kind and
// spelling it stands in.
func Values() []Value {
	var out []Value
	for _, text := range numbers {
		for k := schemas.KindInt; k <= schemas.KindDecimal; k++ {
			if holds(k, text) {
				out = append(out, Value{k, text})
			}
		}
	}
	for _, text := range floats(64) {
		out = append(out, Value{schemas.KindDouble, text}, Value{schemas.KindNumber, text})
	}
	for _, text := range floats(32) {
		out = append(out, Value{schemas.KindFloat, text}, Value{schemas.KindNumber, text})
	}
	for k, list := range map[schemas.Kind][]string{
		schemas.KindBool:   {"true", "false"},
		schemas.KindString: {"", "x", "0012", "1e3", "客户\t\"7\"\\ \u2028\U0001f600", "null"},
		schemas.KindBytes:  {"", "x", "\x00\xff\xfe", "long enough to be folded by MIME"},
		schemas.KindUUID:   {"7d444840-9dc0-11d1-b245-5ffdce74fad2"},
		schemas.KindDate:   {"1970-01-01", "1969-12-31", "2024-02-29", "0001-01-01", "9999-12-31", "1582-10-10"},
		schemas.KindTime:   {"00:00:00", "23:59:59", "12:30:00.5", "01:02:03.004", "01:02:03.000004", "01:02:03.000000005"},
		schemas.KindInstant: {"1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2024-02-29T12:00:00.5Z", "2023-11-14T22:13:20.123Z",
			"2023-11-14T22:13:20.000001Z", "1969-12-31T23:59:59.999999999Z", "1700-01-01T00:00:00Z"},
		schemas.KindLocal: {"1970-01-01T00:00:00", "2024-02-29T12:00:00.5", "2023-11-14T22:13:20.000001", "1969-12-31T23:59:59.999999999"},
	} {
		for _, text := range list {
			out = append(out, Value{k, text})
		}
	}
	return out
}

// spellings: the same value has one text, however a format writes it.
func spellings(t *testing.T, s *Subject) {
	if s.Spellings == nil {
		t.Skip("the subject writes no values of other kinds")
	}
	n := 0
	for _, val := range Values() {
		for _, sp := range s.Spellings(t, val) {
			n++
			v := scan(t, sp.Schema, sp.Payload)
			list := read(t, sp.Schema, v)
			at := slices.IndexFunc(list, func(one span) bool { return one.path == sp.Path })
			if at < 0 || list[at].text != val.Text {
				t.Errorf("%s %s as %s in %q: %q", val.Kind, val.Text, sp.Name, sp.Payload, list)
				continue
			}
			bounds(t, v)
		}
	}
	if n < len(numbers) {
		t.Errorf("only %d spellings", n)
	}
}

// samples are canonical texts that a leaf of a kind can hold.
func samples(k schemas.Kind, l *schemas.Leaf, old string) []string {
	fraction := func(list ...string) []string { // those that the leaf's unit can hold
		return slices.DeleteFunc(list, func(text string) bool {
			_, digits, _ := strings.Cut(strings.TrimSuffix(text, "Z"), ".")
			return len(digits) > l.Unit
		})
	}
	switch k {
	case schemas.KindBool:
		return []string{"true", "false"}
	case schemas.KindInt:
		return []string{"0", "-1", "2147483647", "-2147483648"}
	case schemas.KindLong:
		return []string{"0", "-64", "63", "64", "9223372036854775807", "-9223372036854775808"}
	case schemas.KindNumber:
		return []string{"0", "-12.5", "123456789012345678901234567890.25"}
	case schemas.KindFloat:
		return []string{"0", "0.1", "-1.5", "16777216"}
	case schemas.KindDouble:
		return []string{"0", "0.1", "-1.5", "9007199254740992"}
	case schemas.KindDecimal:
		if l.Scale >= 2 {
			return []string{"0", "-1", "1.25", "99999.99"}
		}
		return []string{"0", "-1", "7"}
	case schemas.KindString:
		return []string{"", "x", "\"\\\n", "客户", strings.Repeat("T", 300)}
	case schemas.KindBytes:
		return []string{"", "\x00\xff", strings.Repeat("\x80", 300)}
	case schemas.KindFixed:
		return []string{old, strings.Repeat("\xff", len(old))}
	case schemas.KindUUID:
		return []string{"00000000-0000-4000-8000-0000000000ff"}
	case schemas.KindDate:
		return []string{"1970-01-01", "1969-12-31", "2024-02-29", "0001-01-01"}
	case schemas.KindTime:
		return fraction("00:00:00", "23:59:59", "01:02:03.004", "01:02:03.000004", "01:02:03.000000005")
	case schemas.KindInstant:
		return fraction("1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2024-02-29T00:00:00.5Z", "2024-02-29T00:00:00.000001Z")
	case schemas.KindLocal:
		return fraction("1970-01-01T00:00:00", "1969-12-31T23:59:59", "2024-02-29T00:00:00.5", "2024-02-29T00:00:00.000001")
	case schemas.KindDuration:
		return []string{"0,0,0", "1,2,3", "4294967295,0,4294967295"}
	}
	return []string{old}
}

// bad are texts that a leaf of a kind cannot hold.
func bad(k schemas.Kind, l *schemas.Leaf) []string {
	huge := "1" + strings.Repeat("0", schemas.MaxDigits)
	switch k {
	case schemas.KindString:
		return []string{"\xff" + Canary, "\xed\xa0\x80"}
	case schemas.KindBool:
		return []string{"", Canary, "TRUE", "1"}
	case schemas.KindInt:
		return []string{"", Canary, "1.5", "2147483648", "9223372036854775808", huge, "0x1", " 1"}
	case schemas.KindLong:
		return []string{"", Canary, "1.5", "9223372036854775808", huge, "0x1", " 1"}
	case schemas.KindFloat, schemas.KindDouble:
		return []string{"", Canary, "NaN", "Infinity", "-Inf", "0x1p4", "1_0", huge}
	case schemas.KindNumber:
		return []string{"", Canary, "NaN", "0x1", huge}
	case schemas.KindDecimal:
		list := []string{"", Canary, "NaN", huge}
		if l.Scale > 0 { // 0 may stand for a format that writes any
			list = append(list, "0."+strings.Repeat("0", l.Scale)+"1")
		}
		return list
	case schemas.KindUUID:
		return []string{"", Canary, "7d4448409dc011d1b2455ffdce74fad2"}
	case schemas.KindDate:
		return []string{"", Canary, "2023-02-29", "2024-13-01", "20240101", "2024-01-01T00:00:00Z"}
	case schemas.KindTime:
		return []string{"", Canary, "24:61:00", "12:00", "00:00:00.0000000001"}
	case schemas.KindInstant:
		return []string{"", Canary, "2024-02-29", "2024-02-29T00:00:00", "2024-02-30T00:00:00Z", "2024-02-29T00:00:00.0000000001Z"}
	case schemas.KindLocal:
		return []string{"", Canary, "2024-02-29", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.0000000001"}
	}
	return nil
}
