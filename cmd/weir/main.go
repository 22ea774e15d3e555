// Command weir publishes one sanitised copy of raw change streams per
// recipient. README.md of the folder above lists its subcommands.
package main

import (
	"context"
	"os"

	"weir/cmd/internal/config"
)

func main() {
	p := &program{env: config.OS(), out: os.Stdout, err: os.Stderr, engine: realEngine()}
	os.Exit(p.run(context.Background(), os.Args[1:]))
}
