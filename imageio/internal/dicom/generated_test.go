package dicom

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// image is a slice that a test writes.
type image struct {
	position     [3]float64
	slope, inter float64
	value        int16
	instance     int
	extra        func(b *builder)
}

// write stores a slice of 4 x 3 pixels, in one of the native codings.
func (s image) write(t *testing.T, path, syntax string) {
	t.Helper()
	b := &builder{}
	b.text(tagSOPClass, "UI", "1.2.840.10008.5.1.4.1.1.2")
	b.text(tagSOPInstance, "UI", newUID())
	b.text(tagSeriesUID, "UI", "1.2.3")
	b.text(tagInstanceNumber, "IS", strconv.Itoa(s.instance))
	b.decimal(tagPosition, s.position[:]...)
	b.decimal(tagOrientation, 1, 0, 0, 0, 1, 0)
	b.decimal(tagPixelSpacing, 2, 1.5)
	b.short(tagSamples, 1)
	b.text(tagPhotometric, "CS", "MONOCHROME2")
	b.short(tagRows, 3)
	b.short(tagColumns, 4)
	b.short(tagBitsAllocated, 16)
	b.short(tagBitsStored, 16)
	b.short(tagHighBit, 15)
	b.short(tagSigned, 1)
	if s.slope != 0 {
		b.decimal(tagSlope, s.slope)
		b.decimal(tagIntercept, s.inter)
	}
	frames := 1
	if s.extra != nil {
		s.extra(b)
		set := Set{data: b.bytes()}
		if n, ok := set.Int(tagFrames); ok {
			frames = n
		}
	}
	var pixels []byte
	for i := range 12 * frames {
		pixels = binary.LittleEndian.AppendUint16(pixels, uint16(s.value+int16(i)))
	}
	b.raw(tagPixels, "OW", pixels)
	meta := &builder{}
	meta.text(tagTransferSyntax, "UI", syntax)
	file := append(append(make([]byte, 128), "DICM"...), meta.bytes()...)
	body := b.bytes()
	if syntax == base+".1.99" {
		var z bytes.Buffer
		w, _ := flate.NewWriter(&z, 6)
		_, _ = w.Write(body)
		_ = w.Close()
		body = z.Bytes()
	}
	if err := os.WriteFile(path, append(file, body...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// only reads a folder that must hold one volume.
func only(t *testing.T, dir string) (*Volume, []float32) {
	t.Helper()
	f, err := ReadFolder(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Volumes) != 1 {
		t.Fatalf("want one volume, got %d", len(f.Volumes))
	}
	v := f.Volumes[0]
	size := v.Size()
	data := make([]float32, size[0]*size[1]*size[2]*v.Times)
	if err := v.Floats(data, 1<<20); err != nil {
		t.Fatal(err)
	}
	return v, data
}

// TestSlopesPerSlice: PET has a slope for each slice; names and order of files do not matter.
func TestSlopesPerSlice(t *testing.T) {
	dir := t.TempDir()
	for z := range 4 {
		s := image{position: [3]float64{-3, 5, float64(10 - 3*z)}, slope: 1.5 + float64(z), inter: 1, value: 100, instance: z}
		s.write(t, filepath.Join(dir, strconv.Itoa(z*7%4)), base+".1")
	}
	v, data := only(t, dir)
	for z := range 4 { // ascending along the normal: the last written is the first
		if want := float32(100*(1.5+float64(3-z)) + 1); data[12*z] != want {
			t.Errorf("slice %d: want %v, got %v", z, want, data[12*z])
		}
	}
	want := [4][4]float64{{-1.5, 0, 0, 3}, {0, -2, 0, -5}, {0, 0, 3, 1}, {0, 0, 0, 1}}
	if v.Affine != want || v.Problem != nil {
		t.Errorf("want %v, got %v, %v", want, v.Affine, v.Problem)
	}
}

// TestTilt: the third column is the true way from slice to slice.
func TestTilt(t *testing.T) {
	dir := t.TempDir()
	for z := range 5 {
		image{position: [3]float64{0, -0.5 * float64(z), 2 * float64(z)}, instance: z}.write(t, filepath.Join(dir, strconv.Itoa(z)), base+".1.99")
	}
	v, _ := only(t, dir)
	if got := [3]float64{v.Affine[0][2], v.Affine[1][2], v.Affine[2][2]}; got != [3]float64{0, 0.5, 2} {
		t.Errorf("want a step of 0, 0.5, 2, got %v", got)
	}
	if want := math.Atan2(0.5, 2) * 180 / math.Pi; math.Abs(v.Tilt-want) > 1e-9 {
		t.Errorf("want a tilt of %v, got %v", want, v.Tilt)
	}
}

// TestCopiesAndTimes: copies of a file are left out; n places times k files are 4-D; uneven ones are an error.
func TestCopiesAndTimes(t *testing.T) {
	dir := t.TempDir()
	for z := range 3 {
		image{position: [3]float64{0, 0, float64(z)}, instance: z, value: int16(10 * z)}.write(t, filepath.Join(dir, strconv.Itoa(z)), base+".1")
	}
	b, err := os.ReadFile(filepath.Join(dir, "1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "copy"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, _ := only(t, dir); v.Slices != 3 || v.Times != 1 || v.Problem != nil || len(v.Warnings) != 1 {
		t.Errorf("copy: got %d slices, %d times, %v, %v", v.Slices, v.Times, v.Problem, v.Warnings)
	}
	image{position: [3]float64{0, 0, 1}, instance: 9, value: 99}.write(t, filepath.Join(dir, "copy"), base+".1")
	if v, _ := only(t, dir); v.Problem == nil {
		t.Error("want an error for two images at one place")
	}
	for _, z := range []int{0, 2} {
		image{position: [3]float64{0, 0, float64(z)}, instance: 9 + z, value: 99}.write(t, filepath.Join(dir, "again"+strconv.Itoa(z)), base+".1")
	}
	if v, data := only(t, dir); v.Times != 2 || v.Slices != 3 || data[0] != 0 || data[36] != 99 {
		t.Errorf("want 3 slices at 2 times, got %d at %d", v.Slices, v.Times)
	}
}

// TestDose: frames lie where GridFrameOffsetVector says, values are scaled.
func TestDose(t *testing.T) {
	dir := t.TempDir()
	image{position: [3]float64{1, 2, 3}, value: 4, extra: func(b *builder) {
		b.text(tagFrames, "IS", "3")
		b.decimal(tagGridFrameOffsets, 0, 2.5, 5)
		b.decimal(tagDoseScaling, 0.001)
	}}.write(t, filepath.Join(dir, "dose"), base+".1")
	v, data := only(t, dir)
	if v.Slices != 3 || v.Affine[2] != [4]float64{0, 0, 2.5, 3} || data[0] != float32(0.004) {
		t.Errorf("got %d slices, %v, %v", v.Slices, v.Affine, data[0])
	}
}

// TestNestedFolders: a folder that holds only folders is read with what they hold; what is no image is named.
func TestNestedFolders(t *testing.T) {
	dir := t.TempDir()
	for z := range 3 {
		sub := filepath.Join(dir, "patient", strconv.Itoa(z))
		if err := os.MkdirAll(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		image{position: [3]float64{0, 0, float64(z)}, instance: z}.write(t, filepath.Join(sub, "slice"), base+".1")
	}
	if err := os.WriteFile(filepath.Join(dir, "patient", "notes.txt"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "patient", "loop")); err != nil {
		t.Fatal(err)
	}
	if v, _ := only(t, dir); v.Slices != 3 {
		t.Errorf("want 3 slices, got %d", v.Slices)
	}
	f, err := ReadFolder(dir, false)
	if err != nil || len(f.Skipped) != 1 {
		t.Errorf("want the text named, got %v, %v", f.Skipped, err)
	}
}
