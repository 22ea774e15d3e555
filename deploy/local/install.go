package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Versions, each pinned: what runs here is what the README's figures were
// measured on. Apicurio 3 needs Java 21.
const (
	kafkaVersion    = "4.3.1"
	log4jVersion    = "2.25.4" // log4j-core's, as Kafka brings it
	debeziumVersion = "3.3.1.Final"
	apicurioVersion = "2.6.13.Final"
	registryJar     = "apicurio-registry-app-" + apicurioVersion + "-runner.jar"
	mavenPlugin     = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
)

// bundle is a folder of jars in the cache, made by Maven.
type bundle struct {
	name    string
	deps    []string // group:artifact:version, with their runtime dependencies
	exclude []string // artifacts left out: Connect brings its own, and two would clash
	unpack  string   // instead of deps: an archive, group:artifact:version:type:classifier
	sub     string   // jars go into this folder of the bundle (plugin.path wants one level more)
	service string   // "interface class": a service manifest that the jars lack
}

var (
	bundleKafka = bundle{
		name: "kafka-" + kafkaVersion,
		deps: []string{
			"org.apache.kafka:kafka_2.13:" + kafkaVersion,
			"org.apache.kafka:kafka-tools:" + kafkaVersion,
			"org.apache.kafka:connect-runtime:" + kafkaVersion,
			"org.apache.kafka:connect-json:" + kafkaVersion,
			// Without it the broker's log stays silent.
			"org.apache.logging.log4j:log4j-slf4j-impl:" + log4jVersion,
		},
	}
	bundleDebezium = bundle{
		name: "debezium-postgres-" + debeziumVersion,
		deps: []string{"io.debezium:debezium-connector-postgres:" + debeziumVersion},
		sub:  "debezium-connector-postgres",
	}
	bundleAvro = bundle{
		name: "apicurio-avro-" + apicurioVersion,
		deps: []string{
			"io.apicurio:apicurio-registry-utils-converter:" + apicurioVersion,
			"io.apicurio:apicurio-registry-serdes-avro-serde:" + apicurioVersion,
		},
		exclude: []string{"connect-api", "connect-json", "kafka-clients", "slf4j-api"},
		sub:     "apicurio-avro-converter",
		service: "org.apache.kafka.connect.storage.Converter io.apicurio.registry.utils.converter.AvroConverter",
	}
	bundleRegistry = bundle{
		name:   "apicurio-registry-" + apicurioVersion,
		unpack: "io.apicurio:apicurio-registry-app:" + apicurioVersion + ":tar.gz:all",
	}
)

func (b bundle) home(cache string) string { return filepath.Join(cache, b.name) }

// pom is the Maven project that names the bundle's jars.
func (b bundle) pom() string {
	var s strings.Builder
	s.WriteString(`<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>` + "\n" +
		`<groupId>weir.local</groupId><artifactId>` + b.name + `</artifactId><version>1</version><packaging>pom</packaging>` + "\n<dependencies>\n")
	for _, d := range b.deps {
		f := strings.Split(d, ":")
		fmt.Fprintf(&s, "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>\n", f[0], f[1], f[2])
	}
	s.WriteString("</dependencies>\n</project>\n")
	return s.String()
}

func (b bundle) mvnArgs(pom, target string) []string {
	if b.unpack != "" {
		return []string{"-B", "-q", mavenPlugin + ":unpack", "-Dartifact=" + b.unpack, "-DoutputDirectory=" + target}
	}
	args := []string{"-B", "-q", "-f", pom, mavenPlugin + ":copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory=" + filepath.Join(target, b.sub)}
	if len(b.exclude) > 0 {
		args = append(args, "-DexcludeArtifactIds="+strings.Join(b.exclude, ","))
	}
	return args
}

// stamp tells a whole installation of exactly this bundle from any other.
func (b bundle) stamp() string {
	sum := sha256.Sum256([]byte(b.pom() + strings.Join(b.mvnArgs("", ""), " ") + b.service))
	return hex.EncodeToString(sum[:])
}

func (b bundle) installed(cache string) bool {
	got, err := os.ReadFile(filepath.Join(b.home(cache), ".installed"))
	return err == nil && string(got) == b.stamp()
}

