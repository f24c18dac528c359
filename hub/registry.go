package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// The environment's user and password for registries; they come before docker's file.
const (
	userVariable     = "NITRAIN_REGISTRY_USER"
	passwordVariable = "NITRAIN_REGISTRY_PASSWORD"
)

// registry is one repository of a registry.
type registry struct {
	ref  Ref
	repo *remote.Repository
	auth *auth.Client // repeats requests that fail
	once *auth.Client // does not: repeating a part of an upload would spoil it
	base string       // https://host/v2/name
}

// RemoteError is a refusal or a failure of a server, in words.
type RemoteError struct {
	Ref    string
	Err    error
	advice string
}

func (e *RemoteError) Error() string { return fmt.Sprintf("hub: %s: %v", e.Ref, e.Err) }

// Unwrap returns the cause.
func (e *RemoteError) Unwrap() error { return e.Err }

// Hint says what may help, "" where nothing is known.
func (e *RemoteError) Hint() string { return e.advice }

// registry connects to the repository of an OCI reference.
func (h *Hub) registry(ctx context.Context, r Ref) (*registry, error) {
	repo, err := remote.NewRepository(r.Host + "/" + r.Name)
	if err != nil {
		return nil, fmt.Errorf("hub: %s: %w", r, err)
	}
	credential, err := credentialFor(r.Host)
	if err != nil {
		return nil, fmt.Errorf("hub: %s: %w", r, err)
	}
	once := &auth.Client{Client: h.client(), Cache: auth.NewCache(), Credential: credential}
	once.SetUserAgent("nitrain")
	if loopback(r.Host) {
		once.BlockedRealmPrefixes = []netip.Prefix{} // its token server may be on this machine too
	}
	again := *once
	again.Client = h.client()
	again.Client.Transport = retry.NewTransport(again.Client.Transport)
	g := &registry{ref: r, repo: repo, auth: &again, once: once}
	repo.Client = g.auth
	repo.MaxMetadataBytes = maxManifest
	if repo.PlainHTTP, err = h.plain(ctx, r.Host); err != nil {
		return nil, g.wrap(err)
	}
	scheme := "https"
	if repo.PlainHTTP {
		scheme = "http"
	}
	g.base = scheme + "://" + repo.Reference.Host() + "/v2/" + r.Name
	return g, nil
}

// client makes an HTTP client that follows few redirects, none from https to http, and takes no credentials
// along to another host.
func (h *Hub) client() *http.Client {
	transport := h.o.Transport
	if transport == nil {
		transport = http.DefaultTransport
		if t, ok := transport.(*http.Transport); ok {
			t = t.Clone()
			t.ResponseHeaderTimeout = idle
			transport = t
		}
	}
	return &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		first := via[0]
		switch {
		case len(via) >= 10:
			return errors.New("more than 10 redirects")
		case next.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https":
			return fmt.Errorf("redirect from https to %s refused", next.URL.Scheme)
		case next.URL.Scheme != "https" && !h.o.PlainHTTP && !loopback(next.URL.Host):
			return fmt.Errorf("redirect to %s on another machine refused", next.URL.Scheme)
		}
		if !strings.EqualFold(next.URL.Host, first.URL.Host) {
			next.Header.Del("Authorization")
		}
		return nil
	}}
}

// plain reports whether a registry is spoken to without TLS: one on this machine that does not answer with
// TLS, or any when the caller allows it.
func (h *Hub) plain(ctx context.Context, host string) (bool, error) {
	if !loopback(host) {
		return h.o.PlainHTTP, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/v2/", nil)
	if err != nil {
		return false, err
	}
	resp, err := h.client().Do(req)
	if err == nil {
		return false, resp.Body.Close()
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return true, nil
	}
	return false, err
}

// loopback tells hosts, with or without a port, that are this machine.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

// credentialFor returns what opens a registry: the environment's user, or what docker or podman keep in their
// files. Programs that these files name are not run.
func credentialFor(host string) (auth.CredentialFunc, error) {
	if user, password := os.Getenv(userVariable), os.Getenv(passwordVariable); user != "" || password != "" {
		return auth.StaticCredential(host, auth.Credential{Username: user, Password: password}), nil
	}
	file := os.Getenv("REGISTRY_AUTH_FILE")
	if file == "" {
		dir := os.Getenv("DOCKER_CONFIG")
		if dir == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return nil, nil //nolint:nilerr,nilnil // without a home there are no credentials
			}
			dir = filepath.Join(home, ".docker")
		}
		file = filepath.Join(dir, "config.json")
	}
	if !exists(file) {
		return nil, nil //nolint:nilnil // no function is what the client wants for no credentials
	}
	store, err := credentials.NewFileStore(file)
	if err != nil {
		return nil, fmt.Errorf("credentials: %s: %w", file, err)
	}
	return credentials.Credential(store), nil
}

