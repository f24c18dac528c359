package imageio_test

import (
	"errors"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// randomAffine has any rotation, a mirror half of the time, anisotropic voxels and, if asked, shear.
func randomAffine(r *rand.Rand, shear float64) imageio.Affine {
	var q [4]float64
	n := 0.0
	for i := range q {
		q[i] = r.NormFloat64()
		n += q[i] * q[i]
	}
	for i := range q {
		q[i] /= math.Sqrt(n)
	}
	a, b, c, d := q[0], q[1], q[2], q[3]
	rot := [3][3]float64{
		{a*a + b*b - c*c - d*d, 2 * (b*c - a*d), 2 * (b*d + a*c)},
		{2 * (b*c + a*d), a*a + c*c - b*b - d*d, 2 * (c*d - a*b)},
		{2 * (b*d - a*c), 2 * (c*d + a*b), a*a + d*d - c*c - b*b},
	}
	zoom := [3]float64{0.4 + r.Float64(), 0.4 + 2*r.Float64(), 0.4 + 5*r.Float64()}
	if r.IntN(2) == 0 {
		zoom[r.IntN(3)] *= -1
	}
	m := imageio.Identity()
	for i := range 3 {
		for j := range 3 {
			m[i][j] = (rot[i][j] + shear*r.NormFloat64()) * zoom[j]
		}
		m[i][3] = 200 * r.NormFloat64()
	}
	return m
}

func randomImage(r *rand.Rand, kind imageio.Kind, channels int) *imageio.Image {
	g := imageio.Grid{Size: [3]int{1 + r.IntN(6), 1 + r.IntN(6), 1 + r.IntN(6)}, Affine: randomAffine(r, 0)}
	im := imageio.New(g, channels, kind)
	for i := range im.Data {
		im.Data[i] = float32(r.NormFloat64())
		if kind == imageio.Label {
			im.Data[i] = float32(r.IntN(1 << (1 + r.IntN(24))))
		}
	}
	return im
}

func TestWriteReadsBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		kind, channels := imageio.Kind(i%2), 1+i/2%3
		im := randomImage(r, kind, channels)
		if i%5 == 0 {
			im.Grid.Affine = randomAffine(r, 0.2)
		}
		if i%3 == 0 {
			im.Source = &imageio.Source{Format: "nifti1", Shape: im.Grid.Size[:], QformCode: 1 + i%4, Units: 2}
		}
		path := filepath.Join(t.TempDir(), []string{"a.nii", "a.nii.gz"}[i%2])
		if err := imageio.Write(path, im); err != nil {
			t.Fatal(err)
		}
		read := imageio.Read
		if kind == imageio.Label {
			read = imageio.ReadLabel
		}
		got, err := read(path)
		if err != nil {
			t.Fatal(err)
		}
		// float32 keeps 200 mm to 2e-5 mm
		if !got.Grid.Same(im.Grid, 2e-4) || got.Channels != channels || !slices.Equal(got.Data, im.Data) || len(got.Source.Warnings) > 0 {
			t.Errorf("image %d: grid %v became %v, warnings %v", i, im.Grid, got.Grid, got.Source.Warnings)
		}
	}
}

