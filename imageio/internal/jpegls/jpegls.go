// Package jpegls decodes JPEG-LS (ITU-T T.87, ISO 14495-1): lossless and near-lossless, 2 to 16 bits, all
// interleavings. Mapping tables are refused.
package jpegls

import (
	"errors"
	"fmt"
)

// Image is a decoded picture.
type Image struct {
	Width, Height, Components, Precision int
	Samples                              []uint16 // row by row, components side by side
}

// Expect is what the surrounding file says about the picture. It is held against the frame header before memory
// is taken.
type Expect struct{ Width, Height, Components int }

var errEnd = errors.New("data end too early")

// presets are the parameters that a stream may set.
type presets struct{ maxval, t1, t2, t3, reset int }

type decoder struct {
	want     Expect
	img      *Image
	ids      []byte
	presets  presets
	interval int
	scanned  int
}

// Decode decodes one picture.
func Decode(data []byte, want Expect) (*Image, error) {
	if len(data) < 2 || data[0] != 0xFF || data[1] != 0xD8 {
		return nil, errors.New("no start of an image")
	}
	d := &decoder{want: want}
	for at := 2; ; {
		marker, s, next, err := segment(data, at)
		if err != nil {
			return nil, err
		}
		at = next
		switch marker {
		case 0xF7:
			err = d.frame(s, len(data))
		case 0xF8:
			err = d.preset(s)
		case 0xDD:
			if len(s) > 4 {
				return nil, errors.New("restart interval")
			}
			d.interval = 0
			for _, b := range s {
				d.interval = d.interval<<8 | int(b)
			}
		case 0xDA:
			var used int
			used, err = d.scan(s, data[at:])
			at += used
		case 0xD9:
			err = errEnd
		}
		if err != nil {
			return nil, err
		}
		if d.img != nil && d.scanned >= d.img.Components {
			return d.img, nil
		}
	}
}

// segment finds the next marker from at on.
func segment(data []byte, at int) (marker byte, s []byte, next int, err error) {
	for ; at+1 < len(data); at++ {
		if data[at] != 0xFF || data[at+1] < 0x80 || data[at+1] == 0xFF {
			continue
		}
		marker = data[at+1]
		at += 2
		if marker == 0xD9 || marker >= 0xD0 && marker <= 0xD7 {
			return marker, nil, at, nil
		}
		if at+2 > len(data) {
			return 0, nil, 0, errEnd
		}
		n := int(data[at])<<8 | int(data[at+1])
		if n < 2 || at+n > len(data) {
			return 0, nil, 0, errEnd
		}
		return marker, data[at+2 : at+n], at + n, nil
	}
	return 0, nil, 0, errEnd
}

func (d *decoder) frame(s []byte, size int) error {
	if d.img != nil || len(s) < 6 {
		return errors.New("frame header")
	}
	img := &Image{Precision: int(s[0]), Height: int(s[1])<<8 | int(s[2]), Width: int(s[3])<<8 | int(s[4]), Components: int(s[5])}
	if got := (Expect{img.Width, img.Height, img.Components}); got != d.want {
		return fmt.Errorf("want %d x %d pixels of %d components, got %d x %d of %d", d.want.Width, d.want.Height, d.want.Components, got.Width, got.Height, got.Components)
	}
	if img.Components < 1 || img.Components > 4 || len(s) < 6+3*img.Components || img.Precision < 2 || img.Precision > 16 || img.Width < 1 || img.Height < 1 {
		return errors.New("frame header")
	}
	if img.Width*img.Height/(1<<18) > size { // a bit codes at most 2^15 pixels of a run
		return fmt.Errorf("%d bytes cannot hold %d x %d pixels", size, img.Width, img.Height)
	}
	for i := range img.Components {
		if s[7+3*i] != 0x11 {
			return errors.New("subsampled components")
		}
		d.ids = append(d.ids, s[6+3*i])
	}
	img.Samples = make([]uint16, img.Width*img.Height*img.Components)
	d.img = img
	return nil
}

func (d *decoder) preset(s []byte) error {
	if len(s) < 1 {
		return errors.New("preset parameters")
	}
	if s[0] != 1 {
		return fmt.Errorf("preset of kind %d (mapping tables, large pictures)", s[0])
	}
	if len(s) < 11 {
		return errors.New("preset parameters")
	}
	u := func(i int) int { return int(s[i])<<8 | int(s[i+1]) }
	d.presets = presets{u(1), u(3), u(5), u(7), u(9)}
	return nil
}

// scan decodes one scan and returns the bytes that it took.
func (d *decoder) scan(s, data []byte) (int, error) {
	if d.img == nil || len(s) < 1 || len(s) < 4+2*int(s[0]) {
		return 0, errors.New("scan header")
	}
	n := int(s[0])
	if n < 1 || d.scanned+n > d.img.Components {
		return 0, errors.New("scan header: components")
	}
	near, interleave := int(s[1+2*n]), int(s[2+2*n])
	first := -1
	for i := range n {
		if s[2+2*i] != 0 {
			return 0, errors.New("mapping tables")
		}
		at := -1
		for k, id := range d.ids {
			if id == s[1+2*i] {
				at = k
				break
			}
		}
		if at < 0 || first >= 0 && at != first+i {
			return 0, errors.New("scan header: components")
		}
		if first < 0 {
			first = at
		}
	}
	if interleave > 2 || interleave == 0 && n != 1 || s[3+2*n]&15 != 0 {
		return 0, errors.New("scan header: interleaving or point transform")
	}
	c, err := newCoder(d.img.Precision, near, d.presets)
	if err != nil {
		return 0, err
	}
	c.bits.data = data
	l := lines{coder: c, img: d.img, first: first, n: n, interval: d.interval}
	if interleave == 2 && n > 1 {
		err = l.samples()
	} else {
		err = l.lines()
	}
	d.scanned += n
	return c.bits.at, err
}
