package imageio_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// compareWithNibabel holds our reading of files against lines of [path, dtype, shape, affine, axcodes, sha1].
func compareWithNibabel(t *testing.T, lines []string) {
	t.Helper()
	if len(lines) < 40 {
		t.Fatalf("only %d lines", len(lines))
	}
	for _, line := range lines {
		var row [6]json.RawMessage
		var path, dtype, codes, sum string
		var shape []int
		var affine imageio.Affine
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for i, p := range []any{&path, &dtype, &shape, &affine, &codes, &sum} {
			if err := json.Unmarshal(row[i], p); err != nil {
				t.Fatal(err)
			}
		}
		d, err := imageio.Describe(path, true)
		if err != nil {
			t.Fatal(err)
		}
		if d.Raw.DType != dtype || !slices.Equal(d.Raw.Shape, shape) || d.AxisCodes != codes || d.Raw.SHA1F != sum {
			t.Errorf("nibabel %s, we %s %v %s %s", line, d.Raw.DType, d.Raw.Shape, d.AxisCodes, d.Raw.SHA1F)
		}
		for i := range 4 {
			for j := range 4 {
				if math.Abs(affine[i][j]-d.Affine[i][j]) > 1e-6 {
					t.Errorf("%s: affine nibabel %v, we %v", path, affine, d.Affine)
				}
			}
		}
	}
}
