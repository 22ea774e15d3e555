package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is one process: how it is started, judged ready and stopped. It is
// rendered from Settings without touching the machine, so tests can read it.
type server struct {
	name     string
	argv     []string
	env      []string          // added to ours
	files    map[string]string // absolute path → content, written before the start
	dir      string            // working and data folder
	ports    []namedPort
	user     string // run as this system user when we are root
	stop     syscall.Signal
	stopWait time.Duration                     // before SIGKILL
	prepare  func(context.Context, *job) error // first start: formatting and the like; nil if none
	ready    func(context.Context) error       // one attempt; nil error = ready
	timeout  time.Duration                     // to become ready
}

// failLine finds the line of a log that says why a start failed, in the words of
// Java, PostgreSQL and Redis.
var failLine = regexp.MustCompile(`\b(ERROR|FATAL|PANIC|Exception|Error)\b|FATAL:|Fatal|[a-zA-Z]Exception|[a-zA-Z]Error`)

// fingerprint changes with anything that would need a restart.
func (s *server) fingerprint() string {
	h := sha256.New()
	for _, a := range slices.Concat(s.argv, s.env) {
		fmt.Fprintf(h, "%q\n", a)
	}
	for _, path := range slices.Sorted(maps.Keys(s.files)) {
		fmt.Fprintf(h, "%q %q\n", path, s.files[path])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// job is one run of this program on one data folder.
type job struct {
	dir   string
	cache string
	set   Settings
	out   io.Writer // answers
	log   io.Writer // progress
	noApt bool
	logMu sync.Mutex // guards log: servers start side by side
}

func (j *job) pidPath(name string) string { return filepath.Join(j.dir, "pids", name+".json") }
func (j *job) logPath(name string) string { return filepath.Join(j.dir, "logs", name+".log") }

func (j *job) say(format string, a ...any) {
	j.logMu.Lock()
	defer j.logMu.Unlock()
	fmt.Fprintf(j.log, format+"\n", a...)
}

// checkRunning refuses settings that differ from those that a running server was
// started with: env and status would then tell a story that is not true.
func (j *job) checkRunning() error {
	rendered := map[string]string{}
	for _, s := range j.servers() {
		rendered[s.name] = s.fingerprint()
	}
	pids, err := filepath.Glob(j.pidPath("*"))
	if err != nil {
		return err
	}
	for _, path := range pids {
		p, err := readPidFile(path)
		if err != nil {
			return err
		}
		if p != nil && p.alive() && p.Fingerprint != rendered[p.Name] {
			return fmt.Errorf("%s already runs with other settings (pid %d): run `down %s` first", p.Name, p.PID, p.Name)
		}
	}
	return nil
}

// start brings s up unless it already runs. It returns once the process exists;
// awaitReady waits for it.
func (j *job) start(ctx context.Context, s *server) error {
	old, err := readPidFile(j.pidPath(s.name))
	if err != nil {
		return err
	}
	if old != nil && old.alive() {
		j.say("%s already runs (pid %d)", s.name, old.PID)
		return nil
	}
	if err := freePorts(s.ports, 3*time.Second); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	for path, text := range s.files {
		if err := writeFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	if s.prepare != nil {
		if err := s.prepare(ctx, j); err != nil {
			return fmt.Errorf("preparing %s: %w", s.name, err)
		}
	}
	return j.spawn(s)
}

// spawn starts the process in a session of its own, so that it outlives us and
// our terminal's Ctrl-C does not reach it, and writes its pid file.
func (j *job) spawn(s *server) error {
	logFile, from, err := openLog(j.logPath(s.name))
	if err != nil {
		return err
	}
	defer logFile.Close()
	cmd := exec.Command(s.argv[0], s.argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, logFile, logFile
	cmd.Env = append(os.Environ(), s.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := asUser(cmd.SysProcAttr, s.user); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", s.name, err)
	}
	// Wait reaps the process if it ends while we live; until then it would be a
	// zombie, which alive already takes for ended.
	go cmd.Wait()
	born, err := identity(cmd.Process.Pid)
	if err != nil {
		return &startError{s.name, logFile.Name(), from, "ended at once"}
	}
	p := &pidFile{Name: s.name, PID: cmd.Process.Pid, Born: born, Fingerprint: s.fingerprint(),
		Log: logFile.Name(), LogFrom: from, Started: time.Now().UTC().Truncate(time.Millisecond)}
	if err := p.write(j.pidPath(s.name)); err != nil {
		cmd.Process.Kill()
		return err
	}
	return nil
}

// openLog appends; a log that has grown large is moved aside first.
func openLog(path string) (*os.File, int64, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, 0, err
	}
	if st, err := os.Stat(path); err == nil && st.Size() > 32<<20 {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, 0, err
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

// freePorts refuses a start onto a port that somebody else has: the server would
// fail late, or worse, the readiness check would talk to the stranger. It waits a
// little, for what was just killed may still be letting go.
func freePorts(ports []namedPort, patience time.Duration) error {
	until := time.Now().Add(patience)
	for _, p := range ports {
		l, err := net.Listen("tcp", loopback(p.port))
		for ; err != nil && time.Now().Before(until); l, err = net.Listen("tcp", loopback(p.port)) {
			time.Sleep(50 * time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("port %d of %s is taken (choose others with --base-port or a server's own port flag): %w", p.port, p.name, err)
		}
		l.Close()
	}
	return nil
}

// awaitReady asks until s is ready, has ended, or its time is up.
func (j *job) awaitReady(ctx context.Context, s *server) error {
	p, err := readPidFile(j.pidPath(s.name))
	if err != nil {
		return err
	}
	if p == nil {
		return fmt.Errorf("%s is not running", s.name)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for {
		if !p.alive() {
			return &startError{s.name, p.Log, p.LogFrom, "ended before it was ready"}
		}
		attempt, done := context.WithTimeout(ctx, 5*time.Second)
		last := s.ready(attempt)
		done()
		if last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return &startError{s.name, p.Log, p.LogFrom, fmt.Sprintf("not ready after %s (%v)", s.timeout, last)}
		case <-time.After(150 * time.Millisecond):
		}
	}
}

// startError is a failed start with what the server's own log says about it.
type startError struct {
	name, log string
	from      int64 // where this start begins in log
	what      string
}

func (e *startError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s; its log says:", e.name, e.what)
	lines := failingLines(e.log, e.from, 6)
	if len(lines) == 0 {
		b.WriteString("\n    (nothing)")
	}
	for _, l := range lines {
		fmt.Fprintf(&b, "\n    %s", l)
	}
	fmt.Fprintf(&b, "\n  whole log: %s", e.log)
	return b.String()
}

// failingLines are the last n lines of the log from offset from on that look like
// errors (stack frames aside), or simply the last n when none does. Lines are cut
// at 400 bytes.
func failingLines(path string, from int64, n int) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil
	}
	return pickLines(f, n)
}

func pickLines(from io.Reader, n int) []string {
	var errs, all []string
	r := bufio.NewReaderSize(from, 64<<10)
	for {
		line, _, err := r.ReadLine()
		if err != nil {
			break
		}
		text := string(bytes.TrimRight(line[:min(len(line), 400)], " \r\n"))
		if text == "" {
			continue
		}
		all = keepLast(all, text, n)
		if failLine.MatchString(text) && !strings.HasPrefix(text, "\tat ") {
			errs = keepLast(errs, text, n)
		}
	}
	if len(errs) > 0 {
		return errs
	}
	return all
}

func keepLast(s []string, v string, n int) []string {
	if len(s) == n {
		s = slices.Delete(s, 0, 1)
	}
	return append(s, v)
}

// stopServer ends a server by its pid file; kill skips the polite signal.
func (j *job) stopServer(s *server, kill bool) error {
	path := j.pidPath(s.name)
	p, err := readPidFile(path)
	if err != nil || p == nil {
		return err
	}
	sig := s.stop
	if kill {
		sig = syscall.SIGKILL
	}
	began := time.Now()
	how, err := p.end(sig, s.stopWait)
	if err != nil {
		return err
	}
	j.say("%s %s after %.1f s (pid %d)", s.name, how, time.Since(began).Seconds(), p.PID)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
