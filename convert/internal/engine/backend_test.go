//go:build cgo

package engine

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

func TestCapabilities(t *testing.T) {
	ours, theirs := repaired(t).Capabilities(), bare(t).Capabilities()
	if ours.PreferConstantsForVariables {
		t.Error("want variables passed as inputs: as constants, statistics freeze")
	}
	if !theirs.PreferConstantsForVariables {
		t.Error("the bare backend takes variables as inputs: the repair can go")
	}
	for _, op := range supplied() {
		if !ours.Operations[op] {
			t.Errorf("want %s among the operations", op)
		}
		if theirs.Operations[op] {
			t.Errorf("the bare backend has %s: the repair can go", op)
		}
	}
}

// TestBuffers wants every buffer owned by the decorated backend, and donated ones gone.
func TestBuffers(t *testing.T) {
	b := repaired(t)
	shape := shapes.Make(dtypes.Float32, 3)
	x, err := b.BufferFromFlatData(0, []float32{1, 2, 3}, shape)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := x.CopyToDevice(0)
	if err != nil {
		t.Fatal(err)
	}
	shared, flat, err := b.NewSharedBuffer(0, shape)
	if err != nil {
		t.Fatal(err)
	}
	copy(flat.([]float32), []float32{4, 5, 6})
	builder := b.Builder("double")
	f := builder.Main()
	p := must(t)(f.Parameter("x", shape, nil))
	if err := f.Return([]compute.Value{must(t)(f.Add(p, p))}, nil); err != nil {
		t.Fatal(err)
	}
	exec, err := builder.Compile()
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	for name, in := range map[string]compute.Buffer{"made": x, "copied": copied, "shared": shared} {
		out, err := exec.Execute([]compute.Buffer{in}, []bool{true}, 0)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if in.Backend() != b || out[0].Backend() != b {
			t.Errorf("%s: want buffers of the decorated backend", name)
		}
		got := make([]float32, 3)
		if err := out[0].ToFlatData(got); err != nil {
			t.Fatal(err)
		}
		want := []float32{2, 4, 6}
		if name == "shared" {
			want = []float32{8, 10, 12}
		}
		if [3]float32(got) != [3]float32(want) {
			t.Errorf("%s: want %v, got %v", name, want, got)
		}
		if err := in.ToFlatData(got); err == nil {
			t.Errorf("%s: want a donated buffer gone", name)
		}
		if err := out[0].Finalize(); err != nil {
			t.Error(err)
		}
	}
}

// must returns a function that unwraps a value or ends the test.
func must(t *testing.T) func(compute.Value, error) compute.Value {
	return func(v compute.Value, err error) compute.Value {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
