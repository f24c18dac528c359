// Package imageio holds the medical image and moves it in and out of files.
//
// An [Image] is samples on a [Grid]. A Grid is three sizes and one affine from voxel indices to
// world millimetres in the RAS+ convention (x grows to the patient's right, y to anterior, z to
// superior), voxel centres at whole indices. Other conventions exist only while a file is read
// or written.
package imageio

import "fmt"

// Kind says how an image's numbers are meant, and so how they may be interpolated.
type Kind uint8

const (
	// Intensity is a measured or computed quantity: it may be averaged and interpolated.
	Intensity Kind = iota
	// Label is a map of whole numbers that name things: only ever resampled by nearest neighbour.
	Label
)

// String returns "intensity" or "label".
func (k Kind) String() string {
	if k == Label {
		return "label"
	}
	return "intensity"
}

// Image is samples on a grid. Treat an Image as immutable once it is built: operations return new ones.
type Image struct {
	// Grid says where the voxels are.
	Grid Grid
	// Channels is the number of samples a voxel has: 1 for a scan, more for time points,
	// colour or vector components, class probabilities.
	Channels int
	// Data holds the samples, x fastest and channel slowest:
	// the sample of channel c at (x, y, z) is Data[x+nx*(y+ny*(z+nz*c))].
	Data []float32
	// Kind says whether the samples are intensities or labels.
	Kind Kind
	// Source says which file the image came from and how; it is nil for computed images.
	Source *Source
}

// Source is what an image keeps of the file that it was read from, so that a result can be
// written in the same space with the same codes, and so that doubts about it reach the user.
type Source struct {
	Format       string      // "nifti1", "nifti2", "mgh", ...
	Stored       string      // type of the samples in the file, numpy's name: "int16", "float32", "rgb24", ...
	Shape        []int       // shape as the file has it, 2 to 7 axes
	Components   int         // samples that each voxel of Shape has; 0 and 1 are one
	AffineSource string      // "sform", "qform", "fallback", "mgh", ...
	SformCode    int         // NIfTI codes, zero elsewhere
	QformCode    int         //
	Units        uint8       // NIfTI xyzt_units
	Intent       int         // NIfTI intent code
	Zooms        []float64   // along the axes of Shape: mm, then time as the file has it
	Extensions   []Extension // NIfTI extensions, written back
	Warnings     []string    // what was wrong and how it was mended, without patient data
}

// New returns an image of zeros.
func New(grid Grid, channels int, kind Kind) *Image {
	return &Image{Grid: grid, Channels: channels, Data: make([]float32, grid.Len()*channels), Kind: kind}
}

// At returns one sample.
func (im *Image) At(x, y, z, channel int) float32 {
	return im.Data[im.Grid.Index(x, y, z)+channel*im.Grid.Len()]
}

// Channel returns the samples of one channel, shared with the image.
func (im *Image) Channel(c int) []float32 {
	n := im.Grid.Len()
	return im.Data[c*n : (c+1)*n : (c+1)*n]
}

// Validate reports whether sizes, channels and data agree and the grid is usable.
func (im *Image) Validate() error {
	if err := im.Grid.Validate(); err != nil {
		return err
	}
	if im.Channels < 1 || len(im.Data) != im.Grid.Len()*im.Channels {
		return fmt.Errorf("imageio: image of %v voxels and %d channels: want %d samples, got %d",
			im.Grid.Size, im.Channels, im.Grid.Len()*im.Channels, len(im.Data))
	}
	return nil
}
