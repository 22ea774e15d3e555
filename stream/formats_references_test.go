package stream

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

// TestSchemaReferences: types that stand in other subjects, two levels deep and
// used twice, in Avro and JSON Schema; the copies' schemas need no reference.
func TestSchemaReferences(t *testing.T) {
	const (
		contactAvro = `{"type":"record","name":"Contact","namespace":"r","fields":[{"name":"phone","type":["null","string"],"default":null}]}`
		personAvro  = `{"type":"record","name":"Person","namespace":"r","fields":[{"name":"city","type":"string"},{"name":"contact","type":"r.Contact"}]}`
		rowAvro     = `{"type":"record","name":"Row","namespace":"r","fields":[{"name":"id","type":"long"},{"name":"buyer","type":"r.Person"},{"name":"payer","type":["null","r.Person"],"default":null}]}`
		plainAvro   = `{"type":"record","name":"Plain","namespace":"r","fields":[{"name":"city","type":"string"},{"name":"place","type":"r.Place"}]}`
		placeAvro   = `{"type":"record","name":"Place","namespace":"r","fields":[{"name":"city","type":"string"}]}`

		contactJSON = `{"type":"object","properties":{"phone":{"oneOf":[{"type":"null"},{"type":"string"}]}}}`
		personJSON  = `{"type":"object","properties":{"city":{"type":"string"},"contact":{"$ref":"contact.json"}}}`
		rowJSON     = `{"type":"object","properties":{"id":{"type":"integer"},"buyer":{"$ref":"person.json"},"payer":{"oneOf":[{"type":"null"},{"$ref":"person.json"}]}}}`
		plainJSON   = `{"type":"object","properties":{"city":{"type":"string"},"place":{"$ref":"place.json"}}}`
		placeJSON   = `{"type":"object","properties":{"city":{"type":"string"}}}`
		row         = `{"id":7,"buyer":{"city":"x","contact":{"phone":"13912345678"}},"payer":{"city":"y","contact":{"phone":"13800000000"}}}`
		poor        = `{"id":7,"buyer":{"city":"x","contact":{"phone":null}},"payer":null}`
	)
	policy := ""
	for _, form := range []string{"avro", "json"} {
		for _, who := range []string{"buyer", "payer"} {
			policy += "catalog " + form + ".t." + who + ".city internal\ncatalog " + form + ".t." + who + ".contact.phone contact.mobile_cn\n"
		}
		policy += "catalog " + form + ".t.id internal\ncatalog plain" + form + ".t.city plain" + form + ".t.place.city internal\n"
	}
	f := newForms(t, policy+"recipient a grade=2\n  contact.* token domain=d\nrecipient b grade=2\n  contact.* drop\n",
		Source{Topics: "avro", Encoding: EncodingConfluentAvro, KeyEncoding: EncodingConfluentAvro},
		Source{Topics: "json", Encoding: EncodingConfluentJSON, KeyEncoding: EncodingConfluentJSON},
		Source{Topics: "plainavro", Encoding: EncodingConfluentAvro, KeyEncoding: EncodingConfluentAvro},
		Source{Topics: "plainjson", Encoding: EncodingConfluentJSON, KeyEncoding: EncodingConfluentJSON})
	f.knows = []string{"13912345678", "13800000000"}
	f.register("contact", contactAvro, sr.TypeAvro)
	f.register("person", personAvro, sr.TypeAvro, "r.Contact", "contact")
	f.register("place", placeAvro, sr.TypeAvro)
	f.register("contact.json", contactJSON, sr.TypeJSON)
	f.register("person.json", personJSON, sr.TypeJSON, "contact.json", "contact.json")
	f.register("place.json", placeJSON, sr.TypeJSON)
	ids := map[string]int{
		"avro":      f.register("row", rowAvro, sr.TypeAvro, "r.Person", "person"),
		"json":      f.register("row.json", rowJSON, sr.TypeJSON, "person.json", "person.json"),
		"plainavro": f.register("plain", plainAvro, sr.TypeAvro, "r.Place", "place"),
		"plainjson": f.register("plain.json", plainJSON, sr.TypeJSON, "place.json", "place.json"),
	}
	// One schema that says the same without references, to write by.
	const whole = `{"type":"record","name":"Row","namespace":"r","fields":[{"name":"id","type":"long"},{"name":"buyer","type":{"type":"record","name":"Person","fields":[{"name":"city","type":"string"},
		{"name":"contact","type":` + contactAvro + `}]}},{"name":"payer","type":["null","Person"],"default":null}]}`
	f.put("avro", &kgo.Record{Value: framed(ids["avro"], avroOf(t, whole, row))}, &kgo.Record{Value: framed(ids["avro"], avroOf(t, whole, poor))})
	f.put("json", &kgo.Record{Value: framed(ids["json"], []byte(row))}, &kgo.Record{Value: framed(ids["json"], []byte(poor))})
	const place = `{"city":"x","place":{"city":"y"}}`
	f.put("plainavro", &kgo.Record{Value: framed(ids["plainavro"], avroOf(t, `{"type":"record","name":"Plain","fields":[{"name":"city","type":"string"},{"name":"place","type":`+placeAvro+`}]}`, place))})
	f.put("plainjson", &kgo.Record{Value: framed(ids["plainjson"], []byte(place))})
	f.drain()
	for _, form := range []string{"avro", "json"} {
		f.want("a", form, `null → {"buyer":{"city":"x","contact":{"phone":"‹13912345678›"}},"id":7,"payer":{"city":"y","contact":{"phone":"‹13800000000›"}}}`,
			`null → {"buyer":{"city":"x","contact":{"phone":null}},"id":7,"payer":null}`)
		// b's contact has nothing left, so it is not there.
		f.want("b", form, `null → {"buyer":{"city":"x"},"id":7,"payer":{"city":"y"}}`, `null → {"buyer":{"city":"x"},"id":7,"payer":null}`)
		f.held(form)
		for _, r := range []string{"a", "b"} {
			f.want(r, "plain"+form, "null → "+place)
		}
	}
	f.leaks("13912345678", "13800000000")
}
