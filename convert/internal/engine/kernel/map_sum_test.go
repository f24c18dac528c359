//go:build cgo

package kernel

import (
	"math"
	"slices"
	"testing"
)

// TestMapSums adds many numbers of one sign and of both along every kind of dimension. The error of a sum stays below a few
// units in the last place of the sum of magnitudes, however many there are.
func TestMapSums(t *testing.T) {
	team := newTeam(t, 2)
	const rows, columns = 1 << 12, 160
	x := make([]float32, rows*columns)
	for i := range x {
		x[i] = 0.1 + float32(i%1000)*1e-3
		if i%7 == 0 {
			x[i] *= -3
		}
	}
	in := floats(x...)
	for _, dims := range [][]int{{rows, columns}, {columns, rows}, {rows * columns / 5, 5}, {5, rows, columns / 5}, {rows * columns}} {
		for over := range 1 << len(dims) {
			m := &Map{Dims: dims, Loads: []Load{{View: dense(dims...)}}, Outs: []Result{{Reduce: Sum, Over: make([]bool, len(dims))}}}
			for d := range dims {
				m.Outs[0].Over[d] = over>>d&1 == 1
			}
			if over == 0 {
				continue
			}
			magnitudes := &Map{Dims: dims, Loads: m.Loads, Code: []Instr{{Op: AbsF}}, Outs: []Result{{Register: 1, Reduce: Sum, Over: m.Outs[0].Over}}}
			want, most := evaluate(m, [][]byte{in}), evaluate(magnitudes, [][]byte{in})
			for i, got := range float32s(run(team, m, [][]byte{in})[0]) {
				if e := math.Abs(float64(got)-want[0][i]) / most[0][i]; e > 1.2e-7 {
					t.Fatalf("%v over %v, element %d: want %v, got %v", dims, m.Outs[0].Over, i, want[0][i], got)
				}
			}
		}
	}
}

// TestMapSameBits holds that neither the number of threads nor chance changes a result.
func TestMapSameBits(t *testing.T) {
	one, several := newTeam(t, 1), newTeam(t, 4)
	for name, m := range programs() {
		if name == "adam" {
			continue // as the others, and long
		}
		var ins [][]byte
		for k, n := range m.translated().ins {
			b := aligned(n)
			for i := range float32s(b) {
				float32s(b)[i] = float32(math.Sin(float64(i + k)))
			}
			ins = append(ins, b)
		}
		want := run(one, m, ins)
		for range 3 {
			for i, got := range run(several, m, ins) {
				if !slices.Equal(got, want[i]) {
					t.Errorf("%s: output %d is not always the same", name, i)
				}
			}
		}
	}
}

// TestTeamStop holds that a team that is told to stop leaves work undone, and does it again afterwards.
func TestTeamStop(t *testing.T) {
	team := newTeam(t, 2)
	m := &Map{Dims: []int{1 << 20}, Loads: []Load{{View: View{Strides: []int{0}}}}, Outs: []Result{{}}}
	out := aligned(4 << 20)
	team.Stop()
	m.Run(team, [][]byte{out}, [][]byte{floats(3)}, nil)
	if slices.Contains(float32s(out), 3) {
		t.Error("a stopped team worked")
	}
	team.Resume()
	m.Run(team, [][]byte{out}, [][]byte{floats(3)}, nil)
	if slices.ContainsFunc(float32s(out), func(x float32) bool { return x != 3 }) {
		t.Error("a team that was resumed did not work")
	}
}
