package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// kafkaUsers are the SASL users: the pipeline and a recipient's client. Neither
// is a super user, so with --acl both start with no rights at all.
var kafkaUsers = [...]string{"weir", "reader"}

// log4j2 is one configuration for every Java server here: one line an event, on
// standard output, which is the server's log file.
const log4j2 = `rootLogger=INFO, out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c{1}: %m%n
logger.config.name=org.apache.kafka.common.config.AbstractConfig
logger.config.level=WARN
logger.clients.name=org.apache.kafka.clients
logger.clients.level=WARN
logger.reflections.name=org.reflections
logger.reflections.level=ERROR
`

func (j *job) kafkaHome(node int) string {
	return filepath.Join(j.dir, fmt.Sprintf("kafka-%d", node))
}

// kafkaServer renders node i of Settings.Nodes (from 1), broker and controller in
// one process.
func (j *job) kafkaServer(node int) *server {
	home := j.kafkaHome(node)
	props := filepath.Join(home, "server.properties")
	logConf := filepath.Join(home, "log4j2.properties")
	s := &server{
		name: fmt.Sprintf("kafka-%d", node),
		argv: []string{javaBin(), "-Xms256m", "-Xmx512m", "-Dlog4j2.configurationFile=" + logConf,
			"-cp", j.kafkaClasspath(), "kafka.Kafka", props},
		files:    map[string]string{props: j.kafkaProperties(node), logConf: log4j2},
		dir:      home,
		ports:    j.set.kafkaPorts(node),
		stop:     syscall.SIGTERM,
		stopWait: 20 * time.Second,
		timeout:  90 * time.Second,
	}
	s.prepare = func(ctx context.Context, j *job) error { return j.formatKafka(ctx, home, props) }
	s.ready = func(ctx context.Context) error { return j.kafkaReady(ctx, node) }
	return s
}

// kafkaClasspath is a pattern that java itself expands.
func (j *job) kafkaClasspath() string { return filepath.Join(bundleKafka.home(j.cache), "*") }

func (j *job) kafkaProperties(node int) string {
	var voters []string
	for i := range j.set.Nodes {
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, loopback(j.set.Ports.Controller+i)))
	}
	plain := "PLAINTEXT://" + loopback(j.set.Ports.Kafka+node-1)
	listeners := []string{plain, "CONTROLLER://" + loopback(j.set.Ports.Controller+node-1)}
	advertised := []string{plain}
	if j.set.SASL {
		sasl := "SASL_SSL://" + loopback(j.set.Ports.SASL+node-1)
		listeners, advertised = append(listeners, sasl), append(advertised, sasl)
	}
	replicas, insync := 1, 1
	if j.set.Nodes > 1 {
		replicas, insync = 3, 2
	}
	p := &properties{}
	p.set("process.roles", "broker,controller")
	p.set("node.id", node)
	p.set("controller.quorum.voters", strings.Join(voters, ","))
	p.set("listeners", strings.Join(listeners, ","))
	p.set("advertised.listeners", strings.Join(advertised, ","))
	p.set("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL")
	p.set("inter.broker.listener.name", "PLAINTEXT")
	p.set("controller.listener.names", "CONTROLLER")
	p.set("log.dirs", filepath.Join(j.kafkaHome(node), "data"))
	for _, k := range []string{"default.replication.factor", "offsets.topic.replication.factor",
		"transaction.state.log.replication.factor", "share.coordinator.state.topic.replication.factor"} {
		p.set(k, replicas)
	}
	for _, k := range []string{"min.insync.replicas", "transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr"} {
		p.set(k, insync)
	}
	p.set("offsets.topic.num.partitions", 10)
	p.set("transaction.state.log.num.partitions", 10)
	p.set("share.coordinator.state.topic.num.partitions", 2)
	// Weir makes its topics by a plan; a typing error must not make one.
	p.set("auto.create.topics.enable", false)
	p.set("group.initial.rebalance.delay.ms", 0)
	p.set("log.cleaner.backoff.ms", 1000) // a compaction test need not wait 15 s
	if j.set.SASL {
		j.saslProperties(p)
	}
	for _, kv := range j.set.KafkaConfig {
		k, v, _ := strings.Cut(kv, "=")
		p.set(k, v)
	}
	return p.String()
}

