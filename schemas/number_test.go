package schemas

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func codeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestAppendCanonicalNumber(t *testing.T) {
	zeros := strings.Repeat("0", 2000)
	for _, c := range []struct {
		in, want string
		code     Code
	}{
		{"0", "0", ""}, {"-0", "0", ""}, {"-0.000e5", "0", ""}, {"0e999999999999999999999", "0", ""},
		{"1", "1", ""}, {"-12", "-12", ""}, {"1.50", "1.5", ""}, {"100", "100", ""}, {"0.0010", "0.001", ""},
		{"1e3", "1000", ""}, {"1E+3", "1000", ""}, {"12.5e1", "125", ""}, {"12.5e-1", "1.25", ""}, {"12.5e-3", "0.0125", ""},
		{"1200e-2", "12", ""}, {"0.00012e2", "0.012", ""}, {"0.12e5", "12000", ""}, {"123.456e2", "12345.6", ""},
		{"10.5", "10.5", ""}, {"1e-0", "1", ""}, {"1." + zeros, "1", ""}, {"1" + zeros + "e-2000", "1", ""},
		{"1e999", "1" + strings.Repeat("0", 999), ""}, {"1e1000", "", CodeNumber},
		{"1e-999", "0." + strings.Repeat("0", 998) + "1", ""}, {"1e-1000", "", CodeNumber},
		{"1e999999999", "", CodeNumber}, {"-1e-99999999999999999999999999", "", CodeNumber},
		{strings.Repeat("9", 1000), strings.Repeat("9", 1000), ""}, {strings.Repeat("9", 1001), "", CodeNumber},
		{"NaN", "", CodeNotANumber}, {"-Infinity", "", CodeNotANumber}, {"+Inf", "", CodeNotANumber},
		{"", "", CodeMalformed}, {"-", "", CodeMalformed}, {"01", "", CodeMalformed}, {"1.", "", CodeMalformed},
		{".5", "", CodeMalformed}, {"1e", "", CodeMalformed}, {"1e+", "", CodeMalformed}, {"1 ", "", CodeMalformed},
		{"0x1", "", CodeMalformed}, {"1_0", "", CodeMalformed}, {"--1", "", CodeMalformed}, {"１", "", CodeMalformed},
	} {
		got, err := AppendCanonicalNumber([]byte("x"), []byte(c.in))
		if string(got) != "x"+c.want || codeOf(err) != c.code {
			t.Errorf("%.40q: %.60q, %v", c.in, got, err)
		}
	}
}

// Every spelling of one number has one canonical text, and it is that number.
func TestCanonicalNumberAgreesWithBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		want, _ := new(big.Rat).SetString(in)
		got, err := AppendCanonicalNumber(nil, []byte(in))
		if err != nil {
			t.Fatal(err)
		}
		have, ok := new(big.Rat).SetString(string(got))
		if !ok || have.Cmp(want) != 0 {
			t.Fatalf("%s: %s", in, got)
		}
		again, _ := AppendCanonicalNumber(nil, got)
		if !bytes.Equal(again, got) || bytes.ContainsAny(got, "eE+") || bytes.Contains(got, []byte(".")) && got[len(got)-1] == '0' {
			t.Fatalf("%s: %s is not canonical", in, got)
		}
	})
}

func twosComplement(v *big.Int) []byte {
	if v.Sign() >= 0 {
		b := v.Bytes()
		if len(b) == 0 || b[0]&0x80 != 0 {
			b = append([]byte{0}, b...)
		}
		return b
	}
	n := uint(new(big.Int).Not(v).BitLen()/8 + 1)
	b := new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), 8*n)).Bytes()
	for uint(len(b)) < n {
		b = append([]byte{0}, b...)
	}
	return b
}

func TestDecimalAgreesWithBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, _ := new(big.Int).SetString(rapid.StringMatching(`-?[0-9]{1,200}`).Draw(t, "unscaled"), 10)
		scale := rapid.IntRange(-20, 60).Draw(t, "scale")
		raw := twosComplement(v)
		text, err := AppendDecimal(nil, raw, scale)
		if err != nil {
			t.Fatal(err)
		}
		want := new(big.Rat).SetInt(v)
		p := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(scale, -scale))), nil))
		if scale < 0 {
			want.Mul(want, p)
		} else {
			want.Quo(want, p)
		}
		have, _ := new(big.Rat).SetString(string(text))
		if have.Cmp(want) != 0 {
			t.Fatalf("%v at scale %d: %s", v, scale, text)
		}
		canonical, _ := AppendCanonicalNumber(nil, text)
		if !bytes.Equal(canonical, text) {
			t.Fatalf("%s is not canonical", text)
		}
		back, err := ParseDecimal(nil, text, scale)
		if err != nil || !bytes.Equal(back, raw) {
			t.Fatalf("%s: %x, not %x (%v)", text, back, raw, err)
		}
	})
}

