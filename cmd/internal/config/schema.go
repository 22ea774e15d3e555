package config

import _ "embed"

// schemaText is generated from the structs of file.go: go test -run Schema -update.
//
//go:embed policy.schema.json
var schemaText []byte

// Schema is the JSON Schema of the policy file, for editors and other tools.
func Schema() []byte { return schemaText }
