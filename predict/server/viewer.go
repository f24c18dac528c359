package server

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"net/http"
	"strings"

	"github.com/nitrain/nitrain/predict/server/internal/oip"
)

// The viewer is three small files and NiiVue, which is kept and sent compressed.
//
//go:embed static
var static embed.FS

// contentSecurityPolicy keeps the viewer from any other host and from code that is not in its own files.
const contentSecurityPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; " +
	"connect-src 'self' data:; img-src 'self' data: blob:; worker-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// viewerRoutes adds the viewer. Its files hold nothing secret, so they ask for no token; what they fetch does.
func (h *Handler) viewerRoutes(add func(string, scope, work)) {
	file := func(name, kind, cache string) work {
		return func(x *exchange, r *http.Request) error {
			x.Header().Set("Content-Security-Policy", contentSecurityPolicy)
			x.Header().Set("Content-Type", kind)
			x.Header().Set("Cache-Control", cache)
			return sendStatic(x, r, name)
		}
	}
	const fresh, forever = "no-cache", "public, max-age=31536000, immutable"
	add("GET /{$}", scopeOpen, file("index.html", "text/html; charset=utf-8", fresh))
	add("GET /static/viewer.js", scopeOpen, file("viewer.js", "text/javascript; charset=utf-8", fresh))
	add("GET /static/viewer.css", scopeOpen, file("viewer.css", "text/css; charset=utf-8", fresh))
	add("GET /openapi.json", scopeOpen, file("openapi.json", "application/json", fresh))
	add("GET /static/icon.svg", scopeOpen, file("icon.svg", "image/svg+xml", fresh))
	add("GET /static/niivue-0.69.0.js", scopeOpen, file("niivue-0.69.0.umd.js.gz", "text/javascript; charset=utf-8", forever))
}

// sendStatic sends an embedded file; one that is compressed is unpacked for clients that want it plain.
func sendStatic(x *exchange, r *http.Request, name string) error {
	text, err := static.ReadFile("static/" + name)
	if err != nil {
		return oip.Faultf(http.StatusNotFound, "there is nothing at this path")
	}
	if !strings.HasSuffix(name, ".gz") {
		_, _ = x.Write(text) // a client that went away
		return nil
	}
	x.Header().Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		x.Header().Set("Content-Encoding", "gzip")
		_, _ = x.Write(text)
		return nil
	}
	plain, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return err
	}
	_, err = io.Copy(x, plain) //nolint:gosec // a file of our own
	return err
}
