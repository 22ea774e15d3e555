package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func (j *job) registryURL() string { return "http://" + loopback(j.set.Ports.Registry) }
func (j *job) connectURL() string  { return "http://" + loopback(j.set.Ports.Connect) }

// confluentPath is where Apicurio speaks the Confluent registry's API.
const confluentPath = "/apis/ccompat/v7"

func (j *job) registryServer() *server {
	return &server{
		name: "registry",
		argv: []string{javaBin(), "-Xmx256m",
			"-Dquarkus.http.host=127.0.0.1",
			"-Dquarkus.http.port=" + strconv.Itoa(j.set.Ports.Registry),
			"-jar", filepath.Join(bundleRegistry.home(j.cache), registryJar)},
		// Kept in a file, for the topics' schema ids must outlive a restart.
		env:      []string{"REGISTRY_DATASOURCE_URL=jdbc:h2:file:" + filepath.Join(j.dir, "registry", "db")},
		dir:      filepath.Join(j.dir, "registry"),
		ports:    []namedPort{{"registry", j.set.Ports.Registry}},
		stop:     syscall.SIGTERM,
		stopWait: 15 * time.Second,
		timeout:  90 * time.Second,
		ready: func(ctx context.Context) error {
			var subjects []string
			return getJSON(ctx, j.registryURL()+confluentPath+"/subjects", &subjects)
		},
	}
}

func (j *job) redisServer() *server {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		bin = "redis-server"
	}
	home := filepath.Join(j.dir, "redis")
	return &server{
		name: "redis",
		// Every answer durable and nothing evicted, as Weir's key store asks of Redis.
		argv: []string{bin, "--bind", "127.0.0.1", "--port", strconv.Itoa(j.set.Ports.Redis), "--dir", home,
			"--daemonize", "no", "--appendonly", "yes", "--appendfsync", "always",
			"--maxmemory-policy", "noeviction", "--set-proc-title", "no"},
		dir:      home,
		ports:    []namedPort{{"redis", j.set.Ports.Redis}},
		stop:     syscall.SIGTERM,
		stopWait: 10 * time.Second,
		timeout:  20 * time.Second,
		ready:    func(ctx context.Context) error { return redisReady(ctx, loopback(j.set.Ports.Redis)) },
	}
}

func redisReady(ctx context.Context, addr string) error {
	c, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	if line != "+PONG\r\n" {
		return errors.New("it is still loading")
	}
	return nil
}

const debeziumClass = "io.debezium.connector.postgresql.PostgresConnector"

// connectServer is one distributed worker: its connectors and offsets stand in
// Kafka and outlive a restart.
func (j *job) connectServer() *server {
	home := filepath.Join(j.dir, "connect")
	props := filepath.Join(home, "worker.properties")
	logConf := filepath.Join(home, "log4j2.properties")
	return &server{
		name: "connect",
		argv: []string{javaBin(), "-Xms128m", "-Xmx512m", "-Dlog4j2.configurationFile=" + logConf,
			"-cp", j.kafkaClasspath(), "org.apache.kafka.connect.cli.ConnectDistributed", props},
		files:    map[string]string{props: j.connectProperties(), logConf: log4j2},
		dir:      home,
		ports:    []namedPort{{"connect", j.set.Ports.Connect}},
		stop:     syscall.SIGTERM,
		stopWait: 20 * time.Second,
		timeout:  120 * time.Second,
		ready:    j.connectReady,
	}
}

func (j *job) connectProperties() string {
	replicas := 1
	if j.set.Nodes > 1 {
		replicas = 3
	}
	p := &properties{}
	p.set("bootstrap.servers", strings.Join(j.set.brokers(false), ","))
	p.set("group.id", "weir-local-connect")
	for _, t := range []string{"config", "offset", "status"} {
		p.set(t+".storage.topic", "_connect."+t)
		p.set(t+".storage.replication.factor", replicas)
	}
	p.set("offset.storage.partitions", 2)
	p.set("status.storage.partitions", 1)
	p.set("key.converter", "org.apache.kafka.connect.json.JsonConverter")
	p.set("value.converter", "org.apache.kafka.connect.json.JsonConverter")
	p.set("listeners", j.connectURL())
	p.set("rest.advertised.host.name", "127.0.0.1")
	p.set("plugin.path", bundleDebezium.home(j.cache)+","+bundleAvro.home(j.cache))
	p.set("plugin.discovery", "service_load")
	p.set("offset.flush.interval.ms", 1000)
	p.set("scheduled.rebalance.max.delay.ms", 0)
	p.set("connector.client.config.override.policy", "All")
	return p.String()
}

func (j *job) connectReady(ctx context.Context) error {
	// The plugin list answers early; the connector list only once the worker has
	// joined its group and can take orders.
	var plugins []struct {
		Class string `json:"class"`
	}
	if err := getJSON(ctx, j.connectURL()+"/connector-plugins", &plugins); err != nil {
		return err
	}
	found := false
	for _, p := range plugins {
		found = found || p.Class == debeziumClass
	}
	if !found {
		return errors.New("no Debezium PostgreSQL connector in plugin.path")
	}
	var names []string
	return getJSON(ctx, j.connectURL()+"/connectors", &names)
}

func getJSON(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := loopbackHTTP().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// loopbackHTTP never asks a proxy: all our servers are on this machine.
func loopbackHTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
}
