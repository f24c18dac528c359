package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

func unsupported(err error) bool {
	var j jpeg.UnsupportedError
	var p png.UnsupportedError
	return errors.As(err, &j) || errors.As(err, &p)
}

// ParseJPEG reads the segments before the pixels, the camera's orientation among them, which is applied.
// Errors are *volume.FormatError without a path.
func ParseJPEG(f File) (*volume.Header, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var seen bytes.Buffer
	config, err := jpeg.DecodeConfig(io.TeeReader(io.LimitReader(r, 1<<20), &seen))
	if err != nil {
		return nil, kind("jpeg", err)
	}
	comps := 3
	if config.ColorModel == color.GrayModel {
		comps = 1
	}
	turn := orientation(seen.Bytes())
	width, height := config.Width, config.Height
	if width < 1 || height < 1 {
		return nil, &volume.FormatError{Format: "jpeg", Field: "SOF", Want: "a size from 1", Got: "0", Err: volume.ErrCorrupt}
	}
	if turn >= 5 {
		width, height = height, width
	}
	h := flat("jpeg", width, height, comps, volume.Uint8)
	// each 8 x 8 pixels take at least a bit
	h.Source = &volume.Memory{Most: f.Size * 8 * 64 * int64(comps), Decode: func() ([]byte, []string, error) { return decodeJPEG(f, comps, turn) }}
	return h, nil
}

func decodeJPEG(f File, comps, turn int) ([]byte, []string, error) {
	r, err := f.Open()
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	im, err := jpeg.Decode(r)
	if err != nil {
		return nil, nil, kind("jpeg", err)
	}
	b := im.Bounds()
	return turned(colours(im, comps), b.Dx(), b.Dy(), comps, turn), nil, nil
}

// colours returns red, green and blue, or the grey values.
func colours(im image.Image, comps int) []byte {
	y, ok := im.(*image.YCbCr)
	if !ok || comps != 3 {
		return pixels(im, comps, 1)
	}
	b := y.Rect
	out := make([]byte, 0, 3*b.Dx()*b.Dy())
	for row := b.Min.Y; row < b.Max.Y; row++ {
		for col := b.Min.X; col < b.Max.X; col++ {
			c := y.COffset(col, row)
			r, g, bl := color.YCbCrToRGB(y.Y[y.YOffset(col, row)], y.Cb[c], y.Cr[c])
			out = append(out, r, g, bl)
		}
	}
	return out
}

// turned brings pixels of a stored width and height into the orientation that EXIF wants: 1 is as stored, 2 to 4
// are flips, from 5 on rows and columns change places.
func turned(pix []byte, width, height, comps, turn int) []byte {
	if turn <= 1 || turn > 8 {
		return pix
	}
	w, h := width, height
	if turn >= 5 {
		w, h = height, width
	}
	out := make([]byte, len(pix))
	for y := range h {
		for x := range w {
			sx, sy := x, y
			if turn >= 5 {
				sx, sy = y, x
			}
			if turn == 2 || turn == 3 || turn == 7 || turn == 8 {
				sx = width - 1 - sx
			}
			if turn == 3 || turn == 4 || turn == 6 || turn == 7 {
				sy = height - 1 - sy
			}
			copy(out[comps*(y*w+x):comps*(y*w+x+1)], pix[comps*(sy*width+sx):])
		}
	}
	return out
}

// orientation finds EXIF's orientation, 1 to 8, in the segments of a JPEG; 1 where there is none.
func orientation(b []byte) int {
	for at := 2; at+4 <= len(b) && b[at] == 0xff; {
		if b[at+1] == 0xff { // a fill byte
			at++
			continue
		}
		size := int(binary.BigEndian.Uint16(b[at+2:]))
		end := min(at+2+size, len(b))
		if b[at+1] == 0xe1 && end >= at+10 && string(b[at+4:at+10]) == "Exif\x00\x00" {
			return exifOrientation(b[at+10 : end])
		}
		if b[at+1] == 0xda || size < 2 {
			break
		}
		at += 2 + size
	}
	return 1
}

// exifOrientation reads the tag 0x112 of the first directory.
func exifOrientation(b []byte) int {
	if len(b) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if b[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return 1
	}
	n := int64(order.Uint16(b[at:]))
	for i := range n {
		entry := at + 2 + 12*i
		if entry+12 > int64(len(b)) {
			break
		}
		if order.Uint16(b[entry:]) == 0x112 {
			if v := int(order.Uint16(b[entry+8:])); v >= 1 && v <= 8 {
				return v
			}
		}
	}
	return 1
}
