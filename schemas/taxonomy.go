package schemas

import (
	_ "embed" // the taxonomy is data
	"errors"
	"fmt"
	"maps"
	"regexp"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Class is what a field is, as the taxonomy names it.
type Class struct {
	ID    string // contact.mobile_cn
	ZH    string
	EN    string
	Grade int // 1 public … 5 important or core
	// Flags is what standards say of the class, by the standard's name.
	Flags map[string]Flag
	// Detector says in words how names or content hint at the class.
	Detector string
	// Treatment is what is usual for the class: a hint for people, never applied
	// by itself.
	Treatment string
	// Canonical is the form tokens of the class are made of (contract 20).
	Canonical Canonical
}

// Flag is a standard's word on a class.
type Flag struct {
	Flag   string `yaml:"flag"`
	Clause string `yaml:"clause"`
	// Verified: somebody read the clause in the standard itself.
	Verified bool `yaml:"verified"`
}

// The grades' bounds.
const (
	MinGrade = 1
	MaxGrade = 5
)

// Taxonomy is the set of classes: the embedded one, or that with a user's file
// over it, which may add classes and raise grades, never lower one. It is
// immutable.
type Taxonomy struct {
	byID map[string]*Class
	list []*Class
}

// Class finds a class by id, nil when there is none.
func (t *Taxonomy) Class(id string) *Class { return t.byID[id] }

// Classes lists all classes in file order.
func (t *Taxonomy) Classes() []*Class { return t.list }

//go:embed taxonomy.yaml
var taxonomyYAML []byte

// DefaultTaxonomy is the embedded taxonomy.
func DefaultTaxonomy() (*Taxonomy, error) {
	return new(Taxonomy).Extend(taxonomyYAML)
}

const (
	maxTaxonomy = 1 << 20 // bytes of a user's file
	maxClasses  = 10_000
)

var classID = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$`)

// Extend is t with a user's file over it; t stays as it is. The file has the
// form of taxonomy.yaml: `classes:`, a list. A new class needs id, en or zh, and
// grade; for a class that t has, id and grade alone may stand, and the grade may
// only rise. Errors name the line.
func (t *Taxonomy) Extend(text []byte) (*Taxonomy, error) {
	if len(text) > maxTaxonomy {
		return nil, fmt.Errorf("a taxonomy file has at most %d bytes", maxTaxonomy)
	}
	f, err := decodeTaxonomy(text)
	if err != nil {
		return nil, fmt.Errorf("reading taxonomy: %w", err)
	}
	out := &Taxonomy{byID: maps.Clone(t.byID), list: append([]*Class(nil), t.list...)}
	if out.byID == nil {
		out.byID = make(map[string]*Class, len(f.Classes))
	}
	seen := make(map[string]int, len(f.Classes))
	for i := range f.Classes {
		e := &f.Classes[i]
		if first, ok := seen[e.ID]; ok {
			return nil, e.errorf("class %s stands in line %d already", e.ID, first)
		}
		seen[e.ID] = e.line
		if err := out.put(e); err != nil {
			return nil, err
		}
	}
	if len(out.list) > maxClasses {
		return nil, fmt.Errorf("a taxonomy has at most %d classes", maxClasses)
	}
	return out, nil
}

type taxonomyFile struct {
	Classes []classEntry `yaml:"classes"`
}

// decodeTaxonomy turns the decoder's panics into errors: go-yaml 1.19.2 has
// them for broken tags and anchors.
func decodeTaxonomy(text []byte) (f taxonomyFile, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the text is not YAML that can be read")
		}
	}()
	err = yaml.UnmarshalWithOptions(text, &f, yaml.Strict())
	return f, err
}

func (t *Taxonomy) put(e *classEntry) error {
	if e.Grade < MinGrade || e.Grade > MaxGrade {
		return e.errorf("class %s: grade is a number from %d to %d", e.ID, MinGrade, MaxGrade)
	}
	old := t.byID[e.ID]
	if old == nil {
		return t.add(e)
	}
	if !e.gradeOnly() {
		return e.errorf("class %s is built in: only its grade may be changed", e.ID)
	}
	if e.Grade < old.Grade {
		return e.errorf("class %s has grade %d; a taxonomy file may raise it, never lower it (to %d)", e.ID, old.Grade, e.Grade)
	}
	raised := *old
	raised.Grade = e.Grade
	t.byID[e.ID] = &raised
	for i := range t.list {
		if t.list[i] == old {
			t.list[i] = &raised
		}
	}
	return nil
}

func (t *Taxonomy) add(e *classEntry) error {
	if !classID.MatchString(e.ID) {
		return e.errorf("a class id is lower-case words joined by dots, like contact.mobile_cn")
	}
	if e.EN == "" && e.ZH == "" {
		return e.errorf("class %s needs a name: en or zh", e.ID)
	}
	form, ok := canonicalNames[e.Canonical]
	if !ok {
		return e.errorf("class %s: canonical is none, digits, digits_cn or lower", e.ID)
	}
	c := &Class{ID: e.ID, ZH: e.ZH, EN: e.EN, Grade: e.Grade, Flags: e.Flags,
		Detector: e.Detector, Treatment: e.Treatment, Canonical: form}
	t.byID[c.ID] = c
	t.list = append(t.list, c)
	return nil
}

// classEntry is a class as a file writes it.
type classEntry struct {
	classFields
	line int
}

type classFields struct {
	ID        string          `yaml:"id"`
	ZH        string          `yaml:"zh"`
	EN        string          `yaml:"en"`
	Grade     int             `yaml:"grade"`
	Flags     map[string]Flag `yaml:"flags"`
	Detector  string          `yaml:"detector"`
	Canonical string          `yaml:"canonical"`
	Treatment string          `yaml:"treatment"`
}

// UnmarshalYAML keeps the line beside the fields.
func (e *classEntry) UnmarshalYAML(node ast.Node) error {
	if tk := node.GetToken(); tk != nil && tk.Position != nil {
		e.line = tk.Position.Line
	}
	return yaml.NodeToValue(node, &e.classFields, yaml.Strict())
}

func (e *classEntry) gradeOnly() bool {
	return e.ZH == "" && e.EN == "" && e.Flags == nil && e.Detector == "" && e.Canonical == "" && e.Treatment == ""
}

func (e *classEntry) errorf(format string, args ...any) error {
	return fmt.Errorf("taxonomy line %d: %w", e.line, fmt.Errorf(format, args...))
}
