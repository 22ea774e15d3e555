package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// network dials for all clients of a process and can cut them all at once.
type network struct {
	tls *tls.Config

	mu    sync.Mutex
	conns map[net.Conn]struct{} // guarded by mu
	dead  bool                  // guarded by mu
	drops []func()              // guarded by mu
}

var errKilled = errors.New("killed")

func newNetwork(t *tls.Config) *network {
	return &network{tls: t, conns: map[net.Conn]struct{}{}}
}

// opts make a client dial here; they come after Kafka.opts and replace its
// TLS dialing.
func (n *network) opts() []kgo.Opt { return []kgo.Opt{kgo.Dialer(n.dial)} }

func (n *network) dial(ctx context.Context, proto, host string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 10 * time.Second}
	c, err := d.DialContext(ctx, proto, host)
	if err != nil {
		return nil, err
	}
	if n.tls != nil {
		if c, err = handshake(ctx, c, n.tls, host); err != nil {
			return nil, err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dead {
		_ = c.Close()
		return nil, errKilled
	}
	n.conns[c] = struct{}{}
	return &tracked{c, n}, nil
}

func handshake(ctx context.Context, c net.Conn, config *tls.Config, host string) (net.Conn, error) {
	config = config.Clone()
	if config.ServerName == "" {
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			_ = c.Close()
			return nil, err
		}
		config.ServerName = name
	}
	t := tls.Client(c, config)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return t, nil
}

// tracked is a connection that its network knows of.
type tracked struct {
	net.Conn
	n *network
}

// Close closes and forgets the connection.
func (t *tracked) Close() error {
	t.n.mu.Lock()
	delete(t.n.conns, t.Conn)
	t.n.mu.Unlock()
	return t.Conn.Close()
}

// onKill calls f when the network is killed, at once when it was.
func (n *network) onKill(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dead {
		f()
		return
	}
	n.drops = append(n.drops, f)
}

func (n *network) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dead = true
	for c := range n.conns {
		_ = c.Close()
	}
	for _, f := range n.drops {
		f()
	}
}
