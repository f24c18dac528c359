package hub

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nitrain/nitrain/internal/shared"
)

const (
	commitA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	token   = "hf_secret"
)

// fakeHub answers as https://huggingface.co/docs/hub/api and huggingface_hub describe it: files in LFS are
// redirected to storage on another host, which must not see the token.
type fakeHub struct {
	files  map[string][]byte
	lfs    map[string]bool
	token  string // wanted; "": a public repository
	store  string // the storage's address
	flip   string // a file of which a bit is flipped
	cutAt  atomic.Int64
	gets   atomic.Int64
	bytes  atomic.Int64
	ranges sync.Map
	leaked atomic.Bool
}

func startFake(t *testing.T, f *fakeHub) string {
	t.Helper()
	f.store = "http://" + serve(t, http.HandlerFunc(f.storage))
	return "http://" + serve(t, http.HandlerFunc(f.hub))
}

func (f *fakeHub) hub(w http.ResponseWriter, r *http.Request) {
	if f.token != "" && r.Header.Get("Authorization") != "Bearer "+f.token {
		w.Header().Set("X-Error-Code", "RepoNotFound")
		http.Error(w, "Invalid username or password.", http.StatusUnauthorized)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/")
	switch {
	case strings.HasPrefix(path, "api/models/org/repo/revision/"):
		if rev := strings.TrimPrefix(path, "api/models/org/repo/revision/"); rev != "main" && rev != commitA && rev != "refs/pr/1" {
			w.Header().Set("X-Error-Code", "RevisionNotFound")
			http.Error(w, "{}", http.StatusNotFound)
			return
		}
		var siblings []map[string]string
		for name := range f.files {
			siblings = append(siblings, map[string]string{"rfilename": name})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"id": "org/repo", "sha": commitA, "siblings": siblings})
	case strings.HasPrefix(path, "org/repo/resolve/"):
		_, name, _ := strings.Cut(strings.TrimPrefix(path, "org/repo/resolve/"), "/")
		f.resolve(w, r, name)
	default:
		w.Header().Set("X-Error-Code", "RepoNotFound")
		http.Error(w, "{}", http.StatusUnauthorized)
	}
}

func (f *fakeHub) resolve(w http.ResponseWriter, r *http.Request, name string) {
	raw, ok := f.files[name]
	if !ok {
		w.Header().Set("X-Error-Code", "EntryNotFound")
		http.Error(w, "Entry not found", http.StatusNotFound)
		return
	}
	w.Header().Set("X-Repo-Commit", commitA)
	if f.lfs[name] {
		sum := sha256.Sum256(raw)
		w.Header().Set("X-Linked-Etag", `"`+hex.EncodeToString(sum[:])+`"`)
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(raw)))
		w.Header().Set("ETag", `"of-the-redirect"`)
		w.Header().Set("Location", f.store+"/"+name)
		w.WriteHeader(http.StatusFound)
		return
	}
	w.Header().Set("ETag", `W/"`+gitSHA1(raw)+`"`)
	f.send(w, r, name)
}

func gitSHA1(raw []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(raw))
	h.Write(raw)
	return hex.EncodeToString(h.Sum(nil))
}

func (f *fakeHub) storage(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		f.leaked.Store(true)
	}
	f.send(w, r, strings.TrimPrefix(r.URL.Path, "/"))
}

func (f *fakeHub) send(w http.ResponseWriter, r *http.Request, name string) {
	raw := bytes.Clone(f.files[name])
	if f.flip == name {
		raw[len(raw)/2] ^= 1
	}
	if r.Method == http.MethodGet {
		f.gets.Add(1)
		f.ranges.Store(r.Header.Get("Range"), true)
	}
	if n := f.cutAt.Swap(0); n > 0 && r.Method == http.MethodGet && len(raw) > int(n) {
		w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
		_, _ = w.Write(raw[:n])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	http.ServeContent(counted{w, &f.bytes}, r, "", time.Time{}, bytes.NewReader(raw))
}

type counted struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return c.ResponseWriter.Write(p)
}

