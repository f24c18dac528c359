package imageio_test

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// subject is an image and what it is an example of.
type subject struct {
	name   string
	im     *imageio.Image
	flat   bool // can be a PNG
	onPage bool // keeps its shape in MGH: at most one axis behind the third
}

// subjects have sheared, left-handed and oblique grids, 2 to 5 axes, components, colours, labels and time.
func subjects() []subject {
	r := rand.New(rand.NewPCG(7, 7))
	build := func(size [3]int, channels int, kind imageio.Kind, source *imageio.Source, value func() float32) *imageio.Image {
		im := imageio.New(imageio.Grid{Size: size, Affine: randomAffine(r, 0.1)}, channels, kind)
		im.Source = source
		for i := range im.Data {
			im.Data[i] = value()
		}
		return im
	}
	real := func() float32 { return float32(r.NormFloat64()) * 1000 }
	whole := func(n int) func() float32 { return func() float32 { return float32(r.IntN(n)) } }
	signed := func() float32 { return float32(r.IntN(1000) - 500) }
	volume := [3]int{5, 4, 3}
	return []subject{
		{"scan", build(volume, 1, imageio.Intensity, nil, real), false, true},
		{"labels", build(volume, 1, imageio.Label, nil, whole(200)), false, true},
		{"labels of 16 bits", build(volume, 1, imageio.Label, nil, whole(60000)), false, true},
		{"signed labels", build(volume, 1, imageio.Label, nil, signed), false, true},
		{"labels of 24 bits", build(volume, 1, imageio.Label, nil, whole(1<<24)), false, true},
		{"time", build(volume, 6, imageio.Intensity, &imageio.Source{Format: "nifti1", Shape: []int{5, 4, 3, 6}, Zooms: []float64{1, 1, 1, 2.5}, Units: 10}, real), false, true},
		{"vectors", build(volume, 3, imageio.Intensity, &imageio.Source{Format: "nifti1", Shape: []int{5, 4, 3, 1, 3}, Intent: 1007}, real), false, false},
		{"vectors in time", build(volume, 6, imageio.Intensity, &imageio.Source{Format: "nifti1", Shape: []int{5, 4, 3, 2, 3}}, real), false, false},
		{"colours", build(volume, 3, imageio.Intensity, &imageio.Source{Format: "nifti1", Stored: "rgb24", Shape: []int{5, 4, 3}, Components: 3}, whole(256)), false, false},
		{"slice", build([3]int{6, 5, 1}, 1, imageio.Intensity, nil, whole(256)), true, true},
		{"slice of labels", build([3]int{6, 5, 1}, 1, imageio.Label, nil, whole(60000)), true, true},
		{"coloured slice", build([3]int{6, 5, 1}, 3, imageio.Intensity, &imageio.Source{Format: "png", Stored: "uint8", Shape: []int{6, 5}, Components: 3}, whole(256)), true, false},
	}
}

func ends() []string {
	return []string{".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgh", ".mgz", ".tif", ".png"}
}

// TestConversions writes every subject in every format, from there in every other, and reads that
// (all pairs of the scan, a third of the others'; all with NITRAIN_ACCEPTANCE=1). Voxels stay equal, and affines within 1e-6 of their largest number, which is what NIfTI-1's and MGH's float32 can hold.
func TestConversions(t *testing.T) {
	for n, s := range subjects() {
		t.Run(s.name, func(t *testing.T) {
			dir := t.TempDir()
			for i, first := range ends() {
				if first == ".png" && !s.flat {
					continue
				}
				a := convert(t, dir, "a"+first, s.im, s.im)
				if s.onPage && len(a.Source.Shape) != 0 && s.im.Source != nil && a.Channels > 1 {
					if n := len(a.Source.Shape); n != 4 {
						t.Errorf("%s: %d axes of time series", first, n)
					}
				}
				for j, second := range ends() {
					sampled := n == 0 || (i+j)%3 == n%3 || os.Getenv("NITRAIN_ACCEPTANCE") != ""
					if sampled && (second != ".png" || s.flat) {
						convert(t, dir, "b"+second, a, s.im)
					}
				}
			}
		})
	}
}

// convert writes from, reads it again and compares with want.
func convert(t *testing.T, dir, name string, from, want *imageio.Image) *imageio.Image {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := imageio.Write(path, from); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	read := imageio.Read
	if want.Kind == imageio.Label {
		read = imageio.ReadLabel
	}
	got, err := read(path)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if got.Grid.Size != want.Grid.Size || got.Channels != want.Channels || !slices.Equal(got.Data, want.Data) {
		t.Fatalf("%s from %v: want %v x %d, got %v x %d (or other voxels)", name, from.Source, want.Grid.Size, want.Channels, got.Grid.Size, got.Channels)
	}
	largest := 1.0
	for _, row := range want.Grid.Affine {
		for _, v := range row {
			largest = max(largest, math.Abs(v))
		}
	}
	for i := range 4 {
		for j := range 4 {
			if !(math.Abs(got.Grid.Affine[i][j]-want.Grid.Affine[i][j]) <= 1e-6*largest) {
				t.Fatalf("%s: affine: want %v, got %v", name, want.Grid.Affine, got.Grid.Affine)
			}
		}
	}
	return got
}

// TestTimeIsKept: the distance of frames in every format that has one.
func TestTimeIsKept(t *testing.T) {
	im := imageio.New(imageio.Grid{Size: [3]int{3, 2, 2}, Affine: imageio.Identity()}, 4, imageio.Intensity)
	im.Source = &imageio.Source{Format: "nifti1", Shape: []int{3, 2, 2, 4}, Zooms: []float64{1, 1, 1, 2.5}, Units: 2 | 8}
	for _, end := range []string{".nii", ".nrrd", ".mha", ".mgz"} {
		path := filepath.Join(t.TempDir(), "a"+end)
		if err := imageio.Write(path, im); err != nil {
			t.Fatal(err)
		}
		f, err := imageio.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		want := 2.5
		if end == ".mgz" {
			want = 2500 // ms
		}
		if !slices.Equal(f.Shape, []int{3, 2, 2, 4}) || len(f.Zooms) != 4 || f.Zooms[3] != want {
			t.Errorf("%s: shape %v, zooms %v", end, f.Shape, f.Zooms)
		}
	}
}
