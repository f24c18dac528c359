package dicom

import (
	"fmt"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// decode turns the bytes of one frame into samples.
func (p *Pixels) decode(data []byte) ([]byte, error) {
	switch p.file.syntax.method {
	case native, plainFragments:
		return p.plain(data)
	case rle:
		return p.rle(data)
	}
	e := p.file.fault("transfer syntax", volume.ErrUnsupported)
	e.Got = p.file.syntax.name
	return nil, e
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
