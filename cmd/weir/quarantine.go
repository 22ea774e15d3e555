package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/stream"
)

func (p *program) quarantineCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "quarantine",
		Short: "Look at records that could not be decided, and release or drop them",
		Long: `Records that could not be decoded, decided or transformed wait, sealed, in the
topic _weir.<name>.quarantine. Codes and places are shown; contents are not.

What to do about an undecided field: decide it in the policy, raise the epoch, and
release; a running pipeline takes the new policy by itself. A record that waits
holds back later records of its key.`,
	}
	c.AddCommand(p.quarantineList("list"), p.quarantineList("show"),
		p.quarantineCommandFor(stream.CommandRelease, "release", "Treat the waiting records again, under the policy of now",
			"  weir quarantine release shop.yaml --topic cdc.shop.customers --partition 0 --recipient analytics"),
		p.quarantineCommandFor(stream.CommandDrop, "drop", "Give the waiting records up: they are never published",
			"  weir quarantine drop shop.yaml --topic cdc.shop.customers --partition 0 --key 6f1d0c5e8a9b40d2b7e1f3a2c4d5e6f7"))
	return c
}

// selection narrows list and show.
type selection struct {
	topic, recipient, code string
	partition              int32
	offset                 int64
	waiting                bool
}

// fits reports whether an entry is asked for.
func (s *selection) fits(e *stream.QuarantineEntry) bool {
	for_ := s.recipient == ""
	for _, r := range e.Recipients {
		for_ = for_ || r == s.recipient
	}
	return for_ && (!s.waiting || len(e.Waiting) > 0) && (s.topic == "" || s.topic == e.Topic) && (s.code == "" || s.code == string(e.Code)) &&
		(s.partition < 0 || s.partition == e.Partition) && (s.offset < 0 || s.offset == e.Offset)
}

// entry is a quarantined record as the commands print it.
type entry struct {
	Topic      string   `json:"topic"`
	Partition  int32    `json:"partition"`
	Offset     int64    `json:"offset"`
	Code       string   `json:"code"`
	Path       string   `json:"path,omitempty"`
	Recipients []string `json:"recipients"`
	Waiting    []string `json:"waiting"`
	Parked     []string `json:"parked"`
	Key        string   `json:"key"` // HMAC of the record key, as release and drop take it
	Epoch      uint64   `json:"epoch"`
}

func entryOf(e *stream.QuarantineEntry) entry {
	return entry{
		Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Code: string(e.Code), Path: e.Path, Epoch: e.Epoch,
		Recipients: nonNil(e.Recipients), Waiting: nonNil(e.Waiting), Parked: nonNil(e.Parked), Key: hex.EncodeToString(e.Key[:]),
	}
}

func nonNil(s []string) []string { return append([]string{}, s...) }

func (p *program) quarantineList(verb string) *cobra.Command {
	sel := selection{}
	c := &cobra.Command{
		Use:     verb + " POLICY...",
		Short:   map[string]string{"list": "List quarantined records", "show": "Show one record's code and place; contents are not shown"}[verb],
		Example: "  weir quarantine list shop.yaml --recipient analytics\n  weir quarantine show shop.yaml --topic cdc.shop.customers --partition 0 --offset 17",
		Args:    policies,
		RunE: func(c *cobra.Command, paths []string) error {
			return p.listQuarantine(c, paths, &sel, verb == "show")
		},
	}
	f := c.Flags()
	f.StringVar(&sel.topic, "topic", "", "only of this input topic")
	f.StringVar(&sel.recipient, "recipient", "", "only for this recipient")
	f.StringVar(&sel.code, "code", "", "only with this code")
	f.Int32Var(&sel.partition, "partition", -1, "only of this input partition")
	f.Int64Var(&sel.offset, "offset", -1, "only this input offset")
	if verb == "list" {
		f.BoolVar(&sel.waiting, "waiting", false, "only what was neither released nor dropped")
	}
	if verb == "show" {
		mustFlag(c, "topic")
		mustFlag(c, "partition")
		mustFlag(c, "offset")
	}
	return c
}