// newFake returns a repository with a model of some size in LFS, its README and other files.
func newFake(t *testing.T, size int) *fakeHub {
	t.Helper()
	model, err := os.ReadFile(writeModel(t, size, 9))
	if err != nil {
		t.Fatal(err)
	}
	return &fakeHub{lfs: map[string]bool{"onnx/model.onnx": true}, files: map[string][]byte{
		"onnx/model.onnx":   model,
		"README.md":         []byte("---\nlicense: cc-by-4.0\ntags: [x]\n---\n# A model\n"),
		"pytorch_model.bin": []byte("a pickle that nobody fetches"),
		"../evil.onnx":      []byte("no"),
	}}
}

func hfHub(t *testing.T, endpoint string) (*Hub, string) {
	t.Helper()
	cache := filepath.Join(t.TempDir(), "hf")
	h, err := Open(Options{Dir: filepath.Join(t.TempDir(), "hub"), HuggingFace: HuggingFaceOptions{Endpoint: endpoint, Token: token, Cache: cache}})
	if err != nil {
		t.Fatal(err)
	}
	return h, cache
}

func TestHuggingFacePull(t *testing.T) {
	f := newFake(t, 1<<20)
	f.token = token
	h, cache := hfHub(t, startFake(t, f))
	p := pull(t, h, "hf://org/repo")
	if p.Name != "org/repo:main" || p.From != "hf://org/repo@"+commitA+"/onnx/model.onnx" {
		t.Errorf("want the commit and the file, got %+v", p)
	}
	if f.leaked.Load() {
		t.Error("the token went to the storage's host")
	}
	m, err := h.Show(context.Background(), ref(t, "org/repo:main"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Annotations["org.opencontainers.image.licenses"] != "cc-by-4.0" || m.From != "hf://org/repo@main" || m.Provenance.SHA256 != "aaaa1111" {
		t.Errorf("want licence, source and provenance, got %+v", m)
	}
	card, _, err := h.Read(ref(t, "org/repo:main"), RoleCard)
	if err != nil || string(card) != string(f.files["README.md"]) {
		t.Errorf("want the repository's own card, got %q, %v", card, err)
	}
	sum := sha256.Sum256(f.files["onnx/model.onnx"])
	root := filepath.Join(cache, "models--org--repo")
	for path, want := range map[string]string{
		"snapshots/" + commitA + "/onnx/model.onnx": "../../../blobs/" + hex.EncodeToString(sum[:]),
		"snapshots/" + commitA + "/README.md":       "../../blobs/" + gitSHA1(f.files["README.md"]),
	} {
		if got, err := os.Readlink(filepath.Join(root, path)); err != nil || got != want {
			t.Errorf("%s: want a link to %s, got %q, %v", path, want, got, err)
		}
	}
	if raw, err := os.ReadFile(filepath.Join(root, "refs", "main")); err != nil || string(raw) != commitA {
		t.Errorf("refs/main: want %s, got %q, %v", commitA, raw, err)
	}
	gets := f.gets.Load()
	pull(t, h, "hf://org/repo@refs/pr/1")
	pull(t, h, "hf://org/repo@"+commitA+"/onnx/model.onnx")
	if f.gets.Load() != gets {
		t.Error("want nothing fetched again")
	}
	h.o.HuggingFace.Offline = true
	pull(t, h, "hf://org/repo@refs/pr/1")
	if _, err := h.Pull(context.Background(), ref(t, "hf://org/repo@v9"), Ref{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("want an error about a revision that is not in the cache, got %v", err)
	}
	blob := filepath.Join(root, "blobs", gitSHA1(f.files["README.md"]))
	if err := os.WriteFile(blob, bytes.ToUpper(f.files["README.md"]), 0o644); err != nil {
		t.Fatal(err)
	}
	var damaged *DigestError
	if _, err := h.Pull(context.Background(), ref(t, "hf://org/repo@refs/pr/1"), Ref{}); !errors.As(err, &damaged) {
		t.Errorf("want a damaged file of the cache refused, got %v", err)
	}
	sound(t, h)
}

func TestHuggingFaceFaults(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fakeHub)
		ref    string
		want   string
	}{
		"a flipped byte":       {func(f *fakeHub) { f.flip = "onnx/model.onnx" }, "hf://org/repo", "onnx/model.onnx: want"},
		"a flipped small file": {func(f *fakeHub) { f.flip = "README.md" }, "hf://org/repo", "README.md: want"},
		"a private repository": {func(f *fakeHub) { f.token = "another" }, "hf://org/repo", "401"},
		"no such repository":   {func(*fakeHub) {}, "hf://org/none", "401"},
		"no such revision":     {func(*fakeHub) {}, "hf://org/repo@v7", "404"},
		"no such file":         {func(*fakeHub) {}, "hf://org/repo@main/x.onnx", "404"},
		"a pickle":             {func(*fakeHub) {}, "hf://org/repo@main/pytorch_model.bin", "want an .onnx file"},
		"no model":             {func(f *fakeHub) { delete(f.files, "onnx/model.onnx"); delete(f.files, "../evil.onnx") }, "hf://org/repo", "no .onnx file"},
		"two models":           {func(f *fakeHub) { f.files["a.onnx"], f.files["b.onnx"] = nil, nil; delete(f.files, "onnx/model.onnx") }, "hf://org/repo", "a.onnx, b.onnx"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, 4096)
			c.change(f)
			h, cache := hfHub(t, startFake(t, f))
			_, err := h.Pull(context.Background(), ref(t, c.ref), Ref{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("want an error with %q, got %v", c.want, err)
			}
			if strings.Contains(err.Error(), token) {
				t.Errorf("the token is in the message: %v", err)
			}
			if f.flip != "" {
				left, _ := filepath.Glob(filepath.Join(cache, "*", "*", "*", f.flip))
				parts, _ := filepath.Glob(filepath.Join(cache, "*", "blobs", "*.incomplete"))
				if len(left)+len(parts) > 0 {
					t.Errorf("want nothing left of the damaged file, got %v %v", left, parts)
				}
			}
			if list, err := h.List(); err != nil || len(list) > 0 {
				t.Errorf("want nothing in the hub, got %v, %v", list, err)
			}
		})
	}
}

