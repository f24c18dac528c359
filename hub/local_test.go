package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/internal/shared"
)

func TestPushIsReproducibleAndShows(t *testing.T) {
	h, model := newHub(t), writeModel(t, 4096, 1)
	a := push(t, h, model, "brain/unet:v1")
	b := push(t, newHub(t), model, "brain/unet:v1")
	if a.Digest != b.Digest {
		t.Errorf("want the same digest in another hub, got %s and %s", a.Digest, b.Digest)
	}
	same(t, h, "brain/unet:v1", model)
	same(t, h, "brain/unet@"+a.Digest, model)
	m, err := h.Show(context.Background(), ref(t, "brain/unet:v1"))
	if err != nil {
		t.Fatal(err)
	}
	p := m.Provenance
	if p == nil || p.SHA256 != "aaaa1111" || p.Trained == nil || p.Trained.Data != "dddd2222" || m.Task != "segmentation" || m.Facts.Parameters != 1024 {
		t.Errorf("want the Spec's provenance and facts, got %+v %+v", p, m)
	}
	raw, ok, err := h.Read(ref(t, "brain/unet:v1"), RoleSpec)
	if err != nil || !ok || string(raw) != spec {
		t.Errorf("want the Spec inside the model, got %q, %v, %v", raw, ok, err)
	}
	if v := sound(t, h); v.Models != 1 || len(v.Unreferenced) != 0 {
		t.Errorf("want one model and nothing left over, got %+v", v)
	}
	if push(t, h, writeModel(t, 4096, 2), "brain/unet:v1").Replaced != a.Digest {
		t.Error("want the push to name what it replaced")
	}
	if v := sound(t, h); len(v.Unreferenced) == 0 {
		t.Error("want what was replaced named as unreferenced")
	}
}

// TestFlippedByte flips bits of every file of a hub, one at a time: each must be found, and its file named.
func TestFlippedByte(t *testing.T) {
	h := newHub(t)
	push(t, h, writeModel(t, 2048, 1), "brain/unet:v1")
	push(t, h, writeModel(t, 2048, 2), "brain/unet:v2")
	rng := rand.New(rand.NewPCG(7, 7))
	flips, some := 0, 25 // of each file
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		some = 1500
	}
	err := filepath.WalkDir(h.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "lock-") {
			return err
		}
		good, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(h.Dir(), path)
		for at := range good {
			if rng.IntN(len(good)) > some {
				continue
			}
			bad := bytes.Clone(good)
			bad[at] ^= 1 << rng.IntN(8)
			if err := os.WriteFile(path, bad, 0o644); err != nil {
				return err
			}
			flips++
			v, err := h.Verify(context.Background())
			if err != nil {
				t.Fatalf("%s byte %d: %v", rel, at, err)
			}
			named := slices.ContainsFunc(v.Findings, func(f Finding) bool {
				return f.Path == filepath.ToSlash(rel) && (len(f.Models) > 0 || !strings.HasPrefix(rel, "blobs"))
			})
			if !named {
				t.Fatalf("%s: byte %d of %d flipped to %q: not found: %+v", rel, at, len(good), bad[at], v.Findings)
			}
		}
		return os.WriteFile(path, good, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	sound(t, h)
	t.Logf("%d flips, all found and named", flips)
}

func TestVerifyNamesMissingAndStrays(t *testing.T) {
	h := newHub(t)
	push(t, h, writeModel(t, 2048, 1), "unet:v1")
	m, err := h.manifestOf(ref(t, "unet:v1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range []func() error{
		func() error { return os.Remove(h.path(m.Layers[0].Digest)) },
		func() error { return os.WriteFile(filepath.Join(h.blobs(), "note.txt"), nil, 0o644) },
		func() error { return os.WriteFile(filepath.Join(h.dir, "virus"), nil, 0o644) },
		func() error { return os.Truncate(h.path(m.Layers[1].Digest), 10) },
	} {
		if err := problem(); err != nil {
			t.Fatal(err)
		}
	}
	v, err := h.Verify(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := json.Marshal(v.Findings)
	for _, want := range []string{m.Layers[0].Digest.Encoded() + `","models":["unet:v1"],"file":"model.onnx","problem":"missing"`, "blobs/sha256/note.txt", `"virus"`, m.Layers[1].Digest.Encoded()} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("want %s among the findings, got %s", want, raw)
		}
	}
	push(t, h, writeModel(t, 2048, 5), "whole:v1")
	if v, err := h.Verify(context.Background(), ref(t, "whole:v1")); err != nil || !v.OK() || v.Models != 1 {
		t.Errorf("want nothing wrong with the other model, got %+v, %v", v, err)
	}
	if v, err := h.Verify(context.Background(), ref(t, "unet:v1")); err != nil || len(v.Findings) != 1 { // the push has healed the Spec that both have
		t.Errorf("want one finding about this model, got %+v, %v", v, err)
	}
	// another hub's copy heals what is damaged
	other := newHub(t)
	push(t, other, writeModel(t, 2048, 1), "unet:v1")
	if _, err := h.Pull(context.Background(), Ref{Scheme: File, Path: other.dir, Name: "unet", Tag: "v1"}, ref(t, "healed:v1")); err != nil {
		t.Fatal(err)
	}
	same(t, h, "unet:v1", writeModel(t, 2048, 1))
}

