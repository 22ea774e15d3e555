package streamtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// person is made-up data of one customer.
type person struct {
	name, phone, email, idCard, country, city string
	birthday                                  int64 // days since 1970-01-01
}

func surnames() []string {
	return strings.Fields("王 李 张 刘 陈 杨 黄 赵 吴 周 徐 孙 马 朱 胡 郭 何 林 高 罗 欧阳 司马 上官")
}

func givenNames() []string {
	return strings.Fields("伟杰 秀英 建国 丽娜 志强 小明 晓燕 文博 雨涵 子轩 思远 佳怡 浩然 梦瑶 俊峰 雅静 天佑 婷婷 国栋 慧敏")
}

func latinNames() (first, last []string) {
	return strings.Fields("Anna Björn Carla Diego Élodie Finn Giulia Hannah Ivan José Katarzyna Liam Märta Noah"),
		strings.Fields("Andersson Bianchi Côté Dubois Eriksen Fischer García Hughes Ivanova Jørgensen Kowalski López Müller")
}

func cities() (cn, other []string) {
	return strings.Fields("上海 北京 杭州 成都 深圳 西安"), strings.Fields("Berlin Madrid Oslo Lyon Milano Kraków")
}

func countries() []string { return strings.Fields("DE ES NO FR IT PL") }

func pick[T any](r *rand.Rand, s []T) T { return s[r.IntN(len(s))] }

// makePerson draws a person; n makes phone, e-mail and ID number unique.
func makePerson(r *rand.Rand, n uint64) person {
	p := person{birthday: int64(r.IntN(16_000)), phone: phoneNumber(r, n)}
	if r.IntN(3) > 0 {
		cn, _ := cities()
		p.name, p.country, p.city = pick(r, surnames())+pick(r, givenNames()), "CN", pick(r, cn)
		p.idCard = idCard(r, n)
		p.email = fmt.Sprintf("u%06d@example.cn", n)
		return p
	}
	first, last := latinNames()
	_, other := cities()
	f, l := pick(r, first), pick(r, last)
	i := r.IntN(len(other))
	p.name, p.country, p.city = f+" "+l, countries()[i], other[i]
	p.email = fmt.Sprintf("%s.%06d@example.com", strings.ToLower(asciiOnly(f)), n)
	return p
}

func asciiOnly(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 {
			return r
		}
		return -1
	}, s)
}

// phoneNumber draws a mobile number that no other call with another n gives.
func phoneNumber(r *rand.Rand, n uint64) string {
	return fmt.Sprintf("1%s%08d", pick(r, []string{"38", "39", "58", "76", "86"}), (n*7_919+10_000_019)%100_000_000)
}

// idCard draws an 18-character resident ID number with a right check character
// (GB 11643).
func idCard(r *rand.Rand, n uint64) string {
	s := fmt.Sprintf("%s%04d%02d%02d%03d", pick(r, []string{"310101", "110105", "330106", "510104"}),
		1955+r.IntN(50), 1+r.IntN(12), 1+r.IntN(28), n%1000)
	sum, weight := 0, []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	for i := range 17 {
		sum += int(s[i]-'0') * weight[i]
	}
	return s + string("10X98765432"[sum%11])
}

// cardNumber draws a 16-digit card number with a right Luhn digit.
func cardNumber(r *rand.Rand, n uint64) string {
	s := fmt.Sprintf("%s%09d", pick(r, []string{"622848", "621226", "400555"}), n*104_729%1_000_000_000)
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return s + string(rune('0'+(10-sum%10)%10))
}

func address(r *rand.Rand, p *person) string {
	if p.country == "CN" {
		return fmt.Sprintf("%s市人民路%d号%d室", p.city, 1+r.IntN(900), 101+r.IntN(2000))
	}
	return fmt.Sprintf("%d Station Road, %s", 1+r.IntN(900), p.city)
}
