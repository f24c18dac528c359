package imageio_test

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/shared"
)

// painted returns a label map on the scan's grid: boxes of labels 1 and 3.
func painted(scan *imageio.Image) *imageio.Image {
	im := imageio.New(scan.Grid, 1, imageio.Label)
	n := im.Grid.Size
	for z := range n[2] {
		for y := range n[1] {
			for x := range n[0] {
				switch {
				case x < n[0]/3 && y > n[1]/2 && z == n[2]/2: // the other slices are empty
					im.Data[im.Grid.Index(x, y, z)] = 1
				case x > n[0]/2 && y < n[1]/3 && z == n[2]/2:
					im.Data[im.Grid.Index(x, y, z)] = 3
				}
			}
		}
	}
	return im
}

func TestSegmentationRoundTrip(t *testing.T) {
	dir := shared.Dir(t, "imaging")
	for _, name := range []string{"series_ct5", "emri_small.dcm", "CT_small.dcm", "series_ge_fmri", "series_siemens_mosaic"} {
		t.Run(name, func(t *testing.T) {
			reference := filepath.Join(dir, "dicom", name)
			scan, err := imageio.Read(reference)
			if err != nil {
				t.Fatal(err)
			}
			labels := painted(scan)
			path := filepath.Join(t.TempDir(), "seg.dcm")
			s := imageio.Segmentation{Reference: reference, Segments: []imageio.Segment{
				{Value: 1, Name: "Spleen", Color: [3]uint8{192, 48, 64}, Code: imageio.Code{Scheme: "SCT", Value: "78961009", Meaning: "Spleen"}}, {Value: 2, Name: "never there"}, {Value: 3},
			}}
			if err := imageio.WriteSegmentation(path, labels, s); err != nil {
				t.Fatal(err)
			}
			got, err := imageio.ReadLabel(path)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Grid.Same(labels.Grid, 1e-4) || !slices.Equal(got.Data, labels.Data) {
				t.Errorf("label map changed: grid %v -> %v", labels.Grid, got.Grid)
			}
			valid(t, path)
			fractional(t, scan, s)
		})
	}
}

// fractional writes probabilities and reads them back to half a step of 8 bits.
func fractional(t *testing.T, scan *imageio.Image, s imageio.Segmentation) {
	t.Helper()
	p := imageio.New(scan.Grid, 2, imageio.Intensity)
	for i := range p.Channel(0) {
		p.Channel(0)[i] = float32(i%256) / 255
		p.Channel(1)[i] = 1 - p.Channel(0)[i]
	}
	s.Segments = []imageio.Segment{{Value: 0, Name: "a"}, {Value: 1, Name: "b"}}
	path := filepath.Join(t.TempDir(), "fractional.dcm")
	if err := imageio.WriteSegmentation(path, p, s); err != nil {
		t.Fatal(err)
	}
	got, err := imageio.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Channels != 2 || !got.Grid.Same(p.Grid, 1e-4) {
		t.Fatalf("want 2 channels on %v, got %d on %v", p.Grid, got.Channels, got.Grid)
	}
	for i := range p.Data {
		if math.Abs(float64(got.Data[i]-p.Data[i])) > 0.5/255+1e-6 {
			t.Fatalf("sample %d: want %v, got %v", i, p.Data[i], got.Data[i])
		}
	}
	valid(t, path)
}

// valid asks dciodvfy of dicom3tools, where there is one, and keeps a copy for other readers where one is asked for.
func valid(t *testing.T, path string) {
	t.Helper()
	if keep := os.Getenv("NITRAIN_KEEP"); keep != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.NewReplacer("/", "_").Replace(t.Name()) + "_" + filepath.Base(path)
		if err := os.WriteFile(filepath.Join(keep, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tool, err := exec.LookPath("dciodvfy")
	if err != nil {
		t.Log("dciodvfy is not installed: the object was not validated")
		return
	}
	out, _ := exec.CommandContext(t.Context(), tool, path).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "Error") {
			t.Errorf("dciodvfy: %s", line)
		}
	}
}
