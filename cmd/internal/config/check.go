package config

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	nameRE      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	topicRE     = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)
	recipientRE = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	patternRE   = regexp.MustCompile(`^[A-Za-z0-9._*?-]{1,249}$`)
	holeRE      = regexp.MustCompile(`\{([^{}]*)\}`)
	holeNames   = regexp.MustCompile(`^[a-z_]+$`)
	indexes     = regexp.MustCompile(`\[\d+\]`)
	untilFormat = "2006-01-02"
)

// check looks at everything that needs no schema and no server.
func (c *Config) check() {
	f := &c.File
	c.checkName("name", f.Name)
	c.checkName("keyspace", f.Keyspace)
	c.checkKafka()
	c.checkRegistry()
	if _, err := parseStart(f.Start); err != nil {
		c.fail("start", "start is earliest, latest or a time such as 2026-11-01T00:00:00Z")
	}
	if d, err := time.ParseDuration(f.Batch.Linger); err != nil || d < 0 || d > 5*time.Second {
		c.fail("batch.linger", "linger is a duration from 0s to 5s")
	}
	if f.Admin.Listen != "" {
		if _, _, err := net.SplitHostPort(f.Admin.Listen); err != nil {
			c.fail("admin.listen", "listen is host:port or :port")
		}
	}
	if f.OnPoison == "skip" {
		c.warn("on_poison", "skip publishes a key's later records before the one that waits in quarantine: their order is not kept")
	}
	c.checkSources()
	c.checkRecipients()
	c.checkTopics()
}

func (c *Config) checkName(path, name string) {
	if !nameRE.MatchString(name) {
		c.fail(path, "%s holds letters, digits, dot, _ and -, begins with a letter or digit, and has at most 64 characters", path)
	}
}

func (c *Config) checkKafka() {
	k := &c.File.Kafka
	if len(k.Brokers) == 0 {
		c.fail("kafka.brokers", "kafka.brokers is empty")
	}
	for i, b := range k.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			c.fail(indexed("kafka.brokers", i), "a broker is host:port")
		}
	}
	c.checkTLS("kafka.tls", k.TLS)
	s := k.SASL
	if s == nil {
		return
	}
	if s.Mechanism == "OAUTHBEARER" {
		if s.Token == "" || s.User != "" || s.Password != "" {
			c.fail("kafka.sasl", "OAUTHBEARER takes a token, and neither user nor password")
		}
		return
	}
	if s.User == "" || s.Password == "" || s.Token != "" {
		c.fail("kafka.sasl", "%s takes user and password, and no token", s.Mechanism)
	}
	if s.Mechanism == "PLAIN" && k.TLS == nil {
		c.warn("kafka.sasl.mechanism", "PLAIN without TLS sends the password in the clear")
	}
}

func (c *Config) checkTLS(path string, t *TLS) {
	if t != nil && (t.Cert == "") != (t.Key == "") {
		c.fail(path, "cert and key go together")
	}
}

func (c *Config) checkRegistry() {
	r := c.File.Registry
	if r == nil {
		return
	}
	u, err := url.Parse(r.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		c.fail("registry.url", "url is http://host:port or https://host:port")
	case u.User != nil:
		c.fail("registry.url", "user and password stand in fields of their own, not in the url")
	case u.Scheme == "http" && r.TLS != nil:
		c.fail("registry.tls", "tls needs an https url")
	case u.Scheme == "http" && (r.Password != "" || r.Token != ""):
		c.warn("registry.url", "http sends the password in the clear")
	}
	if r.Token != "" && (r.User != "" || r.Password != "") {
		c.fail("registry", "either user and password, or a token")
	}
	if (r.User == "") != (r.Password == "") {
		c.fail("registry", "user and password go together")
	}
	c.checkTLS("registry.tls", r.TLS)
}

func (c *Config) checkSources() {
	if len(c.File.Sources) == 0 {
		c.fail("sources", "sources is empty")
	}
	for i := range c.File.Sources {
		c.checkSource(&c.File.Sources[i], indexed("sources", i))
	}
}

func (c *Config) checkSource(s *Source, at string) {
	if !patternRE.MatchString(s.Topics) {
		c.fail(at+".topics", "topics is a glob over topic names: letters, digits, dot, _, -, * and ?")
	}
	c.checkSourceName(s, at)
	framed := func(e string) bool { return strings.HasPrefix(e, "confluent-") }
	if (framed(s.Encoding) || framed(s.Key)) && c.File.Registry == nil {
		c.fail(at+".encoding", "confluent encodings need registry:")
	}
	if s.Framing == "header" && !framed(s.Encoding) && !framed(s.Key) {
		c.fail(at+".framing", "framing is about the schema ids of confluent encodings")
	}
	if s.SchemaBlock && s.Encoding != "json" {
		c.fail(at+".schema_block", "a schema block goes with encoding: json")
	}
	if s.Before == "full" {
		c.warn(at+".before", "full is believed: a before image that holds less than the whole row (other than REPLICA IDENTITY FULL writes it) lets rows: misjudge what a recipient had")
	}
	c.checkSchemaFile(at+".schema", s.Schema, s.Encoding)
	c.checkSchemaFile(at+".key_schema", s.KeySchema, s.Key)
	for i, h := range s.KeepHeaders {
		if strings.HasPrefix(h, "__debezium.") || h == "weir" || strings.HasPrefix(h, "__connect.errors") {
			c.fail(indexed(at+".keep_headers", i), "this header is never copied as it is")
		}
	}
}

func (c *Config) checkSchemaFile(path, file, encoding string) {
	if (encoding == "avro") != (file != "") {
		c.fail(path, "encoding avro, without a registry, needs a schema file; other encodings take none (%s)", path)
	}
}

