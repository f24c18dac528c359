package imageio_test

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/shared"
)

// record is one line of EXPECTED.jsonl: what nibabel 5.0 read.
type record struct {
	File    string
	Kind    string
	Affine  [4][4]float64
	Axcodes string
	Stored  string
	Zooms   []float64
	Raw     imageio.Stats
	Scaled  imageio.Stats
}

func expected(t *testing.T) (dir string, records []record) {
	dir = shared.Dir(t, "imaging")
	f, err := os.Open(filepath.Join(dir, "EXPECTED.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(r.Kind, "Nifti") || r.Kind == "MGHImage" {
			records = append(records, r)
		}
	}
	return dir, records
}

// TestExpected holds every NIfTI and MGH file of the collection against nibabel's reading of it.
func TestExpected(t *testing.T) {
	dir, records := expected(t)
	if len(records) < 60 {
		t.Fatalf("only %d records", len(records))
	}
	for _, r := range records {
		t.Run(r.File, func(t *testing.T) {
			d, err := imageio.Describe(filepath.Join(dir, r.File), true)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 4 {
				for j := range 4 {
					if !(math.Abs(d.Affine[i][j]-r.Affine[i][j]) <= 1e-6) {
						t.Errorf("affine[%d][%d]: want %v, got %v", i, j, r.Affine[i][j], d.Affine[i][j])
					}
				}
			}
			if want := strings.ReplaceAll(r.Axcodes, "None", ""); d.AxisCodes != want {
				t.Errorf("axcodes: want %q, got %q", want, d.AxisCodes)
			}
			if d.Stored != r.Stored {
				t.Errorf("stored: want %q, got %q", r.Stored, d.Stored)
			}
			if !slices.Equal(d.Zooms, r.Zooms) {
				t.Errorf("zooms: want %v, got %v", r.Zooms, d.Zooms)
			}
			compareStats(t, "raw", r.Raw, *d.Raw)
			compareStats(t, "scaled", r.Scaled, *d.Scaled)
			if _, err := json.Marshal(d); err != nil {
				t.Error(err)
			}
		})
	}
}

// compareStats wants the same bytes; means and deviations only as far as numpy's float32 sums go.
func compareStats(t *testing.T, what string, want, got imageio.Stats) {
	t.Helper()
	if !slices.Equal(want.Shape, got.Shape) || want.DType != got.DType || want.SHA1F != got.SHA1F {
		t.Errorf("%s: want %v %s %s, got %v %s %s", what, want.Shape, want.DType, want.SHA1F, got.Shape, got.DType, got.SHA1F)
	}
	tol := 1e-9
	if strings.HasPrefix(want.DType, "complex") {
		tol = 1e-5
	}
	for _, p := range [][2]float64{{want.Min, got.Min}, {want.Max, got.Max}, {want.Mean, got.Mean}, {want.Std, got.Std}} {
		if !(math.Abs(p[0]-p[1]) <= tol*max(1, math.Abs(want.Max))) {
			t.Errorf("%s: want min, max, mean, std %v %v %v %v, got %v %v %v %v", what,
				want.Min, want.Max, want.Mean, want.Std, got.Min, got.Max, got.Mean, got.Std)
			break
		}
	}
}
