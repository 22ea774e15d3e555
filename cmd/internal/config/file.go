package config

// File is the policy file, or a folder of them read as one. Its field comments
// are the descriptions of the published JSON Schema (policy.schema.json).
type File struct {
	// Format of this file; always 1.
	Weir int `yaml:"weir" jsonschema:"required,enum=1"`
	// Name of the pipeline. It never changes: it fixes the consumer group, the transactional ids and the internal topics.
	Name string `yaml:"name" jsonschema:"required"`
	// Epoch rises with every change of the policy; a rollback is a new epoch with old content.
	Epoch uint64 `yaml:"epoch" jsonschema:"required,minimum=1"`
	// Keyspace that tokens are derived in. The default is the name; a second pipeline gives the first one's name here to make the same tokens.
	Keyspace string `yaml:"keyspace"`
	// Profile restricts the cryptography: nothing (default), fips or gm.
	Profile string `yaml:"profile" jsonschema:"enum=fips,enum=gm"`
	// Kafka is the connection to the brokers.
	Kafka Kafka `yaml:"kafka" jsonschema:"required"`
	// Registry is the connection to a Confluent-compatible schema registry; needed by confluent-avro and confluent-json.
	Registry *Registry `yaml:"registry"`
	// Sources are the raw topics and how they are written. Nothing is sniffed.
	Sources []Source `yaml:"sources" jsonschema:"required"`
	// Catalog gives classes to fields by full name (schema.table.column); a glob may only protect.
	Catalog Catalog `yaml:"catalog"`
	// Taxonomy is a YAML file with classes beside the built-in ones, relative to this file.
	Taxonomy string `yaml:"taxonomy"`
	// Recipients are those who get a copy, each with its own rules.
	Recipients []Recipient `yaml:"recipients" jsonschema:"required"`
	// Keys says where the keys are. No key ever stands in the policy itself.
	Keys Keys `yaml:"keys" jsonschema:"required"`
	// Start is where a new group begins: earliest (default), latest or a time (RFC 3339).
	Start string `yaml:"start"`
	// OnPoison is what happens to later records of a key once one is quarantined: they wait too (park_key, default), go on (skip), or the partition pauses (stop).
	OnPoison string `yaml:"on_poison" jsonschema:"enum=park_key,enum=skip,enum=stop"`
	// Breaker pauses a partition when more than this many of its last 1,000 records could not be decoded or transformed; default 100.
	Breaker int `yaml:"breaker" jsonschema:"minimum=1,maximum=1000"`
	// Workers in one process, each with its own transaction; default 1.
	Workers int `yaml:"workers" jsonschema:"minimum=1,maximum=256"`
	// Batch bounds a transaction.
	Batch Batch `yaml:"batch"`
	// Admin is the HTTP listener of /livez, /readyz, /status and /metrics.
	Admin Admin `yaml:"admin"`
	// Topics says what run may do about missing topics.
	Topics Topics `yaml:"topics"`
}

// Kafka is the connection to the brokers.
type Kafka struct {
	// Brokers to start from, host:port.
	Brokers []string `yaml:"brokers" jsonschema:"required"`
	// TLS turns TLS on; {} means the system's roots and no client certificate.
	TLS *TLS `yaml:"tls"`
	// SASL is how to authenticate.
	SASL *SASL `yaml:"sasl"`
	// AllowTV1 accepts brokers without transaction.version 2, whose fencing is weaker.
	AllowTV1 bool `yaml:"allow_tv1"`
}

// TLS is a TLS connection; certificates are always verified.
type TLS struct {
	// CA is a PEM file of the roots to trust instead of the system's.
	CA string `yaml:"ca"`
	// Cert is a PEM file of the client certificate (mTLS).
	Cert string `yaml:"cert"`
	// Key is a PEM file of the client certificate's key.
	Key string `yaml:"key"`
	// ServerName to verify instead of the host that was dialled.
	ServerName string `yaml:"server_name"`
}

// SASL is how to authenticate at the brokers.
type SASL struct {
	// Mechanism to use.
	Mechanism string `yaml:"mechanism" jsonschema:"required,enum=PLAIN,enum=SCRAM-SHA-256,enum=SCRAM-SHA-512,enum=OAUTHBEARER"`
	// User of PLAIN and SCRAM.
	User string `yaml:"user"`
	// Password of PLAIN and SCRAM: ${env:NAME} or ${file:path}.
	Password string `yaml:"password"`
	// Token of OAUTHBEARER: ${env:NAME} or ${file:path}.
	Token string `yaml:"token"`
}

// Registry is the connection to a schema registry.
type Registry struct {
	// URL of the registry, http or https.
	URL string `yaml:"url" jsonschema:"required"`
	// User of basic authentication.
	User string `yaml:"user"`
	// Password of basic authentication: ${env:NAME} or ${file:path}.
	Password string `yaml:"password"`
	// Token of bearer authentication: ${env:NAME} or ${file:path}.
	Token string `yaml:"token"`
	// TLS sets roots and client certificate of an https URL.
	TLS *TLS `yaml:"tls"`
	// Register derived schemas (default true); false for registries without write rights, where they must be there already.
	Register *bool `yaml:"register"`
}

