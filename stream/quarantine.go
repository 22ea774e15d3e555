package stream

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/keys"
	"weir/schemas"
	"weir/transforms"
)

// A record of the quarantine topic (contract 28).
//
// Kafka key: HMAC of the input record's key (32 bytes). Timestamp: the input
// record's. Value, numbers as uvarints:
//
//	0x01 ‖ key version ‖ topic number ‖ partition ‖ offset ‖ sealed
//	sealed = nonce (12) ‖ ciphertext ‖ tag (16)                 AES-256-GCM (SM4 under gm)
//	plaintext = flags (1) ‖ timestamp ms (zigzag) ‖ lp(key) ‖ lp(value)
//	            ‖ n ‖ n × (flags (1) ‖ lp(header key) ‖ lp(header value))
//
// flags: 1 the key, 2 the value is null, 4 the timestamp is the broker's. All
// that stands in clear is authenticated with it: what is before `sealed`, the
// Kafka key, pipeline, topic, code, path, recipients and epoch.
//
// In clear stand, as headers, Connect's names for its tools and ours; they hold
// codes and places only.
const (
	quarantineVersion = 1

	headerRecipients = "weir.recipients" // comma-separated
	headerCode       = "weir.code"
	headerPath       = "weir.path"
	headerEpoch      = "weir.epoch"

	connectErrors         = "__connect.errors."
	headerErrTopic        = connectErrors + "topic"
	headerErrPartition    = connectErrors + "partition"
	headerErrOffset       = connectErrors + "offset"
	headerErrConnector    = connectErrors + "connector.name"
	headerErrTask         = connectErrors + "task.id"
	headerErrStage        = connectErrors + "stage"
	headerErrClass        = connectErrors + "class.name"
	headerErrException    = connectErrors + "exception.class.name"
	headerErrMessage      = connectErrors + "exception.message"
	quarantineClass       = "weir"
	quarantineStage       = "TRANSFORMATION" // one of Connect's own words, which its tools know
	quarantineClassPrefix = "weir."
)

// offsetsPerKey: a seal key serves 2^28 offsets of one partition, so that its
// random nonces stay far below 2^32 messages however often a transaction is
// replayed (Invariant 6).
const offsetsPerKey = 28

// Errors of sealed records. They carry no contents.
var (
	errNotQuarantine = errors.New("not a quarantine record of this version")
	errQuarantine    = errors.New("quarantine record does not authenticate: changed, moved, or sealed under another key")
	errNotice        = errors.New("quarantine notice out of range")
)

// Notice is what a quarantine record says in clear.
type Notice struct {
	Topic       string // input topic
	TopicNumber uint32
	Partition   int32
	Offset      int64
	Code        schemas.Code
	Path        string // printable, "" when the code has no place
	Recipients  []string
	Epoch       uint64
}

// notices groups the quarantined copies of one record by code and path, in the
// recipients' order; at gives what they share.
func notices(at Notice, recipients []string, copies []transforms.Copy) []Notice {
	var out []Notice
next:
	for i := range copies {
		c := &copies[i]
		if c.Fate != transforms.Quarantined {
			continue
		}
		for j := range out {
			if out[j].Code == c.Code && out[j].Path == c.Path {
				out[j].Recipients = append(out[j].Recipients, recipients[i])
				continue next
			}
		}
		n := at
		n.Code, n.Path, n.Recipients = c.Code, c.Path, []string{recipients[i]}
		out = append(out, n)
	}
	return out
}

// suites are a profile's MAC and block cipher.
func suites(profile string) (mac, block keys.Suite) {
	if profile == keys.ProfileGM {
		return keys.HMACSM3, keys.SM4
	}
	return keys.HMACSHA256, keys.AES256
}

// keyHasher makes a record key's HMAC. It belongs to one goroutine.
type keyHasher struct {
	mac hash.Hash
	buf []byte
}

func newKeyHasher(ring *keys.Ring, keyspace, profile string) (*keyHasher, error) {
	suite, _ := suites(profile)
	mac, err := ring.MAC(keys.Use{Keyspace: keyspace, Purpose: keys.PurposeQuarantine, Suite: suite})
	if err != nil {
		return nil, err
	}
	return &keyHasher{mac: mac}, nil
}

// sum is the quarantine record's Kafka key: the HMAC of what plan.KeyText
// answers, or of the raw key where it cannot be decoded.
func (k *keyHasher) sum(text []byte) [32]byte {
	k.mac.Reset()
	k.mac.Write(text)
	k.buf = k.mac.Sum(k.buf[:0])
	return [32]byte(k.buf)
}

// quarantineSealer seals and opens quarantine records. It belongs to one
// goroutine.
type quarantineSealer struct {
	ring           *keys.Ring
	name, keyspace string
	suite          keys.Suite
	version        uint32                  // of the master that seals; others open too
	aeads          map[sealKey]cipher.AEAD // bounded by maxSealKeys
	plain, aad     []byte                  // scratch
}

type sealKey struct {
	version uint32
	at      InputPartition
	bucket  int64
}

