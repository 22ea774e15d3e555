package registry

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"weir/schemas"
)

func rec(fields string) string {
	return `{"type":"record","name":"R","fields":[` + fields + `]}`
}

func TestRegister(t *testing.T) {
	const (
		a       = `{"name":"a","type":"string"}`
		aLong   = `{"name":"a","type":"long"}`
		b       = `{"name":"b","type":"string"}`
		bNull   = `{"name":"b","type":["null","string"],"default":null}`
		propA   = `{"type":"object","properties":{"a":{"type":"string"}}}`
		propInt = `{"type":"object","properties":{"a":{"type":"integer"}}}`
		propOpt = `{"type":"object","properties":{"a":{"oneOf":[{"type":"null"},{"type":"string"}]}}}`
	)
	for _, tc := range []struct {
		name     string
		format   schemas.Format
		level    sr.CompatibilityLevel
		old, new string
		want     schemas.Code
	}{
		{"first", schemas.FormatAvro, sr.CompatFullTransitive, "", rec(a), ""},
		{"dropped, backward", schemas.FormatAvro, sr.CompatBackward, rec(a + "," + b), rec(a), ""},
		{"dropped, forward", schemas.FormatAvro, sr.CompatForward, rec(a + "," + b), rec(a), schemas.CodeIncompatible},
		{"added, backward", schemas.FormatAvro, sr.CompatBackward, rec(a), rec(a + "," + b), schemas.CodeIncompatible},
		{"added, forward", schemas.FormatAvro, sr.CompatForward, rec(a), rec(a + "," + b), ""},
		{"added with default, full", schemas.FormatAvro, sr.CompatFull, rec(a), rec(a + "," + bNull), ""},
		{"retyped", schemas.FormatAvro, sr.CompatBackward, rec(aLong), rec(a), schemas.CodeIncompatible},
		{"retyped, none", schemas.FormatAvro, sr.CompatNone, rec(aLong), rec(a), ""},
		{"bad schema", schemas.FormatAvro, sr.CompatBackward, rec(a), `{"type":`, schemas.CodeSchema},
		{"JSON retyped", schemas.FormatJSON, sr.CompatBackward, propA, propInt, schemas.CodeIncompatible},
		{"JSON made optional, backward", schemas.FormatJSON, sr.CompatBackward, propA, propOpt, ""},
		{"JSON made optional, forward", schemas.FormatJSON, sr.CompatForward, propA, propOpt, schemas.CodeIncompatible},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, _ := fake(t, srfake.WithGlobalCompat(tc.level))
			if tc.old != "" {
				if _, _, err := r.RegisterSchema("s", sr.Schema{Schema: tc.old, Type: typeOf(tc.format)}); err != nil {
					t.Fatal(err)
				}
			}
			c, _ := client(t, r.URL())
			id, err := c.Register(t.Context(), "s", tc.new, tc.format, nil)
			if codeOf(err) != tc.want || (tc.want == "" && err != nil) {
				t.Fatalf("got id %d, %v, want code %q", id, err, tc.want)
			}
			version := 1
			if tc.old != "" {
				version = 2
			}
			if _, stored := r.GetSchema("s", version); stored != (tc.want == "") {
				t.Errorf("registered: %v", stored)
			}
		})
	}
}

func TestTransitive(t *testing.T) {
	for level, want := range map[sr.CompatibilityLevel]schemas.Code{
		sr.CompatBackward: "", sr.CompatBackwardTransitive: schemas.CodeIncompatible,
	} {
		r, _ := fake(t, srfake.WithGlobalCompat(level))
		for _, s := range []string{rec(`{"name":"a","type":"string"}`), rec(`{"name":"b","type":"long"}`)} {
			if _, _, err := r.RegisterSchema("s", sr.Schema{Schema: s}); err != nil {
				t.Fatal(err)
			}
		}
		c, _ := client(t, r.URL())
		_, err := c.Register(t.Context(), "s", rec(`{"name":"a","type":"int","default":0}`), schemas.FormatAvro, nil)
		if codeOf(err) != want {
			t.Errorf("%s: got %v, want %q", level, err, want)
		}
	}
}

