package jpeg

import (
	"errors"
	"fmt"
)

// losslessScan decodes a scan of differences (T.81, annex H).
func (d *decoder) losslessScan(in []*component, predictor, shift int) error {
	if predictor < 1 || predictor > 7 || shift >= d.img.Precision {
		return fmt.Errorf("predictor %d, point transform %d", predictor, shift)
	}
	for _, c := range in {
		if !d.huff[c.dc].ready {
			return errors.New("no Huffman table")
		}
	}
	w, n := d.img.Width, d.img.Components
	offsets := make([]int, len(in))
	for i, c := range in {
		for k := range d.comps {
			if &d.comps[k] == c {
				offsets[i] = k
			}
		}
	}
	start := int32(1) << (d.img.Precision - shift - 1)
	left := d.interval
	fresh := true // the line begins a restart interval
	stride := w * n
	out := d.img.Samples
	for y := range d.img.Height {
		row := out[y*stride : (y+1)*stride]
		var above []uint16
		if y > 0 {
			above = out[(y-1)*stride : y*stride]
		}
		first := fresh
		fresh = false
		for x := range w {
			for i, c := range in {
				at := x*n + offsets[i]
				var p int32
				switch {
				case first && x == 0:
					p = start
				case first:
					p = int32(row[at-n])
				case x == 0:
					p = int32(above[at])
				default:
					p = predict(predictor, int32(row[at-n]), int32(above[at]), int32(above[at-n]))
				}
				s, err := d.bits.decode(&d.huff[c.dc])
				if err != nil {
					return err
				}
				diff := int32(32768)
				if s < 16 {
					diff = d.bits.receive(s)
				} else if s > 16 {
					return errors.New("a difference of more than 16 bits")
				}
				row[at] = uint16(p + diff)
			}
			if d.interval > 0 {
				if left--; left == 0 {
					left = d.interval
					if last := y == d.img.Height-1 && x == w-1; !last {
						if x != w-1 {
							return errors.New("a restart inside a line")
						}
						if err := d.bits.restart(); err != nil {
							return err
						}
						fresh = true
					}
				}
			}
		}
		if d.bits.overrun() {
			return errEnd
		}
	}
	if shift > 0 && d.scanned+len(in) >= len(d.comps) {
		for i := range out {
			out[i] <<= shift
		}
	}
	return nil
}

// predict is T.81, table H.1: a to the left, b above, c above to the left.
func predict(kind int, a, b, c int32) int32 {
	switch kind {
	case 1:
		return a
	case 2:
		return b
	case 3:
		return c
	case 4:
		return a + b - c
	case 5:
		return a + (b-c)>>1
	case 6:
		return b + (a-c)>>1
	}
	return (a + b) >> 1
}
