package imageio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/nitrain/nitrain/imageio/internal/tiff"
	"github.com/nitrain/nitrain/internal/atomicfile"
)

// writePNG writes a 2-D image. Grey values that a PNG can hold are kept exactly.
func writePNG(path string, im *Image, _ stored) error {
	if im.Grid.Size[2] != 1 {
		return &FormatError{
			Path: path, Format: "png", Field: "shape", Want: "a 2-D image", Got: fmt.Sprintf("%v voxels", im.Grid.Size), Err: ErrUnsupported,
			Advice: "write .nii.gz, or a picture of slices with `nitrain view`",
		}
	}
	var picture image.Image
	switch im.Channels {
	case 1:
		var err error
		if picture, err = grey(path, im); err != nil {
			return err
		}
	case 3:
		high, whole := wholeRange(im.Data)
		if !whole || high > math.MaxUint16 {
			return &FormatError{Path: path, Format: "png", Field: "voxels", Want: "whole numbers of 0 to 65535 in colours", Got: "others", Err: ErrUnsupported}
		}
		picture = colours(im)
		if high > math.MaxUint8 {
			picture = colours16(im)
		}
	default:
		return &FormatError{Path: path, Format: "png", Field: "channels", Want: "1 or 3", Got: strconv.Itoa(im.Channels), Err: ErrUnsupported}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return err
	}
	raw := b.Bytes()
	if placed(im) {
		raw = withText(raw, tiff.Describe(tiff.Place{Affine: im.Grid.Affine}))
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
}

// withText puts a text behind the first chunk of a PNG.
func withText(raw []byte, text string) []byte {
	const first = 33 // signature and IHDR
	body := append([]byte("tEXtnitrain\x00"), text...)
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(body)-4))
	chunk = binary.BigEndian.AppendUint32(append(chunk, body...), crc32.ChecksumIEEE(body))
	return slices.Concat(raw[:first], chunk, raw[first:])
}

// wholeRange returns the largest sample and whether all are whole numbers from 0.
func wholeRange(data []float32) (high float32, whole bool) {
	for _, v := range data {
		if !(v >= 0) || v != float32(math.Trunc(float64(v))) {
			return 0, false
		}
		high = max(high, v)
	}
	return high, true
}

func grey(path string, im *Image) (image.Image, error) {
	box := image.Rect(0, 0, im.Grid.Size[0], im.Grid.Size[1])
	high, whole := wholeRange(im.Data)
	switch {
	case whole && high <= math.MaxUint8:
		g := image.NewGray(box)
		for i, v := range im.Data {
			g.Pix[i] = uint8(v)
		}
		return g, nil
	case whole && high <= math.MaxUint16:
		return grey16(box, im.Data, 0, 1), nil
	case im.Kind == Label:
		return nil, &FormatError{Path: path, Format: "png", Field: "voxels", Want: "labels of 0 to 65535", Got: "others", Err: ErrUnsupported}
	}
	low, top := math.Inf(1), math.Inf(-1)
	for _, v := range im.Data {
		if f := float64(v); !math.IsNaN(f) && !math.IsInf(f, 0) {
			low, top = min(low, f), max(top, f)
		}
	}
	factor := 0.0
	if top > low {
		factor = math.MaxUint16 / (top - low)
	}
	return grey16(box, im.Data, low, factor), nil
}

func grey16(box image.Rectangle, data []float32, low, factor float64) *image.Gray16 {
	g := image.NewGray16(box)
	for i, v := range data {
		f := (float64(v) - low) * factor
		if math.IsNaN(f) {
			f = 0
		}
		g.SetGray16(i%box.Dx(), i/box.Dx(), color.Gray16{Y: uint16(math.Round(min(max(f, 0), math.MaxUint16)))})
	}
	return g
}

func colours(im *Image) *image.RGBA {
	nx, ny := im.Grid.Size[0], im.Grid.Size[1]
	c := image.NewRGBA(image.Rect(0, 0, nx, ny))
	for i := range nx * ny {
		c.SetRGBA(i%nx, i/nx, color.RGBA{uint8(im.Data[i]), uint8(im.Data[i+nx*ny]), uint8(im.Data[i+2*nx*ny]), 255})
	}
	return c
}

func colours16(im *Image) image.Image {
	nx, ny := im.Grid.Size[0], im.Grid.Size[1]
	c := image.NewRGBA64(image.Rect(0, 0, nx, ny))
	for i := range nx * ny {
		c.SetRGBA64(i%nx, i/nx, color.RGBA64{uint16(im.Data[i]), uint16(im.Data[i+nx*ny]), uint16(im.Data[i+2*nx*ny]), 65535})
	}
	return c
}
