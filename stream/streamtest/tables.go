package streamtest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
)

// colKind is how a column is typed on the wire.
type colKind uint8

const (
	colLong    colKind = iota // int64
	colString                 // string
	colDecimal                // int64, in hundredths
	colDate                   // int64, days since 1970-01-01
	colMicros                 // int64, microseconds without zone
	colZoned                  // string, ISO 8601 with zone
)

// column is one column of a table of the shop.
type column struct {
	name     string
	kind     colKind
	optional bool
	canary   string // what it holds when a raw value must never be published: "phone", "name" …
}

// table is a table of the shop. Its first column is the primary key.
type table struct {
	name    string
	columns []column
}

// row is a row image: one value a column, nil for null.
type row map[string]any

func tables() map[string]*table {
	return map[string]*table{
		"customers": {"customers", []column{
			{name: "id", kind: colLong}, {name: "seq", kind: colLong},
			{name: "name", kind: colString, canary: "name"},
			{name: "phone", kind: colString, optional: true, canary: "phone"},
			{name: "email", kind: colString, optional: true, canary: "email"},
			{name: "id_card", kind: colString, optional: true, canary: "id_card"},
			{name: "birthday", kind: colDate, optional: true},
			{name: "country", kind: colString}, {name: "city", kind: colString, optional: true},
			{name: "created_at", kind: colZoned},
		}},
		"orders": {"orders", []column{
			{name: "id", kind: colLong}, {name: "seq", kind: colLong},
			{name: "customer_id", kind: colLong}, {name: "country", kind: colString},
			{name: "amount", kind: colDecimal}, {name: "status", kind: colString},
			{name: "ship_to", kind: colString, optional: true, canary: "address"},
			{name: "contact", kind: colString, optional: true, canary: "phone"},
			{name: "placed_at", kind: colMicros},
		}},
		"payments": {"payments", []column{
			{name: "id", kind: colLong}, {name: "seq", kind: colLong},
			{name: "order_id", kind: colLong}, {name: "country", kind: colString},
			{name: "amount", kind: colDecimal}, {name: "method", kind: colString},
			{name: "card_no", kind: colString, optional: true, canary: "card"},
			{name: "holder", kind: colString, optional: true, canary: "name"},
			{name: "paid_at", kind: colMicros, optional: true},
		}},
	}
}

// withBackupPhone is customers after `ALTER TABLE … ADD backup_phone text`.
func withBackupPhone(t *table) *table {
	cols := append([]column(nil), t.columns...)
	return &table{t.name, append(cols, column{name: "backup_phone", kind: colString, optional: true, canary: "phone"})}
}

// avroType is a column's Avro type as Debezium's AvroConverter writes it.
func (c *column) avroType() string {
	t := map[colKind]string{
		colLong:   `"long"`,
		colString: `"string"`,
		colDecimal: `{"type":"bytes","scale":2,"precision":12,"connect.version":1,` +
			`"connect.parameters":{"scale":"2","connect.decimal.precision":"12"},` +
			`"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}`,
		colDate:   `{"type":"int","connect.version":1,"connect.name":"io.debezium.time.Date"}`,
		colMicros: `{"type":"long","connect.version":1,"connect.name":"io.debezium.time.MicroTimestamp"}`,
		colZoned:  `{"type":"string","connect.version":1,"connect.name":"io.debezium.time.ZonedTimestamp"}`,
	}[c.kind]
	if c.optional {
		return `["null",` + t + `],"default":null`
	}
	return t
}

func (t *table) keySchema(prefix string) string {
	ns := prefix + t.name
	return fmt.Sprintf(`{"type":"record","name":"Key","namespace":%q,"fields":[{"name":%q,"type":"long"}],"connect.name":%q}`,
		ns, t.columns[0].name, ns+".Key")
}

const sourceSchema = `{"type":"record","name":"Source","namespace":"io.debezium.connector.postgresql","fields":[` +
	`{"name":"version","type":"string"},{"name":"connector","type":"string"},{"name":"name","type":"string"},` +
	`{"name":"ts_ms","type":"long"},{"name":"snapshot","type":[{"type":"string","connect.version":1,` +
	`"connect.parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},` +
	`"connect.default":"false","connect.name":"io.debezium.data.Enum"},"null"],"default":"false"},` +
	`{"name":"db","type":"string"},{"name":"sequence","type":["null","string"],"default":null},` +
	`{"name":"ts_us","type":["null","long"],"default":null},{"name":"ts_ns","type":["null","long"],"default":null},` +
	`{"name":"schema","type":"string"},{"name":"table","type":"string"},` +
	`{"name":"txId","type":["null","long"],"default":null},{"name":"lsn","type":["null","long"],"default":null},` +
	`{"name":"xmin","type":["null","long"],"default":null}],` +
	`"connect.name":"io.debezium.connector.postgresql.Source"}`

const transactionSchema = `["null",{"type":"record","name":"block","namespace":"event","fields":[` +
	`{"name":"id","type":"string"},{"name":"total_order","type":"long"},{"name":"data_collection_order","type":"long"}],` +
	`"connect.version":1,"connect.name":"event.block"}]`

