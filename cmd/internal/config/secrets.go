package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	"weir/transforms"
)

// Env is where a policy's secrets and files come from.
type Env struct {
	Lookup   func(name string) (string, bool)  // environment variables
	ReadFile func(path string) ([]byte, error) // secrets, schemas, taxonomy
	Now      func() time.Time                  // for the warnings about until
}

func (e Env) now() time.Time { return e.Now().UTC() }

// OS is the process's own environment and files.
func OS() Env { return Env{Lookup: os.LookupEnv, ReadFile: os.ReadFile, Now: time.Now} }

var reference = regexp.MustCompile(`\$\{([^}]*)\}`)

// expand replaces ${env:NAME} and ${file:path} in the connections, and refuses
// them elsewhere: what decides must stand in the policy, where its hash covers
// it. Errors name the place and the variable, never a value.
func (c *Config) expand() {
	c.secretsIn(reflect.ValueOf(&c.File.Kafka).Elem(), "kafka")
	if c.File.Registry != nil {
		c.secretsIn(reflect.ValueOf(c.File.Registry).Elem(), "registry")
	}
	c.secretsIn(reflect.ValueOf(&c.File.Admin).Elem(), "admin")
	for path, s := range c.policyTexts() {
		if reference.MatchString(s) {
			c.fail(path, "${env:…} and ${file:…} are for the connections kafka, registry and admin only")
		}
	}
}

// policyTexts are the texts outside the connections, by path.
func (c *Config) policyTexts() map[string]string {
	out := map[string]string{"name": c.File.Name, "keyspace": c.File.Keyspace, "keys.file": c.File.Keys.File, "taxonomy": c.File.Taxonomy}
	for i, r := range c.File.Recipients {
		at := indexed("recipients", i)
		out[at+".name"], out[at+".topic"], out[at+".rows"] = r.Name, r.Topic, r.Rows
		for _, t := range r.Treat {
			if s, ok := t.Args[""].(string); ok {
				out[at+".treat["+t.Match+"].treatment"] = s
			}
		}
	}
	for i, s := range c.File.Sources {
		at := indexed("sources", i)
		out[at+".topics"], out[at+".name"] = s.Topics, s.Name
	}
	return out
}

func (c *Config) secretsIn(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c.secretsIn(v.Elem(), path)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _ := tagsOf(v.Type().Field(i))
			c.secretsIn(v.Field(i), join(path, name))
		}
	case reflect.Slice:
		for i := range v.Len() {
			c.secretsIn(v.Index(i), indexed(path, i))
		}
	case reflect.String:
		raw := v.String()
		if isSecret(path) && raw != "" && !reference.MatchString(raw) {
			c.warn(path, "a secret in the clear: write ${env:NAME} or ${file:path}")
		}
		v.SetString(reference.ReplaceAllStringFunc(raw, func(ref string) string {
			return c.secret(path, ref[2:len(ref)-1])
		}))
	}
}

func isSecret(path string) bool {
	return strings.HasSuffix(path, ".password") || strings.HasSuffix(path, ".token")
}

// secret resolves env:NAME or file:path.
func (c *Config) secret(path, ref string) string {
	kind, name, _ := strings.Cut(ref, ":")
	switch {
	case kind == "env" && name != "":
		if v, ok := c.env.Lookup(name); ok && v != "" {
			return v
		}
		c.fail(path, "the environment variable %s is not set", name)
	case kind == "file" && name != "":
		data, err := c.env.ReadFile(c.beside(c.pos[path], name))
		if err == nil && len(strings.TrimRight(string(data), "\r\n")) > 0 {
			return strings.TrimRight(string(data), "\r\n")
		}
		c.fail(path, "the secret file %s cannot be read or is empty", name)
	default:
		c.fail(path, "a reference is ${env:NAME} or ${file:path}")
	}
	return ""
}

// beside resolves a path relative to the file that names it.
func (c *Config) beside(pos transforms.Pos, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(pos.File), path)
}
