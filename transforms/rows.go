package transforms

import (
	"errors"
	"reflect"
	"strconv"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"weir/schemas"
)

// rowsCost bounds one evaluation, in CEL's cost units.
const rowsCost = 100_000

// rowsVariable names the image that is evaluated (contract 6).
const rowsVariable = "after"

// rowFilter is a recipient's rows expression, compiled; shared by goroutines.
type rowFilter struct {
	program cel.Program
	root    *rowNode
}

// rowNode is a field that the expression reads, and what it reads inside it.
type rowNode struct {
	name   string
	fields []*rowNode
	// leaves are its leaves in the two images; flat and plain records have only
	// imageAfter.
	leaves [2][]int32
}

// The images.
const (
	imageBefore = iota
	imageAfter
)

func (n *rowNode) field(name string) *rowNode {
	for _, f := range n.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

func (n *rowNode) add(path []string) {
	if len(path) == 0 {
		return
	}
	f := n.field(path[0])
	if f == nil {
		f = &rowNode{name: path[0]}
		n.fields = append(n.fields, f)
	}
	f.add(path[1:])
}

// compileRows compiles a recipient's rows.
func compileRows(r *Recipient) (*rowFilter, error) {
	refuse := func(msg string) error {
		return &PolicyError{Code: "bad_rows", Pos: r.Pos, Msg: "rows of " + r.Name + ": " + msg}
	}
	env, err := cel.NewEnv(cel.Variable(rowsVariable, cel.DynType), cel.CrossTypeNumericComparisons(true),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals()))
	if err != nil {
		return nil, refuse(err.Error())
	}
	checked, issues := env.Compile(r.Rows)
	if issues.Err() != nil {
		return nil, refuse(issues.Err().Error())
	}
	if out := checked.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return nil, refuse("is " + out.String() + ", not true or false")
	}
	f := &rowFilter{root: &rowNode{}}
	if !f.collect(checked.NativeRep().Expr()) {
		return nil, refuse("may only read " + rowsVariable + ".<field>, not the row as a whole")
	}
	if f.program, err = env.Program(checked, cel.CostLimit(rowsCost), cel.EvalOptions(cel.OptOptimize)); err != nil {
		return nil, refuse(err.Error())
	}
	return f, nil
}

// collect notes the fields that e reads; false when it reads the whole row.
func (f *rowFilter) collect(e ast.Expr) bool {
	if path, ok := rowPath(e); ok {
		f.root.add(path)
		return len(path) > 0
	}
	all := true
	for _, kid := range children(e) {
		all = f.collect(kid) && all
	}
	return all
}

// rowPath is the field that e names: after.a.b or after["a"].b.
func rowPath(e ast.Expr) ([]string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return nil, e.AsIdent() == rowsVariable
	case ast.SelectKind:
		s := e.AsSelect()
		path, ok := rowPath(s.Operand())
		return append(path, s.FieldName()), ok
	case ast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != "_[_]" || len(call.Args()) != 2 || call.Args()[1].Kind() != ast.LiteralKind {
			return nil, false
		}
		name, isString := call.Args()[1].AsLiteral().(types.String)
		path, ok := rowPath(call.Args()[0])
		return append(path, string(name)), ok && isString
	}
	return nil, false
}

