package explain_test

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/explain"
	"github.com/nitrain/nitrain/imageio"
)

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]explain.Target{
		"":                      {},
		"class:2":               {Kind: explain.Class, Label: 2, Labelled: true},
		"mask:11":               {Kind: explain.Mask, Label: 11, Labelled: true},
		"voxel:1,2,3":           {Kind: explain.Voxel, Voxel: [3]int{1, 2, 3}},
		"voxel:1,2,3@4":         {Kind: explain.Voxel, Voxel: [3]int{1, 2, 3}, Label: 4, Labelled: true},
		"region:a:b.nii.gz:17":  {Kind: explain.Region, Path: "a:b.nii.gz", Value: 17},
		"region:a.nii.gz:17@-1": {Kind: explain.Region, Path: "a.nii.gz", Value: 17, Label: -1, Labelled: true},
	} {
		if got, err := explain.ParseTarget(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"class", "class:", "class:x", "mask:1.5", "voxel:1,2", "voxel:1,2,3,4", "voxel:a,b,c", "region:17", "region::17", "region:a:b", "thing:1", ":"} {
		if got, err := explain.ParseTarget(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}

// FuzzParseTarget looks for a panic, and for targets that lose what they say.
func FuzzParseTarget(f *testing.F) {
	f.Add("region:a.nii.gz:17@2")
	f.Add("voxel:1,2,3")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := explain.ParseTarget(text); err == nil && text != "" && !strings.HasPrefix(text, string(got.Kind)+":") {
			t.Errorf("%q became %+v", text, got)
		}
	})
}

func names(t testing.TB, text string) (map[int]string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "names.tsv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return explain.ReadNames(path)
}

