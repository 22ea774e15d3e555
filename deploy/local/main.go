// Command local starts, without containers, the real servers that tests and
// developers need: Apache Kafka (one node or three), a schema registry,
// PostgreSQL with logical replication, Kafka Connect with Debezium, and Redis.
//
//	go run ./deploy/local up kafka registry postgres connect redis --sasl-ssl
//	eval "$(go run ./deploy/local env)"
//	go run ./deploy/local down
//
// Everything listens on 127.0.0.1 only. A server is known by its pid file, which
// also holds when the process began, so that a process of someone else is never
// signalled; nothing is ever ended by name. README.md has the rest.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
