package mask

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"weir/schemas"
	"weir/transforms"
	"weir/transforms/transformtest"
)

func leaf(k schemas.Kind) schemas.Leaf { return schemas.Leaf{Path: "x", Kind: k, Declared: true} }

func class(t testing.TB, id string) *schemas.Class {
	t.Helper()
	tax, err := schemas.DefaultTaxonomy()
	if err != nil {
		t.Fatal(err)
	}
	c := tax.Class(id)
	if c == nil {
		t.Fatalf("no class %s", id)
	}
	return c
}

func corpus(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "corpora", name))
	if os.IsNotExist(err) && os.Getenv("CI") != "true" {
		t.Skipf("SKIPPED: corpus %s is not there; this test proves nothing here", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func apply(t testing.TB, args transforms.Args, c *schemas.Class, k schemas.Kind, v string) string {
	t.Helper()
	l := leaf(k)
	tr, err := New(transformtest.EnvOf(nil, &l, c), args)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tr.Append(nil, []byte(v), &transforms.Field{Leaf: &l, Kind: k})
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestConformance(t *testing.T) {
	run := func(name string, args transforms.Args, cl string, k schemas.Kind, pairs ...string) transformtest.Case {
		c := transformtest.Case{Name: name, New: New, Args: args, Leaf: leaf(k)}
		if cl != "" {
			c.Class = class(t, cl)
		}
		for i := 0; i < len(pairs); i += 2 {
			c.Values, c.Wants = append(c.Values, pairs[i]), append(c.Wants, pairs[i+1])
		}
		return c
	}
	transformtest.Run(t,
		run("all", nil, "", schemas.KindString, "", "", "a", "*", "张三", "**", "a\u0301", "**"),
		run("keep", transforms.Args{"keep_first": int64(1), "keep_last": int64(2)}, "", schemas.KindString,
			"abcd", "a*cd", "abc", "***", "ab", "**", "张三李四王五", "张***王五", "👩‍👩‍👧xy", "👩****xy"),
		run("keep last", transforms.Args{"keep_last": int64(4)}, "", schemas.KindLong, "13800138000", "*******8000", "-12345", "**2345"),
		run("char", transforms.Args{"keep_first": int64(1), "char": "＊"}, "", schemas.KindString, "张三丰", "张＊＊"),
		run("fixed", transforms.Args{"keep_first": int64(1), "keep_length": false}, "", schemas.KindString, "张三", "张***", "张三丰大人", "张***", "", "***"),
		run("bool", transforms.Args{"keep_first": int64(1)}, "", schemas.KindBool, "true", "***", "false", "***"),
		run("enum", nil, "", schemas.KindEnum, "MALE", "***", "FEMALE", "***"),
		run("enum kept", transforms.Args{"keep_length": true}, "", schemas.KindEnum, "MALE", "****"),
		run("date", transforms.Args{"keep_first": int64(4)}, "", schemas.KindDate, "1987-06-05", "1987******"),
		run("mobile", nil, "contact.mobile_cn", schemas.KindString, "13800138000", "138****8000", "+86 138-0013-8000", "+86 1**-****-8000",
			"1380013", "*******", "1380013800", "**********", "call 13800138000", "****************", "", ""),
		run("phone", nil, "contact.phone", schemas.KindString, "021-12345678", "***-****5678", "12345", "*****", "(010) 6655 4433", "(***) **** 4433"),
		run("card", nil, "finance.bank_card", schemas.KindString, "6222022558556901", "622202******6901", "6222 0225 5855 6901", "6222 02** **** 6901", "622202255855", "************"),
		run("id", nil, "id.cn_resident", schemas.KindString, "13098319990728628X", "1****************X", "12345", "*****"),
		run("image", nil, "id.card_image", schemas.KindString, "abcdefgh", "********"),
		run("name", nil, "person.name", schemas.KindString, "张三丰", "张**", "张", "*", "Zhang San", "Z********"),
		run("unmasked class", nil, "health.record", schemas.KindString, "diabetes", "********"),
		run("email", nil, "contact.email", schemas.KindString, "zhang@example.com", "z****@example.com", "a@b.cn", "*@b.cn", "张三@例子.中国", "张*@例子.中国",
			"nobody", "******", "a@b", "***", "@b.cn", "*****", "me@home 13800138000", "*******************", "a@1.2.3.4", "*********",
			"a@b..cn", "*******", "a@.cn", "*****", "x@y@z.com", "x**@z.com", "a@", "**"),
		run("address", nil, "contact.address", schemas.KindString,
			"北京市海淀区中关村南四街4号", "北京市海淀区********", "浙江省杭州市西湖区文三路1号", "浙江省杭州市西湖区*****",
			"上海市浦东新区世纪大道100号", "上海市浦东新区********", "江苏省苏州市昆山市玉山镇", "江苏省苏州市昆山市***",
			"内蒙古自治区呼伦贝尔市鄂伦春自治旗大杨树镇", "内蒙古自治区呼伦贝尔市鄂伦春自治旗****",
			"云南省临沧市双江拉祜族佤族布朗族傣族自治县勐勐镇", "云南省临沧市双江拉祜族佤族布朗族傣族自治县***",
			"杭州市阳光小区3幢", "*********", "杭州市文三路二区5号", "**********", "幸福里二区5号", "*******", "北京市红旗路5号", "********", "北京市新县路5号", "********",
			"221B Baker Street", "*****************", "张三住在海淀", "******", "", ""),
	)
}

func TestRefusals(t *testing.T) {
	l := leaf(schemas.KindString)
	for _, c := range []struct {
		args transforms.Args
		want string
	}{
		{transforms.Args{"keep_first": int64(-1)}, "keep_first is"}, {transforms.Args{"keep_last": 1.5}, "keep_last is"},
		{transforms.Args{"keep_last": "1"}, "keep_last is"}, {transforms.Args{"keep_first": int64(1001)}, "from 0 to 1000"},
		{transforms.Args{"keep_first": uint64(1 << 63)}, "from 0 to 1000"},
		{transforms.Args{"preset": "mobile"}, "address, all, bank_card"}, {transforms.Args{"preset": true}, "preset is"},
		{transforms.Args{"char": ""}, "char is"}, {transforms.Args{"char": "**"}, "char is"}, {transforms.Args{"char": "\u0301"}, "char is"},
		{transforms.Args{"char": "\n"}, "char is"}, {transforms.Args{"char": "\u200d"}, "char is"}, {transforms.Args{"char": int64(1)}, "char is"},
		{transforms.Args{"keep_length": "no"}, "keep_length is"}, {transforms.Args{"preset": "name", "keep_first": int64(1)}, "either"},
		{transforms.Args{"": "x"}, "has the options"},
	} {
		if _, err := New(transformtest.EnvOf(nil, &l, nil), c.args); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
	tr, _ := New(transformtest.EnvOf(nil, &l, nil), nil)
	for _, k := range []schemas.Kind{schemas.KindBytes, schemas.KindFixed} {
		if _, _, err := tr.Out(k); err == nil {
			t.Errorf("%v was taken", k)
		}
	}
	if _, ok := tr.(transforms.KeySafe); ok {
		t.Error("a mask claims to be one-to-one")
	}
}

func TestDescribe(t *testing.T) {
	l := leaf(schemas.KindString)
	for want, args := range map[string]transforms.Args{
		"preset: all": nil, "keep_first: 1, keep_last: 0, char: #": {"keep_first": int64(1), "char": "#"},
		"preset: name, keep_length: false": {"preset": "name", "keep_length": false},
	} {
		tr, err := New(transformtest.EnvOf(nil, &l, nil), args)
		if err != nil {
			t.Fatal(err)
		}
		if got := tr.(transforms.Describer).Describe(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func naughty(t testing.TB) []string {
	t.Helper()
	var list []string
	if err := json.Unmarshal(corpus(t, "blns/blns.json"), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// Whatever the text: runes are whole, at most what was asked is kept, and the
// rest is gone.
func TestNaughtyStrings(t *testing.T) {
	args := transforms.Args{"keep_first": int64(2), "keep_last": int64(1)}
	for _, v := range naughty(t) {
		checkKept(t, v, apply(t, args, nil, schemas.KindString, v))
		for name := range presets() {
			checkPreset(t, name, v)
		}
	}
}

func checkKept(t testing.TB, v, got string) {
	t.Helper()
	in, out := []rune(v), []rune(got)
	if !utf8.ValidString(got) || len(in) != len(out) {
		t.Fatalf("%q: %q", v, got)
	}
	for i := range in {
		keep := len(in) > 3 && (i < 2 || i == len(in)-1)
		if keep && out[i] != in[i] || !keep && out[i] != '*' {
			t.Fatalf("%q: %q at rune %d", v, got, i)
		}
	}
}

// checkPreset: a preset hides at least one character of what is not empty, and
// changes nothing else.
func checkPreset(t testing.TB, name, v string) {
	t.Helper()
	got := apply(t, transforms.Args{"preset": name, "char": "█"}, nil, schemas.KindString, v)
	in, out := []rune(v), []rune(got)
	if !utf8.ValidString(got) || len(in) != len(out) {
		t.Fatalf("%s %q: %q", name, v, got)
	}
	hidden := 0
	for i := range in {
		if out[i] == '█' {
			hidden++
		} else if out[i] != in[i] {
			t.Fatalf("%s %q: %q at rune %d", name, v, got, i)
		}
	}
	if len(in) > 0 && hidden == 0 && name != "address" { // an address may end with its district
		t.Fatalf("%s %q: nothing is hidden", name, v)
	}
}

// For every district of the country: the mask keeps down to the district or
// hides everything; it never keeps a rune of what follows.
func TestAddressesOfAllDistricts(t *testing.T) {
	type unit struct {
		Name     string
		Children []unit
	}
	var provinces []unit
	if err := json.Unmarshal(corpus(t, "cn_reference/pca-code.json"), &provinces); err != nil {
		t.Fatal(err)
	}
	all, kept := 0, 0
	for _, p := range provinces {
		for _, c := range p.Children {
			for _, d := range c.Children {
				region := p.Name + c.Name + d.Name
				if c.Name == "市辖区" || c.Name == "县" {
					region = p.Name + d.Name
				}
				for _, rest := range []string{"文三路1号", "阳光小区3幢2单元", "红旗社区5号", "中心街道花园二区8号楼", "张庄村"} {
					all++
					hidden, _ := hideBehindDistrict([]byte(region + rest))
					switch {
					case hidden > len(region):
						t.Errorf("%s|%s: %s is kept", region, rest, (region + rest)[:hidden])
					case hidden > 0:
						kept++
					}
				}
			}
		}
	}
	t.Logf("%d of %d addresses keep a district", kept, all)
	if all < 10_000 || kept*100 < all*85 {
		t.Errorf("%d of %d addresses keep a district", kept, all)
	}
}

func FuzzMask(f *testing.F) {
	for _, s := range []string{"", "张三丰", "+86 138-0013-8000", "a@b.cn", "北京市海淀区", "👩‍👩‍👧", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if !utf8.ValidString(v) {
			return
		}
		checkKept(t, v, apply(t, transforms.Args{"keep_first": int64(2), "keep_last": int64(1)}, nil, schemas.KindString, v))
		if strings.ContainsRune(v, '█') {
			return
		}
		for name := range presets() {
			checkPreset(t, name, v)
		}
	})
}
