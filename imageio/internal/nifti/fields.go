package nifti

import (
	"encoding/binary"
	"math"
)

// fields are the parts of a header that matter here, of either version.
type fields struct {
	version   int // 1 or 2
	big       bool
	size      int64 // of the header: 348 or 540
	magic     string
	dim       [8]int64
	datatype  int
	intent    int
	pixdim    [8]float64
	voxOffset float64
	slope     float64
	inter     float64
	units     uint8
	qcode     int
	scode     int
	quat      [3]float64
	qoffset   [3]float64
	srow      [3][4]float64
	glmin     int64
}

// reader reads numbers at fixed places of a header.
type reader struct {
	b     []byte
	order binary.ByteOrder
}

func (r reader) i16(at int) int        { return int(int16(r.order.Uint16(r.b[at:]))) }
func (r reader) i32(at int) int        { return int(int32(r.order.Uint32(r.b[at:]))) }
func (r reader) i64(at int) int64      { return int64(r.order.Uint64(r.b[at:])) }
func (r reader) f32(at int) float64    { return float64(math.Float32frombits(r.order.Uint32(r.b[at:]))) }
func (r reader) f64(at int) float64    { return math.Float64frombits(r.order.Uint64(r.b[at:])) }
func (r reader) text(at, n int) string { return string(r.b[at : at+n]) }

func order(big bool) binary.ByteOrder {
	if big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// fields1 reads the 348 bytes of NIfTI-1 (nifti1.h of 2007).
func fields1(b []byte, big bool) fields {
	r := reader{b, order(big)}
	f := fields{
		version: 1, big: big, size: 348, magic: r.text(344, 4),
		datatype: r.i16(70), intent: r.i16(68), voxOffset: r.f32(108), slope: r.f32(112), inter: r.f32(116),
		units: b[123], qcode: r.i16(252), scode: r.i16(254), glmin: int64(r.i32(144)),
	}
	for i := range 8 {
		f.dim[i] = int64(r.i16(40 + 2*i))
		f.pixdim[i] = r.f32(76 + 4*i)
	}
	for i := range 3 {
		f.quat[i] = r.f32(256 + 4*i)
		f.qoffset[i] = r.f32(268 + 4*i)
		for j := range 4 {
			f.srow[i][j] = r.f32(280 + 16*i + 4*j)
		}
	}
	return f
}

// fields2 reads the 540 bytes of NIfTI-2 (nifti2.h of 2011).
func fields2(b []byte, big bool) fields {
	r := reader{b, order(big)}
	f := fields{
		version: 2, big: big, size: 540, magic: r.text(4, 8),
		datatype: r.i16(12), intent: r.i32(504), voxOffset: float64(r.i64(168)), slope: r.f64(176), inter: r.f64(184),
		units: uint8(r.i32(500)), qcode: r.i32(344), scode: r.i32(348),
	}
	for i := range 8 {
		f.dim[i] = r.i64(16 + 8*i)
		f.pixdim[i] = r.f64(104 + 8*i)
	}
	for i := range 3 {
		f.quat[i] = r.f64(352 + 8*i)
		f.qoffset[i] = r.f64(376 + 8*i)
		for j := range 4 {
			f.srow[i][j] = r.f64(400 + 32*i + 8*j)
		}
	}
	return f
}
