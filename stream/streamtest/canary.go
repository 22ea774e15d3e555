package streamtest

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // what leaks look like
	"crypto/sha1" //nolint:gosec // what leaks look like
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf16"
)

// minNeedle is the shortest disguise that is searched for: shorter ones occur
// by chance.
const minNeedle = 6

// needle is one disguise of one canary.
type needle struct {
	text   []byte
	kind   string // of the canary
	how    string // plain, base64, hex …
	canary int    // index, so that a record counts each canary once
}

// Scanner finds canaries in bytes: as they are, escaped as in JSON or a URL, in
// base64 at each of the three alignments, in hex, or as an unkeyed hash. It is
// immutable.
type Scanner struct {
	needles []needle
	first   map[uint64][]int32 // by the first minNeedle bytes
	filter  [1 << 13]uint64    // of those, a cheap first answer
}

// NewScanner compiles a scanner.
func NewScanner(cs []Canary) *Scanner {
	s := &Scanner{first: make(map[uint64][]int32, 16*len(cs))}
	for i, c := range cs {
		for how, texts := range disguises(c.Text) {
			for _, t := range texts {
				if len(t) >= minNeedle {
					s.add(needle{[]byte(t), c.Kind, how, i})
				}
			}
		}
	}
	return s
}

func (s *Scanner) add(n needle) {
	h := head(n.text)
	s.first[h] = append(s.first[h], int32(len(s.needles)))
	s.needles = append(s.needles, n)
	b := slot(h)
	s.filter[b>>6] |= 1 << (b & 63)
}

func head(b []byte) uint64 {
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40
}

func slot(h uint64) uint64 { return h * 0x9e3779b97f4a7c15 >> 45 }

// find calls hit for each needle in b, until it answers false.
func (s *Scanner) find(b []byte, hit func(*needle) bool) {
	for i := 0; i+minNeedle <= len(b); i++ {
		h := head(b[i:])
		if f := slot(h); s.filter[f>>6]&(1<<(f&63)) == 0 {
			continue
		}
		for _, j := range s.first[h] {
			if n := &s.needles[j]; bytes.HasPrefix(b[i:], n.text) && !hit(n) {
				return
			}
		}
	}
}

// disguises are the ways in which a value is still readable, or can be looked
// up by who knows it.
func disguises(v string) map[string][]string {
	b := []byte(v)
	sum256, sum1, sum5 := sha256.Sum256(b), sha1.Sum(b), md5.Sum(b) //nolint:gosec // what leaks look like
	out := map[string][]string{
		"plain":  {v},
		"hex":    {hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b))},
		"base64": append(alignments(base64.RawStdEncoding, b), alignments(base64.RawURLEncoding, b)...),
		"hash":   nil,
	}
	for _, sum := range [][]byte{sum256[:], sum1[:], sum5[:]} {
		out["hash"] = append(out["hash"], string(sum), hex.EncodeToString(sum),
			strings.ToUpper(hex.EncodeToString(sum)), base64.RawStdEncoding.EncodeToString(sum))
	}
	if e := jsonEscaped(v, "%04x"); e != v {
		out["escaped"] = []string{e, jsonEscaped(v, "%04X")}
	}
	for _, e := range []string{url.QueryEscape(v), url.PathEscape(v)} {
		if e != v {
			out["escaped"] = append(out["escaped"], e)
		}
	}
	return out
}

// alignments are v's base64 characters that do not depend on what stands
// before and after it, for each of its three positions in a group of three.
func alignments(enc *base64.Encoding, v []byte) []string {
	var out []string
	for k := range 3 {
		text := enc.EncodeToString(append(make([]byte, k), v...))
		from := (k*8 + 5) / 6      // the first character without foreign bits
		to := (k + len(v)) * 8 / 6 // after the last whole one
		if from < to && to <= len(text) {
			out = append(out, text[from:to])
		}
	}
	return out
}

// jsonEscaped writes every character outside ASCII as \u and four hex digits.
func jsonEscaped(v, digits string) string {
	var b strings.Builder
	for _, r := range v {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		for _, u := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u`+digits, u)
		}
	}
	return b.String()
}
