package all

import (
	"slices"
	"strings"
	"testing"

	"weir/schemas"
	"weir/transforms"
	"weir/transforms/transformtest"
)

// What the issue promises is there and works without options where that makes
// sense; what it does not promise says why.
func TestKinds(t *testing.T) {
	args := map[string]transforms.Args{
		"constant": {"": "x"}, "truncate": {"chars": int64(1)}, "generalise": {"date": "month"}, "token": {"domain": "d"},
	}
	built := []string{"pass", "drop", "null", "constant", "mask", "truncate", "generalise", "token"}
	leaf := &schemas.Leaf{Path: "x", Kind: schemas.KindString, Declared: true}
	refused := Refused()
	for name, factory := range Kinds() {
		tr, err := factory(transformtest.Env(t, leaf, nil), args[name])
		why, no := refused[name]
		switch {
		case no == slices.Contains(built, name):
			t.Errorf("%s is both built and refused, or neither", name)
		case no && (err == nil || err.Error() != why || tr != nil):
			t.Errorf("%s: %v, want %q", name, err, why)
		case !no && (err != nil || tr == nil):
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(Kinds()); n != len(built)+len(refused) {
		t.Errorf("%d kinds", n)
	}
}

func TestRefusedSayWhy(t *testing.T) {
	refused := Refused()
	for name, want := range map[string]string{
		"seal": "treatment seal is not built yet", "fpe": "not built yet", "sha256": "keyed", "md5": "use token", "hash": "use token", "redact": "mask hides", "generalize": "generalise",
	} {
		if !strings.Contains(refused[name], want) {
			t.Errorf("%s: %q, want %q", name, refused[name], want)
		}
	}
	for name, why := range refused {
		if strings.HasSuffix(why, "; ") || !strings.Contains(why, name) {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// Treatments that the taxonomy suggests are treatments.
func TestTaxonomySuggestsTreatments(t *testing.T) {
	tax, err := schemas.DefaultTaxonomy()
	if err != nil {
		t.Fatal(err)
	}
	kinds := Kinds()
	for _, c := range tax.Classes() {
		if kinds[c.Treatment] == nil {
			t.Errorf("%s suggests %s", c.ID, c.Treatment)
		}
	}
}
