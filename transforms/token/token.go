// Package token replaces a value by a keyed pseudonym: equal values of one
// domain get equal tokens, and only Weir's keys relate them to values or to
// other recipients' tokens.
//
//	contact.mobile_cn: {token: {domain: customer}}
//
// A token is 24 characters of Crockford's base 32 in upper case (0-9 A-Z without
// I L O U), 120 bits (contract 19):
//
//	80 bits   HMAC(K[token, recipient or share group, domain], lp(domain) ‖ lp(text))
//	40 bits   first of one block E(K[token-check, recipient, domain], those 80 bits ‖ 0⁴⁸)
//
// text is the value's canonical text (contract 20), in its class's canonical
// form unless `canonical: off`. 80 bits: among 10⁹ distinct values of a domain
// two share a token with probability 4·10⁻⁷.
package token

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"

	"weir/keys"
	"weir/schemas"
	"weir/transforms"
)

// Length is a token's characters.
const Length = 24

// CodeKey: a key that was there when the plan was compiled is gone, or there
// never was one (a plan compiled without a ring).
const CodeKey schemas.Code = "transform_key"

const (
	macBytes  = 10
	blockSize = 16
	rawBytes  = 15 // 10 of the MAC, 5 of the check
	maxDomain = 255
	alphabet  = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// Token is the compiled treatment. It is immutable.
type Token struct {
	opts   options
	form   schemas.Canonical
	prefix []byte // lp(domain)
	slot   int
	fresh  func() hash.Hash
	check  cipher.Block // nil without a ring
}

type options struct {
	domain, share, alg string
	canonicalOff       bool
}

const (
	algSHA256 = "hmac-sha256"
	algSM3    = "hmac-sm3"
)

// New is the factory of `token`. Options: domain (default: the class's id),
// share (a group whose recipients can join on the first 16 characters),
// canonical: off, alg: hmac-sha256 or hmac-sm3 (default: the profile's).
func New(env *transforms.Env, args transforms.Args) (transforms.Transform, error) {
	o, err := parse(args)
	if err != nil {
		return nil, err
	}
	t := &Token{opts: o}
	if err := t.settle(env); err != nil {
		return nil, err
	}
	t.prefix = binary.AppendUvarint(nil, uint64(len(t.opts.domain)))
	t.prefix = append(t.prefix, t.opts.domain...)
	if env.Ring == nil {
		return t, nil
	}
	if err := t.keys(env); err != nil {
		return nil, err
	}
	return t, nil
}

func parse(args transforms.Args) (options, error) {
	var o options
	for _, name := range slices.Sorted(maps.Keys(args)) {
		v := args[name]
		if name == "canonical" {
			if v != "off" && v != false {
				return o, errors.New("canonical: off is all that canonical can say")
			}
			o.canonicalOff = true
			continue
		}
		field := map[string]*string{"domain": &o.domain, "share": &o.share, "alg": &o.alg}[name]
		if field == nil {
			return o, errors.New("token has the options domain, share, canonical and alg, as in token: {domain: customer}")
		}
		s, ok := v.(string)
		if !ok || s == "" || len(s) > maxDomain {
			return o, fmt.Errorf("%s is a name of 1 to %d bytes", name, maxDomain)
		}
		*field = s
	}
	if o.alg != "" && o.alg != algSHA256 && o.alg != algSM3 {
		return o, fmt.Errorf("alg is %s or %s", algSHA256, algSM3)
	}
	return o, nil
}

// settle fills in what the options leave to class and profile.
func (t *Token) settle(env *transforms.Env) error {
	if t.opts.domain == "" {
		if env.Class == nil {
			return errors.New("token needs a domain where the field has no class, as in token: {domain: customer}")
		}
		t.opts.domain = env.Class.ID
	}
	if env.Class != nil && !t.opts.canonicalOff {
		t.form = env.Class.Canonical
	}
	if t.opts.alg == "" {
		t.opts.alg = algSHA256
		if env.Ring != nil && env.Ring.Profile() == keys.ProfileGM {
			t.opts.alg = algSM3
		}
	}
	return nil
}

// keys claims a state for the MAC and compiles the check's cipher.
func (t *Token) keys(env *transforms.Env) error {
	mac := keys.Use{Keyspace: env.Keyspace, Purpose: keys.PurposeToken, Scope: env.Recipient, Domain: t.opts.domain, Suite: keys.HMACSHA256}
	if t.opts.alg == algSM3 {
		mac.Suite = keys.HMACSM3
	}
	check := mac
	check.Purpose, check.Suite = keys.PurposeTokenCheck, keys.AES256
	if env.Ring.Profile() == keys.ProfileGM {
		check.Suite = keys.SM4
	}
	if t.opts.share != "" {
		mac.Scope = t.opts.share
	}
	if _, err := env.Ring.MAC(mac); err != nil {
		return err
	}
	block, err := env.Ring.Block(check)
	if err != nil {
		return err
	}
	ring := env.Ring
	t.check, t.slot = block, env.Slot(mac)
	t.fresh = func() hash.Hash {
		h, err := ring.MAC(mac)
		if err != nil {
			return nil // Append sees it
		}
		return h
	}
	return nil
}

// Append appends the token of src. It uses dst's spare capacity as scratch and
// clears what it wrote there.
func (t *Token) Append(dst, src []byte, f *transforms.Field) ([]byte, error) {
	if notANumber(f.Kind, src) {
		return dst, schemas.Fail(schemas.CodeNotANumber, "")
	}
	if t.check == nil {
		return dst, schemas.Fail(CodeKey, "")
	}
	h := f.Scratch.Hash(t.slot, t.fresh)
	if h == nil {
		return dst, schemas.Fail(CodeKey, "")
	}
	n := len(dst)
	// Room for all of it first: growth on the way would leave plaintext behind.
	work := slices.Grow(dst, len(src)+len(t.prefix)+binary.MaxVarintLen64+h.Size())
	if t.form != schemas.CanonicalNone {
		work = t.form.Append(work, src)
		src = work[n:]
	}
	h.Reset()
	at := len(work)
	work = binary.AppendUvarint(append(work, t.prefix...), uint64(len(src)))
	h.Write(work[at:])
	h.Write(src)
	work = h.Sum(work)
	raw := t.seal(work[len(work)-h.Size():])
	clear(work[n:])
	return encode(work[:n], raw), nil
}

// seal makes a token's 120 bits of the MAC; it uses mac as scratch. A MAC is
// 32 bytes, so the block has room.
func (t *Token) seal(mac []byte) (raw [rawBytes]byte) {
	copy(raw[:], mac[:macBytes])
	block := mac[:blockSize]
	clear(block[macBytes:])
	t.check.Encrypt(block, block)
	copy(raw[macBytes:], block)
	return raw
}

// encode writes five bits a character, the first bits first; 120 leave no rest.
func encode(dst []byte, raw [rawBytes]byte) []byte {
	var bits uint16
	have := 0
	for _, b := range raw {
		bits, have = bits<<8|uint16(b), have+8
		for ; have >= 5; have -= 5 {
			dst = append(dst, alphabet[bits>>(have-5)&31])
		}
	}
	return dst
}

// notANumber: codecs refuse NaN and infinities where text is asked for; this
// holds for those that do not yet.
func notANumber(k schemas.Kind, text []byte) bool {
	if k != schemas.KindFloat && k != schemas.KindDouble || len(text) == 0 {
		return false
	}
	last := text[len(text)-1]
	return last < '0' || last > '9'
}

// Out is a string, whatever the value was.
func (t *Token) Out(in schemas.Kind) (schemas.Kind, int, error) {
	if in.Container() {
		return 0, 0, errors.New("token treats single values, not records, arrays or maps")
	}
	return schemas.KindString, 0, nil
}

// KeySafe: one value, one token. Not where the class has a canonical form, for
// then several spellings share a token, and rows would merge under compaction:
// such key fields need `canonical: off`.
func (t *Token) KeySafe() bool { return t.form == schemas.CanonicalNone }

// Domain is the linkage scope, for explain.
func (t *Token) Domain() string { return t.opts.domain }

// Describe prints the options as they were settled.
func (t *Token) Describe() string {
	s := "domain: " + t.opts.domain
	if t.opts.share != "" {
		s += ", share: " + t.opts.share
	}
	if t.opts.alg != algSHA256 {
		s += ", alg: " + t.opts.alg
	}
	switch {
	case t.form != schemas.CanonicalNone:
		s += ", canonical: " + t.form.String()
	case t.opts.canonicalOff:
		s += ", canonical: off"
	}
	return s
}
