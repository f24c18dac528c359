package dicom

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/nitrain/nitrain/imageio/internal/jpeg"
	"github.com/nitrain/nitrain/imageio/internal/jpegls"
	"github.com/nitrain/nitrain/imageio/internal/openjpeg"
	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// decode turns the bytes of one frame into samples.
func (p *Pixels) decode(data []byte) ([]byte, error) {
	switch p.file.syntax.method {
	case native, plainFragments:
		return p.plain(data)
	case deflatedFrames:
		return p.inflate(data)
	case rle:
		return p.rle(data)
	case jpegDCT, jpegLossless:
		img, err := jpeg.Decode(data, jpeg.Expect{Width: p.Columns, Height: p.Rows, Components: p.Samples})
		if err != nil {
			return nil, err
		}
		if p.Photometric == "RGB" && img.Transform == 1 {
			p.Photometric = "YBR_FULL" // as the marker inside says
		}
		return p.words(img.Samples, img.Precision)
	case jpegLS:
		img, err := jpegls.Decode(data, jpegls.Expect{Width: p.Columns, Height: p.Rows, Components: p.Samples})
		if err != nil {
			return nil, err
		}
		return p.words(img.Samples, img.Precision)
	case jpeg2000:
		return p.jpeg2000(data)
	}
	e := p.file.fault("transfer syntax", volume.ErrUnsupported)
	e.Got = p.file.syntax.name
	return nil, e
}

// words stores samples of up to 16 bits in the type that the data set says.
func (p *Pixels) words(samples []uint16, precision int) ([]byte, error) {
	if p.Allocated < 8 || precision > p.Allocated {
		return nil, fmt.Errorf("samples of %d bits for %d allocated", precision, p.Allocated)
	}
	size := p.Allocated / 8
	out := p.output(len(samples) * size)
	switch size {
	case 1:
		for i, v := range samples {
			out[i] = byte(v)
		}
	case 2:
		for i, v := range samples {
			binary.LittleEndian.PutUint16(out[2*i:], v)
		}
	default:
		clear(out)
		for i, v := range samples {
			binary.LittleEndian.PutUint16(out[i*size:], v)
		}
	}
	p.mask(out)
	return out, nil
}

// output returns memory for a decoded frame, used again for each.
func (p *Pixels) output(n int) []byte {
	if cap(p.out) < n {
		p.out = make([]byte, n)
	}
	return p.out[:n]
}

// jpeg2000 decodes a codestream, whose sign and precision may contradict the data set's.
func (p *Pixels) jpeg2000(data []byte) ([]byte, error) {
	img, err := openjpeg.Decode(data, openjpeg.Expect{Width: p.Columns, Height: p.Rows, Components: p.Samples})
	if errors.Is(err, openjpeg.ErrMissing) {
		e := p.file.fault("transfer syntax", volume.ErrUnsupported)
		e.Got = p.file.syntax.name + ", which needs OpenJPEG"
		e.Advice = "install OpenJPEG (Debian and Ubuntu: package libopenjp2-7; Homebrew: formula openjpeg)"
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	size := max(1, p.Allocated/8)
	out := p.output(len(img.Samples) * size)
	shift := uint(0)
	if img.Signed != p.Signed && p.Stored < 32 {
		shift = uint(32 - p.Stored)
	}
	for i, v := range img.Samples {
		if shift > 0 { // read as the other sign, at the bits that the data set says are stored
			if p.Signed {
				v = v << shift >> shift
			} else {
				v = int32(uint32(v) << shift >> shift)
			}
		}
		switch size {
		case 1:
			out[i] = byte(v)
		case 2:
			binary.LittleEndian.PutUint16(out[2*i:], uint16(v))
		case 4:
			binary.LittleEndian.PutUint32(out[4*i:], uint32(v))
		default:
			binary.LittleEndian.PutUint64(out[8*i:], uint64(int64(v)))
		}
	}
	return out, nil
}

// inflate decodes a deflated frame.
func (p *Pixels) inflate(data []byte) ([]byte, error) {
	want := int((p.storedBits() + 7) / 8)
	if want > volume.MaxRatio*len(data)+1024 {
		return nil, fmt.Errorf("%d bytes cannot hold %d", len(data), want)
	}
	out := p.output(want)
	if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(data)), out); err != nil {
		return nil, err
	}
	return p.plain(out)
}

// plain takes a frame that is encapsulated without compression.
func (p *Pixels) plain(data []byte) ([]byte, error) {
	want := int((p.storedBits() + 7) / 8)
	if len(data) < want {
		return nil, fmt.Errorf("want %d bytes, got %d", want, len(data))
	}
	data = data[:want]
	switch {
	case p.Allocated == 1:
		return unpackBits(data, 0, p.FrameSamples()), nil
	case p.Subsampled():
		data = p.doubled(data)
	case p.Planar:
		data = interleave(data, p.Samples, p.Allocated/8)
	}
	p.mask(data)
	return data, nil
}
