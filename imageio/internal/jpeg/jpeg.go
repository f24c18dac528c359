// Package jpeg decodes what medical images hold and image/jpeg does not, or not exactly: sequential DCT of 8 and
// 12 bits with the integer arithmetic of the Independent JPEG Group's library, and lossless (ITU-T T.81).
//
// Colours are returned as they are coded: nothing is converted.
package jpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	stdjpeg "image/jpeg"
)

// Image is a decoded picture.
type Image struct {
	Width, Height, Components, Precision int
	Samples                              []uint16 // row by row, components side by side
	Transform                            int      // of the Adobe marker: 1 YCbCr, 0 none; -1 without the marker
}

// Expect is what the surrounding file says about the picture. It is held against the frame header before memory
// is taken.
type Expect struct{ Width, Height, Components int }

var errEnd = errors.New("data end too early")

type component struct {
	id, h, v, quant int
	dc, ac          int
	width, height   int // of its own samples
	stride          int
	plane           []int16 // DCT
	pred            int32
}

type decoder struct {
	want     Expect
	data     []byte
	at       int
	img      *Image
	comps    []component
	quant    [4][64]int32
	huff     [8]huffman // DC 0-3, AC 4-7
	lossless bool
	interval int
	bits     bitReader
	scanned  int
}

// Decode decodes one picture.
func Decode(data []byte, want Expect) (*Image, error) {
	d := &decoder{want: want, data: data}
	if len(data) < 2 || data[0] != 0xFF || data[1] != 0xD8 {
		return nil, errors.New("no start of an image")
	}
	d.at = 2
	transform := -1
	for {
		marker, segment, err := d.next()
		if err != nil {
			if d.done() {
				break
			}
			return nil, err
		}
		switch {
		case marker == 0xD9:
			if !d.done() {
				return nil, errEnd
			}
		case marker == 0xC0 || marker == 0xC1 || marker == 0xC3:
			err = d.frame(segment, marker == 0xC3)
		case marker == 0xC2:
			return progressive(data, want)
		case marker == 0xC4:
			err = d.tables(segment)
		case marker == 0xDB:
			err = d.quantization(segment)
		case marker == 0xDD && len(segment) >= 2:
			d.interval = int(segment[0])<<8 | int(segment[1])
		case marker == 0xEE && len(segment) >= 12 && string(segment[:5]) == "Adobe":
			transform = int(segment[11])
		case marker == 0xDA:
			err = d.scan(segment)
		case marker >= 0xC5 && marker <= 0xCF && marker != 0xC8 && marker != 0xCC:
			err = fmt.Errorf("coding process SOF%d", marker-0xC0)
		}
		if err != nil {
			return nil, err
		}
		if marker == 0xD9 || d.done() {
			break
		}
	}
	if !d.lossless {
		d.assemble()
	}
	d.img.Transform = transform
	return d.img, nil
}

func (d *decoder) done() bool { return d.img != nil && d.scanned >= len(d.comps) }

// next returns the next marker and its segment.
func (d *decoder) next() (marker byte, segment []byte, err error) {
	for d.at+1 < len(d.data) {
		if d.data[d.at] != 0xFF || d.data[d.at+1] == 0xFF || d.data[d.at+1] == 0 {
			d.at++
			continue
		}
		marker = d.data[d.at+1]
		d.at += 2
		if marker == 0xD9 || marker == 0x01 || marker >= 0xD0 && marker <= 0xD8 {
			if marker == 0xD9 {
				return marker, nil, nil
			}
			continue
		}
		if d.at+2 > len(d.data) {
			return 0, nil, errEnd
		}
		n := int(d.data[d.at])<<8 | int(d.data[d.at+1])
		if n < 2 || d.at+n > len(d.data) {
			return 0, nil, errEnd
		}
		segment = d.data[d.at+2 : d.at+n]
		d.at += n
		return marker, segment, nil
	}
	return 0, nil, errEnd
}

// frame reads the frame header and takes memory once it agrees with what is expected and the data could fill it.
func (d *decoder) frame(s []byte, lossless bool) error {
	if d.img != nil || len(s) < 6 {
		return errors.New("frame header")
	}
	img := &Image{Precision: int(s[0]), Height: int(s[1])<<8 | int(s[2]), Width: int(s[3])<<8 | int(s[4]), Components: int(s[5])}
	got := Expect{img.Width, img.Height, img.Components}
	if got != d.want {
		return fmt.Errorf("want %d x %d pixels of %d components, got %d x %d of %d", d.want.Width, d.want.Height, d.want.Components, got.Width, got.Height, got.Components)
	}
	if len(s) < 6+3*img.Components || img.Components < 1 || img.Components > 4 {
		return errors.New("frame header")
	}
	low, high := 8, 8
	if lossless {
		low, high = 2, 16
	} else if img.Precision == 12 {
		high = 12
	}
	if img.Precision < low || img.Precision > high {
		return fmt.Errorf("precision of %d bits", img.Precision)
	}
	perByte := 256 // of 64 samples, at least one bit for DC and one for the end of the block
	if lossless {
		perByte = 8
	}
	if img.Width*img.Height > perByte*len(d.data)+1024 {
		return fmt.Errorf("%d bytes cannot hold %d x %d pixels", len(d.data), img.Width, img.Height)
	}
	d.img, d.lossless = img, lossless
	d.comps = make([]component, img.Components)
	for i := range d.comps {
		p := s[6+3*i:]
		d.comps[i] = component{id: int(p[0]), h: int(p[1] >> 4), v: int(p[1] & 15), quant: int(p[2])}
		c := &d.comps[i]
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quant > 3 {
			return errors.New("frame header: sampling factors")
		}
	}
	if lossless {
		for _, c := range d.comps {
			if c.h != d.comps[0].h || c.v != d.comps[0].v {
				return errors.New("lossless with subsampled colours")
			}
		}
		img.Samples = make([]uint16, img.Width*img.Height*img.Components)
		return nil
	}
	d.planes()
	return nil
}