func TestDecimalEdges(t *testing.T) {
	for _, c := range []struct {
		raw   string
		scale int
		want  string
		code  Code
	}{
		{"", 0, "", CodeMalformed},
		{"\x00", 2, "0", ""}, {"\xff", 0, "-1", ""}, {"\xff\xff\xff", 1, "-0.1", ""}, {"\x80", 0, "-128", ""}, {"\x00\x80", 0, "128", ""},
		{"\x80\x00\x00\x00\x00\x00\x00\x00", 0, "-9223372036854775808", ""},
		{strings.Repeat("\x00", 5000) + "\x01", 0, "1", ""}, {strings.Repeat("\xff", 5000), 0, "-1", ""},
		{"\x01" + strings.Repeat("\x00", 5000), 0, "", CodeNumber},
		{"\x7f" + strings.Repeat("\xff", maxDecimalBytes-1), 0, "", CodeNumber},
		{"\x01", -1 << 62, "", CodeNumber}, {"\x01", 1 << 62, "", CodeNumber}, {"\x00", 1 << 62, "0", ""},
	} {
		got, err := AppendDecimal(nil, []byte(c.raw), c.scale)
		if string(got) != c.want || codeOf(err) != c.code {
			t.Errorf("%.8x scale %d: %.40s, %v", c.raw, c.scale, got, err)
		}
	}
	for _, c := range []struct {
		text  string
		scale int
		want  string
		code  Code
	}{
		{"0", 4, "\x00", ""}, {"-0.0", 4, "\x00", ""}, {"1.5", 1, "\x0f", ""}, {"1.50", 1, "\x0f", ""}, {"1.55", 1, "", CodeType},
		{"5", -1, "", CodeType}, {"50", -1, "\x05", ""}, {"-128", 0, "\x80", ""}, {"128", 0, "\x00\x80", ""}, {"-129", 0, "\xff\x7f", ""},
		{"1", 2000, "", CodeNumber}, {"1e5000", -5000, "\x01", ""}, {"1e5000", 0, "", CodeNumber}, {"x", 0, "", CodeMalformed}, {"NaN", 0, "", CodeNotANumber},
	} {
		got, err := ParseDecimal(nil, []byte(c.text), c.scale)
		if string(got) != c.want || codeOf(err) != c.code {
			t.Errorf("%q scale %d: %x, %v", c.text, c.scale, got, err)
		}
	}
	nines := strings.Repeat("9", MaxDigits)
	raw, err := ParseDecimal(nil, []byte("-"+nines), 0)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := AppendDecimal(nil, raw, 0); err != nil || string(text) != "-"+nines {
		t.Errorf("%d digits do not come back: %v", MaxDigits, err)
	}
}

func TestNumbersDoNotAllocate(t *testing.T) {
	zoned := []byte("2024-02-29T23:59:59.5+08:00")
	buf, number, raw := make([]byte, 0, 64), []byte("-12345.67890e-3"), []byte{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x11}
	if n := testing.AllocsPerRun(100, func() {
		_, _ = AppendCanonicalNumber(buf[:0], number)
		_, _ = AppendDecimal(buf[:0], raw, 4)
		_, _ = ParseDecimal(buf[:0], number, 9)
		_, _ = AppendCanonicalInstant(AppendInstant(buf[:0], 1, 3, true)[:0], zoned)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCanonicalNumber(f *testing.F) {
	for _, s := range []string{"0", "-1.5e-7", "1e999", "NaN", "-", "00", "9.99E+2"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, in []byte, scale int) {
		got, err := AppendCanonicalNumber(nil, in)
		if err != nil {
			if codeOf(err) == "" || len(got) > 0 {
				t.Fatal("error without a code, or with output")
			}
			return
		}
		if len(got) > MaxDigits+2 {
			t.Fatalf("%d bytes", len(got))
		}
		if again, err := AppendCanonicalNumber(nil, got); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q is not a fixed point: %q %v", got, again, err)
		}
		if raw, err := ParseDecimal(nil, in, scale); err == nil {
			if text, err := AppendDecimal(nil, raw, scale); err != nil || !bytes.Equal(text, got) {
				t.Fatalf("%q scale %d: %q %v", got, scale, text, err)
			}
		}
	})
}
