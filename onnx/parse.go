package onnx

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/nitrain/nitrain/onnx/internal/pb"
)

// parser reads messages of onnx.proto from a source. Message by message and field by field it knows only
// what this package uses; the rest stays in the source and is copied from there when the model is written.
type parser struct {
	r        *pb.Reader
	external *externalFiles
	// shallow leaves subgraphs unread: only where they are is noted.
	shallow bool
	depth   int
	budget  int64
}

// The limits of what a file may make the parser hold in memory: a multiple of its size, since the smallest
// real node takes about as many bytes in memory as in the file, and never more than 4 GiB.
const (
	memoryBase   = 64 << 20
	memoryFactor = 16
	memoryMax    = 4 << 30
	maxDepth     = 64
)

var errTooLarge = errors.New("the file holds too many small parts for its size")

func newParser(src *pb.Source, external *externalFiles) *parser {
	return &parser{
		r: pb.NewReader(src), external: external,
		budget: min(memoryBase+memoryFactor*min(src.All().Len, memoryMax), memoryMax),
	}
}

// charge accounts for memory that is about to be taken.
func (p *parser) charge(bytes int64) error {
	p.budget -= bytes
	if p.budget < 0 {
		return errTooLarge
	}
	return nil
}

// enter is called for every message that may hold itself.
func (p *parser) enter() error {
	p.depth++
	if p.depth > maxDepth {
		return fmt.Errorf("graphs are nested more than %d deep", maxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

func (p *parser) origin(body pb.Span) origin { return origin{p.r.Source(), body} }

// fields calls f for every record of a message.
func (p *parser) fields(message string, body pb.Span, f func(pb.Record) error) error {
	for rec, err := range p.r.Records(body) {
		if err == nil {
			err = f(rec)
		}
		if err != nil {
			return within(message, err)
		}
	}
	return nil
}

// within adds the name of the message that an error lies in, once for the innermost.
func within(message string, err error) error {
	if _, ok := errors.AsType[*parseError](err); ok {
		return err
	}
	return &parseError{message, err}
}

type parseError struct {
	message string
	err     error
}

func (e *parseError) Error() string { return e.message + ": " + e.err.Error() }
func (e *parseError) Unwrap() error { return e.err }

// want returns an error when a record does not have the wire type of its field.
func want(rec pb.Record, typ protowire.Type) error {
	if rec.Type != typ {
		return fmt.Errorf("%w at byte %d: field %d: want wire type %d, got %d", pb.ErrMalformed, rec.Whole.Off, rec.Num, typ, rec.Type)
	}
	return nil
}

func (p *parser) text(dst *string, rec pb.Record) error {
	if err := want(rec, protowire.BytesType); err != nil {
		return err
	}
	if err := p.charge(rec.Body.Len); err != nil {
		return err
	}
	s, err := p.r.String(rec.Body)
	*dst = s
	return err
}

func (p *parser) texts(dst *[]string, rec pb.Record) error {
	if err := p.charge(16); err != nil {
		return err
	}
	var s string
	err := p.text(&s, rec)
	*dst = append(*dst, s)
	return err
}

func (p *parser) ints(dst *[]int64, rec pb.Record) error {
	if err := p.charge(8 * (rec.Body.Len + 1)); err != nil {
		return err
	}
	out, err := p.r.Varints(*dst, rec)
	*dst = out
	return err
}

func (p *parser) int(dst *int64, rec pb.Record) error {
	if err := want(rec, protowire.VarintType); err != nil {
		return err
	}
	*dst = int64(rec.Value)
	return nil
}

func (p *parser) message(rec pb.Record) error { return want(rec, protowire.BytesType) }

// pair reads a StringStringEntryProto.
func (p *parser) pair(rec pb.Record) (entry, error) {
	var e entry
	if err := p.message(rec); err != nil {
		return e, err
	}
	if err := p.charge(64); err != nil {
		return e, err
	}
	err := p.fields("entry", rec.Body, func(r pb.Record) error {
		switch r.Num {
		case 1:
			return p.text(&e.key, r)
		case 2:
			return p.text(&e.value, r)
		}
		return nil
	})
	return e, err
}

func (p *parser) pairs(dst *map[string]string, rec pb.Record) error {
	e, err := p.pair(rec)
	if *dst == nil {
		*dst = map[string]string{}
	}
	(*dst)[e.key] = e.value
	return err
}
