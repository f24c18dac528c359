package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// peerArray is a float32 tensor, as internal/peers/gomlx reads it.
type peerArray struct {
	Name  string
	Shape []int
	Data  []float32
}

// peerTask is a model with its inputs.
type peerTask struct {
	Path   string
	Inputs []peerArray
}

// peerAnswer is what came out.
type peerAnswer struct {
	Path, Error string
	Shape       []int
	Data        []float32
}

// unlike says why the peer's result may differ: what it computes otherwise than the text of ONNX. onnxruntime
// agrees with us in each (TestOperatorsAgainstRuntime).
func unlike(o opCase) string {
	has := func(name string) bool {
		return slices.ContainsFunc(o.attrs, func(a onnx.Attr) bool { return a.Name == name })
	}
	switch {
	case o.op == "Resize" || o.op == "Upsample":
		return "the peer knows two of the modes and takes the others for them"
	case (o.op == "MaxPool" || o.op == "AveragePool") && !has("strides"):
		return "without strides the peer takes the window for them"
	case (o.op == "MaxPool" || o.op == "AveragePool") && (has("ceil_mode") || has("auto_pad") || has("dilations") || has("count_include_pad")):
		return "the peer leaves these attributes aside"
	case o.op == "Gelu" && has("approximate"):
		return "the peer computes the exact form"
	case o.op == "Slice" && o.opset >= 10:
		return "the peer takes nothing with negative steps"
	case (o.op == "Clip" || o.op == "Softmax") && o.opset < 13:
		return "the peer knows the newer form of the operator alone"
	case o.op == "Pad" && len(o.attrs) > 0:
		return "the peer's reflection differs from onnxruntime's on an axis that is padded by more than one"
	case o.op == "GatherND":
		return "the peer takes negative indices for zero"
	case o.op == "ReduceL2" && has("noop_with_empty_axes"):
		return "the peer passes numbers on as they are, the text takes the norm of each"
	}
	return ""
}

// TestPeerImporter computes every case with gomlx/onnx-gomlx, the other importer for GoMLX, where it can.
func TestPeerImporter(t *testing.T) {
	peer := filepath.Join(t.TempDir(), "gomlx")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", peer, "./gomlx")
	build.Dir = filepath.Join("..", "internal", "peers")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("the peer does not build here (it needs its modules): %v: %.200s", err, out)
	}
	ref, err := NewBackend(BackendOptions{Device: "go"})
	if err != nil {
		t.Fatal(err)
	}
	defer ref.Close()
	cases := append(opCases(t), formCases(t)...)
	every := 5
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		every = 1
	}
	dir := t.TempDir()
	byPath := map[string]opCase{}
	var tasks []peerTask
	for i := 0; i < len(cases); i += every {
		o := cases[i]
		raw, err := onnx.Encode(o.model(onnx.Float32))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, fmt.Sprint(i, ".onnx"))
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		byPath[path] = o
		task := peerTask{Path: path}
		for name, x := range o.tensors(o.draw(rand.New(rand.NewPCG(3, 4))), onnx.Float32) {
			v, err := x.Float32()
			if err != nil {
				t.Fatal(err)
			}
			task.Inputs = append(task.Inputs, peerArray{name, x.Shape(), v})
		}
		tasks = append(tasks, task)
	}
	agreed, cannot, other := 0, 0, map[string]int{}
	for _, a := range askPeer(t, peer, tasks) {
		o := byPath[a.Path]
		switch {
		case a.Error != "":
			cannot++
		case o.agrees(t, ref, tasks, a):
			agreed++
		case unlike(o) == "":
			t.Errorf("%s: the peer computes something else", o)
		default:
			other[o.op]++
		}
	}
	t.Logf("%d of %d agree, %d the peer cannot compute, of others it is known that it departs from ONNX: %v", agreed, len(tasks), cannot, other)
	if agreed == 0 {
		t.Error("nothing was compared")
	}
}

// agrees computes the case here and compares.
func (o opCase) agrees(t *testing.T, ref *Backend, tasks []peerTask, a peerAnswer) bool {
	t.Helper()
	task := tasks[slices.IndexFunc(tasks, func(x peerTask) bool { return x.Path == a.Path })]
	in := map[string]*onnx.Tensor{}
	for _, x := range task.Inputs {
		in[x.Name], _ = onnx.FromFloat32(x.Shape, x.Data)
	}
	g, err := Import(o.model(onnx.Float32), ImportOptions{})
	if err != nil {
		return true // refused here: nothing to compare
	}
	r := g.Runner(ref)
	defer r.Close()
	got, err := r.Run(t.Context(), in)
	if err != nil {
		t.Errorf("%s: %v", o, err)
		return true
	}
	want, err := onnx.FromFloat32(a.Shape, a.Data)
	if err != nil {
		return false
	}
	rel, err := relative(got["y"], want, 1e-3)
	return err == nil && rel <= 1e-4
}

// askPeer runs tasks in the peer's process; a task that ends it is left out and it starts again.
func askPeer(t *testing.T, peer string, tasks []peerTask) (out []peerAnswer) {
	t.Helper()
	for left := tasks; len(left) > 0; {
		var in bytes.Buffer
		for _, task := range left {
			if err := json.NewEncoder(&in).Encode(task); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), peer)
		cmd.Stdin = &in
		raw, err := cmd.Output()
		n := 0
		for d := json.NewDecoder(bytes.NewReader(raw)); ; n++ {
			var a peerAnswer
			if d.Decode(&a) != nil {
				break
			}
			out = append(out, a)
		}
		left = left[n:]
		if err == nil || len(left) == 0 {
			break
		}
		out = append(out, peerAnswer{Path: left[0].Path, Error: "the process ended"})
		left = left[1:]
	}
	return out
}
