package imageio_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/shared"
)

// small reads the DICOM files of the collection that are small enough to be seeds.
func small(tb testing.TB) (names []string, data [][]byte) {
	tb.Helper()
	for _, pattern := range []string{"dicom/*.dcm", "dicom/*.dcm.gz", "dicom/charset/*.dcm", "dicom/series_ct*/*.dcm"} {
		files, err := filepath.Glob(filepath.Join(shared.Dir(tb, "imaging"), pattern))
		if err != nil {
			tb.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				tb.Fatal(err)
			}
			if len(b) < 64<<10 {
				names, data = append(names, filepath.Base(f)), append(data, b)
			}
		}
	}
	return names, data
}

// tryDICOM holds the invariants: no panic, typed errors, memory within 4 times what the header promises and the limit
// allows, and a megabyte.
func tryDICOM(t *testing.T, path string, size int) {
	t.Helper()
	const limit = 1 << 22
	opt := imageio.Options{MaxBytes: limit, Rectify: size%2 == 0}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	im, err := opt.Read(path)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4*(limit+uint64(size))+1<<20 {
		t.Errorf("%d bytes of memory for a file of %d", used, size)
	}
	if err == nil {
		if err := im.Validate(); err != nil && im.Grid.Affine.Det() != 0 {
			t.Errorf("invalid image: %v", err)
		}
	} else {
		if _, ok := errors.AsType[*imageio.FormatError](err); !ok {
			t.Errorf("untyped error %T: %v", err, err)
		}
	}
	if _, err := opt.Describe(path, true); err != nil {
		if _, ok := errors.AsType[*imageio.FormatError](err); !ok {
			t.Errorf("untyped error %T: %v", err, err)
		}
	}
	_, _ = imageio.Tags(path)
}

func FuzzDICOM(f *testing.F) {
	_, data := small(f)
	for _, b := range data {
		if len(b) < 10<<10 { // large seeds make slow mutations
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "a.dcm")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		tryDICOM(t, path, len(data))
	})
}

// TestDICOMDamage changes and cuts every small file of the collection in many ways.
func TestDICOMDamage(t *testing.T) {
	names, data := small(t)
	runs := 4
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		runs = 400
	}
	dir := t.TempDir()
	state := uint64(1)
	random := func(n int) int { // xorshift
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		return int(state % uint64(n))
	}
	for k, original := range data {
		for run := range runs {
			b := append([]byte(nil), original...)
			for range 1 + random(6) {
				span := len(b)
				if run%2 == 0 {
					span = min(span, 1500)
				}
				b[random(span)] = [...]byte{0, 1, 0xFF, 0x80, byte(random(256))}[random(5)]
			}
			if run%4 == 3 {
				b = b[:random(len(b))]
			}
			path := filepath.Join(dir, "a.dcm")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			tryDICOM(t, path, len(b))
			if t.Failed() {
				t.Fatalf("%s, run %d", names[k], run)
			}
		}
	}
}
