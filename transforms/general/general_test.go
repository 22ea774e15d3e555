package general

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"weir/schemas"
	"weir/transforms"
	"weir/transforms/transformtest"
)

func leaf(k schemas.Kind) schemas.Leaf {
	return schemas.Leaf{Path: "x", Kind: k, Declared: true, Unit: 6, Scale: 2}
}

func run(name string, n transforms.Factory, args transforms.Args, k schemas.Kind, pairs ...string) transformtest.Case {
	c := transformtest.Case{Name: name, New: n, Args: args, Leaf: leaf(k)}
	for i := 0; i < len(pairs); i += 2 {
		c.Values, c.Wants = append(c.Values, pairs[i]), append(c.Wants, pairs[i+1])
	}
	return c
}

func TestConformance(t *testing.T) {
	date := func(p string) transforms.Args { return transforms.Args{"date": p} }
	step := func(v any) transforms.Args { return transforms.Args{"number": v} }
	transformtest.Run(t,
		run("truncate", NewTruncate, transforms.Args{"chars": int64(2)}, schemas.KindString, "张三丰", "张三", "ab", "ab", "", "", "e\u0301x", "e\u0301"),
		run("truncate bare", NewTruncate, transforms.Args{"": int64(1)}, schemas.KindLong, "-12", "-"),
		run("prefix", NewGeneralise, transforms.Args{"prefix": int64(3)}, schemas.KindString, "100083", "100", "ab", "ab", "张三李四", "张三李"),
		run("prefix fill", NewGeneralise, transforms.Args{"prefix": int64(3), "fill": "0"}, schemas.KindString, "100083", "100000", "ab", "ab", "张三李四", "张三李0"),
		run("year", NewGeneralise, date("year"), schemas.KindDate, "1987-06-05", "1987-01-01", "-0044-03-15", "-0044-01-01", "+10000-12-31", "+10000-01-01"),
		run("quarter", NewGeneralise, date("quarter"), schemas.KindDate, "2024-03-31", "2024-01-01", "2024-04-01", "2024-04-01", "2024-12-31", "2024-10-01"),
		run("month", NewGeneralise, date("month"), schemas.KindDate, "2024-02-29", "2024-02-01", "1970-01-01", "1970-01-01"),
		run("week", NewGeneralise, date("week"), schemas.KindDate, "2024-03-03", "2024-02-26", "2024-03-04", "2024-03-04", "1969-12-28", "1969-12-22", "1970-01-01", "1969-12-29"),
		run("decade", NewGeneralise, date("decade"), schemas.KindDate, "1987-06-05", "1980-01-01", "2000-01-01", "2000-01-01", "-0001-12-31", "-0010-01-01", "0009-05-05", "0000-01-01"),
		run("bare period", NewGeneralise, transforms.Args{"": "month"}, schemas.KindDate, "2024-02-29", "2024-02-01"),
		run("instant", NewGeneralise, date("month"), schemas.KindInstant, "2024-02-29T23:59:59.999999Z", "2024-02-01T00:00:00Z", "1969-12-31T23:59:59Z", "1969-12-01T00:00:00Z"),
		run("local", NewGeneralise, date("year"), schemas.KindLocal, "2024-02-29T23:59:59.5", "2024-01-01T00:00:00"),
		run("texts", NewGeneralise, date("month"), schemas.KindString, "2024-02-29", "2024-02-01", "9999-12-31T00:00:00", "9999-12-01T00:00:00",
			"2024-03-01T07:59:59+08:00", "2024-02-01T00:00:00Z", "2024-03-01 07:59:59.5", "2024-03-01T00:00:00"),
		run("long", NewGeneralise, step(int64(1000)), schemas.KindLong, "1234", "1000", "999", "0", "0", "0", "-1", "-1000", "-1000", "-1000", "-1001", "-2000",
			"9223372036854775807", "9223372036854775000"),
		run("int", NewGeneralise, step("10"), schemas.KindInt, "2147483647", "2147483640", "-2147483640", "-2147483640", "-9", "-10"),
		run("number", NewGeneralise, step("0.25"), schemas.KindNumber, "1.24", "1", "1.25", "1.25", "-0.01", "-0.25", "-0.25", "-0.25", "-0.2500001", "-0.5", "1e3", "1000", "0.001", "0",
			"123456789012345678901234567890.3", "123456789012345678901234567890.25", "-999.9", "-1000"),
		run("decimal", NewGeneralise, step(0.05), schemas.KindDecimal, "12.34", "12.3", "-12.34", "-12.35", "0", "0", "99.99", "99.95"),
		run("double", NewGeneralise, step(int64(7)), schemas.KindDouble, "1e+21", "999999999999999999994", "-0.5", "-7"),
		run("number text", NewGeneralise, step(int64(100)), schemas.KindString, "1234.50", "1200"),
	)
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		new  transforms.Factory
		args transforms.Args
		want string
	}{
		{NewTruncate, nil, "one option"}, {NewTruncate, transforms.Args{"chars": int64(0)}, "chars is"}, {NewTruncate, transforms.Args{"chars": "x"}, "chars is"},
		{NewTruncate, transforms.Args{"chars": int64(1), "x": 1}, "one option"}, {NewTruncate, transforms.Args{"chars": uint64(1 << 63)}, "chars is"},
		{NewGeneralise, nil, "one of"}, {NewGeneralise, transforms.Args{"date": "month", "number": int64(1)}, "one of"}, {NewGeneralise, transforms.Args{"date": "day"}, "date is"},
		{NewGeneralise, transforms.Args{"": int64(5)}, "date is"}, {NewGeneralise, transforms.Args{"number": int64(0)}, "a step above 0"},
		{NewGeneralise, transforms.Args{"number": int64(-5)}, "a step above 0"}, {NewGeneralise, transforms.Args{"number": "x"}, "a step above 0"},
		{NewGeneralise, transforms.Args{"number": true}, "a step above 0"}, {NewGeneralise, transforms.Args{"number": "1e18"}, "a step above 0"},
		{NewGeneralise, transforms.Args{"prefix": int64(0)}, "prefix is"}, {NewGeneralise, transforms.Args{"prefix": int64(1), "fill": ""}, "fill is"},
		{NewGeneralise, transforms.Args{"prefix": int64(1), "char": "x"}, "goes with fill"}, {NewGeneralise, transforms.Args{"prefix": int64(1), "fill": "0", "date": "x"}, "goes with fill"},
		{NewGeneralise, transforms.Args{"bucket": "x"}, "one of"},
	} {
		l := leaf(schemas.KindString)
		if _, err := c.new(transformtest.EnvOf(nil, &l, nil), c.args); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
}

