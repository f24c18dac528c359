package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// A testCase is one graph, checked forward and backward.
type testCase struct {
	name     string
	inputs   [][]int // shapes
	values   func(i int) float64
	fn       func(x []*Node) *Node
	same     func(x []*Node) *Node // what the oracle computes instead, where fn crashes it
	forward  bool                  // no gradient
	bareGood bool                  // the bare backend does it as well
	crashes  bool                  // the bare backend may read outside its arrays
}

// oracle holds what GoMLX's interpreter says in float64.
type oracle struct {
	Output []float64
	Slope  []float64 // the loss's derivative along direction(i), by finite differences, for each input i
}

const (
	oracleCase = "NITRAIN_ENGINE_ORACLE_CASE"
	oracleFile = "NITRAIN_ENGINE_ORACLE_FILE"
)

// TestOracleChild is no test: it is the child process in which the interpreter, which can crash or hang, runs a case.
func TestOracleChild(t *testing.T) {
	name := os.Getenv(oracleCase)
	if name == "" {
		t.Skip("runs as a child of TestRepairs")
	}
	for _, c := range allCases() {
		if c.name != name {
			continue
		}
		data, err := json.Marshal(c.oracle(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(os.Getenv(oracleFile), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// askOracle runs TestOracleChild for c.
func (c testCase) askOracle(t *testing.T) oracle {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	file := filepath.Join(t.TempDir(), "oracle.json")
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestOracleChild$")
	cmd.Env = append(os.Environ(), oracleCase+"="+c.name, oracleFile+"="+file, "GORACE=atexit_sleep_ms=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("oracle: %v\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var o oracle
	if err := json.Unmarshal(data, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// oracle computes c on the interpreter: forward only, since some of its gradients are wrong.
func (c testCase) oracle(t *testing.T) oracle {
	b, err := New(Options{Kind: Go})
	if err != nil {
		t.Fatal(err)
	}
	fn := c.fn
	if c.same != nil {
		fn = c.same
	}
	exec := MustNewExec(b, func(x []*Node) []*Node {
		y := fn(x)
		return []*Node{ConvertDType(y, dtypes.Float64), loss(y)}
	})
	at := func(i int, h float64) []*tensors.Tensor {
		args := make([]any, len(c.inputs))
		for j, dims := range c.inputs {
			data := c.data(j)
			if j == i {
				for k, u := range direction(j, len(data)) {
					data[k] += h * u
				}
			}
			args[j] = tensors.FromFlatDataAndDimensions(data, dims...)
		}
		return exec.MustCall(args...)
	}
	o := oracle{Output: flat(at(-1, 0)[0])}
	if c.forward {
		return o
	}
	const h = 1e-6
	for i := range c.inputs {
		o.Slope = append(o.Slope, (flat(at(i, h)[1])[0]-flat(at(i, -h)[1])[0])/(2*h))
	}
	return o
}

// check compares b, in float32, with the oracle: the output, and the gradient along one random direction an input.
func (c testCase) check(b compute.Backend, o oracle) error {
	exec, err := NewExec(b, func(x []*Node) []*Node {
		y := c.fn(x)
		out := []*Node{ConvertDType(y, dtypes.Float32)}
		if c.forward {
			return out
		}
		return append(out, Gradient(loss(y), x...)...)
	})
	if err != nil {
		return err
	}
	defer exec.Finalize()
	args := make([]any, len(c.inputs))
	for i, dims := range c.inputs {
		args[i] = tensors.FromFlatDataAndDimensions(float32s(c.data(i)), dims...)
	}
	outputs, err := exec.Call(args...)
	if err != nil {
		return err
	}
	if err := close32(flat(outputs[0]), o.Output); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	for i, want := range o.Slope {
		grad := flat(outputs[1+i])
		slope := 0.0
		for k, u := range direction(i, len(grad)) {
			slope += grad[k] * u
		}
		if diff := math.Abs(slope - want); !(diff <= 1e-4*max(1, math.Abs(want))) {
			return fmt.Errorf("gradient of input %d: want slope %g, got %g", i, want, slope)
		}
	}
	return nil
}

// close32 compares at float32's accuracy: 1e-5 of the largest value.
func close32(got, want []float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("want %d values, got %d", len(want), len(got))
	}
	top := 1e-3
	for _, v := range want {
		top = max(top, math.Abs(v))
	}
	for i := range want {
		if diff := math.Abs(got[i] - want[i]); !(diff <= 1e-5*top) {
			return fmt.Errorf("value %d: want %g, got %g", i, want[i], got[i])
		}
	}
	return nil
}

// loss is the sum of y under fixed weights, so that every element of y counts differently.
func loss(y *Node) *Node {
	weights := random(99, y.Shape().Size())
	w := Const(y.Graph(), tensors.FromFlatDataAndDimensions(weights, y.Shape().Dimensions...))
	return ReduceAllSum(Mul(ConvertDType(y, dtypes.Float64), w))
}

func (c testCase) data(i int) []float64 {
	data := random(uint64(i), size(c.inputs[i]))
	if c.values != nil {
		for k := range data {
			data[k] = c.values(k)
		}
	}
	return data
}

func direction(i, n int) []float64 { return random(uint64(1000+i), n) }

// random returns n values of [-1, 1) that float32 holds exactly.
func random(seed uint64, n int) []float64 {
	rng := rand.New(rand.NewPCG(seed, 7))
	data := make([]float64, n)
	for i := range data {
		data[i] = float64(float32(2*rng.Float64() - 1))
	}
	return data
}

func float32s(data []float64) []float32 {
	out := make([]float32, len(data))
	for i, v := range data {
		out[i] = float32(v)
	}
	return out
}

// flat returns a tensor's values and frees it.
func flat(t *tensors.Tensor) []float64 {
	var out []float64
	switch v := t.Value().(type) {
	case float64:
		out = []float64{v}
	case float32:
		out = []float64{float64(v)}
	default:
		err := t.ConstFlatData(func(data any) {
			switch data := data.(type) {
			case []float64:
				out = append(out, data...)
			case []float32:
				for _, v := range data {
					out = append(out, float64(v))
				}
			}
		})
		if err != nil {
			panic(err)
		}
	}
	_ = t.FinalizeAll()
	return out
}

func size(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}
