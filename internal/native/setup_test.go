package native

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The library of the tests: a small file whose digest takes the place of onnxruntime's.
func library() []byte { return bytes.Repeat([]byte("library "), 1<<16) }

func testArtifact() artifact {
	sum := sha256.Sum256(library())
	return artifact{
		library: ONNXRuntime, version: Version, dir: "onnxruntime-" + Version, room: 1, command: "nitrain setup",
		manual: "set " + LibraryVariable, wheelFile: "onnxruntime-*.whl",
		file: "libtest.so", digests: []string{hex.EncodeToString(sum[:])}, maxSize: 1 << 20,
		wheel: "onnxruntime==" + Version, wheelLib: "capi/libtest.so", npm: "onnxruntime-node@" + Version,
		npmLib: "package/libtest.so", releaseLib: "lib/libtest.so", release: "https://127.0.0.1:1/none.tgz",
	}
}

func wheel(tb testing.TB, member string, content []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"other.txt", member} {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func tgz(tb testing.TB, headers []tar.Header, content []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	w := tar.NewWriter(g)
	for _, h := range headers {
		h.Mode = 0o644
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(content))
		}
		err := w.WriteHeader(&h)
		if err == nil && h.Typeflag == tar.TypeReg {
			_, err = w.Write(content)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), g.Close()); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// machineWith makes PATH a folder with the given shell scripts. Each may use $HERE, where archives lie, and
// cp, cat, sleep.
func machineWith(tb testing.TB, scripts map[string]string) (here string) {
	tb.Helper()
	here = tb.TempDir()
	for _, tool := range []string{"cp", "cat", "sleep", "touch", "sh", "mkdir", "head"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			tb.Skipf("the fake pips are shell scripts and need %s", tool)
		}
		if err := os.Symlink(path, filepath.Join(here, tool)); err != nil {
			tb.Fatal(err)
		}
	}
	for name, script := range scripts {
		script = "#!" + filepath.Join(here, "sh") + "\nHERE=" + here + "\n" + script + "\n"
		if err := os.WriteFile(filepath.Join(here, name), []byte(script), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Setenv("PATH", here)
	return here
}

func put(tb testing.TB, content []byte, elem ...string) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(elem...), content, 0o644); err != nil {
		tb.Fatal(err)
	}
}

// installed fails the test unless exactly the intact library is there, and no unfinished file.
func installed(tb testing.TB, a artifact, home string) {
	tb.Helper()
	got, err := os.ReadFile(a.path(home))
	if err != nil {
		tb.Fatal(err)
	}
	if !bytes.Equal(got, library()) {
		tb.Fatalf("the installed library differs from the one in the archive")
	}
	left, _ := filepath.Glob(filepath.Join(a.folder(home), temporary))
	if len(left) > 0 {
		tb.Fatalf("unfinished files are left: %v", left)
	}
	if _, err := os.Stat(filepath.Join(home, "download", "onnxruntime-"+Version)); err == nil {
		tb.Fatal("the downloads are left")
	}
}

const pipVersion = `case "$*" in *--version*) echo "pip 23 from $0"; exit 0;; esac`

// copyPip is a pip that has the wheel.
const copyPip = pipVersion + `
while [ $# -gt 0 ]; do case "$1" in --dest) dest="$2";; esac; shift; done
cp "$HERE/w.whl" "$dest/onnxruntime-` + Version + `-cp312.whl"`

