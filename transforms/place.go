package transforms

import (
	"strings"

	"weir/schemas"
)

// role is what the written rules of the envelope say of a leaf.
type role uint8

const (
	roleColumn role = iota // the policy decides
	rolePass               // an envelope field, listed by name: passes
	roleDrop               // an envelope field that may hold rows: source.query, message.*
	roleFrame              // a container of the envelope: nothing to decide
)

// sideKind is which of a record's payloads a schema describes.
type sideKind uint8

const (
	sideKey sideKind = iota
	sideValue
	sideHeader
	sideCount
)

var sideNames = [sideCount]string{"key", "value", "header"}

// place is where a leaf stands: its role and, for columns, its full name.
type place struct {
	role role
	name *fieldName // nil unless roleColumn
	in   string     // key, before, after, value, envelope, header
	// depth is the number of steps of the column's own path: 0 for an image.
	depth int
}

// The steps of a Debezium envelope.
const (
	stepBefore      = "before"
	stepAfter       = "after"
	stepSource      = "source"
	stepOp          = "op"
	stepTransaction = "transaction"
	stepMessage     = "message"
	stepQuery       = "query"
	rootKey         = "$key"
	rootValue       = "$value"
	rootEnvelope    = "$envelope"
)

// placeOf says where a leaf with these steps stands in a record of d.
func placeOf(d *Dataset, side sideKind, steps []string, kind schemas.Kind, printable bool) place {
	switch {
	case side != sideValue:
		return keyPlace(d, side, steps, printable)
	case d.Events != EventsRows:
		return eventPlace(d, steps, kind, printable)
	case d.Envelope == EnvelopeDebezium:
		return debeziumPlace(d, steps, kind, printable)
	case d.Envelope == EnvelopeFlat && len(steps) == 1:
		if r := flatRole(steps[0]); r != roleColumn {
			return place{role: r, in: "envelope"}
		}
	}
	return columnPlace(d, rootValue, steps, "value", printable)
}

func columnPlace(d *Dataset, root string, steps []string, in string, printable bool) place {
	return place{name: newFieldName(d.Name, root, steps, printable), in: in, depth: len(steps)}
}

func keyPlace(d *Dataset, side sideKind, steps []string, printable bool) place {
	if d.Events != EventsRows && len(steps) == 1 && (steps[0] == "id" || steps[0] == "serverName") {
		return place{role: rolePass, in: sideNames[side]}
	}
	return columnPlace(d, rootKey, steps, sideNames[side], printable)
}

// debeziumPlace places a leaf of a change event.
func debeziumPlace(d *Dataset, steps []string, kind schemas.Kind, printable bool) place {
	envelope := func(r role) place { return place{role: r, in: "envelope"} }
	if len(steps) == 0 {
		if kind.Container() {
			return envelope(roleFrame)
		}
		return columnPlace(d, rootValue, nil, "value", printable)
	}
	top, rest := steps[0], steps[1:]
	switch top {
	case stepBefore, stepAfter:
		if len(rest) == 0 && kind.Container() {
			return place{role: roleFrame, in: top}
		}
		return columnPlace(d, "$"+top, rest, top, printable) // no rest: a document as text
	case stepMessage:
		return envelope(roleDrop)
	case stepSource, stepTransaction, stepOp, "ts_ms", "ts_us", "ts_ns":
		if r := envelopeRole(top, rest, kind); r != roleColumn {
			return envelope(r)
		}
	}
	return columnPlace(d, rootEnvelope, append([]string{rootEnvelope}, steps...), "envelope", printable)
}

// envelopeRole is contract 5's list; what it does not name is a column.
func envelopeRole(top string, rest []string, kind schemas.Kind) role {
	switch {
	case len(rest) == 0:
		if kind.Container() != (top == stepSource || top == stepTransaction) {
			return roleColumn
		}
		if kind.Container() {
			return roleFrame
		}
		return rolePass
	case len(rest) > 1 || kind.Container():
		return roleColumn
	case top == stepSource && rest[0] == stepQuery:
		return roleDrop
	case top == stepSource, top == stepTransaction && listed(transactionFields, rest[0]):
		return rolePass
	}
	return roleColumn
}

func listed(list []string, name string) bool {
	for _, s := range list {
		if s == name {
			return true
		}
	}
	return false
}

var (
	transactionFields = []string{"id", "total_order", "data_collection_order"}
	// sourceFields are those of Debezium's connectors, declared for JSON without a
	// schema. Others are learned when they come.
	sourceFields = []string{"version", "connector", "name", "ts_ms", "ts_us", "ts_ns", "snapshot", "db", "sequence",
		"schema", "table", "txId", "lsn", "xmin", "server_id", "gtid", "file", "pos", "row", "thread", "query",
		"change_lsn", "commit_lsn", "event_serial_no", "scn", "commit_scn", "lcr_position", "rs_id", "ssn",
		"redo_thread", "user_name", "row_id", "collection", "ord", "h", "tord", "stxnid", "lsid", "txnNumber",
		"wallTime", "keyspace", "shard", "vgtid", "begin_lsn", "cluster", "origin", "origin_lsn", "commit_ts", "start_scn"}
	// flatFields are what ExtractNewRecordState adds by name, with its prefix "__".
	// A table may have such a column too, so the list is short: what people call
	// their own columns (__name, __file, __row …) needs a decision.
	flatFields = []string{"__op", "__deleted", "__ts_ms", "__ts_us", "__ts_ns", "__table", "__db", "__schema",
		"__lsn", "__txId", "__snapshot", "__xmin", "__scn", "__commit_scn", "__change_lsn", "__commit_lsn",
		"__transaction_id", "__transaction_total_order", "__transaction_data_collection_order"}
)

// flatRole is the role of a top-level name of a flattened event.
func flatRole(name string) role {
	switch {
	case name == "__query" || name == "__source_query":
		return roleDrop
	case listed(flatFields, name):
		return rolePass
	}
	if field, ok := strings.CutPrefix(name, "__source_"); ok && listed(sourceFields, field) {
		return rolePass
	}
	return roleColumn
}

// eventPlace places a leaf of a transaction or heartbeat topic.
func eventPlace(d *Dataset, steps []string, kind schemas.Kind, printable bool) place {
	path := schemas.JoinPath(steps)
	list := heartbeatFields
	if d.Events == EventsTransaction {
		list = eventFields
	}
	switch {
	case kind.Container() && (path == "" || path == "data_collections" || path == "data_collections[]"):
		return place{role: roleFrame, in: "envelope"}
	case !kind.Container() && listed(list, path):
		return place{role: rolePass, in: "envelope"}
	}
	return columnPlace(d, rootValue, steps, "value", printable)
}

var (
	heartbeatFields = []string{"ts_ms", "ts_us", "ts_ns"}
	eventFields     = []string{"status", "id", "event_count", "ts_ms", "ts_us", "ts_ns",
		"data_collections[].data_collection", "data_collections[].event_count"}
)
