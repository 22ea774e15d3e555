package transforms

import (
	"time"

	"weir/schemas"
)

// Plan is schema and policy, compiled.
type Plan struct{}

// Scratch is one goroutine's working memory.
type Scratch struct{}

// NewScratch makes a Scratch.
func NewScratch() *Scratch { return &Scratch{} }

// Compile makes a Plan.
func Compile(in Input) (*Plan, error) { return &Plan{}, nil }

// Protect treats one record for all recipients.
func (p *Plan) Protect(s *Scratch, ev *Event, prefixes []Prefix) (copies []Copy, next *Plan) {
	return nil, nil
}

// Shape gives recipient i's copies of the schemas, nil where the side has no
// schema or is blocked.
func (p *Plan) Shape(i int) (key, value schemas.Shape) { return nil, nil }

// HeaderShape is Shape for the key-change headers.
func (p *Plan) HeaderShape(i int) schemas.Shape { return nil }

// Blocked says why nothing of this schema can go to recipient i, "" when it
// can. There is no shape to register then.
func (p *Plan) Blocked(i int) schemas.Code { return "" }

// KeyText appends contract 28's text of the record key.
func (p *Plan) KeyText(dst []byte, s *Scratch, ev *Event) ([]byte, error) { return dst, nil }

// String is EXPLAIN.
func (p *Plan) String() string { return "" }

// Matrix is String for machines.
func (p *Plan) Matrix() []Row { return nil }

// Undecided lists what lint refuses.
func (p *Plan) Undecided() []Undecided { return nil }

// Severity of a Problem.
type Severity uint8

// The severities.
const (
	SeverityError Severity = iota
	SeverityWarning
)

// Problem is something lint says about a policy without seeing a schema.
type Problem struct {
	Severity Severity
	Code     schemas.Code
	Pos      Pos
	Msg      string
}

// Lint checks what can be said of a policy without schemas. notBuilt names the
// treatments that later work brings.
func Lint(p *Policy, kinds map[string]Factory, notBuilt []string, now time.Time) []Problem { return nil }

// DeclaredPaths are the paths (steps each) that a policy declares for a JSON
// topic without a schema: of its keys or its values.
func DeclaredPaths(p *Policy, d Dataset, isKey bool) [][]string { return nil }
