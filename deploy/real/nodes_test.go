//go:build real

package real

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/stream/streamtest"
)

// nodesPort is the first port of the three brokers; the stack that the
// environment names has others.
const nodesPort = 21090

// Three brokers, replication 3: one of them, and then a worker, is killed while
// the shop changes; the checker's ledger decides.
func TestThreeNodesOneKilled(t *testing.T) {
	dir := t.TempDir()
	nodes := func(args ...string) {
		t.Helper()
		args = append(args, "--dir", dir)
		if args[0] == "up" {
			args = append(args, "--base-port", fmt.Sprint(nodesPort))
		}
		if out, err := exec.Command(bin.local, args...).CombinedOutput(); err != nil {
			t.Fatalf("local %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	t.Cleanup(func() { nodes("down") })
	nodes("up", "kafka", "--nodes", "3")
	brokers := []string{fmt.Sprintf("127.0.0.1:%d", nodesPort), fmt.Sprintf("127.0.0.1:%d", nodesPort+1), fmt.Sprintf("127.0.0.1:%d", nodesPort+2)}
	connect := func(opts ...kgo.Opt) (*kgo.Client, error) {
		return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...)}, opts...)...)
	}
	prod, err := connect(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer prod.Close()
	shop, err := streamtest.NewShop(streamtest.ShopOptions{Seed: 3, JSON: true, AlterAt: 2500})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	// The shop's changes are months old: without this the brokers delete them, and
	// their copies, as soon as they look.
	forever := map[string]*string{"retention.ms": kadm.StringPtr("-1")}
	if _, err := kadm.NewClient(prod).CreateTopics(ctx, 3, 3, forever, shop.Topics()...); err != nil {
		t.Fatal(err)
	}
	policy := filepath.Join(dir, "shop.yaml")
	if err := os.WriteFile(policy, []byte(nodesPolicy(brokers)), 0o600); err != nil {
		t.Fatal(err)
	}
	weir(t, 0, "keys", "init", filepath.Join(dir, "shop.key"))
	produce := func(n int) {
		t.Helper()
		if err := shop.Produce(ctx, prod, n); err != nil {
			t.Fatal(err)
		}
	}
	produce(1500) // every broker knows the sources then, so that apply sees them
	weir(t, 0, "topics", "apply", policy)

	p := startWeir(t, policy, "--workers", "2")
	nodes("down", "kafka-2", "--kill")
	produce(1000)
	p.kill()
	p = startWeir(t, policy, "--workers", "2")
	produce(1000)
	nodes("up", "kafka", "--nodes", "3")
	produce(500)
	drained := make(chan error, 1)
	go func() { drained <- streamtest.WaitDrained(ctx, prod, "weir.nodes", shop.Topics()...) }()
	select {
	case err := <-drained:
		if err != nil {
			t.Fatal(err)
		}
	case err := <-p.done:
		t.Fatalf("weir run ended before all was treated: %v", err)
	}
	p.stop(t)
	judge(t, ctx, shop, connect)
}

func judge(t *testing.T, ctx context.Context, shop *streamtest.Shop, connect streamtest.Dial) {
	t.Helper()
	dec, err := streamtest.NewDecoder("")
	if err != nil {
		t.Fatal(err)
	}
	c := &streamtest.Check{Ledger: shop.Ledger, Decoder: dec, Quarantine: "_weir.nodes.quarantine",
		Recipients: []streamtest.Recipient{{Name: "analytics", Prefix: "clean.analytics.shop."},
			{Name: "partner", Prefix: "clean.partner.shop.", Partial: true, Keep: func(i *streamtest.Image) bool { return i.Country == "CN" }}}}
	rep, err := c.Run(ctx, connect)
	if err != nil {
		t.Fatal(err)
	}
	if !rep.ExactlyOnce() || rep.Leaked() != 0 {
		t.Errorf("not exact: %+v", rep)
	}
	t.Logf("in %d, quarantined %v, per recipient %+v", rep.In, rep.Quarantined, rep.Recipients)
}

func nodesPolicy(brokers []string) string {
	return fmt.Sprintf(`weir: 1
name: nodes
epoch: 1
kafka: {brokers: ["%s"]}
sources:
  - {topics: "cdc.shop.*", name: "cdc.{schema}.{table}", encoding: json, envelope: debezium}
catalog:
  shop.customers.id: internal
  shop.customers.seq: internal
  shop.customers.country: internal
  shop.customers.city: internal
  shop.customers.created_at: internal
  shop.customers.name: person.name
  shop.customers.phone: contact.mobile_cn
  shop.customers.email: contact.email
  shop.customers.id_card: id.cn_resident
  shop.customers.birthday: person.birth_date
  shop.orders.id: internal
  shop.orders.seq: internal
  shop.orders.customer_id: internal
  shop.orders.country: internal
  shop.orders.amount: internal
  shop.orders.status: internal
  shop.orders.placed_at: internal
  shop.orders.ship_to: contact.address
  shop.orders.contact: contact.mobile_cn
  shop.payments.id: internal
  shop.payments.seq: internal
  shop.payments.order_id: internal
  shop.payments.country: internal
  shop.payments.amount: internal
  shop.payments.method: internal
  shop.payments.paid_at: internal
  shop.payments.card_no: finance.bank_card
  shop.payments.holder: person.name
recipients:
  - name: analytics
    topic: "clean.analytics.{schema}.{table}"
    grade: 2
    treat:
      contact.mobile_cn: {token: {domain: customer}}
      person.name: {mask: {keep_first: 1}}
      "*": drop
  - name: partner
    topic: "clean.partner.{schema}.{table}"
    grade: 2
    rows: "after.country == 'CN'"
    treat: {"*": drop}
keys: {file: shop.key}
`, strings.Join(brokers, `", "`))
}
