package phantom

import (
	"compress/gzip"
	"encoding/binary"
	"io"
	"strings"

	"github.com/nitrain/nitrain/internal/atomicfile"
)

// WriteFile writes the scan as NIfTI-1 of int16, compressed if the name ends in .gz, a slice at a time.
func (b Body) WriteFile(path string) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		if !strings.HasSuffix(path, ".gz") {
			return b.write(w)
		}
		z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return err
		}
		if err := b.write(z); err != nil {
			return err
		}
		return z.Close()
	})
}

func (b Body) write(w io.Writer) error {
	if _, err := w.Write(b.header()); err != nil {
		return err
	}
	slice := make([]int16, b.Size[0]*b.Size[1])
	raw := make([]byte, 0, 2*len(slice))
	for z := range b.Size[2] {
		b.Slice(z, slice)
		raw = raw[:0]
		for _, v := range slice {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(v))
		}
		if _, err := w.Write(raw); err != nil {
			return err
		}
	}
	return nil
}

// header returns the 352 bytes in front of the voxels.
func (b Body) header() []byte {
	raw := make([]byte, 352)
	le := binary.LittleEndian
	float := func(at int, v float64) { _, _ = binary.Encode(raw[at:], le, float32(v)) } // there is room
	le.PutUint32(raw, 348)
	for i, n := range []int{3, b.Size[0], b.Size[1], b.Size[2], 1, 1, 1, 1} {
		le.PutUint16(raw[40+2*i:], uint16(n))
		float(76+4*i, 1)
	}
	le.PutUint16(raw[70:], 4)  // int16
	le.PutUint16(raw[72:], 16) // bits
	float(108, 352)            // where the voxels are
	float(112, 1)              // slope
	raw[123] = 2               // mm
	le.PutUint16(raw[254:], 1) // the affine is the scanner's
	affine := b.Grid().Affine
	for a := range 3 {
		float(80+4*a, b.MM[a])
		for col := range 4 {
			float(280+16*a+4*col, affine[a][col])
		}
	}
	copy(raw[344:], "n+1")
	return raw
}