func TestNamesAreNotTakenAway(t *testing.T) {
	other, h := newHub(t), newHub(t)
	push(t, other, writeModel(t, 2048, 1), "unet:v1")
	push(t, h, writeModel(t, 2048, 2), "unet:v1")
	from := Ref{Scheme: File, Path: other.dir, Name: "unet", Tag: "v1"}
	_, err := h.Pull(context.Background(), from, Ref{})
	if _, ok := errors.AsType[*TakenError](err); !ok {
		t.Fatalf("want a TakenError, got %v", err)
	}
	if _, err := h.Pull(context.Background(), from, ref(t, "theirs:v1")); err != nil {
		t.Fatal(err)
	}
	push(t, other, writeModel(t, 2048, 3), "unet:v1") // moved where it comes from: the next pull follows
	if _, err := h.Pull(context.Background(), from, ref(t, "theirs:v1")); err != nil {
		t.Fatal(err)
	}
	same(t, h, "unet:v1", writeModel(t, 2048, 2))
	same(t, h, "theirs:v1", writeModel(t, 2048, 3))
	if _, err := h.Show(context.Background(), ref(t, "unet:v9")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("want an error about a model that is not there, got %v", err)
	}
}

func TestExternalDataAndFiles(t *testing.T) {
	model := filepath.Join(shared.Dir(t, "models", "box_external_data"), "model.onnx")
	if _, err := os.Stat(model); err != nil {
		found, _ := filepath.Glob(filepath.Join(filepath.Dir(model), "*.onnx"))
		if len(found) == 0 {
			t.Skip("the model with external data is absent")
		}
		model = found[0]
	}
	h := newHub(t)
	push(t, h, model, "box:v1")
	m, err := h.Show(context.Background(), ref(t, "box:v1"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(m.Files, func(f FileEntry) bool { return f.Role == RoleData }) {
		t.Fatalf("want a file of external data, got %+v", m.Files)
	}
	dir := t.TempDir()
	if _, err := h.Checkout(context.Background(), ref(t, "box:v1"), dir); err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Files {
		if f.Role != RoleModel && f.Role != RoleData {
			continue
		}
		want, err := os.ReadFile(filepath.Join(filepath.Dir(model), filepath.FromSlash(f.Name)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.Name))); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: not the file that was pushed (%v)", f.Name, err)
		}
	}
	pull(t, h, "file://"+model)
	sound(t, h)
}

func TestManifestsThatAreRefused(t *testing.T) {
	h := newHub(t)
	push(t, h, writeModel(t, 2048, 1), "unet:v1")
	m, err := h.manifestOf(ref(t, "unet:v1"))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"a path that leaves":      {`"model.onnx"`, `"../model.onnx"`},
		"an absolute path":        {`"model.onnx"`, `"/etc/passwd"`},
		"a Windows path":          {`"model.onnx"`, `"..\\model.onnx"`},
		"two files of one name":   {`"model.onnx"`, `"readme.MD"`},
		"another artifact":        {ArtifactType, "application/vnd.oci.image.config.v1+json"},
		"an unknown media type":   {RoleModel.MediaType(), "application/x-python-pickle"},
		"another hash":            {`"digest":"sha256:`, `"digest":"sha512:`},
		"no schema version":       {`"schemaVersion":2`, `"schemaVersion":1`},
		"a size below nothing":    {`"size":`, `"size":-`},
		"a card of many gigabyte": {`"digest":"` + string(m.Layers[2].Digest) + `","size":`, `"digest":"` + string(m.Layers[2].Digest) + `","size":99999999`},
	} {
		bad := strings.Replace(string(m.raw), change[0], change[1], 1)
		if bad == string(m.raw) {
			t.Fatalf("%s: nothing to change: %s", name, m.raw)
		}
		if _, err := parseManifest([]byte(bad)); !errors.Is(err, ErrNotModel) {
			t.Errorf("%s: want ErrNotModel, got %v", name, err)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	h := newHub(f)
	push(f, h, writeModel(f, 2048, 1), "unet:v1")
	m, err := h.manifestOf(ref(f, "unet:v1"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseManifest(raw)
		if err != nil {
			return
		}
		for _, file := range m.files {
			if !filepath.IsLocal(file.Name) || strings.Contains(file.Name, `\`) || file.Size < 0 {
				t.Fatalf("accepted %+v", file)
			}
		}
	})
}

func FuzzIndex(f *testing.F) {
	h := newHub(f)
	push(f, h, writeModel(f, 2048, 1), "unet:v1")
	raw, err := os.ReadFile(filepath.Join(h.dir, indexFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, 3, byte(1))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte, at int, bit byte) {
		if carries, err := checkIndex(raw); carries && err == nil && len(raw) > 0 && bit != 0 {
			bad := bytes.Clone(raw)
			bad[(at%len(bad)+len(bad))%len(bad)] ^= bit
			if carries, err := checkIndex(bad); carries && err == nil {
				t.Fatalf("a changed byte of %q goes unseen", raw)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, indexFile), raw, 0o644); err != nil {
			t.Fatal(err)
		}
		_, _ = openHub(t, dir).List()
	})
}