func (p *program) listQuarantine(c *cobra.Command, paths []string, sel *selection, show bool) error {
	cfg, err := p.connections(paths)
	if err != nil {
		return err
	}
	if p.engine.quarantined == nil {
		return notBuilt("quarantine " + c.Name())
	}
	out := []entry{}
	err = p.engine.quarantined(c.Context(), cfg, func(e stream.QuarantineEntry) error {
		if sel.fits(&e) {
			out = append(out, entryOf(&e))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := p.emit(out, func(w io.Writer) {
		printEntries(w, out, show)
		if !show {
			printTotals(w, out)
		}
	}); err != nil {
		return err
	}
	if show && len(out) == 0 {
		return exit(stream.ExitFailed, "no such record in quarantine")
	}
	return nil
}

// behindItsKey stands in place of a path where a record waits only because an
// earlier one of its key does; it has that one's code.
const behindItsKey = "$parked"

func printEntries(w io.Writer, entries []entry, show bool) {
	for i := range entries {
		e := &entries[i]
		fmt.Fprintf(w, "%s/%d@%d  %s", e.Topic, e.Partition, e.Offset, e.Code)
		switch e.Path {
		case "":
		case behindItsKey:
			fmt.Fprint(w, " behind an earlier record of its key")
		default:
			fmt.Fprintf(w, " at %s", e.Path)
		}
		fmt.Fprintf(w, "  for %s", strings.Join(e.Recipients, ","))
		if len(e.Waiting) > 0 {
			fmt.Fprintf(w, "  waiting for %s\n", strings.Join(e.Waiting, ","))
		} else {
			fmt.Fprintln(w, "  settled")
		}
		if show {
			fmt.Fprintf(w, "  key     %s (HMAC)\n  parked  %s\n  epoch   %d\n  The contents are sealed; showing them needs a grant and an audit entry.\n",
				e.Key, strings.Join(e.Parked, ","), e.Epoch)
		}
	}
}

// printTotals ends a list for people: how many wait, and why.
func printTotals(w io.Writer, entries []entry) {
	if len(entries) == 0 {
		fmt.Fprintln(w, "nothing found in quarantine")
		return
	}
	waiting, codes := 0, map[string]int{}
	for i := range entries {
		codes[entries[i].Code]++
		if len(entries[i].Waiting) > 0 {
			waiting++
		}
	}
	fmt.Fprintf(w, "%d in quarantine, %d waiting:", len(entries), waiting)
	for _, c := range slices.Sorted(maps.Keys(codes)) {
		fmt.Fprintf(w, " %s %d", c, codes[c])
	}
	fmt.Fprintln(w)
}

func (p *program) quarantineCommandFor(kind stream.CommandKind, verb, short, example string) *cobra.Command {
	cmd := stream.Command{Kind: kind}
	var key string
	var everybody bool
	c := &cobra.Command{
		Use: verb + " POLICY... --topic T --partition N (--recipient R | --all-recipients)", Short: short,
		Long: short + ".\n\nA record on the control topic asks the partition's owner to do it, in order, in a\n" +
			"transaction of its own.",
		Example: example, Args: policies,
		RunE: func(c *cobra.Command, paths []string) error {
			if (cmd.Recipient == "") != everybody {
				return exit(stream.ExitUsage, "either --recipient or --all-recipients")
			}
			if key != "" {
				raw, err := hex.DecodeString(key)
				if err != nil || len(raw) != len(stream.KeyHash{}) {
					return exit(stream.ExitUsage, "--key is the %d hex digits that quarantine list --json prints", 2*len(stream.KeyHash{}))
				}
				cmd.Key = (*stream.KeyHash)(raw)
			}
			return p.control(c, paths, cmd)
		},
	}
	f := c.Flags()
	f.StringVar(&cmd.Topic, "topic", "", "input topic")
	f.Int32Var(&cmd.Partition, "partition", 0, "input partition")
	f.StringVar(&cmd.Recipient, "recipient", "", "recipient")
	f.BoolVar(&everybody, "all-recipients", false, "all recipients")
	f.StringVar(&key, "key", "", "only records of this key (the HMAC that list --json prints)")
	mustFlag(c, "topic")
	mustFlag(c, "partition")
	return c
}

// control sends a command under the name of the operating system's user.
func (p *program) control(c *cobra.Command, paths []string, cmd stream.Command) error {
	cfg, err := p.load(paths)
	if err != nil {
		return err
	}
	if cmd.Recipient != "" && !hasRecipient(cfg.Policy, cmd.Recipient) {
		return exit(stream.ExitUsage, "the policy has no recipient %s", cmd.Recipient)
	}
	if _, _, ok := cfg.Dataset(cmd.Topic); !ok {
		return noSource(cmd.Topic)
	}
	scfg, err := cfg.Connections()
	if err != nil {
		return err
	}
	if p.engine.command == nil {
		return notBuilt(strings.TrimPrefix(c.CommandPath(), "weir "))
	}
	if cmd.By, err = caller(); err != nil {
		return err
	}
	if err := p.engine.command(c.Context(), scfg, cmd); err != nil {
		return err
	}
	return p.emit(map[string]any{"sent": cmd.Kind, "topic": cmd.Topic, "partition": cmd.Partition, "recipient": cmd.Recipient}, func(w io.Writer) {
		fmt.Fprintf(w, "asked the worker of %s/%d to %s them; `weir quarantine list --waiting` shows what still waits\n",
			cmd.Topic, cmd.Partition, cmd.Kind)
	})
}

// caller is who asks, by the operating system and not by a flag.
func caller() (string, error) {
	who, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("asking the operating system who you are: %w", err)
	}
	return who.Username, nil
}