func (j *job) saslProperties(p *properties) {
	const l = "listener.name.sasl_ssl."
	// PLAIN beside SCRAM, for Debian's kcat: librdkafka before 2.6.1 sends a wrong
	// nonce in SCRAM's last message, which Kafka 4 refuses.
	p.set("sasl.enabled.mechanisms", "SCRAM-SHA-512,PLAIN")
	p.set(l+"scram-sha-512.sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required;")
	plain := "org.apache.kafka.common.security.plain.PlainLoginModule required"
	for _, user := range kafkaUsers {
		plain += fmt.Sprintf(" user_%s=%q", user, j.drawn("kafka-"+user))
	}
	p.set(l+"plain.sasl.jaas.config", plain+";")
	p.set(l+"ssl.keystore.type", "PEM")
	p.set(l+"ssl.keystore.location", j.tlsPath("server.pem"))
	p.set(l+"ssl.truststore.type", "PEM")
	p.set(l+"ssl.truststore.location", j.tlsPath("ca.pem"))
	p.set(l+"ssl.client.auth", "requested")
	if j.set.ACL {
		p.set("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")
		p.set("super.users", "User:ANONYMOUS") // whoever comes by PLAINTEXT, the brokers among them
		p.set("allow.everyone.if.no.acl.found", false)
	}
}

// properties is a Java properties file in the order of its lines.
type properties struct{ b strings.Builder }

var escapeProperty = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)

func (p *properties) set(key string, value any) {
	fmt.Fprintf(&p.b, "%s=%s\n", key, escapeProperty.Replace(fmt.Sprint(value)))
}

func (p *properties) String() string { return p.b.String() }

// makeShared draws what several servers share, before they start side by side:
// certificates, passwords, and the cluster id of all Kafka nodes.
func (j *job) makeShared() error {
	if _, err := j.clusterID(); err != nil {
		return err
	}
	if !j.set.SASL {
		return nil
	}
	for _, user := range kafkaUsers {
		if _, err := j.secret("kafka-" + user); err != nil {
			return err
		}
	}
	if err := j.makeTLS(); err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	return nil
}

// formatKafka prepares a node's data folder, once.
func (j *job) formatKafka(ctx context.Context, home, props string) error {
	if _, err := os.Stat(filepath.Join(home, "data", "meta.properties")); err == nil {
		return nil
	}
	id, err := j.clusterID()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, javaBin(), "-Xmx256m", "-cp", j.kafkaClasspath(),
		"kafka.tools.StorageTool", "format", "-t", id, "-c", props, "--feature", "transaction.version=2")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("formatting %s: %w\n  %s", home, err, strings.Join(pickLines(bytes.NewReader(out), 6), "\n  "))
	}
	return nil
}

func (j *job) clusterID() (string, error) {
	path := filepath.Join(j.dir, "cluster.id")
	if b, err := os.ReadFile(path); err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	var raw [16]byte
	rand.Read(raw[:])
	raw[0] &= 0x3f // Kafka refuses ids that begin with a dash
	id := base64.RawURLEncoding.EncodeToString(raw[:])
	return id, writeFile(path, []byte(id+"\n"), 0o644)
}

// kafkaReady asks one node whether it is in the cluster and speaks transactions
// of version 2 and, with SASL, whether the users can log in.
func (j *job) kafkaReady(ctx context.Context, node int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(loopback(j.set.Ports.Kafka+node-1)), kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	md, err := adm.BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	if !hasNode(md.Brokers, node) {
		return fmt.Errorf("node %d has not joined yet", node)
	}
	if err := transactionVersion2(ctx, cl); err != nil {
		return err
	}
	if !j.set.SASL {
		return nil
	}
	return j.saslReady(ctx, adm, node)
}

func hasNode(brokers kadm.BrokerDetails, node int) bool {
	for _, b := range brokers {
		if int(b.NodeID) == node {
			return true
		}
	}
	return false
}

func transactionVersion2(ctx context.Context, cl *kgo.Client) error {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "weir-local", "1"
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" && f.MaxVersionLevel >= 2 {
			return nil
		}
	}
	return errors.New("transaction.version 2 is not finalised yet")
}

// saslReady logs in as each user; while that fails it (re)writes their passwords
// by the PLAINTEXT listener and lets the next attempt look again.
func (j *job) saslReady(ctx context.Context, adm *kadm.Client, node int) error {
	for _, user := range kafkaUsers {
		pass, err := j.secret("kafka-" + user)
		if err != nil {
			return err
		}
		err = j.saslLogin(ctx, node, user, pass)
		if err == nil {
			continue
		}
		up := kadm.UpsertSCRAM{User: user, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: pass}
		res, uerr := adm.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{up})
		if uerr == nil {
			uerr = res[user].Err
		}
		return errors.Join(fmt.Errorf("SASL_SSL login of %s: %w", user, err), uerr)
	}
	return nil
}

func (j *job) saslLogin(ctx context.Context, node int, user, pass string) error {
	ca, err := os.ReadFile(j.tlsPath("ca.pem"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(loopback(j.set.Ports.SASL+node-1)),
		kgo.DialTLSConfig(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}),
		kgo.SASL(scram.Auth{User: user, Pass: pass}.AsSha512Mechanism()),
		kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer cl.Close()
	return cl.Ping(ctx)
}
