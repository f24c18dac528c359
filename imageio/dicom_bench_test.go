package imageio_test

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nitrain/nitrain/imageio"
)

// TestBenchDICOM reads a CT series of 300 slices beside pydicom and ITK's GDCM reader, alternating with them in one run,
// and wants at most 0.3 and 0.5 of their times. NITRAIN_PYTHON names a Python with pydicom and SimpleITK.
func TestBenchDICOM(t *testing.T) {
	python := os.Getenv("NITRAIN_PYTHON")
	if python == "" || os.Getenv("NITRAIN_ACCEPTANCE") == "" {
		t.Skip("a benchmark: set NITRAIN_ACCEPTANCE=1 and NITRAIN_PYTHON")
	}
	script := filepath.Join("..", "testdata", "gen", "bench_dicom.py")
	folder := filepath.Join(t.TempDir(), "ct")
	if out, err := exec.CommandContext(t.Context(), python, script, "make", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var peer struct{ Pydicom, GDCM, Mean float64 }
	ours := math.Inf(1)
	for range 2 {
		for range 3 {
			start := time.Now()
			im, err := imageio.Read(folder)
			if err != nil {
				t.Fatal(err)
			}
			ours = min(ours, time.Since(start).Seconds())
			if peer.Mean != 0 {
				sum := 0.0
				for _, v := range im.Data {
					sum += float64(v)
				}
				if mean := sum / float64(len(im.Data)); math.Abs(mean-peer.Mean) > 1e-6*math.Abs(peer.Mean) {
					t.Fatalf("want a mean of %v, got %v", peer.Mean, mean)
				}
			}
		}
		before := peer
		out, err := exec.CommandContext(t.Context(), python, script, "time", folder).Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &peer); err != nil {
			t.Fatal(err)
		}
		if before.Mean != 0 {
			peer.Pydicom, peer.GDCM = min(peer.Pydicom, before.Pydicom), min(peer.GDCM, before.GDCM)
		}
	}
	t.Logf("300 slices of CT: %.3f s; pydicom %.3f s, ratio %.2f; GDCM %.3f s, ratio %.2f", ours, peer.Pydicom, ours/peer.Pydicom, peer.GDCM, ours/peer.GDCM)
	if ours > 0.3*peer.Pydicom || ours > 0.5*peer.GDCM {
		t.Errorf("want at most 0.3 of pydicom and 0.5 of GDCM")
	}
}

// BenchmarkDICOMFolder reads the series that NITRAIN_CT names.
func BenchmarkDICOMFolder(b *testing.B) {
	folder := os.Getenv("NITRAIN_CT")
	if folder == "" {
		b.Skip("NITRAIN_CT names no folder")
	}
	for b.Loop() {
		if _, err := imageio.Read(folder); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
}