func TestHuggingFaceResumes(t *testing.T) {
	f := newFake(t, 4<<20)
	h, _ := hfHub(t, startFake(t, f))
	f.cutAt.Store(3 << 20)
	pull(t, h, "hf://org/repo")
	if _, ok := f.ranges.Load(fmt.Sprintf("bytes=%d-", 3<<20)); !ok {
		t.Error("want the transfer to go on at the byte where it was cut")
	}
	sound(t, h)
}

func TestHuggingFaceHealsTheCache(t *testing.T) {
	f := newFake(t, 1<<16)
	h, cache := hfHub(t, startFake(t, f))
	pull(t, h, "hf://org/repo")
	sum := sha256.Sum256(f.files["onnx/model.onnx"])
	blob := filepath.Join(cache, "models--org--repo", "blobs", hex.EncodeToString(sum[:]))
	raw, err := os.ReadFile(blob)
	if err != nil {
		t.Fatal(err)
	}
	raw[99] ^= 8
	if err := os.WriteFile(blob, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	pull(t, h, "hf://org/repo")
	if got, err := os.ReadFile(blob); err != nil || !bytes.Equal(got, f.files["onnx/model.onnx"]) {
		t.Errorf("want the damaged file of the cache replaced, %v", err)
	}
}

func TestHuggingFaceExternalData(t *testing.T) {
	folder := shared.Dir(t, "models", "box_external_data")
	f := &fakeHub{lfs: map[string]bool{}, files: map[string][]byte{}}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if raw, err := os.ReadFile(filepath.Join(folder, e.Name())); err == nil && e.Name() != "truth.onnx" {
			f.files["onnx/"+e.Name()] = raw
			f.lfs["onnx/"+e.Name()] = true
		}
	}
	h, _ := hfHub(t, startFake(t, f))
	pull(t, h, "hf://org/repo")
	m, err := h.Show(context.Background(), ref(t, "org/repo:main"))
	if err != nil {
		t.Fatal(err)
	}
	data := 0
	for _, file := range m.Files {
		if file.Role == RoleData {
			data++
		}
	}
	if data == 0 {
		t.Errorf("want the external data, got %+v", m.Files)
	}
	sound(t, h)
}

