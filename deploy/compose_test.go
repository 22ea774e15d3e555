// Package deploy holds what runs Weir; this file checks, as files, what cannot be
// run where the tests run.
package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

type composeFile struct {
	Name     string             `yaml:"name"`
	Services map[string]service `yaml:"services"`
}

// service lists every key we use; decoding is strict, so a mistyped one fails.
type service struct {
	Image           string                `yaml:"image"`
	Build           *build                `yaml:"build"`
	Profiles        []string              `yaml:"profiles"`
	Command         []string              `yaml:"command"`
	Ports           []string              `yaml:"ports"`
	Environment     map[string]string     `yaml:"environment"`
	Volumes         []string              `yaml:"volumes"`
	DependsOn       map[string]dependency `yaml:"depends_on"`
	Healthcheck     *healthcheck          `yaml:"healthcheck"`
	ReadOnly        bool                  `yaml:"read_only"`
	CapDrop         []string              `yaml:"cap_drop"`
	SecurityOpt     []string              `yaml:"security_opt"`
	Restart         string                `yaml:"restart"`
	StopGracePeriod string                `yaml:"stop_grace_period"`
}

type build struct {
	Context    string `yaml:"context"`
	Dockerfile string `yaml:"dockerfile"`
}

type dependency struct {
	Condition string `yaml:"condition"`
}

type healthcheck struct {
	Test     []string `yaml:"test"`
	Interval string   `yaml:"interval"`
	Timeout  string   `yaml:"timeout"`
	Retries  int      `yaml:"retries"`
}

func loadCompose(t *testing.T) composeFile {
	t.Helper()
	b, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c composeFile
	if err := yaml.UnmarshalWithOptions(b, &c, yaml.Strict()); err != nil {
		t.Fatal(yaml.FormatError(err, false, true))
	}
	return c
}

func TestComposeHasTheStack(t *testing.T) {
	c := loadCompose(t)
	for _, name := range []string{"kafka", "registry", "postgres", "connect", "redis", "weir"} {
		if _, ok := c.Services[name]; !ok {
			t.Errorf("no service %s", name)
		}
	}
	if len(c.Services) != 6 {
		t.Errorf("%d services; want 6", len(c.Services))
	}
}

func TestComposePortsAreLoopbackAndUnique(t *testing.T) {
	form := regexp.MustCompile(`^127\.0\.0\.1:(\d+):\d+$`)
	used := map[string]string{}
	for name, s := range loadCompose(t).Services {
		for _, p := range s.Ports {
			m := form.FindStringSubmatch(p)
			if m == nil {
				t.Errorf("%s opens %q: want 127.0.0.1:HOST:CONTAINER", name, p)
				continue
			}
			if other, ok := used[m[1]]; ok {
				t.Errorf("%s and %s share host port %s", name, other, m[1])
			}
			used[m[1]] = name
		}
	}
	if len(used) != 5 {
		t.Errorf("%d host ports; want 5", len(used))
	}
}

func TestComposeDependenciesExist(t *testing.T) {
	services := loadCompose(t).Services
	for name, s := range services {
		for on, d := range s.DependsOn {
			other, ok := services[on]
			switch {
			case !ok:
				t.Errorf("%s depends on %s, which does not exist", name, on)
			case d.Condition != "service_healthy":
				t.Errorf("%s waits for %s with %q, not for its health", name, on, d.Condition)
			case other.Healthcheck == nil:
				t.Errorf("%s waits for the health of %s, which has no check", name, on)
			case len(other.Profiles) > 0 && len(s.Profiles) == 0:
				t.Errorf("%s waits for %s, which starts only in a profile", name, on)
			}
		}
	}
}

func TestComposeImagesArePinnedOrBuiltHere(t *testing.T) {
	pinned := regexp.MustCompile(`^[a-z0-9./-]+:v?\d[\w.-]*$`)
	for name, s := range loadCompose(t).Services {
		if s.Build == nil {
			if !pinned.MatchString(s.Image) {
				t.Errorf("%s: image %q names no version", name, s.Image)
			}
			continue
		}
		for _, p := range []string{s.Build.Context, filepath.Join(s.Build.Context, s.Build.Dockerfile)} {
			if _, err := os.Stat(p); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestComposeHealthchecksRunCommands(t *testing.T) {
	for name, s := range loadCompose(t).Services {
		if s.Build != nil {
			continue // Weir's image has no shell or client to check with
		}
		h := s.Healthcheck
		if h == nil || len(h.Test) < 2 || h.Test[0] != "CMD" || h.Retries == 0 || h.Interval == "" || h.Timeout == "" {
			t.Errorf("%s: health check %+v", name, h)
		}
	}
}

func TestComposeHoldsNoPassword(t *testing.T) {
	for name, s := range loadCompose(t).Services {
		for k, v := range s.Environment {
			if regexp.MustCompile(`(?i)password|secret|token`).MatchString(k) && !strings.HasPrefix(v, "${") {
				t.Errorf("%s: %s is written down", name, k)
			}
		}
	}
}

func TestWeirsContainerIsConfined(t *testing.T) {
	w := loadCompose(t).Services["weir"]
	if !w.ReadOnly || len(w.CapDrop) != 1 || w.CapDrop[0] != "ALL" || len(w.SecurityOpt) == 0 {
		t.Errorf("%+v", w)
	}
	for _, v := range w.Volumes {
		if !strings.HasSuffix(v, ":ro") {
			t.Errorf("volume %q is writable", v)
		}
	}
}

func TestDockerfile(t *testing.T) {
	b, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := strings.Split(string(b), "\nFROM ")
	if len(stages) != 3 {
		t.Fatalf("%d stages; want a builder and the image", len(stages)-1)
	}
	last := stages[2]
	if !strings.HasPrefix(last, "gcr.io/distroless/static-") {
		t.Error("the image is not distroless/static")
	}
	if !regexp.MustCompile(`(?m)^USER [1-9]\d*:[1-9]\d*$`).MatchString(last) {
		t.Error("the image runs as root, or as a name that Kubernetes' runAsNonRoot cannot check")
	}
	if !strings.Contains(string(b), "CGO_ENABLED=0") {
		t.Error("a static image needs a static binary")
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))[1]
	if !strings.Contains(stages[1], "golang:"+want+".") {
		t.Errorf("the builder is not Go %s", want)
	}
}
