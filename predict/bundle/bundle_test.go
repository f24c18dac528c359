package bundle_test

import (
	"archive/zip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/predict/bundle"
)

const metadata = `{"version": "1.2", "name": "small", "network_data_format": {
	"inputs": {"image": {"num_channels": 1, "spatial_shape": [96, 96, 96], "modality": "CT", "channel_def": {"0": "image"}}},
	"outputs": {"pred": {"num_channels": 2, "spatial_shape": [96, 96, 96], "channel_def": {"0": "background", "1": "organ"}}}}}`

// inference returns a configuration with a preprocessing and a postprocessing.
func inference(pre, post string) string {
	return `{"preprocessing": {"_target_": "Compose", "transforms": [` + pre + `]}, "inferer": {"_target_": "SimpleInferer"},
		"postprocessing": {"_target_": "Compose", "transforms": [` + post + `]}}`
}

const load = `{"_target_": "LoadImaged", "keys": "image"}`

// write makes a bundle in a folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func small(t *testing.T, config string) string {
	t.Helper()
	return write(t, map[string]string{"configs/metadata.json": metadata, "configs/inference.json": config})
}

type entry struct {
	name, text string
	mode       os.FileMode
}

func zipped(t *testing.T, entries ...entry) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := zip.NewWriter(f)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.mode != 0 {
			h.SetMode(e.mode)
		}
		one, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(one, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestZip(t *testing.T) {
	for _, root := range []string{"", "spleen/", "a/b/"} {
		b, err := bundle.Open(zipped(t, entry{name: root + "configs/metadata.json", text: metadata}, entry{name: root + "configs/inference.json", text: inference(load, "")},
			entry{name: root + "models/model.onnx", text: "onnx"}, entry{name: root + "models/model.onnx_data", text: "weights"}, entry{name: root + "models/model.pt", text: "pt"}), bundle.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.Spec(); err != nil {
			t.Error(err)
		}
		model, done, err := b.ModelFile()
		if err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(filepath.Dir(model))
		if err != nil || len(entries) != 2 {
			t.Errorf("unpacked %v, %v: want the model and its weights", entries, err)
		}
		done()
		if _, err := os.Stat(model); err == nil {
			t.Error("the unpacked model is still there")
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Whatever could reach outside of a bundle is refused, and nothing is written anywhere.
func TestUnsafe(t *testing.T) {
	good := []entry{{name: "configs/metadata.json", text: metadata}, {name: "configs/inference.json", text: inference(load, "")}}
	with := func(e entry) string { return zipped(t, append(good[:2:2], e)...) }
	outside := filepath.Join(t.TempDir(), "secret.json")
	if err := os.WriteFile(outside, []byte(`{"a": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	linked := small(t, inference(load, ""))
	if err := os.Remove(filepath.Join(linked, "configs/inference.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(linked, "configs/inference.json")); err != nil {
		t.Skip("no links here: ", err)
	}
	linkedDir := t.TempDir()
	if err := os.Symlink(filepath.Join(small(t, inference(load, "")), "configs"), filepath.Join(linkedDir, "configs")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path, why string }{
		{"zip slip", with(entry{name: "../../evil.txt", text: "x"}), "no path inside"},
		{"zip slip inside", with(entry{name: "models/../../evil.txt", text: "x"}), "no path inside"},
		{"absolute", with(entry{name: "/etc/passwd", text: "x"}), "no path inside"},
		{"drive", with(entry{name: `C:\x`, text: "x"}), "no path inside"},
		{"backslash", with(entry{name: `..\x`, text: "x"}), "no path inside"},
		{"link in zip", with(entry{name: "models/model.onnx", text: "/etc/passwd", mode: os.ModeSymlink | 0o777}), "link"},
		{"twice", with(entry{name: "configs/inference.json", text: "{}"}), "twice"},
		{"huge JSON in zip", zipped(t, entry{name: "configs/inference.json", text: strings.Repeat(" ", 17<<20)}), "larger"},
		{"link", linked, "link"},
		{"link to a folder", linkedDir, "link"},
		{"macro that climbs", small(t, `{"a": "%../../x.json#a"}`), "no path inside"},
		{"macro to an absolute path", small(t, `{"a": "%`+outside+`#a"}`), "no path inside"},
		{"huge JSON", small(t, strings.Repeat(" ", 17<<20)), "larger"},
	} {
		b, err := bundle.Open(c.path, bundle.Options{})
		if err == nil {
			t.Errorf("%s: opened", c.name)
			_ = b.Close()
			continue
		}
		if _, ok := errors.AsType[*bundle.UnsafeError](err); !ok || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: got %v, want an UnsafeError that says %q", c.name, err, c.why)
		}
	}
}

// A bundle that tries to run something is read without running it, and what needed it is refused.
func TestMalicious(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "ran")
	evil := `$__import__('os').system('touch ` + mark + `')`
	dir := write(t, map[string]string{
		"configs/metadata.json": metadata,
		"configs/inference.json": `{"imports": ["$import os", "` + evil + `"], "x": "` + evil + `", "initialize": ["` + evil + `"],
			"preprocessing": {"_target_": "Compose", "_requires_": "` + evil + `", "transforms": [` + load + `,
				{"_target_": "os.system", "command": "touch ` + mark + `"},
				{"_target_": "Lambdad", "keys": "image", "func": "$lambda x: __import__('os').system('touch ` + mark + `')"},
				{"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": "@x", "a_max": 1, "b_min": 0, "b_max": 1}]},
			"inferer": {"_target_": "subprocess.run", "args": "touch ` + mark + `"}}`,
		"scripts/__init__.py": "open('" + mark + "', 'w')",
	})
	b, err := bundle.Open(dir, bundle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_, _, err = b.Spec()
	refused, ok := errors.AsType[*bundle.UntranslatableError](err)
	if !ok || len(refused.Items) < 2 {
		t.Fatalf("got %v, want a list of what is refused", err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("something was run")
	}
}

// All that has no translation is listed, each with its place.
func TestEverythingIsListed(t *testing.T) {
	pre := load + `, {"_target_": "Spacingd", "keys": "image", "pixdim": [1, 1, 1], "scale_extent": true, "novel": 3},
		{"_target_": "RandFlipd", "keys": "image"}, {"_target_": "scripts.own.Thing", "keys": "image"},
		{"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": "$os.cpu_count()", "b_min": 0, "b_max": 1},
		{"_target_": "Orientationd", "keys": "image", "axcodes": "XYZ"}`
	post := `{"_target_": "Activationsd", "keys": "pred", "other": "$lambda x: x ** 2"}, {"_target_": "AsDiscreted", "keys": "pred", "argmax": true},
		{"_target_": "KeepLargestConnectedComponentd", "keys": "pred", "connectivity": 9}, {"_target_": "FillHolesd", "keys": "pred"}`
	b, err := bundle.Open(small(t, inference(pre, post)), bundle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_, _, err = b.Spec()
	refused, ok := errors.AsType[*bundle.UntranslatableError](err)
	if !ok {
		t.Fatalf("got %v, want an UntranslatableError", err)
	}
	for _, want := range []string{
		"Spacingd.scale_extent (preprocessing#transforms#1)", "Spacingd.novel (preprocessing#transforms#1)", "RandFlipd (preprocessing#transforms#2)",
		"scripts.own.Thing (preprocessing#transforms#3)", "ScaleIntensityRanged.a_max (preprocessing#transforms#4)", "Orientationd (preprocessing#transforms#5)",
		"Activationsd.other (postprocessing#transforms#0)", "KeepLargestConnectedComponentd.connectivity (postprocessing#transforms#2)", "FillHolesd (postprocessing#transforms#3)",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not listed in\n%v", want, err)
		}
	}
	if len(refused.Items) != 9 {
		t.Errorf("%d items, want 9:\n%v", len(refused.Items), err)
	}
}

func TestNotABundle(t *testing.T) {
	for _, path := range []string{t.TempDir(), write(t, map[string]string{"configs/metadata.json": metadata})} {
		if _, err := bundle.Open(path, bundle.Options{}); err == nil {
			t.Error("opened")
		} else if _, ok := errors.AsType[*bundle.NotABundleError](err); !ok {
			t.Errorf("got %v, want a NotABundleError", err)
		}
	}
	file := filepath.Join(t.TempDir(), "x.zip")
	if err := os.WriteFile(file, []byte("no zip"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Open(file, bundle.Options{}); err == nil {
		t.Error("opened")
	}
}
