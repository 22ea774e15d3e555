package streamtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

// ShopOptions say which shop; equal options give equal records.
type ShopOptions struct {
	Seed       uint64
	Partitions int       // of each source topic, 3 if zero
	Prefix     string    // of the topics, "cdc.shop." if empty
	JSON       bool      // Debezium JSON without schema blocks instead of Confluent Avro
	Registry   string    // URL; needed for Avro
	Snapshot   int       // rows that are read first, 60 if zero
	AlterAt    uint64    // the event before which customers gets backup_phone; 0: never
	Start      time.Time // of the first change, 2026-01-01 if zero
}

// Shop produces the change stream of a small shop, as Debezium's PostgreSQL
// connector writes it, and keeps the ledger of it. It belongs to one goroutine;
// its Ledger may be read by others.
type Shop struct {
	Ledger *Ledger

	o       ShopOptions
	rand    *rand.Rand
	tables  map[string]*table
	rows    map[string]map[int64]row // live rows by table and primary key
	order   map[string][]int64       // primary keys in order of creation
	people  map[int64]*person        // by customer id
	nextID  map[string]int64
	seq     uint64
	queue   []Change
	ids     map[string]schemaIDs // by table
	altered bool
}

type schemaIDs struct{ key, value int }

// Change is one record to produce and its entry in the ledger.
type Change struct {
	Record *kgo.Record
	Entry  *Entry
}

