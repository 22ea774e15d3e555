package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"weir/cmd/internal/config"
	"weir/stream"
)

func (p *program) runCommand() *cobra.Command {
	var slot, workers int
	c := &cobra.Command{
		Use:   "run POLICY...",
		Short: "Run the pipeline until SIGTERM",
		Long: `Run consumes the sources of the policy and publishes every recipient's copy.

It makes no topics unless the policy says topics: {create: true}: see weir topics.

SIGTERM or SIGINT finishes the current transactions and exits 0; a second signal
exits at once. The policy's files are looked at every second: a new epoch takes
effect between two transactions; a policy that is refused is logged with its
place, and the old one stays. Logs are JSON lines on stderr.

Exit code 75 says: start me again (a dependency is gone, or another process holds
the slot).`,
		Example: `  weir run shop.yaml
  weir run shop.yaml --slot 1 --workers 4
  weir run /etc/weir/shop.d`,
		Args: policies,
		RunE: func(c *cobra.Command, args []string) error {
			return p.runPipeline(c.Context(), args, slot, workers)
		},
	}
	c.Flags().IntVar(&slot, "slot", 0, "number of this process among those of the pipeline; no two may share one")
	c.Flags().IntVar(&workers, "workers", 0, "workers in this process (default: the policy's)")
	return c
}

func (p *program) runPipeline(ctx context.Context, paths []string, slot, workers int) error {
	if slot < 0 || workers < 0 || workers > 256 {
		return exit(stream.ExitUsage, "--slot is at least 0, --workers from 1 to 256")
	}
	cfg, err := p.load(paths)
	if err != nil {
		return err
	}
	scfg, err := cfg.Stream()
	if err != nil {
		return err
	}
	scfg.Slot = slot
	if workers > 0 {
		scfg.Workers = workers
	}
	scfg.Log = slog.New(slog.NewJSONHandler(p.err, nil))
	for _, w := range cfg.Warnings {
		scfg.Log.Warn("policy", "file", w.File, "line", w.Line, "column", w.Col, "text", w.Text)
	}
	scfg.Reload = reloading(config.NewReloader(paths, p.env, cfg), scfg.Log)
	if p.engine.run == nil {
		return notBuilt("run")
	}
	logStart(&scfg)
	ctx, stop := drainOnSignal(ctx, scfg.Log)
	defer stop()
	err = p.engine.run(ctx, scfg)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // told to stop while it still started: nothing was under way
	}
	if err != nil {
		code := classify(err)
		scfg.Log.Error("stopped", "text", err.Error(), "exit", code)
		return failed(code)
	}
	scfg.Log.Info("stopped")
	return nil
}

// logStart says in one line what is about to run: what an operator looks for
// first when something is not as expected.
func logStart(c *stream.Config) {
	var sources, recipients []string
	for i := range c.Sources {
		sources = append(sources, c.Sources[i].Topics)
	}
	p := c.Policy.Transforms
	for i := range p.Recipients {
		recipients = append(recipients, p.Recipients[i].Name)
	}
	c.Log.Info("starting", "version", versionOf().Version, "pipeline", c.Name, "epoch", p.Epoch, "policy", fmt.Sprintf("%.8x", p.Hash),
		"group", stream.InternalNames(c.Name).Group, "slot", c.Slot, "workers", max(c.Workers, 1),
		"brokers", c.Kafka.Brokers, "sources", sources, "recipients", recipients, "admin", cmp.Or(c.AdminAddr, "none"))
}

// reloading logs refusals with code and place; the engine only sees policies
// that may take effect.
func reloading(r *config.Reloader, log *slog.Logger) func() (*stream.Policy, error) {
	return func() (*stream.Policy, error) {
		policy, err := r.Reload()
		if err == nil {
			return policy, nil
		}
		var problems config.Problems
		if !errors.As(err, &problems) {
			log.Error("policy refused, the old one stays", "code", "policy_refused", "text", err.Error())
		}
		for _, q := range problems {
			if !q.Warning {
				log.Error("policy refused, the old one stays", "code", "policy_refused",
					"file", q.File, "line", q.Line, "column", q.Col, "text", q.Text)
			}
		}
		return nil, nil
	}
}

// drainOnSignal ends the context at the first SIGTERM or SIGINT, and the
// process at the second.
func drainOnSignal(ctx context.Context, log *slog.Logger) (context.Context, func()) {
	return cancelOnSignal(ctx,
		func(s os.Signal) { log.Info("draining", "signal", s.String()) },
		func() {
			fmt.Fprintln(os.Stderr, "weir: second signal, exiting at once")
			os.Exit(stream.ExitAgain)
		})
}

// cancelOnSignal calls first and ends the context at the first SIGTERM or
// SIGINT; second, at the second, does not return.
func cancelOnSignal(ctx context.Context, first func(os.Signal), second func()) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	done := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case s := <-signals:
				if n > 0 {
					second()
				}
				first(s)
				cancel()
			}
		}
	}()
	return ctx, func() { signal.Stop(signals); close(done); cancel() }
}
