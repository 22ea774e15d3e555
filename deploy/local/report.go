package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// serverStatus is one line of status, and one element of its JSON.
type serverStatus struct {
	Name    string         `json:"name"`
	State   string         `json:"state"` // running, stopped, died (its pid file is there, its process is not)
	PID     int            `json:"pid,omitempty"`
	Started *time.Time     `json:"started,omitempty"`
	MemMB   int            `json:"mem_mb,omitempty"`
	Ports   map[string]int `json:"ports"`
	Log     string         `json:"log"`
}

func (j *job) statusOf(s *server) (serverStatus, error) {
	st := serverStatus{Name: s.name, State: "stopped", Ports: map[string]int{}, Log: j.logPath(s.name)}
	for _, p := range s.ports {
		st.Ports[p.name] = p.port
	}
	p, err := readPidFile(j.pidPath(s.name))
	if err != nil || p == nil {
		return st, err
	}
	if !p.alive() {
		st.State = "died"
		return st, nil
	}
	st.State, st.PID, st.Started, st.MemMB = "running", p.PID, &p.Started, residentMB(p.PID)
	return st, nil
}

func cmdStatus(_ context.Context, in *invocation) error {
	var all []serverStatus
	for _, s := range in.servers() {
		st, err := in.statusOf(s)
		if err != nil {
			return err
		}
		all = append(all, st)
	}
	if in.json {
		return json.NewEncoder(in.out).Encode(map[string]any{"dir": in.dir, "cache": in.cache, "servers": all})
	}
	w := tabwriter.NewWriter(in.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVER\tSTATE\tPID\tPORT\tMiB\tLOG")
	for _, st := range all {
		pid, mem := "-", "-"
		if st.PID > 0 {
			pid, mem = strconv.Itoa(st.PID), strconv.Itoa(st.MemMB)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", st.Name, st.State, pid, st.Ports[st.Name], mem, st.Log)
	}
	return w.Flush()
}

// variable is one exported name.
type variable struct{ name, value string }

// environment is what tests need to reach the servers that run.
func (j *job) environment() ([]variable, error) {
	v := []variable{{"WEIR_LOCAL_DIR", j.dir}}
	if j.anyKafka() {
		v = append(v, j.kafkaEnvironment()...)
	}
	if j.running("registry") {
		v = append(v, variable{"WEIR_REGISTRY", j.registryURL() + confluentPath})
	}
	if j.running("postgres") {
		url, err := j.postgresURL()
		if err != nil {
			return nil, err
		}
		v = append(v, variable{"WEIR_POSTGRES", url})
	}
	if j.running("connect") {
		v = append(v, variable{"WEIR_CONNECT", j.connectURL()})
	}
	if j.running("redis") {
		v = append(v, variable{"WEIR_REDIS", loopback(j.set.Ports.Redis)})
	}
	return v, nil
}

func (j *job) anyKafka() bool {
	for i := range j.set.Nodes {
		if j.running(fmt.Sprintf("kafka-%d", i+1)) {
			return true
		}
	}
	return false
}

func (j *job) kafkaEnvironment() []variable {
	v := []variable{{"WEIR_KAFKA", strings.Join(j.set.brokers(false), ",")}}
	if !j.set.SASL {
		return v
	}
	return append(v,
		variable{"WEIR_KAFKA_SASL_SSL", strings.Join(j.set.brokers(true), ",")},
		variable{"WEIR_KAFKA_CA", j.tlsPath("ca.pem")},
		variable{"WEIR_KAFKA_MECHANISM", "SCRAM-SHA-512"},
		variable{"WEIR_KAFKA_USER", kafkaUsers[0]},
		variable{"WEIR_KAFKA_PASSWORD_FILE", j.secretPath("kafka-" + kafkaUsers[0])},
		variable{"WEIR_KAFKA_READER_USER", kafkaUsers[1]},
		variable{"WEIR_KAFKA_READER_PASSWORD_FILE", j.secretPath("kafka-" + kafkaUsers[1])},
		variable{"WEIR_KAFKA_CLIENT_CERT", j.tlsPath("client.crt")},
		variable{"WEIR_KAFKA_CLIENT_KEY", j.tlsPath("client.key")},
		variable{"WEIR_KAFKA_JAVA_CONFIG", j.tlsPath("client.properties")},
		variable{"WEIR_KAFKA_KCAT_CONFIG", j.tlsPath("kcat.conf")},
	)
}

func cmdEnv(_ context.Context, in *invocation) error {
	vars, err := in.environment()
	if err != nil {
		return err
	}
	for _, v := range vars {
		fmt.Fprintf(in.out, "export %s=%s\n", v.name, shellQuote(v.value))
	}
	return nil
}

// shellQuote leaves plain words as they are; POSIX quoting for the rest.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/:.,_-@%+=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
