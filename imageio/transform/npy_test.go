package transform

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// readNPY reads a C-order [X, Y, Z] or [C, X, Y, Z] array of float32, float64, uint8 or bool as channels of samples with x fastest.
func readNPY(t testing.TB, path string) (size [3]int, channels int, data []float32) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	headerLen := int(binary.LittleEndian.Uint16(b[8:]))
	header, body := string(b[10:10+headerLen]), b[10+headerLen:]
	m := regexp.MustCompile(`'descr': '([^']+)', 'fortran_order': False, 'shape': \(([^)]*)\)`).FindStringSubmatch(header)
	if m == nil {
		t.Fatalf("%s: header %q", path, header)
	}
	var shape []int
	for s := range strings.SplitSeq(m[2], ",") {
		if s = strings.TrimSpace(s); s != "" {
			n, _ := strconv.Atoi(s)
			shape = append(shape, n)
		}
	}
	channels = 1
	if len(shape) == 4 {
		channels, shape = shape[0], shape[1:]
	}
	copy(size[:], shape)
	n := channels * size[0] * size[1] * size[2]
	flat := make([]float32, n)
	switch m[1] {
	case "<f4":
		err = binary.Read(bytes.NewReader(body), binary.LittleEndian, flat)
	case "<f8":
		for i := range flat {
			flat[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(body[8*i:])))
		}
	case "|u1", "|b1":
		for i := range flat {
			flat[i] = float32(body[i])
		}
	default:
		err = fmt.Errorf("dtype %s", m[1])
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	data = make([]float32, n)
	i := 0
	for c := range channels {
		for x := range size[0] {
			for y := range size[1] {
				for z := range size[2] {
					data[((c*size[2]+z)*size[1]+y)*size[0]+x] = flat[i]
					i++
				}
			}
		}
	}
	return size, channels, data
}

// difference returns the largest difference of two equally long slices, the largest of want, and how many differ.
func difference(got, want []float32) (largest, scale float64, count int) {
	for i := range want {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if math.IsNaN(d) {
			d = math.Inf(1)
		}
		if d > 0 {
			count++
		}
		largest, scale = max(largest, d), max(scale, math.Abs(float64(want[i])))
	}
	return largest, scale, count
}

func affineDifference(a, b imageio.Affine) float64 {
	d := 0.0
	for i := range 4 {
		for j := range 4 {
			d = max(d, math.Abs(a[i][j]-b[i][j]))
		}
	}
	return d
}
