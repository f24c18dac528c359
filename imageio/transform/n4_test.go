package transform

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/shared"
)

// TestN4RealScans compares the fields of two real scans with SimpleITK's, which testdata/gen/n4.py made: correlation of
// the logarithms over the head, and their largest difference. The small head of steps.jsonl is compared voxel by voxel.
func TestN4RealScans(t *testing.T) {
	raw, err := os.ReadFile("../../testdata/ref/n4.json")
	if err != nil {
		t.Fatal(err)
	}
	var records []struct {
		Scan, Mask string
		Shape      [3]int
		Field      []float64
	}
	if err := json.Unmarshal(raw, &records); err != nil || len(records) != 4 {
		t.Fatal(len(records), err)
	}
	paths := map[string][]string{"fs_norm": {"real", "data", "brain", "fs_norm.mgz"}, "stroke_T1": {"imaging", "nifti", "stroke_T1_u8.nii.gz"}}
	for _, r := range records {
		t.Run(r.Scan+" "+r.Mask, func(t *testing.T) {
			im, err := imageio.Read(shared.Dir(t, paths[r.Scan]...))
			if err != nil {
				t.Fatal(err)
			}
			step := N4{Field: true}
			if r.Mask == "positive" {
				step.Mask = Other{Image: mustApply(t, Threshold{Above: new(0.0)}, im)}
			}
			got := mustApply(t, step, im)
			var n, x, y, xx, yy, xy, worst float64
			for i, want := range r.Field {
				at := im.Grid.Index(i/(r.Shape[1]*r.Shape[2])*16, i/r.Shape[2]%r.Shape[1]*16, i%r.Shape[2]*16)
				if im.Data[at] == 0 {
					continue
				}
				v := math.Log(float64(got.Data[at]))
				n, x, y, xx, yy, xy = n+1, x+v, y+want, xx+v*v, yy+want*want, xy+v*want
				worst = max(worst, math.Abs(v-want))
			}
			c := (n*xy - x*y) / math.Sqrt((n*xx-x*x)*(n*yy-y*y))
			t.Logf("correlation %.6f over %v voxels, largest difference %.5f", c, n, worst)
			if !(c >= 0.9999) || worst > 0.01 {
				t.Errorf("correlation %.6f, largest difference %.5f; want at least 0.9999 and at most 0.01", c, worst)
			}
		})
	}
}

func TestN4Impossible(t *testing.T) {
	im := imageio.New(imageio.Grid{Size: [3]int{5, 5, 5}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	if _, err := (N4{}).Apply(im); err == nil || !strings.Contains(err.Error(), "transform: n4: channel 0: want at least two different positive samples") {
		t.Error(err)
	}
	im.Data[62] = 3
	im.Data[63] = 2
	if _, err := (N4{Shrink: 1, Mask: Other{Image: im}}).Apply(im); err != nil {
		t.Error(err)
	}
}
