package avro

import (
	"math/big"
	"strconv"

	"weir/schemas"
)

// maxDecimalBytes hold MaxDigits digits; longer numbers are refused before they
// are expanded.
const maxDecimalBytes = 416

// trimSign drops leading bytes that only repeat the sign.
func trimSign(b []byte) []byte {
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}

// appendDecimal writes a big-endian two's complement number times 10^-scale,
// without exponent or trailing zeros. No bytes at all stand for 0.
func appendDecimal(dst, b []byte, scale int) ([]byte, schemas.Code) {
	b = trimSign(b)
	if len(b) > maxDecimalBytes {
		return dst, schemas.CodeNumber
	}
	var tmp [schemas.MaxDigits + 8]byte
	digits := tmp[:0]
	if len(b) <= 8 {
		digits = strconv.AppendInt(digits, int64Of(b), 10)
	} else {
		digits = bigOf(b).Append(digits, 10)
	}
	return placePoint(dst, digits, scale)
}

func int64Of(b []byte) int64 {
	var u uint64
	if len(b) > 0 && b[0] >= 0x80 {
		u = ^uint64(0)
	}
	for _, c := range b {
		u = u<<8 | uint64(c)
	}
	return int64(u)
}

func bigOf(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// placePoint writes signed digits times 10^-scale.
func placePoint(dst, digits []byte, scale int) ([]byte, schemas.Code) {
	neg := digits[0] == '-'
	if neg {
		digits = digits[1:]
	}
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
	}
	if len(digits) == 0 {
		return append(dst, '0'), ""
	}
	for scale > 0 && digits[len(digits)-1] == '0' {
		digits, scale = digits[:len(digits)-1], scale-1
	}
	if max(len(digits), scale, len(digits)-scale) > schemas.MaxDigits {
		return dst, schemas.CodeNumber
	}
	if neg {
		dst = append(dst, '-')
	}
	whole := len(digits) - scale
	if whole <= 0 {
		dst = append(dst, '0', '.')
		return append(appendZeros(dst, -whole), digits...), ""
	}
	if scale <= 0 {
		return appendZeros(append(dst, digits...), -scale), ""
	}
	dst = append(append(dst, digits[:whole]...), '.')
	return append(dst, digits[whole:]...), ""
}

func appendZeros(dst []byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, '0')
	}
	return dst
}

// unscaled turns decimal text into the two's complement of the number times
// 10^scale: at least one byte, and no more than needed.
func unscaled(dst, text []byte, scale, prec int) ([]byte, schemas.Code) {
	neg, whole, frac, ok := splitNumber(text)
	if !ok {
		return dst, schemas.CodeType
	}
	for len(frac) > 0 && frac[len(frac)-1] == '0' {
		frac = frac[:len(frac)-1]
	}
	if max(len(whole), len(frac), len(whole)+scale) > schemas.MaxDigits {
		return dst, schemas.CodeNumber
	}
	if len(frac) > scale && (len(frac) > 0 || !onlyZeros(whole, -scale)) {
		return dst, schemas.CodeType
	}
	digits := append(append(make([]byte, 0, 64), whole...), frac...)
	if scale < 0 {
		digits = digits[:max(0, len(digits)+scale)]
	}
	digits = trimZeros(appendZeros(digits, scale-len(frac)))
	if prec > 0 && len(digits) > prec {
		return dst, schemas.CodeType
	}
	return appendTwos(dst, digits, neg), ""
}

// onlyZeros reports whether the last n digits are zeros, or all if there are
// fewer.
func onlyZeros(digits []byte, n int) bool {
	for _, c := range digits[max(0, len(digits)-n):] {
		if c != '0' {
			return false
		}
	}
	return true
}

func trimZeros(digits []byte) []byte {
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
	}
	return digits
}

// splitNumber takes -digits[.digits] apart.
func splitNumber(b []byte) (neg bool, whole, frac []byte, ok bool) {
	if len(b) > 0 && b[0] == '-' {
		neg, b = true, b[1:]
	}
	i := 0
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	whole = b[:i]
	if i == len(b) {
		return neg, whole, nil, i > 0
	}
	frac = b[i+1:]
	if i == 0 || b[i] != '.' || len(frac) == 0 {
		return neg, nil, nil, false
	}
	for _, c := range frac {
		if c-'0' > 9 {
			return neg, nil, nil, false
		}
	}
	return neg, whole, frac, true
}

// appendTwos writes the shortest two's complement of a decimal number.
func appendTwos(dst, digits []byte, neg bool) []byte {
	if len(digits) <= 18 {
		var n int64
		for _, c := range digits {
			n = n*10 + int64(c-'0')
		}
		if neg {
			n = -n
		}
		var tmp [8]byte
		for i := range tmp {
			tmp[i] = byte(n >> (56 - 8*i))
		}
		return append(dst, trimSign(tmp[:])...)
	}
	n, _ := new(big.Int).SetString(string(digits), 10)
	size := n.BitLen()/8 + 1
	if neg {
		n.Sub(new(big.Int).Lsh(big.NewInt(1), uint(8*size)), n)
	}
	return append(dst, trimSign(n.FillBytes(make([]byte, size)))...)
}
