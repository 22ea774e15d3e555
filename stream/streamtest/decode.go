package streamtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"sync"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

// Decoded is a change event read by somebody else's code: a map for a record,
// nil for null, strings, int64s and json.Numbers for the rest.
type Decoded struct {
	Key           any // map[string]any for a record
	Before, After map[string]any
	Op            byte // Tombstone when the value is null
	LSN           int64
	Table         string // source.table, "" for a tombstone
}

// Decoder decodes records with goavro under the registered schemas, or with
// encoding/json. It is safe for any number of goroutines.
type Decoder struct {
	registry *sr.Client // nil: JSON

	mu     sync.Mutex
	codecs map[int]*goavro.Codec // guarded by mu
}

var errUndecodable = errors.New("not a change event under its registered schema")

// NewDecoder decodes Confluent Avro by the registry at url, or JSON when url
// is empty.
func NewDecoder(url string) (*Decoder, error) {
	d := &Decoder{codecs: map[int]*goavro.Codec{}}
	if url == "" {
		return d, nil
	}
	cl, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		return nil, fmt.Errorf("connecting to the registry: %w", err)
	}
	d.registry = cl
	return d, nil
}

// Decode reads a record's key and value. Its errors quote nothing.
func (d *Decoder) Decode(r *kgo.Record) (*Decoded, error) {
	out := &Decoded{}
	key, err := d.payload(r.Key)
	if err != nil {
		return nil, err
	}
	out.Key = key
	if r.Value == nil {
		return out, nil
	}
	v, err := d.payload(r.Value)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errUndecodable
	}
	return out, out.fill(m)
}

func (o *Decoded) fill(m map[string]any) error {
	op, _ := m["op"].(string)
	source, _ := m["source"].(map[string]any)
	lsn, ok := Int(source["lsn"])
	if len(op) != 1 || !ok {
		return errUndecodable
	}
	o.Op, o.LSN = op[0], lsn
	o.Table, _ = source["table"].(string)
	o.Before, _ = m["before"].(map[string]any)
	o.After, _ = m["after"].(map[string]any)
	return nil
}

func (d *Decoder) payload(b []byte) (any, error) {
	switch {
	case b == nil:
		return nil, nil
	case d.registry == nil:
		return decodeJSON(b)
	case len(b) < 5 || b[0] != 0:
		return nil, errUndecodable
	}
	c, err := d.codec(int(binary.BigEndian.Uint32(b[1:5])))
	if err != nil {
		return nil, err
	}
	v, rest, err := c.NativeFromBinary(b[5:])
	if err != nil || len(rest) > 0 {
		return nil, errUndecodable // goavro's own texts may quote the input
	}
	return plain(v), nil
}

func decodeJSON(b []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil || dec.More() {
		return nil, errUndecodable
	}
	if m, ok := v.(map[string]any); ok && m["schema"] != nil && m["payload"] != nil {
		return m["payload"], nil // Connect's schema block
	}
	return v, nil
}

func (d *Decoder) codec(id int) (*goavro.Codec, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.codecs[id]; c != nil {
		return c, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := d.registry.SchemaByID(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("schema %d: %w", id, err)
	}
	c, err := goavro.NewCodec(s.Schema)
	if err != nil {
		return nil, fmt.Errorf("schema %d: %w", id, err)
	}
	d.codecs[id] = c
	return c, nil
}

// plain takes off goavro's union wrapping, map[branch]value, which it tells
// from a record by its type's name as the only key.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if inner, ok := unionBranch(v); ok {
			return plain(inner)
		}
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = plain(x)
		}
		return out
	case int32:
		return int64(v)
	case []byte:
		return string(v)
	case *big.Rat:
		return v.FloatString(2)
	case time.Time:
		return v.UTC().Format("2006-01-02")
	}
	return v
}

func unionBranch(m map[string]any) (any, bool) {
	if len(m) != 1 {
		return nil, false
	}
	for k, v := range m {
		switch k {
		case "string", "long", "int", "bytes", "double", "float", "boolean":
			return v, true
		}
		if bytes.ContainsAny([]byte(k), ".") { // bytes.decimal, cdc.shop.orders.Value
			return v, true
		}
	}
	return nil, false
}

// Int is a decoded number as int64; masked or tokenised ones are not numbers.
func Int(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case json.Number:
		n, err := v.Int64()
		return n, err == nil
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil
	}
	return 0, false
}
