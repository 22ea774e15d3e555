package rawtext

import (
	"testing"

	"weir/schemas"
	"weir/schemas/codectest"
)

func TestConformance(t *testing.T) {
	codectest.Run(t, codectest.Subject{
		Schema: func(testing.TB) *schemas.Schema { return New() },
		Docs: []codectest.Doc{
			{Name: "text", Payload: []byte("canary-客户"), Want: []string{`. string "canary-客户"`}},
			{Name: "json", Payload: []byte(`{"canary":"\"}`), Want: []string{`. string "{\"canary\":\"\\\"}"`}},
		},
		Reopen:    func(testing.TB, *schemas.Schema, schemas.Shape) *schemas.Schema { return New() },
		Open:      true,
		NeverNull: []string{""},
		Bad: map[string]codectest.Bad{
			"not UTF-8": {Payload: []byte("canary\xff"), Code: schemas.CodeUTF8},
			"surrogate": {Payload: []byte("\xed\xa0\x80"), Code: schemas.CodeUTF8},
		},
	})
}
