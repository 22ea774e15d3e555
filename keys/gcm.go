package keys

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
)

// randomNonce gives GCM over another cipher than AES the form that
// cipher.NewGCMWithRandomNonce gives it over AES.
type randomNonce struct{ gcm cipher.AEAD }

const gcmNonce = 12

var errOpen = errors.New("keys: message does not authenticate")

func (r randomNonce) NonceSize() int { return 0 }

func (r randomNonce) Overhead() int { return gcmNonce + r.gcm.Overhead() }

// Seal panics on a nonce, as Go's does: it is a mistake of the caller's code.
func (r randomNonce) Seal(dst, nonce, plaintext, data []byte) []byte {
	if len(nonce) != 0 {
		panic("keys: the nonce is drawn here; give none")
	}
	var own [gcmNonce]byte
	_, _ = rand.Read(own[:]) // crypto/rand ends the process rather than fail
	return r.gcm.Seal(append(dst, own[:]...), own[:], plaintext, data)
}

func (r randomNonce) Open(dst, nonce, sealed, data []byte) ([]byte, error) {
	if len(nonce) != 0 {
		panic("keys: the nonce stands in the message; give none")
	}
	if len(sealed) < r.Overhead() {
		return nil, errOpen
	}
	return r.gcm.Open(dst, sealed[:gcmNonce], sealed[gcmNonce:], data)
}
