package registry

import (
	"context"

	"weir/schemas"
)

// Client is a registry client, safe for any number of goroutines.
type Client struct{}

// New checks c; it does not connect.
func New(c Config) (*Client, error) { return nil, ErrUnavailable }

// Schema is the schema with a registry id.
func (c *Client) Schema(ctx context.Context, id int, format schemas.Format) (*schemas.Schema, error) {
	return nil, ErrUnavailable
}

// GUID is the schema with a global id; its Schema.ID is 0.
func (c *Client) GUID(ctx context.Context, guid [16]byte, format schemas.Format) (*schemas.Schema, error) {
	return nil, ErrUnavailable
}

// Register registers text under subject after checking compatibility.
func (c *Client) Register(ctx context.Context, subject, text string, format schemas.Format, refs []Reference) (int, error) {
	return 0, ErrUnavailable
}

// Lookup finds the id of text under subject without writing.
func (c *Client) Lookup(ctx context.Context, subject, text string, format schemas.Format, refs []Reference) (int, error) {
	return 0, ErrUnavailable
}

// LookupGUID is Lookup for global ids.
func (c *Client) LookupGUID(ctx context.Context, subject, text string, format schemas.Format, refs []Reference) ([16]byte, error) {
	return [16]byte{}, ErrUnavailable
}

// Ping asks for the registry's supported types: nil when it answers us.
func (c *Client) Ping(ctx context.Context) error { return ErrUnavailable }