// wrap says what a server's answer means.
func (g *registry) wrap(err error) error {
	if err == nil {
		return nil
	}
	e := &RemoteError{Ref: g.ref.String(), Err: err}
	var answer *errcode.ErrorResponse
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		e.Err = errors.New("the registry has no such model")
		return &RemoteError{Ref: e.Ref, Err: fmt.Errorf("%w: %w", os.ErrNotExist, e.Err)}
	case errors.Is(err, auth.ErrBasicCredentialNotFound) || errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		e.advice = "log in with docker login (without a credential helper), or set " + userVariable + " and " + passwordVariable
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.advice = "a registry without TLS on another machine needs --plain-http"
	}
	return e
}

// manifest fetches and checks the manifest of the reference.
func (g *registry) manifest(ctx context.Context) (*manifest, error) {
	reference := g.ref.Digest
	if reference == "" {
		reference = g.ref.Tag
	}
	desc, body, err := g.repo.Manifests().FetchReference(ctx, reference)
	if err != nil {
		return nil, g.wrap(err)
	}
	defer body.Close()
	if desc.Size > maxManifest {
		return nil, fmt.Errorf("hub: %s: manifest: want at most %d bytes, got %d", g.ref, maxManifest, desc.Size)
	}
	raw, err := io.ReadAll(io.LimitReader(body, maxManifest+1))
	if err != nil {
		return nil, g.wrap(err)
	}
	want := desc.Digest
	if g.ref.Digest != "" {
		want = digest.Digest(g.ref.Digest)
	}
	if got := digest.FromBytes(raw); got != want {
		return nil, &DigestError{g.ref.String() + ": manifest", string(want), string(got)}
	}
	m, err := parseManifest(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", g.ref, err)
	}
	return m, nil
}

// blob opens a blob from an offset on.
func (g *registry) blob(d ocispec.Descriptor) origin {
	return func(ctx context.Context, offset int64) (io.ReadCloser, int64, error) {
		ctx = auth.AppendRepositoryScope(ctx, g.repo.Reference, auth.ActionPull)
		resp, err := get(ctx, g.auth.Do, g.base+"/blobs/"+d.Digest.String(), offset, nil)
		if err != nil {
			return nil, 0, err
		}
		return ranged(resp, offset)
	}
}

// get asks for a file from an offset on.
func get(ctx context.Context, do func(*http.Request) (*http.Response, error), address string, offset int64, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, permanentError{err}
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Accept-Encoding", "identity")
	if offset > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
	}
	return do(req)
}

// ranged returns the body of an answer and where it begins.
func ranged(resp *http.Response, offset int64) (io.ReadCloser, int64, error) {
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.Body, 0, nil
	case http.StatusPartialContent:
		text, _ := strings.CutPrefix(resp.Header.Get("Content-Range"), "bytes ")
		from, _, _ := strings.Cut(text, "-")
		start, err := strconv.ParseInt(from, 10, 64)
		if err != nil {
			start = offset
		}
		if start != offset {
			resp.Body.Close()
			return nil, 0, permanentError{fmt.Errorf("asked for bytes from %d, got %q", offset, resp.Header.Get("Content-Range"))}
		}
		return resp.Body, start, nil
	}
	defer resp.Body.Close()
	address := url.URL{Scheme: resp.Request.URL.Scheme, Host: resp.Request.URL.Host, Path: resp.Request.URL.Path}
	err := fmt.Errorf("%s: %s", address.String(), resp.Status)
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout {
		return nil, 0, err
	}
	return nil, 0, permanentError{err}
}
