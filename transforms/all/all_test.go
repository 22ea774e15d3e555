package all

import (
	"slices"
	"strings"
	"testing"
	"time"

	"weir/schemas"
	"weir/transforms"
	"weir/transforms/transformtest"
)

// Every treatment compiles with and without keys, given the options it needs.
func TestKinds(t *testing.T) {
	args := map[string]transforms.Args{
		"constant": {"": "x"}, "truncate": {"chars": int64(1)}, "generalise": {"date": "month"}, "token": {"domain": "d"},
	}
	leaf := &schemas.Leaf{Path: "x", Kind: schemas.KindString, Declared: true}
	for name, factory := range Kinds() {
		for _, env := range []*transforms.Env{transformtest.Env(t, leaf, nil), transformtest.EnvOf(nil, leaf, nil)} {
			if tr, err := factory(env, args[name]); err != nil || tr == nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if slices.Contains(NotBuilt(), name) {
			t.Errorf("%s is built and not built", name)
		}
	}
}

// Lint says why a treatment that is not there is not there.
func TestMissingTreatmentsSayWhy(t *testing.T) {
	tax, err := schemas.DefaultTaxonomy()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"seal": "not built yet", "fpe": "not built yet", "mark": "not built yet",
		"sha256": "no key", "md5": "no key", "hash": "no key", "redact": "no treatment is called"} {
		p := &transforms.Policy{Name: "shop", Taxonomy: tax, Recipients: []transforms.Recipient{{Name: "a", Topic: "clean.{table}",
			Treat: []transforms.Rule{{Match: "person.name", Treatment: name, Pos: transforms.Pos{File: "p", Line: 3, Col: 1}}}}}}
		problems := transforms.Lint(p, Kinds(), NotBuilt(), time.Time{})
		if len(problems) != 1 || problems[0].Severity != transforms.SeverityError || !strings.Contains(problems[0].Msg, want) {
			t.Errorf("%s: %+v, want %q", name, problems, want)
		}
	}
}

// Treatments that the taxonomy suggests are treatments, or will be.
func TestTaxonomySuggestsTreatments(t *testing.T) {
	tax, err := schemas.DefaultTaxonomy()
	if err != nil {
		t.Fatal(err)
	}
	kinds := Kinds()
	for _, c := range tax.Classes() {
		if kinds[c.Treatment] == nil && !slices.Contains(NotBuilt(), c.Treatment) {
			t.Errorf("%s suggests %s", c.ID, c.Treatment)
		}
	}
}
