package schemas

// Class is what a field is, as the taxonomy names it.
type Class struct {
	ID    string // contact.mobile_cn
	ZH    string
	EN    string
	Grade int // 1 public … 5 important or core
}

// Taxonomy is the set of classes: the embedded one, or that with a user's file
// over it, which may add classes and raise grades, never lower one.
type Taxonomy struct {
	byID map[string]*Class
	list []*Class
}

// Class finds a class by id, nil when there is none.
func (t *Taxonomy) Class(id string) *Class { return t.byID[id] }

// Classes lists all classes in file order.
func (t *Taxonomy) Classes() []*Class { return t.list }
