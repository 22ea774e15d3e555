package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// golden is a key file with the master 00 01 … 1f. Its keys must stay what they
// are for ever: tokens, lineage ids and parked keys depend on them.
const golden = `{"weir-keys":1,"ring":"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff","versions":[{"version":1,"created":"2026-01-01T00:00:00Z",` +
	`"master":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","commitment":"SikSpnDV/1t65wz2D2WWfFqVVEP2hVVjPSVOHeJU4cE="}],"pinned":1}`

func write(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weir.keys")
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func goldenFile(t *testing.T) string { t.Helper(); return write(t, golden, 0o600) }

func goldenMaster() *master {
	m := new(master)
	for i := range m {
		m[i] = byte(i)
	}
	return m
}

func open(t *testing.T, profile string) *Ring {
	t.Helper()
	r, err := OpenFile(goldenFile(t), profile)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The expected values come from other software, from this Python and from
// openssl enc -aes-256-ecb -nopad and -sm4-ecb -nopad:
//
//	def expand(prk, info, n):                       # RFC 5869, n ≤ 32
//	    return hmac.new(prk, info + b'\x01', hash).digest()[:n]
//	lp = lambda x: uvarint(len(x)) + x
//	info = b'weir/1' + lp(keyspace) + lp(purpose) + lp(scope) + lp(domain) + bytes([suite])
//	hmac.new(expand(master, info, n), b'weir', hash)
func TestDerivationIsForEver(t *testing.T) {
	for _, c := range []struct {
		profile string
		u       Use
		want    string
	}{
		{"", Use{"shop", PurposeToken, "analytics", "customer", HMACSHA256, 0}, "b235bfae4d4a63f9b8a9d7626a5bb065306cd5bc87c6520062f259fc09784626"},
		{"", Use{"shop", PurposeToken, strings.Repeat("a", 200), "customer", HMACSHA256, 1}, "85bf74a03eecb3ac2afbbf28a5cc37a90f1c60fead5cf0bba3acd16908938316"},
		{"", Use{"shop", PurposeToken, "analytics", "customer", HMACSM3, 0}, "470170d35b7a68c910bc5d128f0748afc5a76fb6f7433f8af00aa83950133d4c"},
		{ProfileGM, Use{"shop", PurposeToken, "analytics", "customer", HMACSM3, 0}, "5cbfdf1f54e3cb9c6002ab2a781e25ca82f5ce00f57be990f984769e3898d0f8"},
		{"", Use{"shop", PurposeLineage, "analytics", "", AES256, 0}, "8d3064ee7a036c6f09a074f2d01852d4"},
		{"", Use{"shop", PurposeLineage, "analytics", "", SM4, 0}, "7ebc83ae6373635a006864dc2fa2dddf"},
		{ProfileGM, Use{"shop", PurposeLineage, "analytics", "", SM4, 0}, "1a90acb9d21064e1f12d648261354570"},
	} {
		got := run(t, open(t, c.profile), c.u)
		if got != c.want {
			t.Errorf("%q %.60v: %s, want %s", c.profile, c.u, got, c.want)
		}
	}
}

// run applies u to fixed input: MACs to "weir", blocks to 00 … 0f.
func run(t *testing.T, r *Ring, u Use) string {
	t.Helper()
	if u.Suite == HMACSHA256 || u.Suite == HMACSM3 {
		m, err := r.MAC(u)
		if err != nil {
			t.Fatal(err)
		}
		m.Write([]byte("weir"))
		return hex.EncodeToString(m.Sum(nil))
	}
	b, err := r.Block(u)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 16)
	b.Encrypt(out, goldenMaster()[:16])
	return hex.EncodeToString(out)
}

func TestCommitment(t *testing.T) {
	got, err := commitment(goldenMaster(), Ref{"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", 1})
	if want := "4a2912a670d5ff5b7ae70cf60f65967c5a955443f68555633d254e1de254e1c1"; err != nil || hex.EncodeToString(got) != want {
		t.Errorf("%x, %v", got, err)
	}
}

// Each input of a derivation matters, and none can pose as its neighbour.
func TestUsesAreApart(t *testing.T) {
	r, seen := open(t, ""), map[string]Use{}
	for _, u := range []Use{
		{"shop", "token", "analytics", "customer", HMACSHA256, 0}, {"sho", "ptoken", "analytics", "customer", HMACSHA256, 0},
		{"shop", "token", "analyticsc", "ustomer", HMACSHA256, 0}, {"shop", "token", "", "customer", HMACSHA256, 0},
		{"shop", "token", "customer", "", HMACSHA256, 0}, {"shop2", "token", "analytics", "customer", HMACSHA256, 0},
		{"shop", "token-check", "analytics", "customer", HMACSHA256, 0}, {"shop", "token", "analytics", "customer", HMACSM3, 0},
	} {
		got := run(t, r, u)
		if other, ok := seen[got]; ok {
			t.Errorf("%v and %v share a key", u, other)
		}
		seen[got] = u
	}
}

func TestSuitesAndProfiles(t *testing.T) {
	u := func(s Suite) Use { return Use{"shop", PurposeToken, "a", "d", s, 0} }
	plain, gm := open(t, ""), open(t, ProfileGM)
	for _, s := range []Suite{HMACSHA256, AES256, 0, 1, 14} {
		if _, err := gm.MAC(u(s)); err == nil {
			t.Errorf("gm gave a MAC of suite %d", s)
		}
		if _, err := gm.Block(u(s)); err == nil {
			t.Errorf("gm gave a block of suite %d", s)
		}
	}
	if _, err := plain.MAC(u(AES256)); err == nil {
		t.Error("a block cipher was given as MAC")
	}
	if _, err := plain.Block(u(HMACSHA256)); err == nil {
		t.Error("a MAC was given as block cipher")
	}
	fips := &Ring{&ring{id: "x", pinned: 1, profile: ProfileFIPS, masters: map[uint32]*master{1: goldenMaster()}}}
	if _, err := fips.MAC(u(HMACSM3)); err == nil {
		t.Error("fips gave HMAC-SM3")
	}
	if _, err := plain.MAC(Use{Purpose: PurposeToken, Suite: HMACSHA256}); err == nil {
		t.Error("a use without keyspace was taken")
	}
	if _, err := plain.MAC(Use{"shop", PurposeToken, "a", "d", HMACSHA256, 2}); err == nil {
		t.Error("a version that is not there was taken")
	}
	if ref, err := plain.Ref(u(HMACSHA256)); err != nil || ref.Version != 1 || ref.ID != "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff" {
		t.Errorf("%v %v", ref, err)
	}
	for _, p := range []string{"gm ", "GM", "x"} {
		if _, err := OpenFile(goldenFile(t), p); err == nil {
			t.Errorf("profile %q was taken", p)
		}
	}
}

func TestInitFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.keys")
	ref, err := InitFile(path)
	if err != nil {
		t.Fatal(err)
	}
	st, _ := os.Stat(path)
	if st.Mode() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := r.Ref(Use{}); got != ref {
		t.Errorf("%v, want %v", got, ref)
	}
	before, _ := os.ReadFile(path)
	if _, err := InitFile(path); err == nil || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("a key file was overwritten: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the key file changed")
	}
	link := filepath.Join(t.TempDir(), "dangling")
	if err := os.Symlink(filepath.Join(t.TempDir(), "target"), link); err != nil {
		t.Fatal(err)
	}
	if _, err := InitFile(link); err == nil {
		t.Error("a key file was written through a dangling link")
	}
	if _, err := InitFile(filepath.Join(t.TempDir(), "no", "dir")); err == nil {
		t.Error("a missing folder was taken")
	}
	other := filepath.Join(t.TempDir(), "other.keys")
	if second, err := InitFile(other); err != nil || second.ID == ref.ID {
		t.Errorf("two rings with one id: %v %v", second, err)
	}
}

