package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// chunk is how many bytes one request of an upload carries; a shorter blob goes up in one piece.
const chunk = 8 << 20

// errNoSession says that the registry does not know the upload any more.
var errNoSession = errors.New("the registry has given up the upload")

// upload is one blob on its way to a registry, in the chunks of the OCI distribution specification. After a
// cut the registry is asked how much it has.
type upload struct {
	g       *registry
	file    *os.File
	desc    ocispec.Descriptor
	name    string
	session string // the file that remembers where the upload goes on, for another process
	told    func(int64)

	location *url.URL
	offset   int64
}

// session is what is remembered of an upload.
type session struct {
	Base     string `json:"base"`
	Location string `json:"location"`
}

// push brings one blob of the hub to a registry, unless it is there.
func (h *Hub) push(ctx context.Context, g *registry, desc ocispec.Descriptor, name string) error {
	there, err := g.repo.Blobs().Exists(ctx, desc)
	if err != nil {
		return g.wrap(err)
	}
	if there {
		return nil
	}
	if err := h.verifyBlob(ctx, desc, name, nil); err != nil {
		return err
	}
	f, err := os.Open(h.path(desc.Digest))
	if err != nil {
		return fmt.Errorf("hub: %s: %w", name, err)
	}
	defer f.Close()
	release, err := h.lock(ctx, "push-"+desc.Digest.Encoded()[:2])
	if err != nil {
		return err
	}
	defer release()
	key := digest.FromString(g.base + desc.Digest.String()).Encoded()[:16]
	u := &upload{
		g: g, file: f, desc: desc, name: name,
		session: filepath.Join(h.ingest(), desc.Digest.Encoded()[:16]+"-"+key+sessionEnd),
		told:    func(n int64) { h.o.Progress(Progress{"push", name, n, desc.Size}) },
	}
	ctx = auth.AppendRepositoryScope(ctx, g.repo.Reference, auth.ActionPull, auth.ActionPush)
	if desc.Size <= chunk {
		return g.wrap(u.whole(ctx))
	}
	return g.wrap(u.chunks(ctx))
}

// whole sends the blob in one request, again after a cut.
func (u *upload) whole(ctx context.Context) error {
	for failed := 1; ; failed++ {
		err := u.g.repo.Blobs().Push(ctx, u.desc, io.NewSectionReader(u.file, 0, u.desc.Size))
		if err == nil {
			u.told(u.desc.Size)
			return nil
		}
		if ctx.Err() != nil || failed == attempts || refused(err) {
			return fmt.Errorf("%s: %w", u.name, err)
		}
		if err := sleep(ctx, pause<<(failed-1)); err != nil {
			return err
		}
	}
}

// chunks sends the blob chunk by chunk.
func (u *upload) chunks(ctx context.Context) error {
	u.remember(ctx)
	for failed := 0; ; {
		had := u.offset
		err := u.step(ctx)
		if err == nil && u.location == nil {
			return nil
		}
		if err == nil {
			failed = 0
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if u.offset > had {
			failed = 0
		}
		if failed++; failed == attempts || refused(err) {
			return fmt.Errorf("%s: %d of %d bytes arrived: %w", u.name, u.offset, u.desc.Size, err)
		}
		if err := sleep(ctx, pause<<(failed-1)); err != nil {
			return err
		}
		if errors.Is(err, errNoSession) {
			u.location, u.offset = nil, 0
		}
		u.ask(ctx)
	}
}

// step begins the upload, sends the next chunk, or ends the upload: then there is no location any more.
func (u *upload) step(ctx context.Context) error {
	switch {
	case u.location == nil:
		return u.begin(ctx)
	case u.offset < u.desc.Size:
		return u.patch(ctx)
	default:
		return u.end(ctx)
	}
}

// remember takes up the upload of an earlier process. The registry is asked how far it came.
func (u *upload) remember(ctx context.Context) {
	raw, err := readSmall(u.session, maxDocument)
	var s session
	if err != nil || json.Unmarshal(raw, &s) != nil || s.Base != u.g.base {
		return
	}
	at, err := url.Parse(s.Location)
	if err != nil || u.sameHost(at) != nil {
		return
	}
	u.location = at
	u.ask(ctx)
}

// ask sets the offset to what the registry has; without an answer the upload begins anew.
func (u *upload) ask(ctx context.Context) {
	if u.location == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, idle)
	defer cancel()
	ctx = auth.AppendRepositoryScope(ctx, u.g.repo.Reference, auth.ActionPull, auth.ActionPush)
	resp, err := u.request(ctx, http.MethodGet, u.location, nil, 0)
	if err == nil {
		err = u.answered(resp, http.StatusNoContent)
	}
	if err != nil {
		u.location, u.offset = nil, 0
	}
}

