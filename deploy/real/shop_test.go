//go:build real

package real

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/stream/streamtest"
)

// form is one way in which Debezium writes to Kafka.
type form struct {
	name      string
	connector []string // flags of deploy/local connector and readback
	readback  []string
	source    string // the policy's source, without topics and name
	sasl      bool   // weir speaks SASL_SSL
}

var forms = []form{
	{"avro", []string{"--format", "avro"}, []string{"--format", "avro"}, "encoding: confluent-avro, envelope: debezium", true},
	// Here Connect writes the key-change headers as JSON; its default converter
	// does not escape, so that in the other forms they are dropped (contract 14).
	{"block", []string{"--format", "json", "--schemas", "--set", "header.converter=org.apache.kafka.connect.json.JsonConverter"},
		[]string{"--format", "json", "--schemas"}, "encoding: json, schema_block: true, envelope: debezium, headers: json", false},
	{"json", []string{"--format", "json"}, []string{"--format", "json"}, "encoding: json, envelope: debezium", false},
}

// The main job on real input: PostgreSQL, Debezium, Kafka, registry; snapshot,
// insert, update, delete, tombstone, a changed primary key, ALTER TABLE under
// load, a kill -9, a new epoch, a release; Connect's own converters and kcat
// read what came out; the recipient's compacted topic agrees with the original
// row by row.
func TestShopOnRealServers(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) { newShop(t, f).run() })
	}
}

// shop is one run of the scenario, under names of its own.
type shop struct {
	t            *testing.T
	form         form
	id           string // of schema, connector, pipeline
	prefix       string // of the source topics
	policy       string // file
	phones       []string
	sourceTopics string
}

func newShop(t *testing.T, f form) *shop {
	id := fmt.Sprintf("r%s%d", f.name, time.Now().UnixMilli()%1_000_000_000)
	return &shop{t: t, form: f, id: id, prefix: id + "cdc", policy: filepath.Join(t.TempDir(), "policy.yaml")}
}

func (s *shop) run() {
	s.createTables()
	s.connect()
	s.writePolicy(1, false)
	weir(s.t, 0, "keys", "init", filepath.Join(filepath.Dir(s.policy), "shop.key"))
	weir(s.t, 0, "lint", s.policy)
	weir(s.t, 0, "topics", "apply", s.policy)
	p := startWeir(s.t, s.policy, "--workers", "2")
	s.change()
	s.converged(p, "the changes")

	p.kill()
	sql(s.t, s.in("UPDATE customers SET country = 'DE' WHERE id % 7 = 0"))
	p = startWeir(s.t, s.policy, "--workers", "2")
	s.converged(p, "the changes made while nobody ran")

	s.alter()
	waitFor(s.t, "customers with an undecided column in quarantine", func() bool {
		return strings.Contains(weir(s.t, 0, "quarantine", "list", s.policy, "--json"), s.undecided())
	})
	weir(s.t, 0, "doctor", s.policy)
	s.noPhoneLeaves()

	s.writePolicy(2, true)
	waitFor(s.t, "the new epoch", func() bool { return strings.Contains(p.logs.String(), "policy switched") })
	s.release()
	s.converged(p, "the release")
	p.stop(s.t)

	s.noPhoneLeaves()
	s.strangersRead()
	s.lineage()
}

// undecided is the code that an undeclared column gets: a schema names the
// column, or nothing does.
func (s *shop) undecided() string {
	if s.form.name == "json" {
		return "undeclared_field"
	}
	return "undecided"
}

// in runs a statement in the scenario's schema.
func (s *shop) in(q string) string { return "SET search_path TO " + s.id + "; " + q }

func (s *shop) phone(n int) string {
	p := fmt.Sprintf("1387%07d", 4_000_000+n*37)
	s.phones = append(s.phones, p)
	return p
}

func (s *shop) createTables() {
	sql(s.t, "CREATE SCHEMA "+s.id,
		s.in(`CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, phone text, email text, balance numeric(12,2),
			born date, country text NOT NULL, note text, seen timestamptz)`),
		s.in(`CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, contact text, amount numeric(10,2), country text NOT NULL)`),
		s.in(`ALTER TABLE orders REPLICA IDENTITY FULL`))
	for i := 1; i <= 40; i++ {
		s.insertCustomer(i)
		sql(s.t, s.in(fmt.Sprintf(`INSERT INTO orders VALUES (%d, %d, '%s', %d.5, 'CN')`, i, i, s.phone(1000+i), i)))
	}
}

