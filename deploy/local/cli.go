package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const usage = `Real servers for tests and development, without containers.

  local up SERVER... [flags]     install what is missing, start, wait until ready
  local ready [SERVER...]        wait until the started servers are ready
  local down [SERVER...]         stop (all); --kill ends at once, as kill -9 does
  local status [--json]          what runs: pid, ports, memory, log
  local env                      shell export lines for what runs
  local clean                    stop all and delete the data folder
  local install [SERVER...]      only install (all, and kcat)
  local connector NAME [flags]   create or change a Debezium connector, wait for RUNNING
  local readback [flags]         decode topics with Connect's own converters

SERVER: kafka (or one node: kafka-2), registry, postgres, connect, redis.
Flags may stand before or after names; "local COMMAND -h" lists them.
Exit: 0 done, 1 it failed, 2 wrong usage.
`

// errUsage marks what the caller typed wrong: exit 2.
var errUsage = errors.New("wrong usage")

func usagef(format string, a ...any) error {
	return fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, a...))
}

// run is the program; it returns the exit code of contract 31.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
		fmt.Fprint(stdout, usage)
		return 0
	}
	err := command(ctx, args[0], args[1:], stdout, stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintln(stderr, "local:", err)
		return 2
	default:
		fmt.Fprintln(stderr, "local:", err)
		return 1
	}
}

func command(ctx context.Context, name string, args []string, stdout, stderr io.Writer) error {
	commands := map[string]func(context.Context, *invocation) error{
		"up": cmdUp, "ready": cmdReady, "down": cmdDown, "status": cmdStatus, "env": cmdEnv,
		"clean": cmdClean, "install": cmdInstall, "connector": cmdConnector, "readback": cmdReadback,
	}
	do, ok := commands[name]
	if !ok {
		return usagef("unknown command %q; see local --help", name)
	}
	in, err := parse(name, args, stdout, stderr)
	if err != nil {
		return err
	}
	return do(ctx, in)
}

// invocation is a parsed command line.
type invocation struct {
	*job
	names    []string
	json     bool
	kill     bool
	settings settingFlags
	flags    *flag.FlagSet
	conn     connectorOptions
	read     readbackOptions
}

func parse(name string, args []string, stdout, stderr io.Writer) (*invocation, error) {
	in := &invocation{job: &job{out: stdout, log: stderr}, flags: flag.NewFlagSet("local "+name, flag.ContinueOnError)}
	fl := in.flags
	fl.SetOutput(stderr)
	base, err := os.UserCacheDir()
	if err != nil {
		base = filepath.Join(os.TempDir(), "weir-cache")
	}
	fl.StringVar(&in.dir, "dir", filepath.Join(base, "weir-local", "run"), "data folder")
	fl.StringVar(&in.cache, "cache", filepath.Join(base, "weir-local", "cache"), "installation cache, shared by all data folders")
	fl.BoolVar(&in.noApt, "no-apt", false, "never call apt-get; say what is missing")
	switch name {
	case "up":
		in.settings.register(fl)
	case "status":
		fl.BoolVar(&in.json, "json", false, "print JSON")
	case "down":
		fl.BoolVar(&in.kill, "kill", false, "SIGKILL at once, as a crash would")
	case "connector":
		in.conn.register(fl)
	case "readback":
		in.read.register(fl)
	}
	if err := parseMixed(fl, args, &in.names); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, usagef("%v", err)
	}
	if in.dir, err = filepath.Abs(in.dir); err != nil {
		return nil, err
	}
	if in.cache, err = filepath.Abs(in.cache); err != nil {
		return nil, err
	}
	in.set, err = loadSettings(in.dir)
	return in, err
}

// parseMixed lets flags stand among the names.
func parseMixed(fl *flag.FlagSet, args []string, names *[]string) error {
	for {
		if err := fl.Parse(args); err != nil {
			return err
		}
		args = fl.Args()
		if len(args) == 0 {
			return nil
		}
		*names = append(*names, args[0])
		args = args[1:]
	}
}

