package transform

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// TestOtherImage: what a second image makes impossible is an error that says so; labels stay labels where they can.
func TestOtherImage(t *testing.T) {
	g := imageio.Grid{Size: [3]int{3, 2, 1}, Affine: imageio.Identity()}
	im := &imageio.Image{Grid: g, Channels: 1, Data: []float32{0, 1, 2, 3, 4, 5}, Kind: imageio.Label}
	moved := *im
	moved.Grid.Affine[0][3] = 1
	small := imageio.New(imageio.Grid{Size: [3]int{1, 1, 1}, Affine: imageio.Identity()}, 1, imageio.Label)
	for _, c := range []struct {
		t    Transform
		want string
	}{
		{Add{Image: Other{Image: &moved}}, "add: image: has the same size [3 2 1] but lies elsewhere"},
		{Mask{Image: Other{Image: small}}, "mask: image: want [3 2 1] voxels, got [1 1 1]"},
		{Subtract{Image: Other{Path: filepath.Join(t.TempDir(), "none.nii")}}, "none.nii"},
		{Distance{Labels: []int{9}}, "distance: no labelled voxel"},
	} {
		if _, err := c.t.Apply(im); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T: %v, want %q", c.t, err, c.want)
		}
	}
	if _, err := json.Marshal(Pipeline{Add{Image: Other{Image: im}}}); err == nil || !strings.Contains(err.Error(), "no JSON form") {
		t.Errorf("an image in memory was written: %v", err)
	}
	half := 0.5
	if got := mustApply(t, Add{Image: Other{Image: im}}, im); got.Kind != imageio.Label || got.Data[5] != 10 {
		t.Errorf("sum of labels: %v %v", got.Kind, got.Data)
	}
	if got := mustApply(t, Multiply{Value: &half}, im); got.Kind != imageio.Intensity {
		t.Error("half a label stayed a label")
	}
}
