package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The role (a super user, as initdb makes it) and the database of the local
// PostgreSQL.
const (
	pgUser     = "weir"
	pgDatabase = "shop"
	pgSystem   = "postgres" // Debian's system user
)

// postgresHome is the data folder. Root's own folders are closed to the system
// user that PostgreSQL must run as; then the data stands under /var/tmp, in a
// folder named after ours.
func (j *job) postgresHome() string {
	if os.Geteuid() != 0 || openToAll(j.dir) {
		return filepath.Join(j.dir, "postgres")
	}
	sum := sha256.Sum256([]byte(j.dir))
	return filepath.Join("/var/tmp", "weir-local-"+hex.EncodeToString(sum[:6]), "postgres")
}

// openToAll reports whether every user may pass through dir and its parents;
// parts that do not exist yet will be made so.
func openToAll(dir string) bool {
	for {
		if st, err := os.Stat(dir); err == nil && st.Mode()&1 == 0 {
			return false
		}
		up := filepath.Dir(dir)
		if up == dir {
			return true
		}
		dir = up
	}
}

// postgresBin finds initdb and postgres: Debian keeps them out of PATH.
func postgresBin() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	best, bestVersion := "", -1
	for _, f := range found {
		v, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(f))))
		if err == nil && v > bestVersion {
			best, bestVersion = filepath.Dir(f), v
		}
	}
	if best != "" {
		return best, nil
	}
	if f, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(f), nil
	}
	return "", errors.New("PostgreSQL is not installed")
}

func (j *job) postgresServer() *server {
	bin, _ := postgresBin() // install has seen it, or start fails on the bare name
	home := j.postgresHome()
	data := filepath.Join(home, "data")
	return &server{
		name: "postgres",
		argv: []string{filepath.Join(bin, "postgres"), "-D", data,
			"-c", "listen_addresses=127.0.0.1",
			"-c", "port=" + strconv.Itoa(j.set.Ports.Postgres),
			"-c", "unix_socket_directories=",
			"-c", "wal_level=logical",
			"-c", "max_wal_senders=16",
			"-c", "max_replication_slots=16",
			"-c", "shared_buffers=64MB"},
		dir:   home,
		ports: []namedPort{{"postgres", j.set.Ports.Postgres}},
		user:  pgSystem,
		// A smart shutdown (SIGTERM) would wait for Debezium's connection for ever.
		stop:     syscall.SIGINT,
		stopWait: 20 * time.Second,
		timeout:  60 * time.Second,
		prepare:  func(ctx context.Context, j *job) error { return j.initPostgres(ctx, bin, home, data) },
		ready:    func(ctx context.Context) error { return postgresReady(ctx, loopback(j.set.Ports.Postgres)) },
	}
}

// initPostgres makes the cluster and the database beside the final place and moves
// them there when both are whole.
func (j *job) initPostgres(ctx context.Context, bin, home, data string) error {
	if _, err := os.Stat(data); err == nil {
		return nil
	}
	pass, err := j.secret("postgres")
	if err != nil {
		return err
	}
	pwFile := filepath.Join(home, "password")
	if err := writeFile(pwFile, []byte(pass+"\n"), 0o600); err != nil {
		return err
	}
	defer os.Remove(pwFile)
	if err := giveTo(pgSystem, home, pwFile); err != nil {
		return err
	}
	fresh := data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	initdb := []string{filepath.Join(bin, "initdb"), "-D", fresh, "-U", pgUser, "-E", "UTF8", "--locale=C.UTF-8",
		"--auth=scram-sha-256", "--pwfile=" + pwFile, "--no-sync"}
	if err := runAs(ctx, pgSystem, home, "", initdb); err != nil {
		return err
	}
	single := []string{filepath.Join(bin, "postgres"), "--single", "-D", fresh, "postgres"}
	if err := runAs(ctx, pgSystem, home, "CREATE DATABASE "+pgDatabase+"\n", single); err != nil {
		return err
	}
	return os.Rename(fresh, data)
}

func runAs(ctx context.Context, user, dir, stdin string, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if err := asUser(cmd.SysProcAttr, user); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(argv[0]), err, bytes.TrimSpace(out))
	}
	return nil
}

// postgresReady begins a connection: a server that asks for the password is ready,
// one that is still starting answers with an error (PostgreSQL's protocol 3.0,
// StartupMessage).
func postgresReady(ctx context.Context, addr string) error {
	c, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	body := append(binary.BigEndian.AppendUint32(nil, 196608), "user\x00"+pgUser+"\x00database\x00"+pgDatabase+"\x00\x00"...)
	msg := append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
	if _, err := c.Write(msg); err != nil {
		return err
	}
	var kind [1]byte
	if _, err := io.ReadFull(c, kind[:]); err != nil {
		return err
	}
	if kind[0] != 'R' {
		return errors.New("it does not accept connections yet")
	}
	return nil
}

// dial connects with the context's deadline on the whole conversation.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if t, ok := ctx.Deadline(); ok {
		c.SetDeadline(t)
	}
	return c, nil
}

func (j *job) postgresURL() (string, error) {
	pass, err := j.secret("postgres")
	return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", pgUser, pass, loopback(j.set.Ports.Postgres), pgDatabase), err
}