func (s *shop) insertCustomer(i int) {
	country := []string{"CN", "DE", "FR"}[i%3]
	// A note this long is stored out of line, so that updates send Debezium's
	// placeholder instead of it.
	sql(s.t, s.in(fmt.Sprintf(`INSERT INTO customers VALUES (%d, '王小%d', '%s', 'u%d@example.cn', %d.25, '1980-01-%02d', '%s',
		(SELECT string_agg(md5(g::text || %d), '') FROM generate_series(1, 200) g), now())`,
		i, i, s.phone(i), i, i*100, i%28+1, country, i)))
}

func (s *shop) connect() {
	args := append([]string{"connector", s.id}, s.form.connector...)
	local(s.t, append(args, "--tables", s.id+".customers,"+s.id+".orders", "--topic-prefix", s.prefix,
		"--partitions", "3", "--compact")...)
	s.t.Cleanup(s.disconnect)
	waitFor(s.t, "the snapshot", func() bool { return len(records(s.t, s.prefix)) >= 80 })
}

// disconnect gives the connector and its replication slot back: PostgreSQL has
// ten. The slot is free some time after the connector is gone.
func (s *shop) disconnect() {
	_ = exec.Command(bin.local, "connector", s.id, "--delete", "--dir", os.Getenv("WEIR_LOCAL_DIR")).Run()
	for range 20 {
		if exec.Command("psql", "-X", "-q", os.Getenv("WEIR_POSTGRES"), "-v", "ON_ERROR_STOP=1",
			"-c", "SELECT pg_drop_replication_slot('weir_"+s.id+"')").Run() == nil {
			return
		}
		time.Sleep(250 * time.Millisecond)
	}
	s.t.Logf("the replication slot weir_%s stays", s.id)
}

// writePolicy writes the policy file; backup decides the column that comes
// with ALTER TABLE.
func (s *shop) writePolicy(epoch int, backup bool) {
	s.t.Helper()
	kafka := fmt.Sprintf("brokers: [%q]", os.Getenv("WEIR_KAFKA"))
	if s.form.sasl {
		kafka = fmt.Sprintf("brokers: [%q], tls: {ca: %q}, sasl: {mechanism: SCRAM-SHA-512, user: %q, password: \"${file:%s}\"}",
			os.Getenv("WEIR_KAFKA_SASL_SSL"), os.Getenv("WEIR_KAFKA_CA"), os.Getenv("WEIR_KAFKA_USER"), os.Getenv("WEIR_KAFKA_PASSWORD_FILE"))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "weir: 1\nname: %s\nepoch: %d\nkafka: {%s}\n", s.id, epoch, kafka)
	if s.form.name == "avro" {
		fmt.Fprintf(&b, "registry: {url: %q}\n", os.Getenv("WEIR_REGISTRY"))
	}
	fmt.Fprintf(&b, "sources:\n  - {topics: \"%s.*\", name: \"%s.{schema}.{table}\", %s}\n", s.prefix, s.prefix, s.form.source)
	b.WriteString("catalog:\n")
	entry := func(field, class string) { fmt.Fprintf(&b, "  %s.%s: %s\n", s.id, field, class) }
	for _, f := range []string{"customers.id", "customers.balance", "customers.country", "customers.seen",
		"orders.id", "orders.customer_id", "orders.amount", "orders.country"} {
		entry(f, "internal")
	}
	entry("customers.name", "person.name")
	entry("customers.phone", "contact.mobile_cn")
	entry("customers.email", "contact.email")
	entry("customers.born", "person.birth_date")
	entry("customers.note", "text.free")
	entry("orders.contact", "contact.mobile_cn")
	if backup {
		entry("customers.backup_phone", "contact.mobile_cn")
	}
	born := "{generalise: {date: year}}"
	if s.form.name == "json" {
		born = "drop" // without a schema a date is just a number: nothing says that it counts days
	}
	fmt.Fprintf(&b, `recipients:
  - name: analytics
    topic: "%[1]s.analytics.{table}"
    grade: 2
    treat:
      contact.mobile_cn: {token: {domain: customer}}
      person.name:       {mask: {keep_first: 1}}
      person.birth_date: %[2]s
      "*": drop
  - name: partner
    topic: "%[1]s.partner.{table}"
    grade: 2
    rows: "after.country == 'CN'"
    treat:
      person.name: {mask: {keep_first: 1}}
      "*": drop
keys: {file: shop.key}
`, s.id, born)
	if err := os.WriteFile(s.policy+".new", []byte(b.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.policy+".new", s.policy); err != nil {
		s.t.Fatal(err)
	}
}

// change makes one of each: insert, update, delete, changed primary key.
func (s *shop) change() {
	for i := 41; i <= 60; i++ {
		s.insertCustomer(i)
	}
	sql(s.t, s.in("UPDATE customers SET balance = balance + 1, seen = now() WHERE id % 2 = 0"),
		s.in("UPDATE orders SET amount = amount * 2 WHERE id % 3 = 0"),
		s.in("DELETE FROM customers WHERE id % 10 = 3"),
		s.in("UPDATE customers SET id = id + 1000 WHERE id % 10 = 4"),
		s.in("DELETE FROM orders WHERE id % 10 = 5"))
}

// alter adds a column that no rule decides, while rows are being written.
func (s *shop) alter() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 61; i <= 75; i++ {
			s.insertCustomer(i)
		}
	}()
	sql(s.t, s.in("ALTER TABLE customers ADD COLUMN backup_phone text"))
	<-done
	for i := 1; i <= 30; i++ {
		sql(s.t, s.in(fmt.Sprintf("UPDATE customers SET backup_phone = '%s' WHERE id = %d", s.phone(5000+i), i)))
	}
	sql(s.t, s.in("UPDATE orders SET amount = amount + 1 WHERE id % 4 = 0"))
}

