package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/keys"
	"weir/schemas"
	"weir/schemas/avro"
	"weir/stream/streamtest"
	"weir/transforms"
	"weir/transforms/all"
)

// planRecipients: the same record and policy with 1, 4 and 16 recipients. What
// the copies share (scan, canonical text) is paid once.
func planRecipients(r *R) error {
	rec, keySchema, valueSchema, err := customerUpdate()
	if err != nil {
		return err
	}
	var sides []Side
	for _, n := range []int{1, 4, 16} {
		op, err := protect(n, rec, keySchema, valueSchema)
		if err != nil {
			return fmt.Errorf("%d recipients: %w", n, err)
		}
		sides = append(sides, Side{fmt.Sprintf("%d recipients", n), "ours", op})
	}
	r.Note("key %d B, value %d B; each copy: 2 tokens, 2 masks, 2 drops in before and after, a token in the key", len(rec.Key)-5, len(rec.Value)-5)
	samples, err := r.Sides(sides...)
	if err != nil {
		return err
	}
	one, four, sixteen := samples["1 recipients"], samples["4 recipients"], samples["16 recipients"]
	r.PerRound("each further recipient (4)", "ns/op", len(one), func(i int) float64 { return (four[i] - one[i]) / 3 })
	r.PerRound("each further recipient (16)", "ns/op", len(one), func(i int) float64 { return (sixteen[i] - one[i]) / 15 })
	further := make([]float64, len(one))
	for i := range further {
		further[i] = (sixteen[i] - one[i]) / 15
	}
	r.Ratio("each further recipient / the first", further, one)
	return r.Allocs("allocations, 16 recipients", sides[2].Op)
}

// customerUpdate is an update of the shop's customers, with both images, and
// its schemas.
func customerUpdate() (*kgo.Record, *schemas.Schema, *schemas.Schema, error) {
	c, err := streamtest.Start(streamtest.Options{})
	if err != nil {
		return nil, nil, nil, err
	}
	defer c.Close()
	shop, err := streamtest.NewShop(streamtest.ShopOptions{Seed: 1, Registry: c.RegistryURL()})
	if err != nil {
		return nil, nil, nil, err
	}
	for {
		ch, err := shop.Next()
		if err != nil {
			return nil, nil, nil, err
		}
		if ch.Entry.Table != "customers" || ch.Entry.Op != streamtest.Update || ch.Entry.After.Country != "CN" || ch.Entry.Before.Country != "CN" {
			continue
		}
		key, err := schemaOf(c, ch.Record.Key)
		if err != nil {
			return nil, nil, nil, err
		}
		value, err := schemaOf(c, ch.Record.Value)
		return ch.Record, key, value, err
	}
}

func schemaOf(c *streamtest.Cluster, framed []byte) (*schemas.Schema, error) {
	text, err := c.Schema(context.Background(), int(binary.BigEndian.Uint32(framed[1:5])))
	if err != nil {
		return nil, err
	}
	return avro.Parse(text)
}

// planPolicy decides every column of customers for n recipients, all alike.
func planPolicy(n int) (*transforms.Policy, error) {
	taxonomy, err := schemas.DefaultTaxonomy()
	if err != nil {
		return nil, err
	}
	p := &transforms.Policy{Name: "bench", Keyspace: "bench", Epoch: 1, Taxonomy: taxonomy}
	for column, class := range map[string]string{"id": "account.username", "seq": "internal", "name": "person.name",
		"phone": "contact.mobile_cn", "email": "contact.email", "id_card": "id.cn_resident", "birthday": "person.birth_date",
		"country": "internal", "city": "internal", "created_at": "internal"} {
		p.Catalog = append(p.Catalog, transforms.CatalogRule{Match: "shop.customers." + column, Class: class})
	}
	for i := range n {
		p.Recipients = append(p.Recipients, transforms.Recipient{Name: fmt.Sprintf("r%d", i), Grade: 2,
			Topic: fmt.Sprintf("clean.r%d.{schema}.{table}", i), Treat: []transforms.Rule{
				{Match: "account.username", Treatment: "token", Args: transforms.Args{"domain": "customer"}},
				{Match: "contact.mobile_cn", Treatment: "token", Args: transforms.Args{"domain": "phone"}},
				{Match: "contact.email", Treatment: "mask", Args: transforms.Args{"keep_last": 4}},
				{Match: "person.name", Treatment: "mask", Args: transforms.Args{"keep_first": 1}},
				{Match: "*", Treatment: "drop"}}})
	}
	return p, nil
}

// protect compiles the plan for n recipients and gives what one record costs.
func protect(n int, rec *kgo.Record, key, value *schemas.Schema) (func(int) error, error) {
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "bench.key")
	if _, err := keys.InitFile(path); err != nil {
		return nil, err
	}
	ring, err := keys.Open(path)
	if err != nil {
		return nil, err
	}
	policy, err := planPolicy(n)
	if err != nil {
		return nil, err
	}
	plan, err := transforms.Compile(transforms.Input{Policy: policy, Key: key, Value: value, Kinds: all.Kinds(), Ring: ring,
		Dataset: transforms.Dataset{Topic: rec.Topic, Name: strings.TrimPrefix(rec.Topic, "cdc."), Envelope: transforms.EnvelopeDebezium, BeforeFull: true}})
	if err != nil {
		return nil, err
	}
	return protectOp(plan, rec, n), nil
}

func protectOp(plan *transforms.Plan, rec *kgo.Record, n int) func(int) error {
	scratch, prefixes := transforms.NewScratch(), make([]transforms.Prefix, n)
	for i := range prefixes {
		prefixes[i] = transforms.Prefix{Key: rec.Key[:5], Value: rec.Value[:5]}
	}
	ev := transforms.Event{Key: rec.Key[5:], Value: rec.Value[5:], TimestampMillis: rec.Timestamp.UnixMilli()}
	return func(times int) error {
		for range times {
			copies, _ := plan.Protect(scratch, &ev, prefixes)
			for i := range copies {
				if copies[i].Fate != transforms.Published || len(copies[i].Outs) != 1 {
					return errors.New("a copy was not published: " + string(copies[i].Code))
				}
			}
		}
		return nil
	}
}
