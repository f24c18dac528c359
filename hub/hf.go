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
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// HuggingFaceOptions say how Hugging Face is reached. A zero field is taken from the environment variables that
// huggingface_hub documents: HF_ENDPOINT, HF_TOKEN or the file that `hf auth login` writes, HF_HUB_CACHE or
// HF_HOME, HF_HUB_OFFLINE.
type HuggingFaceOptions struct {
	Endpoint string // https://huggingface.co
	Token    string
	Cache    string // the folder shared with Python
	Offline  bool   // nothing but what is in the cache
}

const defaultEndpoint = "https://huggingface.co"

// resolve fills in what is zero.
func (o HuggingFaceOptions) resolve() (HuggingFaceOptions, error) {
	home := os.Getenv("HF_HOME")
	if home == "" {
		base := os.Getenv("XDG_CACHE_HOME")
		if base == "" {
			user, err := os.UserHomeDir()
			if err != nil {
				return o, fmt.Errorf("hub: hugging face: %w", err)
			}
			base = filepath.Join(user, ".cache")
		}
		home = filepath.Join(base, "huggingface")
	}
	first := func(values ...string) string {
		for _, v := range values {
			if v != "" {
				return v
			}
		}
		return ""
	}
	o.Endpoint = strings.TrimRight(first(o.Endpoint, os.Getenv("HF_ENDPOINT"), defaultEndpoint), "/")
	o.Cache = first(o.Cache, os.Getenv("HF_HUB_CACHE"), filepath.Join(home, "hub"))
	if o.Token = first(o.Token, os.Getenv("HF_TOKEN"), os.Getenv("HUGGING_FACE_HUB_TOKEN")); o.Token == "" && !truth("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
		raw, err := readSmall(first(os.Getenv("HF_TOKEN_PATH"), filepath.Join(home, "token")), 4096)
		if err == nil { // without a file there is no token
			o.Token = string(raw)
		}
	}
	o.Token = strings.TrimSpace(o.Token)
	o.Offline = o.Offline || truth("HF_HUB_OFFLINE")
	return o, nil
}

func truth(variable string) bool {
	return slices.Contains([]string{"1", "ON", "YES", "TRUE"}, strings.ToUpper(os.Getenv(variable)))
}

// huggingFace is one repository on Hugging Face and its place in the cache.
type huggingFace struct {
	h      *Hub
	o      HuggingFaceOptions
	ref    Ref
	client *http.Client
	commit string
}

// hugging connects to the repository of a Hugging Face reference.
func (h *Hub) hugging(r Ref) (*huggingFace, error) {
	o, err := h.o.HuggingFace.resolve()
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(o.Endpoint)
	if err != nil || at.Host == "" || at.User != nil || at.Scheme != "https" && at.Scheme != "http" {
		return nil, fmt.Errorf("hub: hugging face: want an endpoint https://host, got %q", o.Endpoint)
	}
	if at.Scheme == "http" && !h.o.PlainHTTP && !loopback(at.Host) {
		return nil, fmt.Errorf("hub: hugging face: endpoint %s without TLS on another machine: want --plain-http", o.Endpoint)
	}
	return &huggingFace{h: h, o: o, ref: r, client: h.client()}, nil
}

// do sends a request with the token.
func (f *huggingFace) do(req *http.Request) (*http.Response, error) {
	if f.o.Token != "" {
		req.Header.Set("Authorization", "Bearer "+f.o.Token)
	}
	req.Header.Set("User-Agent", "nitrain")
	return f.client.Do(req)
}

// wrap says what Hugging Face's answer means.
func (f *huggingFace) wrap(resp *http.Response) error {
	e := &RemoteError{Ref: f.ref.String(), Err: errors.New(resp.Status)}
	reason := resp.Header.Get("X-Error-Code")
	if text := resp.Header.Get("X-Error-Message"); text != "" {
		e.Err = fmt.Errorf("%s: %.200s", resp.Status, strings.ToValidUTF8(text, "?"))
	}
	switch {
	case reason == "GatedRepo" || resp.StatusCode == http.StatusForbidden:
		e.advice = "accept the model's terms on its page and set HF_TOKEN"
	case resp.StatusCode == http.StatusUnauthorized || reason == "RepoNotFound":
		e.advice = "there is no such repository, or it is private: check the name, or set HF_TOKEN"
	case reason == "RevisionNotFound":
		e.advice = "there is no such revision"
	case resp.StatusCode == http.StatusNotFound:
		e.Err = fmt.Errorf("%w: %w", os.ErrNotExist, e.Err)
	}
	return e
}

