package imageio

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/nifti"
	"github.com/nitrain/nitrain/imageio/internal/volume"

	"github.com/nitrain/nitrain/internal/atomicfile"
)

// Write writes an image; the name says the format: .nii, .nii.gz, or .png for a 2-D image.
//
// NIfTI: intensities are float32, labels the smallest of uint8, uint16, int16 and int32, never scaled. Codes,
// units and extensions are those of im.Source, so that a result lies in its scan's space in every
// program. Axes behind the third are the source's where they fit the channels, else one fourth axis.
//
// PNG: row 0 is y = 0. Whole numbers of 0..255 become 8-bit, of 0..65535 16-bit grey; other intensities are
// stretched from their range to 16 bit. Three channels of 0..255 become colours.
//
// The file appears whole or not at all.
func Write(path string, im *Image) error {
	if err := im.Validate(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	name := strings.ToLower(filepath.Base(path))
	switch {
	case strings.HasSuffix(name, ".nii"), strings.HasSuffix(name, ".nii.gz"):
		return writeNIfTI(path, im, strings.HasSuffix(name, ".gz"))
	case strings.HasSuffix(name, ".png"):
		return writePNG(path, im)
	}
	return &FormatError{Path: path, Field: "name", Want: "a name that ends in .nii, .nii.gz or .png", Got: fmt.Sprintf("%q", filepath.Ext(name)), Err: ErrUnsupported}
}

func writeNIfTI(path string, im *Image, compress bool) error {
	t := volume.Float32
	if im.Kind == Label {
		var err error
		if t, err = labelType(path, im.Data); err != nil {
			return err
		}
	}
	header := nifti.Encode(layout(im, t))
	return atomicfile.Write(path, func(w io.Writer) error {
		if !compress {
			return writeVoxels(w, header, im.Data, t)
		}
		level := 6
		if t == volume.Float32 {
			level = 3 // higher ones take several times as long for a few per cent
		}
		z, err := volume.NewCompressor(w, level)
		if err != nil {
			return err
		}
		if err := writeVoxels(z, header, im.Data, t); err != nil {
			return err
		}
		return z.Close()
	})
}

// labelType returns the smallest type that holds every label.
func labelType(path string, data []float32) (volume.Type, error) {
	low, high := float32(0), float32(0)
	for i, v := range data {
		if v != float32(math.Trunc(float64(v))) || v > 1<<24 || v < -1<<24 {
			return 0, &FormatError{Path: path, Format: "nifti1", Field: "voxels", Want: "whole numbers of at most 2^24 in a label map", Got: fmt.Sprintf("%v at sample %d", v, i), Err: ErrUnsupported}
		}
		low, high = min(low, v), max(high, v)
	}
	switch {
	case low >= 0 && high <= math.MaxUint8:
		return volume.Uint8, nil
	case low >= 0 && high <= math.MaxUint16:
		return volume.Uint16, nil
	case low >= math.MinInt16 && high <= math.MaxInt16:
		return volume.Int16, nil
	}
	return volume.Int32, nil
}

// layout decides everything that the header says.
func layout(im *Image, t volume.Type) nifti.Layout {
	src := im.Source
	if src == nil {
		src = &Source{}
	}
	l := nifti.Layout{Type: t, Affine: im.Grid.Affine, Units: src.Units, Extensions: src.Extensions, Description: "nitrain"}
	l.Dims, l.Zooms = axes(im, src)
	fromNIfTI := strings.HasPrefix(src.Format, "nifti")
	if fromNIfTI && im.Kind == Intensity && len(l.Dims) == len(src.Shape) {
		l.Intent = src.Intent
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

// axes returns the dimensions and the distances along them. The source's axes are kept where they fit.
func axes(im *Image, src *Source) ([]int, []float64) {
	size := im.Grid.Size
	if len(src.Shape) < 3 && len(src.Shape) > 0 && im.Channels == 1 && flatBeyond(size, len(src.Shape)) {
		return size[:len(src.Shape)], nil
	}
	dims := size[:]
	zooms := make([]float64, 3)
	tail := src.Shape[min(3, len(src.Shape)):]
	product := 1
	for _, d := range tail {
		product *= d
	}
	switch {
	case product == im.Channels:
		dims = append(dims, tail...)
		if len(src.Zooms) == len(src.Shape) && len(tail) > 0 {
			zooms = append(zooms, src.Zooms[3:]...)
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

// writeVoxels writes header and samples, converting a block at a time.
func writeVoxels(w io.Writer, header []byte, data []float32, t volume.Type) error {
	if _, err := w.Write(header); err != nil {
		return err
	}
	const block = 1 << 16
	size := t.Size()
	buf := make([]byte, block*size)
	for len(data) > 0 {
		n := min(block, len(data))
		for i, v := range data[:n] {
			switch t {
			case volume.Uint8:
				buf[i] = uint8(v)
			case volume.Uint16:
				binary.LittleEndian.PutUint16(buf[2*i:], uint16(v))
			case volume.Int16:
				binary.LittleEndian.PutUint16(buf[2*i:], uint16(int16(v)))
			case volume.Int32:
				binary.LittleEndian.PutUint32(buf[4*i:], uint32(int32(v)))
			default:
				binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(v))
			}
		}
		if _, err := w.Write(buf[:n*size]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
