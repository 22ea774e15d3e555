package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"weir/cmd/internal/config"
	"weir/cmd/internal/demo"
	"weir/schemas"
	"weir/stream"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"weir":     main,
		"weirfake": func() { os.Exit(fakeProgram().run(context.Background(), os.Args[1:])) },
	})
}

// TestScripts runs whole scenarios of the command line. `weir` is the program;
// `weirfake` is the same over an engine that answers from memory.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"mode":    mode,
			"shop":    copyShop,
			"cluster": startServer, "drained": drained, "judged": judged,
			"await": awaitFile, "terminate": terminate,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("CANARY", "canary-hunter2")
			e.Values[serverKey{}] = &server{}
			return nil
		},
	})
}

// exits CODE COMMAND…: runs a command and wants this exit code of contract 31.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		got = fmt.Sprint(coded.ExitCode())
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// mode FILE PERM: wants these permissions.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); (got == args[1]) == neg {
		ts.Fatalf("%s has mode %s", args[0], got)
	}
}

// shop: puts the example policy, its schemas and its cases into the folder.
func copyShop(ts *testscript.TestScript, _ bool, _ []string) {
	for _, from := range []string{"../internal/config/testdata/shop.yaml", "testdata/shop/customers.avsc", "testdata/shop/customers-key.avsc", "testdata/shop/shop_test.yaml"} {
		data, err := os.ReadFile(from)
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(filepath.Base(from)), data, 0o600))
	}
}

// fakeProgram is weir over an engine that answers from memory: the scripts
// hold output and exit codes of commands that need servers.
func fakeProgram() *program {
	return &program{env: config.OS(), out: os.Stdout, err: os.Stderr, engine: engine{
		demo: func(ctx context.Context, _ demo.Options) (*demo.Summary, error) { return nil, fakeStuck(ctx) },
		run: func(ctx context.Context, cfg stream.Config) error {
			switch os.Getenv("FAKE_RUN") {
			case "fenced":
				return &stream.Fenced{Name: cfg.Name, Slot: cfg.Slot, ID: "weir.shop.3.0"}
			case "gone":
				return &stream.Gone{What: "broker", Err: errors.New("connection refused")}
			case "refused":
				return &stream.Refused{Why: "epoch 12 was used by another policy: use 13"}
			case "starting": // the signal comes while the broker is still asked
				_ = fakeStarted()
				<-ctx.Done()
				return &stream.Gone{What: "broker", Err: ctx.Err()}
			case "stuck":
				return fakeStuck(ctx)
			case "reload":
				return fakeReloads(cfg)
			}
			fmt.Printf("ran %s slot %d workers %d\n", cfg.Name, cfg.Slot, cfg.Workers)
			return nil
		},
		planTopics: func(context.Context, stream.Config) ([]stream.TopicChange, error) {
			if os.Getenv("FAKE_TOPICS") == "early" {
				return []stream.TopicChange{{Topic: "_weir.shop.state", Action: stream.ActionNone}}, nil
			}
			return []stream.TopicChange{
				{Topic: "_weir.shop.state", Action: stream.ActionNone, Partitions: 1, Replication: 1, Why: "epochs"},
				{Topic: "clean.analytics.shop.orders", Action: stream.ActionCreate, Partitions: 3, Replication: 1,
					Configs: map[string]string{"cleanup.policy": "compact"}, Why: "copy of cdc.shop.orders for analytics"},
			}, nil
		},
		applyTopics: func(context.Context, stream.Config, []stream.TopicChange) error { return nil },
		doctor: func(context.Context, stream.Config) ([]stream.Check, error) {
			return []stream.Check{{Name: "broker", State: stream.CheckOK, Detail: "4.1"}, {Name: "offsets", State: os.Getenv("FAKE_STATE"), Detail: "x"}}, nil
		},
		listTxns: func(context.Context, stream.Config) ([]stream.Txn, error) {
			return []stream.Txn{{ID: "weir.shop.0.0", State: "Ongoing", Started: time.Unix(0, 0), Partitions: 4, Hanging: true},
				{ID: "weir.shop.claim", State: "CompleteCommit"}, {ID: "weir.shop2.0.0", State: "Ongoing"}}, nil
		},
		abortTxn: func(context.Context, stream.Config, string) error { return nil },
		acceptLoss: func(context.Context, stream.Config, string) ([]stream.Lost, error) {
			return []stream.Lost{{Topic: "cdc.shop.orders", Partition: 2, Committed: 10, Begin: 20}}, nil
		},
		quarantined: func(_ context.Context, _ stream.Config, fn func(stream.QuarantineEntry) error) error {
			for i, code := range []schemas.Code{"undecided", "truncated", "undecided"} {
				e := stream.QuarantineEntry{Waiting: []string{"analytics"}, Parked: []string{"analytics"}}
				e.Topic, e.Partition, e.Offset, e.Code, e.Path = "cdc.shop.customers", 1, int64(i), code, "after.phone2"
				if i == 2 {
					e.Path, e.Waiting = behindItsKey, nil // released
				}
				e.Recipients, e.Epoch, e.Key = []string{"analytics"}, 12, stream.KeyHash{1, 2, 3}
				if err := fn(e); err != nil {
					return err
				}
			}
			return nil
		},
		command: func(_ context.Context, _ stream.Config, c stream.Command) error {
			if c.By == "" {
				return errors.New("nobody asked")
			}
			fmt.Printf("command %s %s/%d for %q key %v\n", c.Kind, c.Topic, c.Partition, c.Recipient, c.Key != nil)
			return nil
		},
		lineageFrom: func(_ context.Context, _ stream.Config, at coordinates) (origin, error) {
			if os.Getenv("FAKE_LINEAGE") == "norecord" {
				return origin{}, fmt.Errorf("%s/%d@%d: %w", at.Topic, at.Partition, at.Offset, stream.ErrNoRecord)
			}
			return origin{Output: at, Source: coordinates{"cdc.shop.orders", 0, 42}, Recipient: "analytics", Epoch: 12}, nil
		},
	}}
}

