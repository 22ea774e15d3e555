package schemas

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestReadmeListsCodes: no code is without its line in README.md.
func TestReadmeListsCodes(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return true
		}
		n++
		code := strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
		if !strings.Contains(string(readme), "`"+code+"`") {
			t.Errorf("README.md does not list %s", code)
		}
		return true
	})
	if n < 16 {
		t.Errorf("%d codes were found", n)
	}
	for k := KindBool; k <= KindDuration; k++ {
		if !strings.Contains(string(readme), k.String()) {
			t.Errorf("README.md does not say the text of %s", k)
		}
	}
}
