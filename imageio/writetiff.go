package imageio

import (
	"bytes"
	"io"
	"math"

	"github.com/nitrain/nitrain/imageio/internal/tiff"
	"github.com/nitrain/nitrain/imageio/internal/volume"
	"github.com/nitrain/nitrain/internal/atomicfile"
)

func writeTIFF(path string, im *Image, s stored) error {
	if im.Kind == Intensity && !s.colour {
		if high, whole := wholeRange(im.Data); whole && high <= math.MaxUint8 {
			s.kind = volume.Uint8
		} else if whole && high <= math.MaxUint16 {
			s.kind = volume.Uint16
		}
	}
	size := im.Grid.Size
	l := tiff.Layout{Type: s.kind, Width: size[0], Height: size[1], Comps: 1, Pages: size[2] * im.Channels}
	shape := []int{size[2], s.frames, s.comps}
	if s.colour {
		l.Comps, l.Pages, shape = 3, size[2]*s.frames, shape[:2]
	}
	for len(shape) > 0 && shape[len(shape)-1] == 1 {
		shape = shape[:len(shape)-1]
	}
	if placed(im) {
		l.Text = tiff.Describe(tiff.Place{Affine: im.Grid.Affine, Shape: shape})
	}
	plane, voxels := size[0]*size[1], im.Grid.Len()*s.frames
	page := func(i int) ([]byte, error) {
		data := im.Data[i*plane : (i+1)*plane]
		if s.colour {
			data = nil
			for c := range 3 {
				data = append(data, im.Data[c*voxels+i*plane:][:plane]...)
			}
		}
		var b bytes.Buffer
		err := encodeSamples(&b, data, s.kind, false, l.Comps)
		return b.Bytes(), err
	}
	return atomicfile.Write(path, func(w io.Writer) error { return tiff.Encode(w, l, page) })
}

// placed reports whether an image lies somewhere: one that came from a picture does not.
func placed(im *Image) bool { return im.Source == nil || im.Source.AffineSource != "none" }