func (u *upload) begin(ctx context.Context) error {
	at, err := url.Parse(u.g.base + "/blobs/uploads/")
	if err != nil {
		return err
	}
	resp, err := u.request(ctx, http.MethodPost, at, nil, 0)
	if err != nil {
		return err
	}
	if err := u.answered(resp, http.StatusAccepted); err != nil {
		return err
	}
	u.offset = 0
	return nil
}

func (u *upload) patch(ctx context.Context) error {
	n := min(u.desc.Size-u.offset, chunk)
	before := u.offset
	body := func() io.Reader {
		return &toldReader{io.NewSectionReader(u.file, before, n), func(k int64) { u.told(before + k) }, 0}
	}
	resp, err := u.request(ctx, http.MethodPatch, u.location, body, n)
	if err != nil {
		return err
	}
	if err := u.answered(resp, http.StatusAccepted); err != nil {
		return err
	}
	if u.offset != before+n {
		return fmt.Errorf("sent %d bytes behind %d, the registry has %d", n, before, u.offset)
	}
	return nil
}

func (u *upload) end(ctx context.Context) error {
	at := *u.location
	q := at.Query()
	q.Set("digest", u.desc.Digest.String())
	at.RawQuery = q.Encode()
	resp, err := u.request(ctx, http.MethodPut, &at, nil, 0)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return answer(resp)
	}
	u.location = nil
	_ = os.Remove(u.session) // one that stays is swept later
	return nil
}

// request sends one request; body is called again when it must be repeated after a login.
func (u *upload) request(ctx context.Context, method string, at *url.URL, body func() io.Reader, n int64) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	req, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
	if err != nil {
		cancel()
		return nil, err
	}
	if body != nil {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(body()), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = n
		req.Header.Set("Content-Type", "application/octet-stream")
		req.Header.Set("Content-Range", fmt.Sprintf("%d-%d", u.offset, u.offset+n-1))
	}
	resp, err := u.g.once.Do(req)
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &cancelBody{resp.Body, cancel}
	return resp, nil
}

// answered takes the next location and the offset from an answer and closes it.
func (u *upload) answered(resp *http.Response, want int) error {
	defer resp.Body.Close()
	if resp.StatusCode != want {
		return answer(resp)
	}
	at, err := resp.Location()
	if err != nil && resp.Header.Get("Location") == "" && u.location != nil {
		at, err = u.location, nil
	}
	if err != nil {
		return err
	}
	if err := u.sameHost(at); err != nil {
		return err
	}
	u.location, u.offset = at, 0
	if _, to, ok := strings.Cut(resp.Header.Get("Range"), "-"); ok {
		last, err := strconv.ParseInt(to, 10, 64)
		if err != nil || last < 0 || last >= u.desc.Size {
			return fmt.Errorf("the registry has bytes %q of %d", resp.Header.Get("Range"), u.desc.Size)
		}
		if last > 0 { // 0-0 stands for nothing too
			u.offset = last + 1
		}
	}
	raw, err := json.Marshal(session{u.g.base, at.String()})
	if err != nil {
		return err
	}
	return replace(u.session, raw, 0o600)
}

// sameHost keeps credentials and bytes from going elsewhere than to the registry.
func (u *upload) sameHost(at *url.URL) error {
	base, err := url.Parse(u.g.base)
	if err != nil {
		return err
	}
	if at.Scheme != base.Scheme || at.Hostname() != base.Hostname() || port(at) != port(base) {
		return permanentError{fmt.Errorf("the registry sends the upload to %s://%s, another place", at.Scheme, at.Host)}
	}
	return nil
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// answer makes an error of a registry's answer.
func answer(resp *http.Response) error {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // what it says is only for people
	err := fmt.Errorf("%s %s: %s: %s", resp.Request.Method, resp.Request.URL.Path, resp.Status, strings.TrimSpace(string(raw)))
	switch {
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable ||
		resp.StatusCode == http.StatusBadRequest:
		return fmt.Errorf("%w: %w", errNoSession, err)
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests:
		return permanentError{err}
	}
	return err
}

// refused reports whether an error will stay whatever is tried.
func refused(err error) bool {
	var permanent permanentError
	var answer *errcode.ErrorResponse
	return errors.As(err, &permanent) || errors.As(err, &answer) && answer.StatusCode >= 400 && answer.StatusCode < 500 &&
		answer.StatusCode != http.StatusTooManyRequests && answer.StatusCode != http.StatusRequestTimeout
}

// cancelBody ends a request's timer with its answer.
type cancelBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *cancelBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// toldReader tells how many bytes were read.
type toldReader struct {
	r    io.Reader
	told func(int64)
	n    int64
}

func (r *toldReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.n += int64(n)
	r.told(r.n)
	return n, err
}