// serverNames in the order in which they start; they stop the other way round.
var serverNames = []string{"kafka", "registry", "postgres", "redis", "connect"}

// resolve turns the command line's names into servers in start order; no names
// mean all of them.
func (j *job) resolve(names []string) ([]*server, error) {
	if len(names) == 0 {
		names = serverNames
	}
	all := j.servers()
	want := map[string]bool{}
	for _, n := range names {
		hit := false
		for _, s := range all {
			if s.name == n || n == "kafka" && isKafka(s.name) {
				want[s.name], hit = true, true
			}
		}
		if !hit {
			return nil, usagef("unknown server %q: want kafka, kafka-N (N up to %d), registry, postgres, connect or redis", n, j.set.Nodes)
		}
	}
	var out []*server
	for _, s := range all {
		if want[s.name] {
			out = append(out, s)
		}
	}
	return out, nil
}

func isKafka(name string) bool { return strings.HasPrefix(name, "kafka-") }

// servers renders every server of the settings, in start order.
func (j *job) servers() []*server {
	var out []*server
	for i := range j.set.Nodes {
		out = append(out, j.kafkaServer(i+1))
	}
	return append(out, j.registryServer(), j.postgresServer(), j.redisServer(), j.connectServer())
}

func cmdInstall(ctx context.Context, in *invocation) error {
	names := in.names
	if len(names) == 0 {
		names = append(slices.Clone(serverNames), "kcat")
	}
	for _, n := range names {
		if _, ok := needs[n]; !ok {
			return usagef("unknown server %q", n)
		}
	}
	return in.install(ctx, names)
}

func cmdUp(ctx context.Context, in *invocation) error {
	if len(in.names) == 0 {
		return usagef("up needs the servers' names")
	}
	unlock, err := in.lock()
	if err != nil {
		return err
	}
	defer unlock()
	// Again under the lock: another up may have changed them meanwhile. Saved at
	// once, for they also mark the folder as ours.
	if in.set, err = loadSettings(in.dir); err != nil {
		return err
	}
	if err := in.set.save(in.dir); err != nil {
		return err
	}
	in.set = in.settings.apply(in.flags, in.set)
	if err := in.set.check(); err != nil {
		return usagef("%v", err)
	}
	servers, err := in.resolve(in.names)
	if err != nil {
		return err
	}
	if err := in.checkFormatted(); err != nil {
		return err
	}
	if err := in.install(ctx, kinds(servers)); err != nil {
		return err
	}
	if err := in.makeShared(); err != nil {
		return err
	}
	// Rendered once more: installing may have brought programs whose paths were
	// unknown, and the passwords exist only now.
	if servers, err = in.resolve(in.names); err != nil {
		return err
	}
	if err := in.checkRunning(); err != nil {
		return err
	}
	if err := in.set.save(in.dir); err != nil {
		return err
	}
	return in.bringUp(ctx, servers)
}