// TestHuggingFacePython lets Python's huggingface_hub read our cache, and write one that we read: the imitation
// and the layout are as it expects them.
func TestHuggingFacePython(t *testing.T) {
	python := os.Getenv("NITRAIN_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import huggingface_hub").Run(); err != nil {
		t.Skipf("%s has no huggingface_hub (set NITRAIN_PYTHON)", python)
	}
	f := newFake(t, 1<<20)
	f.token = token
	delete(f.files, "../evil.onnx")
	endpoint := startFake(t, f)
	h, cache := hfHub(t, endpoint)
	pull(t, h, "hf://org/repo")
	run := func(cache, offline, script string) string {
		cmd := exec.Command(python, "-c", script)
		cmd.Env = append(os.Environ(), "HF_ENDPOINT="+endpoint, "HF_TOKEN="+token, "HF_HUB_CACHE="+cache, "HF_HUB_OFFLINE="+offline,
			"HF_HUB_DISABLE_XET=1", "HF_HUB_DISABLE_PROGRESS_BARS=1", "HF_HUB_DISABLE_TELEMETRY=1", "HF_HUB_DISABLE_UPDATE_CHECK=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	got := run(cache, "1", `from huggingface_hub import hf_hub_download, scan_cache_dir, try_to_load_from_cache
assert try_to_load_from_cache("org/repo", "README.md")
info = scan_cache_dir()
assert not info.warnings, info.warnings
repo = list(info.repos)[0]
assert repo.repo_id == "org/repo" and repo.nb_files == 2 and list(repo.revisions)[0].refs == {"main"}, repo
print(hf_hub_download("org/repo", "onnx/model.onnx"))`)
	raw, err := os.ReadFile(got)
	if err != nil || !bytes.Equal(raw, f.files["onnx/model.onnx"]) {
		t.Errorf("%s: Python's model is not ours (%v)", got, err)
	}
	theirs := filepath.Join(t.TempDir(), "theirs")
	run(theirs, "0", `from huggingface_hub import hf_hub_download
hf_hub_download("org/repo", "onnx/model.onnx")
hf_hub_download("org/repo", "README.md")`)
	h.o.HuggingFace.Cache = theirs
	gets := f.gets.Load()
	if _, err := h.Pull(context.Background(), ref(t, "hf://org/repo"), ref(t, "again:v1")); err != nil {
		t.Fatal(err)
	}
	if n := f.gets.Load() - gets; n != 0 {
		t.Errorf("want Python's cache used, %d files were fetched", n)
	}
}

func TestHuggingFaceEnvironment(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"} {
		t.Setenv(name, "")
	}
	t.Setenv("HF_HOME", home)
	if err := os.WriteFile(filepath.Join(home, "token"), []byte("hf_file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := HuggingFaceOptions{}.resolve()
	if err != nil || o != (HuggingFaceOptions{Endpoint: defaultEndpoint, Token: "hf_file", Cache: filepath.Join(home, "hub")}) {
		t.Errorf("got %+v, %v", o, err)
	}
	t.Setenv("HF_TOKEN", "hf_env")
	t.Setenv("HF_ENDPOINT", "http://example.org/")
	t.Setenv("HF_HUB_OFFLINE", "1")
	if o, err = (HuggingFaceOptions{}).resolve(); err != nil || o.Token != "hf_env" || o.Endpoint != "http://example.org" || !o.Offline {
		t.Errorf("got %+v, %v", o, err)
	}
	if _, err := newHub(t).hugging(ref(t, "hf://a/b")); err == nil || !strings.Contains(err.Error(), "--plain-http") {
		t.Errorf("want an endpoint without TLS on another machine refused, got %v", err)
	}
}
