package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

const masterSize = 32

// master is always held by pointer: where fmt cannot call Format, as in another
// type's unexported field, it prints the pointers below the first as addresses.
type master [masterSize]byte

// ring holds the masters. mu lets Wipe run beside derivations.
type ring struct {
	id      string // immutable
	pinned  uint32 // immutable
	profile string // immutable
	mu      sync.RWMutex
	masters map[uint32]*master // guarded by mu; nil after wipe
}

var errWiped = errors.New("keys: the ring was wiped")

func (r *ring) version(v uint32) uint32 {
	if v == 0 {
		return r.pinned
	}
	return v
}

func (r *ring) ref(version uint32) (Ref, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	ref := Ref{ID: r.id, Version: r.version(version)}
	if r.masters == nil {
		return Ref{}, errWiped
	}
	if _, ok := r.masters[ref.Version]; !ok {
		return Ref{}, fmt.Errorf("keys: the ring has no version %s", ref)
	}
	return ref, nil
}

func (r *ring) wipe() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.masters {
		m.wipe()
	}
	r.masters = nil
}

func (r *ring) mac(u Use) (hash.Hash, error) {
	if u.Suite != HMACSHA256 && u.Suite != HMACSM3 {
		return nil, fmt.Errorf("keys: suite %d is no MAC", u.Suite)
	}
	key, ref, err := r.derive(u)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	if u.Suite == HMACSM3 {
		return &macState{hmac.New(sm3.New, key), ref}, nil
	}
	return &macState{hmac.New(sha256.New, key), ref}, nil
}

func (r *ring) block(u Use) (cipher.Block, error) {
	b, ref, err := r.cipher(u)
	if err != nil {
		return nil, err
	}
	return &blockCipher{b, ref}, nil
}

// aead gives GCM the cipher itself and not what block wraps it in: Go's FIPS
// module, and every fast path, ask for the concrete type.
func (r *ring) aead(u Use) (cipher.AEAD, error) {
	b, ref, err := r.cipher(u)
	if err != nil {
		return nil, err
	}
	var a cipher.AEAD
	if u.Suite == AES256 { // the only GCM that fips140=only knows
		a, err = cipher.NewGCMWithRandomNonce(b)
	} else if a, err = cipher.NewGCM(b); err == nil {
		a = randomNonce{a}
	}
	if err != nil {
		return nil, fmt.Errorf("keys: making GCM of suite %d", u.Suite)
	}
	return &aeadCipher{a, ref}, nil
}

// cipher is the block cipher of u, as its library made it.
func (r *ring) cipher(u Use) (cipher.Block, Ref, error) {
	if u.Suite != AES256 && u.Suite != SM4 {
		return nil, Ref{}, fmt.Errorf("keys: suite %d is no block cipher", u.Suite)
	}
	key, ref, err := r.derive(u)
	if err != nil {
		return nil, Ref{}, err
	}
	defer clear(key)
	newCipher := aes.NewCipher
	if u.Suite == SM4 {
		newCipher = sm4.NewCipher
	}
	b, err := newCipher(key)
	if err != nil {
		return nil, Ref{}, fmt.Errorf("keys: making block cipher of suite %d", u.Suite)
	}
	return b, ref, nil
}

// derive is contract 34. The caller clears the key.
func (r *ring) derive(u Use) ([]byte, Ref, error) {
	n, err := r.keySize(u)
	if err != nil {
		return nil, Ref{}, err
	}
	ref, err := r.ref(u.Version)
	if err != nil {
		return nil, Ref{}, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	m, ok := r.masters[ref.Version]
	if !ok {
		return nil, Ref{}, errWiped
	}
	key, err := expand(r.profile, m[:], u.info(), n)
	if err != nil {
		return nil, Ref{}, fmt.Errorf("keys: deriving %s key of %s", u.Purpose, ref)
	}
	return key, ref, nil
}

func expand(profile string, key []byte, info string, n int) ([]byte, error) {
	if profile == ProfileGM {
		return hkdf.Expand(sm3.New, key, info, n)
	}
	return hkdf.Expand(sha256.New, key, info, n)
}

// keySize is n of contract 34, and says which suites a profile allows.
func (r *ring) keySize(u Use) (int, error) {
	if u.Keyspace == "" || u.Purpose == "" {
		return 0, errors.New("keys: a use needs a keyspace and a purpose")
	}
	gm := u.Suite == HMACSM3 || u.Suite == SM4
	if gm && r.profile == ProfileFIPS || !gm && r.profile == ProfileGM {
		return 0, fmt.Errorf("keys: suite %d is refused under profile %s", u.Suite, r.profile)
	}
	switch u.Suite {
	case HMACSHA256, HMACSM3, AES256:
		return 32, nil
	case SM4:
		return 16, nil
	}
	return 0, fmt.Errorf("keys: unknown suite %d", u.Suite)
}

// info is "weir/1" ‖ lp(keyspace) ‖ lp(purpose) ‖ lp(scope) ‖ lp(domain) ‖ suite,
// where lp(x) = uvarint length ‖ x.
func (u Use) info() string {
	b := []byte("weir/1")
	for _, s := range [...]string{u.Keyspace, u.Purpose, u.Scope, u.Domain} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return string(append(b, byte(u.Suite)))
}

// commitment proves that a master is the one that a file or message means,
// without telling it: 32 bytes of HKDF-Expand under a label that no working key
// has.
func commitment(m *master, ref Ref) ([]byte, error) {
	b := []byte("weir-commitment/1")
	b = binary.AppendUvarint(b, uint64(len(ref.ID)))
	b = append(b, ref.ID...)
	b = binary.AppendUvarint(b, uint64(ref.Version))
	return hkdf.Expand(sha256.New, m[:], string(b), 32)
}
