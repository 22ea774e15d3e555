//go:build real

// Package real runs the weir binary against the real servers that deploy/local
// starts. It fails where they are not there:
//
//	go run ./deploy/local up kafka registry postgres connect --sasl-ssl
//	eval "$(go run ./deploy/local env)"
//	go test -tags real ./deploy/real/
package real

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/stream/streamtest"
)

// bin holds the two programs under test, built once.
var bin = struct{ weir, local string }{}

func TestMain(m *testing.M) {
	for _, v := range []string{"WEIR_KAFKA", "WEIR_KAFKA_SASL_SSL", "WEIR_REGISTRY", "WEIR_POSTGRES", "WEIR_CONNECT"} {
		if os.Getenv(v) == "" {
			fmt.Fprintf(os.Stderr, "%s is not set: start the servers with `go run ./deploy/local up kafka registry postgres connect --sasl-ssl`\n", v)
			os.Exit(1)
		}
	}
	dir, err := os.MkdirTemp("", "weir-real-")
	if err != nil {
		panic(err)
	}
	bin.weir, bin.local = filepath.Join(dir, "weir"), filepath.Join(dir, "local")
	for out, pkg := range map[string]string{bin.weir: "weir/cmd/weir", bin.local: "weir/deploy/local"} {
		if b, err := exec.Command("go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building %s: %s\n", pkg, b)
			os.Exit(1)
		}
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// sql runs statements at the real PostgreSQL.
func sql(t *testing.T, statements ...string) string {
	t.Helper()
	args := []string{"-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", os.Getenv("WEIR_POSTGRES")}
	for _, s := range statements {
		args = append(args, "-c", s)
	}
	out, err := exec.Command("psql", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// local runs deploy/local against the stack that the environment names.
func local(t *testing.T, args ...string) string {
	t.Helper()
	args = append(args, "--dir", os.Getenv("WEIR_LOCAL_DIR"))
	out, err := exec.Command(bin.local, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("local %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// weir runs a command of the binary and expects an exit code.
func weir(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(bin.weir, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Fatalf("weir %s: exit %d, want %d (%v)\n%s%s", strings.Join(args, " "), code, want, err, out.String(), errs.String())
	}
	return out.String()
}

// process is a running `weir run`.
type process struct {
	cmd  *exec.Cmd
	logs *logBuffer
	done chan error
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func startWeir(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{logs: &logBuffer{}, done: make(chan error, 1)}
	p.cmd = exec.Command(bin.weir, append([]string{"run"}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = p.logs, p.logs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("weir's log:\n%s", p.logs.String())
		}
	})
	return p
}

// stop sends SIGTERM and expects a clean end.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.done:
		if err != nil {
			t.Errorf("after SIGTERM: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("weir run did not end within 30 s of SIGTERM")
	}
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

func dial(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(strings.Split(os.Getenv("WEIR_KAFKA"), ",")...)}, opts...)...)
}

// records reads all committed records of topics that begin with prefix.
func records(t *testing.T, prefix string) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		recs, err := streamtest.ReadAll(ctx, dial, func(topic string) bool { return strings.HasPrefix(topic, prefix) })
		if err == nil {
			return recs
		}
		if ctx.Err() != nil {
			t.Fatalf("%v\n%s", err, openTransactions())
		}
		time.Sleep(200 * time.Millisecond) // a topic just made has no leader yet
	}
}

// openTransactions says what the coordinators know, for a failure's message.
func openTransactions() string {
	cl, err := dial()
	if err != nil {
		return ""
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	adm := kadm.NewClient(cl)
	listed, err := adm.ListTransactions(ctx, nil, nil)
	if err != nil {
		return err.Error()
	}
	described, _ := adm.DescribeTransactions(ctx, listed.TransactionalIDs()...)
	var b strings.Builder
	for _, d := range described.Sorted() {
		if !strings.HasPrefix(d.State, "Complete") && d.State != "Empty" {
			fmt.Fprintf(&b, "%s: %s since %s, producer %d epoch %d, %v\n", d.TxnID, d.State,
				time.UnixMilli(d.StartTimestamp).UTC().Format(time.TimeOnly), d.ProducerID, d.ProducerEpoch, d.Topics)
		}
	}
	return b.String()
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(90 * time.Second)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("waited for %s in vain", what)
		}
		time.Sleep(300 * time.Millisecond)
	}
}

func decodeJSON(t *testing.T, b []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		t.Fatalf("not JSON: %v", err)
	}
}
