// Package picture reads PNG and JPEG files: flat images of one grey value or three colours a pixel, without a place
// in the world. x runs along a row, y from row to row downwards.
package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"strconv"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// File opens the picture's bytes from the first on; size is what the disk has of them.
type File struct {
	Open func() (io.ReadCloser, error)
	Size int64 // the most bytes that Open can give
}

// IsPNG reports whether a file that begins with head is a PNG.
func IsPNG(head []byte) bool { return bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")) }

// IsJPEG reports whether a file that begins with head is a JPEG.
func IsJPEG(head []byte) bool { return bytes.HasPrefix(head, []byte("\xff\xd8\xff")) }

// flat returns the header of a picture.
func flat(format string, width, height, comps int, t volume.Type) *volume.Header {
	h := &volume.Header{
		Format: format, Type: t, Big: t == volume.Uint16, Shape: []int{width, height}, Zooms: []float64{1, 1},
		Slope: 1, AffineSource: "none", Affine: [4][4]float64{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}},
	}
	if comps > 1 {
		h.Comps = comps
	}
	return h
}

// colour types of PNG.
const (
	grey, palette, greyAlpha, colourAlpha = 0, 3, 4, 6
)

// ParsePNG reads the first chunk. Errors are *volume.FormatError without a path.
func ParsePNG(head []byte, f File) (*volume.Header, error) {
	if len(head) < 33 {
		return nil, &volume.FormatError{Format: "png", Field: "IHDR", Want: "33 bytes", Got: strconv.Itoa(len(head)), Err: volume.ErrTruncated}
	}
	width, height := int64(be32(head[16:])), int64(be32(head[20:]))
	depth, colour := head[24], head[25]
	if width < 1 || height < 1 || width > 1<<31-1 || height > 1<<31-1 {
		return nil, &volume.FormatError{Format: "png", Field: "IHDR", Want: "sizes from 1 to 2147483647", Got: fmt.Sprintf("%d x %d", width, height), Err: volume.ErrCorrupt}
	}
	comps, t := 1, volume.Uint8
	if colour == 2 || colour == colourAlpha {
		comps = 3
	}
	if depth == 16 {
		t = volume.Uint16
	}
	h := flat("png", int(width), int(height), comps, t)
	switch colour {
	case palette:
		h.Warn("the picture has a palette: the samples are the numbers of its colours")
	case greyAlpha, colourAlpha:
		h.Warn("transparency was left out")
	}
	perByte := int64(1) // samples that a byte of pixels may hold
	if depth < 8 && depth > 0 {
		perByte = 8 / int64(depth)
	}
	h.Source = &volume.Memory{Most: (f.Size*volume.MaxRatio + 1024) * perByte, Decode: func() ([]byte, []string, error) { return decodePNG(f, h) }}
	return h, nil
}

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func decodePNG(f File, h *volume.Header) ([]byte, []string, error) {
	r, err := f.Open()
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	im, err := png.Decode(r)
	if err != nil {
		return nil, nil, kind("png", err)
	}
	if size := im.Bounds().Size(); size.X != h.Shape[0] || size.Y != h.Shape[1] {
		return nil, nil, fmt.Errorf("%w: size changed", volume.ErrCorrupt)
	}
	return pixels(im, h.Components(), h.Type.Size()), nil, nil
}

// kind tells what an error of a decoder of the standard library means.
func kind(format string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &volume.FormatError{Format: format, Field: "pixels", Want: "a whole picture", Got: "the end of the file", Err: volume.ErrTruncated}
	}
	sentinel := volume.ErrCorrupt
	if unsupported(err) {
		sentinel = volume.ErrUnsupported
	}
	return &volume.FormatError{Format: format, Field: "pixels", Got: err.Error(), Err: sentinel}
}

// pixels returns the samples, colours together, of one or two bytes each, big endian as the file has them.
func pixels(im image.Image, comps, size int) []byte {
	switch p := im.(type) {
	case *image.Gray:
		return rows(p.Pix, p.Stride, p.Rect, 1)
	case *image.Gray16:
		return rows(p.Pix, p.Stride, p.Rect, 2)
	case *image.Paletted:
		return rows(p.Pix, p.Stride, p.Rect, 1)
	case *image.RGBA:
		return without(p.Pix, p.Stride, p.Rect, comps, 1)
	case *image.NRGBA:
		return without(p.Pix, p.Stride, p.Rect, comps, 1)
	case *image.RGBA64:
		return without(p.Pix, p.Stride, p.Rect, comps, 2)
	case *image.NRGBA64:
		return without(p.Pix, p.Stride, p.Rect, comps, 2)
	}
	b := im.Bounds()
	out := make([]byte, 0, b.Dx()*b.Dy()*comps*size)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := im.At(x, y).RGBA()
			for _, v := range []uint32{r, g, bl}[:comps] {
				out = append(out, byte(v>>8))
				if size == 2 {
					out = append(out, byte(v))
				}
			}
		}
	}
	return out
}

func rows(pix []byte, stride int, r image.Rectangle, size int) []byte {
	width := r.Dx() * size
	if stride == width {
		return pix[:width*r.Dy()]
	}
	out := make([]byte, 0, width*r.Dy())
	for y := range r.Dy() {
		out = append(out, pix[y*stride:y*stride+width]...)
	}
	return out
}

// without keeps the first comps of four samples, in place.
func without(pix []byte, stride int, r image.Rectangle, comps, size int) []byte {
	out := pix[:0]
	for y := range r.Dy() {
		for x := range r.Dx() {
			at := y*stride + 4*size*x
			out = append(out, pix[at:at+comps*size]...)
		}
	}
	return out
}

// Text returns the text of a PNG's second chunk, if it is one of that keyword.
func Text(r io.Reader, keyword string) string {
	var head [41]byte // signature, IHDR, length and kind of the next chunk
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[37:]) != "tEXt" || be32(head[33:]) > 1<<12 {
		return ""
	}
	text := make([]byte, be32(head[33:]))
	if _, err := io.ReadFull(r, text); err != nil {
		return ""
	}
	value, _ := bytes.CutPrefix(text, append([]byte(keyword), 0))
	if len(value) == len(text) {
		return ""
	}
	return string(value)
}