func (d *decoder) sampling() (h, v int) {
	for _, c := range d.comps {
		h, v = max(h, c.h), max(v, c.v)
	}
	return h, v
}

// planes takes memory for the coded samples of each component.
func (d *decoder) planes() {
	h, v := d.sampling()
	if len(d.comps) == 1 {
		d.comps[0].h, d.comps[0].v = 1, 1
		h, v = 1, 1
	}
	mcusX, mcusY := (d.img.Width+8*h-1)/(8*h), (d.img.Height+8*v-1)/(8*v)
	for i := range d.comps {
		c := &d.comps[i]
		c.width = (d.img.Width*c.h + h - 1) / h
		c.height = (d.img.Height*c.v + v - 1) / v
		c.stride = mcusX * c.h * 8
		c.plane = make([]int16, c.stride*mcusY*c.v*8)
	}
}

func (d *decoder) quantization(s []byte) error {
	for len(s) > 0 {
		id, wide := int(s[0]&15), s[0]>>4 > 0
		size := 64
		if wide {
			size = 128
		}
		if id > 3 || len(s) < 1+size {
			return errors.New("quantization table")
		}
		zigzag := order()
		for i := range 64 {
			if wide {
				d.quant[id][zigzag[i]] = int32(s[1+2*i])<<8 | int32(s[2+2*i])
			} else {
				d.quant[id][zigzag[i]] = int32(s[1+i])
			}
		}
		s = s[1+size:]
	}
	return nil
}

func (d *decoder) tables(s []byte) error {
	for len(s) > 0 {
		if len(s) < 17 || s[0]&15 > 3 || s[0]>>4 > 1 {
			return errors.New("table of Huffman codes")
		}
		n := 0
		for _, c := range s[1:17] {
			n += int(c)
		}
		if n > 256 || len(s) < 17+n {
			return errors.New("table of Huffman codes")
		}
		if err := d.huff[int(s[0]>>4)*4+int(s[0]&15)].build(s[1:17], s[17:17+n]); err != nil {
			return err
		}
		s = s[17+n:]
	}
	return nil
}

// scan reads the header of a scan and decodes it.
func (d *decoder) scan(s []byte) error {
	if d.img == nil || len(s) < 1 || len(s) < 4+2*int(s[0]) {
		return errors.New("scan header")
	}
	n := int(s[0])
	in := make([]*component, 0, 4)
	for i := range n {
		for k := range d.comps {
			if d.comps[k].id == int(s[1+2*i]) && len(in) == i {
				d.comps[k].dc, d.comps[k].ac = int(s[2+2*i]>>4), int(s[2+2*i]&15)
				in = append(in, &d.comps[k])
			}
		}
	}
	if len(in) != n || n == 0 {
		return errors.New("scan header: components")
	}
	for _, c := range in {
		if c.dc > 3 || c.ac > 3 {
			return errors.New("scan header: tables")
		}
	}
	d.bits = bitReader{data: d.data[d.at:]}
	var err error
	if d.lossless {
		err = d.losslessScan(in, int(s[1+2*n]), int(s[3+2*n]&15))
	} else {
		err = d.dctScan(in)
	}
	d.scanned += n
	d.at += d.bits.at
	return err
}

// progressive leaves progressive pictures, which the standard retired, to image/jpeg.
func progressive(data []byte, want Expect) (*Image, error) {
	head, err := stdjpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if head.Width != want.Width || head.Height != want.Height || head.Width*head.Height > 4096*len(data) {
		return nil, fmt.Errorf("want %d x %d pixels, got %d x %d", want.Width, want.Height, head.Width, head.Height)
	}
	picture, err := stdjpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out := &Image{Width: want.Width, Height: want.Height, Components: want.Components, Precision: 8, Transform: -1}
	out.Samples = make([]uint16, want.Width*want.Height*want.Components)
	at := 0
	for y := range want.Height {
		for x := range want.Width {
			switch p := picture.(type) {
			case *image.Gray:
				out.Samples[at] = uint16(p.Pix[p.PixOffset(x, y)])
			case *image.YCbCr:
				if want.Components != 3 {
					return nil, errors.New("want one component, got three")
				}
				c := p.COffset(x, y)
				out.Samples[at], out.Samples[at+1], out.Samples[at+2] = uint16(p.Y[p.YOffset(x, y)]), uint16(p.Cb[c]), uint16(p.Cr[c])
			default:
				return nil, fmt.Errorf("progressive picture of %T", picture)
			}
			at += want.Components
		}
	}
	return out, nil
}
