package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// The timeouts of contract 24: request < transaction < session + rebalance, so
// that a broker's restart does not abort our own transaction, and a dead
// worker's one is gone before its partitions move.
const (
	sessionTimeout   = 10 * time.Second
	heartbeat        = 2500 * time.Millisecond
	rebalanceTimeout = 20 * time.Second
	txnTimeout       = 20 * time.Second
	requestTimeout   = 15 * time.Second
	externalTimeout  = txnTimeout / 3 // one external call inside a transaction
)

// maxDecompress bounds what one fetched batch may expand to (zip bombs).
const maxDecompress = 256 << 20

// opts are the client options that every Weir client shares.
func (k *Kafka) opts() []kgo.Opt {
	o := []kgo.Opt{
		kgo.SeedBrokers(k.Brokers...),
		kgo.ClientID("weir"),
		kgo.Dialer(newNetwork(k.TLS).dial), // a process puts its own in its place: see network
		kgo.MaxDecompressBatchBytes(maxDecompress),
		kgo.RequestTimeoutOverhead(requestTimeout),
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.MetadataMaxAge(30 * time.Second),
	}
	if m := k.SASL.mechanism(); m != nil {
		o = append(o, kgo.SASL(m))
	}
	return o
}

func (s *SASL) mechanism() sasl.Mechanism {
	switch strings.ToUpper(s.Mechanism) {
	case "PLAIN":
		return plain.Auth{User: s.User, Pass: s.Password}.AsMechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha512Mechanism()
	case "OAUTHBEARER":
		return oauth.Auth{Token: s.Token}.AsMechanism()
	}
	return nil
}

// dial opens a plain client for administration, and checks that a broker
// answers.
func (k *Kafka) dial(ctx context.Context, extra ...kgo.Opt) (*kgo.Client, error) {
	cl, err := kgo.NewClient(append(k.opts(), extra...)...)
	if err != nil {
		return nil, fmt.Errorf("configuring the Kafka client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := cl.Ping(ctx); err != nil {
		cl.Close()
		return nil, k.dialErr(err)
	}
	return cl, nil
}

// dialErr tells a refusal (exit 4) from silence (exit 75). Brokers may close the
// connection without a word when they refuse a password or expect TLS.
func (k *Kafka) dialErr(err error) error {
	switch {
	case isNotAllowed(err):
		return fmt.Errorf("the broker refuses this user: %w", err)
	case errors.Is(err, io.EOF) && k.SASL.Mechanism != "":
		err = fmt.Errorf("the broker closed the connection, as some do for a wrong user or password: %w", err)
	case errors.Is(err, io.EOF) && k.TLS == nil:
		err = fmt.Errorf("the broker closed the connection, as some do when they expect TLS: %w", err)
	}
	return &Gone{What: "broker", Err: err}
}

// errTV1 refuses brokers whose transactions a delayed EndTxn can tear
// (KAFKA-17754, reliability R1).
var errTV1 = errors.New("broker without transaction.version 2: a delayed EndTxn may commit or abort a later " +
	"transaction (KAFKA-17754); upgrade it (`kafka-features.sh upgrade --feature transaction.version=2`) or set kafka.allow_tv1")

// transactionVersion asks the broker for its finalised transaction.version.
func transactionVersion(ctx context.Context, cl *kgo.Client) (int16, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "weir", "1"
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return 0, &Gone{What: "broker", Err: err}
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			return f.MaxVersionLevel, nil
		}
	}
	return 0, nil
}
