package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"reflect"

	"weir/stream"
)

// Reloader watches a policy's files. It belongs to one goroutine.
type Reloader struct {
	paths  []string
	env    Env
	now    *Config
	stamp  string   // names, sizes and times at the last look
	refuse [32]byte // content that was refused: said once, not every second
}

// NewReloader watches the files that c was loaded from.
func NewReloader(paths []string, env Env, c *Config) *Reloader {
	return &Reloader{paths: paths, env: env, now: c, stamp: stampOf(paths)}
}

// Reload answers the new policy when the files changed, nil when nothing that
// decides did. A policy that cannot take effect is an error, once, and the old
// one stays: a bad file, an epoch that did not rise, or a change outside what a
// running process can take over.
func (r *Reloader) Reload() (*stream.Policy, error) {
	stamp := stampOf(r.paths)
	if stamp == r.stamp {
		return nil, nil
	}
	r.stamp = stamp
	next, err := Load(r.paths, r.env)
	if err == nil {
		var policy *stream.Policy
		if policy, err = r.take(next); err == nil {
			r.refuse = [32]byte{}
			return policy, nil
		}
	}
	err = fmt.Errorf("policy refused, epoch %d stays: %w", r.now.Policy.Epoch, err)
	if sum := sha256.Sum256([]byte(err.Error())); sum != r.refuse {
		r.refuse = sum
		return nil, err
	}
	return nil, nil
}

func (r *Reloader) take(next *Config) (*stream.Policy, error) {
	old := r.now
	if outside := changedOutside(&old.File, &next.File, old, next); outside != "" {
		return nil, next.refuse(outside, "%s changed, which a running process does not take over: restart it", outside)
	}
	switch {
	case next.Policy.Epoch < old.Policy.Epoch:
		return nil, next.refuse("epoch", "the epoch fell; a rollback is a new epoch: use %d", old.Policy.Epoch+1)
	case next.Policy.Epoch == old.Policy.Epoch && !bytes.Equal(next.Canonical, old.Canonical):
		return nil, next.refuse("epoch", "the policy changed and its epoch did not: use %d", old.Policy.Epoch+1)
	case next.Policy.Epoch == old.Policy.Epoch:
		return nil, nil
	}
	policy, err := next.StreamPolicy()
	if err != nil {
		return nil, err
	}
	r.now = next
	return policy, nil
}

// changedOutside names the first part that is not policy and differs, "" when
// there is none.
func changedOutside(a, b *File, old, next *Config) string {
	pairs := []struct {
		name string
		a, b any
	}{
		{"name", a.Name, b.Name}, {"keyspace", a.Keyspace, b.Keyspace}, {"profile", a.Profile, b.Profile},
		{"kafka", a.Kafka, b.Kafka}, {"registry", a.Registry, b.Registry},
		{"sources", old.sources(), next.sources()}, {"start", a.Start, b.Start}, {"on_poison", a.OnPoison, b.OnPoison},
		{"breaker", a.Breaker, b.Breaker}, {"workers", a.Workers, b.Workers}, {"batch", a.Batch, b.Batch},
		{"admin", a.Admin, b.Admin}, {"topics", a.Topics, b.Topics},
	}
	for _, p := range pairs {
		if !reflect.DeepEqual(p.a, p.b) {
			return p.name
		}
	}
	return ""
}

// stampOf is what a look at the files costs each second: no reading.
func stampOf(paths []string) string {
	files, err := policyFiles(paths)
	if err != nil {
		return "unreadable"
	}
	type stat struct {
		Name       string
		Size, Time int64
	}
	var stats []stat
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return "unreadable"
		}
		stats = append(stats, stat{f, info.Size(), info.ModTime().UnixNano()})
	}
	text, _ := json.Marshal(stats)
	return string(text)
}