// installBundle fetches into a folder beside the final place and moves it there
// when it is whole, so that an interrupted download is never taken for one.
func (j *job) installBundle(ctx context.Context, b bundle) error {
	if b.installed(j.cache) {
		return nil
	}
	home := b.home(j.cache)
	fresh := home + ".new"
	if err := errors.Join(os.RemoveAll(fresh), os.RemoveAll(home)); err != nil {
		return err
	}
	pom := filepath.Join(fresh, "pom.xml")
	if err := writeFile(pom, []byte(b.pom()), 0o644); err != nil {
		return err
	}
	if err := j.long(ctx, "installing "+b.name+" from Maven Central", fresh, nil, append([]string{"mvn"}, b.mvnArgs(pom, fresh)...)); err != nil {
		return err
	}
	if err := b.writeService(fresh); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(fresh, ".installed"), []byte(b.stamp()), 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, home)
}

// writeService adds a jar with the manifest by which Connect finds the bundle's
// plugin without loading every class of every jar, which takes it 6 s longer.
func (b bundle) writeService(target string) error {
	iface, class, ok := strings.Cut(b.service, " ")
	if !ok {
		return nil
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	w, err := z.Create("META-INF/services/" + iface)
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(class + "\n")); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return writeFile(filepath.Join(target, b.sub, "weir-local-services.jar"), buf.Bytes(), 0o644)
}

// long runs a command that may take minutes: it says what it does, a line every
// ten seconds, and on failure the end of the command's own output.
func (j *job) long(ctx context.Context, what, dir string, env, argv []string) error {
	began := time.Now()
	j.say("%s …", what)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("%s: %s: %w\n%s", what, strings.Join(argv, " "), err, lastBytes(out.Bytes(), 2000))
			}
			j.say("%s: done in %.1f s", what, time.Since(began).Seconds())
			return nil
		case <-tick.C:
			j.say("%s … %.0f s", what, time.Since(began).Seconds())
		}
	}
}

func lastBytes(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// debianPackage is a program that Debian provides and how to see that it is there.
type debianPackage struct {
	pkg string
	has func() bool
}

func inPath(program string) func() bool {
	return func() bool { _, err := exec.LookPath(program); return err == nil }
}

func debianPackages() map[string]debianPackage {
	return map[string]debianPackage{
		// javac, for readback is launched from its source.
		"java":     {"openjdk-17-jdk-headless", inPath("javac")},
		"maven":    {"maven", inPath("mvn")},
		"postgres": {"postgresql", func() bool { _, err := postgresBin(); return err == nil }},
		"redis":    {"redis-server", inPath("redis-server")},
		"kcat":     {"kcat", inPath("kcat")},
	}
}

// needs says what each name of the command line wants installed.
var needs = map[string]struct {
	debian  []string
	bundles []bundle
}{
	"kafka":    {[]string{"java", "maven"}, []bundle{bundleKafka}},
	"registry": {[]string{"java", "maven"}, []bundle{bundleRegistry}},
	"connect":  {[]string{"java", "maven"}, []bundle{bundleKafka, bundleDebezium, bundleAvro}},
	"postgres": {[]string{"postgres"}, nil},
	"redis":    {[]string{"redis"}, nil},
	"kcat":     {[]string{"kcat"}, nil},
}

// install brings what the named servers need; what is there already costs nothing.
func (j *job) install(ctx context.Context, names []string) error {
	if err := os.MkdirAll(j.cache, 0o755); err != nil {
		return err
	}
	unlock, err := lockFile(filepath.Join(j.cache, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if err := j.installDebian(ctx, names); err != nil {
		return err
	}
	for _, n := range names {
		for _, b := range needs[n].bundles {
			if err := j.installBundle(ctx, b); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j *job) installDebian(ctx context.Context, names []string) error {
	known := debianPackages()
	var missing []string
	for _, n := range names {
		for _, d := range needs[n].debian {
			if p := known[d]; !p.has() && !slices.Contains(missing, p.pkg) {
				missing = append(missing, p.pkg)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	install := append([]string{"apt-get", "install", "-y", "-q", "--no-install-recommends"}, missing...)
	hint := strings.Join(install, " ")
	if j.noApt {
		return fmt.Errorf("missing programs and --no-apt is given; install them yourself: %s", hint)
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("missing programs, and only root on Debian can install them from here: %s", hint)
	}
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	err := j.long(ctx, "installing Debian packages "+strings.Join(missing, " "), "/", env, install)
	if err == nil {
		return nil
	}
	j.say("that failed; once more with fresh package lists")
	if err := j.long(ctx, "apt-get update", "/", env, []string{"apt-get", "update", "-q"}); err != nil {
		return err
	}
	return j.long(ctx, "installing Debian packages "+strings.Join(missing, " "), "/", env, install)
}

// javaBin is java by JAVA_HOME, else by PATH.
func javaBin() string {
	if h := os.Getenv("JAVA_HOME"); h != "" {
		return filepath.Join(h, "bin", "java")
	}
	if p, err := exec.LookPath("java"); err == nil {
		return p
	}
	return "java"
}
