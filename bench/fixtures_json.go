package main

import (
	"strings"

	"weir/schemas/jsonrec"
)

// jsonEdit is one replacement of the codec-json benchmark: every value at Path
// becomes Text.
type jsonEdit struct {
	Path string
	Text string
}

// jsonFixture is the input of the codec-json benchmark: a Debezium update of
// about 1.1 KB without schema block, 15 columns in before and 15 in after; all
// paths declared, and the 5 of those 30 fields that are replaced. Edits change
// lengths and one value needs escapes.
func jsonFixture() (payload []byte, paths []jsonrec.Path, edits []jsonEdit) {
	columns := []string{"id", "name", "phone", "email", "id_card", "address", "city", "birthday", "gender", "level",
		"balance", "vip", "note", "created_at", "updated_at"}
	for _, image := range []string{"before", "after"} {
		for _, c := range columns {
			paths = append(paths, jsonrec.Path{Steps: []string{image, c}})
		}
	}
	for _, p := range []string{"source.version", "source.connector", "source.name", "source.ts_ms", "source.snapshot",
		"source.db", "source.schema", "source.table", "source.txId", "source.lsn", "source.sequence",
		"source.ts_us", "source.ts_ns", "source.xmin", "op", "ts_ms", "ts_us", "ts_ns", "transaction"} {
		paths = append(paths, jsonrec.Path{Steps: strings.Split(p, ".")})
	}
	row := `{"id":100234,"name":"张伟","phone":"PHONE","email":"zhang.wei@example.com","id_card":"11010519491231002X",` +
		`"address":"北京市朝阳区建国路88号现代城5号楼1203室","city":"北京","birthday":6571,"gender":1,"level":3,` +
		`"balance":"1099.50","vip":true,"note":null,"created_at":1727000000000000,"updated_at":1732400000000000}`
	text := `{"before":` + strings.Replace(row, "PHONE", "13800138000", 1) +
		`,"after":` + strings.Replace(row, "PHONE", "+86 139 0013 9000", 1) +
		`,"source":{"version":"3.4.0.Final","connector":"postgresql","name":"cdc","ts_ms":1732400000123,` +
		`"snapshot":"false","db":"shop","sequence":"[\"24023120\",\"24023128\"]",` +
		`"ts_us":1732400000123456,"ts_ns":1732400000123456789,"schema":"public","table":"customers","txId":771,"lsn":24023128,"xmin":null},` +
		`"transaction":null,"op":"u","ts_ms":1732400000456,"ts_us":1732400000456789,"ts_ns":1732400000456789123}`
	edits = []jsonEdit{
		{"before.phone", "7K3QW9XZ2M4N6P8R0T1V3Y5B"},
		{"before.email", "z***@example.com"},
		{"after.name", "张*"},
		{"after.phone", "7K3QW9XZ2M4N6P8R0T1V3Y5C"},
		{"after.id_card", `1101"**"`},
	}
	return []byte(text), paths, edits
}
