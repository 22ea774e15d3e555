package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pidFile says which process is a server. A pid alone names a process only until
// it ends; the kernel then gives the number away. Born tells the two apart.
type pidFile struct {
	Name        string    `json:"name"`
	PID         int       `json:"pid"`
	Born        string    `json:"born"`        // identity(PID) at the start
	Fingerprint string    `json:"fingerprint"` // of the server's configuration
	Log         string    `json:"log"`
	LogFrom     int64     `json:"log_from"` // where this run begins in Log, bytes
	Started     time.Time `json:"started"`
}

// readPidFile returns nil without an error when there is none.
func readPidFile(path string) (*pidFile, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := &pidFile{}
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("pid file %s is damaged (end the process by hand, then remove the file): %w", path, err)
	}
	// kill(2) gives 0, 1 and negative numbers a meaning that is never ours.
	if p.PID <= 1 || p.Born == "" {
		return nil, fmt.Errorf("pid file %s is damaged: pid %d (end the process by hand, then remove the file)", path, p.PID)
	}
	return p, nil
}

func (p *pidFile) write(path string) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(b, '\n'), 0o600)
}

// alive reports whether the very process that was started still runs.
func (p *pidFile) alive() bool {
	born, err := identity(p.PID)
	return err == nil && born == p.Born
}

// end sends sig and, when the process is still there after wait, SIGKILL. It
// reports how the process ended: "gone" (it was not ours to end or had ended),
// "stopped" or "killed".
func (p *pidFile) end(sig syscall.Signal, wait time.Duration) (string, error) {
	// The handle is taken first and the identity checked second: on Linux the
	// handle is a pidfd, so what was checked is what gets the signal.
	h, err := os.FindProcess(p.PID)
	if err != nil || !p.alive() {
		return "gone", nil
	}
	defer h.Release()
	if err := h.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return "", fmt.Errorf("signalling %s (pid %d): %w", p.Name, p.PID, err)
	}
	if sig != syscall.SIGKILL && p.waitGone(wait) {
		return "stopped", nil
	}
	if err := h.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return "", fmt.Errorf("killing %s (pid %d): %w", p.Name, p.PID, err)
	}
	if !p.waitGone(10 * time.Second) {
		return "", fmt.Errorf("%s (pid %d) is still there after SIGKILL", p.Name, p.PID)
	}
	return "killed", nil
}

func (p *pidFile) waitGone(wait time.Duration) bool {
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		if !p.alive() {
			return true
		}
	}
	return !p.alive()
}

// identity is a text that no other process, past or future, shares with pid: the
// boot and the start time in clock ticks. A zombie has ended and has none.
func identity(pid int) (string, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err == nil {
		return linuxIdentity(string(b))
	}
	if _, self := os.Stat("/proc/self/stat"); self == nil {
		return "", err
	}
	out, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output()
	f := strings.Fields(string(out))
	if err != nil || len(f) < 2 || strings.HasPrefix(f[0], "Z") {
		return "", fmt.Errorf("no process %d", pid)
	}
	return strings.Join(f[1:], " "), nil
}

// linuxIdentity reads proc(5)'s stat line: the name in brackets may itself hold
// spaces and brackets, so fields are counted after the last one. Field 3 is the
// state, field 20 the number of threads, field 22 the start time.
func linuxIdentity(stat string) (string, error) {
	_, rest, ok := cutLast(stat, ")")
	f := strings.Fields(rest)
	if !ok || len(f) < 20 {
		return "", errors.New("unexpected form of /proc/PID/stat")
	}
	// A leader that is a zombie with threads left still holds its ports and files.
	if f[0] == "X" || f[0] == "Z" && (f[17] == "0" || f[17] == "1") {
		return "", errors.New("the process has ended")
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(boot)) + "/" + f[19], nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// residentMB is the process's resident memory in MiB, 0 where it cannot be told.
func residentMB(pid int) int {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(f[1])
	return pages * os.Getpagesize() >> 20
}

// writeFile replaces path at once, so that a reader never sees half of it.
func writeFile(path string, b []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, b, mode); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
