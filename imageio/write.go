package imageio

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Write writes an image; the name says the format:
//
//	.nii .nii.gz         NIfTI-1, or NIfTI-2 where an axis is longer than 32767
//	.nrrd .nhdr          NRRD, gzip; .nhdr with the samples beside it in .raw.gz
//	.mha .mhd            MetaImage, zlib; .mhd with the samples beside it in .zraw
//	.mgh .mgz            FreeSurfer's volumes
//	.tif .tiff           TIFF, deflate, one page a slice
//	.png                 a 2-D image
//
// Intensities are float32, labels the smallest of uint8, uint16, int16 and int32, never scaled; colours of
// 0 to 255 stay bytes. The affine is that of the grid: MGH and NIfTI-1 keep it in float32, the others in
// float64, NRRD and MetaImage in their LPS convention. TIFF and PNG, which have no geometry, carry it in a
// description that this package reads.
//
// NIfTI: codes, units and extensions are those of im.Source, so that a result lies in its scan's space in
// every program. Axes behind the third are the source's where they fit the channels, else one fourth axis.
//
// TIFF and PNG: row 0 is y = 0. Whole numbers of 0..255 become 8-bit, of 0..65535 16-bit grey. Other
// intensities are float32 in a TIFF; for a PNG they are stretched from their range to 16 bit.
//
// The file appears whole or not at all.
func Write(path string, im *Image) error {
	if err := im.Validate(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	name := strings.ToLower(filepath.Base(path))
	for _, f := range writers() {
		for _, end := range f.ends {
			if strings.HasSuffix(name, end) {
				s, err := storage(path, im)
				if err != nil {
					return err
				}
				return f.write(path, im, s)
			}
		}
	}
	return &FormatError{Path: path, Field: "name", Want: "a name that ends in " + strings.Join(Extensions(), ", "), Got: fmt.Sprintf("%q", filepath.Ext(name)), Err: ErrUnsupported}
}

// writer is one format that files can be written in.
type writer struct {
	ends  []string
	write func(path string, im *Image, s stored) error
}

func writers() []writer {
	return []writer{
		{[]string{".nii", ".nii.gz"}, writeNIfTI},
		{[]string{".nrrd", ".nhdr"}, writeNRRD},
		{[]string{".mha", ".mhd"}, writeMetaImage},
		{[]string{".mgh", ".mgz"}, writeMGH},
		{[]string{".tif", ".tiff"}, writeTIFF},
		{[]string{".png"}, writePNG},
	}
}

// Extensions returns the ends of names that Write knows.
func Extensions() []string {
	var out []string
	for _, f := range writers() {
		out = append(out, f.ends...)
	}
	return out
}
