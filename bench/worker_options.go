package main

import (
	"errors"
	"flag"
	"os"
	"strings"
	"time"
)

// workerOptions are the flags of the worker benchmarks.
type workerOptions struct {
	records int // measured, after a quarter as many to warm up
	rpcn    string
	profile string
	events  int
	idle    time.Duration
	seconds int
	self    string // this program; the test's is another
	weir    string // a binary instead of the tree's: to compare two of them
}

func (o *workerOptions) flags(fs *flag.FlagSet) {
	fs.IntVar(&o.records, "records", 200_000, "")
	fs.StringVar(&o.rpcn, "redpanda-connect", os.Getenv("WEIR_RPCN"), "")
	fs.StringVar(&o.profile, "profile", "", "")
	fs.IntVar(&o.events, "events", 10_000_000, "")
	fs.DurationVar(&o.idle, "idle", 2*time.Minute, "")
	fs.StringVar(&o.weir, "weir", "", "")
	fs.IntVar(&o.seconds, "seconds", 10, "")
}

// brokers are those of the environment.
func brokers() ([]string, error) {
	if list := os.Getenv("WEIR_KAFKA"); list != "" {
		return strings.Split(list, ","), nil
	}
	return nil, errors.New("needs a broker: go run ./deploy/local up kafka, then eval \"$(go run ./deploy/local env)\"")
}
