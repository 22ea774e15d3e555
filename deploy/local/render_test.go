package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parsed reads a properties text as Java would (none of ours continues a line).
func parsed(t *testing.T, text string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(text) {
		k, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if _, twice := out[k]; !ok || twice {
			t.Fatalf("line %q is broken or repeats its key", line)
		}
		out[k] = v
	}
	return out
}

func expect(t *testing.T, got map[string]string, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %q; want %q", k, got[k], v)
		}
	}
}

func TestKafkaOneNode(t *testing.T) {
	j := testJob(t)
	p := parsed(t, j.kafkaProperties(1))
	expect(t, p, map[string]string{
		"process.roles":                            "broker,controller",
		"listeners":                                "PLAINTEXT://127.0.0.1:19090,CONTROLLER://127.0.0.1:19110",
		"advertised.listeners":                     "PLAINTEXT://127.0.0.1:19090",
		"controller.quorum.voters":                 "1@127.0.0.1:19110",
		"offsets.topic.replication.factor":         "1",
		"transaction.state.log.replication.factor": "1",
		"min.insync.replicas":                      "1",
		"auto.create.topics.enable":                "false",
	})
	for k := range p {
		if strings.Contains(k, "sasl") || strings.Contains(k, "authorizer") {
			t.Errorf("%s stands there without --sasl-ssl", k)
		}
	}
}

func TestKafkaThreeNodes(t *testing.T) {
	j := testJob(t)
	j.set.Nodes, j.set.SASL, j.set.ACL = 3, true, true
	j.set.KafkaConfig = []string{"message.max.bytes=5", "a=b=c"}
	p := parsed(t, j.kafkaProperties(3))
	expect(t, p, map[string]string{
		"node.id":                                      "3",
		"listeners":                                    "PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19112,SASL_SSL://127.0.0.1:19102",
		"advertised.listeners":                         "PLAINTEXT://127.0.0.1:19092,SASL_SSL://127.0.0.1:19102",
		"controller.quorum.voters":                     "1@127.0.0.1:19110,2@127.0.0.1:19111,3@127.0.0.1:19112",
		"default.replication.factor":                   "3",
		"transaction.state.log.replication.factor":     "3",
		"transaction.state.log.min.isr":                "2",
		"min.insync.replicas":                          "2",
		"sasl.enabled.mechanisms":                      "SCRAM-SHA-512,PLAIN",
		"listener.name.sasl_ssl.ssl.keystore.type":     "PEM",
		"listener.name.sasl_ssl.ssl.keystore.location": j.tlsPath("server.pem"),
		"authorizer.class.name":                        "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users":                                  "User:ANONYMOUS",
		"message.max.bytes":                            "5",
		"a":                                            "b=c",
	})
	names := []string{}
	for _, s := range j.servers() {
		names = append(names, s.name)
	}
	want := []string{"kafka-1", "kafka-2", "kafka-3", "registry", "postgres", "redis", "connect"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
}

func TestConnectWorker(t *testing.T) {
	j := testJob(t)
	j.set.Nodes = 3
	expect(t, parsed(t, j.connectProperties()), map[string]string{
		"bootstrap.servers":                 "127.0.0.1:19090,127.0.0.1:19091,127.0.0.1:19092",
		"config.storage.replication.factor": "3",
		"listeners":                         "http://127.0.0.1:19140",
		"plugin.discovery":                  "service_load",
	})
}

// Every address that any server is told to listen on is this machine's own.
func TestEverythingListensOnLoopback(t *testing.T) {
	j := testJob(t)
	j.set.Nodes, j.set.SASL = 3, true
	says := map[string]string{"registry": "quarkus.http.host=127.0.0.1", "postgres": "listen_addresses=127.0.0.1", "redis": "--bind 127.0.0.1"}
	anyHost := regexp.MustCompile(`://:|0\.0\.0\.0|\[::\]|listen_addresses=\*`)
	for _, s := range j.servers() {
		text := strings.Join(s.argv, " ")
		for _, f := range s.files {
			text += "\n" + f
		}
		if anyHost.MatchString(text) {
			t.Errorf("%s listens on any address:\n%s", s.name, text)
		}
		if want := says[s.name]; !strings.Contains(text, want) {
			t.Errorf("%s does not say %q:\n%s", s.name, want, text)
		}
	}
}

func TestFingerprintFollowsTheConfiguration(t *testing.T) {
	j := testJob(t)
	before := j.kafkaServer(1).fingerprint()
	if again := j.kafkaServer(1).fingerprint(); again != before {
		t.Error("the same settings give two fingerprints")
	}
	j.set.KafkaConfig = []string{"a=b"}
	if j.kafkaServer(1).fingerprint() == before {
		t.Error("a changed server.properties keeps the fingerprint")
	}
	redis := j.redisServer().fingerprint()
	j.set.Ports.Redis++
	if j.redisServer().fingerprint() == redis {
		t.Error("a changed command line keeps the fingerprint")
	}
}

func TestPropertiesEscape(t *testing.T) {
	p := &properties{}
	p.set("k", `C:\x`+"\nsecond=1")
	if got, want := p.String(), `k=C:\\x\nsecond=1`+"\n"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}

func TestSharedSecretsAreDrawnOnce(t *testing.T) {
	j := testJob(t)
	j.set.SASL = true
	if err := j.makeShared(); err != nil {
		t.Fatal(err)
	}
	first := []string{j.kafkaProperties(1), j.drawn("kafka-weir"), j.drawn("kafka-reader")}
	if err := j.makeShared(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, []string{j.kafkaProperties(1), j.drawn("kafka-weir"), j.drawn("kafka-reader")}); diff != "" {
		t.Errorf("changed by a second start (-first +second):\n%s", diff)
	}
	if first[1] == first[2] || len(first[1]) < 20 {
		t.Error("the users share a password, or it is short")
	}
	mustContain(t, first[0], `user_weir="`+first[1]+`"`)
}
