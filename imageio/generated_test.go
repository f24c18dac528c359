package imageio_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// header1 is a NIfTI-1 header as a test wants it, laid down field by field as nifti1.h has them.
type header1 struct {
	Size       int32
	_          [35]byte
	DimInfo    uint8
	Dim        [8]int16
	IntentP    [3]float32
	Intent     int16
	Datatype   int16
	Bitpix     int16
	SliceStart int16
	Pixdim     [8]float32
	VoxOffset  float32
	Slope      float32
	Inter      float32
	SliceEnd   int16
	SliceCode  uint8
	Units      uint8
	_          [4]float32
	Glmax      int32
	Glmin      int32
	Descrip    [80]byte
	AuxFile    [24]byte
	Qcode      int16
	Scode      int16
	Quat       [3]float32
	Qoffset    [3]float32
	Srow       [3][4]float32
	IntentName [16]byte
	Magic      [4]byte
	Ext        [4]byte
}

func newHeader(datatype int16, dims ...int16) header1 {
	h := header1{
		Size: 348, Datatype: datatype, VoxOffset: 352, Scode: 1, Magic: [4]byte{'n', '+', '1'},
		Srow: [3][4]float32{{2, 0, 0, -7}, {0, 3, 0, 5}, {0, 0, 4, 1}}, Pixdim: [8]float32{1, 2, 3, 4, 5, 1, 1, 1},
	}
	h.Dim[0] = int16(len(dims))
	for i := range 7 {
		h.Dim[i+1] = 1
	}
	copy(h.Dim[1:], dims)
	return h
}