func TestSetupTriesEachWay(t *testing.T) {
	a := testArtifact()
	good, bad := wheel(t, a.wheelLib, library()), wheel(t, a.wheelLib, []byte("not the library"))
	pack := tgz(t, []tar.Header{{Name: "package/x", Typeflag: tar.TypeReg}, {Name: a.npmLib, Typeflag: tar.TypeReg}}, library())
	for _, c := range []struct {
		name    string
		scripts map[string]string
		wheel   []byte
		method  string
		refused []string // one text per refusal
	}{
		{"python3", map[string]string{"python3": copyPip}, good, "python3 -m pip", nil},
		{
			"python3 without pip",
			map[string]string{"python3": `echo "No module named pip" >&2; exit 1`, "pip": copyPip},
			good, "pip",
			[]string{"No module named pip", "not found", "not found"},
		},
		{
			"one pip twice",
			map[string]string{
				"python3": `case "$*" in *--version*) echo same;; *) echo "no network" >&2; exit 1;; esac`,
				"python":  `echo same`, "npm": `cp $HERE/p.tgz onnxruntime-node-1.tgz`,
			},
			good, "npm",
			[]string{"no network", "same pip as above", "not found", "not found", "not found"},
		},
		{"uv", map[string]string{"uv": `while [ $# -gt 0 ]; do case "$1" in --target) d="$2";; esac; shift; done
			mkdir -p $d/capi; cp $HERE/lib $d/capi/libtest.so`}, good, "uv", []string{"not found", "not found", "not found", "not found"}},
		{
			"wrong digest",
			map[string]string{"pip": copyPip, "npm": `cp $HERE/p.tgz onnxruntime-node-1.tgz`},
			bad, "npm",
			[]string{"not found", "not found", "not found", "is none of the known ones", "not found"},
		},
		{
			"no archive",
			map[string]string{"python3": `exit 0`, "npm": `cp $HERE/p.tgz onnxruntime-node-1.tgz`},
			bad, "npm",
			[]string{"left no archive", "not found", "not found", "not found", "not found"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			here := machineWith(t, c.scripts)
			put(t, c.wheel, here, "w.whl")
			put(t, pack, here, "p.tgz")
			put(t, library(), here, "lib")
			home := t.TempDir()
			got, err := setup(t.Context(), SetupOptions{Home: home}, a, a.methods())
			if err != nil {
				t.Fatal(err)
			}
			installed(t, a, home)
			if got.Method != c.method || got.Path != a.path(home) || got.SHA256 != a.digests[0] || got.Already {
				t.Errorf("want method %q, got %+v", c.method, got)
			}
			if len(got.Refused) != len(c.refused) {
				t.Fatalf("want refusals %q, got %q", c.refused, got.Refused)
			}
			for i, want := range c.refused {
				if !strings.Contains(got.Refused[i].Problem, want) {
					t.Errorf("refusal %d: want %q, got %q", i, want, got.Refused[i])
				}
			}
			again, err := setup(t.Context(), SetupOptions{Home: home}, a, a.methods())
			if err != nil || !again.Already {
				t.Errorf("the second setup: want it to find the first one's library, got %+v, %v", again, err)
			}
		})
	}
}

func TestSetupSaysWhatEveryWaySaid(t *testing.T) {
	machineWith(t, map[string]string{"pip3": pipVersion + `
		echo "ERROR: no such host" >&2; exit 1`})
	a, home := testArtifact(), t.TempDir()
	var said []string
	_, err := setup(t.Context(), SetupOptions{Home: home, Progress: func(s string) { said = append(said, s) }}, a, a.methods())
	var hint interface{ Hint() string }
	if !errors.As(err, &hint) || !strings.Contains(hint.Hint(), LibraryVariable) {
		t.Fatalf("want an error with a hint, got %v", err)
	}
	for _, want := range []string{"python3 -m pip: not found", "no such host", "npm: not found", "release archive: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in the error, got:\n%v", want, err)
		}
	}
	if !slices.Contains(said, "trying npm") {
		t.Errorf("want progress on npm, got %q", said)
	}
	if _, err := os.Stat(a.path(home)); err == nil {
		t.Error("something was installed")
	}
}

func TestSetupReplacesADamagedLibrary(t *testing.T) {
	a, home := testArtifact(), t.TempDir()
	put(t, wheel(t, a.wheelLib, library()), machineWith(t, map[string]string{"pip": copyPip}), "w.whl")
	if _, err := setup(t.Context(), SetupOptions{Home: home}, a, a.methods()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.verify(home, false); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(a.path(home))
	if err != nil {
		t.Fatal(err)
	}
	damaged := library()
	damaged[100]++
	put(t, damaged, a.path(home))
	_, err = a.verify(home, false)
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("want the damage to be seen, got %v", err)
	}
	// The same size and time hide it from the quick check, not from Setup.
	if err := os.Chtimes(a.path(home), st.ModTime(), st.ModTime()); err != nil {
		t.Fatal(err)
	}
	got, err := setup(t.Context(), SetupOptions{Home: home}, a, a.methods())
	if err != nil || got.Already {
		t.Fatalf("want a new library, got %+v, %v", got, err)
	}
	installed(t, a, home)
}

func TestSetupUsesWhatAKilledOneDownloaded(t *testing.T) {
	a, home := testArtifact(), t.TempDir()
	machineWith(t, nil)
	downloads := filepath.Join(home, "download", "onnxruntime-"+Version, "wheel")
	if err := os.MkdirAll(downloads, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, wheel(t, a.wheelLib, library()), downloads, "onnxruntime-"+Version+".whl")
	got, err := setup(t.Context(), SetupOptions{Home: home}, a, a.methods())
	if err != nil || got.Method != "python3 -m pip" {
		t.Fatalf("want the wheel to be used, got %+v, %v", got, err)
	}
	installed(t, a, home)
}