const maxSealKeys = 1_024

// newQuarantineSealer derives a first key, so that a ring that cannot seal is
// refused at start. No worker is named in it: a replay would differ.
func newQuarantineSealer(ring *keys.Ring, name, keyspace, profile string) (*quarantineSealer, error) {
	_, suite := suites(profile)
	q := &quarantineSealer{ring: ring, name: name, keyspace: keyspace, suite: suite, aeads: map[sealKey]cipher.AEAD{}}
	ref, err := ring.Ref(keys.Use{Keyspace: keyspace, Purpose: keys.PurposeQuarantineSeal, Suite: suite})
	if err != nil {
		return nil, err
	}
	q.version = ref.Version
	_, err = q.aead(sealKey{version: q.version})
	return q, err
}

// aead derives the key of a partition's 2^28 offsets.
func (q *quarantineSealer) aead(k sealKey) (cipher.AEAD, error) {
	if a := q.aeads[k]; a != nil {
		return a, nil
	}
	a, err := q.ring.AEAD(keys.Use{
		Keyspace: q.keyspace, Purpose: keys.PurposeQuarantineSeal, Suite: q.suite, Version: k.version,
		Domain: fmt.Sprintf("%d/%d/%d", k.at.Topic, k.at.Partition, k.bucket),
	})
	if err != nil {
		return nil, err
	}
	if len(q.aeads) >= maxSealKeys {
		clear(q.aeads)
	}
	q.aeads[k] = a
	return a, nil
}

func (n *Notice) sealKey(version uint32) sealKey {
	return sealKey{version, InputPartition{n.TopicNumber, n.Partition}, n.Offset >> offsetsPerKey}
}

// seal makes the quarantine record of rec; key is keyHasher.sum's. The caller
// sets the partition. The record shares nothing with rec.
func (q *quarantineSealer) seal(key [32]byte, n Notice, rec *kgo.Record) (*kgo.Record, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	a, err := q.aead(n.sealKey(q.version))
	if err != nil {
		return nil, err
	}
	value := []byte{quarantineVersion}
	value = binary.AppendUvarint(value, uint64(q.version))
	value = binary.AppendUvarint(value, uint64(n.TopicNumber))
	value = binary.AppendUvarint(value, uint64(n.Partition))
	value = binary.AppendUvarint(value, uint64(n.Offset))
	q.aad = q.appendAAD(q.aad[:0], value, key[:], &n)
	q.plain = appendOriginal(q.plain[:0], rec)
	value = a.Seal(value, nil, q.plain, q.aad) //nolint:gosec // nil: keys.Ring.AEAD draws the nonce
	clear(q.plain)
	return &kgo.Record{
		Topic: InternalNames(q.name).Quarantine, Key: key[:], Value: value, Timestamp: rec.Timestamp, Headers: q.headers(&n),
	}, nil
}

// open is seal's inverse: what stands in clear, and the original at its
// original coordinates. It fails with errNotQuarantine or errQuarantine when
// anything, in clear or sealed, is not as it was sealed.
func (q *quarantineSealer) open(rec *kgo.Record) (Notice, *kgo.Record, error) {
	n, version, sealed, err := parseNotice(rec)
	if err != nil {
		return n, nil, err
	}
	a, err := q.aead(n.sealKey(version))
	if err != nil {
		return n, nil, err
	}
	q.aad = q.appendAAD(q.aad[:0], rec.Value[:len(rec.Value)-len(sealed)], rec.Key, &n)
	plain, err := a.Open(nil, nil, sealed, q.aad)
	if err != nil {
		return n, nil, errQuarantine
	}
	orig, ok := parseOriginal(plain)
	if !ok {
		return n, nil, errQuarantine
	}
	orig.Topic, orig.Partition, orig.Offset = n.Topic, n.Partition, n.Offset
	return n, orig, nil
}

func (q *quarantineSealer) appendAAD(dst, head, key []byte, n *Notice) []byte {
	dst = append(dst, "weir/quarantine"...)
	for _, s := range [...]string{string(head), string(key), q.name, n.Topic, string(n.Code), n.Path} {
		dst = appendLP(dst, s)
	}
	dst = binary.AppendUvarint(dst, n.Epoch)
	dst = binary.AppendUvarint(dst, uint64(len(n.Recipients)))
	for _, r := range n.Recipients {
		dst = appendLP(dst, r)
	}
	return dst
}

func (n *Notice) check() error {
	if n.Partition < 0 || n.Offset < 0 || n.Topic == "" || n.Code == "" || len(n.Recipients) == 0 {
		return errNotice
	}
	for _, r := range n.Recipients {
		if r == "" || strings.Contains(r, ",") {
			return errNotice
		}
	}
	return nil
}

// place is the code with its path, as messages print it.
func (n *Notice) place() string {
	if n.Path == "" {
		return string(n.Code)
	}
	return string(n.Code) + " at " + n.Path
}