// kinds are the names that install knows.
func kinds(servers []*server) []string {
	var out []string
	for _, s := range servers {
		k := s.name
		if isKafka(k) {
			k = "kafka"
		}
		if !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}

// checkFormatted remembers for how many nodes Kafka's data was made: the quorum
// cannot be changed afterwards by a setting.
func (j *job) checkFormatted() error {
	made, err := filepath.Glob(filepath.Join(j.dir, "kafka-*", "data", "meta.properties"))
	if err != nil {
		return err
	}
	if len(made) > 0 && j.set.Formatted != j.set.Nodes {
		return fmt.Errorf("the data in %s is of a Kafka with %d node(s): `clean` first, or give another --dir", j.dir, j.set.Formatted)
	}
	j.set.Formatted = j.set.Nodes
	return nil
}

// bringUp starts everything at once and then waits; Connect alone comes after
// Kafka, for it gives up when it finds no broker.
func (j *job) bringUp(ctx context.Context, servers []*server) error {
	began := time.Now()
	first, connect := servers, []*server(nil)
	if n := len(servers); servers[n-1].name == "connect" {
		first, connect = servers[:n-1], servers[n-1:]
	}
	for _, group := range [][]*server{first, connect} {
		err := forAll(group, func(s *server) error {
			if s.name == "connect" && !j.anyKafka() {
				return errors.New("connect needs kafka: name both, or start kafka before")
			}
			if err := j.start(ctx, s); err != nil {
				return err
			}
			return j.awaitSaying(ctx, s, began)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forAll does the servers side by side and reports every failure, not only the first.
func forAll(servers []*server, do func(*server) error) error {
	results := make(chan error)
	for _, s := range servers {
		go func() { results <- do(s) }()
	}
	var errs []error
	for range servers {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

func (j *job) awaitSaying(ctx context.Context, s *server, began time.Time) error {
	if err := j.awaitReady(ctx, s); err != nil {
		return err
	}
	j.say("%s is ready (%.1f s)", s.name, time.Since(began).Seconds())
	return nil
}

func (j *job) running(name string) bool {
	p, err := readPidFile(j.pidPath(name))
	return err == nil && p != nil && p.alive()
}

func cmdReady(ctx context.Context, in *invocation) error {
	servers, err := in.resolve(in.names)
	if err != nil {
		return err
	}
	if len(in.names) == 0 {
		servers = slices.DeleteFunc(servers, func(s *server) bool {
			_, err := os.Stat(in.pidPath(s.name))
			return err != nil
		})
		if len(servers) == 0 {
			return errors.New("nothing was started")
		}
	}
	began := time.Now()
	return forAll(servers, func(s *server) error { return in.awaitSaying(ctx, s, began) })
}

func cmdDown(_ context.Context, in *invocation) error {
	unlock, err := in.lock()
	if err != nil {
		return err
	}
	defer unlock()
	servers, err := in.resolve(in.names)
	if err != nil {
		return err
	}
	return in.takeDown(servers, in.kill)
}

// takeDown stops Connect first and Kafka last. Kafka's nodes are stopped
// together: the last of three could not hand over its leadership to anyone.
func (j *job) takeDown(servers []*server, kill bool) error {
	var kafka, others []*server
	for _, s := range servers {
		if isKafka(s.name) {
			kafka = append(kafka, s)
		} else {
			others = append(others, s)
		}
	}
	slices.Reverse(others)
	var errs []error
	for _, s := range others {
		errs = append(errs, j.stopServer(s, kill))
	}
	errs = append(errs, forAll(kafka, func(s *server) error { return j.stopServer(s, kill) }))
	return errors.Join(errs...)
}

func cmdClean(_ context.Context, in *invocation) error {
	if _, err := os.Stat(filepath.Join(in.dir, stateFile)); err != nil {
		return fmt.Errorf("%s is no data folder of ours (it has no %s): nothing deleted", in.dir, stateFile)
	}
	unlock, err := in.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := in.takeDown(in.servers(), false); err != nil {
		return err
	}
	return in.removeData()
}

// removeData deletes what this program made, by name, the mark of ownership last.
func (j *job) removeData() error {
	paths := []string{j.postgresHome()}
	if up := filepath.Dir(j.postgresHome()); up != j.dir {
		paths = append(paths, up)
	}
	for _, n := range []string{"kafka-1", "kafka-2", "kafka-3", "registry", "redis", "connect", "postgres",
		"tls", "secrets", "logs", "pids", "readback", "cluster.id", "lock", stateFile} {
		paths = append(paths, filepath.Join(j.dir, n))
	}
	for _, p := range paths {
		if err := os.RemoveAll(p); err != nil {
			return err
		}
	}
	os.Remove(j.dir) // only if nothing else is in it
	j.say("deleted the data in %s", j.dir)
	return nil
}

func (j *job) lock() (func(), error) {
	if err := os.MkdirAll(j.dir, 0o755); err != nil {
		return nil, err
	}
	return lockFile(filepath.Join(j.dir, "lock"))
}

// lockFile waits for the exclusive lock of path; a process that dies gives it back.
func lockFile(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
