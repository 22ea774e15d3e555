package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sort"
)

// canonical is what decides a record's fate, and nothing else: its SHA-256 is
// the policy's hash (contract 2). Left out are connections and secrets, admin,
// workers, batch, start, breaker and topics, which change how Weir runs and
// not what it publishes; key file paths; and the epoch, so that a rollback has
// the hash of the content it goes back to. Recipients and sources keep the
// file's order, which decides; maps are sorted, because theirs does not.
// Defaults are filled in, comments and layout are gone. Files that the policy
// names (schemas, taxonomy) count by content.
type canonical struct {
	Weir       int                  `json:"weir"`
	Name       string               `json:"name"`
	Keyspace   string               `json:"keyspace"`
	Profile    string               `json:"profile"`
	OnPoison   string               `json:"on_poison"`
	Taxonomy   string               `json:"taxonomy"` // SHA-256 of the user's file
	Sources    []canonicalSource    `json:"sources"`
	Catalog    map[string]string    `json:"catalog"`
	Recipients []canonicalRecipient `json:"recipients"`
}

type canonicalSource struct {
	Topics      string   `json:"topics"`
	Name        string   `json:"name"`
	Encoding    string   `json:"encoding"`
	Key         string   `json:"key"`
	Framing     string   `json:"framing"`
	SchemaBlock bool     `json:"schema_block"`
	Schema      string   `json:"schema"`
	KeySchema   string   `json:"key_schema"`
	Envelope    string   `json:"envelope"`
	Before      string   `json:"before"`
	Events      string   `json:"events"`
	Placeholder string   `json:"placeholder"`
	Headers     string   `json:"headers"`
	KeepHeaders []string `json:"keep_headers"`
}

type canonicalRecipient struct {
	Name    string                    `json:"name"`
	Topic   string                    `json:"topic"`
	Purpose string                    `json:"purpose"`
	Until   string                    `json:"until"`
	Rows    string                    `json:"rows"`
	Grade   int                       `json:"grade"`
	Unknown string                    `json:"unknown"`
	Treat   map[string]canonicalTreat `json:"treat"`
	Share   map[string]string         `json:"share"`
}

type canonicalTreat struct {
	Treatment string         `json:"treatment"`
	Args      map[string]any `json:"args"`
}

// canonicalText writes the canonical policy as JSON (which is YAML) with one
// possible spelling: fields in fixed order, map keys sorted, no HTML escapes.
func (c *Config) canonicalText() ([]byte, error) {
	f := &c.File
	doc := canonical{
		Weir: f.Weir, Name: f.Name, Keyspace: f.Keyspace, Profile: f.Profile, OnPoison: f.OnPoison,
		Taxonomy: hashOf(c.texts["taxonomy"]), Catalog: map[string]string{},
	}
	for i := range f.Sources {
		doc.Sources = append(doc.Sources, c.canonicalSource(i))
	}
	for _, e := range f.Catalog {
		doc.Catalog[e.Match] = e.Class
	}
	for i := range f.Recipients {
		doc.Recipients = append(doc.Recipients, canonicalOf(&f.Recipients[i]))
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (c *Config) canonicalSource(i int) canonicalSource {
	s := &c.File.Sources[i]
	at := indexed("sources", i)
	keep := append([]string{}, s.KeepHeaders...)
	sort.Strings(keep)
	return canonicalSource{
		Topics: s.Topics, Name: s.Name, Encoding: s.Encoding, Key: s.Key, Framing: s.Framing, SchemaBlock: s.SchemaBlock,
		Schema: hashOf(c.texts[at+".schema"]), KeySchema: hashOf(c.texts[at+".key_schema"]),
		Envelope: s.Envelope, Before: s.Before, Events: s.Events, Placeholder: s.Placeholder,
		Headers: s.Headers, KeepHeaders: keep,
	}
}

func canonicalOf(r *Recipient) canonicalRecipient {
	treat := make(map[string]canonicalTreat, len(r.Treat))
	for _, t := range r.Treat {
		treat[t.Match] = canonicalTreat{t.Treatment, t.Args}
	}
	return canonicalRecipient{
		Name: r.Name, Topic: r.Topic, Purpose: r.Purpose, Until: r.Until, Rows: r.Rows, Grade: r.Grade,
		Unknown: r.Unknown, Treat: treat, Share: r.Share,
	}
}

func hashOf(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
