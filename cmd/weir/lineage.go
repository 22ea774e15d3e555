package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"weir/stream"
)

// unreadable reports whether err is about the record that was asked for, not
// about Weir or its servers.
func unreadable(err error) bool {
	return errors.Is(err, stream.ErrNoRecord) || errors.Is(err, stream.ErrNoHeader) || errors.Is(err, stream.ErrNoLineage)
}

func (p *program) lineageCommand() *cobra.Command {
	c := &cobra.Command{Use: "lineage", Short: "Find out where a published record came from"}
	var at coordinates
	from := &cobra.Command{
		Use:   "from POLICY... --topic T --partition N --offset N",
		Short: "Read a published record's source back from its header",
		Long: `From reads one record of a recipient's topic and opens its weir header with the
lineage key: topic, partition and offset of the input, and the policy's epoch.`,
		Example: "  weir lineage from shop.yaml --topic clean.analytics.shop.orders --partition 0 --offset 42",
		Args:    policies,
		RunE: func(c *cobra.Command, paths []string) error {
			cfg, err := p.load(paths)
			if err != nil {
				return err
			}
			scfg, err := cfg.Stream()
			if err != nil {
				return err
			}
			if p.engine.lineageFrom == nil {
				return notBuilt("lineage from")
			}
			o, err := p.engine.lineageFrom(c.Context(), scfg, at)
			if unreadable(err) {
				return &exitError{stream.ExitFailed, err}
			}
			if err != nil {
				return err
			}
			return p.emit(o, func(w io.Writer) {
				fmt.Fprintf(w, "%s/%d@%d for %s came from %s/%d@%d under epoch %d (output %d)\n",
					o.Output.Topic, o.Output.Partition, o.Output.Offset, o.Recipient,
					o.Source.Topic, o.Source.Partition, o.Source.Offset, o.Epoch, o.Index)
			})
		},
	}
	from.Flags().StringVar(&at.Topic, "topic", "", "the recipient's topic")
	from.Flags().Int32Var(&at.Partition, "partition", 0, "its partition")
	from.Flags().Int64Var(&at.Offset, "offset", 0, "the record's offset")
	for _, name := range []string{"topic", "partition", "offset"} {
		mustFlag(from, name)
	}
	c.AddCommand(from)
	return c
}
