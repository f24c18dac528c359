package server

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nitrain/nitrain/predict/server/internal/oip"
)

// bodyTime is how long a body may take to arrive and an answer to leave, beside the work itself.
const bodyTime = 10 * time.Minute

// openBody returns a request's body, decompressed, which fails when it becomes larger than the limit.
// length is that of the decompressed body, -1 if unknown.
func (h *Handler) openBody(x *exchange, r *http.Request) (body io.Reader, length int64, err error) {
	limit := h.limits.Request
	if r.ContentLength > limit {
		return nil, 0, oip.TooLarge("the body has %d bytes, the limit is %d", r.ContentLength, limit)
	}
	// A server that cannot set deadlines, such as a test's recorder, has no slow clients.
	_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(time.Now().Add(bodyTime))
	raw := http.MaxBytesReader(x.ResponseWriter, r.Body, limit)
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	switch encoding {
	case "", "identity":
		return raw, r.ContentLength, nil
	case "gzip":
		body, err = gzip.NewReader(raw)
	case "deflate":
		body, err = zlib.NewReader(raw)
	default:
		return nil, 0, oip.Faultf(http.StatusUnsupportedMediaType, "content encoding %q is not supported, gzip and deflate are", shorten(encoding))
	}
	if err != nil {
		return nil, 0, oip.Bad("the body is not %s: %v", encoding, err)
	}
	return &capped{from: body, left: limit, limit: limit}, -1, nil
}

// bodyRead ends the time that a body may take: what follows is the server's own.
func bodyRead(x *exchange) {
	_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(time.Time{})
}

// capped fails when more than the limit comes out of a decompressor.
type capped struct {
	from        io.Reader
	left, limit int64
}

func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.from.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, oip.TooLarge("the decompressed body has more than %d bytes", c.limit)
	}
	var large *http.MaxBytesError
	if err != nil && !errors.Is(err, io.EOF) && !errors.As(err, &large) {
		err = oip.Bad("the compressed body is damaged: %v", err)
	}
	return n, err
}

// headerLength reads Inference-Header-Content-Length, -1 without.
func headerLength(r *http.Request) (int64, error) {
	text := r.Header.Get("Inference-Header-Content-Length")
	if text == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, oip.Bad("Inference-Header-Content-Length: want a number of bytes, got %q", shorten(text))
	}
	return n, nil
}

// small reads the body of a request that is no more than a few words.
func (h *Handler) small(x *exchange, r *http.Request) ([]byte, error) {
	const limit = 1 << 20
	body, _, err := h.openBody(x, r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read: %w", oip.Bad("the body ends early: %v", err))
	case len(text) > limit:
		return nil, oip.TooLarge("the body has more than %d bytes", limit)
	}
	return text, nil
}
