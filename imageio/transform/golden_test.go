package transform

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/shared"
)

// Tolerances, as a part of the golden's largest sample.
const (
	interpolated = 1e-4 // linear and cubic: weights in float32 here, float64 or float32 there
	pointwiseTol = 1e-5 // intensity and smoothing: sums in another order
	exactly      = 0
)

// goldens says which step makes each golden of the shared set, as JSON, and how near it comes.
func goldens() map[string]struct {
	steps string
	tol   float64
} {
	type g = struct {
		steps string
		tol   float64
	}
	return map[string]g{
		"spacing_bilinear_border":     {`[{"op":"spacing","mm":[1,1,1]}]`, interpolated},
		"spacing_bilinear_zeros":      {`[{"op":"spacing","mm":[1,1,1],"edge":"zeros"}]`, interpolated},
		"spacing_bilinear_reflection": {`[{"op":"spacing","mm":[1,1,1],"edge":"reflect"}]`, interpolated},
		"spacing_nearest_border":      {`[{"op":"spacing","mm":[1,1,1],"interpolation":"nearest"}]`, exactly},
		"spacing_nearest_zeros":       {`[{"op":"spacing","mm":[1,1,1],"interpolation":"nearest","edge":"zeros"}]`, exactly},
		"spacing_nearest_reflection":  {`[{"op":"spacing","mm":[1,1,1],"interpolation":"nearest","edge":"reflect"}]`, exactly},
		"spacing_label_nearest":       {`[{"op":"spacing","mm":[1.5,1.5,2]}]`, exactly},
		"spacing_o3_nearest":          {`[{"op":"spacing","mm":[1,1,1],"interpolation":"cubic"}]`, interpolated},
		"spacing_o3_mirror":           {`[{"op":"spacing","mm":[1,1,1],"interpolation":"cubic","edge":"mirror"}]`, interpolated},
		"spacing_diag":                {`[{"op":"spacing","mm":[1.2,1.2,1.2],"diagonal":true}]`, interpolated},
		"spacing_down":                {`[{"op":"spacing","mm":[2.5,2.5,5]}]`, interpolated},
		"spacing_keepz":               {`[{"op":"spacing","mm":[1,1,-1]}]`, interpolated},
		"spacing_ac_true_v15":         {`[{"op":"spacing","mm":[1,1,1],"align_corners":"monai-1.5"}]`, interpolated},
		"orient_RAS":                  {`[{"op":"orient","axes":"RAS"}]`, exactly},
		"orient_LPS":                  {`[{"op":"orient","axes":"LPS"}]`, exactly},
		"orient_SPL":                  {`[{"op":"orient","axes":"SPL"}]`, exactly},
		"orient_AIR":                  {`[{"op":"orient","axes":"AIR"}]`, exactly},
		"resize_tri":                  {`[{"op":"resize","size":[10,30,14]}]`, interpolated},
		"resize_tri_ac":               {`[{"op":"resize","size":[10,30,14],"align_corners":true}]`, interpolated},
		"resize_nearest":              {`[{"op":"resize","size":[10,30,14],"interpolation":"nearest"}]`, exactly},
		"resize_nearest_exact":        {`[{"op":"resize","size":[10,30,14],"interpolation":"nearest-exact"}]`, exactly},
		"resize_area":                 {`[{"op":"resize","size":[10,12,7],"interpolation":"area"}]`, pointwiseTol},
		"resize_aa":                   {`[{"op":"resize","size":[10,12,7],"anti_aliasing":true}]`, interpolated},
		"zoom_half":                   {`[{"op":"zoom","factor":0.5}]`, interpolated},
		"norm":                        {`[{"op":"zscore"}]`, pointwiseTol},
		"norm_nz":                     {`[{"op":"zscore","nonzero":true,"per_channel":true}]`, pointwiseTol},
		"scale01":                     {`[{"op":"scale","to":[0,1]}]`, pointwiseTol},
		"sir":                         {`[{"op":"range","from":[-175,250],"to":[0,1],"clip":true}]`, pointwiseTol},
		"sirp":                        {`[{"op":"percentiles","lower":1,"upper":99,"to":[0,1],"clip":true}]`, pointwiseTol},
		"cropfg":                      {`[{"op":"crop_foreground","margin":1}]`, exactly},
		"pad":                         {`[{"op":"pad","size":[24,24,24]}]`, exactly},
		"divpad":                      {`[{"op":"pad_multiple","k":16}]`, exactly},
		"cc":                          {`[{"op":"center_crop","size":[8,9,20]}]`, exactly},
		"rwpc":                        {`[{"op":"pad","size":[16,32,16]},{"op":"center_crop","size":[16,32,16]}]`, exactly},
		"gauss":                       {`[{"op":"smooth","voxels":1}]`, pointwiseTol},
		"gauss_aniso":                 {`[{"op":"smooth","voxels":[0.5,1,2]}]`, pointwiseTol},
	}
}

