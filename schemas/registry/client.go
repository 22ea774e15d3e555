// Package registry finds schemas by id at a Confluent-compatible schema
// registry and registers derived ones. Answers are cached copy-on-write: a hit
// takes no lock.
package registry

import "crypto/tls"

// Config is a connection to a schema registry.
type Config struct {
	URL      string
	User     string // basic auth
	Password string
	Token    string // bearer
	TLS      *tls.Config
}

// Client is a registry client, safe for any number of goroutines.
type Client struct{}
