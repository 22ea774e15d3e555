package registry

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"weir/schemas"
)

const (
	customers = `{"type":"record","name":"Customers","fields":[{"name":"id","type":"long"}]}`
	canary    = "CANARY-13800138000"
)

// compiler stands in for the codecs: it keeps what it was given.
type compiler struct {
	calls atomic.Int64
	err   error
	refs  map[string]string
}

func (c *compiler) compile(f schemas.Format, text string, refs map[string]string) (*schemas.Schema, error) {
	c.calls.Add(1)
	c.refs = refs
	if c.err != nil {
		return nil, c.err
	}
	return &schemas.Schema{Format: f, Text: text}, nil
}

// hits counts requests by path.
type hits struct {
	mu sync.Mutex
	n  map[string]int
}

func (h *hits) count(_ http.ResponseWriter, r *http.Request) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == nil {
		h.n = map[string]int{}
	}
	h.n[r.Method+" "+r.URL.Path]++
	return false
}

func (h *hits) of(path string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n[path]
}

func fake(t *testing.T, opts ...srfake.Option) (*srfake.Registry, *hits) {
	t.Helper()
	r := srfake.New(opts...)
	t.Cleanup(r.Close)
	h := &hits{}
	r.Intercept(h.count)
	return r, h
}

func client(t *testing.T, url string, change ...func(*Config)) (*Client, *compiler) {
	t.Helper()
	comp := &compiler{}
	cfg := Config{URL: url, Compile: comp.compile}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, comp
}

func TestSchemaIsFetchedOnce(t *testing.T) {
	r, h := fake(t)
	id, _, err := r.RegisterSchema("a-value", sr.Schema{Schema: customers})
	if err != nil {
		t.Fatal(err)
	}
	c, comp := client(t, r.URL())
	var wg sync.WaitGroup
	got := make([]*schemas.Schema, 16)
	for i := range got {
		wg.Go(func() {
			s, err := c.Schema(t.Context(), id, schemas.FormatAvro)
			if err != nil {
				t.Error(err)
			}
			got[i] = s
		})
	}
	wg.Wait()
	for _, s := range got {
		if s == nil || s != got[0] || s.ID != id || s.Text != customers {
			t.Fatalf("got %+v, want one schema %d with its text", s, id)
		}
	}
	if n := h.of(fmt.Sprintf("GET /schemas/ids/%d", id)); n != 1 || comp.calls.Load() != 1 {
		t.Errorf("%d requests and %d compilations, want one of each", n, comp.calls.Load())
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Schema(t.Context(), id, schemas.FormatAvro) }); n != 0 {
		t.Errorf("%v allocations a hit, want 0", n)
	}
}

