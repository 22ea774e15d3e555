package token

import (
	"testing"

	"weir/schemas"
	"weir/transforms"
	"weir/transforms/transformtest"
)

func BenchmarkToken(b *testing.B) {
	l := leaf(schemas.KindString)
	for name, args := range map[string]transforms.Args{"hmac-sha256": {"domain": "customer"}, "hmac-sm3": {"domain": "customer", "alg": "hmac-sm3"}} {
		b.Run(name, func(b *testing.B) {
			tr, err := New(transformtest.EnvOf(ring(b, ""), &l, class(b, "contact.mobile_cn")), args)
			if err != nil {
				b.Fatal(err)
			}
			f, src, dst := &transforms.Field{Kind: l.Kind, Scratch: &transforms.Slots{}}, []byte("+86 138-0013-8000"), make([]byte, 0, 256)
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = tr.Append(dst[:0], src, f)
			}
		})
	}
}
