package dicom

import (
	"fmt"
	"math"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// colours returns how colour samples become red, green and blue.
func colours(p *Pixels, frame []byte) (convert, error) {
	t := p.Type()
	size, n := t.Size(), p.Samples
	if !strings.HasPrefix(p.Photometric, "YBR_FULL") || p.Samples != 3 {
		return func(dst []float32, at, count, c int) {
			for i := range count {
				volume.Floats(dst[i:i+1], frame[((at+i)*n+c)*size:], t, false, 1, 0)
			}
		}, nil
	}
	top := math.Exp2(float64(p.Stored)) - 1
	middle := math.Exp2(float64(p.Stored - 1))
	return func(dst []float32, at, count, c int) {
		var v [3]float64
		for i := range count {
			volume.Float64s(v[:], frame[(at+i)*n*size:], t, false)
			y, b, r := v[0], v[1]-middle, v[2]-middle
			switch c { // PS3.3, C.7.6.3.1.2
			case 0:
				y += 1.402 * r
			case 1:
				y -= 0.344136286201*b + 0.714136286201*r
			default:
				y += 1.772 * b
			}
			dst[i] = float32(min(max(math.Round(y), 0), top))
		}
	}, nil
}

// lut maps stored values to others; values beside its range take the nearest end.
type lut struct {
	first  int
	values []float32
}

func (l lut) at(v int) float32 {
	return l.values[min(max(v-l.first, 0), len(l.values)-1)]
}

// descriptor reads the three numbers that describe a table: entries, first stored value, bits.
func (s Set) descriptor(tag Tag, signed bool) (n, first, bits int, ok bool) {
	e := s.Get(tag)
	if e.VR == "" || e.VR == "UN" || len(e.Value) == 6 {
		e.VR = "US"
	}
	var v [3]float64
	if e.numbers(v[:]) != 3 {
		return 0, 0, 0, false
	}
	n, first, bits = int(v[0]), int(v[1]), int(v[2])
	if n == 0 {
		n = 1 << 16
	}
	if signed {
		first = int(int16(first))
	}
	return n, first, bits, bits >= 1 && bits <= 16
}

// modalityLUT reads the Modality LUT, which beats slope and intercept.
func (f *File) modalityLUT(l Layout) (lut, bool, error) {
	item := f.Set.First(tagModalityLUT)
	if len(item.data) == 0 {
		return lut{}, false, nil
	}
	n, first, bits, ok := item.descriptor(tagLUTDescriptor, l.Signed)
	data := item.Get(tagLUTData)
	if !ok || l.Type().Size() > 2 {
		return lut{}, false, f.want("Modality LUT", "a descriptor of three numbers", "another")
	}
	values, err := data.entries(n, bits)
	if err != nil {
		return lut{}, false, f.want("Modality LUT", "a table", err.Error())
	}
	return lut{first, values}, true, nil
}

// entries decodes n entries of a table in bytes or words.
func (e Element) entries(n, bits int) ([]float32, error) {
	switch {
	case len(e.Value) >= 2*n:
		e.VR = "US"
	case bits <= 8 && len(e.Value) >= n:
		e.VR = "OB"
	default:
		return nil, fmt.Errorf("%d bytes for %d entries of %d bits", len(e.Value), n, bits)
	}
	out := make([]float32, n)
	size := binarySize(e.VR)
	for i := range out {
		out[i] = float32(e.number(e.Value[i*size:]))
	}
	return out, nil
}

// palette returns how indices become colours.
func palette(f *File, t volume.Type, frame []byte) (convert, error) {
	l, err := f.Layout()
	if err != nil {
		return nil, err
	}
	var tables [3]lut
	for c := range 3 {
		n, first, bits, ok := f.Set.descriptor(tagPaletteRed+Tag(c), l.Signed)
		if !ok {
			return nil, f.want("palette", "descriptors of three numbers", "others")
		}
		values, err := f.Set.Get(tagPaletteRedData+Tag(c)).entries(n, bits)
		if seg := f.Set.Get(tagPaletteRedSegmented + Tag(c)); err != nil && len(seg.Value) > 0 {
			values, err = seg.segments(n)
		}
		if err != nil {
			return nil, f.want("palette", "a table", err.Error())
		}
		tables[c] = lut{first, values}
	}
	size := t.Size()
	return func(dst []float32, at, n, c int) {
		volume.Floats(dst[:n], frame[at*size:], t, false, 1, 0)
		for k, x := range dst[:n] {
			dst[k] = tables[c].at(int(x))
		}
	}, nil
}

// segments expands a segmented table of words (PS3.3, C.7.9.2): runs, lines, and repeats of earlier ones.
func (e Element) segments(n int) ([]float32, error) {
	words := make([]int, len(e.Value)/2)
	e.VR = "US"
	for i := range words {
		words[i] = int(e.number(e.Value[2*i:]))
	}
	out := make([]float32, 0, n)
	if err := expand(words, 0, len(words), 1<<30, n, &out, 0); err != nil {
		return nil, err
	}
	if len(out) != n {
		return nil, fmt.Errorf("%d entries in segments, %d said", len(out), n)
	}
	return out, nil
}

func expand(w []int, at, end, most, n int, out *[]float32, depth int) error {
	for count := 0; at+2 <= end && count < most; count++ {
		code, length := w[at], w[at+1]
		at += 2
		if len(*out)+length > n && code < 2 {
			return fmt.Errorf("more than %d entries", n)
		}
		switch {
		case code == 0 && at+length <= end:
			for _, v := range w[at : at+length] {
				*out = append(*out, float32(v))
			}
			at += length
		case code == 1 && at < end && len(*out) > 0 && length > 0:
			from, to := (*out)[len(*out)-1], float32(w[at])
			for i := 1; i <= length; i++ {
				*out = append(*out, float32(math.Round(float64(from+(to-from)*float32(i)/float32(length)))))
			}
			at++
		case code == 2 && at+2 <= end && depth == 0:
			offset := (w[at] | w[at+1]<<16) / 2
			at += 2
			if offset > end {
				return fmt.Errorf("a repeat from word %d of %d", offset, end)
			}
			if err := expand(w, offset, end, length, n, out, 1); err != nil {
				return err
			}
		default:
			return fmt.Errorf("segment of code %d and length %d", code, length)
		}
	}
	return nil
}
