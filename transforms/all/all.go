// Package all names every treatment: the one place where policy words become
// code.
package all

import (
	"weir/transforms"
	"weir/transforms/drop"
	"weir/transforms/general"
	"weir/transforms/mask"
	"weir/transforms/token"
)

// Kinds is every treatment that a policy can name. There is no unkeyed hash
// among them and there will be none: whoever can list the values (phone
// numbers, names) can undo it. transforms.Lint says so to who asks.
func Kinds() map[string]transforms.Factory {
	return map[string]transforms.Factory{
		"pass":       drop.NewPass,
		"drop":       drop.NewDrop,
		"null":       drop.NewNull,
		"constant":   drop.NewConstant,
		"mask":       mask.New,
		"truncate":   general.NewTruncate,
		"generalise": general.NewGeneralise,
		"token":      token.New,
	}
}

// NotBuilt is the treatments that the design names and this Weir does not have
// yet. A policy that asks for one is refused: Kinds does not have it, and Lint,
// given this list, says why.
func NotBuilt() []string {
	return []string{"seal", "fpe", "fake", "vault", "mark"}
}