func TestOpenRefusesModes(t *testing.T) {
	content, err := os.ReadFile(goldenFile(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644, 0o660, 0o610, 0o601, 0o602} {
		path := write(t, string(content), mode)
		link := path + ".link"
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{path, link} {
			if _, err := Open(p); err == nil || !strings.Contains(err.Error(), "chmod 600") {
				t.Errorf("mode %o: %v", mode, err)
			}
		}
	}
	if _, err := Open(write(t, string(content), 0o400)); err != nil {
		t.Errorf("mode 0400: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a folder was taken")
	}
}

func TestOpenRefusesOwners(t *testing.T) {
	for _, c := range []struct {
		owner, process int
		want           bool
	}{{1000, 1000, true}, {0, 1000, true}, {0, 0, true}, {1001, 1000, false}, {1000, 0, false}} {
		if got := trusted(c.owner, c.process); got != c.want {
			t.Errorf("a file of user %d for user %d: %v", c.owner, c.process, got)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: only root can give a file away")
	}
	path := goldenFile(t)
	if err := os.Chown(path, 65_534, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("a stranger's file: %v", err)
	}
}

func TestOpenRefusesContents(t *testing.T) {
	content, err := os.ReadFile(goldenFile(t))
	if err != nil {
		t.Fatal(err)
	}
	good := string(content)
	if _, err := Open(write(t, " "+good+"\n", 0o600)); err != nil {
		t.Errorf("white space: %v", err)
	}
	for i := 0; i < len(good); i++ {
		if _, err := Open(write(t, good[:i], 0o600)); err == nil {
			t.Fatalf("a file cut at byte %d was taken", i)
		}
	}
	one := good[strings.Index(good, `{"version":1`):strings.Index(good, `]`)]
	for name, bad := range map[string]string{
		"format":         strings.Replace(good, `"weir-keys":1`, `"weir-keys":2`, 1),
		"master":         strings.Replace(good, "AAEC", "AAED", 1),
		"commitment":     strings.Replace(good, `"commitment":"`, `"commitment":"AAAA`, 1),
		"ring":           strings.Replace(good, "f0f1f2f3f4", "f0f1f2f3f5", 1),
		"no ring":        strings.Replace(good, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "", 1),
		"unknown":        strings.Replace(good, `"pinned"`, `"x":1,"pinned"`, 1),
		"spelling":       strings.Replace(good, `"pinned"`, `"Pinned"`, 1),
		"repeated":       strings.Replace(good, `"pinned":1`, `"pinned":1,"pinned":1`, 1),
		"pinned":         strings.Replace(good, `"pinned":1`, `"pinned":2`, 1),
		"unpinned":       strings.Replace(good, `"pinned":1`, `"pinned":0`, 1),
		"twice":          strings.Replace(good, one, one+","+one, 1),
		"version 0":      strings.Replace(good, `"version":1`, `"version":0`, 1),
		"swapped number": strings.Replace(strings.Replace(good, `"version":1`, `"version":2`, 1), `"pinned":1`, `"pinned":2`, 1),
		"negative":       strings.Replace(good, `"version":1`, `"version":-1`, 1),
		"created":        strings.Replace(good, "2026-01-01", "2026-13-01", 1),
		"short master":   strings.Replace(good, "GBkaGxwdHh8=", "", 1),
		"null master":    strings.Replace(good, `"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="`, "null", 1),
		"none":           strings.Replace(good, one, "", 1),
		"null":           "null", "array": "[]", "trailing": good + "{}", "binary": "\x00\xff",
		"huge": good + strings.Repeat(" ", fileLimit),
	} {
		if bad == good {
			t.Errorf("%s: the case changes nothing", name)
			continue
		}
		_, err := Open(write(t, bad, 0o600))
		if err == nil {
			t.Errorf("%s was taken", name)
			continue
		}
		if strings.Contains(err.Error(), "AAEC") || strings.Contains(err.Error(), "AwQF") {
			t.Errorf("%s: the error quotes the file: %v", name, err)
		}
	}
}

// Nothing that holds key material prints any of it.
func TestSecretsPrintAsRefs(t *testing.T) {
	r := open(t, "")
	mac, err := r.MAC(Use{"shop", PurposeToken, "a", "d", HMACSHA256, 0})
	if err != nil {
		t.Fatal(err)
	}
	block, err := r.Block(Use{"shop", PurposeToken, "a", "d", AES256, 0})
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := r.AEAD(Use{"shop", PurposeToken, "a", "d", AES256, 0})
	if err != nil {
		t.Fatal(err)
	}
	sm4gcm, err := r.AEAD(Use{"shop", PurposeToken, "a", "d", SM4, 0})
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := r.impl.derive(Use{"shop", PurposeToken, "a", "d", HMACSHA256, 0})
	if err != nil {
		t.Fatal(err)
	}
	raw := goldenMaster()[:]
	version := fileVersion{1, "", &raw, nil}
	const ref = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff@1"
	for name, v := range map[string]any{
		"*Ring": r, "Ring": *r, "ring": r.impl, "mac": mac, "block": block, "gcm": gcm, "sm4gcm": sm4gcm, "version": version, "*version": &version,
		"in a struct": struct{ R *Ring }{r}, "in a slice": []*Ring{r}, "hidden": struct{ r Ring }{*r}, "hidden mac": struct{ h any }{mac},
	} {
		var logged bytes.Buffer
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "k", v)
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "k", v)
		texts := []string{logged.String()}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
		if !strings.HasSuffix(name, "version") { // JSON is how the file is written
			js, _ := json.Marshal(v)
			texts = append(texts, string(js))
		} else {
			texts = texts[1:]
		}
		for _, text := range texts {
			for _, secret := range [][]byte{goldenMaster()[8:16], key[:8]} {
				for _, form := range []string{
					string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)),
					strings.Trim(fmt.Sprintf("%d", secret), "[]"), base64.StdEncoding.EncodeToString(secret)[:8],
					strings.Trim(fmt.Sprintf("%#v", secret), "[]byte{}"),
				} {
					if strings.Contains(strings.ReplaceAll(text, ref, ""), form) {
						t.Errorf("%s prints key material: %s", name, text)
					}
				}
			}
		}
	}
	for _, v := range []any{r, *r, mac, block, gcm, sm4gcm} {
		if js, err := json.Marshal(v); fmt.Sprint(v) != ref || fmt.Sprintf("%#v", v) != ref || err != nil || string(js) != `"`+ref+`"` {
			t.Errorf("%T prints %v and %s", v, v, js)
		}
	}
	if got := fmt.Sprint((*Ring)(nil), Ring{}); strings.Contains(got, "PANIC") {
		t.Error(got)
	}
}

