package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFailingStartShowsItsLogLine(t *testing.T) {
	j := testJob(t)
	s := testServer(t, j, "failing")
	// An earlier run's error must not be blamed on this one.
	if err := writeFile(j.logPath(s.name), []byte("ERROR of yesterday\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := j.start(context.Background(), s)
	if err == nil {
		err = j.awaitReady(context.Background(), s)
	}
	if err == nil {
		t.Fatal("a process that ended was reported as ready")
	}
	mustContain(t, err.Error(), "redis", "ERROR the disk is made of cheese", j.logPath(s.name))
	for _, not := range []string{"yesterday", "Cheese.java", "INFO"} {
		if strings.Contains(err.Error(), not) {
			t.Errorf("%q does not belong into:\n%v", not, err)
		}
	}
}

func TestNotReadyInTime(t *testing.T) {
	j := testJob(t)
	s := testServer(t, j, "polite")
	s.timeout = 300 * time.Millisecond
	s.ready = func(context.Context) error { return errors.New("the door is shut") }
	if err := j.start(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	err := j.awaitReady(context.Background(), s)
	if err == nil {
		t.Fatal("reported as ready")
	}
	mustContain(t, err.Error(), "not ready after 300ms", "the door is shut", j.logPath(s.name))
}

func TestReadyNeedsAStartedServer(t *testing.T) {
	j := testJob(t)
	s := testServer(t, j, "polite")
	if err := j.awaitReady(context.Background(), s); err == nil || !strings.Contains(err.Error(), "not running") {
		t.Errorf("%v; want: not running", err)
	}
}

func TestUpIsIdempotent(t *testing.T) {
	j := testJob(t)
	s := testServer(t, j, "polite")
	if err := j.bringUp(context.Background(), []*server{s}); err != nil {
		t.Fatal(err)
	}
	first, err := readPidFile(j.pidPath(s.name))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.bringUp(context.Background(), []*server{s}); err != nil {
		t.Fatal(err)
	}
	second, err := readPidFile(j.pidPath(s.name))
	if err != nil {
		t.Fatal(err)
	}
	if first.PID != second.PID {
		t.Errorf("a second process was started: %d, then %d", first.PID, second.PID)
	}
	mustContain(t, j.log.(*lockedBuffer).String(), "redis already runs")
}

func TestOtherSettingsForARunningServerAreRefused(t *testing.T) {
	j := testJob(t)
	s := testServer(t, j, "polite")
	if err := j.start(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	// The helper was not started as redis would be, so that it differs is certain.
	err := j.checkRunning()
	if err == nil {
		t.Fatal("accepted")
	}
	mustContain(t, err.Error(), "redis", "other settings", "down redis")

	p, err := readPidFile(j.pidPath("redis"))
	if err != nil {
		t.Fatal(err)
	}
	p.Fingerprint = j.redisServer().fingerprint()
	if err := p.write(j.pidPath("redis")); err != nil {
		t.Fatal(err)
	}
	if err := j.checkRunning(); err != nil {
		t.Errorf("the same settings: %v", err)
	}
}

func TestTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	err = freePorts([]namedPort{{"registry", port}}, 0)
	if err == nil {
		t.Fatal("a taken port was accepted")
	}
	mustContain(t, err.Error(), "registry", "--base-port")
	l.Close()
	if err := freePorts([]namedPort{{"registry", port}}, time.Second); err != nil {
		t.Errorf("a free port: %v", err)
	}
}

func TestConnectNeedsKafka(t *testing.T) {
	j := testJob(t)
	err := j.bringUp(context.Background(), []*server{j.connectServer()})
	if err == nil || !strings.Contains(err.Error(), "connect needs kafka") {
		t.Errorf("%v", err)
	}
}

func TestFailingLines(t *testing.T) {
	for _, tc := range []struct {
		name, log, want string
	}{
		{"java", "INFO a\nERROR b\n\tat c.Error(X)\nCaused by: java.io.IOException: d\n", "ERROR b|Caused by: java.io.IOException: d"},
		{"postgres", "LOG:  x\n2026 FATAL:  lock file exists\nHINT: y\n", "2026 FATAL:  lock file exists"},
		{"redis", "# Warning\n# Fatal error, can't open config file\n", "# Fatal error, can't open config file"},
		{"nothing recognised", "a\nb\n\nc\n", "b|c"},
		{"only the last", "ERROR 1\nERROR 2\nERROR 3\n", "ERROR 2|ERROR 3"},
		{"one huge line", "ERROR " + strings.Repeat("x", 1<<20), "ERROR " + strings.Repeat("x", 394)},
		{"empty", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, []byte(tc.log), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(failingLines(path, 0, 2), "|"); !strings.HasPrefix(got, tc.want) || len(got) > 2*420 {
				t.Errorf("%.200q; want %.200q", got, tc.want)
			}
		})
	}
}
