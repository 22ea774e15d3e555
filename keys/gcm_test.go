package keys

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func sealUse(s Suite) Use { return Use{"shop", PurposeQuarantineSeal, "", "7/3/0", s, 0} }

func aeadOf(t testing.TB, r *Ring, u Use) interface {
	Seal(dst, nonce, plaintext, data []byte) []byte
	Open(dst, nonce, sealed, data []byte) ([]byte, error)
} {
	t.Helper()
	a, err := r.AEAD(u)
	if err != nil {
		t.Fatal(err)
	}
	if a.NonceSize() != 0 || a.Overhead() != 28 {
		t.Fatalf("nonce size %d, overhead %d", a.NonceSize(), a.Overhead())
	}
	return a
}

// TestSealedIsForEver opens what Python's cryptography sealed, nonce 00 … 0b,
// under keys that it derived as TestDerivationIsForEver says.
func TestSealedIsForEver(t *testing.T) {
	for _, c := range []struct {
		profile string
		suite   Suite
		sealed  string
	}{
		{"", AES256, "000102030405060708090a0baa16207ac6744db8c813de6a29305742e3dd45d3"},
		{"", SM4, "000102030405060708090a0b4aad3c05b2c974449354462765fa9ab6b9a9947b"},
		{ProfileGM, SM4, "000102030405060708090a0b2eb918edb58c347fc52ef5804cdcce810d246ba7"},
	} {
		sealed, err := hex.DecodeString(c.sealed)
		if err != nil {
			t.Fatal(err)
		}
		a := aeadOf(t, open(t, c.profile), sealUse(c.suite))
		plain, err := a.Open([]byte(">"), nil, sealed, []byte("data"))
		if err != nil || string(plain) != ">weir" {
			t.Errorf("%q suite %d: %q, %v", c.profile, c.suite, plain, err)
		}
	}
}

func TestSealAndOpen(t *testing.T) {
	for _, suite := range []Suite{AES256, SM4} {
		a := aeadOf(t, open(t, ""), sealUse(suite))
		sealed := a.Seal([]byte("head"), nil, []byte("weir"), []byte("data"))
		again := a.Seal([]byte("head"), nil, []byte("weir"), []byte("data"))
		if string(sealed[:4]) != "head" || len(sealed) != 4+12+4+16 || bytes.Equal(sealed, again) {
			t.Fatalf("suite %d: %x, then %x", suite, sealed, again)
		}
		sealed = sealed[4:]
		if plain, err := a.Open(nil, nil, sealed, []byte("data")); err != nil || string(plain) != "weir" {
			t.Errorf("suite %d: %q, %v", suite, plain, err)
		}
		for i := range sealed {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1
			_, err := a.Open(nil, nil, changed, []byte("data"))
			if _, short := a.Open(nil, nil, sealed[:i], []byte("data")); err == nil || short == nil {
				t.Errorf("suite %d: byte %d changed, or cut there, opens", suite, i)
			}
		}
		if _, err := a.Open(nil, nil, sealed, []byte("date")); err == nil {
			t.Errorf("suite %d: other data opens", suite)
		}
		other := sealUse(suite)
		other.Domain = "7/3/1"
		if _, err := aeadOf(t, open(t, ""), other).Open(nil, nil, sealed, []byte("data")); err == nil {
			t.Errorf("suite %d: another domain's key opens", suite)
		}
	}
}

func TestAEADRefuses(t *testing.T) {
	plain, gm := open(t, ""), open(t, ProfileGM)
	for _, c := range []struct {
		r *Ring
		u Use
	}{{plain, sealUse(HMACSHA256)}, {plain, sealUse(0)}, {gm, sealUse(AES256)}, {plain, Use{Suite: AES256}}} {
		if _, err := c.r.AEAD(c.u); err == nil {
			t.Errorf("%v was taken", c.u)
		}
	}
	for _, suite := range []Suite{AES256, SM4} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("suite %d took a nonce, and would repeat it", suite)
				}
			}()
			aeadOf(t, plain, sealUse(suite)).Seal(nil, make([]byte, 12), nil, nil)
		}()
	}
}

const fipsChild = "WEIR_TEST_FIPS_CHILD"

// TestAEADUnderFIPSOnly runs itself under fips140=only, where cipher.NewGCM
// gives an error and other calls panic.
func TestAEADUnderFIPSOnly(t *testing.T) {
	if os.Getenv(fipsChild) != "" {
		r := open(t, ProfileFIPS)
		a := aeadOf(t, r, sealUse(AES256))
		if plain, err := a.Open(nil, nil, a.Seal(nil, nil, []byte("weir"), nil), nil); err != nil || string(plain) != "weir" {
			t.Errorf("%q, %v", plain, err)
		}
		if _, err := r.AEAD(sealUse(SM4)); err == nil {
			t.Error("SM4 under fips")
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestAEADUnderFIPSOnly$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", fipsChild+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestAEADUnderFIPSOnly") {
		t.Errorf("%v\n%s", err, out)
	}
}
