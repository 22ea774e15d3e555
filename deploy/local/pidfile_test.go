package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestEndNeverSignalsAForeignProcess(t *testing.T) {
	cmd := stranger(t)
	born, err := identity(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	// The same pid, but born at another time: the number was given away since.
	p := &pidFile{Name: "kafka-1", PID: cmd.Process.Pid, Born: born + "0"}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		how, err := p.end(sig, 200*time.Millisecond)
		if err != nil || how != "gone" {
			t.Errorf("end(%v) = %q, %v; want gone", sig, how, err)
		}
	}
	if now, err := identity(cmd.Process.Pid); err != nil || now != born {
		t.Errorf("the stranger was hit: identity %q, %v; want %q", now, err, born)
	}
}

func TestDownWithStalePidFile(t *testing.T) {
	j := testJob(t)
	s := testServer(t, j, "polite")
	cmd := stranger(t)
	born, err := identity(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	stale := &pidFile{Name: s.name, PID: cmd.Process.Pid, Born: born, Log: "x"}
	if err := stale.write(j.pidPath(s.name)); err != nil {
		t.Fatal(err)
	}
	if st, err := j.statusOf(s); err != nil || st.State != "died" {
		t.Errorf("status = %+v, %v; want died", st, err)
	}
	if err := j.stopServer(s, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(j.pidPath(s.name)); !os.IsNotExist(err) {
		t.Errorf("the stale pid file is still there: %v", err)
	}
}

func TestStalePidFileDoesNotHinderAStart(t *testing.T) {
	j := testJob(t)
	s := testServer(t, j, "polite")
	stale := &pidFile{Name: s.name, PID: os.Getpid(), Born: "another boot/1", Log: "x"}
	if err := stale.write(j.pidPath(s.name)); err != nil {
		t.Fatal(err)
	}
	if err := j.start(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	if p, err := readPidFile(j.pidPath(s.name)); err != nil || p.PID == os.Getpid() || !p.alive() {
		t.Errorf("pid file %+v, %v; want that of a new process", p, err)
	}
}

func TestDamagedPidFileIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"not JSON":      "12345\n",
		"empty":         "",
		"truncated":     `{"name":"redis","pid":12`,
		"no birth":      `{"name":"redis","pid":12345}`,
		"every process": `{"name":"redis","pid":-1,"born":"x"}`,
		"own group":     `{"name":"redis","pid":0,"born":"x"}`,
		"init":          `{"name":"redis","pid":1,"born":"x"}`,
		"huge":          `{"name":"redis","pid":99999999999999999999,"born":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := readPidFile(path)
			if err == nil {
				t.Fatalf("accepted as %+v", p)
			}
			mustContain(t, err.Error(), path)
		})
	}
}

func TestEnd(t *testing.T) {
	for mode, want := range map[string]string{"polite": "stopped", "stubborn": "killed"} {
		t.Run(mode, func(t *testing.T) {
			j := testJob(t)
			s := testServer(t, j, mode)
			if err := j.start(context.Background(), s); err != nil {
				t.Fatal(err)
			}
			if err := j.awaitReady(context.Background(), s); err != nil {
				t.Fatal(err)
			}
			p, err := readPidFile(j.pidPath(s.name))
			if err != nil {
				t.Fatal(err)
			}
			wait := 10 * time.Second
			if mode == "stubborn" {
				wait = 300 * time.Millisecond
			}
			if how, err := p.end(syscall.SIGTERM, wait); err != nil || how != want {
				t.Errorf("end = %q, %v; want %q", how, err, want)
			}
			if p.alive() {
				t.Error("still alive")
			}
		})
	}
}

func TestLinuxIdentity(t *testing.T) {
	if _, err := os.Stat("/proc/sys/kernel/random/boot_id"); err != nil {
		t.Skip("needs Linux's /proc")
	}
	stat := func(comm, state, threads string) string {
		return "42 (" + comm + ") " + state + " 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 " + threads + " 0 777 8 9 10\n"
	}
	for _, tc := range []struct {
		name, in string
		ok       bool
	}{
		{"plain", stat("java", "S", "30"), true},
		{"brackets and spaces in the name", stat("a) Z 1 (b", "S", "1"), true},
		{"zombie", stat("java", "Z", "1"), false},
		{"zombie leader whose threads still run", stat("java", "Z", "2"), true},
		{"dead", stat("java", "X", "1"), false},
		{"truncated", "42 (java) S 1 42", false},
		{"empty", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := linuxIdentity(tc.in)
			if (err == nil) != tc.ok {
				t.Fatalf("%q, %v; want ok %v", got, err, tc.ok)
			}
			if tc.ok && !strings.HasSuffix(got, "/777") {
				t.Errorf("%q does not end with the start time", got)
			}
		})
	}
}