// children are the expressions directly inside e.
func children(e ast.Expr) []ast.Expr {
	switch e.Kind() {
	case ast.SelectKind:
		return []ast.Expr{e.AsSelect().Operand()}
	case ast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() {
			return append([]ast.Expr{call.Target()}, call.Args()...)
		}
		return call.Args()
	case ast.ListKind:
		return e.AsList().Elements()
	case ast.MapKind:
		var out []ast.Expr
		for _, entry := range e.AsMap().Entries() {
			out = append(out, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
		return out
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		return []ast.Expr{c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()}
	case ast.StructKind:
		var out []ast.Expr
		for _, field := range e.AsStruct().Fields() {
			out = append(out, field.AsStructField().Value())
		}
		return out
	}
	return nil
}

// bind finds the leaves of the fields in a schema and wants them. A filter is
// compiled for one plan, so this happens before it is shared.
func (f *rowFilter) bind(envelope Envelope, s *side, want *schemas.Wanted) {
	if envelope == EnvelopeDebezium {
		f.root.bind(s.schema, []string{stepBefore}, imageBefore, want)
		f.root.bind(s.schema, []string{stepAfter}, imageAfter, want)
		return
	}
	f.root.bind(s.schema, nil, imageAfter, want)
}

func (n *rowNode) bind(s *schemas.Schema, at []string, image int, want *schemas.Wanted) {
	for _, f := range n.fields {
		steps := append(at[:len(at):len(at)], f.name)
		for _, i := range s.Find(schemas.JoinPath(steps)) {
			f.leaves[image] = append(f.leaves[image], int32(i))
			want.Leaf[i] = true
		}
		f.bind(s, steps, image, want)
	}
}

// rowEval is one evaluation: the record, and the code of what went wrong.
type rowEval struct {
	view        *schemas.View
	codec       schemas.Codec
	placeholder string
	image       int
	code        schemas.Code
	text        []byte
}

// matches evaluates the filter on one image. What fails is a code: CEL's
// errors quote values (contract 6).
func (f *rowFilter) matches(e *rowEval, image int) (bool, schemas.Code) {
	e.image, e.code = image, ""
	out, _, err := f.program.Eval(rowActivation{&row{e, f.root}})
	if e.code != "" {
		return false, e.code
	}
	if err != nil {
		return false, CodeRowsError
	}
	match, ok := out.(types.Bool)
	if !ok {
		return false, CodeRowsError
	}
	return bool(match), ""
}

// rowActivation resolves the one variable there is.
type rowActivation struct{ row *row }

func (a rowActivation) ResolveName(name string) (any, bool) {
	if name != rowsVariable {
		return nil, false
	}
	return a.row, true
}

func (a rowActivation) Parent() cel.Activation { return nil }

// row is an image, or a record inside it, to CEL: fields are read when the
// expression asks for them.
type row struct {
	e    *rowEval
	node *rowNode
}

var (
	errRowField = errors.New("no such field")
	rowType     = types.NewObjectType("row")
)

// Get is the value of a field.
func (r *row) Get(index ref.Val) ref.Val {
	f, span, bad := r.find(index)
	switch {
	case bad != nil:
		return bad
	case span < 0:
		return types.WrapErr(errRowField)
	}
	return r.value(f, span)
}

// IsSet reports for has() whether a field is there and not null.
func (r *row) IsSet(index ref.Val) ref.Val {
	_, span, bad := r.find(index)
	if bad != nil {
		return bad
	}
	return types.Bool(span >= 0 && r.e.view.Spans[span].Flags&schemas.Null == 0)
}

// find gives a field's span, -1 when the record does not have it. A field that
// stands there twice decides nothing.
func (r *row) find(index ref.Val) (*rowNode, int, ref.Val) {
	name, ok := index.(types.String)
	f := r.node.field(string(name))
	if !ok || f == nil {
		return nil, -1, types.WrapErr(errRowField)
	}
	at := -1
	for i := range r.e.view.Spans {
		for _, leaf := range f.leaves[r.e.image] {
			if r.e.view.Spans[i].Leaf != leaf {
				continue
			}
			if at >= 0 {
				r.e.code = CodeDuplicate
				return nil, -1, types.WrapErr(errRowField)
			}
			at = i
		}
	}
	return f, at, nil
}

func (r *row) value(f *rowNode, span int) ref.Val {
	s := &r.e.view.Spans[span]
	switch {
	case s.Flags&schemas.Null != 0:
		return types.NullValue
	case s.Kind.Container():
		return &row{r.e, f}
	}
	text, err := r.e.codec.Text(r.e.text[:0], r.e.view, span)
	r.e.text = text
	if err == nil && r.e.placeholder != "" && string(text) == r.e.placeholder {
		err = errRowField // the value is not in the record
	}
	if err != nil {
		r.e.code = CodeRowsError
		return types.WrapErr(errRowField)
	}
	return celValue(s.Kind, text)
}

// celValue is a canonical text to CEL. The string is what the evaluation
// reads; it is garbage after it.
func celValue(k schemas.Kind, text []byte) ref.Val {
	s := string(text)
	switch {
	case k == schemas.KindBool:
		return types.Bool(s == "true")
	case k.Numeric():
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return types.Int(n)
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return types.WrapErr(errRowField)
		}
		return types.Double(f)
	case k == schemas.KindBytes || k == schemas.KindFixed:
		return types.Bytes(s)
	case k == schemas.KindDate:
		return celTime(s + "T00:00:00Z")
	case k == schemas.KindLocal:
		return celTime(s + "Z")
	case k == schemas.KindInstant:
		return celTime(s)
	}
	return types.String(s)
}

func celTime(s string) ref.Val {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return types.WrapErr(errRowField)
	}
	return types.Timestamp{Time: t}
}

// ConvertToNative is not for rows.
func (*row) ConvertToNative(reflect.Type) (any, error) { return nil, errRowField }

// ConvertToType is not for rows.
func (*row) ConvertToType(ref.Type) ref.Val { return types.WrapErr(errRowField) }

// Equal: a row equals nothing but itself.
func (r *row) Equal(other ref.Val) ref.Val {
	o, ok := other.(*row)
	return types.Bool(ok && o.node == r.node && o.e == r.e)
}

// Type is row.
func (*row) Type() ref.Type { return rowType }

// Value hides the record from whatever would print it.
func (*row) Value() any { return nil }
