package config

import (
	"crypto/sha256"
	"time"

	"weir/schemas"
	"weir/transforms"
	"weir/transforms/all"
)

// readFiles reads the schemas and the taxonomy that the policy names.
func (c *Config) readFiles() {
	for i := range c.File.Sources {
		at := indexed("sources", i)
		c.readText(at+".schema", c.File.Sources[i].Schema)
		c.readText(at+".key_schema", c.File.Sources[i].KeySchema)
	}
	c.readText("taxonomy", c.File.Taxonomy)
	tax, err := c.loadTaxonomy()
	if err != nil {
		c.fail("taxonomy", "the taxonomy file is refused: %v", err)
		tax, _ = schemas.DefaultTaxonomy()
	}
	c.taxonomy = tax
}

func (c *Config) loadTaxonomy() (*schemas.Taxonomy, error) {
	base, err := schemas.DefaultTaxonomy()
	if err != nil || c.texts["taxonomy"] == "" {
		return base, err
	}
	return base.Extend([]byte(c.texts["taxonomy"]))
}

func (c *Config) readText(path, file string) {
	if file == "" {
		return
	}
	data, err := c.env.ReadFile(c.beside(c.pos[path], file))
	if err != nil || len(data) == 0 {
		c.fail(path, "the file %s cannot be read or is empty", file)
		return
	}
	c.texts[path] = string(data)
}

// policy makes the part that decides, and lints it.
func (c *Config) policy() {
	text, err := c.canonicalText()
	if err != nil {
		c.fail("weir", "the policy has no canonical form: %v", err)
		return
	}
	f := &c.File
	c.Canonical = text
	c.Policy = &transforms.Policy{
		Name: f.Name, Keyspace: f.Keyspace, Epoch: f.Epoch, Hash: sha256.Sum256(text),
		Taxonomy: c.taxonomy, Profile: f.Profile,
	}
	for _, e := range f.Catalog {
		c.Policy.Catalog = append(c.Policy.Catalog, transforms.CatalogRule{
			Match: e.Match, Class: e.Class, Pos: c.at("catalog[" + e.Match + "]"),
		})
	}
	for i := range f.Recipients {
		c.Policy.Recipients = append(c.Policy.Recipients, c.recipient(i))
	}
	c.lint()
}

func (c *Config) recipient(i int) transforms.Recipient {
	r, at := &c.File.Recipients[i], indexed("recipients", i)
	out := transforms.Recipient{
		Name: r.Name, Topic: r.Topic, Purpose: r.Purpose, Rows: r.Rows, Grade: r.Grade, Share: r.Share, Pos: c.at(at),
	}
	if r.Until != "" {
		out.Until, _ = time.Parse(untilFormat, r.Until) // checked
	}
	if r.Unknown == "drop" {
		out.Unknown = transforms.DropUnknown
	}
	for _, t := range r.Treat {
		out.Treat = append(out.Treat, transforms.Rule{
			Match: t.Match, Treatment: t.Treatment, Args: t.Args, Pos: c.at(at + ".treat[" + t.Match + "]"),
		})
	}
	return out
}

// lint asks transforms what it can say without a schema.
func (c *Config) lint() {
	for _, p := range transforms.Lint(c.Policy, all.Kinds(), all.NotBuilt(), c.env.now()) {
		out := c.src.problem(c.closer(p.Pos, string(p.Code)), "%s", p.Msg)
		out.Code, out.Warning = string(p.Code), p.Severity == transforms.SeverityWarning
		c.problems = append(c.problems, out)
	}
}

// closer is the field of a recipient that a code is about, where transforms
// knows the recipient only.
func (c *Config) closer(pos transforms.Pos, code string) transforms.Pos {
	field := map[string]string{
		"bad_rows": "rows", "bad_grade": "grade", "until_past": "until", "until_soon": "until",
		"same_topic": "topic", "topic_pattern": "topic", "one_topic": "topic",
	}[code]
	for i := range c.File.Recipients {
		if at := indexed("recipients", i); field != "" && c.at(at) == pos {
			return c.at(at + "." + field)
		}
	}
	return pos
}
