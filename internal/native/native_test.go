package native

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func TestHome(t *testing.T) {
	t.Setenv("NITRAIN_HOME", "some/folder")
	if home, err := Home(); err != nil || !filepath.IsAbs(home) || !strings.HasSuffix(home, filepath.FromSlash("some/folder")) {
		t.Errorf("want an absolute path, got %q, %v", home, err)
	}
	t.Setenv("NITRAIN_HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if _, err := Home(); err == nil || !strings.Contains(hintOf(err), "NITRAIN_HOME") {
		t.Errorf("want an error with a hint, got %v", err)
	}
}

func TestLibrary(t *testing.T) {
	t.Setenv("NITRAIN_HOME", t.TempDir())
	t.Setenv(LibraryVariable, "")
	if _, err := Library(ONNXRuntime); hintOf(err) == "" {
		t.Errorf("want an error with a hint where nothing is installed, got %v", err)
	}
	if _, err := Library(XLACPU); !strings.Contains(hintOf(err), "setup --with xla-cpu") {
		t.Errorf("want an error with a hint where no plugin is installed, got %v", err)
	}
	if _, err := Library("other"); err == nil {
		t.Error("want an error for an unknown library")
	}
	t.Setenv(LibraryVariable, filepath.Join(t.TempDir(), "none.so"))
	if _, err := Library(ONNXRuntime); !strings.Contains(hintOf(err), LibraryVariable) {
		t.Errorf("want an error that names the variable, got %v", err)
	}
	t.Setenv(LibraryVariable, t.TempDir())
	if _, err := Library(ONNXRuntime); err == nil {
		t.Error("want an error for a folder")
	}
	mine := filepath.Join(t.TempDir(), "mine.so")
	put(t, []byte("anything"), mine)
	t.Setenv(LibraryVariable, mine)
	if got, err := Library(ONNXRuntime); err != nil || got != mine {
		t.Errorf("want %s, got %s, %v", mine, got, err)
	}
}

func TestUnknownMachine(t *testing.T) {
	for _, machine := range []string{"darwin/arm64", "windows/amd64", "linux/arm64"} {
		if _, err := artifactFor(ONNXRuntime, machine); !strings.Contains(hintOf(err), LibraryVariable) {
			t.Errorf("%s: want an error with a hint, got %v", machine, err)
		}
		if _, err := artifactFor(XLACPU, machine); !strings.Contains(hintOf(err), "xla:PATH") {
			t.Errorf("%s: want an error with a hint, got %v", machine, err)
		}
	}
}

func TestVerifyBelievesItsRecord(t *testing.T) {
	a, home := testArtifact(), t.TempDir()
	if err := os.MkdirAll(a.folder(home), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, library(), a.path(home))
	if _, err := a.verify(home, false); err != nil {
		t.Fatal(err)
	}
	s := readRecord(a.folder(home))
	if s.SHA256 != a.digests[0] || s.Size != int64(len(library())) {
		t.Fatalf("want a record, got %+v", s)
	}
	for name, spoil := range map[string]func(){
		"time":   func() { _ = os.Chtimes(a.path(home), time.Now(), time.Now().Add(time.Hour)) },
		"record": func() { put(t, []byte("{"), stampFile(a.folder(home))) },
		"gone":   func() { _ = os.Remove(stampFile(a.folder(home))) },
	} {
		spoil()
		if _, err := a.verify(home, false); err != nil {
			t.Errorf("%s: the library is still right, got %v", name, err)
		}
	}
	put(t, []byte("short"), a.path(home))
	if _, err := a.verify(home, false); err == nil || hintOf(err) == "" {
		t.Errorf("want the damage to be seen, with a hint; got %v", err)
	}
}

