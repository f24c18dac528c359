package imageio

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// stored says how an image's samples go into a file.
type stored struct {
	kind   volume.Type // Uint8 to Int32, or Float32
	big    bool        // big endian
	frames int         // what of the channels are points in time, or simply channels: an axis behind the third
	comps  int         // components of each voxel; the channels are frames times comps, frames fastest
	step   float64     // distance of frames, as the source has it
	colour bool        // the components are red, green and blue of a byte each
}

// storage decides the type and the meaning of the channels, by the source where it fits.
func storage(path string, im *Image) (stored, error) {
	s := stored{kind: volume.Float32, frames: im.Channels, comps: 1, step: 1}
	if im.Kind == Label {
		var err error
		if s.kind, err = labelType(path, im.Data); err != nil {
			return s, err
		}
	}
	src := im.Source
	if src == nil {
		return s, nil
	}
	tail := src.Shape[min(3, len(src.Shape)):]
	product := 1
	for _, d := range tail {
		product *= d
	}
	together := max(1, src.Components)
	if product*together != im.Channels {
		return s, nil
	}
	s.frames, s.comps = product, together
	if together == 1 && len(tail) > 1 {
		s.frames, s.comps = tail[0], product/tail[0]
	}
	if len(src.Zooms) > 3 && src.Zooms[3] > 0 {
		s.step = src.Zooms[3]
	}
	if s.comps == 3 && im.Kind == Intensity && (src.Stored == "rgb24" || src.Stored == "uint8") {
		if high, whole := wholeRange(im.Data); whole && high <= math.MaxUint8 {
			s.kind, s.colour = volume.Uint8, true
		}
	}
	return s, nil
}

// samples writes the image's samples, those of a voxel's components together, a block at a time.
func (s stored) samples(w io.Writer, im *Image) error {
	return encodeSamples(w, im.Data, s.kind, s.big, s.comps)
}

// encodeSamples writes samples of some components, which lie one after the other in data, voxel by voxel.
func encodeSamples(w io.Writer, data []float32, t volume.Type, big bool, comps int) error {
	const block = 1 << 16
	size := t.Size()
	buf := make([]byte, min(block, len(data))*size)
	mixed := make([]float32, 0)
	if comps > 1 {
		mixed = make([]float32, max(block/comps, 1)*comps)
		buf = make([]byte, len(mixed)*size)
	}
	n := len(data) / comps
	for at := 0; at < n; {
		var part []float32
		if comps == 1 {
			part = data[at:min(at+block, n)]
			at += len(part)
		} else {
			voxels := min(len(mixed)/comps, n-at)
			part = mixed[:voxels*comps]
			for c := range comps {
				for i, v := range data[c*n+at:][:voxels] {
					part[i*comps+c] = v
				}
			}
			at += voxels
		}
		encodeBlock(buf, part, t, big)
		if _, err := w.Write(buf[:len(part)*size]); err != nil {
			return err
		}
	}
	return nil
}

func encodeBlock(buf []byte, part []float32, t volume.Type, big bool) {
	if big {
		encodeInto(buf, part, t, binary.BigEndian)
		return
	}
	encodeInto(buf, part, t, binary.LittleEndian)
}

type putter interface {
	PutUint16([]byte, uint16)
	PutUint32([]byte, uint32)
}

func encodeInto[O putter](buf []byte, part []float32, t volume.Type, o O) {
	switch t {
	case volume.Uint8, volume.RGB24:
		for i, v := range part {
			buf[i] = uint8(v)
		}
	case volume.Uint16:
		for i, v := range part {
			o.PutUint16(buf[2*i:], uint16(v))
		}
	case volume.Int16:
		for i, v := range part {
			o.PutUint16(buf[2*i:], uint16(int16(v)))
		}
	case volume.Int32:
		for i, v := range part {
			o.PutUint32(buf[4*i:], uint32(int32(v)))
		}
	default:
		for i, v := range part {
			o.PutUint32(buf[4*i:], math.Float32bits(v))
		}
	}
}

// labelType returns the smallest type that holds every label.
func labelType(path string, data []float32) (volume.Type, error) {
	low, high := float32(0), float32(0)
	for i, v := range data {
		if v != float32(math.Trunc(float64(v))) || v > 1<<24 || v < -1<<24 {
			return 0, &FormatError{Path: path, Field: "voxels", Want: "whole numbers of at most 2^24 in a label map", Got: fmt.Sprintf("%v at sample %d", v, i), Err: ErrUnsupported}
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
