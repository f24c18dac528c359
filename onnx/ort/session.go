//go:build cgo

package ort

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"github.com/nitrain/nitrain/onnx"
)

// Session is a model that onnxruntime has loaded. It may be shared by goroutines: Runs go on side by side.
type Session struct {
	name    string // for messages
	inputs  []onnx.ValueInfo
	outputs []onnx.ValueInfo
	annex   annex
	limit   int64 // bytes, 0 for none

	mu  sync.RWMutex // held for reading by Runs, for writing by Close
	run *onnxruntime.DynamicAdvancedSession
}

var _ onnx.Runner = (*Session)(nil)

// Open loads the model in a file, with its external data beside it. Errors of a missing library or provider
// have a Hint.
func Open(path string, o Options) (*Session, error) {
	return open(source{name: path, path: path}, o)
}

// OpenBytes loads a model from memory; it must not have external data. The bytes are not kept.
func OpenBytes(raw []byte, o Options) (*Session, error) {
	return open(source{name: "model in memory", raw: raw}, o)
}

// OpenModel loads a model as it stands, with the changes made to it. It takes memory for all its bytes while it
// loads; a model over 2 GiB is an *onnx.SizeError: write it to a file and Open that.
func OpenModel(m *onnx.Model, o Options) (*Session, error) {
	raw, err := onnx.Encode(m)
	if err != nil {
		return nil, fmt.Errorf("ort: %w", err)
	}
	return open(source{name: "model " + m.Graph().Name, raw: raw}, o)
}

func open(src source, o Options) (*Session, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Untrusted {
		if err := probe(context.Background(), src, o); err != nil {
			return nil, err
		}
	}
	if err := load(o.Library, o.Provider); err != nil {
		return nil, err
	}
	so, err := newSessionOptions(o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = so.Destroy() }() // fails only twice
	s, err := newSession(src, o, so)
	if err != nil {
		return nil, fmt.Errorf("ort: %s: %w", src.name, err)
	}
	return s, nil
}

func newSession(src source, o Options, so *onnxruntime.SessionOptions) (s *Session, err error) {
	s = &Session{name: src.name, limit: o.MemoryLimit}
	if s.inputs, s.outputs, err = src.describe(so); err != nil {
		return nil, err
	}
	s.annex = newAnnex(s.inputs, s.outputs)
	if src, err = src.with(s.annex, s.outputs); err != nil {
		return nil, err
	}
	err = limited(o, func() error {
		return guard(func() (err error) {
			in, out := s.annex.names(s.inputs, s.outputs)
			flushed(func() { s.run, err = src.create(in, out, so) })
			return err
		})
	})
	return s, err
}

// Inputs lists what Run wants; -1 in a shape fits any size.
func (s *Session) Inputs() []onnx.ValueInfo { return copyInfos(s.inputs) }

// Outputs lists what Run returns.
func (s *Session) Outputs() []onnx.ValueInfo { return copyInfos(s.outputs) }

func copyInfos(infos []onnx.ValueInfo) []onnx.ValueInfo {
	infos = slices.Clone(infos)
	for i := range infos {
		infos[i].Shape, infos[i].Dims = slices.Clone(infos[i].Shape), slices.Clone(infos[i].Dims)
	}
	return infos
}

// Close waits for the Runs that are under way and releases the model. A closed session stays closed.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return nil
	}
	err := s.run.Destroy()
	s.run = nil
	return err
}

// Run computes all outputs. Inputs with a wrong name, type or shape are reported all at once. When ctx is
// cancelled, the model stops before its next operator and Run returns ctx's error.
func (s *Session) Run(ctx context.Context, inputs map[string]*onnx.Tensor) (map[string]*onnx.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := accept(s.inputs, inputs); err != nil {
		return nil, fmt.Errorf("ort: %s: %w", s.name, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.run == nil {
		return nil, fmt.Errorf("ort: %s: the session is closed", s.name)
	}
	out, err := s.compute(ctx, inputs)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && s.limit > 0 && strings.Contains(err.Error(), "Available memory of"):
		return nil, &Error{
			Problem: fmt.Sprintf("%s: run: it wants more than its limit of %d MiB", s.name, s.limit>>20), Err: err,
			hint: "allow more memory, or give the model smaller pieces",
		}
	case err != nil:
		return nil, fmt.Errorf("ort: %s: run: %w", s.name, err)
	}
	return out, nil
}

func (s *Session) compute(ctx context.Context, inputs map[string]*onnx.Tensor) (_ map[string]*onnx.Tensor, err error) {
	var in, out []onnxruntime.Value
	defer func() { err = errors.Join(err, destroy(in), destroy(out)) }()
	for _, info := range s.inputs {
		v, err := toValue(inputs[info.Name])
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", info.Name, plain(err))
		}
		in = append(in, v)
	}
	if s.annex.dummy {
		v, err := onnxruntime.NewCustomDataTensor(onnxruntime.Shape{1}, []byte{0}, onnxruntime.TensorElementDataTypeUint8)
		if err != nil {
			return nil, plain(err)
		}
		in = append(in, v)
	}
	out = make([]onnxruntime.Value, s.annex.fetched())
	if err := s.call(ctx, in, out); err != nil {
		return nil, err
	}
	tensors := make([]*onnx.Tensor, len(out))
	for i, v := range out {
		if tensors[i], err = fromValue(v); err != nil {
			return nil, fmt.Errorf("output %d: %w", i, err)
		}
	}
	return s.annex.collect(s.outputs, tensors)
}

// call runs the model; it stops early when ctx is cancelled.
func (s *Session) call(ctx context.Context, in, out []onnxruntime.Value) error {
	ro, err := onnxruntime.NewRunOptions()
	if err != nil {
		return plain(err)
	}
	defer func() { _ = ro.Destroy() }() // fails only twice
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(terminated)
		_ = ro.Terminate() // fails only without options
	})
	defer func() {
		if !stop() {
			<-terminated // so that ro outlives its last use
		}
	}()
	return guard(func() (err error) {
		flushed(func() { err = s.run.RunWithOptions(in, out, ro) })
		return err
	})
}

func destroy(values []onnxruntime.Value) error {
	var errs []error
	for _, v := range values {
		if v != nil {
			errs = append(errs, v.Destroy())
		}
	}
	return errors.Join(errs...)
}
