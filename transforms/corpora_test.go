package transforms

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocumentedEvents runs every change event of Debezium's documentation for
// a recipient whose policy names no column at all: `unknown: drop` gets the
// envelope and not one value of a row, `unknown: quarantine` nothing.
func TestDocumentedEvents(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "..", "shared", "corpora", "debezium", "docs_events.jsonl"))
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("the Debezium corpus is not there, and CI must have it: ", err)
	}
	if err != nil {
		t.Skip("NOT TESTED: Debezium's documented events (shared/corpora/debezium) are not there")
	}
	defer f.Close()
	d := customers()
	p := schemaless(t, d, "recipient drops unknown=drop\nrecipient asks")
	s, seen := NewScratch(), 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var doc struct {
			Kind, Doc string
			Value     json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		payload := doc.Value
		var block struct{ Schema, Payload json.RawMessage }
		if json.Unmarshal(doc.Value, &block) == nil && block.Payload != nil {
			payload = block.Payload
		}
		var event struct {
			Op            string
			Before, After map[string]any
		}
		if json.Unmarshal(payload, &event) != nil || event.Op == "" {
			continue
		}
		seen++
		copies, next := p.Protect(s, change("", string(payload)), nil)
		if next != nil {
			p = next
		}
		checkDocumented(t, doc.Doc+" "+doc.Kind, event.Op, len(event.Before)+len(event.After) > 0, copies)
	}
	if seen < 50 {
		t.Errorf("only %d events were looked at", seen)
	}
}

func checkDocumented(t *testing.T, name, op string, hasRows bool, copies []Copy) {
	t.Helper()
	drops, asks := &copies[0], &copies[1]
	switch {
	case op == "m":
		if drops.Code != CodeLogicalMessage || asks.Code != CodeLogicalMessage {
			t.Errorf("%s: %s, %s", name, show(drops), show(asks))
		}
		return
	case hasRows && asks.Fate != Quarantined:
		t.Errorf("%s: rows that nobody classified went out: %s", name, show(asks))
	}
	if drops.Fate != Published {
		t.Logf("%s: %s", name, show(drops))
		return
	}
	var out struct {
		Before, After map[string]any
		Source        map[string]any
	}
	if err := json.Unmarshal(drops.Outs[0].Value, &out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(out.Before)+len(out.After) > 0 || out.Source["query"] != nil {
		t.Errorf("%s: values of the row are in the copy: %s", name, show(drops))
	}
	if strings.Contains(string(drops.Outs[0].Value), "annek@") {
		t.Errorf("%s: the example's address is in the copy", name)
	}
}