func TestReferencesAreResolved(t *testing.T) {
	r, _ := fake(t)
	must := func(subject, text string, refs ...sr.SchemaReference) int {
		id, _, err := r.RegisterSchema(subject, sr.Schema{Schema: text, References: refs})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	zip := `{"type":"record","name":"Zip","fields":[{"name":"code","type":"string"}]}`
	city := `{"type":"record","name":"City","fields":[{"name":"zip","type":"Zip"}]}`
	top := `{"type":"record","name":"Top","fields":[{"name":"city","type":"City"},{"name":"zip","type":"Zip"}]}`
	must("zip", zip)
	must("city", city, sr.SchemaReference{Name: "Zip", Subject: "zip", Version: 1})
	id := must("top", top, sr.SchemaReference{Name: "City", Subject: "city", Version: 1}, sr.SchemaReference{Name: "Zip", Subject: "zip", Version: 1})
	c, comp := client(t, r.URL())
	if _, err := c.Schema(t.Context(), id, schemas.FormatAvro); err != nil {
		t.Fatal(err)
	}
	if len(comp.refs) != 2 || comp.refs["Zip"] != zip || comp.refs["City"] != city {
		t.Errorf("got references %v, want Zip and City with their texts", comp.refs)
	}
}

func TestUnknownIDIsPoisonForASecond(t *testing.T) {
	r, h := fake(t)
	c, _ := client(t, r.URL())
	for range 5 {
		_, err := c.Schema(t.Context(), 41, schemas.FormatAvro)
		if codeOf(err) != schemas.CodeSchemaID || errors.Is(err, ErrUnavailable) {
			t.Fatalf("got %v, want code %s", err, schemas.CodeSchemaID)
		}
	}
	if n := h.of("GET /schemas/ids/41"); n != 1 {
		t.Errorf("%d requests, want 1: the answer holds for a moment", n)
	}
	c.mu.Lock()
	if left := time.Until(c.refused[ident{id: 41, format: schemas.FormatAvro}].until); left > time.Second {
		t.Errorf("the refusal holds for %v, want at most 1 s", left)
	}
	clear(c.refused) // as if the second had passed
	c.mu.Unlock()
	r.SeedSchema("late-value", 1, 41, sr.Schema{Schema: customers})
	if _, err := c.Schema(t.Context(), 41, schemas.FormatAvro); err != nil {
		t.Errorf("registered meanwhile: %v", err)
	}
}

// TestUnavailable: nothing of what goes wrong with the registry is taken for
// poison, and nothing that it says enters the error.
func TestUnavailable(t *testing.T) {
	answer := func(status int, body string) srfake.Interceptor {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasPrefix(r.URL.Path, "/schemas/ids/") {
				return false
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
			return true
		}
	}
	huge := func(w http.ResponseWriter, r *http.Request) bool {
		line := bytes.Repeat([]byte(canary), 1<<10)
		_, _ = w.Write([]byte(`{"schema":"`))
		for range 2 * maxAnswer / len(line) {
			if _, err := w.Write(line); err != nil {
				break
			}
		}
		_, _ = w.Write([]byte(`"}`))
		return true
	}
	bomb := func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write([]byte(`{"schema":"` + strings.Repeat("a", 64<<20) + `"}`))
		_ = z.Close()
		return true
	}
	redirect := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/elsewhere" {
			t.Error("the redirect was followed")
			return false
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
		return true
	}
	for _, tc := range []struct {
		name string
		with srfake.Interceptor
		want string
	}{
		{"500", answer(500, `{"error_code":50001,"message":"`+canary+`"}`), "http status 500"},
		{"503", answer(503, canary), "http status 503"},
		{"429", answer(429, canary), "http status 429"},
		{"401", answer(401, canary), "http status 401"},
		{"403", answer(403, canary), "http status 403"},
		{"404 of a proxy", answer(404, "<html>"+canary), "http status 404"},
		{"404 of another kind", answer(404, `{"error_code":40401,"message":"`+canary+`"}`), "http status 404"},
		{"not JSON", answer(200, canary), "no usable answer"},
		{"huge", huge, "larger than 4 MiB"},
		{"gzip bomb", bomb, "larger than 4 MiB"},
		{"redirect", redirect, "http status 302"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, _ := fake(t)
			r.Intercept(tc.with)
			c, _ := client(t, r.URL())
			_, err := c.Schema(t.Context(), 1, schemas.FormatAvro)
			if !errors.Is(err, ErrUnavailable) || codeOf(err) != "" {
				t.Fatalf("got %v, want ErrUnavailable and no code", err)
			}
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), canary) {
				t.Errorf("got %q, want %q and nothing of the answer", err, tc.want)
			}
		})
	}
}

func TestDownAndSlow(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	c, _ := client(t, "http://"+addr)
	if _, err := c.Schema(t.Context(), 1, schemas.FormatAvro); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("down: got %v, want ErrUnavailable, refused", err)
	}

	r, _ := fake(t)
	release := make(chan struct{})
	r.Intercept(func(http.ResponseWriter, *http.Request) bool { <-release; return false })
	defer close(release)
	slow, _ := client(t, r.URL(), func(c *Config) { c.Timeout = 30 * time.Millisecond })
	if _, err := slow.Schema(t.Context(), 1, schemas.FormatAvro); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("slow: got %v, want ErrUnavailable, timeout", err)
	}
}

// TestCachedWhileDown: what is known keeps working without the registry.
func TestCachedWhileDown(t *testing.T) {
	r := srfake.New()
	id, _, _ := r.RegisterSchema("a-value", sr.Schema{Schema: customers})
	c, _ := client(t, r.URL())
	if _, err := c.Schema(t.Context(), id, schemas.FormatAvro); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := c.Schema(t.Context(), id, schemas.FormatAvro); err != nil {
		t.Errorf("cached id with the registry down: %v", err)
	}
	if _, err := c.Schema(t.Context(), id+1, schemas.FormatAvro); !errors.Is(err, ErrUnavailable) {
		t.Errorf("unknown id with the registry down: got %v, want ErrUnavailable", err)
	}
}

