package main

import (
	"archive/zip"
	"context"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPomNamesEveryArtifact(t *testing.T) {
	for _, b := range []bundle{bundleKafka, bundleDebezium, bundleAvro} {
		var project struct {
			Deps []struct {
				Group    string `xml:"groupId"`
				Artifact string `xml:"artifactId"`
				Version  string `xml:"version"`
			} `xml:"dependencies>dependency"`
		}
		if err := xml.Unmarshal([]byte(b.pom()), &project); err != nil {
			t.Fatalf("%s: %v", b.name, err)
		}
		var got []string
		for _, d := range project.Deps {
			got = append(got, d.Group+":"+d.Artifact+":"+d.Version)
		}
		if diff := cmp.Diff(b.deps, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", b.name, diff)
		}
	}
}

func TestOnlyAWholeInstallationCounts(t *testing.T) {
	cache := t.TempDir()
	b := bundleAvro
	if b.installed(cache) {
		t.Error("an empty cache counts")
	}
	if err := writeFile(filepath.Join(b.home(cache), ".installed"), []byte(b.stamp()), 0o644); err != nil {
		t.Fatal(err)
	}
	if !b.installed(cache) {
		t.Error("a stamped one does not count")
	}
	for _, other := range []func(*bundle){
		func(b *bundle) { b.deps = append([]string{"a:b:1"}, b.deps...) },
		func(b *bundle) { b.exclude = nil },
		func(b *bundle) { b.service = "" },
	} {
		c := b
		other(&c)
		if c.installed(cache) {
			t.Errorf("another bundle counts: %+v", c)
		}
	}
}

func TestServiceManifest(t *testing.T) {
	dir := t.TempDir()
	if err := bundleAvro.writeService(dir); err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader(filepath.Join(dir, bundleAvro.sub, "weir-local-services.jar"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open("META-INF/services/org.apache.kafka.connect.storage.Converter")
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(f); string(b) != "io.apicurio.registry.utils.converter.AvroConverter\n" {
		t.Errorf("%q", b)
	}
}

func TestMissingProgramsWithoutApt(t *testing.T) {
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); len(found) > 0 {
		t.Log("PostgreSQL is installed here; only redis and kcat are looked at")
	}
	t.Setenv("PATH", t.TempDir())
	j := testJob(t)
	err := j.install(context.Background(), []string{"redis", "kcat"})
	if err == nil {
		t.Fatal("nothing is missing on an empty PATH")
	}
	mustContain(t, err.Error(), "--no-apt", "redis-server", "kcat", "apt-get install")
}

func TestLongCommandSaysWhyItFailed(t *testing.T) {
	j := testJob(t)
	err := j.long(context.Background(), "playing a server", t.TempDir(), []string{helperMode + "=failing"}, []string{os.Args[0]})
	if err == nil {
		t.Fatal("exit 3 was taken for success")
	}
	mustContain(t, err.Error(), "playing a server", "made of cheese")
	if !strings.Contains(j.log.(*lockedBuffer).String(), "playing a server …") {
		t.Error("nothing was said at the beginning")
	}
}

// The two stacks are meant to be one: a figure measured here holds there.
func TestComposeUsesTheSameVersions(t *testing.T) {
	b, err := os.ReadFile("../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, string(b), "apache/kafka:"+kafkaVersion+"\n", "debezium/connect:"+debeziumVersion+"\n",
		"apicurio/apicurio-registry-mem:"+apicurioVersion+"\n")
}
