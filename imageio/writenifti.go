package imageio

import (
	"io"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/nifti"
	"github.com/nitrain/nitrain/imageio/internal/volume"
	"github.com/nitrain/nitrain/internal/atomicfile"
)

func writeNIfTI(path string, im *Image, s stored) error {
	header := nifti.Encode(layout(im, s))
	s.frames, s.comps = im.Channels, 1
	if s.colour {
		s.comps = 3
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		return packed(w, strings.HasSuffix(strings.ToLower(path), ".gz"), s, func(w io.Writer) error {
			if _, err := w.Write(header); err != nil {
				return err
			}
			return s.samples(w, im)
		})
	})
}

// packed lets write write into w, through gzip if compress.
func packed(w io.Writer, compress bool, s stored, write func(io.Writer) error) error {
	if !compress {
		return write(w)
	}
	z, err := volume.NewCompressor(w, s.level())
	if err != nil {
		return err
	}
	if err := write(z); err != nil {
		return err
	}
	return z.Close()
}

// level is that of compression: for floats higher ones take longer for a few per cent, and the fastest still makes
// smaller files than nibabel does.
func (s stored) level() int {
	if s.kind == volume.Float32 {
		return 1
	}
	return 6
}

// layout decides everything that the header says.
func layout(im *Image, st stored) nifti.Layout {
	src := im.Source
	if src == nil {
		src = &Source{}
	}
	l := nifti.Layout{Type: st.kind, Affine: im.Grid.Affine, Units: src.Units, Extensions: src.Extensions, Description: "nitrain"}
	l.Dims, l.Zooms = axes(im, src, st)
	if st.colour {
		l.Type = volume.RGB24
	}
	fromNIfTI := strings.HasPrefix(src.Format, "nifti")
	if fromNIfTI && im.Kind == Intensity && len(l.Dims) == len(src.Shape) {
		l.Intent = src.Intent
	}
	if src.Components > 1 && len(l.Dims) == 5 && l.Intent == 0 {
		l.Intent = 1007 // a vector
	}
	if !fromNIfTI {
		l.Units = 2 // mm
		if src.Format == "mgh" && len(l.Dims) == 4 {
			l.Units |= 16 // ms
		}
		if src.Format == "dicom" && len(l.Dims) == 4 {
			l.Units |= 8 // s
		}
	}
	l.SformCode, l.QformCode = codes(im, src)
	return l
}

// codes keeps the source's. A new image is "aligned" (2), one from a scanner format "scanner" (1); both
// are said by the sform, which holds any affine. The qform is only claimed where a quaternion is enough.
func codes(im *Image, src *Source) (sform, qform int) {
	sform, qform = src.SformCode, src.QformCode
	sheared := nifti.Sheared(im.Grid.Affine)
	if sheared && qform > 0 {
		sform, qform = max(sform, qform), 0
	}
	if sform > 0 || qform > 0 {
		return sform, qform
	}
	if src.Format == "mgh" && src.AffineSource == "mgh" || src.AffineSource == "dicom" {
		return 1, 0
	}
	return 2, 0
}

// axes returns the dimensions and the distances along them. The source's axes are kept where they fit;
// components that it had together become a fifth axis, unless they are colours.
func axes(im *Image, src *Source, st stored) ([]int, []float64) {
	size := im.Grid.Size
	together := max(1, src.Components)
	if n := len(src.Shape); n < 3 && n > 0 && (im.Channels == 1 || st.colour) && flatBeyond(size, n) {
		return size[:n], nil
	}
	dims := size[:]
	zooms := make([]float64, 3)
	tail := src.Shape[min(3, len(src.Shape)):]
	product := 1
	for _, d := range tail {
		product *= d
	}
	switch {
	case product*together == im.Channels:
		dims = append(dims, tail...)
		if len(src.Zooms) == len(src.Shape) && len(tail) > 0 {
			zooms = append(zooms, src.Zooms[3:]...)
		}
		if together > 1 && !st.colour {
			if len(dims) == 3 {
				dims = append(dims, 1)
			}
			dims = append(dims, together)
		}
	case im.Channels > 1:
		dims = append(dims, im.Channels)
	}
	for len(zooms) < len(dims) {
		zooms = append(zooms, 1)
	}
	return dims, zooms
}

func flatBeyond(size [3]int, n int) bool {
	for _, d := range size[n:] {
		if d != 1 {
			return false
		}
	}
	return true
}
