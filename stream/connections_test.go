package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/stream/streamtest"
)

// securedPlain is a plain rig behind SCRAM-SHA-512, TLS and ACLs; Weir's user
// may do what it needs, but for writing to the topics denied.
func securedPlain(t *testing.T, denied ...string) *rig {
	t.Helper()
	allow := func(r kmsg.ACLResourceType, name string, p kmsg.ACLResourcePatternType, ops ...kmsg.ACLOperation) (out []kfake.ACL) {
		for _, op := range ops {
			out = append(out, kfake.ACL{Resource: r, Name: name, Pattern: p, Operation: op, Allow: true})
		}
		return out
	}
	prefixed, literal := kmsg.ACLResourcePatternTypePrefixed, kmsg.ACLResourcePatternTypeLiteral
	acls := allow(kmsg.ACLResourceTypeTopic, "raw.", prefixed, kmsg.ACLOperationRead, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs)
	for _, p := range []string{"out.", "_weir.plain."} {
		acls = append(acls, allow(kmsg.ACLResourceTypeTopic, p, prefixed, kmsg.ACLOperationRead, kmsg.ACLOperationWrite,
			kmsg.ACLOperationDescribe, kmsg.ACLOperationCreate, kmsg.ACLOperationAlter, kmsg.ACLOperationDescribeConfigs)...)
	}
	acls = append(acls, allow(kmsg.ACLResourceTypeGroup, "weir.plain", literal, kmsg.ACLOperationRead, kmsg.ACLOperationDescribe)...)
	acls = append(acls, allow(kmsg.ACLResourceTypeTransactionalId, "weir.plain.", prefixed, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe)...)
	for _, d := range denied {
		acls = append(acls, kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: d, Pattern: literal, Operation: kmsg.ACLOperationWrite})
	}
	c, err := streamtest.Start(streamtest.Options{Partitions: 1, TLS: true, ACLs: true, Users: []streamtest.User{
		{Name: "admin", Password: "admin-pw", Super: true}, {Name: "weir", Password: "weir-pw", ACLs: acls}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.CreateTopics(1, rawTopic, "raw.u"); err != nil {
		t.Fatal(err)
	}
	g := newPlain(t, 1) // for its policy
	g.c = c
	if g.prod, err = c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.prod.Close)
	g.cfg.Kafka = Kafka{Brokers: c.Brokers(), TLS: c.ClientTLS(), SASL: SASL{Mechanism: "SCRAM-SHA-512", User: "weir", Password: "weir-pw"}}
	return g
}

// Contract 10: SASL, TLS and ACLs, end to end.
func TestSecuredRun(t *testing.T) {
	g := securedPlain(t)
	g.put(rawRec("a", "1", ""), rawRec("b", "2", "undeclared"))
	run := g.start(g.cfg, nil)
	g.settled()
	g.want("strict", "1")
	g.want("loose", "1", "2")
	if err := run.stop(t); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(g.log.String(), "weir-pw") {
		t.Error("the log holds the password")
	}
}

// A wrong password, TLS where there is none and the reverse end clearly: 4
// where the broker says no, 75 where it only hangs up.
func TestConnectionsThatAreRefused(t *testing.T) {
	g := securedPlain(t)
	wrong, plain, bare := g.cfg, g.cfg, g.cfg
	wrong.Kafka.SASL.Password = "not-it"
	plain.Kafka.TLS, plain.Kafka.SASL = nil, SASL{}
	bare.Kafka.Brokers = []string{"127.0.0.1:1"}
	for name, cfg := range map[string]Config{"password": wrong, "plaintext": plain, "nobody": bare} {
		err := Run(context.Background(), cfg)
		if c := ExitCode(err); c != ExitAgain && c != ExitNotAllowed || !strings.Contains(err.Error(), "broker") {
			t.Errorf("%s: exit %d: %v", name, c, err)
		}
		if strings.Contains(fmt.Sprint(err), "not-it") {
			t.Errorf("%s: the error holds the password", name)
		}
	}
	k := Kafka{SASL: SASL{Mechanism: "PLAIN"}}
	if err := k.dialErr(kerr.SaslAuthenticationFailed); ExitCode(err) != ExitNotAllowed || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("a broker that says no: %v", err)
	}
	if err := k.dialErr(io.EOF); ExitCode(err) != ExitAgain || !strings.Contains(err.Error(), "password") {
		t.Errorf("a broker that hangs up: %v", err)
	}
}

// A missing WRITE right on one output holds the partitions that feed it; their
// offsets are not committed without it (libraries.md §1 rule 1).
func TestMissingWriteRight(t *testing.T) {
	g := securedPlain(t, "out.strict.raw.t")
	other := rawRec("z", "other", "")
	other.Topic = "raw.u"
	g.cfg.OnPoison = Skip // raw.u declares nothing: all of it is quarantined for strict
	g.put(rawRec("a", "1", ""), other)
	run := g.start(g.cfg, nil)
	g.standsFor(run, rawTopic, "output_refused")
	g.settled("raw.u")
	if outEnd(g, "out.strict.raw.t") != 0 || outEnd(g, "out.loose.raw.t") > 0 && len(g.read("out.loose.raw.t")) != 0 {
		t.Error("something of the transaction was committed")
	}
}

// Contract 31.
func TestExitCodes(t *testing.T) {
	for want, errs := range map[int][]error{
		ExitOK:         {nil},
		ExitUsage:      {&Refused{Why: "x"}, fmt.Errorf("doing: %w", &Refused{Why: "x"})},
		ExitNotAllowed: {kerr.TopicAuthorizationFailed, kerr.SaslAuthenticationFailed, &Gone{What: "broker", Err: kerr.ClusterAuthorizationFailed}},
		ExitInternal:   {errStuck, errors.New("a bug")},
		ExitAgain:      {&Gone{What: "broker", Err: io.EOF}, &Fenced{Name: "shop"}, errTooMany, context.DeadlineExceeded, kerr.CoordinatorNotAvailable},
	} {
		for _, err := range errs {
			if got := ExitCode(err); got != want {
				t.Errorf("%v: exit %d, want %d", err, got, want)
			}
		}
	}
}
