package imageio_test

import (
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/shared"
)

func BenchmarkRead(b *testing.B) {
	for _, name := range []string{"nifti/mni152_t1_1mm_u8.nii.gz", "nifti/nv_aal.nii.gz", "nifti/nv_sub-01_ses-01_dwi_desc-b0_dwi.nii.gz", "nifti/vec5d_float.nii.gz", "nifti/bids_zeros_1000to1.nii.gz", "mgh/wm.mgz"} {
		b.Run(filepath.Base(name), func(b *testing.B) {
			path := filepath.Join(shared.Dir(b, "imaging"), name)
			b.ReportAllocs()
			for b.Loop() {
				im, err := imageio.Read(path)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(4 * len(im.Data)))
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, name := range []string{"nifti/mni152_t1_1mm_u8.nii.gz", "nifti/nv_aal.nii.gz"} {
		path := filepath.Join(shared.Dir(b, "imaging"), name)
		for _, kind := range []imageio.Kind{imageio.Intensity, imageio.Label} {
			b.Run(filepath.Base(name)+"/"+kind.String(), func(b *testing.B) {
				im, err := imageio.ReadLabel(path)
				if err != nil {
					b.Fatal(err)
				}
				im.Kind = kind
				out := filepath.Join(b.TempDir(), "out.nii.gz")
				for b.Loop() {
					if err := imageio.Write(out, im); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