// TestCancelledLeader: one caller's end is not the others' failure.
func TestCancelledLeader(t *testing.T) {
	r, _ := fake(t)
	id, _, _ := r.RegisterSchema("a-value", sr.Schema{Schema: customers})
	first := make(chan struct{})
	var once sync.Once
	r.Intercept(func(_ http.ResponseWriter, req *http.Request) bool {
		once.Do(func() { close(first); <-req.Context().Done() })
		return false
	})
	c, _ := client(t, r.URL())
	ctx, cancel := context.WithCancel(t.Context())
	led := make(chan error, 1)
	go func() { _, err := c.Schema(ctx, id, schemas.FormatAvro); led <- err }()
	<-first
	followed := make(chan error, 1)
	go func() { _, err := c.Schema(t.Context(), id, schemas.FormatAvro); followed <- err }()
	cancel()
	if err := <-led; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled caller: got %v", err)
	}
	if err := <-followed; err != nil {
		t.Errorf("the other caller: %v", err)
	}
}

func TestChangedTextIsRefused(t *testing.T) {
	r, _ := fake(t)
	id, _, _ := r.RegisterSchema("a-value", sr.Schema{Schema: customers})
	c, comp := client(t, r.URL())
	if _, err := c.Schema(t.Context(), id, schemas.FormatAvro); err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(t.Context(), id, schemas.FormatAvro); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
	r.Reset()
	r.SeedSchema("a-value", 1, id, sr.Schema{Schema: strings.Replace(customers, "long", "string", 1)})
	if err := c.Verify(t.Context(), id, schemas.FormatAvro); !errors.Is(err, ErrChanged) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("changed: got %v, want ErrChanged", err)
	}
	empty := map[ident]*schemas.Schema{}
	c.cache.Store(&empty) // as after a full cache
	if _, err := c.Schema(t.Context(), id, schemas.FormatAvro); !errors.Is(err, ErrChanged) {
		t.Errorf("fetched anew: got %v, want ErrChanged", err)
	}
	if comp.calls.Load() != 1 {
		t.Error("the changed text was compiled")
	}
}

func TestBadSchemas(t *testing.T) {
	r, _ := fake(t)
	id, _, _ := r.RegisterSchema("a-value", sr.Schema{Schema: customers})
	c, comp := client(t, r.URL())
	if _, err := c.Schema(t.Context(), id, schemas.FormatJSON); codeOf(err) != schemas.CodeSchema {
		t.Errorf("an Avro schema asked for as JSON: got %v", err)
	}
	comp.err = schemas.Fail(schemas.CodeTooDeep, "")
	if _, err := c.Schema(t.Context(), id, schemas.FormatAvro); codeOf(err) != schemas.CodeTooDeep {
		t.Errorf("the codec's own code: got %v", err)
	}
	clear(c.refused)
	comp.err = errors.New(canary)
	if _, err := c.Schema(t.Context(), id, schemas.FormatAvro); codeOf(err) != schemas.CodeSchema || strings.Contains(err.Error(), canary) {
		t.Errorf("a foreign error: got %v", err)
	}
}

func TestGUID(t *testing.T) {
	r, _ := fake(t)
	if _, _, err := r.RegisterSchema("a-value", sr.Schema{Schema: customers}); err != nil {
		t.Fatal(err)
	}
	c, _ := client(t, r.URL())
	g, err := c.LookupGUID(t.Context(), "a-value", customers, schemas.FormatAvro, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.GUID(t.Context(), g, schemas.FormatAvro); err != nil || s.Text != customers {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := c.GUID(t.Context(), [16]byte{1}, schemas.FormatAvro); codeOf(err) != schemas.CodeSchemaID {
		t.Errorf("unknown GUID: got %v", err)
	}
	r.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if strings.HasPrefix(req.URL.Path, "/schemas/guids/") {
			http.NotFound(w, req)
			return true
		}
		return false
	})
	if _, err := c.GUID(t.Context(), [16]byte{2}, schemas.FormatAvro); codeOf(err) != schemas.CodeUnsupported {
		t.Errorf("a registry without GUIDs: got %v", err)
	}
}

func TestAuth(t *testing.T) {
	r, _ := fake(t, srfake.WithAuth("Bearer s3cret"))
	c, _ := client(t, r.URL())
	if err := c.Ping(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a token: got %v", err)
	}
	c, _ = client(t, r.URL(), func(c *Config) { c.Token = "s3cret" })
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("with the token: %v", err)
	}
	r, _ = fake(t, srfake.WithAuth("Basic dTpw"))
	c, _ = client(t, r.URL(), func(c *Config) { c.User, c.Password = "u", "p" })
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("with user and password: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, cfg := range []Config{
		{}, {URL: "localhost:8081"}, {URL: "ftp://h"}, {URL: "http://"}, {URL: "http://u:p@h"},
		{URL: "http://h", User: "u", Token: "t"},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
