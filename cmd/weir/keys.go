package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"weir/keys"
	"weir/stream"
)

func (p *program) keysCommand() *cobra.Command {
	c := &cobra.Command{Use: "keys", Short: "Make keys"}
	c.AddCommand(&cobra.Command{
		Use:   "init FILE",
		Short: "Make a local key file",
		Long: `Init makes a key file with one new master version, readable by its owner only
(0600). An existing file is never overwritten: whoever loses a key file loses the
tokens made with it.`,
		Example: "  weir keys init shop.key",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name one file")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return p.initKeys(args[0]) },
	})
	return c
}

func (p *program) initKeys(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return exit(stream.ExitUsage, "%s exists; key files are never overwritten", path)
	}
	ref, err := keys.InitFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return &exitError{stream.ExitNotAllowed, err}
	}
	if err != nil {
		return &exitError{stream.ExitUsage, err}
	}
	return p.emit(map[string]string{"file": path, "key": ref.String()}, func(w io.Writer) {
		fmt.Fprintf(w, "made %s with key %s\nKeep a copy where the pipeline's backups are not: without it, tokens cannot be made again.\n", path, ref)
	})
}
