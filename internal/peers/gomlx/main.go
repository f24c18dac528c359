// Command gomlx computes models with gomlx/onnx-gomlx on GoMLX's Go engine and prints their first output, one
// JSON line a model. It is a process of its own because a panic in one of the engine's goroutines ends it.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/onnx-gomlx/onnx/parser"
)

// array is a float32 tensor.
type array struct {
	Name  string
	Shape []int
	Data  []float32
}

// task is a model with its inputs.
type task struct {
	Path   string
	Inputs []array
}

// answer is what came out.
type answer struct {
	Path, Error string
	Shape       []int
	Data        []float32
}

func run(backend compute.Backend, t task) (a answer) {
	a.Path = t.Path
	defer func() {
		if r := recover(); r != nil {
			a = answer{Path: t.Path, Error: fmt.Sprint(r)}
		}
	}()
	m, err := parser.ParseFile(t.Path)
	if err != nil {
		return answer{Path: t.Path, Error: err.Error()}
	}
	defer m.Close()
	store := model.NewStore()
	if err := m.VariablesToScope(store.RootScope()); err != nil {
		return answer{Path: t.Path, Error: err.Error()}
	}
	var args []any
	for _, in := range t.Inputs {
		args = append(args, tensors.FromFlatDataAndDimensions(in.Data, in.Shape...))
	}
	out, err := model.CallOnceN(backend, store, func(scope *model.Scope, nodes []*graph.Node) []*graph.Node {
		in := map[string]*graph.Node{}
		for i, n := range nodes {
			in[t.Inputs[i].Name] = n
		}
		return m.CallGraph(scope, nodes[0].Graph(), in)
	}, args...)
	if err != nil {
		return answer{Path: t.Path, Error: err.Error()}
	}
	a.Shape, a.Data = append([]int{}, out[0].Shape().Dimensions...), tensors.MustCopyFlatData[float32](out[0])
	return a
}

func main() {
	backend, err := compute.NewWithConfig("go:ops_sequential")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var t task
		if err := in.Decode(&t); err == io.EOF {
			return
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		a := run(backend, t)
		if len(a.Error) > 200 {
			a.Error = a.Error[:200]
		}
		if err := out.Encode(a); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
