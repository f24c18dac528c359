package transform

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/shared"
)

func readShared(t testing.TB, elem ...string) *imageio.Image {
	t.Helper()
	im, err := imageio.Read(shared.Dir(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// acceptance skips a long test unless NITRAIN_ACCEPTANCE is set.
func acceptance(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("NITRAIN_ACCEPTANCE") == "" {
		t.Skipf("%s: set NITRAIN_ACCEPTANCE=1 to run it", why)
	}
}

func mustSteps(t testing.TB, steps string) Pipeline {
	t.Helper()
	p, err := ParseSteps([]byte(steps))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustApply(t testing.TB, tr Transform, im *imageio.Image) *imageio.Image {
	t.Helper()
	out, err := tr.Apply(im)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestConformNiiVue compares with what brainchop's pipeline made of two scans: one of uint8, one of another type.
func TestConformNiiVue(t *testing.T) {
	t.Run("mni152", func(t *testing.T) {
		compareConformed(t, readShared(t, "imaging", "nifti", "mni152_t1_1mm_u8.nii.gz"), "mni152_conformed.nii.gz")
	})
	t.Run("stroke", func(t *testing.T) {
		acceptance(t, "a second whole brain")
		compareConformed(t, readShared(t, "imaging", "nifti", "stroke_T1_u8.nii.gz"), "stroke_conformed.nii.gz")
	})
	t.Run("already conformed", func(t *testing.T) {
		im := readShared(t, "real", "data", "brain", "fs_norm.mgz")
		if got := mustApply(t, Conform{Rule: NiiVue}, im); got != im {
			t.Error("a conformed scan was resampled")
		}
	})
}

// compareConformed allows one grey level on 0.001 % of the voxels, where round-off meets truncation.
func compareConformed(t *testing.T, scan *imageio.Image, expected string) {
	t.Helper()
	want := readShared(t, "real", "expected", expected)
	got := mustApply(t, Conform{Rule: NiiVue}, scan)
	if !got.Grid.Same(want.Grid, 1e-4) {
		t.Fatalf("grid %v, want %v", got.Grid, want.Grid)
	}
	differ := 0
	for i, v := range got.Data {
		if d := math.Abs(float64(v - want.Data[i])); d > 1 {
			t.Fatalf("voxel %d is %v, want %v", i, v, want.Data[i])
		} else if d > 0 {
			differ++
		}
	}
	t.Logf("%d of %d voxels differ by one grey level", differ, len(got.Data))
	if differ > len(got.Data)/100000 {
		t.Errorf("%d voxels differ, want at most %d", differ, len(got.Data)/100000)
	}
}

// brainchopSteps is what each model sees of a conformed scan.
func brainchopSteps() map[string]string {
	return map[string]string{
		"tissue_light":      `[{"op":"scale"},{"op":"crop_foreground","margin":18,"allow_smaller":true}]`,
		"tissue_high":       `[{"op":"percentiles","lower":5,"upper":95,"method":"index"},{"op":"crop_foreground","fraction_of_max":0.2,"allow_smaller":true}]`,
		"subcortical_light": `[{"op":"scale"},{"op":"crop_foreground","fraction_of_max":0.2,"allow_smaller":true}]`,
		"subcortical":       `[{"op":"scale"},{"op":"crop_foreground","fraction_of_max":0.2,"allow_smaller":true}]`,
		"mindgrab":          `[{"op":"scale"},{"op":"crop_foreground","fraction_of_max":0.5,"margin":20,"allow_smaller":true}]`,
	}
}

// TestBrainchopBoxes compares the boxes that the models were given.
func TestBrainchopBoxes(t *testing.T) {
	raw, err := os.ReadFile(shared.Dir(t, "real", "expected", "brainchop.json"))
	if err != nil {
		t.Fatal(err)
	}
	var expected map[string]map[string]json.RawMessage
	if err := json.Unmarshal(raw, &expected); err != nil {
		t.Fatal(err)
	}
	scans := map[string][]string{
		"fs":     {"real", "data", "brain", "fs_norm.mgz"},
		"mni152": {"real", "expected", "mni152_conformed.nii.gz"},
		"stroke": {"real", "expected", "stroke_conformed.nii.gz"},
	}
	for scan, path := range scans {
		t.Run(scan, func(t *testing.T) {
			if scan != "fs" {
				acceptance(t, "two more whole brains")
			}
			im := readShared(t, path...)
			for model, steps := range brainchopSteps() {
				var want struct {
					Box [3][2]int `json:"box_xyz"`
				}
				if err := json.Unmarshal(expected[scan][model], &want); err != nil {
					t.Fatalf("%s: %v", model, err)
				}
				out := mustApply(t, mustSteps(t, steps), im)
				inv, err := im.Grid.Affine.Inverse()
				if err != nil {
					t.Fatal(err)
				}
				start := inv.Apply(out.Grid.World(0, 0, 0))
				for i, w := range want.Box {
					lo := int(math.Round(start[i]))
					if lo != w[0] || lo+out.Grid.Size[i] != w[1] {
						t.Errorf("%s: axis %d: %d to %d, want %v", model, i, lo, lo+out.Grid.Size[i], w)
					}
				}
			}
		})
	}
}

// TestSpace48 turns the orientations of one volume (nibabel's space48) into one, and each back by index.
func TestSpace48(t *testing.T) {
	dir := shared.Dir(t, "imaging", "nifti", "space48")
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var first *imageio.Image
	n := 0
	for _, f := range files {
		im, err := imageio.Read(dir + "/" + f.Name())
		if err != nil {
			continue // not a volume
		}
		n++
		got := mustApply(t, Orient{Axes: "RAS"}, im)
		if first == nil {
			first = got
		}
		if d, _, count := difference(got.Data, first.Data); got.Grid.Size != first.Grid.Size || count > 0 {
			t.Errorf("%s: %v voxels, differs by %g", f.Name(), got.Grid.Size, d)
		}
		if d := affineDifference(got.Grid.Affine, first.Grid.Affine); d > 1e-4 {
			t.Errorf("%s: affine differs by %g", f.Name(), d)
		}
		back := mustApply(t, Onto{Grid: im.Grid}, got)
		if _, _, count := difference(back.Data, im.Data); count > 0 {
			t.Errorf("%s: the way back changes %d samples", f.Name(), count)
		}
	}
	if n < 36 {
		t.Errorf("%d orientations read, want 36 to 48", n)
	}
}