// fakeReloads does what the engine does each second, while the policy's file
// goes bad and good again.
func fakeReloads(cfg stream.Config) error {
	path := os.Getenv("POLICY")
	good, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	at := time.Now()
	for _, text := range []string{"acks: 0\n" + string(good), strings.Replace(string(good), "epoch: 12", "epoch: 13", 1)} {
		at = at.Add(time.Minute)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, at, at)); err != nil {
			return err
		}
		for range 2 {
			policy, err := cfg.Reload()
			if err != nil {
				return err
			}
			if policy != nil {
				fmt.Println("took epoch", policy.Transforms.Epoch)
			}
		}
	}
	return nil
}

// fakeStuck is an engine whose drain never ends. It says where it is by files:
// started holds its process id.
func fakeStuck(ctx context.Context) error {
	if err := fakeStarted(); err != nil {
		return err
	}
	<-ctx.Done()
	if err := os.WriteFile("draining", nil, 0o600); err != nil {
		return err
	}
	time.Sleep(scriptTimeout)
	return errors.New("nobody ended it")
}

func fakeStarted() error {
	if err := os.WriteFile("started.tmp", fmt.Append(nil, os.Getpid()), 0o600); err != nil {
		return err
	}
	return os.Rename("started.tmp", "started")
}

// awaitFile FILE: waits until a file is there.
func awaitFile(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(scriptTimeout); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
	ts.Fatalf("%s does not come", args[0])
}

// terminate FILE: sends SIGTERM to the process whose id the file holds.
func terminate(ts *testscript.TestScript, _ bool, args []string) {
	pid, err := strconv.Atoi(ts.ReadFile(args[0]))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGTERM))
}

// TestNotBuilt: a command without an engine never claims success.
func TestNotBuilt(t *testing.T) {
	dir := t.TempDir()
	policy, err := os.ReadFile("../internal/config/testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "shop.yaml")
	if err := os.WriteFile(path, policy, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	p := &program{env: config.OS(), out: &out, err: &errs}
	if code := p.run(context.Background(), []string{"keys", "init", filepath.Join(dir, "shop.key")}); code != 0 {
		t.Fatal(errs.String())
	}
	for _, args := range [][]string{
		{"run", path}, {"demo"}, {"topics", "plan", path}, {"topics", "apply", path}, {"doctor", path},
		{"doctor", "txn", "list", path}, {"doctor", "txn", "abort", path, "--id", "x"}, {"doctor", "accept-loss", path},
		{"quarantine", "list", path}, {"quarantine", "show", path, "--topic", "t", "--partition", "0", "--offset", "1"},
		{"quarantine", "release", path, "--topic", "cdc.shop.orders", "--partition", "0", "--all-recipients"},
		{"lineage", "from", path, "--topic", "t", "--partition", "0", "--offset", "1"},
	} {
		errs.Reset()
		if code := p.run(context.Background(), args); code != stream.ExitInternal || !strings.Contains(errs.String(), "not built yet") {
			t.Errorf("%v: exit %d: %s", args, code, errs.String())
		}
	}
}

// TestEveryCommandHasHelp: a short text, and an example where it does something.
func TestEveryCommandHasHelp(t *testing.T) {
	started := false
	root := fakeProgram().root(&started)
	queue := root.Commands()
	for len(queue) > 0 {
		c := queue[0]
		queue = append(queue[1:], c.Commands()...)
		if c.Short == "" || c.Example == "" && !c.HasSubCommands() {
			t.Errorf("%s has no help or no example", c.CommandPath())
		}
	}
}
