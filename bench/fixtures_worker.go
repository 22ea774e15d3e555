package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// eventBytes is the size of every worker event's value, without Avro's framing.
const eventBytes = 966

// eventColumns are the columns of shop.customers in the worker benchmarks, with
// their classes. The five that are personal are the protected fields.
func eventColumns() [][2]string {
	return [][2]string{
		{"id", ""}, {"name", "person.name"}, {"phone", "contact.mobile_cn"}, {"email", "contact.email"},
		{"id_card", "id.cn_resident"}, {"address", "contact.address"}, {"city", ""}, {"birthday", ""}, {"gender", ""},
		{"level", ""}, {"balance", ""}, {"vip", ""}, {"note", ""}, {"created_at", ""}, {"updated_at", ""},
	}
}

// canary ends every e-mail address: where protected copies hold it, a side did
// not do its work.
const canary = "@example.com"

// events makes Debezium updates, in JSON or in Avro, of eventBytes each: 50,000
// customers, a fresh level, balance and time in after.
type events struct {
	avro     bool
	rand     *rand.Rand
	key, val []byte
	pad      int
	keyID    []byte // Avro's framing
	valueID  []byte
}

func newEvents(avro bool, keyID, valueID int) *events {
	e := &events{avro: avro, rand: rand.New(rand.NewPCG(1, 1))}
	if avro {
		e.keyID, e.valueID = binary.BigEndian.AppendUint32([]byte{0}, uint32(keyID)), binary.BigEndian.AppendUint32([]byte{0}, uint32(valueID))
	}
	return e
}

// next makes one event; it is valid until the next call.
func (e *events) next() (key, value []byte) {
	c := customer{id: 100_000 + e.rand.Int64N(50_000), version: e.rand.Int64N(1e9)}
	if e.avro {
		e.key = binary.AppendVarint(append(e.key[:0], e.keyID...), c.id)
	} else {
		e.key = append(strconv.AppendInt(append(e.key[:0], `{"id":`...), c.id, 10), '}')
	}
	e.val = e.write(c, e.pad)
	if miss := eventBytes + len(e.valueID) - len(e.val); miss != 0 {
		// All but the padding is of fixed width, up to the length of its own length.
		e.pad += miss
		for e.val = e.write(c, e.pad); len(e.val) > eventBytes+len(e.valueID); e.val = e.write(c, e.pad) {
			e.pad--
		}
	}
	return e.key, e.val
}

type customer struct{ id, version int64 }

func (e *events) write(c customer, pad int) []byte {
	before, after := c, c
	before.version = (c.version + 1) % 1e9
	if e.avro {
		b := avroBytes{append(e.val[:0], e.valueID...)}
		b.branch(1)
		before.avro(&b, pad/2)
		b.branch(1)
		after.avro(&b, pad-pad/2)
		b.str("3.4.0.Final", "postgresql", "shop").long(1_732_400_000_123).branch(0).str("false", "shop")
		b.branch(1).str(`["24023120","24023128"]`).str("public", "customers").branch(1).long(771).branch(1).long(24_023_128).branch(0)
		b.branch(1).long(1_732_400_000_123_456).branch(1).long(1_732_400_000_123_456_789)
		b.str("u").branch(1).long(1_732_400_000_456).branch(0)
		b.branch(1).long(1_732_400_000_456_789).branch(1).long(1_732_400_000_456_789_123)
		return b.b
	}
	b := before.json(append(e.val[:0], `{"before":`...), pad/2)
	b = after.json(append(b, `,"after":`...), pad-pad/2)
	return append(b, `,"source":{"version":"3.4.0.Final","connector":"postgresql","name":"cdc","ts_ms":1732400000123,`+
		`"snapshot":"false","db":"shop","schema":"public","table":"customers","txId":771,"lsn":24023128},`+
		`"op":"u","ts_ms":1732400000456}`...)
}

func (c customer) json(b []byte, pad int) []byte {
	b = fmt.Appendf(b, `{"id":%d,"name":"Zhang Wei %06d","phone":"1390013%04d","email":"zw%06d%s","id_card":"1101051949%08d",`+
		`"address":"88 Jianguo Road, Bldg %04d","city":"Beijing","birthday":%04d,"gender":1,"level":%d,"balance":"%06d.%02d","vip":true,`,
		c.id, c.id, c.id%10_000, c.id, canary, c.id*7, c.id%10_000, 6000+c.id%1000, c.version%10, c.version%1e6, c.version%100)
	return fmt.Appendf(b, `"note":"%s","created_at":1727000000000000,"updated_at":%016d}`, padding(pad), 1_732_400_000_000_000+c.version)
}

func (c customer) avro(b *avroBytes, pad int) {
	b.long(c.id).str(fmt.Sprintf("Zhang Wei %06d", c.id))
	b.branch(1).str(fmt.Sprintf("1390013%04d", c.id%10_000))
	b.branch(1).str(fmt.Sprintf("zw%06d%s", c.id, canary))
	b.branch(1).str(fmt.Sprintf("1101051949%08d", c.id*7))
	b.branch(1).str(fmt.Sprintf("88 Jianguo Road, Bldg %04d", c.id%10_000)).str("Beijing")
	b.branch(1).long(6000 + c.id%1000).long(1).long(c.version % 10)
	b.str(fmt.Sprintf("%06d.%02d", c.version%1e6, c.version%100))
	b.b = append(b.b, 1)
	b.branch(1).str(padding(pad)).long(1_727_000_000_000_000).long(1_732_400_000_000_000 + c.version)
}

func padding(n int) string {
	const text = "prefers deliveries after six in the evening, ring twice, gate code 4471; "
	return strings.Repeat(text, max(n, 0)/len(text)+1)[:max(n, 0)]
}

// eventSchemas are the Avro schemas of events: codec-avro's envelope with the
// columns above.
func eventSchemas() (key, value string) {
	row := `{"type":"record","name":"Value","fields":[
 {"name":"id","type":"long"},
 {"name":"name","type":"string"},
 {"name":"phone","type":["null","string"],"default":null},
 {"name":"email","type":["null","string"],"default":null},
 {"name":"id_card","type":["null","string"],"default":null},
 {"name":"address","type":["null","string"],"default":null},
 {"name":"city","type":"string"},
 {"name":"birthday","type":["null",{"type":"int","connect.version":1,"connect.name":"io.debezium.time.Date"}],"default":null},
 {"name":"gender","type":"int"},
 {"name":"level","type":"int"},
 {"name":"balance","type":"string"},
 {"name":"vip","type":"boolean"},
 {"name":"note","type":["null","string"],"default":null},
 {"name":"created_at","type":{"type":"long","connect.version":1,"connect.name":"io.debezium.time.MicroTimestamp"}},
 {"name":"updated_at","type":{"type":"long","connect.version":1,"connect.name":"io.debezium.time.MicroTimestamp"}}],
 "connect.name":"shop.public.customers.Value"}`
	begin := strings.Index(avroFixtureSchema, `{"type":"record","name":"Value"`)
	const last = `"connect.name":"shop.public.customers.Value"}`
	end := strings.Index(avroFixtureSchema, last) + len(last)
	return `{"type":"record","name":"Key","namespace":"shop.public.customers","fields":[{"name":"id","type":"long"}],"connect.name":"shop.public.customers.Key"}`,
		avroFixtureSchema[:begin] + row + avroFixtureSchema[end:]
}

// leaks reports whether a value holds what all addresses end with.
func leaks(value []byte) bool { return bytes.Contains(value, []byte(canary)) }
