// Package all names every treatment: the one place where policy words become
// code.
package all

import (
	"errors"

	"weir/transforms"
	"weir/transforms/drop"
	"weir/transforms/general"
	"weir/transforms/mask"
	"weir/transforms/token"
)

// Kinds is every treatment that a policy can name. The refused ones are in it
// too: their factories answer why, so that a policy which asks for one fails
// closed and says what is wrong.
func Kinds() map[string]transforms.Factory {
	kinds := map[string]transforms.Factory{
		"pass":       drop.NewPass,
		"drop":       drop.NewDrop,
		"null":       drop.NewNull,
		"constant":   drop.NewConstant,
		"mask":       mask.New,
		"truncate":   general.NewTruncate,
		"generalise": general.NewGeneralise,
		"token":      token.New,
	}
	for name, why := range Refused() {
		kinds[name] = refuse(why)
	}
	return kinds
}

// Refused is the treatments that a policy may not name, each with the reason.
func Refused() map[string]string {
	refused := map[string]string{}
	for _, name := range NotBuilt() {
		refused[name] = "treatment " + name + " is not built yet"
	}
	for _, name := range [...]string{"hash", "md5", "sha1", "sha256", "sha512", "sm3", "crc32", "murmur"} {
		refused[name] = name + " is refused: without a key, whoever guesses a value can compute its hash, " +
			"and there are few phone numbers and names to guess; use token, which is keyed"
	}
	for _, name := range [...]string{"generalize", "tokenise", "tokenize", "redact", "remove"} {
		refused[name] = name + " is not a treatment; " + map[string]string{
			"generalize": "it is spelt generalise", "tokenise": "the word is token", "tokenize": "the word is token",
			"redact": "mask hides a text, drop removes the field", "remove": "the word is drop",
		}[name]
	}
	return refused
}

// NotBuilt is the treatments that the design names and this Weir does not have.
func NotBuilt() []string {
	return []string{"seal", "siv", "fpe", "fake", "vault", "mark"}
}

func refuse(why string) transforms.Factory {
	return func(*transforms.Env, transforms.Args) (transforms.Transform, error) {
		return nil, errors.New(why)
	}
}
