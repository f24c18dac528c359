package predict

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeFloats puts values in a file as a trial does.
func writeFloats(t *testing.T, values []float32) string {
	t.Helper()
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	path := filepath.Join(t.TempDir(), "values")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// twoClasses is an output [2, 2, n] whose first class wins with a margin of 1, of 10 in the last place.
func twoClasses(n int) []float32 {
	v := make([]float32, 4*n)
	for i := range n {
		v[i], v[2*n+i] = 1, 1
	}
	v[n-1] = 10
	return v
}

// What differs is put in the last of several blocks and in the second image, where a wrong stride would miss it.
func TestProofFindsWhatDiffers(t *testing.T) {
	n := proofBlock + 7
	softmax := Spec{Task: Segmentation, Decode: Decode{Activation: Softmax, Pick: Argmax}}
	plain := Spec{Task: Segmentation, Decode: Decode{Activation: None, Pick: Argmax}}
	sigmoid := Spec{Task: Segmentation, Decode: Decode{Activation: Sigmoid, Pick: Threshold}}
	for name, c := range map[string]struct {
		spec   Spec
		change func(v []float32)
		want   agreement
		loose  string // part of the fault where labels are wanted; "" if there is none
		exact  string // where numbers are
	}{
		"same":      {softmax, func([]float32) {}, agreement{}, "", ""},
		"rounding":  {softmax, func(v []float32) { v[3*n+n-1] = 1e-6 }, agreement{1e-7, 1e-6 * 0.1966, 0}, "", ""},
		"norms":     {softmax, func(v []float32) { v[3*n+n-1] = 3e-4 }, agreement{3e-5, 3e-4 * 0.1966, 0}, "", "probabilities"},
		"half":      {softmax, func(v []float32) { v[n-1] = 10.03 }, agreement{3e-3, 0, 0}, "largest value", "largest value"},
		"raw":       {plain, func(v []float32) { v[3*n+n-1] = 1e-4 }, agreement{1e-5, 1e-5, 0}, "", "probabilities"},
		"not there": {softmax, func(v []float32) { v[3*n] = float32(math.NaN()) }, agreement{math.NaN(), math.NaN(), 0}, "largest value", "largest value"},
		"sigmoid":   {sigmoid, func(v []float32) { v[3*n+n-1] = -1e-6 }, agreement{1e-7, 0.25e-6, 0}, "", ""},
	} {
		got := twoClasses(n)
		c.change(got)
		a, err := c.spec.compareFiles(writeFloats(t, got), writeFloats(t, twoClasses(n)), []int{2, 2, n})
		if err != nil {
			t.Fatal(err)
		}
		near := func(got, want float64) bool { // probabilities are float32: half a unit in the last place below 1
			return math.Abs(got-want) <= 0.02*want+6e-8 || math.IsNaN(got) && math.IsNaN(want)
		}
		if !near(a.deviation, c.want.deviation) || !near(a.shift, c.want.shift) && name != "half" || a.changed != c.want.changed {
			t.Errorf("%s: want %+v, got %+v", name, c.want, a)
		}
		for exact, want := range map[bool]string{false: c.loose, true: c.exact} {
			if fault := a.fault(strictness{exact: exact}); (fault == "") != (want == "") || !strings.Contains(fault, want) {
				t.Errorf("%s, exact %t: want %q, got %q", name, exact, want, fault)
			}
		}
	}
}

// Near ties flip with next to no difference of the numbers: 0.02 % of the labels, as one provider changed once, is a fault.
func TestProofCountsLabels(t *testing.T) {
	const n = 40_000
	for _, spec := range []Spec{
		{Task: Segmentation, Decode: Decode{Activation: Softmax, Pick: Argmax}},
		{Task: Segmentation, Decode: Decode{Activation: None, Pick: Threshold, Threshold: 1.00001}},
	} {
		want := make([]float32, 2*n)
		for i := range n {
			want[i], want[n+i] = 1, 1.00001
		}
		got := append([]float32(nil), want...)
		for i := range 8 { // of 40000: 0.02 %
			got[n-1-i], got[2*n-1-i] = 1.00002, 1.00001
		}
		a, err := spec.compareFiles(writeFloats(t, got), writeFloats(t, want), []int{1, 2, n})
		if err != nil {
			t.Fatal(err)
		}
		if fault := a.fault(strictness{}); a.changed != 8.0/n || !strings.Contains(fault, "0.02 % of the labels") {
			t.Errorf("%s: want the labels to be counted, got %+v: %q", spec.Decode.Pick, a, fault)
		}
	}
}

// What a probe of 64³ shows of a network whose errors grow with the volume.
func TestProofOfAPartIsStricter(t *testing.T) {
	a := agreement{deviation: 9.4e-5, shift: 2e-5}
	if a.fault(strictness{}) != "" || a.fault(strictness{part: true}) == "" {
		t.Error("want a deviation of 9.4e-5 to be a fault of a part alone")
	}
	if b := (agreement{deviation: 7.5e-6, shift: 2e-6}); b.fault(strictness{part: true, exact: true}) != "" {
		t.Error("want a deviation of 7.5e-6 to be none")
	}
}

func TestProofWantsTheSameSize(t *testing.T) {
	spec := Spec{Task: Segmentation, Decode: Decode{Activation: Softmax, Pick: Argmax}}
	long, short := writeFloats(t, make([]float32, 8)), writeFloats(t, make([]float32, 6))
	for _, files := range [][2]string{{long, short}, {short, long}} {
		a, err := spec.compareFiles(files[0], files[1], []int{1, 2, 4})
		if err != nil || a.fault(strictness{}) == "" {
			t.Errorf("want a fault, got %+v, %v", a, err)
		}
	}
}
