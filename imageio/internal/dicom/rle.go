package dicom

import (
	"encoding/binary"
	"fmt"
)

// rle decodes a frame of RLE Lossless (PS3.5, annex G): a segment for each byte of a sample, the highest
// first, each packed as PackBits does.
func (p *Pixels) rle(data []byte) ([]byte, error) {
	if len(data) < 64 {
		return nil, fmt.Errorf("want a header of 64 bytes, got %d", len(data))
	}
	size := max(p.Allocated/8, 1)
	segments := int(binary.LittleEndian.Uint32(data))
	if segments != p.Samples*size {
		return nil, fmt.Errorf("want %d segments, got %d", p.Samples*size, segments)
	}
	pixels := p.Rows * p.Columns
	if p.Allocated == 1 {
		return p.rleBits(data)
	}
	if pixels > 64*len(data) {
		return nil, fmt.Errorf("%d bytes cannot hold %d pixels", len(data), pixels)
	}
	out := make([]byte, p.FrameBytes())
	stride := p.Samples * size
	for s := range segments {
		part, err := segment(data, s, segments)
		if err != nil {
			return nil, err
		}
		sample, significance := s/size, s%size
		if err := unpack(out[sample*size+size-1-significance:], part, pixels, stride); err != nil {
			return nil, fmt.Errorf("segment %d: %w", s, err)
		}
	}
	p.mask(out)
	return out, nil
}

func (p *Pixels) rleBits(data []byte) ([]byte, error) {
	part, err := segment(data, 0, 1)
	if err != nil {
		return nil, err
	}
	n := p.Rows * p.Columns
	if n/8 > 64*len(data) {
		return nil, fmt.Errorf("%d bytes cannot hold %d bits", len(data), n)
	}
	packed := make([]byte, (n+7)/8)
	if err := unpack(packed, part, len(packed), 1); err != nil {
		return nil, err
	}
	return unpackBits(packed, 0, n), nil
}

// segment returns the bytes of one segment.
func segment(data []byte, s, segments int) ([]byte, error) {
	if segments > 15 {
		return nil, fmt.Errorf("want at most 15 segments, got %d", segments)
	}
	from, to := int64(binary.LittleEndian.Uint32(data[4+4*s:])), int64(len(data))
	if s+1 < segments {
		to = int64(binary.LittleEndian.Uint32(data[8+4*s:]))
	}
	if from < 64 || from > to || to > int64(len(data)) {
		return nil, fmt.Errorf("segment %d: bytes %d to %d of %d", s, from, to, len(data))
	}
	return data[from:to], nil
}

// unpack decodes n bytes into every stride-th byte of dst.
func unpack(dst, src []byte, n, stride int) error {
	at := 0
	for i := 0; at < n; {
		if i >= len(src) {
			return fmt.Errorf("ends after %d of %d bytes", at, n)
		}
		code := int(int8(src[i]))
		i++
		switch {
		case code >= 0:
			run := min(code+1, n-at, len(src)-i)
			for _, v := range src[i : i+run] {
				dst[at*stride] = v
				at++
			}
			i += code + 1
		case code > -128:
			if i >= len(src) {
				return fmt.Errorf("ends after %d of %d bytes", at, n)
			}
			v := src[i]
			i++
			for range min(1-code, n-at) {
				dst[at*stride] = v
				at++
			}
		}
	}
	return nil
}
