package onnx_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
)

// externalModel writes a model with one float32 tensor w of 4 elements, whose data the entries say.
func externalModel(t *testing.T, dir string, entries ...string) string {
	t.Helper()
	var tensor []byte
	varint := func(b []byte, num protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
	}
	text := func(b []byte, num protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
	}
	tensor = varint(varint(tensor, 1, 4), 2, 1)
	tensor = text(tensor, 8, []byte("w"))
	for i := 0; i < len(entries); i += 2 {
		tensor = text(tensor, 13, text(text(nil, 1, []byte(entries[i])), 2, []byte(entries[i+1])))
	}
	tensor = varint(tensor, 14, 1)
	graph := text(text(nil, 2, []byte("g")), 5, tensor)
	model := text(varint(nil, 1, 8), 7, graph)
	path := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(path, model, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExternalAttacks(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "model")
	data := []byte("0123456789abcdef")
	write := func(path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(top, "secret"))
	write(filepath.Join(top, "outside", "w.bin"))
	write(filepath.Join(dir, "good.bin"))
	write(filepath.Join(dir, "sub", "good.bin"))
	write(filepath.Join(dir, "hard"))
	for _, err := range []error{
		os.Symlink("../secret", filepath.Join(dir, "link")),
		os.Symlink("good.bin", filepath.Join(dir, "inner")),
		os.Symlink("../outside", filepath.Join(dir, "folder")),
		os.Symlink("sub", filepath.Join(dir, "subfolder")),
		os.Link(filepath.Join(dir, "hard"), filepath.Join(top, "hard2")),
	} {
		if err != nil {
			t.Skipf("links cannot be made here: %v", err)
		}
	}
	cases := map[string][]string{
		"absolute":            {"location", filepath.Join(top, "secret")},
		"dots":                {"location", "../secret"},
		"dots inside":         {"location", "sub/../../secret"},
		"link out":            {"location", "link"},
		"link in":             {"location", "inner"},
		"folder link":         {"location", "folder/w.bin"},
		"folder link inside":  {"location", "subfolder/good.bin"},
		"hard link":           {"location", "hard"},
		"folder":              {"location", "sub"},
		"the folder itself":   {"location", "."},
		"empty":               {"location", ""},
		"nul":                 {"location", "good.bin\x00x"},
		"absent":              {"location", "absent"},
		"too short":           {"location", "good.bin", "offset", "4"},
		"offset behind":       {"location", "good.bin", "offset", "400"},
		"negative offset":     {"location", "good.bin", "offset", "-1"},
		"huge offset":         {"location", "good.bin", "offset", "9223372036854775807"},
		"offset is no number": {"location", "good.bin", "offset", "0x0"},
		"wrong length":        {"location", "good.bin", "length", "12"},
		"negative length":     {"location", "good.bin", "length", "-16"},
		"huge length":         {"location", "good.bin", "length", "99999999999999999999"},
	}
	for name, entries := range cases {
		m, err := onnx.ReadFile(externalModel(t, dir, entries...))
		if err != nil {
			t.Errorf("%s: the model itself is readable: %v", name, err)
			continue
		}
		w, _ := m.Initializer("w")
		b, err := w.Bytes()
		if err == nil || b != nil {
			t.Errorf("%s: want an error, got %q", name, b)
		} else if !errors.Is(err, onnx.ErrExternalData) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		if len(onnx.Check(m)) == 0 {
			t.Errorf("%s: Check reports nothing", name)
		}
		m.Close()
	}
	for _, entries := range [][]string{{"location", "good.bin"}, {"location", "sub/good.bin", "offset", "0", "length", "16"}, {"location", "./good.bin"}} {
		m, err := onnx.ReadFile(externalModel(t, dir, entries...))
		if err != nil {
			t.Fatal(err)
		}
		w, _ := m.Initializer("w")
		if b, err := w.Bytes(); err != nil || !bytes.Equal(b, data) {
			t.Errorf("%v: got %q, %v", entries, b, err)
		}
		m.Close()
		if b, err := w.Bytes(); err == nil {
			t.Errorf("after Close: want an error, got %q", b)
		}
	}
}

func TestExternalNeedsFolder(t *testing.T) {
	data, err := os.ReadFile(externalModel(t, t.TempDir(), "location", "w.bin"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	w, _ := m.Initializer("w")
	if _, err := w.Bytes(); !errors.Is(err, onnx.ErrExternalData) {
		t.Errorf("got %v", err)
	}
}

// copyFiles copies the files of one folder to a new one.
func copyFiles(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"model.onnx", "model.onnx.data"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestWriteExternal(t *testing.T) {
	dir := copyFiles(t, shared.Dir(t, "models", "box_external_data"))
	path := filepath.Join(dir, "model.onnx")
	before := read(t, path+".data")
	m, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()

	// Untouched: in the same folder the old data serve, in another one they are copied.
	same := filepath.Join(dir, "same.onnx")
	elsewhere := filepath.Join(t.TempDir(), "moved.onnx")
	for _, p := range []string{same, elsewhere} {
		if err := onnx.WriteFile(p, m); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(t, p), read(t, path)) {
			t.Errorf("%s: an untouched model changed", p)
		}
	}
	if !bytes.Equal(read(t, filepath.Join(filepath.Dir(elsewhere), "model.onnx.data")), before) {
		t.Error("the data were not copied as they are")
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 3 {
		t.Errorf("want no new data file, got %v", files)
	}

	// Changed: a new data file with the same layout; over its own path too.
	name, want := change(t, m)
	for _, p := range []string{filepath.Join(dir, "tuned.onnx"), path} {
		if err := onnx.WriteFile(p, m); err != nil {
			t.Fatal(err)
		}
		back, err := onnx.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		w, _ := back.Initializer(name)
		if got, err := w.Float32(); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: the change was lost: %v", p, err)
		}
		for _, i := range m.Graph().Initializers {
			old, _ := i.Tensor.Bytes()
			x, _ := back.Initializer(i.Name)
			if now, err := x.Bytes(); err != nil || !bytes.Equal(old, now) {
				t.Errorf("%s: %s changed: %v", p, i.Name, err)
			}
		}
		if v := onnx.Check(back); len(v) > 0 {
			t.Errorf("%s: %v", p, v)
		}
		back.Close()
		if len(read(t, p+".data")) != len(before) {
			t.Errorf("%s: the data file has another layout", p)
		}
	}
	if !bytes.Equal(read(t, path+".data"), before) {
		t.Error("the source's data were overwritten")
	}
}

// change doubles the first external tensor.
func change(t *testing.T, m *onnx.Model) (string, []float32) {
	t.Helper()
	for _, p := range onnx.Params(m) {
		if !p.External || p.Tensor.DType() != onnx.Float32 {
			continue
		}
		v, err := p.Tensor.Float32()
		if err != nil {
			t.Fatal(err)
		}
		for i := range v {
			v[i] *= 2
		}
		if err := p.Set(m, must(onnx.FromFloat32(p.Tensor.Shape(), v))); err != nil {
			t.Fatal(err)
		}
		return p.Name, v
	}
	t.Fatal("no external tensor")
	return "", nil
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestExternalGrows replaces an external tensor by a larger one: it goes to the end of the new data file, and
// its offset, length and checksum are written anew.
func TestExternalGrows(t *testing.T) {
	dir := t.TempDir()
	data := []byte("0123456789abcdefXXXX")
	if err := os.WriteFile(filepath.Join(dir, "w.bin"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := onnx.ReadFile(externalModel(t, dir, "location", "w.bin", "offset", "0", "length", "16", "checksum", "0000"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.ReplaceInitializer("w", must(onnx.FromFloat32([]int{2, 3}, []float32{1, 2, 3, 4, 5, 6}))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "n.onnx")
	if err := onnx.WriteFile(path, m); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path+".data"); !bytes.HasPrefix(got, data) || len(got) != 4096+24 {
		t.Errorf("want the old data and 24 bytes at 4096, got %d bytes", len(got))
	}
	for _, s := range []string{"n.onnx.data", "4096", "24"} {
		if !bytes.Contains(read(t, path), []byte(s)) {
			t.Errorf("the model does not say %q", s)
		}
	}
	back, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	w, _ := back.Initializer("w")
	if v, err := w.Float32(); err != nil || !cmp.Equal(v, []float32{1, 2, 3, 4, 5, 6}) {
		t.Errorf("got %v, %v", v, err)
	}
}

// TestEncodeTakesExternalIn makes one message of a model with external data.
func TestEncodeTakesExternalIn(t *testing.T) {
	m := model(t, "box_external_data")
	back := again(t, m)
	for i, was := range m.Graph().Initializers {
		now := back.Graph().Initializers[i]
		a, err := was.Tensor.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := now.Tensor.Bytes(); err != nil || !bytes.Equal(a, b) || now.Name != was.Name {
			t.Errorf("%s differs: %v", was.Name, err)
		}
	}
	for _, p := range onnx.Params(back) {
		if p.External {
			t.Errorf("%s is still external", p.Name)
		}
	}
}

// TestSourceWrittenTo refuses to copy from a file that was written to after it was read.
func TestSourceWrittenTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := onnx.WriteFile(path, sound()); err != nil {
		t.Fatal(err)
	}
	m, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := onnx.WriteFile(path+"2", m); !errors.Is(err, onnx.ErrChanged) {
		t.Errorf("got %v", err)
	}
}