// NewShop opens a shop; in Avro it registers the schemas of its topics.
func NewShop(o ShopOptions) (*Shop, error) {
	o.Partitions = orInt(o.Partitions, 3)
	o.Snapshot = orInt(o.Snapshot, 60)
	if o.Prefix == "" {
		o.Prefix = "cdc.shop."
	}
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	s := &Shop{
		Ledger: &Ledger{}, o: o, tables: tables(),
		rand: rand.New(rand.NewPCG(o.Seed, 0x5eed)), //nolint:gosec // made-up data must repeat
		rows: map[string]map[int64]row{}, order: map[string][]int64{}, people: map[int64]*person{},
		nextID: map[string]int64{"customers": 1001, "orders": 50001, "payments": 90001}, ids: map[string]schemaIDs{},
	}
	for _, name := range []string{"customers", "orders", "payments"} { // this order: ids repeat
		s.rows[name] = map[int64]row{}
		if err := s.register(name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func orInt(v, def int) int {
	if v == 0 {
		return def
	}
	return v
}

// Topics are the shop's source topics.
func (s *Shop) Topics() []string {
	return []string{s.topic("customers"), s.topic("orders"), s.topic("payments")}
}

func (s *Shop) topic(table string) string { return s.o.Prefix + table }

func (s *Shop) register(name string) error {
	if s.o.JSON {
		return nil
	}
	cl, err := sr.NewClient(sr.URLs(s.o.Registry))
	if err != nil {
		return fmt.Errorf("connecting to the registry: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	t := s.tables[name]
	key, err := cl.CreateSchema(ctx, s.topic(name)+"-key", sr.Schema{Schema: t.keySchema(s.o.Prefix)})
	if err != nil {
		return fmt.Errorf("registering the key schema of %s: %w", name, err)
	}
	value, err := cl.CreateSchema(ctx, s.topic(name)+"-value", sr.Schema{Schema: t.valueSchema(s.o.Prefix)})
	if err != nil {
		return fmt.Errorf("registering the value schema of %s: %w", name, err)
	}
	s.ids[name] = schemaIDs{key.ID, value.ID}
	return nil
}

// Altered reports whether the schema change has happened.
func (s *Shop) Altered() bool { return s.altered }

// Next is the next record of the stream. It enters the ledger at once, and
// counts there once Ack has told where it went.
func (s *Shop) Next() (Change, error) {
	for len(s.queue) == 0 {
		if s.o.AlterAt > 0 && s.seq+1 >= s.o.AlterAt && !s.altered {
			if err := s.alter(); err != nil {
				return Change{}, err
			}
		}
		s.step()
	}
	c := s.queue[0]
	s.queue = s.queue[1:]
	s.Ledger.add(c.Entry)
	return c, nil
}

// Ack notes the coordinates that the broker gave a change.
func (s *Shop) Ack(c Change, r *kgo.Record) { s.Ledger.ack(c.Entry, r) }

// Produce produces n records and waits for them. The client must use
// kgo.ManualPartitioner.
func (s *Shop) Produce(ctx context.Context, cl *kgo.Client, n int) error {
	var mu sync.Mutex
	var errs []error
	for range n {
		c, err := s.Next()
		if err != nil {
			return err
		}
		cl.Produce(ctx, c.Record, func(r *kgo.Record, err error) {
			if err == nil {
				s.Ack(c, r)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	return errors.Join(errs...)
}

// alter adds the column that nobody has decided about, and fills it.
func (s *Shop) alter() error {
	s.altered = true
	s.tables["customers"] = withBackupPhone(s.tables["customers"])
	for _, id := range s.order["customers"] {
		s.fillBackup(s.rows["customers"][id])
	}
	if err := s.register("customers"); err != nil {
		return err
	}
	s.updateCustomer()
	return nil
}

func (s *Shop) fillBackup(r row) {
	if r != nil && s.altered {
		r["backup_phone"] = phoneNumber(s.rand, uint64(r["id"].(int64))+5_000_000)
	}
}

// step queues the records of one change.
func (s *Shop) step() {
	if int(s.seq) < s.o.Snapshot {
		s.snapshotRow()
		return
	}
	switch d := s.rand.IntN(100); {
	case d < 10:
		s.insertCustomer(Create)
	case d < 28:
		s.updateCustomer()
	case d < 48:
		s.insertOrder(Create)
	case d < 66:
		s.updateOrder()
	case d < 82:
		s.insertPayment(Create)
	case d < 90:
		s.updatePayment()
	case d < 96:
		s.delete(pick(s.rand, []string{"customers", "orders", "payments"}))
	default:
		s.changeKey(pick(s.rand, []string{"customers", "orders"}))
	}
}

func (s *Shop) snapshotRow() {
	switch {
	case int(s.seq) < s.o.Snapshot/2:
		s.insertCustomer(Read)
	case int(s.seq) < s.o.Snapshot*5/6:
		s.insertOrder(Read)
	default:
		s.insertPayment(Read)
	}
}

func (s *Shop) newID(table string) int64 {
	s.nextID[table]++
	return s.nextID[table] - 1
}

// some draws a live row of a table, -1 when there is none.
func (s *Shop) some(table string) int64 {
	if len(s.order[table]) == 0 {
		return -1
	}
	return pick(s.rand, s.order[table])
}

func (s *Shop) time() int64 {
	return s.o.Start.UnixMicro() + int64(s.seq)*250_000
}

func (s *Shop) insertCustomer(op byte) {
	id := s.newID("customers")
	p := makePerson(s.rand, uint64(id))
	s.people[id] = &p
	r := row{"id": id, "name": p.name, "phone": p.phone, "email": p.email, "birthday": p.birthday,
		"country": p.country, "city": p.city, "created_at": time.UnixMicro(s.time()).UTC().Format("2006-01-02T15:04:05.000000Z")}
	if p.idCard != "" {
		r["id_card"] = p.idCard
	}
	s.fillBackup(r)
	s.emit("customers", op, nil, r)
}

func (s *Shop) insertOrder(op byte) {
	cust := s.some("customers")
	if cust < 0 {
		s.insertCustomer(op)
		return
	}
	p := s.people[cust]
	s.emit("orders", op, nil, row{"id": s.newID("orders"), "customer_id": cust, "country": p.country,
		"amount": int64(100 + s.rand.IntN(500_000)), "status": "new", "ship_to": address(s.rand, p),
		"contact": p.phone, "placed_at": s.time()})
}

func (s *Shop) insertPayment(op byte) {
	order := s.some("orders")
	if order < 0 {
		s.insertOrder(op)
		return
	}
	o, id := s.rows["orders"][order], s.newID("payments")
	r := row{"id": id, "order_id": order, "country": o["country"], "amount": o["amount"],
		"method": pick(s.rand, []string{"alipay", "wechat", "card", "sepa"})}
	if r["method"] == "card" || r["method"] == "sepa" {
		r["card_no"] = cardNumber(s.rand, uint64(id))
		r["holder"] = s.people[o["customer_id"].(int64)].name
	}
	s.emit("payments", op, nil, r)
}

// update emits an update of a random row that set changes.
func (s *Shop) update(table string, set func(row)) {
	id := s.some(table)
	if id < 0 {
		return
	}
	before, after := s.rows[table][id], row{}
	for k, v := range before {
		after[k] = v
	}
	set(after)
	if s.rand.IntN(12) == 0 { // moves in or out of a recipient's rows
		after["country"] = pick(s.rand, []string{"CN", "CN", "DE"})
	}
	s.emit(table, Update, before, after)
}

func (s *Shop) updateCustomer() {
	s.update("customers", func(r row) {
		switch s.rand.IntN(3) {
		case 0:
			r["phone"] = phoneNumber(s.rand, s.seq+20_000_000)
		case 1:
			r["email"] = nil
		default:
			r["email"] = fmt.Sprintf("new.%06d@example.org", s.seq)
		}
	})
}

func (s *Shop) updateOrder() {
	s.update("orders", func(r row) { r["status"] = pick(s.rand, []string{"paid", "packed", "sent", "returned"}) })
}

func (s *Shop) updatePayment() {
	s.update("payments", func(r row) { r["paid_at"] = s.time() })
}

func (s *Shop) delete(table string) {
	if len(s.order[table]) < 5 {
		return
	}
	s.emit(table, Delete, s.rows[table][s.some(table)], nil)
}

// changeKey is an update of a primary key, which Debezium writes as delete,
// tombstone and create, with the other key in a header.
func (s *Shop) changeKey(table string) {
	id := s.some(table)
	if id < 0 {
		return
	}
	before, after := s.rows[table][id], row{}
	for k, v := range before {
		after[k] = v
	}
	after["id"] = s.newID(table)
	if table == "customers" {
		s.people[after["id"].(int64)] = s.people[id]
	}
	n := len(s.queue)
	s.emit(table, Delete, before, nil)
	s.queue[n].Record.Headers = []kgo.RecordHeader{{Key: headerNewKey, Value: s.key(table, after["id"].(int64))}}
	s.queue[n].Entry.NewKey = ledgerKey(table, after["id"].(int64))
	m := len(s.queue)
	s.emit(table, Create, nil, after)
	s.queue[m].Record.Headers = []kgo.RecordHeader{{Key: headerOldKey, Value: s.key(table, id)}}
	s.queue[m].Entry.OldKey = ledgerKey(table, id)
}

// Debezium's headers of a changed primary key.
const (
	headerNewKey = "__debezium.newkey"
	headerOldKey = "__debezium.oldkey"
)

func ledgerKey(table string, id int64) string { return fmt.Sprintf("%s/%d", table, id) }

// emit queues one row event (a delete with its tombstone) and moves the state.
func (s *Shop) emit(table string, op byte, before, after row) {
	s.seq++
	if after != nil {
		after["seq"] = int64(s.seq)
	}
	id := s.apply(table, before, after)
	ev := &event{table: s.tables[table], before: before, after: after, op: op,
		lsn: 26_000_000 + int64(s.seq)*56, micros: s.time(), snapshot: op == Read}
	s.note(ev.table, before)
	s.note(ev.table, after)
	e := &Entry{Op: op, LSN: ev.lsn, Before: imageOf(before), After: imageOf(after)}
	s.push(table, id, e, s.payload(ev))
	if op == Delete {
		s.seq++
		s.push(table, id, &Entry{Op: Tombstone, LSN: ev.lsn}, nil)
	}
}

// apply moves the live rows and gives the event's primary key.
func (s *Shop) apply(table string, before, after row) int64 {
	if after == nil {
		id := before["id"].(int64)
		delete(s.rows[table], id)
		ids := s.order[table]
		for i := range ids {
			if ids[i] == id {
				s.order[table] = append(ids[:i:i], ids[i+1:]...)
				break
			}
		}
		return id
	}
	id := after["id"].(int64)
	if before == nil {
		s.order[table] = append(s.order[table], id)
	}
	s.rows[table][id] = after
	return id
}

func imageOf(r row) *Image {
	if r == nil {
		return nil
	}
	return &Image{Country: r["country"].(string), Seq: uint64(r["seq"].(int64))}
}

// note puts an image's raw values on the list of what must not come out.
func (s *Shop) note(t *table, r row) {
	for i := range t.columns {
		if v, ok := r[t.columns[i].name].(string); ok && t.columns[i].canary != "" {
			s.Ledger.canary(t.columns[i].canary, v)
		}
	}
}

func (s *Shop) push(table string, id int64, e *Entry, value []byte) {
	e.Seq, e.Table, e.Topic, e.Offset = s.seq, table, s.topic(table), -1
	e.Key = ledgerKey(table, id)
	e.Undeclared = s.altered && table == "customers"
	h := fnv.New32a()
	_, _ = h.Write([]byte(e.Key))
	e.Partition = int32(h.Sum32() % uint32(s.o.Partitions))
	s.queue = append(s.queue, Change{Entry: e, Record: &kgo.Record{
		Topic: e.Topic, Partition: e.Partition, Key: s.key(table, id), Value: value,
		Timestamp: time.UnixMicro(s.time())}})
}

func (s *Shop) payload(ev *event) []byte {
	if s.o.JSON {
		return ev.json()
	}
	return ev.avro(framing(s.ids[ev.table.name].value))
}

func (s *Shop) key(table string, id int64) []byte {
	if s.o.JSON {
		return fmt.Appendf(nil, `{"id":%d}`, id)
	}
	return appendLong(framing(s.ids[table].key), id)
}

// framing is Confluent's prefix: a zero byte and the schema's id.
func framing(id int) []byte {
	return binary.BigEndian.AppendUint32([]byte{0}, uint32(id))
}
