package imageio_test

import (
	"encoding/binary"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// mghBytes lays an MGH file down field by field: version, dims, type, dof, flag, delta, directions, centre,
// padding, samples, and the footer that begins with the repetition time.
func mghBytes(t *testing.T, dims [4]int32, kind int32, flag int16, geometry [15]float32, samples any, footer [4]float32) []byte {
	return encode(t, binary.BigEndian, int32(1), dims, kind, int32(0), flag, geometry, make([]byte, 194), samples, footer)
}

func TestMGH(t *testing.T) {
	geometry := [15]float32{1, 2, 3, -1, 0, 0, 0, 0, -1, 0, 1, 0, 10, 20, 30}
	for _, c := range []struct {
		kind   int32
		stored string
		data   any
		want   []float32
	}{
		{0, "uint8", []uint8{0, 1, 255, 7}, []float32{0, 1, 255, 7}},
		{4, "int16", []int16{0, -1, 32767, 7}, []float32{0, -1, 32767, 7}},
		{1, "int32", []int32{0, -1, 1 << 24, 7}, []float32{0, -1, 1 << 24, 7}},
		{3, "float32", []float32{0, -1.5, 1e9, 7}, []float32{0, -1.5, 1e9, 7}},
		{10, "uint16", []uint16{0, 1, 65535, 7}, []float32{0, 1, 65535, 7}},
	} {
		b := mghBytes(t, [4]int32{2, 2, 1, 1}, c.kind, 1, geometry, c.data, [4]float32{})
		for _, path := range []string{store(t, "a.mgh", b), store(t, "a.mgz", gz(t, b))} {
			im, err := imageio.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			// centre minus directions times half of the dimensions
			want := imageio.Affine{{-1, 0, 0, 11}, {0, 0, 3, 18.5}, {0, -2, 0, 32}, {0, 0, 0, 1}}
			if im.Source.Stored != c.stored || !slices.Equal(im.Data, c.want) || im.Grid.Affine != want || im.Grid.AxisCodes() != "LIA" {
				t.Errorf("%s: got %v %v %v", c.stored, im.Source.Stored, im.Data, im.Grid.Affine)
			}
		}
	}
}

func TestMGHWithoutGeometry(t *testing.T) {
	b := mghBytes(t, [4]int32{2, 4, 6, 1}, 0, 0, [15]float32{9, 9, 9}, make([]uint8, 48), [4]float32{})
	im, err := imageio.Read(store(t, "a.mgh", b))
	if err != nil {
		t.Fatal(err)
	}
	want := imageio.Affine{{-1, 0, 0, 1}, {0, 0, 1, -3}, {0, -1, 0, 2}, {0, 0, 0, 1}}
	if im.Grid.Affine != want || im.Grid.AxisCodes() != "LIA" {
		t.Errorf("want %v, got %v", want, im.Grid.Affine)
	}
	checkWarnings(t, "flag 0", im.Source.Warnings, "no geometry")
}

func TestMGHFrames(t *testing.T) {
	geometry := [15]float32{1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1}
	b := mghBytes(t, [4]int32{2, 1, 1, 3}, 0, 1, geometry, []uint8{1, 2, 3, 4, 5, 6}, [4]float32{2500})
	f, err := imageio.Open(store(t, "a.mgz", gz(t, b)))
	if err != nil {
		t.Fatal(err)
	}
	im, err := f.Image(imageio.Intensity)
	if err != nil {
		t.Fatal(err)
	}
	if f.Zooms[3] != 2500 || im.Channels != 3 || im.At(1, 0, 0, 2) != 6 {
		t.Errorf("zooms %v, %d channels, %v", f.Zooms, im.Channels, im.Data)
	}
	path := filepath.Join(t.TempDir(), "a.nii")
	if err := imageio.Write(path, im); err != nil {
		t.Fatal(err)
	}
	back, err := imageio.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if back.Zooms[3] != 2500 || back.Units != 2|16 || back.SformCode != 1 {
		t.Errorf("written: zooms %v, units %d, sform %d", back.Zooms, back.Units, back.SformCode)
	}
}

func TestMGHBad(t *testing.T) {
	ok := [15]float32{1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1}
	nan := ok
	nan[13] = float32(math.NaN())
	for name, c := range map[string]struct {
		data []byte
		kind error
	}{
		"dims":      {mghBytes(t, [4]int32{2, -1, 1, 1}, 0, 1, ok, []uint8{1}, [4]float32{}), imageio.ErrCorrupt},
		"huge":      {mghBytes(t, [4]int32{1 << 30, 1 << 30, 1 << 30, 1}, 0, 1, ok, []uint8{1}, [4]float32{}), imageio.ErrTooLarge},
		"truncated": {mghBytes(t, [4]int32{200, 2, 1, 1}, 0, 1, ok, []uint8{1}, [4]float32{}), imageio.ErrTruncated},
		"header":    {mghBytes(t, [4]int32{2, 2, 1, 1}, 0, 1, ok, []uint8{1}, [4]float32{})[:60], imageio.ErrTruncated},
		"geometry":  {mghBytes(t, [4]int32{2, 2, 1, 1}, 0, 1, nan, []uint8{1, 2, 3, 4}, [4]float32{}), imageio.ErrGeometry},
		"type":      {mghBytes(t, [4]int32{2, 2, 1, 1}, 7, 1, ok, []uint8{1, 2, 3, 4}, [4]float32{}), imageio.ErrNotThisFormat},
	} {
		if _, err := imageio.Read(store(t, "a.mgh", c.data)); !errors.Is(err, c.kind) {
			t.Errorf("%s: want %v, got %v", name, c.kind, err)
		}
	}
}

// header2 is a NIfTI-2 header, laid down as nifti2.h has it.
type header2 struct {
	Size                 int32
	Magic                [8]byte
	Datatype, Bitpix     int16
	Dim                  [8]int64
	_                    [3]float64
	Pixdim               [8]float64
	VoxOffset            int64
	Slope, Inter         float64
	_                    [4]float64
	_                    [2]int64
	Descrip              [80]byte
	Aux                  [24]byte
	Qcode, Scode         int32
	Quat, Qoffset        [3]float64
	Srow                 [3][4]float64
	SliceCode, XYZTUnits int32
	Intent               int32
	IntentName           [16]byte
	DimInfo              uint8
	_                    [15]byte
	Ext                  [4]byte
}

func TestNIfTI2BothOrders(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		h := header2{
			Size: 540, Magic: [8]byte{'n', '+', '2', 0, '\r', '\n', 0x1a, '\n'}, Datatype: 4, Dim: [8]int64{3, 3, 2, 1, 1, 1, 1, 1},
			Pixdim: [8]float64{-1, 2, 3, 4}, Slope: 0.25, Inter: -1, Qcode: 3, Qoffset: [3]float64{1, 2, 3}, XYZTUnits: 10, Ext: [4]byte{1}, VoxOffset: 576,
		}
		extension := append(encode(t, order, [2]int32{32, 6}), "remark                  "...)
		im, err := imageio.Read(store(t, "a.nii", encode(t, order, h, extension, []int16{0, 4, -8, 1, 2, 3})))
		if err != nil {
			t.Fatal(err)
		}
		want := imageio.Affine{{2, 0, 0, 1}, {0, 3, 0, 2}, {0, 0, -4, 3}, {0, 0, 0, 1}}
		if im.Grid.Affine != want || !slices.Equal(im.Data, []float32{-1, 0, -3, -0.75, -0.5, -0.25}) {
			t.Errorf("%v: got %v %v", order, im.Grid.Affine, im.Data)
		}
		if s := im.Source; s.Format != "nifti2" || s.QformCode != 3 || s.Units != 10 || len(s.Extensions) != 1 || string(s.Extensions[0].Data[:6]) != "remark" || len(s.Warnings) > 0 {
			t.Errorf("%v: source %+v", order, s)
		}
	}
}

// TestFileIsReadAgain: an opened file may be read several times, by several goroutines.
func TestFileIsReadAgain(t *testing.T) {
	f, err := imageio.Open(store(t, "a.nii.gz", gz(t, encode(t, binary.LittleEndian, newHeader(2, 2, 2), []uint8{1, 2, 3, 4}))))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 4 {
		go func() {
			_, err := f.Raw()
			if err == nil {
				_, err = f.Image(imageio.Label)
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
