// Package keys holds Weir's keys: rings of versions, the working keys derived
// from them and what may be done with each. Key bytes never leave this
// package; callers get operations.
//
//	ring, err := keys.OpenFile("weir.keys", "")
//	mac, err := ring.MAC(keys.Use{Keyspace: "shop", Purpose: keys.PurposeToken,
//		Scope: "analytics", Domain: "customer", Suite: keys.HMACSHA256})
//
// Derivation is slow beside use (about 1 µs): ask once, keep what you got.
package keys

import (
	"crypto/cipher"
	"fmt"
	"hash"
)

// Ref names a key: all that ciphertext, lineage and messages carry of it.
type Ref struct {
	ID      string
	Version uint32
}

// String prints the reference, never key material.
func (r Ref) String() string { return fmt.Sprintf("%s@%d", r.ID, r.Version) }

// Suite is the algorithm byte of contracts 34 and 39.
type Suite byte

// The suites of deterministic keys.
const (
	HMACSHA256 Suite = 10
	HMACSM3    Suite = 11
	AES256     Suite = 12
	SM4        Suite = 13
)

// The profiles (contract 38). The empty profile allows every suite.
const (
	ProfileFIPS = "fips"
	ProfileGM   = "gm"
)

// Use says what a working key is for: the inputs of its derivation (contract
// 34). Two equal uses are the same key.
type Use struct {
	Keyspace string
	Purpose  string // one of the constants below; listed in keys/README.md
	Scope    string // recipient or share group, "" when it belongs to none
	Domain   string
	Suite    Suite
	Version  uint32 // of the master; 0: the pinned one
}

// The purposes.
const (
	PurposeToken          = "token"
	PurposeTokenCheck     = "token-check"
	PurposeLineage        = "lineage"
	PurposeQuarantine     = "quarantine-key"
	PurposeQuarantineSeal = "quarantine-seal"
)

// Ring is the versions of one master key. It is safe for any number of
// goroutines and does not change, but for Wipe.
type Ring struct{ impl *ring }

// MAC gives a new keyed state (HMAC-SHA-256 or HMAC-SM3) for u; it belongs to
// one goroutine.
func (r *Ring) MAC(u Use) (hash.Hash, error) { return r.impl.mac(u) }

// Block gives a block cipher (AES-256 or SM4) for u, safe for any number of
// goroutines.
func (r *Ring) Block(u Use) (cipher.Block, error) { return r.impl.block(u) }

// AEAD gives GCM over AES-256 or SM4 for u, safe for any number of goroutines.
// It draws a random nonce for each message: NonceSize is 0, and what Seal
// appends and Open reads is nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes). One
// use may seal at most 2³² messages (NIST SP 800-38D §8.3); the caller's Domain
// bounds them.
func (r *Ring) AEAD(u Use) (cipher.AEAD, error) { return r.impl.aead(u) }

// Ref names the master version that u is derived from.
func (r *Ring) Ref(u Use) (Ref, error) { return r.impl.ref(u.Version) }

// Profile is the profile that the ring was opened under: "", ProfileFIPS or
// ProfileGM. It decides the hash of the derivation, and which suites exist.
func (r *Ring) Profile() string { return r.impl.profile }

// Wipe overwrites the master keys; afterwards the ring refuses every use. What
// was derived before goes on working. Best effort: Go's collector may have
// copied, and derived keys stay in the states that callers hold.
func (r *Ring) Wipe() { r.impl.wipe() }