func TestKindsRefused(t *testing.T) {
	for _, c := range []struct {
		new  transforms.Factory
		args transforms.Args
		kind schemas.Kind
	}{
		{NewGeneralise, transforms.Args{"date": "month"}, schemas.KindLong}, {NewGeneralise, transforms.Args{"date": "month"}, schemas.KindTime},
		{NewGeneralise, transforms.Args{"number": int64(5)}, schemas.KindDate}, {NewGeneralise, transforms.Args{"number": int64(5)}, schemas.KindBool},
		{NewGeneralise, transforms.Args{"number": 0.5}, schemas.KindInt}, {NewGeneralise, transforms.Args{"number": "0.001"}, schemas.KindDecimal},
		{NewGeneralise, transforms.Args{"prefix": int64(3)}, schemas.KindBytes}, {NewTruncate, transforms.Args{"chars": int64(3)}, schemas.KindFixed},
	} {
		l := leaf(c.kind)
		tr, err := c.new(transformtest.EnvOf(nil, &l, nil), c.args)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := tr.Out(c.kind); err == nil {
			t.Errorf("%v took %v", c.args, c.kind)
		}
	}
}

func appendTo(t testing.TB, args transforms.Args, k schemas.Kind, v string) (string, error) {
	t.Helper()
	l := leaf(k)
	tr, err := NewGeneralise(transformtest.EnvOf(nil, &l, nil), args)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tr.Append([]byte(">"), []byte(v), &transforms.Field{Leaf: &l, Kind: k})
	if err != nil && string(got) != ">" {
		t.Fatalf("%q beside an error", got)
	}
	return strings.TrimPrefix(string(got), ">"), err
}

func TestValuesThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		args transforms.Args
		kind schemas.Kind
		in   string
		code schemas.Code
	}{
		{transforms.Args{"number": int64(10)}, schemas.KindInt, "-2147483648", schemas.CodeType},
		{transforms.Args{"number": int64(10)}, schemas.KindLong, "-9223372036854775808", schemas.CodeType},
		{transforms.Args{"number": int64(10)}, schemas.KindDouble, "NaN", schemas.CodeNotANumber},
		{transforms.Args{"number": int64(10)}, schemas.KindNumber, "1e5000", schemas.CodeNumber},
		{transforms.Args{"number": int64(10)}, schemas.KindNumber, "-" + strings.Repeat("9", 1000), schemas.CodeNumber},
		{transforms.Args{"number": int64(10)}, schemas.KindString, "twelve", schemas.CodeMalformed},
		{transforms.Args{"date": "month"}, schemas.KindString, "yesterday", schemas.CodeMalformed},
		{transforms.Args{"date": "month"}, schemas.KindString, "2024-02-30", schemas.CodeMalformed},
		{transforms.Args{"date": "month"}, schemas.KindString, "2024-02-29T25:00:00", schemas.CodeMalformed},
		{transforms.Args{"date": "week"}, schemas.KindDate, string(schemas.AppendDate(nil, -1<<63)), schemas.CodeType},
		{transforms.Args{"date": "decade"}, schemas.KindDate, string(schemas.AppendDate(nil, -1<<63)), schemas.CodeType},
	} {
		got, err := appendTo(t, c.args, c.kind, c.in)
		var e *schemas.Error
		if !errors.As(err, &e) || e.Code != c.code {
			t.Errorf("%v %.30q: %.30q %v, want %s", c.args, c.in, got, err, c.code)
		}
	}
}

// The floor agrees with big.Rat: the largest multiple not above the value.
func TestStepAgreesWithBig(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?`).Draw(rt, "value")
		step := rapid.StringMatching(`(0|[1-9][0-9]{0,8})\.[0-9]{0,7}[1-9]`).Draw(rt, "step")
		got, err := appendTo(t, transforms.Args{"number": step}, schemas.KindNumber, in)
		if err != nil {
			rt.Fatal(err)
		}
		v, _ := new(big.Rat).SetString(in)
		s, _ := new(big.Rat).SetString(step)
		q := new(big.Rat).Quo(v, s)
		floor := new(big.Int).Div(q.Num(), q.Denom()) // Euclidean: floor for positive denominators
		want := new(big.Rat).Mul(new(big.Rat).SetInt(floor), s)
		have, ok := new(big.Rat).SetString(got)
		if !ok || have.Cmp(want) != 0 {
			rt.Fatalf("%s by %s: %s, want %s", in, step, got, want.FloatString(10))
		}
	})
}

func TestPeriodsAgreeWithTime(t *testing.T) {
	day := time.Date(1899, 12, 25, 0, 0, 0, 0, time.UTC)
	for range 8000 {
		day = day.AddDate(0, 0, 9)
		y, m := day.Year(), day.Month()
		for period, want := range map[string]time.Time{
			"year": time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC), "month": time.Date(y, m, 1, 0, 0, 0, 0, time.UTC),
			"quarter": time.Date(y, (m-1)/3*3+1, 1, 0, 0, 0, 0, time.UTC), "decade": time.Date(y/10*10, 1, 1, 0, 0, 0, 0, time.UTC),
			"week": day.AddDate(0, 0, -(int(day.Weekday())+6)%7),
		} {
			got, err := appendTo(t, transforms.Args{"date": period}, schemas.KindDate, day.Format(time.DateOnly))
			if err != nil || got != want.Format(time.DateOnly) {
				t.Fatalf("%s of %s: %s %v", period, day.Format(time.DateOnly), got, err)
			}
		}
	}
}

func FuzzGeneralise(f *testing.F) {
	for _, s := range []string{"", "-0.5", "1e3", "2024-02-29T23:59:59+08:00", "张三", "9999-12-31"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		for _, args := range []transforms.Args{{"number": "0.3"}, {"number": int64(1000)}, {"date": "week"}, {"date": "decade"}, {"prefix": int64(2)}} {
			got, err := appendTo(t, args, schemas.KindString, v)
			if err != nil {
				continue
			}
			again, err := appendTo(t, args, schemas.KindString, got)
			if err != nil && !strings.HasPrefix(fmt.Sprint(err), string(schemas.CodeType)) || err == nil && again != got || !utf8.ValidString(got) {
				t.Fatalf("%v %q: %q, then %q %v", args, v, got, again, err)
			}
		}
	})
}