// TestSetupKilled kills a process that is setting up, at many moments, and sets up again each time.
func TestSetupKilled(t *testing.T) {
	a := testArtifact()
	here := machineWith(t, map[string]string{"pip": strings.Replace(copyPip, "cp ", `head -c 200000 "$HERE/w.whl" > "$dest/onnxruntime-0.whl"; sleep 0.05; cp `, 1)})
	put(t, wheel(t, a.wheelLib, library()), here, "w.whl")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for wait := time.Millisecond; wait < 200*time.Millisecond; wait = wait * 3 / 2 {
		home := t.TempDir()
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "NITRAIN_TEST_SETUP="+home)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(wait)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if raw, err := os.ReadFile(a.path(home)); err == nil && !bytes.Equal(raw, library()) {
			t.Fatalf("killed after %v: a half library is installed", wait)
		}
		if _, err := setup(t.Context(), SetupOptions{Home: home}, a, a.methods()); err != nil {
			t.Fatalf("after a kill at %v: %v", wait, err)
		}
		if got, err := os.ReadFile(a.path(home)); err != nil || !bytes.Equal(got, library()) {
			t.Fatalf("after a kill at %v: %v", wait, err)
		}
	}
}

func TestSetupsTakeTurns(t *testing.T) {
	a, home := testArtifact(), t.TempDir()
	here := machineWith(t, map[string]string{"pip": copyPip + "; sleep 0.1; echo x >> $HERE/count"})
	put(t, wheel(t, a.wheelLib, library()), here, "w.whl")
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			if _, err := setup(t.Context(), SetupOptions{Home: home}, a, a.methods()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	installed(t, a, home)
	if count, err := os.ReadFile(filepath.Join(here, "count")); err != nil || string(count) != "x\n" {
		t.Errorf("want one download, got %q, %v", count, err)
	}
}

func TestSetupSaysWhereItCannotWrite(t *testing.T) {
	a := testArtifact()
	file := filepath.Join(t.TempDir(), "file")
	put(t, nil, file)
	_, err := setup(t.Context(), SetupOptions{Home: filepath.Join(file, "home")}, a, a.methods())
	if !strings.Contains(hintOf(err), "NITRAIN_HOME") {
		t.Errorf("want a hint, got %v (%s)", err, hintOf(err))
	}
	full := &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	if err := testArtifact().homeError("home", errors.Join(full)); !strings.Contains(hintOf(err), "make room") {
		t.Errorf("want a hint, got %v (%s)", err, hintOf(err))
	}
	filling := method{name: "m", folder: "m", done: "x", fetch: func(context.Context, string, func(string)) error { return full }}
	got, err := setup(t.Context(), SetupOptions{Home: t.TempDir()}, a, []method{filling, filling})
	if len(got.Refused) != 0 || !strings.Contains(hintOf(err), "make room") {
		t.Errorf("want a full disk to end the setup, got %v, %v", got, err)
	}
}

func TestSetupCancelled(t *testing.T) {
	a, home := testArtifact(), t.TempDir()
	machineWith(t, map[string]string{"pip": pipVersion + "; exec sleep 60"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := setup(ctx, SetupOptions{Home: home}, a, a.methods())
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Fatalf("want the deadline's error at once, got %v after %v", err, time.Since(start))
	}
}

func TestMain(m *testing.M) {
	if home := os.Getenv("NITRAIN_TEST_SETUP"); home != "" {
		a := testArtifact()
		if _, err := setup(context.Background(), SetupOptions{Home: home}, a, a.methods()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestSetupForReal fetches the real library by every tool of this machine.
func TestSetupForReal(t *testing.T) {
	if os.Getenv("NITRAIN_ACCEPTANCE") == "" {
		t.Skip("downloads 180 MB: set NITRAIN_ACCEPTANCE=1")
	}
	for _, library := range []string{ONNXRuntime, XLACPU} {
		t.Run(library, func(t *testing.T) { fetchForReal(t, library) })
	}
}

func fetchForReal(t *testing.T, library string) {
	a, err := artifactFor(library, machine())
	if err != nil {
		t.Skip(err)
	}
	worked := 0
	for _, m := range a.methods() {
		home := t.TempDir()
		got, err := setup(t.Context(), SetupOptions{Home: home}, a, []method{m})
		if err != nil {
			t.Logf("%s: %v", m.name, err)
			continue
		}
		worked++
		t.Logf("%s: %s", m.name, got.SHA256)
	}
	if worked == 0 {
		t.Error("no tool of this machine could fetch the library")
	}
}
