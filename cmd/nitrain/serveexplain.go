package main

import (
	"context"
	"errors"
	"sync"

	"github.com/nitrain/nitrain/explain"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict/server"
)

// explainers explains for the server. A model is opened for it when it is first asked about, a second time beside
// the server's own session.
type explainers struct {
	options ort.Options
	mu      sync.Mutex
	open    map[string]*explaining // by the model's path
}

type explaining struct {
	*explain.Explainer
	digest string
	users  sync.WaitGroup
}

var _ server.Explainer = (*explainers)(nil)

func newExplainers(o ort.Options) *explainers {
	return &explainers{options: o, open: map[string]*explaining{}}
}

// explainMethods are those that a client may ask for, the usual one first.
func explainMethods() []string {
	return []string{"saliency", "ig", "gradcam", "smoothgrad", "occlusion"}
}

// Explain answers a client's question.
func (e *explainers) Explain(ctx context.Context, q server.Question) (*imageio.Image, error) {
	name := q.Method
	if name == "" {
		name = explainMethods()[0]
	}
	method, err := explain.ParseMethod(name)
	if err != nil {
		return nil, &server.RequestError{Err: err}
	}
	target, err := explain.ParseTarget(q.Target)
	if err != nil {
		return nil, &server.RequestError{Err: err}
	}
	if target.Path != "" {
		return nil, &server.RequestError{Err: errors.New("explain: target: a region of an atlas, which would be a file of the server's, is for the command line")}
	}
	x, err := e.get(q.Model)
	if err != nil {
		return nil, err
	}
	defer x.users.Done()
	got, err := x.Explain(ctx, q.Scans, method, target, q.Progress)
	if fault := (*explain.TargetError)(nil); errors.As(err, &fault) {
		return nil, &server.RequestError{Err: err}
	}
	if err != nil {
		return nil, err
	}
	return got.Image, nil
}

// get returns the explainer of a model; the caller calls users.Done. One of a file that has changed since is
// closed when nobody uses it any more.
func (e *explainers) get(m *server.Model) (*explaining, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.open[m.Path]
	if old != nil && old.digest == m.Digest {
		old.users.Add(1)
		return old, nil
	}
	opened, err := explain.Open(m.Path, explain.Options{Spec: m.Spec, Options: e.options})
	if err != nil {
		return nil, err
	}
	x := &explaining{Explainer: opened, digest: m.Digest}
	x.users.Add(1)
	e.open[m.Path] = x
	if old != nil {
		go old.end()
	}
	return x, nil
}

func (x *explaining) end() {
	x.users.Wait()
	_ = x.Close() // nothing can be done about a session that does not end
}

func (e *explainers) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.open {
		x.end()
	}
}
