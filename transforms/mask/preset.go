package mask

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

const presetAll = "all"

type presetRule struct {
	hide       hider
	separators bool
}

// presets is the list of presets. Each hides everything where the value does
// not look like what the preset is for.
func presets() map[string]presetRule {
	return map[string]presetRule{
		presetAll:   {hide: hideAll},
		"mobile_cn": {keepDigits(3, 4, 4), true}, // 138****8000
		"phone":     {keepDigits(0, 4, 3), true}, // ***-****5678
		"bank_card": {keepDigits(6, 4, 3), true}, // BIN and last four: PCI DSS 3.4.1
		"id_cn":     {hide: keep(1, 1, 4)},       // 1****************X
		"name":      {hide: keep(1, 0, 1)},       // 张**
		"email":     {hide: hideLocal},           // z****@example.com
		"address":   {hide: hideBehindDistrict},  // 北京市海淀区******
	}
}

// presetOf is a class's preset; classes that have none are hidden wholly.
func presetOf(class string) string {
	switch class {
	case "contact.mobile_cn":
		return "mobile_cn"
	case "contact.phone":
		return "phone"
	case "finance.bank_card":
		return "bank_card"
	case "person.name", "person.name_latin", "person.relation":
		return "name"
	case "contact.email":
		return "email"
	case "contact.address":
		return "address"
	case "id.card_image":
		return presetAll
	}
	if strings.HasPrefix(class, "id.") {
		return "id_cn"
	}
	return presetAll
}

func hideAll(s []byte) (lo, hi int) { return 0, len(s) }

// keep keeps first and last runes where at least hidden others lie between.
func keep(first, last, hidden int) hider {
	return func(s []byte) (lo, hi int) {
		if utf8.RuneCount(s) < first+last+hidden {
			return hideAll(s)
		}
		for range first {
			_, n := utf8.DecodeRune(s[lo:])
			lo += n
		}
		hi = len(s)
		for range last {
			_, n := utf8.DecodeLastRune(s[:hi])
			hi -= n
		}
		return lo, hi
	}
}

func separator(b byte) bool {
	switch b {
	case ' ', '-', '.', '/', '(', ')', '+':
		return true
	}
	return false
}

// keepDigits is keep for numbers written with separators: it counts digits
// alone. Text that holds anything else is hidden wholly.
func keepDigits(first, last, hidden int) hider {
	return func(s []byte) (lo, hi int) {
		digits := 0
		for _, b := range s {
			switch {
			case b >= '0' && b <= '9':
				digits++
			case !separator(b):
				return hideAll(s)
			}
		}
		if digits < first+last+hidden {
			return hideAll(s)
		}
		return afterDigits(s, first), afterDigits(s, digits-last)
	}
}

// afterDigits is where the nth digit of s ends.
func afterDigits(s []byte, n int) int {
	for i, b := range s {
		if n == 0 {
			return i
		}
		if b >= '0' && b <= '9' {
			n--
		}
	}
	return len(s)
}

// hideLocal keeps the first character and the domain of an e-mail address. The
// domain must look like one, or it would carry away what was written there
// instead.
func hideLocal(s []byte) (lo, hi int) {
	at := bytes.LastIndexByte(s, '@')
	if at < 1 || !hostName(s[at+1:]) {
		return hideAll(s)
	}
	_, n := utf8.DecodeRune(s)
	if n == at {
		n = 0 // a single character is hidden too
	}
	return n, at
}

// hostName: two labels or more of letters, digits and hyphens, the last of
// letters.
func hostName(s []byte) bool {
	dot := bytes.LastIndexByte(s, '.')
	if dot < 1 || len(s) > 253 || !onlyLetters(s[dot+1:]) {
		return false
	}
	label := 0
	for i := 0; i < dot; {
		r, n := utf8.DecodeRune(s[i:])
		switch {
		case r == '.' && label > 0:
			label = 0
		case r == '-' || r >= '0' && r <= '9' || unicode.IsLetter(r):
			label++
		default:
			return false
		}
		i += n
	}
	return label > 0
}

func onlyLetters(s []byte) bool {
	n := 0
	for i := 0; i < len(s); n++ {
		r, size := utf8.DecodeRune(s[i:])
		if !unicode.IsLetter(r) {
			return false
		}
		i += size
	}
	return n > 1
}

// hideBehindDistrict keeps a Chinese address down to its district (区, 县, 旗 or a
// city inside a city). It knows the words, not the places, and where in doubt it
// takes a word for no district: then it hides everything.
func hideBehindDistrict(s []byte) (lo, hi int) {
	var prev rune
	cities, since := 0, 0 // since: runes after the last unit's name
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRune(s[i:])
		i += n
		since++
		if !unicode.Is(unicode.Han, r) || since > maxName || strings.ContainsRune(streets, r) {
			break
		}
		next, _ := utf8.DecodeRune(s[i:])
		switch {
		case strings.ContainsRune(streets, next):
		case r == '区' && since <= maxShortName && !strings.ContainsRune(notDistrict, prev),
			(r == '县' || r == '旗') && since > 1 && !strings.ContainsRune("红国彩", prev) && next != '城':
			return i, len(s)
		case r == '市' && !strings.ContainsRune("城超门夜菜集", prev) && !strings.ContainsRune("场民政中区", next):
			if cities++; cities == 2 && since <= maxShortName {
				return i, len(s)
			}
			since = 0
		case r == '省', r == '盟', (r == '州' || r == '区') && prev == '治', r == '区' && (prev == '政' || prev == '地'):
			if r == '州' || r == '盟' || prev == '地' { // prefectures hold county-level cities
				cities = 1
			}
			since = 0
		}
		prev = r
	}
	return hideAll(s)
}

const (
	maxName      = 16 // runes of a county's name: autonomous ones name their peoples
	maxShortName = 6
)

// notDistrict are what stands before 区 in words for estates, zones and
// autonomous or special regions.
const notDistrict = "\x00治政地小社园校景街库厂矿营住片林牧渔墅舍场工院活属业发税险保灾山辖一二三四五六七八九十甲乙丙丁"

// streets end the part of an address that has districts; after a name they show
// that it only looks like a district's.
const streets = "路街巷弄道村桥号栋幢楼室"
