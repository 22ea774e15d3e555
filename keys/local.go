package keys

import (
	"bytes"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// The local key file, as README.md describes it.
type (
	file struct {
		Format   int           `json:"weir-keys"`
		Ring     string        `json:"ring"`
		Versions []fileVersion `json:"versions"`
		Pinned   uint32        `json:"pinned"`
	}
	fileVersion struct {
		Version    uint32  `json:"version"`
		Created    string  `json:"created"` // RFC 3339, UTC
		Master     *[]byte `json:"master"`  // a pointer for the reason that master is held by one
		Commitment []byte  `json:"commitment"`
	}
)

const (
	fileFormat  = 1
	fileMode    = 0o600
	fileLimit   = 1 << 20
	ringIDBytes = 16
)

// InitFile makes a local key file with one new version, of mode 0600, and names
// it. A file that is there already is never touched. The file is durable when
// InitFile returns.
func InitFile(path string) (Ref, error) {
	content, ref, err := newFile(time.Now())
	if err != nil {
		return Ref{}, err
	}
	defer clear(content)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if errors.Is(err, os.ErrExist) {
		return Ref{}, fmt.Errorf("keys: %s exists; key files are never overwritten", path)
	}
	if err != nil {
		return Ref{}, fmt.Errorf("creating key file: %w", err)
	}
	if err := writeDurably(f, content); err != nil {
		_ = os.Remove(path) // ours, and nothing in it was used yet
		return Ref{}, fmt.Errorf("writing key file: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return Ref{}, fmt.Errorf("writing key file: %w", err)
	}
	return ref, nil
}

func newFile(now time.Time) ([]byte, Ref, error) {
	m := new(master)
	defer m.wipe()
	id := make([]byte, ringIDBytes)
	_, _ = rand.Read(m[:]) // crypto/rand ends the process rather than fail
	_, _ = rand.Read(id)
	ref := Ref{ID: hex.EncodeToString(id), Version: 1}
	commit, err := commitment(m, ref)
	if err != nil {
		return nil, Ref{}, errors.New("keys: making commitment")
	}
	raw := m[:]
	content, err := json.MarshalIndent(file{
		Format: fileFormat, Ring: ref.ID, Pinned: 1,
		Versions: []fileVersion{{Version: 1, Created: now.UTC().Format(time.RFC3339), Master: &raw, Commitment: commit}},
	}, "", "  ")
	if err != nil {
		return nil, Ref{}, errors.New("keys: writing key file")
	}
	return append(content, '\n'), ref, nil
}

func writeDurably(f *os.File, content []byte) error {
	_, err := f.Write(content)
	if err == nil {
		err = f.Chmod(fileMode) // whatever the umask left
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open reads a local key file under no profile.
func Open(path string) (*Ring, error) { return OpenFile(path, "") }

// OpenFile reads a local key file for use under a profile: "", ProfileFIPS
// (refused unless Go's FIPS 140-3 module is on) or ProfileGM. A file that
// others than its owner may touch is refused, and so is one that is not whole
// and exactly as InitFile writes it, white space aside. A symbolic link is
// followed; what it leads to is checked.
func OpenFile(path, profile string) (*Ring, error) {
	switch profile {
	case "", ProfileGM:
	case ProfileFIPS:
		if !fips140.Enabled() {
			return nil, errors.New("keys: profile fips needs GODEBUG=fips140=on")
		}
	default:
		return nil, errors.New("keys: unknown profile; fips and gm exist")
	}
	content, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	defer clear(content)
	r, err := parseFile(content)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", path, err)
	}
	r.profile = profile
	return &Ring{r}, nil
}

func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening key file: %w", err)
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat() // of what was opened, not of what the name means by now
	if err != nil {
		return nil, fmt.Errorf("opening key file: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("keys: %s is not a regular file", path)
	}
	if p := st.Mode().Perm(); p&0o077 != 0 {
		return nil, fmt.Errorf("keys: %s has mode %04o, so others than its owner may use it; run: chmod 600 %s", path, p, path)
	}
	if uid, known := owner(st); known && !trusted(uid, os.Geteuid()) {
		return nil, fmt.Errorf("keys: %s belongs to user %d, who can change its keys, and not to root or to user %d, who runs this process", path, uid, os.Geteuid())
	}
	content, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err != nil {
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	if len(content) > fileLimit {
		return nil, fmt.Errorf("keys: %s is larger than a key file can be", path)
	}
	return content, nil
}

// trusted: an owner can give itself any mode, so only the process's own user and
// root may be one.
func trusted(owner, process int) bool { return owner == process || owner == 0 }

var errNotWhole = errors.New("not a whole key file of format 1, as weir keys init writes it")

// parseFile gives errors of its own, for those of encoding/json quote what they
// read.
func parseFile(content []byte) (*ring, error) {
	var f file
	if err := json.Unmarshal(content, &f); err != nil {
		return nil, errNotWhole
	}
	defer f.wipe()
	if f.Format != fileFormat {
		return nil, fmt.Errorf("key file format %d; this Weir reads format %d", f.Format, fileFormat)
	}
	if !sameText(content, f) {
		return nil, errNotWhole
	}
	if id, err := hex.DecodeString(f.Ring); err != nil || len(id) != ringIDBytes {
		return nil, errors.New("the ring's id is malformed")
	}
	r := &ring{id: f.Ring, pinned: f.Pinned, masters: make(map[uint32]*master, len(f.Versions))}
	for _, v := range f.Versions {
		if err := r.add(v); err != nil {
			r.wipe()
			return nil, err
		}
	}
	if _, ok := r.masters[r.pinned]; !ok {
		r.wipe()
		return nil, fmt.Errorf("pinned version %d is not among the versions", f.Pinned)
	}
	return r, nil
}

// sameText: written anew, f is what was read. This refuses unknown, repeated
// and misspelt members in one rule.
func sameText(content []byte, f file) bool {
	again, err := json.Marshal(f)
	if err != nil {
		return false
	}
	defer clear(again)
	var compact bytes.Buffer
	compact.Grow(len(content)) // no copies of the masters left behind by growth
	if json.Compact(&compact, content) != nil {
		return false
	}
	defer clear(compact.Bytes())
	return bytes.Equal(again, compact.Bytes())
}

func (r *ring) add(v fileVersion) error {
	if v.Version == 0 {
		return errors.New("version 0 does not exist")
	}
	if _, ok := r.masters[v.Version]; ok {
		return fmt.Errorf("version %d stands twice", v.Version)
	}
	if _, err := time.Parse(time.RFC3339, v.Created); err != nil {
		return fmt.Errorf("version %d: created is no time", v.Version)
	}
	if v.Master == nil || len(*v.Master) != masterSize {
		return fmt.Errorf("version %d: the master is not %d bytes", v.Version, masterSize)
	}
	m := master(*v.Master)
	want, err := commitment(&m, Ref{ID: r.id, Version: v.Version})
	if err != nil || !hmac.Equal(want, v.Commitment) {
		return fmt.Errorf("version %d: the master is not the one that its commitment names", v.Version)
	}
	r.masters[v.Version] = &m
	return nil
}

func (m *master) wipe() { *m = master{} }

func (f *file) wipe() {
	for _, v := range f.Versions {
		if v.Master != nil {
			clear(*v.Master)
		}
	}
}
