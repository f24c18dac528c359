package imageio_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// tryFile reads bytes as a file and holds the invariants: no panic, errors of the package's type, memory
// within 4 times what the file can hold, results that are whole, JSON without nonsense.
func tryFile(t *testing.T, name string, data []byte) {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	const limit = 4 << 20
	opt := imageio.Options{MaxBytes: limit, IgnoreChecksum: len(data)%2 == 0, Rectify: len(data)%3 == 0}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	im, err := opt.Read(path)
	runtime.ReadMemStats(&after)
	capacity := uint64(len(data))
	if len(data) > 2 && data[0] == 0x1f {
		capacity *= 1032
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4*min(4*capacity, limit)+2<<20 {
		t.Errorf("%d bytes of memory for a file of %d", used, len(data))
	}
	if err != nil {
		var fe *imageio.FormatError
		if !errors.As(err, &fe) && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("untyped error %T: %v", err, err)
		}
		return
	}
	if err := im.Validate(); err != nil {
		t.Errorf("invalid image: %v", err)
	}
	if code := im.Grid.AxisCodes(); len(code) != 3 {
		t.Errorf("axis codes %q", code)
	}
	d, err := opt.Describe(path, true)
	if err != nil {
		t.Errorf("read but not described: %v", err)
		return
	}
	if _, err := json.Marshal(d); err != nil {
		t.Error(err)
	}
	again := filepath.Join(filepath.Dir(path), "again.nii")
	if err := imageio.Write(again, im); err != nil {
		t.Errorf("read but not written: %v", err)
		return
	}
	back, err := imageio.Read(again)
	if err != nil {
		t.Errorf("written but not read: %v", err)
		return
	}
	if back.Grid.Size != im.Grid.Size || back.Channels != im.Channels {
		t.Errorf("%v x %d came back as %v x %d", im.Grid.Size, im.Channels, back.Grid.Size, back.Channels)
	}
}

func FuzzNIfTI(f *testing.F) {
	for _, code := range []int16{2, 4, 16, 32, 64, 128} {
		b := encode(f, binary.LittleEndian, newHeader(code, 2, 2, 2), make([]byte, 128))
		f.Add(b)
		f.Add(gz(f, b))
	}
	h := newHeader(4, 3, 2)
	h.Scode, h.Qcode, h.Quat, h.Ext[0] = 0, 1, [3]float32{0.5, 0.5, 0.5}, 1
	h.VoxOffset = 384
	f.Add(encode(f, binary.BigEndian, h, [2]int32{32, 6}, make([]byte, 24), make([]int16, 6)))
	two := make([]byte, 544+8)
	binary.LittleEndian.PutUint32(two, 540)
	copy(two[4:], "n+2\x00\r\n\x1a\n")
	two[12], two[16], two[24], two[32], two[40] = 2, 3, 2, 2, 2
	f.Add(two)
	f.Fuzz(func(t *testing.T, data []byte) { tryFile(t, "f.nii", data) })
}

func FuzzPairHeader(f *testing.F) {
	h := newHeader(2, 2, 2, 2)
	h.Magic, h.VoxOffset = [4]byte{'n', 'i', '1'}, 0
	f.Add(encode(f, binary.LittleEndian, h))
	f.Fuzz(func(t *testing.T, data []byte) { tryFile(t, "f.hdr", data) })
}

func FuzzMGH(f *testing.F) {
	for _, kind := range []int32{0, 1, 3, 4, 10} {
		b := encode(f, binary.BigEndian, [7]int32{1, 2, 2, 2, 1, kind, 0}, int16(1), [15]float32{1, 1, 1, -1, 0, 0, 0, 0, -1, 0, 1, 0}, make([]byte, 194), make([]byte, 40))
		f.Add(b)
		f.Add(gz(f, b))
	}
	f.Fuzz(func(t *testing.T, data []byte) { tryFile(t, "f.mgz", data) })
}