// files asks for the revision's commit and the names of its files.
func (f *huggingFace) files(ctx context.Context) ([]string, error) {
	if f.o.Offline {
		return f.cached()
	}
	address := f.o.Endpoint + "/api/models/" + f.ref.Name + "/revision/" + url.PathEscape(f.ref.Tag)
	resp, err := get(ctx, f.do, address, 0, nil)
	if err != nil {
		return nil, &RemoteError{f.ref.String(), err, ""}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, f.wrap(resp)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, &RemoteError{f.ref.String(), err, ""}
	}
	var info struct {
		SHA      string `json:"sha"`
		Siblings []struct {
			Name string `json:"rfilename"`
		} `json:"siblings"`
	}
	if err := json.Unmarshal(raw, &info); err != nil || !validHex(info.SHA, 40) {
		return nil, &RemoteError{f.ref.String(), errors.New("the answer is not a description of a repository"), ""}
	}
	f.commit = info.SHA
	var names []string
	for _, s := range info.Siblings {
		if checkFileName(s.Name) == nil {
			names = append(names, s.Name)
		}
	}
	return names, nil
}

// entry is what the server says about one file.
type entry struct {
	etag string // sha256 of a file in LFS, git's sha1 of another
	size int64
}

// head asks about one file of the commit.
func (f *huggingFace) head(ctx context.Context, name string) (entry, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, f.address(name), nil)
	if err != nil {
		return entry{}, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	stay := *f.client // the answer's headers are wanted, not those of the storage that it points to
	stay.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if len(via) >= 10 || next.URL.Host != via[0].URL.Host || next.URL.Scheme != via[0].URL.Scheme {
			return http.ErrUseLastResponse
		}
		return nil
	}
	asks := *f
	asks.client = &stay
	resp, err := asks.do(req)
	if err != nil {
		return entry{}, &RemoteError{f.ref.String(), err, ""}
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		return entry{}, fmt.Errorf("%s: %w", name, f.wrap(resp))
	}
	return f.entryOf(resp, name)
}

func (f *huggingFace) entryOf(resp *http.Response, name string) (entry, error) {
	e := entry{etag: resp.Header.Get("X-Linked-Etag")}
	size := resp.Header.Get("X-Linked-Size")
	if e.etag == "" {
		e.etag = resp.Header.Get("ETag")
	}
	if size == "" && resp.StatusCode < 300 {
		size = resp.Header.Get("Content-Length")
	}
	e.etag = strings.Trim(strings.TrimPrefix(e.etag, "W/"), `"`)
	if !e.known() {
		return e, &RemoteError{f.ref.String(), fmt.Errorf("%s: want a SHA-256 or a git SHA-1 as ETag, got %.80q", name, e.etag), ""}
	}
	if commit := resp.Header.Get("X-Repo-Commit"); commit != "" && commit != f.commit {
		return e, &RemoteError{f.ref.String(), fmt.Errorf("%s: want commit %s, got %.80q", name, f.commit, commit), ""}
	}
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 {
		return e, &RemoteError{f.ref.String(), fmt.Errorf("%s: the server does not say how long it is", name), ""}
	}
	if e.size = n; n > f.h.o.MaxBytes {
		return e, fmt.Errorf("hub: %s: want at most %d bytes, it has %d", name, f.h.o.MaxBytes, n)
	}
	return e, nil
}

// address is where a file of the commit is found.
func (f *huggingFace) address(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return f.o.Endpoint + "/" + f.ref.Name + "/resolve/" + f.commit + "/" + strings.Join(parts, "/")
}

// choose picks the model among a repository's files.
func (f *huggingFace) choose(names []string) (string, error) {
	if f.ref.Path != "" {
		if !strings.EqualFold(path.Ext(f.ref.Path), ".onnx") {
			return "", &RefError{f.ref.String(), "want an .onnx file; other formats hold code or need the framework that wrote them"}
		}
		return f.ref.Path, nil
	}
	var models []string
	for _, n := range names {
		if strings.EqualFold(path.Ext(n), ".onnx") {
			models = append(models, n)
		}
	}
	slices.Sort(models)
	for _, usual := range []string{"model.onnx", "onnx/model.onnx"} {
		if slices.Contains(models, usual) {
			return usual, nil
		}
	}
	switch len(models) {
	case 1:
		return models[0], nil
	case 0:
		return "", &RefError{f.ref.String(), "the repository has no .onnx file"}
	}
	return "", &RefError{f.ref.String(), fmt.Sprintf("want one of its .onnx files behind the revision: %.400s", strings.Join(models, ", "))}
}
