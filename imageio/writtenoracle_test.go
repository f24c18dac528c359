package imageio_test

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// readers is a program that opens written files with the libraries that others use and prints, for each, its
// samples in order, x fastest and channel slowest, and its affine, RAS+, where the format has one.
const readers = `
import json, sys
import numpy as np, nibabel, nrrd, SimpleITK as sitk, tifffile

flip = np.diag([-1.0, -1.0, 1.0, 1.0])

def itk(path):
    im = sitk.ReadImage(path)
    a = sitk.GetArrayFromImage(im)
    c = im.GetNumberOfComponentsPerPixel()
    d = im.GetDimension()
    if c > 1:
        a = np.moveaxis(a, -1, 0)
    m = np.eye(4)
    direction = np.array(im.GetDirection()).reshape(d, d)[:3, :3]
    m[:3, :3] = direction * np.array(im.GetSpacing())[:3]
    m[:3, 3] = im.GetOrigin()[:3]
    return np.ascontiguousarray(a).ravel(), flip @ m

def nib(path):
    im = nibabel.load(path)
    a = np.asarray(im.dataobj)
    if a.dtype.names:
        a = np.stack([a[n] for n in a.dtype.names], -1)
    return a.ravel(order="F"), im.affine

def pynrrd(path):
    a, h = nrrd.read(path, index_order="F")
    v = [x for x in h["space directions"] if not np.any(np.isnan(x))]
    lead = a.ndim - 3
    a = np.moveaxis(a, list(range(lead)), list(range(3, 3 + lead)))
    m = np.eye(4)
    m[:3, :3] = np.array(v).T
    m[:3, 3] = h["space origin"]
    return a.ravel(order="F"), flip @ m

def tif(path):
    a = tifffile.imread(path)
    if a.shape[-1] == 3 and a.dtype == np.uint8 and tifffile.TiffFile(path).pages[0].samplesperpixel == 3:
        a = np.moveaxis(a, -1, 0)
    return np.ascontiguousarray(a).ravel(), None

for line in open(sys.argv[1]):
    how, path = line.strip().split("\t")
    a, m = {"itk": itk, "nib": nib, "nrrd": pynrrd, "tif": tif}[how](path)
    print(json.dumps({"data": [float(x) for x in a], "affine": None if m is None else [[float(x) for x in r] for r in m]}))
`

// TestWrittenFilesOpenElsewhere: what Write wrote, other libraries read equal. It needs a Python with nibabel,
// pynrrd, SimpleITK and tifffile: $NITRAIN_PYTHON, or python3.
func TestWrittenFilesOpenElsewhere(t *testing.T) {
	python := os.Getenv("NITRAIN_PYTHON")
	if python == "" {
		python = "python3"
	}
	if out, err := exec.Command(python, "-c", "import nibabel, nrrd, SimpleITK, tifffile").CombinedOutput(); err != nil {
		t.Skipf("%s has not nibabel, pynrrd, SimpleITK and tifffile (set NITRAIN_PYTHON): %v %.200s", python, err, out)
	}
	dir := t.TempDir()
	type asked struct {
		how, path string
		want      *imageio.Image
	}
	var list []asked
	var lines []byte
	for _, s := range subjects() {
		for _, f := range [][2]string{
			{"nib", ".nii"},
			{"nib", ".nii.gz"},
			{"itk", ".nrrd"},
			{"nrrd", ".nrrd"},
			{"nrrd", ".nhdr"},
			{"itk", ".nhdr"},
			{"itk", ".mha"},
			{"itk", ".mhd"},
			{"nib", ".mgh"},
			{"nib", ".mgz"},
			{"tif", ".tif"},
		} {
			if s.name == "vectors in time" && (f[0] == "itk" || f[0] == "tif") {
				continue // ITK has no five axes here
			}
			path := filepath.Join(dir, s.name+f[0]+f[1])
			if err := imageio.Write(path, s.im); err != nil {
				t.Fatal(err)
			}
			list = append(list, asked{f[0], path, s.im})
			lines = append(lines, f[0]+"\t"+path+"\n"...)
		}
	}
	cmd := exec.Command(python, "-c", readers, store(t, "list", lines))
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(pipe)
	for _, a := range list {
		var got struct {
			Data   []float64
			Affine *imageio.Affine
		}
		if err := answers.Decode(&got); err != nil {
			t.Fatalf("%s of %s: %v", a.how, a.path, err)
		}
		compareOpened(t, a.how+" of "+filepath.Base(a.path), a.want, got.Data, got.Affine)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

func compareOpened(t *testing.T, name string, want *imageio.Image, data []float64, affine *imageio.Affine) {
	t.Helper()
	if len(data) != len(want.Data) {
		t.Errorf("%s: want %d samples, got %d", name, len(want.Data), len(data))
		return
	}
	for i, v := range data {
		if v != float64(want.Data[i]) {
			t.Errorf("%s: sample %d: want %v, got %v", name, i, want.Data[i], v)
			return
		}
	}
	if affine == nil {
		return
	}
	largest := 1.0
	for _, row := range want.Grid.Affine {
		for _, v := range row {
			largest = max(largest, math.Abs(v))
		}
	}
	for i := range 4 {
		for j := range 4 {
			if !(math.Abs(affine[i][j]-want.Grid.Affine[i][j]) <= 1e-6*largest) {
				t.Errorf("%s: affine: want %v, got %v", name, want.Grid.Affine, *affine)
				return
			}
		}
	}
}
