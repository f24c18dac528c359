package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict/server/internal/oip"
)

const serverName = "nitrain"

func extensions() []string {
	return []string{"binary_tensor_data", "model_repository", "statistics", "model_configuration", "parameters"}
}

// work is a route's function: an error is answered as JSON.
type work func(x *exchange, r *http.Request) error

// routes fills the router.
func (h *Handler) routes() {
	add := func(pattern string, s scope, do work) {
		h.scopes[pattern] = s
		h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			x, _ := w.(*exchange)
			if err := do(x, r); err != nil {
				h.fail(x, r, err)
			}
		})
	}
	add("GET /v2/health/live", scopeOpen, func(x *exchange, _ *http.Request) error { x.WriteHeader(http.StatusOK); return nil })
	add("GET /v2/health/ready", scopeOpen, h.serverReady)
	add("GET /v2", scopePredict, h.serverMetadata)
	add("GET /v2/{$}", scopePredict, h.serverMetadata)
	add("GET /v2/models/stats", scopePredict, h.stats)
	for _, at := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		add("GET "+at, scopePredict, h.modelMetadata)
		add("GET "+at+"/ready", scopePredict, h.modelReady)
		add("GET "+at+"/config", scopePredict, h.modelConfig)
		add("GET "+at+"/stats", scopePredict, h.stats)
		add("POST "+at+"/infer", scopePredict, h.inferHTTP)
	}
	add("POST /v2/repository/index", scopePredict, h.index)
	add("POST /v2/repository/models/{model}/load", scopeAdmin, h.load)
	add("POST /v2/repository/models/{model}/unload", scopeAdmin, h.unload)
	h.volumeRoutes(add)
	h.viewerRoutes(add)
}

// fail answers with an error and logs the server's own in full.
func (h *Handler) fail(x *exchange, r *http.Request, err error) {
	if f := faultOf(err); f.Status == http.StatusInternalServerError {
		h.log.Error("failed", "id", x.id, "model", x.model, "error", err.Error())
	}
	x.fail(r.Context(), err)
}

func (h *Handler) serverReady(x *exchange, _ *http.Request) error {
	if !h.ready() {
		return &oip.Fault{Status: http.StatusServiceUnavailable, Text: "not ready", Retry: time.Second}
	}
	x.WriteHeader(http.StatusOK)
	return nil
}

func (h *Handler) serverMetadata(x *exchange, _ *http.Request) error {
	x.reply(http.StatusOK, map[string]any{"name": serverName, "version": h.o.Version, "extensions": extensions()})
	return nil
}

// model returns the model that a request is about, and what must be called when it is done with.
func (h *Handler) model(x *exchange, name, version string) (*served, func(), error) {
	m, err := h.models.acquire(name, version)
	if err != nil {
		return nil, nil, err
	}
	if x != nil {
		x.model = name
	}
	return m, func() {
		if err := h.models.release(m); err != nil {
			h.log.Error("close model", "model", m.name, "error", err.Error())
		}
	}, nil
}

func (h *Handler) modelReady(x *exchange, r *http.Request) error {
	_, release, err := h.model(x, r.PathValue("model"), r.PathValue("version"))
	if err != nil {
		return err
	}
	release()
	x.reply(http.StatusOK, map[string]any{"name": r.PathValue("model"), "ready": true})
	return nil
}

// tensorMetadata describes an input or output; -1 is free. Of a tensor of unknown rank the shape is null.
type tensorMetadata struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    []int  `json:"shape"`
}

func describe(infos []onnx.ValueInfo) []tensorMetadata {
	out := make([]tensorMetadata, len(infos))
	for i, v := range infos {
		out[i] = tensorMetadata{v.Name, oip.Datatype(v.DType), v.Shape}
	}
	return out
}

func (h *Handler) modelMetadata(x *exchange, r *http.Request) error {
	m, release, err := h.model(x, r.PathValue("model"), r.PathValue("version"))
	if err != nil {
		return err
	}
	defer release()
	x.reply(http.StatusOK, map[string]any{
		"name": m.name, "versions": []string{m.version}, "platform": "onnx_onnxv1",
		"inputs": describe(m.Run.Inputs()), "outputs": describe(m.Run.Outputs()),
	})
	return nil
}

// inferHTTP reads tensors, runs the model and writes tensors.
func (h *Handler) inferHTTP(x *exchange, r *http.Request) error {
	m, release, err := h.model(x, r.PathValue("model"), r.PathValue("version"))
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithTimeout(r.Context(), h.limits.Time)
	defer cancel()
	start := time.Now()
	encoded, used, err := h.inferBody(ctx, x, r, m, start)
	if err != nil {
		h.count(m, used, 0, time.Since(start), err)
		return err
	}
	x.Header().Set("Content-Type", "application/json")
	if len(encoded.Binary) > 0 {
		x.Header().Set("Content-Type", "application/octet-stream")
		x.Header().Set("Inference-Header-Content-Length", strconv.Itoa(len(encoded.JSON)))
	}
	x.Header().Set("Content-Length", strconv.FormatInt(encoded.Size(), 10))
	_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Now().Add(bodyTime))
	x.WriteHeader(http.StatusOK)
	_, _ = encoded.WriteTo(x) // a client that went away
	return nil
}

