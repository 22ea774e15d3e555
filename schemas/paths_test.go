package schemas

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestJoinPathTellsStepsApart: two lists of steps never share a path.
func TestJoinPathTellsStepsApart(t *testing.T) {
	name := rapid.StringMatching(`[ab.0\\\[\]\{\}#]{0,4}`)
	step := rapid.Custom(func(t *rapid.T) string {
		n := name.Draw(t, "name")
		if isStep(n) && rapid.Bool().Draw(t, "literal") {
			return `\` + n
		}
		return n
	})
	seen := map[string][]string{}
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(step, 0, 4).Draw(t, "steps")
		path := JoinPath(steps)
		if other, ok := seen[path]; ok && !slices.Equal(other, steps) {
			t.Fatalf("%q and %q are both %s", steps, other, path)
		}
		seen[path] = steps
	})
	for _, c := range [][2][]string{
		{{`a\`, "b"}, {"a.b"}}, {{"a[]"}, {"a", "[]"}}, {{"a{}"}, {"a", "{}"}}, {{"a{#}"}, {"a", "{#}"}}, {{`\[]`}, {"[]"}},
		{{"", "[]"}, {"[]"}}, {{""}, nil}, {{`\\[]`}, {`\[]`}}, {{"a", "", "b"}, {"a", "b"}}, {{`a\.b`}, {"a.b"}},
	} {
		if JoinPath(c[0]) == JoinPath(c[1]) {
			t.Errorf("%q and %q are both %s", c[0], c[1], JoinPath(c[0]))
		}
	}
}