func TestReadNames(t *testing.T) {
	for _, text := range []string{
		"index\tname\n3\tthalamus\n17\tleft hippocampus\n", "name,color,label\nthalamus,#f00,3\n\"left hippocampus\",#0f0,17\n",
		"# a comment\r\n3\tthalamus\r\n17\tleft hippocampus", "\ufeffIndex\tName\n3\tthalamus\n\n17\tleft hippocampus\n",
	} {
		got, err := names(t, text)
		if err != nil || len(got) != 2 || got[3] != "thalamus" || got[17] != "left hippocampus" {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"one\n", "x\tname\n", "index\tname\nthree\tthalamus\n"} {
		if got, err := names(t, text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

// FuzzReadNames looks for a panic.
func FuzzReadNames(f *testing.F) {
	f.Add("index\tname\n3\tthalamus\n")
	f.Add("name,label\na,1")
	f.Fuzz(func(t *testing.T, text string) { _, _ = names(t, text) })
}

// TestRegions adds up by hand: two regions of 4 and 2 voxels of 2 mm in an image of 8.
func TestRegions(t *testing.T) {
	grid := imageio.Grid{Size: [3]int{4, 2, 1}, Affine: imageio.Identity()}
	for a := range 3 {
		grid.Affine[a][a] = 2
	}
	heat, atlas := imageio.New(grid, 2, imageio.Intensity), imageio.New(grid, 1, imageio.Label)
	copy(heat.Data, []float32{1, -3, 0, 0, 1, 1, 2, 0, 0, 1, 0, 0, 0, 0, 2, 0})
	copy(atlas.Data, []float32{5, 5, 0, 0, 5, 5, 9, 9})
	got, err := explain.Regions(heat, atlas, map[int]string{9: "nine"})
	if err != nil {
		t.Fatal(err)
	}
	// Channels added up: 1 -2 0 0 / 1 1 4 0, 9 in absolute numbers over 8 voxels.
	want := []explain.RegionSum{
		{Label: 9, Name: "nine", Voxels: 2, ML: 0.016, Share: 4.0 / 9, Density: 16.0 / 9, Sign: 1},
		{Label: 5, Voxels: 4, ML: 0.032, Share: 5.0 / 9, Density: 10.0 / 9, Sign: 0.2},
	}
	for i, w := range want {
		g := got[i]
		if g.Label != w.Label || g.Name != w.Name || g.Voxels != w.Voxels || math.Abs(g.ML-w.ML)+math.Abs(g.Share-w.Share)+math.Abs(g.Density-w.Density)+math.Abs(g.Sign-w.Sign) > 1e-9 {
			t.Errorf("row %d: got %+v, want %+v", i, g, w)
		}
	}
	var text bytes.Buffer
	if err := explain.WriteRegions(&text, got); err != nil || !strings.HasPrefix(text.String(), "label,name,voxels,ml,share,density,sign\n9,nine,2,0.016,0.444444,1.77778,1\n") {
		t.Errorf("%v %s", err, text.String())
	}
	if _, err := explain.Regions(heat, imageio.New(grid, 1, imageio.Label), nil); err == nil {
		t.Error("an atlas without regions: no error")
	}
}

// TestSimilarity has the value of scipy.stats.spearmanr, and that of the formula of skimage.metrics.structural_similarity
// (win_size (3, 7, 7), data_range 1) computed with scipy.ndimage.uniform_filter.
func TestSimilarity(t *testing.T) {
	if r := explain.RankCorrelation([]float32{1, 2, 2, 4}, []float32{10, 30, 20, 40}); math.Abs(r-0.9486832980505138) > 1e-12 {
		t.Errorf("rank correlation %g", r)
	}
	if r := explain.RankCorrelation([]float32{1, 1, 1}, []float32{1, 2, 3}); r != 0 {
		t.Errorf("of a constant: %g", r)
	}
	a := imageio.New(imageio.Grid{Size: [3]int{12, 9, 3}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	b := imageio.New(a.Grid, 1, imageio.Intensity)
	for i := range a.Data {
		a.Data[i], b.Data[i] = float32(i*7%11)/10, float32(i*5%13)/12
	}
	if s := explain.SSIM(a, a); math.Abs(s-1) > 1e-12 {
		t.Errorf("of an image with itself: %g", s)
	}
	if s := explain.SSIM(a, b); math.Abs(s+0.017855703019817336) > 1e-9 {
		t.Errorf("of two patterns: %g", s)
	}
}

// TestSanity repeats an explanation with random weights: the maps must lose their likeness.
func TestSanity(t *testing.T) {
	e := open(t, unet(), plain(nil))
	p, err := e.Problem(context.Background(), []*imageio.Image{checkered()}, explain.Target{Kind: explain.Mask, Label: 2, Labelled: true})
	if err != nil {
		t.Fatal(err)
	}
	x, err := p.Explain(context.Background(), explain.Saliency{})
	if err != nil {
		t.Fatal(err)
	}
	steps, err := p.Sanity(context.Background(), explain.Saliency{}, x, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", steps)
	if len(steps) != 3 || steps[0].Layers != 1 || steps[0].Layer != "head.weight" || steps[2].Parameters < steps[1].Parameters {
		t.Errorf("steps %+v", steps)
	}
	if last := steps[2]; last.Rank > 0.6 || last.SSIM > 0.9 {
		t.Errorf("with random weights the map is still the same: %+v", last)
	}
	var page bytes.Buffer
	regions := imageio.New(x.Image.Grid, 1, imageio.Label)
	for i := range regions.Data {
		regions.Data[i] = float32(i % 3)
	}
	table, err := explain.Regions(x.Image, regions, map[int]string{1: "<one>"})
	if err != nil {
		t.Fatal(err)
	}
	err = explain.WriteReport(&page, explain.Report{Model: "unet", Scan: checkered(), Findings: []explain.Finding{{Explanation: x, Regions: table, Sanity: steps}}})
	if err != nil {
		t.Fatal(err)
	}
	text := page.String()
	for _, want := range []string{"data:image/png;base64,", "&lt;one&gt;", "head.weight"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report has no %q", want)
		}
	}
	for _, bad := range []string{"http://", "https://", "ZgotmplZ", "<one>"} {
		if strings.Contains(text, bad) {
			t.Errorf("the report has %q", bad)
		}
	}
}