// Source is one kind of raw topic.
type Source struct {
	// Topics is an anchored glob over topic names.
	Topics string `yaml:"topics" jsonschema:"required"`
	// Name says where schema and table stand in the topic's name, e.g. cdc.{schema}.{table}.
	Name string `yaml:"name"`
	// Encoding of the values.
	Encoding string `yaml:"encoding" jsonschema:"required,enum=confluent-avro,enum=confluent-json,enum=avro,enum=json"`
	// Key is the encoding of the keys; the default is that of the values.
	Key string `yaml:"key" jsonschema:"enum=confluent-avro,enum=confluent-json,enum=avro,enum=json,enum=string,enum=bytes"`
	// Framing of schema ids: before the payload (prefix, default) or in headers (header).
	Framing string `yaml:"framing" jsonschema:"enum=prefix,enum=header"`
	// SchemaBlock: the JSON carries Connect's schema block.
	SchemaBlock bool `yaml:"schema_block"`
	// Schema is the Avro schema file of plain avro values.
	Schema string `yaml:"schema"`
	// KeySchema is the Avro schema file of plain avro keys.
	KeySchema string `yaml:"key_schema"`
	// Envelope of change events: debezium (default), flat (after ExtractNewRecordState) or none.
	Envelope string `yaml:"envelope" jsonschema:"enum=debezium,enum=flat,enum=none"`
	// Before says whether before images are whole rows; partial (default) never evaluates or sends them where that could leak or lose rows.
	Before string `yaml:"before" jsonschema:"enum=full,enum=partial"`
	// Events of these topics: rows (default), transaction, heartbeat or schema_change.
	Events string `yaml:"events" jsonschema:"enum=rows,enum=transaction,enum=heartbeat,enum=schema_change"`
	// Placeholder is Debezium's unavailable.value.placeholder, passed unchanged.
	Placeholder string `yaml:"placeholder"`
	// Headers says how __debezium.newkey and __debezium.oldkey are written; without it they are dropped and counted.
	Headers string `yaml:"headers" jsonschema:"enum=json,enum=avro"`
	// KeepHeaders are input headers that are copied; all others are dropped.
	KeepHeaders []string `yaml:"keep_headers"`
}

// CatalogEntry is one line of the catalog.
type CatalogEntry struct{ Match, Class string }

// Catalog is a map full name or glob → class, in the file's order.
type Catalog []CatalogEntry

// Recipient is one who gets a copy.
type Recipient struct {
	// Name of the recipient; part of keys and lineage, so it never changes.
	Name string `yaml:"name" jsonschema:"required"`
	// Topic of the copies; {schema} and {table} come from the source topic's name.
	Topic string `yaml:"topic" jsonschema:"required"`
	// Purpose the copy is given for; goes into audit, lineage and reports.
	Purpose string `yaml:"purpose"`
	// Until is the last day of delivery, inclusive, UTC: 2027-03-31.
	Until string `yaml:"until"`
	// Rows is a CEL expression over after; rows that do not match are not delivered.
	Rows string `yaml:"rows"`
	// Grade up to which classes pass without a rule of their own.
	Grade int `yaml:"grade" jsonschema:"minimum=0,maximum=5"`
	// Unknown is what happens to fields without a class: quarantine (default) or drop.
	Unknown string `yaml:"unknown" jsonschema:"enum=quarantine,enum=drop"`
	// Treat says what is done to which fields.
	Treat Treat `yaml:"treat"`
	// Share names, per key domain, a group of recipients whose tokens agree in their first 16 characters.
	Share map[string]string `yaml:"share"`
}

// TreatRule is one line of a treat map.
type TreatRule struct {
	Match     string
	Treatment string
	Args      map[string]any // a scalar argument stands under ""
}

// Treat is a map selector → treatment, in the file's order. Selectors are
// field:<glob>, tag:<name>, a class or class glob, or "*".
type Treat []TreatRule

// Keys says where the keys are.
type Keys struct {
	// File is a local key file made by weir keys init, relative to this file.
	File string `yaml:"file" jsonschema:"required"`
}

// Batch bounds a transaction.
type Batch struct {
	// Max records polled for one transaction; default 2000.
	Max int `yaml:"max" jsonschema:"minimum=1,maximum=100000"`
	// Linger is how long a poll waits to fill a transaction, e.g. 20ms; default 0, at most 5s.
	Linger string `yaml:"linger"`
}

// Admin is the HTTP listener.
type Admin struct {
	// Listen address host:port; empty for none.
	Listen string `yaml:"listen"`
}

// Topics says what run may do about missing topics.
type Topics struct {
	// Create: run makes recipient and internal topics that are missing; default false (weir topics apply does it).
	Create bool `yaml:"create"`
}