func (q *quarantineSealer) headers(n *Notice) []kgo.RecordHeader {
	partition := strconv.Itoa(int(n.Partition))
	h := func(k, v string) kgo.RecordHeader { return kgo.RecordHeader{Key: k, Value: []byte(v)} }
	return []kgo.RecordHeader{
		h(headerErrTopic, n.Topic),
		h(headerErrPartition, partition),
		h(headerErrOffset, strconv.FormatInt(n.Offset, 10)),
		h(headerErrConnector, InternalNames(q.name).Group),
		h(headerErrTask, partition), // not the worker: a replay by another gives the same record
		h(headerErrStage, quarantineStage),
		h(headerErrClass, quarantineClass),
		h(headerErrException, quarantineClassPrefix+string(n.Code)),
		h(headerErrMessage, n.place()),
		h(headerRecipients, strings.Join(n.Recipients, ",")),
		h(headerCode, string(n.Code)),
		h(headerPath, n.Path),
		h(headerEpoch, strconv.FormatUint(n.Epoch, 10)),
	}
}

// parseNotice reads what stands in clear. It is not authenticated yet.
func parseNotice(rec *kgo.Record) (n Notice, version uint32, sealed []byte, err error) {
	r := lpReader{b: rec.Value}
	ok := r.byte() == quarantineVersion && len(rec.Key) == 32
	version = uint32(r.uint(1<<32 - 1))
	n.TopicNumber, n.Partition, n.Offset = uint32(r.uint(1<<24-1)), int32(r.uint(1<<31-1)), int64(r.uint(1<<63-1))
	get := func(name string) string {
		i := slices.IndexFunc(rec.Headers, func(h kgo.RecordHeader) bool { return h.Key == name })
		if i < 0 {
			ok = false
			return ""
		}
		return string(rec.Headers[i].Value)
	}
	n.Topic, n.Code, n.Path = get(headerErrTopic), schemas.Code(get(headerCode)), get(headerPath)
	n.Recipients = strings.Split(get(headerRecipients), ",")
	epoch, perr := strconv.ParseUint(get(headerEpoch), 10, 64)
	n.Epoch = epoch
	// Tools read the coordinates in the headers: they must be the sealed ones.
	ok = ok && get(headerErrPartition) == strconv.Itoa(int(n.Partition)) && get(headerErrOffset) == strconv.FormatInt(n.Offset, 10)
	if !ok || r.bad || perr != nil || n.check() != nil {
		return Notice{}, 0, nil, errNotQuarantine
	}
	return n, version, r.b, nil
}

const (
	nullKey      = 1
	nullValue    = 2
	brokerTime   = 4
	maxOrigHeads = 1 << 20
)

func appendOriginal(dst []byte, rec *kgo.Record) []byte {
	flags := byte(0)
	if rec.Key == nil {
		flags |= nullKey
	}
	if rec.Value == nil {
		flags |= nullValue
	}
	if rec.Attrs.TimestampType() == 1 {
		flags |= brokerTime
	}
	dst = append(dst, flags)
	dst = binary.AppendVarint(dst, rec.Timestamp.UnixMilli())
	dst = appendLP(dst, rec.Key)
	dst = appendLP(dst, rec.Value)
	dst = binary.AppendUvarint(dst, uint64(len(rec.Headers)))
	for _, h := range rec.Headers {
		flags := byte(0)
		if h.Value == nil {
			flags = nullValue
		}
		dst = append(dst, flags)
		dst = appendLP(dst, h.Key)
		dst = appendLP(dst, h.Value)
	}
	return dst
}

// parseOriginal reads appendOriginal's bytes; the record shares them.
func parseOriginal(b []byte) (*kgo.Record, bool) {
	r := lpReader{b: b}
	flags := r.byte()
	millis, n := binary.Varint(r.b)
	if n <= 0 {
		return nil, false
	}
	r.b = r.b[n:]
	rec := &kgo.Record{Timestamp: time.UnixMilli(millis)}
	if flags&brokerTime != 0 {
		rec.Attrs = kgo.NewRecordAttrs(kgo.RecordAttrsOpts{TimestampType: 1})
	}
	rec.Key, rec.Value = r.bytes(flags&nullKey != 0), r.bytes(flags&nullValue != 0)
	for range r.uint(min(maxOrigHeads, uint64(len(r.b)))) {
		null := r.byte()&nullValue != 0
		k := r.bytes(false)
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: string(k), Value: r.bytes(null)})
	}
	return rec, !r.bad && len(r.b) == 0
}

// appendLP appends lp(x): uvarint length ‖ x.
func appendLP[T string | []byte](dst []byte, x T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(x)))
	return append(dst, x...)
}

// lpReader reads numbers and lp values; the first fault stays.
type lpReader struct {
	b   []byte
	bad bool
}

func (r *lpReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *lpReader) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// bytes reads lp(x); nil when null says so, else never nil.
func (r *lpReader) bytes(null bool) []byte {
	n := r.uint(uint64(len(r.b)))
	if r.bad || n > uint64(len(r.b)) || (null && n != 0) {
		r.bad = true
		return nil
	}
	x := r.b[:n:n]
	r.b = r.b[n:]
	if null {
		return nil
	}
	return x
}