func TestLabelsTakeTheSmallestType(t *testing.T) {
	for _, c := range []struct {
		label float32
		want  string
	}{{0, "uint8"}, {255, "uint8"}, {256, "uint16"}, {65535, "uint16"}, {65536, "int32"}, {-1, "int16"}, {-40000, "int32"}, {1 << 24, "int32"}} {
		im := imageio.New(imageio.Grid{Size: [3]int{2, 1, 1}, Affine: imageio.Identity()}, 1, imageio.Label)
		im.Data[1] = c.label
		path := filepath.Join(t.TempDir(), "l.nii.gz")
		if err := imageio.Write(path, im); err != nil {
			t.Fatal(err)
		}
		f, err := imageio.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.Stored != c.want {
			t.Errorf("label %v: want %s, got %s", c.label, c.want, f.Stored)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	label := imageio.New(imageio.Grid{Size: [3]int{2, 1, 1}, Affine: imageio.Identity()}, 1, imageio.Label)
	for _, v := range []float32{0.5, float32(math.NaN()), 1<<24 + 2} {
		label.Data[1] = v
		if err := imageio.Write(filepath.Join(dir, "l.nii"), label); !errors.Is(err, imageio.ErrUnsupported) {
			t.Errorf("label %v: got %v", v, err)
		}
	}
	im := imageio.New(imageio.Grid{Size: [3]int{2, 2, 2}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	for _, name := range []string{"a.xyz", "a", "a.png", "a.gz"} {
		if err := imageio.Write(filepath.Join(dir, name), im); !errors.Is(err, imageio.ErrUnsupported) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := imageio.Write(filepath.Join(dir, "absent", "a.nii"), im); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder that is absent: got %v", err)
	}
	im.Data = im.Data[1:]
	if err := imageio.Write(filepath.Join(dir, "a.nii"), im); err == nil {
		t.Error("samples that do not fit the grid: want an error")
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestFailedWriteLeavesNothing: a write that fails leaves neither a part of the file nor the old file changed.
func TestFailedWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.nii")
	if err := os.Mkdir(path, 0o700); err != nil { // the rename cannot replace a folder
		t.Fatal(err)
	}
	im := imageio.New(imageio.Grid{Size: [3]int{2, 2, 2}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	if err := imageio.Write(path, im); err == nil {
		t.Error("want an error")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestLongAxisBecomesNIfTI2(t *testing.T) {
	im := imageio.New(imageio.Grid{Size: [3]int{40000, 2, 1}, Affine: imageio.Identity()}, 1, imageio.Label)
	im.Data[79999] = 3
	path := filepath.Join(t.TempDir(), "long.nii.gz")
	if err := imageio.Write(path, im); err != nil {
		t.Fatal(err)
	}
	got, err := imageio.ReadLabel(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Source.Format != "nifti2" || got.Grid != im.Grid || !slices.Equal(got.Data, im.Data) {
		t.Errorf("got %s %v", got.Source.Format, got.Grid)
	}
}

// TestRealFilesRoundTrip: reading, writing and reading again keeps samples, place, codes, axes and extensions.
func TestRealFilesRoundTrip(t *testing.T) {
	dir, records := expected(t)
	for i, r := range records {
		if strings.Contains(r.File, "space48") && i%6 != 0 || testing.Short() && i%5 != 0 {
			continue
		}
		a, err := imageio.Read(filepath.Join(dir, r.File))
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Data) > 4<<20 {
			continue
		}
		path := filepath.Join(t.TempDir(), "a.nii")
		if err := imageio.Write(path, a); err != nil {
			t.Fatal(err)
		}
		b, err := imageio.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if !b.Grid.Same(a.Grid, 1e-3) || !slices.EqualFunc(a.Data, b.Data, func(x, y float32) bool { return x == y || x != x && y != y }) {
			t.Errorf("%s: samples or grid changed", r.File)
		}
		s, o := a.Source, b.Source
		if s.Format != "mgh" && s.AffineSource != "fallback" && (s.SformCode != o.SformCode || s.QformCode != o.QformCode || s.Units != o.Units) {
			t.Errorf("%s: codes %d %d %d became %d %d %d", r.File, s.SformCode, s.QformCode, s.Units, o.SformCode, o.QformCode, o.Units)
		}
		if s.Stored != "rgb24" && !slices.Equal(s.Shape, o.Shape) || len(s.Extensions) != len(o.Extensions) {
			t.Errorf("%s: shape %v became %v, %d extensions %d", r.File, s.Shape, o.Shape, len(s.Extensions), len(o.Extensions))
		}
	}
}

func TestPNG(t *testing.T) {
	for _, c := range []struct {
		data []float32
		want []uint32 // 16-bit grey
	}{
		{[]float32{0, 1, 255, 7}, []uint32{0, 257, 65535, 7 * 257}},
		{[]float32{0, 1, 65535, 256}, []uint32{0, 1, 65535, 256}},
		{[]float32{-1, 0, 1, float32(math.NaN())}, []uint32{0, 32768, 65535, 0}},
	} {
		im := imageio.New(imageio.Grid{Size: [3]int{2, 2, 1}, Affine: imageio.Identity()}, 1, imageio.Intensity)
		copy(im.Data, c.data)
		path := filepath.Join(t.TempDir(), "p.png")
		if err := imageio.Write(path, im); err != nil {
			t.Fatal(err)
		}
		p := decodePNG(t, path)
		for i, want := range c.want {
			if got, _, _, _ := p.At(i%2, i/2).RGBA(); got != want {
				t.Errorf("%v: pixel %d: want %d, got %d", c.data, i, want, got)
			}
		}
	}
}

func decodePNG(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestNibabelReadsOurs: nibabel sees the samples, types, affines and codes that were written.
func TestNibabelReadsOurs(t *testing.T) {
	python := os.Getenv("NITRAIN_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import nibabel").Run(); err != nil {
		t.Skipf("%s has no nibabel (set NITRAIN_PYTHON)", python)
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 40 {
		im := randomImage(r, imageio.Kind(i%2), 1+i/2%3)
		if i%4 == 3 {
			im.Grid.Affine = randomAffine(r, 0.2)
		}
		im.Source = &imageio.Source{
			Format: "nifti1", Shape: im.Grid.Size[:], SformCode: i % 3, QformCode: i % 5, Units: 10,
			Extensions: []imageio.Extension{{Code: 6, Data: []byte("a comment")}},
		}
		if err := imageio.Write(filepath.Join(dir, string(rune('a'+i%26))+string(rune('a'+i/26))+".nii.gz"), im); err != nil {
			t.Fatal(err)
		}
	}
	script := `
import sys, glob, json, hashlib, nibabel, numpy as np
for f in sorted(glob.glob(sys.argv[1] + '/*.nii.gz')):
    im = nibabel.load(f); h = im.header; d = np.asanyarray(im.dataobj)
    assert h['magic'] == b'n+1' and h['bitpix'] == d.dtype.itemsize * 8 and len(h.extensions) == 1
    assert np.allclose(im.header.get_zooms()[:3], np.sqrt((im.affine[:3,:3]**2).sum(0)), atol=1e-5)
    if h['qform_code'] and h['sform_code']: assert np.allclose(h.get_qform(), h.get_sform(), atol=1e-3), f
    print(json.dumps([f, d.dtype.name, list(d.shape), im.affine.tolist(), ''.join(nibabel.aff2axcodes(im.affine)),
        hashlib.sha1(d.tobytes('F')).hexdigest()]))
`
	out, err := exec.Command(python, "-c", script, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	compareWithNibabel(t, strings.Split(strings.TrimSpace(string(out)), "\n"))
}