func (c *Config) checkSourceName(s *Source, at string) {
	if s.Name == "" {
		if s.Events == "rows" {
			c.fail(at+".name", "name is missing: it says where schema and table stand in the topic's name, e.g. cdc.{schema}.{table}")
		}
		return
	}
	holes := c.holes(at+".name", s.Name)
	if s.Events == "rows" && !slices.Contains(holes, "table") {
		c.fail(at+".name", "name needs {table}, e.g. cdc.{schema}.{table}")
	}
	if strings.Contains(s.Name, "}{") {
		c.fail(at+".name", "two placeholders need something between them")
	}
	if patternRE.MatchString(s.Topics) && !overlap(s.Topics, s.Name) {
		c.fail(at+".name", "no topic can match both topics and name")
	}
}

// holes lists a pattern's placeholders and refuses malformed ones.
func (c *Config) holes(path, pattern string) []string {
	var out []string
	for _, m := range holeRE.FindAllStringSubmatch(pattern, -1) {
		if !holeNames.MatchString(m[1]) || slices.Contains(out, m[1]) {
			c.fail(path, "a placeholder is a lower-case name in braces, once: {schema}, {table}")
			continue
		}
		out = append(out, m[1])
	}
	if rest := holeRE.ReplaceAllString(pattern, "x"); !topicRE.MatchString(rest) {
		c.fail(path, "a topic name holds letters, digits, dot, _ and -, and placeholders in braces")
	}
	return out
}

func (c *Config) checkRecipients() {
	if len(c.File.Recipients) == 0 {
		c.fail("recipients", "recipients is empty")
	}
	if len(c.File.Recipients) > 256 {
		c.fail("recipients", "at most 256 recipients a pipeline")
	}
	first := map[string]int{}
	for i := range c.File.Recipients {
		r, at := &c.File.Recipients[i], indexed("recipients", i)
		if !recipientRE.MatchString(r.Name) { // keys, headers and topics name it
			c.fail(at+".name", "a recipient's name holds a to z, digits, _ and -, begins with a letter or digit, and has at most 64 characters")
		}
		if j, twice := first[r.Name]; twice {
			pos := c.at(indexed("recipients", j) + ".name")
			c.fail(at+".name", "recipient %s is already defined at %s:%d", r.Name, pos.File, pos.Line)
		} else {
			first[r.Name] = i
		}
		if r.Purpose == "" {
			c.warn(at, "recipient %s has no purpose: audit and reports name it", r.Name)
		}
		c.checkUntil(at, r)
		for domain, group := range r.Share {
			c.checkName(at+".share."+domain, group)
		}
	}
	for i := range c.File.Recipients {
		c.checkGroups(&c.File.Recipients[i], indexed("recipients", i), first)
	}
}

// checkGroups refuses a share group called like a recipient: it would have that
// recipient's own token keys (contract 34).
func (c *Config) checkGroups(r *Recipient, at string, recipients map[string]int) {
	check := func(path, group string) {
		if _, taken := recipients[group]; taken {
			c.fail(path, "the share group %s is called like a recipient, and would have that recipient's keys", group)
		}
	}
	for domain, group := range r.Share {
		check(at+".share."+domain, group)
	}
	for _, t := range r.Treat {
		if group, ok := t.Args["share"].(string); ok {
			check(at+".treat["+t.Match+"].share", group)
		}
	}
}

func (c *Config) checkUntil(at string, r *Recipient) {
	if r.Until == "" {
		return
	}
	if _, err := time.Parse(untilFormat, r.Until); err != nil {
		c.fail(at+".until", "until is a day such as 2027-03-31")
	}
}

// checkTopics refuses outputs that a source would read again, that two
// recipients would share, or that no source can name.
func (c *Config) checkTopics() {
	internal := "_weir." + c.File.Name + ".*"
	for j, s := range c.File.Sources {
		if overlap(s.Topics, internal) {
			c.fail(indexed("sources", j)+".topics", "this pattern also matches the internal topics %s", internal)
		}
	}
	for i, r := range c.File.Recipients {
		at := indexed("recipients", i) + ".topic"
		if rest := holeRE.ReplaceAllString(r.Topic, "x"); !topicRE.MatchString(rest) {
			c.fail(at, "a topic name holds letters, digits, dot, _ and -, and placeholders in braces")
		}
		if strings.HasPrefix(r.Topic, "_") || strings.HasPrefix(r.Topic, "{") {
			c.fail(at, "a recipient's topic begins with a fixed text, and not with _")
		}
		for j, s := range c.File.Sources {
			if overlap(s.Topics, r.Topic) {
				c.fail(at, "the source pattern %q (line %d) matches this topic: Weir would read its own output", s.Topics, c.at(indexed("sources", j)).Line)
			}
			c.checkHoles(at, r.Topic, &s)
		}
		for j := range i {
			if overlap(r.Topic, c.File.Recipients[j].Topic) {
				pos := c.at(indexed("recipients", j) + ".topic")
				c.fail(at, "recipients %s and %s (%s:%d) would share a topic", r.Name, c.File.Recipients[j].Name, pos.File, pos.Line)
			}
		}
	}
}

// checkHoles wants the placeholders of a recipient's topic in the source's
// name; which placeholders there are is for transforms.Lint to say.
func (c *Config) checkHoles(at, topic string, s *Source) {
	for _, h := range []string{"{schema}", "{table}"} {
		if strings.Contains(topic, h) && !strings.Contains(s.Name, h) && s.Events != "schema_change" {
			c.fail(at, "%s does not stand in the name of source %q", h, s.Topics)
		}
	}
}
