package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"weir/cmd/internal/config"
	"weir/keys"
	"weir/schemas"
	"weir/schemas/jsonrec"
	"weir/schemas/rawtext"
	"weir/stream"
	"weir/transforms"
	"weir/transforms/all"
)

// schemaFlags name the schemas that lint, explain and test look at.
type schemaFlags struct {
	topic           string
	schema, key     string // files
	schemaID, keyID int    // of the registry
}

// sides are a topic's schemas; nil where the source has none or none is known.
type sides struct{ key, value *schemas.Schema }

// offline compiles plans without a broker.
type offline struct {
	cfg  *config.Config
	ring *keys.Ring // nil: the plan cannot run
}

// plan compiles what a topic's records meet.
func (o *offline) plan(topic string, s sides) (*transforms.Plan, error) {
	d, _, ok := o.cfg.Dataset(topic)
	if !ok {
		return nil, noSource(topic)
	}
	plan, err := transforms.Compile(transforms.Input{
		Policy: o.cfg.Policy, Dataset: d, Key: s.key, Value: s.value, Kinds: all.Kinds(), Ring: o.ring,
	})
	var refused *transforms.PolicyError
	if errors.As(err, &refused) {
		return nil, config.Problems{o.cfg.ProblemAt(refused.Pos, string(refused.Code)+": "+refused.Msg)}
	}
	return plan, err
}

func noSource(topic string) error {
	return exit(stream.ExitUsage, "no source of the policy names topic %s", topic)
}

// schemas finds a topic's schemas: those of files, those that the policy itself
// declares, and for string keys the one there is.
func (o *offline) schemas(topic, valueFile, keyFile string) (sides, error) {
	d, src, ok := o.cfg.Dataset(topic)
	if !ok {
		return sides{}, noSource(topic)
	}
	value, err := o.side(d, src, src.Encoding, src.SchemaText, valueFile, false)
	if err != nil {
		return sides{}, err
	}
	key, err := o.side(d, src, src.KeyEncoding, src.KeySchemaText, keyFile, true)
	return sides{key, value}, err
}

func (o *offline) side(d transforms.Dataset, src *stream.Source, enc stream.Encoding, text, file string, isKey bool) (*schemas.Schema, error) {
	switch enc {
	case stream.EncodingBytes:
		return nil, nil
	case stream.EncodingString:
		return rawtext.New(), nil
	case stream.EncodingJSON:
		if file == "" && !src.SchemaBlock {
			return jsonrec.New(transforms.DeclaredPaths(o.cfg.Policy, d, isKey))
		}
	}
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, &exitError{stream.ExitUsage, fmt.Errorf("reading a schema: %w", err)}
		}
		text = string(data)
	}
	if text == "" {
		return nil, nil
	}
	return compileFile(enc, text, file)
}

func compileFile(enc stream.Encoding, text, file string) (*schemas.Schema, error) {
	var s *schemas.Schema
	var err error
	switch enc {
	case stream.EncodingJSON: // Connect's schema block
		s, err = jsonrec.FromConnect([]byte(text))
	case stream.EncodingConfluentJSON:
		s, err = stream.CompileSchema(schemas.FormatJSON, text, nil)
	default:
		s, err = stream.CompileSchema(schemas.FormatAvro, text, nil)
	}
	if err != nil {
		return nil, exit(stream.ExitUsage, "schema %s: %w", filepath.Base(file), err)
	}
	return s, nil
}

// noSchema is what to do about a topic whose schemas stand in the registry.
func noSchema(topic string) error {
	return exit(stream.ExitUsage, "topic %s takes its schemas from the registry: give --schema FILE or --schema-id N\n"+
		"(the registry tells the id under /subjects/%s-value/versions/latest)", topic, topic)
}

// registered finds schemas by id at the registry.
func (o *offline) registered(ctx context.Context, f *schemaFlags, s *sides) error {
	cfg, err := o.cfg.Connections()
	if err != nil {
		return err
	}
	if cfg.Registry == nil {
		return exit(stream.ExitUsage, "the policy has no registry")
	}
	defer cfg.Registry.Close()
	_, src, _ := o.cfg.Dataset(f.topic)
	find := func(id int, enc stream.Encoding, into **schemas.Schema) error {
		if id == 0 {
			return nil
		}
		format := schemas.FormatAvro
		if enc == stream.EncodingConfluentJSON {
			format = schemas.FormatJSON
		}
		*into, err = cfg.Registry.Schema(ctx, id, format)
		if hasCode(err, schemas.CodeSchemaID) {
			return exit(stream.ExitUsage, "the registry has no schema with the id %d", id)
		}
		if err != nil {
			return &stream.Gone{What: "registry", Err: err}
		}
		return nil
	}
	if err := find(f.schemaID, src.Encoding, &s.value); err != nil {
		return err
	}
	return find(f.keyID, src.KeyEncoding, &s.key)
}

// resolve finds the schemas that flags name.
func (o *offline) resolve(ctx context.Context, f *schemaFlags) (sides, error) {
	s, err := o.schemas(f.topic, f.schema, f.key)
	if err == nil && (f.schemaID != 0 || f.keyID != 0) {
		err = o.registered(ctx, f, &s)
	}
	return s, err
}

func hasRecipient(p *transforms.Policy, name string) bool {
	for i := range p.Recipients {
		if p.Recipients[i].Name == name {
			return true
		}
	}
	return false
}

// hasCode reports whether an error of the decode view has this code.
func hasCode(err error, code schemas.Code) bool {
	var e *schemas.Error
	return errors.As(err, &e) && e.Code == code
}

// keyIsRegistered reports whether a topic's keys have their schemas in the
// registry.
func (o *offline) keyIsRegistered(topic string) bool {
	_, src, ok := o.cfg.Dataset(topic)
	return ok && (src.KeyEncoding == stream.EncodingConfluentAvro || src.KeyEncoding == stream.EncodingConfluentJSON)
}
