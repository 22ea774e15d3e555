package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/cmd/internal/config"
	"weir/stream"
)

func (p *program) doctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor POLICY...",
		Short: "Look at brokers, registry, topics, permissions and clock",
		Long: `Doctor checks what a pipeline stands on: the broker's version and
transaction.version, permissions, topic settings, the clock, the registry and
the key file.
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
	cfg, err := p.load(paths)
	if err != nil {
		return err
	}
	scfg, err := cfg.Connections()
	if err != nil {
		return err
	}
	if p.engine.doctor == nil {
		return notBuilt("doctor")
	}
	checks, err := p.engine.doctor(c.Context(), scfg)
	if err != nil {
		return err
	}
	checks = append(checks, checkKeys(cfg))
	if err := p.emit(checks, func(w io.Writer) {
		for _, k := range checks {
			fmt.Fprintf(w, "%-8s %-20s %s\n", k.State, k.Name, k.Detail)
		}
	}); err != nil {
		return err
	}
	if slices.ContainsFunc(checks, func(k stream.Check) bool { return k.State == stream.CheckFailed }) {
		return failed(stream.ExitFailed)
	}
	return nil
}

// checkKeys looks at the key file on this machine; the engine's doctor has no
// part in files.
func checkKeys(cfg *config.Config) stream.Check {
	var problems config.Problems
	switch _, err := cfg.Ring(); {
	case err == nil:
		return stream.Check{Name: "keys", State: stream.CheckOK, Detail: "the key file opens"}
	case errors.As(err, &problems) && len(problems) > 0:
		return stream.Check{Name: "keys", State: stream.CheckFailed, Detail: problems[0].Text}
	default:
		return stream.Check{Name: "keys", State: stream.CheckFailed, Detail: err.Error()}
	}
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
	var all bool
	list := &cobra.Command{
		Use:   "list POLICY...",
		Short: "List the pipeline's open transactions",
		Long: `List shows the transactions of the pipeline that are open. One that is HANGING has
been open for more than twice its timeout: read-committed readers stand still
behind it until it is aborted.`,
		Example: "  weir doctor txn list shop.yaml\n  weir doctor txn list shop.yaml --all",
		Args:    policies,
		RunE:    func(c *cobra.Command, paths []string) error { return p.listTxns(c, paths, all) },
	}
	list.Flags().BoolVar(&all, "all", false, "ended ones too, and those of other pipelines")
	c.AddCommand(list, abort)
	return c
}

// openTxn reports whether t is one of the pipeline's that readers may wait for.
func openTxn(t *stream.Txn, pipeline string) bool {
	switch t.State {
	case "Empty", "CompleteCommit", "CompleteAbort", "Dead":
		return false
	}
	return strings.HasPrefix(t.ID, "weir."+pipeline+".")
}

func (p *program) listTxns(c *cobra.Command, paths []string, all bool) error {
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
	if !all {
		txns = slices.DeleteFunc(txns, func(t stream.Txn) bool { return !openTxn(&t, cfg.Name) })
	}
	return p.emit(append([]stream.Txn{}, txns...), func(w io.Writer) {
		if len(txns) == 0 {
			fmt.Fprintln(w, "no transaction is open")
		}
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
