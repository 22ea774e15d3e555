package main

import (
	"context"
	"errors"

	"weir/cmd/internal/demo"
	"weir/stream"
)

// engine is what the commands need of package stream. A nil function is one
// that has not landed: its command says so and exits 70.
type engine struct {
	run         func(context.Context, stream.Config) error
	planTopics  func(context.Context, stream.Config) ([]stream.TopicChange, error)
	applyTopics func(context.Context, stream.Config, []stream.TopicChange) error
	doctor      func(context.Context, stream.Config) ([]stream.Check, error)
	listTxns    func(context.Context, stream.Config) ([]stream.Txn, error)
	abortTxn    func(ctx context.Context, cfg stream.Config, id string) error
	acceptLoss  func(ctx context.Context, cfg stream.Config, by string) ([]stream.Lost, error)
	// quarantined calls fn for every record of the quarantine topic.
	quarantined func(ctx context.Context, cfg stream.Config, fn func(stream.QuarantineEntry) error) error
	// command writes a record to the control topic.
	command func(context.Context, stream.Config, stream.Command) error
	// lineageFrom reads the source of one output record from its header.
	lineageFrom func(ctx context.Context, cfg stream.Config, at coordinates) (origin, error)
	demo        func(context.Context, demo.Options) (*demo.Summary, error)
}

// realEngine is package stream.
func realEngine() engine {
	return engine{
		run: runPipeline, planTopics: stream.PlanTopics, applyTopics: stream.ApplyTopics,
		doctor: stream.Doctor, listTxns: stream.ListTxns, abortTxn: stream.AbortTxn, acceptLoss: stream.AcceptLoss,
		quarantined: stream.Quarantined, command: stream.Send, lineageFrom: lineageFrom, demo: demo.Run,
	}
}

func lineageFrom(ctx context.Context, cfg stream.Config, at coordinates) (origin, error) {
	p, err := stream.LineageFrom(ctx, cfg, at.Topic, at.Partition, at.Offset)
	if errors.Is(err, stream.ErrNoRecord) || errors.Is(err, stream.ErrNoHeader) || errors.Is(err, stream.ErrNoLineage) {
		err = &exitError{stream.ExitFailed, err}
	}
	if err != nil {
		return origin{}, err
	}
	return origin{Output: at, Source: coordinates{p.Topic, p.Partition, p.Offset}, Recipient: p.Recipient, Epoch: p.Epoch, Index: p.Output}, nil
}

// coordinates are a record's place.
type coordinates struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// origin is where an output record came from.
type origin struct {
	Output    coordinates `json:"output"`
	Source    coordinates `json:"source"`
	Recipient string      `json:"recipient"`
	Epoch     uint64      `json:"epoch"`
	Index     int         `json:"index"` // of the outputs of that source record
}
