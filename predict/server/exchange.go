package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/server/internal/oip"
)

// statusGone is what logs and metrics call a request whose client went away; nobody reads it.
const statusGone = 499

// exchange is one request and what became of it.
type exchange struct {
	http.ResponseWriter
	id     string
	model  string // only of models that exist: what a client sends is not logged
	status int
	bytes  int64
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(p)
	x.bytes += int64(n)
	return n, err
}

// ServeHTTP answers one request, counts it and logs it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	x := &exchange{ResponseWriter: w, id: requestID(r)}
	header := w.Header()
	header.Set("X-Request-Id", x.id)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	control := http.NewResponseController(w) // what an earlier request on this connection set; a recorder has none
	_, _ = control.SetWriteDeadline(time.Time{}), control.SetReadDeadline(time.Time{})
	_, pattern := h.mux.Handler(r)
	defer func() {
		if v := recover(); v != nil {
			h.log.Error("panic", "id", x.id, "route", pattern, "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
			x.fail(r.Context(), oip.Faultf(http.StatusInternalServerError, "internal error; the server's log has it under %s", x.id))
		}
		h.account(x, r, pattern, time.Since(start))
	}()
	if err := h.admit(x, r, pattern); err != nil {
		x.fail(r.Context(), err)
		return
	}
	if pattern == "" {
		h.unmatched(x, r)
		return
	}
	h.mux.ServeHTTP(x, r)
}

// account counts and logs a request: neither path nor query, which may name a patient.
func (h *Handler) account(x *exchange, r *http.Request, pattern string, took time.Duration) {
	if pattern == "" {
		pattern = "none"
	}
	if x.status == 0 {
		x.status = http.StatusOK
	}
	h.meters.request(pattern, x.status, took)
	level := slog.LevelInfo
	if strings.Contains(pattern, "/health/") {
		level = slog.LevelDebug
	}
	h.log.Log(context.WithoutCancel(r.Context()), level, "request", "id", x.id, "route", pattern, "model", x.model, "status", x.status,
		"bytes", x.bytes, "ms", took.Milliseconds())
}

// requestID takes over a client's identifier if it is a plain one.
func requestID(r *http.Request) string {
	const most = 64
	id := r.Header.Get("X-Request-Id")
	plain := id != "" && len(id) <= most && !strings.ContainsFunc(id, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.')
	})
	if plain {
		return id
	}
	return rand.Text()
}

// admit checks host, origin and token.
func (h *Handler) admit(x *exchange, r *http.Request, pattern string) error {
	if len(h.o.Hosts) > 0 {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !slices.Contains(h.o.Hosts, strings.ToLower(strings.Trim(host, "[]"))) {
			return oip.Faultf(http.StatusForbidden, "this server does not answer to that host name")
		}
	}
	if err := h.foreign.Check(r); err != nil {
		return oip.Faultf(http.StatusForbidden, "requests of other sites' pages are refused")
	}
	if pattern == "" {
		return nil
	}
	err := h.o.Tokens.check(r.Header.Get("Authorization"), h.scopes[pattern])
	if fault := (*oip.Fault)(nil); errors.As(err, &fault) && fault.Status == http.StatusUnauthorized {
		x.Header().Set("WWW-Authenticate", `Bearer realm="nitrain"`)
	}
	return err
}

// unmatched answers in JSON where the standard library's router has text.
func (h *Handler) unmatched(x *exchange, r *http.Request) {
	silent := &silentWriter{header: http.Header{}}
	handler, _ := h.mux.Handler(r)
	handler.ServeHTTP(silent, r)
	if allow := silent.header.Get("Allow"); silent.status == http.StatusMethodNotAllowed {
		x.Header().Set("Allow", allow)
		x.fail(r.Context(), oip.Faultf(silent.status, "want %s", allow))
		return
	}
	x.fail(r.Context(), oip.Faultf(http.StatusNotFound, "there is nothing at this path"))
}

// silentWriter keeps the status and headers alone.
type silentWriter struct {
	header http.Header
	status int
}

func (s *silentWriter) Header() http.Header         { return s.header }
func (s *silentWriter) Write(p []byte) (int, error) { return len(p), nil }
func (s *silentWriter) WriteHeader(status int)      { s.status = status }

// fail answers with an error, unless an answer is under way already.
func (x *exchange) fail(ctx context.Context, err error) {
	f := faultOf(err)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		f = oip.Faultf(statusGone, "the client went away")
	}
	if x.status != 0 {
		return
	}
	if f.Retry > 0 {
		x.Header().Set("Retry-After", strconv.Itoa(int(f.Retry.Seconds()+0.999)))
	}
	x.reply(f.Status, map[string]string{"error": f.Text})
}

// faultOf finds out whose fault an error is.
func faultOf(err error) *oip.Fault {
	var image *predict.ImageError
	var format *imageio.FormatError
	var fault *oip.Fault
	var asked *RequestError
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &asked):
		return oip.Bad("%s", asked.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return oip.Faultf(http.StatusGatewayTimeout, "the request took longer than the server allows")
	case errors.Is(err, context.Canceled):
		return oip.Faultf(http.StatusServiceUnavailable, "the work was cancelled")
	case errors.As(err, &format):
		plain := *format
		plain.Path = "the scan" // not where it lies
		status := http.StatusBadRequest
		if errors.Is(err, imageio.ErrTooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		return oip.Faultf(status, "%s", plain.Error())
	case errors.As(err, &image):
		return oip.Bad("%s", image.Error())
	default:
		return oip.StatusOf(err)
	}
}

// reply answers in JSON.
func (x *exchange) reply(status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer has no JSON form"}`)
	}
	x.Header().Set("Content-Type", "application/json")
	x.Header().Set("Content-Length", strconv.Itoa(len(text)))
	x.WriteHeader(status)
	_, _ = x.Write(text) // a client that went away
}