func TestRegisterOnce(t *testing.T) {
	r, h := fake(t)
	c, _ := client(t, r.URL())
	first, err := c.Register(t.Context(), "s", customers, schemas.FormatAvro, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if id, err := c.Register(t.Context(), "s", customers, schemas.FormatAvro, nil); id != first || err != nil {
			t.Fatalf("got %d, %v, want %d", id, err, first)
		}
	}
	if n := h.of("POST /subjects/s/versions"); n != 1 {
		t.Errorf("registered %d times, want once", n)
	}
	if id, err := c.Lookup(t.Context(), "s", customers, schemas.FormatAvro, nil); id != first || err != nil {
		t.Errorf("looking it up: %d, %v", id, err)
	}
	if _, err := c.LookupGUID(t.Context(), "s", customers, schemas.FormatAvro, nil); err != nil {
		t.Errorf("its GUID: %v", err)
	}
}

func TestLookupWritesNothing(t *testing.T) {
	r, h := fake(t)
	c, _ := client(t, r.URL())
	if _, err := c.Lookup(t.Context(), "s", customers, schemas.FormatAvro, nil); codeOf(err) != schemas.CodeSchemaID {
		t.Errorf("got %v, want %s", err, schemas.CodeSchemaID)
	}
	if n := h.of("POST /subjects/s/versions"); n != 0 || r.SubjectExists("s") {
		t.Error("the look-up registered it")
	}
}

// TestRegistryDecides: its refusals keep their kind, whatever our own check says.
func TestRegistryDecides(t *testing.T) {
	reply := func(path string, status int, body any) srfake.Interceptor {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, path) {
				return false
			}
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(body)
			return true
		}
	}
	next := rec(`{"name":"a","type":"string"},{"name":"b","type":"string","default":""}`)
	for _, tc := range []struct {
		name string
		with srfake.Interceptor
		want schemas.Code
	}{
		{"says incompatible", reply("/compatibility/", 200, map[string]bool{"is_compatible": false}), schemas.CodeIncompatible},
		{"conflict", reply("/subjects/s/versions", 409, map[string]any{"error_code": 409, "message": canary}), schemas.CodeIncompatible},
		{"read-only", reply("/subjects/s/versions", 422, map[string]any{"error_code": 42205, "message": canary}), ""},
		{"forbidden", reply("/subjects/s/versions", 403, map[string]any{"error_code": 40301, "message": canary}), ""},
		{"answers a foreign id", reply("/subjects/s/versions", 200, map[string]int{"id": 1}), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, _ := fake(t)
			if _, _, err := r.RegisterSchema("s", sr.Schema{Schema: rec(`{"name":"a","type":"string"}`)}); err != nil {
				t.Fatal(err)
			}
			r.Intercept(tc.with)
			c, _ := client(t, r.URL())
			_, err := c.Register(t.Context(), "s", next, schemas.FormatAvro, nil)
			if err == nil || codeOf(err) != tc.want || (tc.want == "") != errors.Is(err, ErrUnavailable) {
				t.Fatalf("got %v, want code %q", err, tc.want)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("%q quotes the registry", err)
			}
		})
	}
}

func TestSameSchema(t *testing.T) {
	a := rec(`{"name":"a","type":"string"}`)
	for _, tc := range []struct {
		a, b string
		t    sr.SchemaType
		want bool
	}{
		{a, strings.ReplaceAll(a, ":", ": "), sr.TypeAvro, true},
		{a, rec(`{"type":{"type":"string"},"name":"a"}`), sr.TypeAvro, true},
		{a, rec(`{"name":"a","type":"bytes"}`), sr.TypeAvro, false},
		{`{"a":1,"b":2}`, `{"b":2,"a":1}`, sr.TypeJSON, true},
		{`{"a":1}`, `{"a":2}`, sr.TypeJSON, false},
	} {
		if got := sameSchema(tc.a, tc.b, tc.t); got != tc.want {
			t.Errorf("%s and %s: %v", tc.a, tc.b, got)
		}
	}
}