func (t *table) valueSchema(prefix string) string {
	ns := prefix + t.name
	fields := make([]string, len(t.columns))
	for i := range t.columns {
		c := &t.columns[i]
		fields[i] = fmt.Sprintf(`{"name":%q,"type":%s}`, c.name, c.avroType())
	}
	return fmt.Sprintf(`{"type":"record","name":"Envelope","namespace":%q,"fields":[`+
		`{"name":"before","type":["null",{"type":"record","name":"Value","fields":[%s],"connect.name":%q}],"default":null},`+
		`{"name":"after","type":["null","Value"],"default":null},{"name":"source","type":%s},`+
		`{"name":"transaction","type":%s,"default":null},{"name":"op","type":"string"},`+
		`{"name":"ts_ms","type":["null","long"],"default":null},{"name":"ts_us","type":["null","long"],"default":null},`+
		`{"name":"ts_ns","type":["null","long"],"default":null}],"connect.version":2,"connect.name":%q}`,
		ns, strings.Join(fields, ","), ns+".Value", sourceSchema, transactionSchema, ns+".Envelope")
}

// event is what stands around the row images.
type event struct {
	table         *table
	before, after row
	op            byte
	lsn           int64
	micros        int64 // time of the change
	snapshot      bool
}

func appendLong(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendVarint(dst, int64(len(s))), s...)
}

// appendUnscaled writes a decimal's unscaled value: big-endian two's
// complement, as short as it can be.
func appendUnscaled(dst []byte, v int64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(v))
	i := 0
	for i < 7 && ((b[i] == 0 && b[i+1] < 0x80) || (b[i] == 0xff && b[i+1] >= 0x80)) {
		i++
	}
	return append(binary.AppendVarint(dst, int64(8-i)), b[i:]...)
}

func (t *table) appendRow(dst []byte, r row) []byte {
	if r == nil {
		return appendLong(dst, 0)
	}
	dst = appendLong(dst, 1)
	for i := range t.columns {
		dst = t.columns[i].append(dst, r[t.columns[i].name])
	}
	return dst
}

func (c *column) append(dst []byte, v any) []byte {
	if c.optional {
		if v == nil {
			return appendLong(dst, 0)
		}
		dst = appendLong(dst, 1)
	}
	switch c.kind {
	case colString, colZoned:
		return appendText(dst, v.(string))
	case colDecimal:
		return appendUnscaled(dst, v.(int64))
	default:
		return appendLong(dst, v.(int64))
	}
}

// avro is the event's payload without framing.
func (e *event) avro(dst []byte) []byte {
	dst = e.table.appendRow(dst, e.before)
	dst = e.table.appendRow(dst, e.after)
	for _, s := range []string{"3.4.0.Final", "postgresql", "cdc"} {
		dst = appendText(dst, s)
	}
	dst = appendLong(dst, e.micros/1000)
	dst = appendText(appendLong(dst, 0), e.snapshotText())
	dst = appendText(dst, "shop")
	dst = appendText(appendLong(dst, 1), fmt.Sprintf(`["%d","%d"]`, e.lsn-56, e.lsn))
	dst = appendLong(appendLong(dst, 1), e.micros)
	dst = appendLong(appendLong(dst, 1), e.micros*1000)
	dst = appendText(appendText(dst, "shop"), e.table.name)
	dst = appendLong(appendLong(dst, 1), e.lsn/448)
	dst = appendLong(appendLong(dst, 1), e.lsn)
	dst = appendLong(dst, 0) // xmin
	dst = appendLong(dst, 0) // transaction
	dst = appendText(dst, string(e.op))
	dst = appendLong(appendLong(dst, 1), e.micros/1000+3)
	dst = appendLong(appendLong(dst, 1), e.micros+3000)
	return appendLong(appendLong(dst, 1), (e.micros+3000)*1000)
}

func (e *event) snapshotText() string {
	if e.snapshot {
		return "true"
	}
	return "false"
}

// jsonRow keeps the order of the columns, as Connect's converter does.
func (t *table) jsonRow(r row) string {
	if r == nil {
		return "null"
	}
	var b strings.Builder
	for i := range t.columns {
		c := &t.columns[i]
		b.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(&b, "%q:", c.name)
		v := r[c.name]
		if d, ok := v.(int64); ok && c.kind == colDecimal {
			v = fmt.Sprintf("%d.%02d", d/100, d%100)
		}
		text, _ := json.Marshal(v) // int64, string or nil: never fails
		b.Write(text)
	}
	b.WriteByte('}')
	return b.String()
}

// json is the event as Connect's JsonConverter writes it without schemas, with
// decimal.handling.mode=string.
func (e *event) json() []byte {
	return fmt.Appendf(nil, `{"before":%s,"after":%s,"source":{"version":"3.4.0.Final","connector":"postgresql","name":"cdc",`+
		`"ts_ms":%d,"snapshot":%q,"db":"shop","sequence":"[\"%d\",\"%d\"]","ts_us":%d,"ts_ns":%d,"schema":"shop","table":%q,`+
		`"txId":%d,"lsn":%d,"xmin":null},"transaction":null,"op":%q,"ts_ms":%d,"ts_us":%d,"ts_ns":%d}`,
		e.table.jsonRow(e.before), e.table.jsonRow(e.after), e.micros/1000, e.snapshotText(), e.lsn-56, e.lsn,
		e.micros, e.micros*1000, e.table.name, e.lsn/448, e.lsn, string(e.op),
		e.micros/1000+3, e.micros+3000, (e.micros+3000)*1000)
}