func TestWipe(t *testing.T) {
	r := open(t, "")
	u := Use{"shop", PurposeToken, "a", "d", HMACSHA256, 0}
	mac, err := r.MAC(u)
	if err != nil {
		t.Fatal(err)
	}
	m := r.impl.masters[1]
	r.Wipe()
	r.Wipe()
	if *m != (master{}) {
		t.Error("the master is still there")
	}
	if _, err := r.MAC(u); err == nil {
		t.Error("a wiped ring derives")
	}
	if _, err := r.Ref(u); err == nil {
		t.Error("a wiped ring has versions")
	}
	mac.Write([]byte("x"))
	if len(mac.Sum(nil)) != 32 {
		t.Error("what was derived before stopped working")
	}
}

// One ring, one block cipher, many goroutines: for the race detector.
func TestConcurrentUse(t *testing.T) {
	for _, suite := range []Suite{AES256, SM4} {
		r := open(t, "")
		b, err := r.Block(Use{"shop", PurposeTokenCheck, "a", "d", suite, 0})
		if err != nil {
			t.Fatal(err)
		}
		want := make([]byte, 16)
		b.Encrypt(want, goldenMaster()[:16])
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				out := make([]byte, 16)
				for range 200 {
					b.Encrypt(out, goldenMaster()[:16])
					if !bytes.Equal(out, want) {
						t.Error("another answer")
					}
					_, _ = r.MAC(Use{"shop", PurposeToken, "a", "d", HMACSM3, 0})
				}
			})
		}
		wg.Go(r.Wipe)
		wg.Wait()
	}
}

func TestUseDoesNotAllocate(t *testing.T) {
	r := open(t, "")
	for _, s := range []Suite{HMACSHA256, HMACSM3} {
		m, err := r.MAC(Use{"shop", PurposeToken, "a", "d", s, 0})
		if err != nil {
			t.Fatal(err)
		}
		in, out := []byte("13800138000"), make([]byte, 0, 64)
		if n := testing.AllocsPerRun(100, func() { m.Reset(); m.Write(in); out = m.Sum(out[:0]) }); n != 0 {
			t.Errorf("suite %d: %v allocations", s, n)
		}
	}
}

func TestReadmeListsPurposes(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{PurposeToken, PurposeTokenCheck, PurposeLineage, PurposeQuarantine, PurposeQuarantineSeal} {
		if !strings.Contains(string(text), "| `"+p+"` |") {
			t.Errorf("README.md does not list %s", p)
		}
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if r, err := parseFile(content); err == nil && r.masters[r.pinned] == nil {
			t.Error("a ring without its pinned master")
		}
	})
}
