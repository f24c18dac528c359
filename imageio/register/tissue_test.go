package register

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/internal/shared"
)

// tissue returns 1 for FreeSurfer's labels of grey matter, 2 for those of white matter and the brain stem.
func tissue(label float32) int {
	switch k := int(label); k {
	case 2, 41, 7, 46, 16, 28, 60, 77, 85, 251, 252, 253, 254, 255:
		return 2
	case 3, 42, 8, 47, 10, 11, 12, 13, 17, 18, 26, 49, 50, 51, 52, 53, 54, 58:
		return 1
	default:
		if k >= 1000 {
			return 1
		}
		return 0
	}
}

// TestTissuesAgainstANTs lays one head on the MNI template and compares the overlap of grey and white matter with what
// ANTs 2.6 (antspyx 0.6.3, its Affine and Rigid) reaches: no worse than 0.001, about what another seed changes.
func TestTissuesAgainstANTs(t *testing.T) {
	if os.Getenv("NITRAIN_ACCEPTANCE") == "" {
		t.Skip("registers whole heads: set NITRAIN_ACCEPTANCE=1")
	}
	fixed, moving := read(t, scans()["MNI"]...), read(t, scans()["fs_norm"]...)
	labels, err := imageio.ReadLabel(shared.Dir(t, "imaging", "mgh", "aparc.a2009s+aseg.mgz"))
	if err != nil {
		t.Fatal(err)
	}
	maps := [3]*imageio.Image{
		1: read(t, "real", "data", "brain", "mni_icbm152_gm_tal_nlin_sym_09a_converted.nii.gz"),
		2: read(t, "real", "data", "brain", "mni_icbm152_wm_tal_nlin_sym_09a_converted.nii.gz"),
	}
	dice := func(m Map) [3]float64 {
		on, err := m.Resampled(labels, fixed.Grid, transform.Nearest, 0)
		if err != nil {
			t.Fatal(err)
		}
		var both, sum, score [3]float64
		for i, v := range on.Data {
			k := tissue(v)
			for c := 1; c < 3; c++ {
				in := maps[c].Data[i] > 127.5
				if in {
					sum[c]++
				}
				if k == c {
					sum[c]++
					if in {
						both[c]++
					}
				}
			}
		}
		for c := 1; c < 3; c++ {
			score[c] = 2 * both[c] / sum[c]
		}
		return score
	}
	for kind, name := range map[Kind]string{Full: "ants_affine.mat", Rigid: "ants_rigid.mat"} {
		theirs, err := ReadMap(filepath.Join(reference, name))
		if err != nil {
			t.Fatal(err)
		}
		ours, err := Register(t.Context(), fixed, moving, Options{Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		a, b := dice(ours.Map), dice(theirs)
		t.Logf("%s: grey matter %.4f, white matter %.4f; ANTs %.4f, %.4f", kind, a[1], a[2], b[1], b[2])
		for c := 1; c < 3; c++ {
			if a[c] < b[c]-0.001 {
				t.Errorf("%s, tissue %d: Dice %.4f, ANTs %.4f", kind, c, a[c], b[c])
			}
		}
	}
}
