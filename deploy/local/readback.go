package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed readback/ReadBack.java
var readBackSource string

// readbackOptions are what ReadBack.java is asked for.
type readbackOptions struct {
	format    string // of values, and of keys unless keyFormat says otherwise
	keyFormat string
	schemas   bool
	topics    string
	minimum   int
	timeout   time.Duration
	client    string // properties file of the consumer, for SASL_SSL
	brokers   string
	registry  string
}

func (o *readbackOptions) register(fl *flag.FlagSet) {
	fl.StringVar(&o.format, "format", "avro", "avro or json: the converter that decodes")
	fl.StringVar(&o.keyFormat, "key-format", "", "of keys: avro, json, string or bytes (default: --format)")
	fl.BoolVar(&o.schemas, "schemas", false, "json: records carry Connect's schema block")
	fl.StringVar(&o.topics, "topics", "", "topics, `a,b,...`")
	fl.IntVar(&o.minimum, "min", 0, "fail when fewer records than this are there")
	fl.DurationVar(&o.timeout, "timeout", 60*time.Second, "for the whole reading")
	fl.StringVar(&o.client, "client-config", "", "properties `file` for the consumer")
	fl.StringVar(&o.brokers, "brokers", "", "instead of the local Kafka")
	fl.StringVar(&o.registry, "registry", "", "Apicurio's base URL, instead of the local registry")
}

func (o *readbackOptions) check() error {
	if o.format != "avro" && o.format != "json" {
		return usagef("--format %q: avro or json", o.format)
	}
	switch o.keyFormat {
	case "", "avro", "json", "string", "bytes":
	default:
		return usagef("--key-format %q: avro, json, string or bytes", o.keyFormat)
	}
	if o.topics == "" {
		return usagef("--topics is missing")
	}
	return nil
}

// readbackArgs is the whole java command line.
func (j *job) readbackArgs(o *readbackOptions, source string) []string {
	brokers, registry, keys := o.brokers, o.registry, o.keyFormat
	if brokers == "" {
		brokers = strings.Join(j.set.brokers(false), ",")
	}
	if registry == "" {
		registry = j.registryURL()
	}
	if keys == "" {
		keys = o.format
	}
	cp := j.kafkaClasspath() + string(os.PathListSeparator) + filepath.Join(bundleAvro.home(j.cache), bundleAvro.sub, "*")
	return []string{"-Xmx512m", "-Dlog4j2.configurationFile=" + filepath.Join(filepath.Dir(source), "log4j2.properties"),
		"-cp", cp, source,
		"brokers=" + brokers, "registry=" + registry + "/apis/registry/v2", "format=" + o.format, "keys=" + keys,
		"schemas=" + strconv.FormatBool(o.schemas), "topics=" + o.topics, "min=" + strconv.Itoa(o.minimum),
		"timeout_ms=" + strconv.FormatInt(o.timeout.Milliseconds(), 10), "client=" + o.client}
}

// cmdReadback runs ReadBack.java from its source. Its answer goes to standard
// output as it comes; what the libraries log goes to standard error.
func cmdReadback(ctx context.Context, in *invocation) error {
	if len(in.names) > 0 {
		return usagef("readback takes flags only")
	}
	if err := in.read.check(); err != nil {
		return err
	}
	if err := in.install(ctx, []string{"connect"}); err != nil {
		return err
	}
	home := filepath.Join(in.dir, "readback")
	source := filepath.Join(home, "ReadBack.java")
	if err := writeFile(source, []byte(readBackSource), 0o644); err != nil {
		return err
	}
	quiet := strings.Replace(log4j2, "rootLogger=INFO", "rootLogger=WARN", 1) + "appender.out.target=SYSTEM_ERR\n"
	if err := writeFile(filepath.Join(home, "log4j2.properties"), []byte(quiet), 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, javaBin(), in.readbackArgs(&in.read, source)...)
	cmd.Stdout, cmd.Stderr = in.out, in.log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("readback: %w (its last line says why)", err)
	}
	return nil
}
