package transforms

import (
	"errors"
	"slices"
	"testing"
	"time"

	"weir/schemas"
)

// TestLintTriesEveryClass: a treatment that only some class's fields can have is
// refused where none of the rule's fields can have that class, and only there.
func TestLintTriesEveryClass(t *testing.T) {
	only := func(ok func(*Env) bool) Factory {
		return func(e *Env, _ Args) (Transform, error) {
			if !ok(e) {
				return nil, errors.New("not for this class")
			}
			return fakeMask{}, nil
		}
	}
	kinds := fakes()
	kinds["phones"] = only(func(e *Env) bool { return e.Class != nil && e.Class.ID == "contact.mobile_cn" })
	kinds["unclassified"] = only(func(e *Env) bool { return e.Class == nil })
	for k := schemas.KindAny; k < schemas.KindRecord; k++ { // every kind that has values
		if k != schemas.KindNull && !slices.Contains(lintKinds[:], k) {
			t.Errorf("lint does not try %s", k)
		}
	}
	kinds["dates"] = only(func(e *Env) bool { return e.Leaf.Kind == schemas.KindDate })
	for _, c := range []struct {
		rule string
		want bool
	}{
		{"* phones", true}, {"tag:PII phones", true}, {"field:shop.t.* phones", true}, {"field:shop.t.a phones", true},
		{"contact.* phones", true}, {"contact.mobile_cn phones", true}, {"contact.email phones", false}, {"person.* phones", false},
		{"* unclassified", false}, {"contact.* unclassified", false}, {"tag:PII unclassified", true}, {"field:shop.t.a unclassified", true},
		{"* dates", true}, {"contact.email dates", true},
	} {
		problems := Lint(policy(t, "recipient r\n "+c.rule), kinds, nil, time.Time{})
		refused := slices.ContainsFunc(problems, func(p Problem) bool { return p.Code == CodeRefused })
		if refused == c.want || len(problems) > 1 {
			t.Errorf("%s: %+v", c.rule, problems)
		}
	}
}
