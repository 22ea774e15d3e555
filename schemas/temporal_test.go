package schemas

import (
	"math"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDatesAgreeWithTime(t *testing.T) {
	for days := int64(-800_000); days < 3_000_000; days += 13 {
		y, m, d := Civil(days)
		want := time.Unix(days*86400, 0).UTC()
		if int(y) != want.Year() || time.Month(m) != want.Month() || d != want.Day() {
			t.Fatalf("day %d: %d-%d-%d, want %v", days, y, m, d, want)
		}
		if back, ok := Days(y, m, d); !ok || back != days {
			t.Fatalf("day %d comes back as %d", days, back)
		}
	}
}

func TestAppendDate(t *testing.T) {
	for days, want := range map[int64]string{
		0: "1970-01-01", -1: "1969-12-31", 19782: "2024-02-29", 2932896: "9999-12-31", 2932897: "+10000-01-01",
		-719528: "0000-01-01", -719529: "-0001-12-31", math.MaxInt32: "+5881580-07-11", math.MinInt32: "-5877641-06-23",
	} {
		if got := string(AppendDate(nil, days)); got != want {
			t.Errorf("%d: %s, want %s", days, got, want)
		}
	}
}

func TestAppendTime(t *testing.T) {
	for _, c := range []struct {
		v    int64
		f    int
		want string
	}{
		{0, 0, "00:00:00"}, {86399, 0, "23:59:59"}, {86400, 0, "24:00:00"}, {1, 9, "00:00:00.000000001"}, {1500, 3, "00:00:01.5"},
		{-3020399000000, 6, "-838:59:59"}, {-1, 3, "-00:00:00.001"}, {math.MinInt64, 0, "-2562047788015215:30:08"},
		{math.MinInt64, 9, "-2562047:47:16.854775808"}, {120, 2, "00:00:01.2"},
	} {
		if got := string(AppendTime(nil, c.v, c.f)); got != c.want {
			t.Errorf("%d: %s, want %s", c.v, got, c.want)
		}
	}
}

func TestAppendInstant(t *testing.T) {
	for _, c := range []struct {
		v    int64
		f    int
		zone bool
		want string
	}{
		{0, 0, true, "1970-01-01T00:00:00Z"}, {-1, 3, false, "1969-12-31T23:59:59.999"}, {1709251199500, 3, true, "2024-02-29T23:59:59.5Z"},
		{math.MinInt64, 9, true, "1677-09-21T00:12:43.145224192Z"}, {math.MaxInt64, 9, true, "2262-04-11T23:47:16.854775807Z"},
	} {
		if got := string(AppendInstant(nil, c.v, c.f, c.zone)); got != c.want {
			t.Errorf("%d: %s, want %s", c.v, got, c.want)
		}
	}
}

func TestTemporalTextComesBack(t *testing.T) {
	edges := []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64, -719468, -719469}
	check := func(t interface{ Fatalf(string, ...any) }, v int64) {
		if got, err := ParseDate(AppendDate(nil, v)); err != nil || got != v {
			t.Fatalf("date %d: %d %v", v, got, err)
		}
		for f := 0; f <= 9; f++ {
			if got, err := ParseTime(AppendTime(nil, v, f), f); err != nil || got != v {
				t.Fatalf("time %d/%d: %d %v", v, f, got, err)
			}
			for _, zone := range []bool{true, false} {
				text := AppendInstant(nil, v, f, zone)
				if got, err := ParseInstant(text, f, zone); err != nil || got != v {
					t.Fatalf("instant %d/%d: %s %d %v", v, f, text, got, err)
				}
			}
		}
	}
	for _, v := range edges {
		check(t, v)
	}
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.Int64().Draw(t, "v")) })
}

