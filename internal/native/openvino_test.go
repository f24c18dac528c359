package native

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// partedArtifact needs a licence and a plug-in beside the library; every member of the test wheel is the library's bytes.
func partedArtifact() artifact {
	a := testArtifact()
	sum := sha256.Sum256(library())
	digest := hex.EncodeToString(sum[:])
	a.parts = []part{{"capi/plugin.so", digest}, {"LICENSE", digest}}
	return a
}

func TestPartsAreInstalledWithTheLibrary(t *testing.T) {
	a, home := partedArtifact(), t.TempDir()
	source := t.TempDir()
	if err := os.MkdirAll(filepath.Join(source, "capi"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(a.folder(home), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, library(), source, "capi", "libtest.so")
	put(t, library(), source, "capi", "plugin.so")
	put(t, []byte("another licence"), source, "LICENSE")
	if _, err := a.install(source, a.wheelLib, home); err == nil || !strings.Contains(err.Error(), "LICENSE") {
		t.Fatalf("want the wrong part to be named, got %v", err)
	}
	if _, err := os.Stat(a.path(home)); err == nil {
		t.Fatal("the library is there although a part was wrong")
	}
	put(t, library(), source, "LICENSE")
	if _, err := a.install(source, a.wheelLib, home); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"plugin.so", "LICENSE", "libtest.so"} {
		path := filepath.Join(a.folder(home), file)
		if _, err := a.verify(home, false); err != nil {
			t.Fatalf("before %s is spoilt: %v", file, err)
		}
		put(t, []byte("damaged"), path)
		if _, err := a.verify(home, false); err == nil || !strings.Contains(err.Error(), file) || hintOf(err) == "" {
			t.Errorf("%s is damaged: want it named, with a hint, got %v", file, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := a.verify(home, false); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s is gone: want it named, got %v", file, err)
		}
		put(t, library(), path)
	}
	if r := readRecord(a.folder(home)); len(r.Parts) != 2 || r.Parts["plugin.so"].SHA256 != a.parts[0].sha256 {
		t.Errorf("want a record of both parts, got %+v", r)
	}
}

func TestOpenVINOHasDigests(t *testing.T) {
	a, err := artifactFor(OpenVINO, "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{a.file: true}
	for _, p := range a.parts {
		if raw, err := hex.DecodeString(p.sha256); err != nil || len(raw) != sha256.Size || seen[p.file()] {
			t.Errorf("%s: want a digest of its own, got %q", p.member, p.sha256)
		}
		seen[p.file()] = true
	}
	if _, err := artifactFor(OpenVINO, "windows/arm64"); err == nil || hintOf(err) == "" {
		t.Errorf("want an error with a hint, got %v", err)
	}
}
