package avro

import (
	"encoding/binary"
	"strings"
)

// fixtureEdit is one column and what stands there afterwards, in both images.
type fixtureEdit struct{ path, text string }

// envelopeFixture is the codec-avro fixture: a Debezium update of about 670 bytes whose
// named type Value stands in before and after, with 20 columns each, nulls and an
// array in two blocks, one of them with a byte size. Every edit moves a length
// across the border of one varint byte.
func envelopeFixture() (schema string, payload []byte, edits []fixtureEdit) {
	edits = []fixtureEdit{
		{"name", "weir1:" + strings.Repeat("Zm9vYmFyYmF6", 6)},
		{"phone", "weir1:" + strings.Repeat("cXV4cXV1eGNv", 6)},
		{"email", "weir1:" + strings.Repeat("cmdlZ3JhdWx0", 6)},
		{"address", "7ZK3M9QX2B5T8WYVNH4RCD6P"},
		{"remark", "G1J0XKQ5SZ7TB2M8W4VYNRHC"},
	}
	b := &fixtureBytes{}
	b.branch(1)
	b.row("zhang wei", 17)
	b.branch(1)
	b.row("zhang weiwei", 18)
	b.str("3.1.0.Final", "postgresql", "shop").long(1_760_000_000_123).branch(0).str("false", "shop")
	b.branch(1).str("[\"26511936\",\"26511992\"]").str("public", "customers").branch(1).long(771).branch(1).long(26_511_992).branch(0)
	b.branch(1).long(1_760_000_000_123_456).branch(1).long(1_760_000_000_123_456_000)
	b.str("u").branch(1).long(1_760_000_000_456).branch(0)
	b.branch(1).long(1_760_000_000_456_789).branch(1).long(1_760_000_000_456_789_123)
	return envelopeFixtureSchema, b.b, edits
}

// row writes one Value.
func (b *fixtureBytes) row(name string, version int64) {
	b.long(100_481).str(name).branch(1).str("13800138000").branch(1).str("z.wei@example.com")
	b.branch(1).str("Room 2105, Building 7, 168 Lujiazui Ring Road, Pudong, Shanghai 200120")
	b.branch(1).str("prefers deliveries after six in the evening, ring twice, gate code 4471")
	b.long(version).branch(0).branch(1).long(20_089).str("CN").branch(1).str("gold")
	b.b = append(b.b, 1)
	b.branch(1).str("\x01\x86\xa0").long(3).branch(0)
	b.b = append(b.b, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f)
	b.long(1_700_000_000_000_000).branch(0)
	b.long(2).str("vip", "b2c").long(-1).long(6).str("north").long(0)
	b.branch(0)
}

type fixtureBytes struct{ b []byte }

func (b *fixtureBytes) long(n int64) *fixtureBytes {
	b.b = binary.AppendVarint(b.b, n)
	return b
}

func (b *fixtureBytes) branch(n int64) *fixtureBytes { return b.long(n) }

func (b *fixtureBytes) str(list ...string) *fixtureBytes {
	for _, s := range list {
		b.b = append(binary.AppendVarint(b.b, int64(len(s))), s...)
	}
	return b
}

const envelopeFixtureSchema = `{"type":"record","name":"Envelope","namespace":"shop.public.customers","fields":[
{"name":"before","type":["null",{"type":"record","name":"Value","fields":[
 {"name":"id","type":"long"},
 {"name":"name","type":"string"},
 {"name":"phone","type":["null","string"],"default":null},
 {"name":"email","type":["null","string"],"default":null},
 {"name":"address","type":["null","string"],"default":null},
 {"name":"remark","type":["null","string"],"default":null},
 {"name":"version","type":"int"},
 {"name":"referrer","type":["null","long"],"default":null},
 {"name":"birthday","type":["null",{"type":"int","connect.version":1,"connect.name":"io.debezium.time.Date"}],"default":null},
 {"name":"country","type":"string"},
 {"name":"level","type":["null","string"],"default":null},
 {"name":"active","type":"boolean"},
 {"name":"balance","type":["null",{"type":"bytes","scale":2,"precision":12,"connect.version":1,"connect.parameters":{"scale":"2","connect.decimal.precision":"12"},"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}],"default":null},
 {"name":"orders","type":"int"},
 {"name":"limit","type":["null","double"],"default":null},
 {"name":"score","type":"double"},
 {"name":"created_at","type":{"type":"long","connect.version":1,"connect.name":"io.debezium.time.MicroTimestamp"}},
 {"name":"deleted_at","type":["null",{"type":"long","connect.version":1,"connect.name":"io.debezium.time.MicroTimestamp"}],"default":null},
 {"name":"labels","type":{"type":"array","items":"string"}},
 {"name":"photo","type":["null","bytes"],"default":null}],
 "connect.name":"shop.public.customers.Value"}],"default":null},
{"name":"after","type":["null","Value"],"default":null},
{"name":"source","type":{"type":"record","name":"Source","namespace":"io.debezium.connector.postgresql","fields":[
 {"name":"version","type":"string"},{"name":"connector","type":"string"},{"name":"name","type":"string"},{"name":"ts_ms","type":"long"},
 {"name":"snapshot","type":[{"type":"string","connect.version":1,"connect.parameters":{"allowed":"true,last,false,incremental"},"connect.default":"false","connect.name":"io.debezium.data.Enum"},"null"],"default":"false"},
 {"name":"db","type":"string"},{"name":"sequence","type":["null","string"],"default":null},{"name":"schema","type":"string"},{"name":"table","type":"string"},
 {"name":"txId","type":["null","long"],"default":null},{"name":"lsn","type":["null","long"],"default":null},
 {"name":"xmin","type":["null","long"],"default":null},{"name":"ts_us","type":["null","long"],"default":null},{"name":"ts_ns","type":["null","long"],"default":null}],
 "connect.name":"io.debezium.connector.postgresql.Source"}},
{"name":"op","type":"string"},
{"name":"ts_ms","type":["null","long"],"default":null},
{"name":"transaction","type":["null",{"type":"record","name":"block","namespace":"event","fields":[
 {"name":"id","type":"string"},{"name":"total_order","type":"long"},{"name":"data_collection_order","type":"long"}],"connect.name":"event.block"}],"default":null},
{"name":"ts_us","type":["null","long"],"default":null},{"name":"ts_ns","type":["null","long"],"default":null}],
"connect.name":"shop.public.customers.Envelope"}`
