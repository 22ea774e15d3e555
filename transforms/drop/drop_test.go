package drop

import (
	"strings"
	"testing"

	"weir/schemas"
	"weir/transforms"
	"weir/transforms/transformtest"
)

func leaf(k schemas.Kind) schemas.Leaf {
	return schemas.Leaf{Path: "x", Kind: k, Declared: true, Unit: 3, Scale: 2}
}

func TestMarkers(t *testing.T) {
	for name, c := range map[string]struct {
		new transforms.Factory
		is  func(transforms.Transform) bool
	}{
		"drop": {NewDrop, func(tr transforms.Transform) bool { d, ok := tr.(interface{ Drops() bool }); return ok && d.Drops() }},
		"pass": {NewPass, func(tr transforms.Transform) bool { d, ok := tr.(interface{ Passes() bool }); return ok && d.Passes() }},
		"null": {NewNull, func(tr transforms.Transform) bool { d, ok := tr.(interface{ Nulls() bool }); return ok && d.Nulls() }},
	} {
		tr, err := c.new(nil, nil)
		if err != nil || !c.is(tr) {
			t.Errorf("%s: %v %v", name, tr, err)
			continue
		}
		if _, err := c.new(nil, transforms.Args{"x": 1}); err == nil {
			t.Errorf("%s took options", name)
		}
		if _, err := c.new(nil, transforms.Args{"": true}); err == nil {
			t.Errorf("%s took a value", name)
		}
		if k, _, err := tr.Out(schemas.KindRecord); err != nil || k != schemas.KindRecord {
			t.Errorf("%s of a record: %v %v", name, k, err)
		}
		safe, ok := tr.(transforms.KeySafe)
		if (ok && safe.KeySafe()) != (name == "pass") {
			t.Errorf("%s: key safe", name)
		}
		got, err := tr.Append([]byte("before"), []byte("secret"), nil)
		if name == "pass" {
			if string(got) != "beforesecret" || err != nil {
				t.Errorf("pass: %q %v", got, err)
			}
		} else if string(got) != "before" || err == nil {
			t.Errorf("%s ran on a record: %q %v", name, got, err)
		}
	}
}

func TestConstant(t *testing.T) {
	for _, c := range []struct {
		v    any
		in   schemas.Kind
		text string
		out  schemas.Kind
	}{
		{"hidden", schemas.KindString, "hidden", schemas.KindString}, {"", schemas.KindString, "", schemas.KindString},
		{"hidden", schemas.KindLong, "hidden", schemas.KindString}, {int64(7), schemas.KindLong, "7", schemas.KindLong},
		{"7", schemas.KindInt, "7", schemas.KindInt}, {int64(1 << 40), schemas.KindInt, "1099511627776", schemas.KindString},
		{uint64(1 << 63), schemas.KindLong, "9223372036854775808", schemas.KindString}, {7, schemas.KindString, "7", schemas.KindString},
		{1.5, schemas.KindDouble, "1.5", schemas.KindDouble}, {1e21, schemas.KindDouble, "1000000000000000000000", schemas.KindDouble},
		{1.5, schemas.KindLong, "1.5", schemas.KindString}, {"1.50", schemas.KindDecimal, "1.5", schemas.KindDecimal},
		{"1.555", schemas.KindDecimal, "1.555", schemas.KindString}, {"1e2", schemas.KindNumber, "100", schemas.KindNumber},
		{true, schemas.KindBool, "true", schemas.KindBool}, {"false", schemas.KindBool, "false", schemas.KindBool}, {true, schemas.KindString, "true", schemas.KindString},
		{"yes", schemas.KindBool, "yes", schemas.KindString}, {"1970-01-01", schemas.KindDate, "1970-01-01", schemas.KindDate},
		{"1970-02-30", schemas.KindDate, "1970-02-30", schemas.KindString}, {"10:00:00.500", schemas.KindTime, "10:00:00.5", schemas.KindTime},
		{"2024-01-01T00:00:00+08:00", schemas.KindInstant, "2023-12-31T16:00:00Z", schemas.KindInstant},
		{"2024-01-01T00:00:00", schemas.KindInstant, "2024-01-01T00:00:00", schemas.KindString},
		{"2024-01-01T00:00:00", schemas.KindLocal, "2024-01-01T00:00:00", schemas.KindLocal},
		{"2024-01-01T00:00:00.0001", schemas.KindLocal, "2024-01-01T00:00:00.0001", schemas.KindString},
		{"00000000-0000-0000-0000-000000000000", schemas.KindUUID, "00000000-0000-0000-0000-000000000000", schemas.KindUUID},
		{"00000000-0000-0000-0000-00000000000Z", schemas.KindUUID, "00000000-0000-0000-0000-00000000000Z", schemas.KindString},
		{"x", schemas.KindEnum, "x", schemas.KindString}, {"x", schemas.KindBytes, "x", schemas.KindBytes}, {"x", schemas.KindFixed, "x", schemas.KindString},
		{int64(5), schemas.KindAny, "5", schemas.KindNumber}, {"5", schemas.KindAny, "5", schemas.KindString}, {false, schemas.KindAny, "false", schemas.KindBool},
	} {
		l := leaf(c.in)
		tr, err := NewConstant(transformtest.EnvOf(nil, &l, nil), transforms.Args{"": c.v})
		if err != nil {
			t.Errorf("%v at %v: %v", c.v, c.in, err)
			continue
		}
		got, err := tr.Append(nil, []byte("secret"), nil)
		kind, scale, outErr := tr.Out(c.in)
		if string(got) != c.text || kind != c.out || err != nil || outErr != nil || kind == schemas.KindDecimal && scale != 2 {
			t.Errorf("%v at %v: %q of %v, want %q of %v (%v %v)", c.v, c.in, got, kind, c.text, c.out, err, outErr)
		}
		if n, ok := tr.(transforms.Nuller); !ok || !n.ReplacesNull() {
			t.Error("constant leaves null")
		}
	}
	l := leaf(schemas.KindString)
	for _, args := range []transforms.Args{nil, {"": nil}, {"": []any{"x"}}, {"value": "x"}, {"": "x", "y": 1}} {
		if _, err := NewConstant(transformtest.EnvOf(nil, &l, nil), args); err == nil || !strings.Contains(err.Error(), "constant") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestConstantConformance(t *testing.T) {
	transformtest.Run(t,
		transformtest.Case{Name: "string", New: NewConstant, Args: transforms.Args{"": "hidden"}, Leaf: leaf(schemas.KindString), Values: []string{"", "a"}, Wants: []string{"hidden", "hidden"}},
		transformtest.Case{Name: "decimal", New: NewConstant, Args: transforms.Args{"": 0.5}, Leaf: leaf(schemas.KindDecimal), Values: []string{"1"}, Wants: []string{"0.5"}},
	)
}
