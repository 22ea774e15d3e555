package token

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/keys"
	"weir/schemas"
	"weir/transforms"
	"weir/transforms/transformtest"
)

// keyFile has the master 00 01 … 1f, as keys' golden test has.
const keyFile = `{"weir-keys":1,"ring":"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff","versions":[{"version":1,"created":"2026-01-01T00:00:00Z",` +
	`"master":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","commitment":"SikSpnDV/1t65wz2D2WWfFqVVEP2hVVjPSVOHeJU4cE="}],"pinned":1}`

func ring(t testing.TB, profile string) *keys.Ring {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weir.keys")
	if err := os.WriteFile(path, []byte(keyFile), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := keys.OpenFile(path, profile)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func class(t testing.TB, id string) *schemas.Class {
	t.Helper()
	tax, err := schemas.DefaultTaxonomy()
	if err != nil {
		t.Fatal(err)
	}
	return tax.Class(id)
}

func leaf(k schemas.Kind) schemas.Leaf { return schemas.Leaf{Path: "x", Kind: k, Declared: true} }

func tokenOf(t testing.TB, env *transforms.Env, args transforms.Args, v string) string {
	t.Helper()
	tr, err := New(env, args)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tr.Append(nil, []byte(v), &transforms.Field{Kind: schemas.KindString, Scratch: &transforms.Slots{}})
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// Tokens that were published once must come out the same for ever. The values
// are those of this Python, whose aes is openssl enc -aes-256-ecb -nopad (gm:
// -sm4-ecb, and SM3 for SHA-256):
//
//	lp = lambda x: uvarint(len(x)) + x
//	def expand(prk, info, n):                       # RFC 5869, n ≤ 32
//	    return hmac.new(prk, info + b'\x01', sha256).digest()[:n]
//	def key(purpose, scope, suite, n):
//	    return expand(bytes(range(32)), b'weir/1' + lp(b'shop') + lp(purpose) + lp(scope) + lp(domain) + bytes([suite]), n)
//	def token(scope, recipient, text):
//	    mac = hmac.new(key(b'token', scope, 10, 32), lp(domain) + lp(text), sha256).digest()[:10]
//	    return crockford(mac + aes(key(b'token-check', recipient, 12, 32), mac + bytes(6))[:5])
func TestTokensAreForEver(t *testing.T) {
	customer := transforms.Args{"domain": "customer"}
	shared := transforms.Args{"domain": "customer", "share": "marketing"}
	sm3 := transforms.Args{"domain": "customer", "alg": "hmac-sm3"}
	for _, c := range []struct {
		profile string
		args    transforms.Args
		in      string
		want    string
	}{
		{"", customer, "13800138000", "0X8NT4FE1AM6HQ7E9DEB66JY"}, {"", shared, "13800138000", "8P3HRSENM7SXTCR7KZ4BDXTA"},
		{"", customer, "", "N12GV0RDH9ERZNV81YWRNYF5"}, {"", shared, "", "703K27XPEH19SW44A6YDQH1W"},
		{"", customer, "张三", "KXHB1ERJKY6ZRMNAR454AJ0M"}, {"", shared, "张三", "HBXW8EEC32WBKJT96XAEF1AF"},
		{"", customer, strings.Repeat("a", 300), "5RXEPJ6CKX5JX1MQ20J8JY40"}, {"", shared, strings.Repeat("a", 300), "SZAD6FEZBSKSRDCWJ18QJ1AS"},
		{"", sm3, "13800138000", "SESD7Q9BK0NS2E4HRCMPBV4P"},
		{keys.ProfileGM, customer, "13800138000", "JE7WAMQMWMJ9YGRJ6DQZ7EJE"}, {keys.ProfileGM, sm3, "13800138000", "JE7WAMQMWMJ9YGRJ6DQZ7EJE"},
	} {
		l := leaf(schemas.KindString)
		if got := tokenOf(t, transformtest.EnvOf(ring(t, c.profile), &l, nil), c.args, c.in); got != c.want {
			t.Errorf("%q %v %.20q: %s, want %s", c.profile, c.args, c.in, got, c.want)
		}
	}
}

func TestConformance(t *testing.T) {
	mobile, name := class(t, "contact.mobile_cn"), class(t, "person.name")
	transformtest.Run(t,
		transformtest.Case{Name: "string", New: New, Args: transforms.Args{"domain": "customer"}, Leaf: leaf(schemas.KindString),
			Values: []string{"", "a", "A", " a", "张三", "\x00", strings.Repeat("x", 3000)}},
		transformtest.Case{Name: "class", New: New, Class: name, Leaf: leaf(schemas.KindString), Values: []string{"张三", "李四"}},
		transformtest.Case{Name: "class form", New: New, Class: mobile, Leaf: leaf(schemas.KindString),
			Values: []string{"13800138000", "+86 138-0013-8000", "none", strings.Repeat("1", 3000)}},
		transformtest.Case{Name: "long", New: New, Args: transforms.Args{"domain": "d", "alg": "hmac-sm3"}, Leaf: leaf(schemas.KindLong), Values: []string{"0", "-1", "1"}},
		transformtest.Case{Name: "double", New: New, Args: transforms.Args{"domain": "d", "share": "g"}, Leaf: leaf(schemas.KindDouble), Values: []string{"0.1", "-1", "1e+21"}},
		transformtest.Case{Name: "bytes", New: New, Args: transforms.Args{"domain": "d"}, Leaf: leaf(schemas.KindBytes), Values: []string{"\xff", "\x00\x01"}},
	)
}

func TestRecipientsCannotJoinUnlessTheyShare(t *testing.T) {
	l, r := leaf(schemas.KindString), ring(t, "")
	a, b := transformtest.EnvOf(r, &l, nil), transformtest.EnvOf(r, &l, nil)
	b.Recipient = "marketing"
	own := transforms.Args{"domain": "customer"}
	if x, y := tokenOf(t, a, own, "v"), tokenOf(t, b, own, "v"); x[:16] == y[:16] || x[16:] == y[16:] {
		t.Errorf("%s and %s can be joined", x, y)
	}
	shared := transforms.Args{"domain": "customer", "share": "group"}
	if x, y := tokenOf(t, a, shared, "v"), tokenOf(t, b, shared, "v"); x[:16] != y[:16] || x[16:] == y[16:] {
		t.Errorf("%s and %s share the wrong part", x, y)
	}
	if x, y := tokenOf(t, a, own, "v"), tokenOf(t, a, transforms.Args{"domain": "other"}, "v"); x[:16] == y[:16] {
		t.Errorf("two domains can be joined: %s", x)
	}
	c := transformtest.EnvOf(r, &l, nil)
	c.Keyspace = "shop2"
	if x, y := tokenOf(t, a, own, "v"), tokenOf(t, c, own, "v"); x[:16] == y[:16] {
		t.Errorf("two keyspaces can be joined: %s", x)
	}
}

func TestCanonicalForm(t *testing.T) {
	l := leaf(schemas.KindString)
	env := transformtest.EnvOf(ring(t, ""), &l, class(t, "contact.mobile_cn"))
	plain := transformtest.EnvOf(env.Ring, &l, nil)
	on, off := transforms.Args{"domain": "d"}, transforms.Args{"domain": "d", "canonical": "off"}
	if tokenOf(t, env, on, "+86 138-0013-8000") != tokenOf(t, plain, on, "13800138000") {
		t.Error("the class's form is not that of the plain digits")
	}
	if tokenOf(t, env, off, "+86 138-0013-8000") != tokenOf(t, plain, on, "+86 138-0013-8000") {
		t.Error("canonical: off changes the text")
	}
	for _, c := range []struct {
		env  *transforms.Env
		args transforms.Args
		safe bool
		text string
	}{
		{env, nil, false, "domain: contact.mobile_cn, canonical: digits_cn"}, {env, off, true, "domain: d, canonical: off"},
		{plain, transforms.Args{"domain": "d", "share": "g", "alg": "hmac-sm3"}, true, "domain: d, share: g, alg: hmac-sm3"},
	} {
		tr, err := New(c.env, c.args)
		if err != nil {
			t.Fatal(err)
		}
		if got := tr.(transforms.KeySafe).KeySafe(); got != c.safe {
			t.Errorf("%s: key safe is %v", c.text, got)
		}
		if got := tr.(transforms.Describer).Describe(); got != c.text {
			t.Errorf("%s, want %s", got, c.text)
		}
	}
}

func TestRefusals(t *testing.T) {
	l := leaf(schemas.KindString)
	env := transformtest.EnvOf(ring(t, ""), &l, nil)
	for _, c := range []struct {
		args transforms.Args
		want string
	}{
		{nil, "needs a domain"}, {transforms.Args{"": "customer"}, "has the options"}, {transforms.Args{"domain": ""}, "domain is a name"},
		{transforms.Args{"domain": int64(1)}, "domain is a name"}, {transforms.Args{"domain": strings.Repeat("d", 256)}, "domain is a name"},
		{transforms.Args{"domain": "d", "canonical": "on"}, "canonical: off"}, {transforms.Args{"domain": "d", "alg": "md5"}, "alg is"},
		{transforms.Args{"domain": "d", "key": "x"}, "has the options"},
	} {
		if _, err := New(env, c.args); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
	gm := transformtest.EnvOf(ring(t, keys.ProfileGM), &l, nil)
	if _, err := New(gm, transforms.Args{"domain": "d", "alg": "hmac-sha256"}); err == nil {
		t.Error("gm took HMAC-SHA-256")
	}
}

func TestAppendFailsClosed(t *testing.T) {
	l := leaf(schemas.KindDouble)
	env := transformtest.EnvOf(ring(t, ""), &l, nil)
	tr, err := New(env, transforms.Args{"domain": "d"})
	if err != nil {
		t.Fatal(err)
	}
	f := &transforms.Field{Kind: schemas.KindDouble, Scratch: &transforms.Slots{}}
	for _, v := range []string{"NaN", "+Inf", "-Inf", "Infinity"} {
		if _, err := tr.Append(nil, []byte(v), f); err == nil || !strings.Contains(err.Error(), string(schemas.CodeNotANumber)) {
			t.Errorf("%s: %v", v, err)
		}
	}
	lint, err := New(transformtest.EnvOf(nil, &l, nil), transforms.Args{"domain": "d"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := lint.Append(nil, []byte("1"), f); err == nil || len(got) > 0 {
		t.Errorf("without keys: %q %v", got, err)
	}
	env.Ring.Wipe()
	if got, err := tr.Append(nil, []byte("1"), &transforms.Field{Kind: schemas.KindDouble, Scratch: &transforms.Slots{}}); err == nil || len(got) > 0 {
		t.Errorf("with wiped keys: %q %v", got, err)
	}
}

// The scratch behind the result holds neither text nor the rest of the MAC.
func TestAppendClearsItsScratch(t *testing.T) {
	l := leaf(schemas.KindString)
	tr, err := New(transformtest.EnvOf(ring(t, ""), &l, class(t, "contact.mobile_cn")), nil)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 512)
	got, err := tr.Append(dst, []byte("+86 138-0013-8000"), &transforms.Field{Kind: schemas.KindString, Scratch: &transforms.Slots{}})
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range got[len(got):cap(got)] {
		if b != 0 {
			t.Fatalf("byte %d after the token is %#x", i, b)
		}
	}
	tight := make([]byte, 0, 12) // too small: the text must not be left in it
	if _, err := tr.Append(tight, []byte("+86 138-0013-8000"), &transforms.Field{Kind: schemas.KindString, Scratch: &transforms.Slots{}}); err != nil {
		t.Fatal(err)
	}
	if s := string(tight[:cap(tight)]); strings.Trim(s, "\x00") != "" {
		t.Errorf("%q was left behind", s)
	}
}

// 80 bits: distinct values of a domain practically never share a token.
func TestNoCollisions(t *testing.T) {
	l := leaf(schemas.KindLong)
	tr, err := New(transformtest.EnvOf(ring(t, ""), &l, nil), transforms.Args{"domain": "d"})
	if err != nil {
		t.Fatal(err)
	}
	f := &transforms.Field{Kind: schemas.KindLong, Scratch: &transforms.Slots{}}
	seen, dst := make(map[[16]byte]bool, 200_000), []byte(nil)
	for i := range 200_000 {
		v := []byte{byte('1' + i%9), byte('0' + i/9%10), byte('0' + i/90%10), byte('0' + i/900%10), byte('0' + i/9000%10), byte('0' + i/90000%10)}
		if dst, err = tr.Append(dst[:0], v, f); err != nil {
			t.Fatal(err)
		}
		seen[[16]byte(dst)] = true
	}
	if len(seen) != 200_000 {
		t.Errorf("%d tokens for 200,000 values", len(seen))
	}
}
