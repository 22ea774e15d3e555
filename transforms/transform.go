// Package transforms turns a schema and a policy into a [Plan] and runs it:
// for every record and recipient the plan decides what is published, what is
// filtered and what waits in quarantine. It does no I/O.
//
// The families of treatments are children of this package; transforms/all
// names them all.
package transforms

import (
	"hash"

	"weir/keys"
	"weir/schemas"
)

// Transform is one treatment, compiled for one leaf and one recipient. It is
// stateless and shared by all workers; what it needs per goroutine stands in
// Field.Scratch.
type Transform interface {
	// Append appends the treated text of src to dst. src is the canonical text of
	// the value ([schemas.Codec.Text]), valid only during the call; the result is
	// canonical text of the kind that Out answered. It keeps neither dst nor src,
	// and its errors (*schemas.Error) name codes, never contents.
	Append(dst, src []byte, f *Field) ([]byte, error)
	// Out is the kind of the result. For schemas.KindAny leaves it is asked per
	// kind that occurs.
	Out(in schemas.Kind) (kind schemas.Kind, scale int, err error)
}

// Nuller is a Transform that also replaces null: constant is the only one
// (contract 8).
type Nuller interface{ ReplacesNull() bool }

// KeySafe is a Transform whose result may stand in a record key: deterministic
// and one-to-one in its domain (contract 8).
type KeySafe interface{ KeySafe() bool }

// Passer, Dropper and Nullifier mark the treatments that Compile carries out
// itself, so that they cost nothing per value: the field stays, goes from value
// and schema, or becomes null. Append of such a Transform is never called.
type (
	Passer    interface{ Passes() bool }
	Dropper   interface{ Drops() bool }
	Nullifier interface{ Nulls() bool }
)

// Describer prints a transform as explain shows it: options and key domain, no
// key material.
type Describer interface{ Describe() string }

// Field is what a transform may know of the value it treats.
type Field struct {
	Leaf    *schemas.Leaf
	Kind    schemas.Kind // of this occurrence
	Scratch *Slots
}

// Slots hold a goroutine's hash states, one for each slot a factory claimed
// with Env.Slot.
type Slots struct{ states []hash.Hash }

// Hash is the state of slot i, made by fresh at its first use. It is not reset.
func (s *Slots) Hash(i int, fresh func() hash.Hash) hash.Hash {
	for len(s.states) <= i {
		s.states = append(s.states, nil)
	}
	if s.states[i] == nil {
		s.states[i] = fresh()
	}
	return s.states[i]
}

// Env is what a factory may use to compile a transform.
type Env struct {
	Ring      *keys.Ring // nil in lint without keys: then keyed factories check options only
	Keyspace  string     // contract 33
	Recipient string
	Class     *schemas.Class // the leaf's class, nil when it has none
	Leaf      *schemas.Leaf
	// Slot claims a per-goroutine hash state for key u: equal uses share one.
	Slot func(u keys.Use) int
}

// Args are a treatment's options as the policy file gives them: a scalar
// (`constant: "x"`) stands under "". Factories refuse options they don't know.
type Args map[string]any

// Factory compiles a treatment for one leaf. Its errors are for people who
// write policies: they name the option and what is allowed.
type Factory func(env *Env, args Args) (Transform, error)
