package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"weir/stream"
)

func (p *program) doctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor POLICY...",
		Short: "Look at brokers, registry, topics, permissions and clock",
		Long: `Doctor checks what a pipeline stands on: the broker's version and
transaction.version, permissions, topic settings, the clock and the registry.
Exit code 1: a check failed.`,
		Example: `  weir doctor shop.yaml
  weir doctor txn list shop.yaml
  weir doctor txn abort shop.yaml --id weir.shop.0.1
  weir doctor accept-loss shop.yaml`,
		Args: policies,
		RunE: p.diagnose,
	}
	c.AddCommand(p.txnCommand(), p.acceptLossCommand())
	return c
}

func (p *program) diagnose(c *cobra.Command, paths []string) error {
	cfg, err := p.connections(paths)
	if err != nil {
		return err
	}
	if p.engine.doctor == nil {
		return notBuilt("doctor")
	}
	checks, err := p.engine.doctor(c.Context(), cfg)
	if err != nil {
		return err
	}
	if err := p.emit(checks, func(w io.Writer) {
		for _, k := range checks {
			fmt.Fprintf(w, "%-8s %-14s %s\n", k.State, k.Name, k.Detail)
		}
	}); err != nil {
		return err
	}
	if slices.ContainsFunc(checks, func(k stream.Check) bool { return k.State == stream.CheckFailed }) {
		return failed(stream.ExitFailed)
	}
	return nil
}

func (p *program) txnCommand() *cobra.Command {
	c := &cobra.Command{Use: "txn", Short: "Look at the pipeline's open transactions"}
	var id string
	abort := &cobra.Command{
		Use:     "abort POLICY... --id ID",
		Short:   "Abort one transaction of the pipeline, so that readers go on",
		Example: "  weir doctor txn abort shop.yaml --id weir.shop.0.1",
		Args:    policies,
		RunE: func(c *cobra.Command, paths []string) error {
			cfg, err := p.connections(paths)
			if err != nil {
				return err
			}
			if p.engine.abortTxn == nil {
				return notBuilt("doctor txn abort")
			}
			if err := p.engine.abortTxn(c.Context(), cfg, id); err != nil {
				return err
			}
			return p.emit(map[string]string{"aborted": id}, func(w io.Writer) { fmt.Fprintln(w, "aborted", id) })
		},
	}
	abort.Flags().StringVar(&id, "id", "", "transactional id, as list shows it")
	mustFlag(abort, "id")
	c.AddCommand(&cobra.Command{
		Use:     "list POLICY...",
		Short:   "List open transactions",
		Example: "  weir doctor txn list shop.yaml",
		Args:    policies,
		RunE:    p.listTxns,
	}, abort)
	return c
}

func (p *program) listTxns(c *cobra.Command, paths []string) error {
	cfg, err := p.connections(paths)
	if err != nil {
		return err
	}
	if p.engine.listTxns == nil {
		return notBuilt("doctor txn list")
	}
	txns, err := p.engine.listTxns(c.Context(), cfg)
	if err != nil {
		return err
	}
	return p.emit(append([]stream.Txn{}, txns...), func(w io.Writer) {
		for _, t := range txns {
			fmt.Fprintf(w, "%-32s %-16s %d partitions", t.ID, t.State, t.Partitions)
			if !t.Started.IsZero() {
				fmt.Fprintf(w, "  since %s", t.Started.UTC().Format(time.RFC3339))
			}
			if t.Hanging {
				fmt.Fprint(w, "  HANGING")
			}
			fmt.Fprintln(w)
		}
	})
}

func (p *program) acceptLossCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "accept-loss POLICY...",
		Short: "Go on behind records that the broker no longer has",
		Long: `Accept-loss lets the partitions go on that paused because the broker no longer
has their next records. Control records keep the trace of each gap.`,
		Example: "  weir doctor accept-loss shop.yaml",
		Args:    policies,
		RunE: func(c *cobra.Command, paths []string) error {
			cfg, err := p.connections(paths)
			if err != nil {
				return err
			}
			if p.engine.acceptLoss == nil {
				return notBuilt("doctor accept-loss")
			}
			who, err := caller()
			if err != nil {
				return err
			}
			lost, err := p.engine.acceptLoss(c.Context(), cfg, who)
			if err != nil {
				return err
			}
			return p.emit(append([]stream.Lost{}, lost...), func(w io.Writer) { printLost(w, lost) })
		},
	}
}

func printLost(w io.Writer, lost []stream.Lost) {
	if len(lost) == 0 {
		fmt.Fprintln(w, "nothing is lost")
	}
	for _, l := range lost {
		fmt.Fprintf(w, "%s/%d: offsets %d to %d are given up\n", l.Topic, l.Partition, l.Committed, l.Begin-1)
	}
}

// mustFlag marks a flag required; the name is a constant of ours.
func mustFlag(c *cobra.Command, name string) {
	if err := c.MarkFlagRequired(name); err != nil {
		panic(errors.Join(errors.New("flag "+name), err))
	}
}