func encode(t testing.TB, order binary.ByteOrder, parts ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		if err := binary.Write(&b, order, p); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func store(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gz(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(data) // into memory
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestAllTypes reads every sample type in both byte orders, plain and compressed, with and without scaling.
func TestAllTypes(t *testing.T) {
	for _, c := range []struct {
		code   int16
		stored string
		data   any
		want   []float64
	}{
		{2, "uint8", []uint8{0, 1, 200, 255}, []float64{0, 1, 200, 255}},
		{256, "int8", []int8{0, -1, 127, -128}, []float64{0, -1, 127, -128}},
		{4, "int16", []int16{0, -1, 32767, -32768}, []float64{0, -1, 32767, -32768}},
		{512, "uint16", []uint16{0, 1, 32768, 65535}, []float64{0, 1, 32768, 65535}},
		{8, "int32", []int32{0, -1, 1 << 24, -1 << 31}, []float64{0, -1, 1 << 24, -1 << 31}},
		{768, "uint32", []uint32{0, 1, 1 << 31, 7}, []float64{0, 1, 1 << 31, 7}},
		{1024, "int64", []int64{0, -1, 1 << 40, 7}, []float64{0, -1, 1 << 40, 7}},
		{1280, "uint64", []uint64{0, 1, 1 << 63, 7}, []float64{0, 1, 1 << 63, 7}},
		{16, "float32", []float32{0, -1.5, 1e30, 7}, []float64{0, -1.5, float64(float32(1e30)), 7}},
		{64, "float64", []float64{0, -1.5, 0.1, 1e-3}, []float64{0, -1.5, 0.1, 1e-3}},
		{32, "complex64", []complex64{0, 3 + 4i, -5, 12i}, []float64{0, 5, 5, 12}},
		{1792, "complex128", []complex128{0, 3 + 4i, -5, 12i}, []float64{0, 5, 5, 12}},
	} {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			for _, slope := range []float32{0, 1, 0.1} {
				name := fmt.Sprintf("%s/%v/%v", c.stored, order, slope)
				h := newHeader(c.code, 2, 2)
				h.Slope, h.Inter = slope, 0
				b := encode(t, order, h, c.data)
				for _, path := range []string{store(t, "a.nii", b), store(t, "a.nii.gz", gz(t, b))} {
					im, err := imageio.Read(path)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if im.Source.Stored != c.stored || im.Grid.Size != [3]int{2, 2, 1} {
						t.Errorf("%s: got %s %v", name, im.Source.Stored, im.Grid.Size)
					}
					for i, v := range c.want {
						if slope == 0.1 {
							v *= float64(slope)
						}
						if math.Abs(float64(im.Data[i])-float64(float32(v))) > 1e-7*math.Abs(v) {
							t.Errorf("%s: sample %d: want %v, got %v", name, i, v, im.Data[i])
						}
					}
				}
			}
		}
	}
}

func TestColours(t *testing.T) {
	for code, comps := range map[int16]int{128: 3, 2304: 4} {
		data := make([]uint8, 6*comps)
		for i := range data {
			data[i] = uint8(i * 7)
		}
		h := newHeader(code, 3, 2, 1)
		h.Slope, h.Inter = 2, 5 // colours are never scaled
		path := store(t, "rgb.nii", encode(t, binary.LittleEndian, h, data))
		im, err := imageio.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if im.Channels != comps {
			t.Fatalf("want %d channels, got %d", comps, im.Channels)
		}
		for p := range 6 {
			for c := range comps {
				if got := im.Channel(c)[p]; got != float32(data[p*comps+c]) {
					t.Errorf("pixel %d channel %d: want %v, got %v", p, c, data[p*comps+c], got)
				}
			}
		}
		if _, err := imageio.ReadLabel(path); !errors.Is(err, imageio.ErrUnsupported) {
			t.Errorf("colours as labels: want ErrUnsupported, got %v", err)
		}
	}
}

func TestLabelsMustBeWhole(t *testing.T) {
	for _, c := range []struct {
		code int16
		data any
		ok   bool
	}{
		{8, []int32{0, 1, 1 << 24, -1 << 24}, true},
		{8, []int32{0, 1, 1<<24 + 1, 2}, false},
		{16, []float32{0, 1, 2, 12175}, true},
		{16, []float32{0, 1, 2.5, 3}, false},
		{16, []float32{0, 1, float32(math.NaN()), 3}, false},
		{64, []float64{0, 1, 16777216.5, 3}, false},
		{1024, []int64{0, 1, 1 << 53, 3}, false},
	} {
		path := store(t, "l.nii", encode(t, binary.LittleEndian, newHeader(c.code, 2, 2), c.data))
		im, err := imageio.ReadLabel(path)
		if c.ok != (err == nil) {
			t.Errorf("%v: got error %v", c.data, err)
		}
		if err == nil && im.Kind != imageio.Label {
			t.Errorf("kind %v", im.Kind)
		}
	}
}

func TestFallbackAffine(t *testing.T) {
	h := newHeader(2, 3, 5, 7)
	h.Scode = 0
	im, err := imageio.Read(store(t, "f.nii", encode(t, binary.LittleEndian, h, make([]uint8, 105))))
	if err != nil {
		t.Fatal(err)
	}
	want := imageio.Affine{{-2, 0, 0, 2}, {0, 3, 0, -6}, {0, 0, 4, -12}, {0, 0, 0, 1}}
	if im.Grid.Affine != want || im.Source.AffineSource != "fallback" {
		t.Errorf("want %v, got %v (%s)", want, im.Grid.Affine, im.Source.AffineSource)
	}
	h.Pixdim[2] = float32(math.NaN())
	_, err = imageio.Read(store(t, "n.nii", encode(t, binary.LittleEndian, h, make([]uint8, 105))))
	if !errors.Is(err, imageio.ErrGeometry) {
		t.Errorf("affine from a NaN: want ErrGeometry, got %v", err)
	}
}

func TestRectify(t *testing.T) {
	h := newHeader(2, 2, 2, 2)
	h.Srow = [3][4]float32{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}} // contradicts pixdim 2 3 4
	h.Qcode, h.Qoffset = 1, [3]float32{8, 9, 10}
	path := store(t, "r.nii", encode(t, binary.LittleEndian, h, make([]uint8, 8)))
	plain, err := imageio.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if s := plain.Grid.Spacing(); s != [3]float64{1, 1, 1} {
		t.Errorf("plain: spacing %v", s)
	}
	im, err := imageio.Options{Rectify: true}.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	want := imageio.Affine{{2, 0, 0, 8}, {0, 3, 0, 9}, {0, 0, 4, 10}, {0, 0, 0, 1}}
	if im.Grid.Affine != want {
		t.Errorf("want %v, got %v", want, im.Grid.Affine)
	}
}

func TestLongVectors(t *testing.T) {
	h := newHeader(2, -1, 1, 1)
	h.Glmin = 40000
	im, err := imageio.Read(store(t, "v.nii", encode(t, binary.LittleEndian, h, make([]uint8, 40000))))
	if err != nil {
		t.Fatal(err)
	}
	if im.Grid.Size != [3]int{40000, 1, 1} {
		t.Errorf("size %v", im.Grid.Size)
	}
}

func TestPairs(t *testing.T) {
	h := newHeader(2, 2, 2, 1)
	h.Magic, h.VoxOffset = [4]byte{'n', 'i', '1'}, 0
	head := encode(t, binary.LittleEndian, h)[:348]
	dir := t.TempDir()
	put := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("a.hdr", head)
	put("a.img", []byte{1, 2, 3, 4})
	put("b.hdr.gz", gz(t, head))
	put("b.img.gz", gz(t, []byte{1, 2, 3, 4}))
	put("c.hdr", head)
	put("c.img.gz", gz(t, []byte{1, 2, 3, 4}))
	put("d.hdr", head)
	put("e.nii", head)
	for _, name := range []string{"a.hdr", "a.img", "b.hdr.gz", "b.img.gz", "c.hdr", "c.img.gz"} {
		im, err := imageio.Read(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if im.Data[3] != 4 {
			t.Errorf("%s: got %v", name, im.Data)
		}
	}
	if _, err := imageio.Read(filepath.Join(dir, "d.hdr")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("pair without .img: got %v", err)
	}
	if _, err := imageio.Read(filepath.Join(dir, "e.nii")); !errors.Is(err, imageio.ErrNotThisFormat) {
		t.Errorf("ni1 in a single file: got %v", err)
	}
}

func TestGzipMembersAndGarbage(t *testing.T) {
	b := encode(t, binary.LittleEndian, newHeader(2, 2, 2, 1), []uint8{1, 2, 3, 4})
	for _, c := range []struct {
		name  string
		data  []byte
		words string
	}{
		{"members", append(gz(t, b[:100]), gz(t, b[100:])...), ""},
		{"empty members", append(gz(t, nil), append(gz(t, b), gz(t, nil)...)...), ""},
		{"garbage behind", append(gz(t, b), "junk"...), "not gzip"},
		{"garbage inside", gz(t, append(bytes.Clone(b), "junk"...)), "4 bytes follow"},
		{"plain garbage", append(bytes.Clone(b), "junk"...), "4 bytes follow"},
	} {
		im, err := imageio.Read(store(t, "g.nii.gz", c.data))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if im.Data[3] != 4 {
			t.Errorf("%s: got %v", c.name, im.Data)
		}
		checkWarnings(t, c.name, im.Source.Warnings, c.words)
	}
}

func TestCIFTIRefused(t *testing.T) {
	b := make([]byte, 544)
	binary.LittleEndian.PutUint32(b, 540)
	copy(b[4:], "n+2\x00\r\n\x1a\n")
	binary.LittleEndian.PutUint16(b[12:], 16)
	binary.LittleEndian.PutUint64(b[16:], 6)
	for i, d := range []uint64{1, 1, 1, 1, 2, 3} {
		binary.LittleEndian.PutUint64(b[24+8*i:], d)
	}
	binary.LittleEndian.PutUint32(b[504:], 3006)
	_, err := imageio.Read(store(t, "x.dscalar.nii", append(b, make([]byte, 24)...)))
	if !errors.Is(err, imageio.ErrUnsupported) || !strings.Contains(err.Error(), "CIFTI-2") {
		t.Errorf("got %v", err)
	}
}