func TestExtract(t *testing.T) {
	const member = "package/lib.so"
	content := []byte("0123456789")
	bomb := bytes.Repeat([]byte{0}, 1<<20)
	dir := t.TempDir()
	for _, c := range []struct {
		name    string
		archive []byte
		want    string // in the error, "" for none
	}{
		{"good.whl", wheel(t, member, content), ""},
		{"absent.whl", wheel(t, "other/lib.so", content), "not exist"},
		{"large.whl", wheel(t, member, bomb), "at most"},
		{"cut.whl", wheel(t, member, content)[:100], "zip"},
		{"empty.whl", nil, "zip"},
		{"good.tgz", tgz(t, []tar.Header{{Name: "../../etc/passwd", Typeflag: tar.TypeReg}, {Name: member, Typeflag: tar.TypeReg}}, content), ""},
		{"absent.tgz", tgz(t, []tar.Header{{Name: "../" + member, Typeflag: tar.TypeReg}}, content), "not exist"},
		{"link.tgz", tgz(t, []tar.Header{{Name: member, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}}, nil), "not a plain file"},
		{"large.tgz", tgz(t, []tar.Header{{Name: member, Typeflag: tar.TypeReg}}, bomb), "more than"},
		{"cut.tgz", tgz(t, []tar.Header{{Name: member, Typeflag: tar.TypeReg}}, content)[:40], "EOF"},
		{"empty.tgz", nil, "EOF"},
	} {
		path := filepath.Join(dir, c.name)
		put(t, c.archive, path)
		var b bytes.Buffer
		err := extract(path, member, 1000, &b)
		switch {
		case c.want == "" && (err != nil || !bytes.Equal(b.Bytes(), content)):
			t.Errorf("%s: want the member, got %q, %v", c.name, b.Bytes(), err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: want an error with %q, got %v", c.name, c.want, err)
		}
	}
}

func FuzzExtract(f *testing.F) {
	const member = "package/lib.so"
	f.Add(wheel(f, member, []byte("0123456789")), false)
	f.Add(tgz(f, []tar.Header{{Name: member, Typeflag: tar.TypeReg}}, []byte("0123456789")), true)
	f.Fuzz(func(t *testing.T, archive []byte, isTar bool) {
		path := filepath.Join(t.TempDir(), map[bool]string{true: "a.tgz", false: "a.whl"}[isTar])
		put(t, archive, path)
		var b bytes.Buffer
		if err := extract(path, member, 1000, &b); err == nil && b.Len() > 1000 {
			t.Errorf("want at most 1000 bytes, got %d", b.Len())
		}
	})
}

func TestDownloadContinues(t *testing.T) {
	content := library()
	var ranges []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		switch r.URL.Path {
		case "/gone":
			http.NotFound(w, r)
		case "/plain":
			_, _ = w.Write(content) // a server that knows no ranges
		default:
			http.ServeContent(w, r, "a.tgz", time.Time{}, bytes.NewReader(content))
		}
	}))
	defer s.Close()
	dir := t.TempDir()
	for _, c := range []struct {
		name, path string
		part       []byte
		wantRange  string
	}{
		{"fresh", "/a", nil, ""},
		{"continued", "/a", content[:1000], "bytes=1000-"},
		{"from a server without ranges", "/plain", content[:1000], "bytes=1000-"},
	} {
		ranges = nil
		path := filepath.Join(dir, strings.ReplaceAll(c.name, " ", "_"))
		if c.part != nil {
			put(t, c.part, path+".part")
		}
		if err := download(t.Context(), s.Client(), s.URL+c.path, path); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: the file differs from the server's", c.name)
		}
		if ranges[0] != c.wantRange {
			t.Errorf("%s: want range %q, got %q", c.name, c.wantRange, ranges)
		}
	}
	if err := download(t.Context(), s.Client(), s.URL+"/gone", filepath.Join(dir, "gone")); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("want the server's answer, got %v", err)
	}
	put(t, append(library(), 1, 2, 3), filepath.Join(dir, "long.part"))
	if err := download(t.Context(), s.Client(), s.URL+"/a", filepath.Join(dir, "long")); err == nil {
		t.Error("want an error for a part that is longer than the file")
	}
	if err := download(t.Context(), s.Client(), s.URL+"/a", filepath.Join(dir, "long")); err != nil {
		t.Errorf("want the next try to work, got %v", err)
	}
}

func TestDoctor(t *testing.T) {
	t.Setenv("NITRAIN_HOME", t.TempDir())
	t.Setenv(LibraryVariable, "")
	load := Load{
		Runtime: func(string) (string, []string, error) { return Version, []string{"cpu"}, nil },
		Plugin:  func(string) (string, error) { return "0.100", nil },
	}
	r := Doctor(load)
	if r.ONNXRuntime.Problem == "" || len(r.Missing) == 0 {
		t.Errorf("want the library to be missing, got %+v", r)
	}
	if text := r.String(); !strings.Contains(text, "nitrain setup") && !strings.Contains(text, LibraryVariable) {
		t.Errorf("want the command that helps, got\n%s", text)
	}
	mine := filepath.Join(t.TempDir(), "mine.so")
	put(t, []byte("anything"), mine)
	t.Setenv(LibraryVariable, mine)
	r = Doctor(load)
	if cgo && (r.ONNXRuntime.Version != Version || r.ONNXRuntime.Known || r.ONNXRuntime.Problem != "") {
		t.Errorf("want the user's library, got %+v", r.ONNXRuntime)
	}
	load.Runtime = func(string) (string, []string, error) { return "", nil, io.ErrUnexpectedEOF }
	r = Doctor(load)
	if cgo && !strings.Contains(r.ONNXRuntime.Problem, "EOF") {
		t.Errorf("want the problem of loading, got %+v", r.ONNXRuntime)
	}
	raw, err := json.Marshal(r)
	if err != nil || !bytes.Contains(raw, []byte(`"missing":[`)) || bytes.Contains(raw, []byte("null")) {
		t.Errorf("want JSON without nulls, got %s, %v", raw, err)
	}
}