type goldenRecord struct {
	Name   string
	Affine imageio.Affine
}

func TestGoldens(t *testing.T) {
	dir := filepath.Join(shared.Dir(t), "golden-transforms")
	raw, err := os.ReadFile(filepath.Join(dir, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var records []goldenRecord
	if err := json.Unmarshal(raw, &records); err != nil {
		t.Fatal(err)
	}
	read := func(r goldenRecord) *imageio.Image {
		size, channels, data := readNPY(t, filepath.Join(dir, r.Name+".npy"))
		return &imageio.Image{Grid: imageio.Grid{Size: size, Affine: r.Affine}, Channels: channels, Data: data}
	}
	cases := goldens()
	var in, label *imageio.Image
	seen := 0
	for _, r := range records {
		switch r.Name {
		case "in":
			in = read(r)
			continue
		case "label":
			label = read(r)
			label.Kind = imageio.Label
			continue
		}
		c, ok := cases[r.Name]
		if !ok {
			if !strings.HasPrefix(r.Name, "scipy_") {
				t.Errorf("no case for golden %s", r.Name)
			}
			continue // see TestSciPyGoldens
		}
		seen++
		t.Run(r.Name, func(t *testing.T) {
			p, err := ParseSteps([]byte(c.steps))
			if err != nil {
				t.Fatal(err)
			}
			source := in
			if r.Name == "spacing_label_nearest" {
				source = label
			}
			got, err := p.Apply(source)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, got, read(r), c.tol)
		})
	}
	if seen != len(cases) {
		t.Errorf("%d goldens compared, want %d", seen, len(cases))
	}
}

// TestSciPyGoldens compares the kernels with scipy.ndimage.affine_transform.
func TestSciPyGoldens(t *testing.T) {
	dir := shared.Dir(t, "golden-transforms")
	from, _, in := readNPY(t, filepath.Join(dir, "in.npy"))
	m := imageio.Affine{{0.8, 0, 0, 0.3}, {0, 0.7, 0, -1}, {0, 0, 0.5, 0.2}, {0, 0, 0, 1}}
	for _, c := range []struct {
		name string
		how  Interpolation
		edge Edge
	}{{"scipy_o1_nearest", Linear, Border}, {"scipy_o3_mirror", Cubic, Mirror}, {"scipy_o3_constant", Cubic, strict}} {
		to, _, want := readNPY(t, filepath.Join(dir, c.name+".npy"))
		r := resampling{from: from, to: to, m: m, how: c.how, edge: c.edge}
		for way, f := range map[string]channelFunc{"separable": r.plan(), "pointwise": r.pointwise()} {
			got := make([]float32, len(want))
			f(got, in)
			if d, scale, _ := difference(got, want); d > interpolated*scale {
				t.Errorf("%s, %s: differs by %g of %g", c.name, way, d, scale)
			}
		}
	}
}

// compare wants equal sizes, affines to 1e-6 and samples to tol times the largest; with tol 0 at most 0.5 % of
// the samples may differ, where a point lies halfway between two voxels and round-off decides.
func compare(t *testing.T, got, want *imageio.Image, tol float64) {
	t.Helper()
	if got.Grid.Size != want.Grid.Size || got.Channels != want.Channels {
		t.Fatalf("%v voxels, %d channels; want %v, %d", got.Grid.Size, got.Channels, want.Grid.Size, want.Channels)
	}
	if d := affineDifference(got.Grid.Affine, want.Grid.Affine); d > 1e-6 {
		t.Errorf("affine differs by %g:\n got %v\nwant %v", d, got.Grid.Affine, want.Grid.Affine)
	}
	largest, scale, count := difference(got.Data, want.Data)
	t.Logf("largest difference %.3g of %.4g, %d of %d samples differ", largest, scale, count, len(want.Data))
	if tol > 0 && largest > tol*scale {
		t.Errorf("samples differ by %g, want at most %g", largest, tol*scale)
	}
	if tol == 0 && float64(count) > 0.005*float64(len(want.Data)) {
		t.Errorf("%d of %d samples differ", count, len(want.Data))
	}
}