// release asks for every waiting record to be treated again.
func (s *shop) release() {
	for p := range 3 {
		weir(s.t, 0, "quarantine", "release", s.policy, "--topic", s.prefix+"."+s.id+".customers",
			"--partition", fmt.Sprint(p), "--all-recipients")
	}
}

// row is a decoded row image.
type row map[string]any

// latest is the newest value of each key of a topic, tombstones left out: what
// a compacted topic means.
func (s *shop) latest(topic string) map[string]row {
	s.t.Helper()
	url := ""
	if s.form.name == "avro" {
		url = os.Getenv("WEIR_REGISTRY")
	}
	d, err := streamtest.NewDecoder(url)
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]row{}
	for _, r := range records(s.t, topic) {
		if r.Topic != topic {
			continue
		}
		dec, err := d.Decode(r)
		if err != nil {
			s.t.Fatalf("%s/%d@%d: %v", r.Topic, r.Partition, r.Offset, err)
		}
		key := fmt.Sprint(dec.Key)
		if r.Value == nil || dec.After == nil {
			delete(out, key)
			continue
		}
		out[key] = dec.After
	}
	return out
}

// converged waits until both recipients' compacted topics agree with the
// original row by row under the policy.
func (s *shop) converged(p *process, what string) {
	s.t.Helper()
	var why string
	deadline := time.Now().Add(90 * time.Second)
	for {
		if why = s.disagreement(); why == "" {
			return
		}
		select {
		case err := <-p.done:
			s.t.Fatalf("weir run ended (%v) before %s came out", err, what)
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: %s", what, why)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// disagreement names the first difference, "" when there is none. The original
// is what PostgreSQL holds now.
func (s *shop) disagreement() string {
	for _, table := range []string{"customers", "orders"} {
		want := s.table(table)
		got := s.latest(s.id + ".analytics." + table)
		if len(got) != len(want) {
			return fmt.Sprintf("analytics.%s has %d rows, PostgreSQL %d", table, len(got), len(want))
		}
		tokens := map[string]string{}
		for _, r := range got {
			orig, ok := want[fmt.Sprint(r["id"])]
			if !ok {
				return fmt.Sprintf("analytics.%s has id %v, which PostgreSQL has not", table, r["id"])
			}
			if bad := differs(orig, r, tokens); bad != "" {
				return fmt.Sprintf("analytics.%s id %v: %s", table, r["id"], bad)
			}
		}
		inCN := 0
		for _, r := range want {
			if r["country"] == "CN" {
				inCN++
			}
		}
		if n := len(s.latest(s.id + ".partner." + table)); n != inCN {
			return fmt.Sprintf("partner.%s has %d rows, %d are in CN", table, n, inCN)
		}
	}
	return ""
}

// table is what PostgreSQL holds, by id.
func (s *shop) table(name string) map[string]row {
	s.t.Helper()
	out := map[string]row{}
	var rows []row
	decodeJSON(s.t, []byte(sql(s.t, "SELECT coalesce(json_agg(t), '[]') FROM "+s.id+"."+name+" t")), &rows)
	for _, r := range rows {
		out[fmt.Sprint(r["id"])] = r
	}
	return out
}

// differs compares a published row with its original under the policy.
func differs(orig, got row, tokens map[string]string) string {
	for _, gone := range []string{"email", "note"} {
		if _, there := got[gone]; there {
			return gone + " was not dropped"
		}
	}
	if fmt.Sprint(got["country"]) != fmt.Sprint(orig["country"]) {
		return "country differs"
	}
	if name, ok := orig["name"].(string); ok {
		first, n := utf8.DecodeRuneInString(name)
		if want := string(first) + strings.Repeat("*", utf8.RuneCountInString(name[n:])); got["name"] != want {
			return "name is not masked as the policy says"
		}
	}
	for _, col := range []string{"phone", "contact", "backup_phone"} {
		phone, ok := orig[col].(string)
		if !ok {
			continue
		}
		token, _ := got[col].(string)
		if len(token) != 24 {
			return col + " is not a token"
		}
		if have := tokens[phone]; have != "" && have != token {
			return col + ": one value, two tokens"
		}
		tokens[phone] = token
	}
	return ""
}

// noPhoneLeaves looks for every phone number in everything that Weir wrote:
// outputs, quarantine, lineage, state.
func (s *shop) noPhoneLeaves() {
	s.t.Helper()
	recs := append(records(s.t, s.id+"."), records(s.t, "_weir."+s.id+".")...)
	if len(recs) == 0 {
		s.t.Fatal("Weir wrote nothing")
	}
	for _, r := range recs {
		all := append(append([]byte{}, r.Key...), r.Value...)
		for _, h := range r.Headers {
			all = append(append(all, h.Key...), h.Value...)
		}
		for _, p := range s.phones {
			if bytes.Contains(all, []byte(p)) {
				s.t.Fatalf("a phone number stands in %s/%d@%d", r.Topic, r.Partition, r.Offset)
			}
		}
	}
}

// strangersRead has Connect's own converters decode every output, and kcat
// consume it.
func (s *shop) strangersRead() {
	s.t.Helper()
	for _, recipient := range []string{"analytics", "partner"} {
		topics := s.id + "." + recipient + ".customers," + s.id + "." + recipient + ".orders"
		local(s.t, append(append([]string{"readback"}, s.form.readback...), "--topics", topics, "--min", "20")...)
	}
	topic := s.id + ".analytics.customers"
	out, err := exec.Command("kcat", "-b", os.Getenv("WEIR_KAFKA"), "-C", "-t", topic, "-e", "-q", "-X", "isolation.level=read_committed",
		"-f", "%p %o %S\n").CombinedOutput()
	if err != nil {
		s.t.Fatalf("kcat: %v\n%s", err, out)
	}
	if got, want := bytes.Count(out, []byte("\n")), len(only(records(s.t, topic), topic)); got != want {
		s.t.Errorf("kcat reads %d records of %s, we read %d", got, topic, want)
	}
}

func only(recs []*kgo.Record, topic string) []*kgo.Record {
	var out []*kgo.Record
	for _, r := range recs {
		if r.Topic == topic {
			out = append(out, r)
		}
	}
	return out
}

// lineage reads a record's source back from its header and finds the original
// there.
func (s *shop) lineage() {
	s.t.Helper()
	topic := s.id + ".analytics.orders"
	recs := only(records(s.t, topic), topic)
	r := recs[len(recs)-1]
	var from struct {
		Source struct {
			Topic     string `json:"topic"`
			Partition int32  `json:"partition"`
			Offset    int64  `json:"offset"`
		} `json:"source"`
	}
	out := weir(s.t, 0, "lineage", "from", s.policy, "--topic", topic, "--partition", fmt.Sprint(r.Partition),
		"--offset", fmt.Sprint(r.Offset), "--json")
	decodeJSON(s.t, []byte(out), &from)
	for _, in := range only(records(s.t, s.prefix), from.Source.Topic) {
		if in.Partition == from.Source.Partition && in.Offset == from.Source.Offset {
			if !in.Timestamp.Equal(r.Timestamp) {
				s.t.Error("the source's timestamp is not the copy's")
			}
			return
		}
	}
	s.t.Errorf("lineage names no record of the source: %s", out)
}
