package keys

import (
	"crypto/cipher"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"strconv"
)

// Whatever holds key material prints as its Ref, whoever prints it and how:
// fmt's verbs all end in Format, encoding/json in MarshalJSON or MarshalText,
// slog in LogValue. The types of crypto/hmac, crypto/aes and crypto/cipher would
// print their keys; they leave this package only inside the three types below.

// macState is one goroutine's HMAC.
type macState struct {
	hash.Hash
	ref Ref
}

// blockCipher is a block cipher with its key.
type blockCipher struct {
	cipher.Block
	ref Ref
}

// aeadCipher is GCM with its key and a nonce of its own for each message.
type aeadCipher struct {
	cipher.AEAD
	ref Ref
}

func printRef(w io.Writer, r Ref) { _, _ = io.WriteString(w, r.String()) }

func quoted(r Ref) ([]byte, error) { return strconv.AppendQuote(nil, r.String()), nil }

func (m *macState) String() string               { return m.ref.String() }
func (m *macState) GoString() string             { return m.ref.String() }
func (m *macState) Format(f fmt.State, _ rune)   { printRef(f, m.ref) }
func (m *macState) MarshalJSON() ([]byte, error) { return quoted(m.ref) }
func (m *macState) LogValue() slog.Value         { return slog.StringValue(m.ref.String()) }

func (b *blockCipher) String() string               { return b.ref.String() }
func (b *blockCipher) GoString() string             { return b.ref.String() }
func (b *blockCipher) Format(f fmt.State, _ rune)   { printRef(f, b.ref) }
func (b *blockCipher) MarshalJSON() ([]byte, error) { return quoted(b.ref) }
func (b *blockCipher) LogValue() slog.Value         { return slog.StringValue(b.ref.String()) }

func (a *aeadCipher) String() string               { return a.ref.String() }
func (a *aeadCipher) GoString() string             { return a.ref.String() }
func (a *aeadCipher) Format(f fmt.State, _ rune)   { printRef(f, a.ref) }
func (a *aeadCipher) MarshalJSON() ([]byte, error) { return quoted(a.ref) }
func (a *aeadCipher) LogValue() slog.Value         { return slog.StringValue(a.ref.String()) }

func (r *ring) pinnedRef() Ref {
	if r == nil {
		return Ref{}
	}
	return Ref{ID: r.id, Version: r.pinned}
}

func (r *ring) String() string               { return r.pinnedRef().String() }
func (r *ring) GoString() string             { return r.pinnedRef().String() }
func (r *ring) Format(f fmt.State, _ rune)   { printRef(f, r.pinnedRef()) }
func (r *ring) MarshalJSON() ([]byte, error) { return quoted(r.pinnedRef()) }
func (r *ring) LogValue() slog.Value         { return slog.StringValue(r.pinnedRef().String()) }

// String prints the reference of the pinned version.
func (r Ring) String() string { return r.impl.String() }

// GoString is String.
func (r Ring) GoString() string { return r.impl.String() }

// Format prints the reference for every verb.
func (r Ring) Format(f fmt.State, _ rune) { printRef(f, r.impl.pinnedRef()) }

// MarshalJSON gives the reference as a string.
func (r Ring) MarshalJSON() ([]byte, error) { return quoted(r.impl.pinnedRef()) }

// MarshalText gives the reference.
func (r Ring) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// LogValue gives slog the reference.
func (r Ring) LogValue() slog.Value { return slog.StringValue(r.String()) }

// A file's version holds a master while a file is read or written; MarshalJSON
// is not among its methods, for JSON is how the file is written.
func (v fileVersion) ref() Ref                   { return Ref{ID: "file", Version: v.Version} }
func (v fileVersion) String() string             { return v.ref().String() }
func (v fileVersion) GoString() string           { return v.ref().String() }
func (v fileVersion) Format(f fmt.State, _ rune) { printRef(f, v.ref()) }
func (v fileVersion) LogValue() slog.Value       { return slog.StringValue(v.ref().String()) }
