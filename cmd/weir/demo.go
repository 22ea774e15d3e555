package main

import (
	"github.com/spf13/cobra"

	"weir/stream"
)

func (p *program) demoCommand() *cobra.Command {
	var events int
	var breakage string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole pipeline on this machine: broker, registry, shop, two recipients",
		Long: `Demo starts an embedded broker and schema registry, streams a small shop's
changes through two workers, kills one in the middle, adds a column that nobody
declared, and lets a separate reader judge: exactly once or not, leaked or not.

--break makes Weir misbehave on purpose; the verdict must then be false and the
exit code 1. Ctrl-C ends it cleanly.`,
		Example: "  weir demo\n  weir demo --events 2000 --json\n  weir demo --break leak",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			switch breakage {
			case "", "drop", "double", "leak":
			default:
				return exit(stream.ExitUsage, "--break is drop, double or leak")
			}
			return notBuilt("demo")
		},
	}
	c.Flags().IntVar(&events, "events", 0, "end after this many events (default: at Ctrl-C)")
	c.Flags().StringVar(&breakage, "break", "", "misbehave on purpose: drop, double or leak")
	return c
}
