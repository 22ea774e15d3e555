package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// helperMode makes the test binary play a server: a real process with a real pid,
// on a machine that has neither Java nor a shell.
const helperMode = "WEIR_LOCAL_TEST_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helperMode) {
	case "":
		os.Exit(m.Run())
	case "polite": // ends on SIGTERM
		helperServe(func(<-chan os.Signal) {})
	case "stubborn": // does not
		helperServe(func(c <-chan os.Signal) {
			for range c {
			}
		})
	case "failing":
		fmt.Println("10:00:00 INFO starting")
		fmt.Println("10:00:01 ERROR the disk is made of cheese")
		fmt.Println("\tat weir.Cheese(Cheese.java:1) Exception")
		fmt.Println("10:00:02 INFO bye")
		os.Exit(3)
	}
}

// helperServe says that it is up, waits for SIGTERM (at most a minute, so that a
// failed test leaves nothing behind), then does what after says.
func helperServe(after func(<-chan os.Signal)) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	fmt.Println("up")
	go func() { time.Sleep(time.Minute); os.Exit(0) }()
	<-c
	after(c)
	os.Exit(0)
}

// testServer is the test binary as a server of the given mode; it is ready as soon
// as it has written to its log.
func testServer(t *testing.T, j *job, mode string) *server {
	t.Helper()
	s := &server{
		name: "redis", argv: []string{os.Args[0], "-test.run=^$"}, env: []string{helperMode + "=" + mode},
		dir: filepath.Join(j.dir, "redis"), stop: syscall.SIGTERM, stopWait: 10 * time.Second, timeout: 10 * time.Second,
	}
	s.ready = func(context.Context) error {
		if b, _ := os.ReadFile(j.logPath(s.name)); !bytes.Contains(b, []byte("up\n")) {
			return errors.New("it has not said up")
		}
		return nil
	}
	t.Cleanup(func() {
		if err := j.stopServer(s, true); err != nil {
			t.Error(err)
		}
	})
	return s
}

// lockedBuffer is a writer that several goroutines may use.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func testJob(t *testing.T) *job {
	t.Helper()
	dir := t.TempDir()
	return &job{dir: filepath.Join(dir, "run"), cache: filepath.Join(dir, "cache"), set: defaultSettings(),
		out: &lockedBuffer{}, log: &lockedBuffer{}, noApt: true}
}

// stranger is a process that no pid file of ours may reach.
func stranger(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), helperMode+"=polite")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

func mustContain(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("missing %q in:\n%s", w, text)
		}
	}
}