func TestCanonicalInstant(t *testing.T) {
	for _, c := range []struct {
		in, want string
		code     Code
	}{
		{"2024-03-01T07:59:59.500000+08:00", "2024-02-29T23:59:59.5Z", ""}, {"2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", ""},
		{"2024-01-01 00:00:00-0530", "2024-01-01T05:30:00Z", ""}, {"2024-01-01T00:00:00+08", "2023-12-31T16:00:00Z", ""},
		{"0001-01-01T00:00:00+08:05:43", "0000-12-31T15:54:17Z", ""}, {"2024-01-01T00:00:00.0000000000Z", "2024-01-01T00:00:00Z", ""},
		{"2024-01-01T00:00:00.1234567891Z", "", CodeType},
		{"2024-01-01T00:00:00", "", CodeMalformed}, {"2023-02-29T00:00:00Z", "", CodeMalformed}, {"2024-01-01T24:00:00Z", "", CodeMalformed},
		{"2024-01-01T00:00:60Z", "", CodeMalformed}, {"2024-1-1T00:00:00Z", "", CodeMalformed}, {"", "", CodeMalformed}, {"2024-01-01T00:00:00.Z", "", CodeMalformed},
		{"2024-01-01T00:00:00Zx", "", CodeMalformed}, {"24-01-01T00:00:00Z", "", CodeMalformed}, {"99999-01-01T00:00:00Z", "", CodeMalformed},
		{"+999999999999999999-01-01T00:00:00Z", "", CodeMalformed}, {"2024-00-10T00:00:00Z", "", CodeMalformed},
	} {
		got, err := AppendCanonicalInstant(nil, []byte(c.in))
		if string(got) != c.want || codeOf(err) != c.code {
			t.Errorf("%s: %s %v", c.in, got, err)
		}
	}
	if got, err := AppendCanonicalLocal(nil, []byte("9999-12-31 00:00:00.50")); string(got) != "9999-12-31T00:00:00.5" || err != nil {
		t.Errorf("%s %v", got, err)
	}
	if _, err := AppendCanonicalLocal(nil, []byte("9999-12-31 00:00:00Z")); codeOf(err) != CodeMalformed {
		t.Errorf("a zone was taken: %v", err)
	}
	if _, err := ParseInstant([]byte("2024-01-01T00:00:00.5Z"), 0, true); codeOf(err) != CodeType {
		t.Errorf("a finer fraction was taken: %v", err)
	}
	if _, err := ParseInstant([]byte("2024-01-01T00:00:00Z"), 0, false); codeOf(err) != CodeMalformed {
		t.Errorf("a zone was taken where none may be: %v", err)
	}
	if _, err := ParseTime([]byte("00:00:00.001"), 2); codeOf(err) != CodeType {
		t.Errorf("a finer fraction was taken: %v", err)
	}
	for _, s := range []string{"", "1:00:00", "00:60:00", "00:00:00.", "00:00", "--00:00:00", "+00:00:00", strconv.Itoa(math.MaxInt64) + ":00:00"} {
		if _, err := ParseTime([]byte(s), 9); codeOf(err) != CodeMalformed {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzParseTemporal(f *testing.F) {
	for _, s := range []string{"2024-02-29", "23:59:59.5", "2024-02-29T00:00:00Z", "-0001-12-31T00:00:00+08:00", "+10000-01-01"} {
		f.Add([]byte(s), uint8(6))
	}
	f.Fuzz(func(t *testing.T, in []byte, fraction uint8) {
		fr := int(fraction % 10)
		if v, err := ParseDate(in); err == nil {
			if w, err := ParseDate(AppendDate(nil, v)); err != nil || w != v {
				t.Fatalf("%d: %d %v", v, w, err)
			}
		}
		if v, err := ParseTime(in, fr); err == nil {
			if w, err := ParseTime(AppendTime(nil, v, fr), fr); err != nil || w != v {
				t.Fatalf("%d: %d %v", v, w, err)
			}
		}
		if v, err := ParseInstant(in, fr, true); err == nil {
			if w, err := ParseInstant(AppendInstant(nil, v, fr, true), fr, true); err != nil || w != v {
				t.Fatalf("%d: %d %v", v, w, err)
			}
		}
		if c, err := AppendCanonicalInstant(nil, in); err == nil {
			if d, err := AppendCanonicalInstant(nil, c); err != nil || string(c) != string(d) {
				t.Fatalf("%q is not a fixed point", c)
			}
		}
	})
}
