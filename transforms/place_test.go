package transforms

import (
	"testing"

	"weir/schemas"
)

// A table's own column that looks like an added field needs a decision.
func TestHostileFlatNames(t *testing.T) {
	d := &Dataset{Name: "shop.t", Envelope: EnvelopeFlat}
	for _, name := range []string{"__name", "__file", "__row", "__gtid", "__source_phone", "__phone"} {
		if p := placeOf(d, sideValue, []string{name}, schemas.KindString, true); p.role != roleColumn {
			t.Errorf("%s passes without a decision", name)
		}
	}
	for _, name := range []string{"__op", "__deleted", "__source_ts_ms"} {
		if p := placeOf(d, sideValue, []string{name}, schemas.KindString, true); p.role != rolePass {
			t.Errorf("%s does not pass", name)
		}
	}
}
