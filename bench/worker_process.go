package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one side's program while it runs.
type process struct {
	cmd  *exec.Cmd
	name string
	logs tail
	done chan struct{} // closed when it ended
	perf *exec.Cmd
}

// start starts a program; it is ended by stop.
func start(name, dir, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), name: name, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, &p.logs, &p.logs
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// alive says why a process that ended is a failure.
func (p *process) alive() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended by itself (%s); its last lines:\n%s", p.name, p.cmd.ProcessState, p.logs.String())
	default:
		return nil
	}
}

func (p *process) cpu() (time.Duration, error) { return cpuOf(p.cmd.Process.Pid) }

// stop asks the process to end, and kills it after 30 s.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	if p.perf != nil {
		_ = p.perf.Wait() // it ends with what it watches
	}
}

// record lets perf watch the process. Its samples are of addresses and names
// of functions, never of memory.
func (p *process) record(file string) error {
	p.perf = exec.Command("perf", "record", "-q", "-g", "-F", "997", "-o", file, "-p", strconv.Itoa(p.cmd.Process.Pid))
	return p.perf.Start()
}

// memory reads a line of /proc/<pid>/status in bytes: VmRSS, VmHWM (its peak).
func (p *process) memory(line string) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, line+":"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(v)[0], 64)
			return kib * 1024, err
		}
	}
	return 0, errors.New("/proc tells no " + line)
}

// tail keeps the last output of a process.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 4 << 10

// Write keeps the end of what was written.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b = append(t.b, p...); len(t.b) > tailBytes {
		t.b = bytes.Clone(t.b[len(t.b)-tailBytes:])
	}
	return len(p), nil
}

// String is the end of what was written.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
