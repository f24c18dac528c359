package imageio_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// analyzePair stores a header of 348 bytes and zeros as samples, and returns the header's path.
func analyzePair(t *testing.T, order binary.ByteOrder, change func(h *header1, raw []byte)) string {
	t.Helper()
	h := newHeader(4, 3, 5, 7)
	h.Magic, h.VoxOffset, h.Scode, h.Slope = [4]byte{}, 0, 0, 0
	h.Pixdim = [8]float32{0, 3, 2, 1, 1}
	h.Srow = [3][4]float32{}
	raw := make([]byte, 348)
	change(&h, raw)
	b := encode(t, order, h)[:348]
	for i, v := range raw {
		if v != 0 {
			b[i] = v
		}
	}
	path := store(t, "a.hdr", b)
	samples := make([]int16, 3*5*7)
	samples[1] = 10
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "a.img"), encode(t, order, samples), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAnalyze: the affines and scales are those that nibabel's documentation gives for the same headers
// (spm99analyze.py get_origin_affine, spm2analyze.py get_slope_inter).
func TestAnalyze(t *testing.T) {
	middle := imageio.Affine{{-3, 0, 0, 3}, {0, 2, 0, -4}, {0, 0, 1, -3}, {0, 0, 0, 1}}
	origin := imageio.Affine{{-3, 0, 0, 6}, {0, 2, 0, -6}, {0, 0, 1, -4}, {0, 0, 0, 1}}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		spm := func(h *header1, raw []byte) {
			for i, v := range []uint16{3, 4, 5} {
				order.PutUint16(raw[253+2*i:], v)
			}
			h.Slope, h.Inter = 0.5, 1
		}
		far := func(_ *header1, raw []byte) { order.PutUint16(raw[253:], 900) }
		calibrated := func(h *header1, raw []byte) {
			h.Glmax, h.Glmin = 110, 10
			copy(raw[124:], encode(t, order, float32(0.8), float32(0.2)))
		}
		for name, c := range map[string]struct {
			change func(*header1, []byte)
			affine imageio.Affine
			value  float32 // of the second sample, stored as 10
		}{
			"plain":      {func(*header1, []byte) {}, middle, 10},
			"origin":     {spm, origin, 6},
			"far origin": {far, middle, 10},
			"calibrated": {calibrated, middle, 0.2},
		} {
			path := analyzePair(t, order, c.change)
			im, err := imageio.Read(path)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if im.Grid.Affine != c.affine || im.Source.Format != "analyze" || im.Data[1] < c.value-1e-6 || im.Data[1] > c.value+1e-6 {
				t.Errorf("%s, %v: got %v, %v, %v", name, order, im.Source.Format, im.Grid.Affine, im.Data[1])
			}
			checkWarnings(t, name, im.Source.Warnings, "left from right")
			again, err := imageio.Read(path[:len(path)-4] + ".img")
			if err != nil || again.Grid != im.Grid {
				t.Errorf("%s: by the samples' name: %v", name, err)
			}
		}
	}
}

func TestAnalyzeMat(t *testing.T) {
	path := analyzePair(t, binary.LittleEndian, func(*header1, []byte) {})
	if err := os.WriteFile(path[:len(path)-4]+".mat", []byte("anything"), 0o600); err != nil {
		t.Fatal(err)
	}
	im, err := imageio.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	checkWarnings(t, path, im.Source.Warnings, ".mat")
}