// inferBody does the work of an inference between the request's body and the answer's.
func (h *Handler) inferBody(ctx context.Context, x *exchange, r *http.Request, m *served, start time.Time) (*oip.Encoded, spent, error) {
	header, err := headerLength(r)
	if err != nil {
		return nil, spent{}, err
	}
	body, length, err := h.openBody(x, r)
	if err != nil {
		return nil, spent{}, err
	}
	known := max(length, 0)
	if err := h.memory.take(known); err != nil {
		return nil, spent{}, err
	}
	defer h.memory.give(known)
	if length < 0 {
		m := &metered{Reader: body, from: h.memory}
		defer m.release()
		body = m
	}
	limits := oip.Limits{Body: h.limits.Request, JSON: h.limits.JSON}
	req, err := oip.Read(oip.Body{Reader: body, Header: header, Length: length, Limits: limits}, m.Run.Inputs(), m.Run.Outputs())
	if err != nil {
		return nil, spent{}, err
	}
	bodyRead(x)
	used := spent{input: time.Since(start)}
	out, err := h.run(ctx, m, req, &used)
	if err != nil {
		return nil, used, err
	}
	encoding := time.Now()
	resp := oip.Response{Model: m.name, Version: m.version, ID: req.ID, Outputs: out}
	encoded, err := resp.Encode()
	used.output = time.Since(encoding)
	if err == nil {
		h.count(m, used, batchOf(req), 0, nil)
	}
	return encoded, used, err
}

// run runs the model when its turn comes.
func (h *Handler) run(ctx context.Context, m *served, req *oip.Request, used *spent) ([]oip.Output, error) {
	leave, waited, err := h.gate.enter(ctx)
	used.queue = waited
	if err != nil {
		return nil, err
	}
	start := time.Now()
	all, err := m.Run.Run(ctx, req.Inputs)
	leave()
	used.compute = time.Since(start)
	if err != nil {
		return nil, m.hide(err)
	}
	return req.Pick(all, m.Run.Outputs())
}

// hide takes the model's path out of an error, which the client has no business with.
func (s *served) hide(err error) error {
	var fault *oip.Fault
	if err == nil || s.Path == "" || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &fault) {
		return err
	}
	text := err.Error()
	if !strings.Contains(text, s.Path) {
		return err
	}
	return oip.Faultf(http.StatusInternalServerError, "%s", strings.ReplaceAll(text, s.Path, "model "+s.name))
}

// count keeps the statistics of one inference.
func (h *Handler) count(m *served, used spent, batch int, took time.Duration, err error) {
	if err != nil {
		m.stats.failed(took)
	} else {
		m.stats.done(used, batch)
	}
	h.meters.inference(m.name, used, err)
}

// batchOf returns the size of the first axis of the inputs, 1 where they have none in common.
func batchOf(r *oip.Request) int {
	n := 0
	for _, t := range r.Inputs {
		shape := t.Shape()
		if len(shape) == 0 || n != 0 && shape[0] != n {
			return 1
		}
		n = shape[0]
	}
	return n
}

func (h *Handler) index(x *exchange, r *http.Request) error {
	text, err := h.small(x, r)
	if err != nil {
		return err
	}
	var asked struct {
		Ready bool `json:"ready"`
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &asked); err != nil {
			return oip.Bad("the request is not JSON: %v", err)
		}
	}
	list := []indexed{}
	for _, e := range h.models.list() {
		if !asked.Ready || e.State == stateReady {
			list = append(list, e)
		}
	}
	x.reply(http.StatusOK, list)
	return nil
}

func (h *Handler) load(x *exchange, r *http.Request) error {
	text, err := h.small(x, r)
	if err != nil {
		return err
	}
	var asked struct {
		Parameters map[string]json.RawMessage `json:"parameters"`
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &asked); err != nil {
			return oip.Bad("the request is not JSON: %v", err)
		}
	}
	for name := range asked.Parameters {
		if err := refuseOverride(name); err != nil {
			return err
		}
	}
	if err := h.loadModel(r.PathValue("model")); err != nil {
		return err
	}
	x.WriteHeader(http.StatusOK)
	return nil
}

// refuseOverride refuses a model's file or configuration that comes with the request.
func refuseOverride(parameter string) error {
	if parameter == "config" || strings.HasPrefix(parameter, "file:") {
		return oip.Faultf(http.StatusNotImplemented, "models are loaded from the server's own files only")
	}
	return nil
}

func (h *Handler) loadModel(name string) error {
	if err := h.notReady(); err != nil {
		return err
	}
	if err := h.models.Load(name); err != nil {
		return err
	}
	h.log.Info("model loaded", "model", name)
	return nil
}

func (h *Handler) unload(x *exchange, r *http.Request) error {
	if _, err := h.small(x, r); err != nil {
		return err
	}
	if err := h.models.Unload(r.PathValue("model")); err != nil {
		return err
	}
	h.log.Info("model unloaded", "model", r.PathValue("model"))
	x.WriteHeader(http.StatusOK)
	return nil
}
