package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"weir/cmd/internal/demo"
	"weir/stream"
)

func (p *program) demoCommand() *cobra.Command {
	var o demo.Options
	var policy bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole pipeline on this machine: broker, registry, shop, two recipients",
		Long: `Demo starts an embedded broker and schema registry, streams a small shop's
changes through two workers, kills one in the middle, adds a column that nobody
declared, and lets a separate reader judge: exactly once or not, leaked or not.

--break makes Weir misbehave on purpose; the verdict is then false and the exit
code 1. Ctrl-C ends it cleanly, with a verdict on what there was; a second Ctrl-C
ends it at once.`,
		Example: "  weir demo\n  weir demo --events 2000 --json\n  weir demo --break leak\n  weir demo --policy > shop.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if policy {
				return p.emit(map[string]string{"policy": demo.ExamplePolicy()}, func(w io.Writer) {
					_, _ = io.WriteString(w, demo.ExamplePolicy())
				})
			}
			return p.demo(c.Context(), o)
		},
	}
	f := c.Flags()
	f.BoolVar(&policy, "policy", false, "print the demo's policy and end")
	f.IntVar(&o.Events, "events", 0, "end after this many events, at least 200 (default: at Ctrl-C)")
	f.IntVar(&o.Rate, "rate", 0, "events a second (default 120); negative: as fast as it goes")
	f.StringVar(&o.Break, "break", "", "misbehave on purpose: drop, double or leak")
	f.Uint64Var(&o.Seed, "seed", 1, "another seed is another shop")
	f.IntVar(&o.KafkaPort, "kafka-port", 0, "port of the embedded broker (default: a free one)")
	f.IntVar(&o.RegistryPort, "registry-port", 0, "port of the embedded registry (default: a free one)")
	return c
}

func (p *program) demo(ctx context.Context, o demo.Options) error {
	switch o.Break {
	case "", demo.BreakDrop, demo.BreakDouble, demo.BreakLeak:
	default:
		return exit(stream.ExitUsage, "--break is drop, double or leak")
	}
	if o.Events < 0 || o.Events > 0 && o.Events < 200 {
		return exit(stream.ExitUsage, "--events is at least 200, so that there is something to see and to break")
	}
	o.Out, o.JSON = p.out, p.json
	if f, ok := p.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.Width, _, _ = term.GetSize(int(f.Fd()))
		_, plain := p.env.Lookup("NO_COLOR")
		o.Color = !plain
	}
	if p.engine.demo == nil {
		return notBuilt("demo")
	}
	dir, err := os.MkdirTemp("", "weir-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for policy and keys: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	o.Dir = dir
	ctx, stop := cancelOnSignal(ctx, func(os.Signal) {}, func() {
		_ = os.RemoveAll(dir)
		fmt.Fprintln(os.Stderr, "\nweir: second signal, ended without a verdict")
		os.Exit(stream.ExitFailed)
	})
	defer stop()
	sum, err := p.engine.demo(ctx, o)
	if err != nil {
		return err
	}
	if !sum.OK() {
		return failed(stream.ExitFailed)
	}
	return nil
}
