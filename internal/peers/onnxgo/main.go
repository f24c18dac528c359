// Command onnxgo decodes models with owulveryck/onnx-go and prints what it found, one JSON line a model. It is
// a process of its own because a panic of a decoder must not end a test.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"

	"github.com/owulveryck/onnx-go"
	"gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/simple"
	"gorgonia.org/tensor"
)

// node is a value of the model.
type node struct {
	id   int64
	name string
	data tensor.Tensor
}

func (n *node) ID() int64                       { return n.id }
func (n *node) SetName(s string)                { n.name = s }
func (n *node) GetName() string                 { return n.name }
func (n *node) SetTensor(t tensor.Tensor) error { n.data = t; return nil }
func (n *node) GetTensor() tensor.Tensor        { return n.data }

// backend keeps the graph and applies nothing.
type backend struct{ *simple.WeightedDirectedGraph }

func (b backend) NewNode() graph.Node { return &node{id: b.WeightedDirectedGraph.NewNode().ID()} }

func (backend) ApplyOperation(onnx.Operation, ...graph.Node) error { return nil }

// edge leads from an output to the input that stands at a place of its node.
type edge struct {
	Output, Input string
	Place         int
}

// value is a tensor that the file holds.
type value struct {
	Name, Type string
	Shape      []int
	Digest     string
}

// found is what the decoder made of a model.
type found struct {
	Path   string
	Error  string
	Values []string
	Edges  []edge
	Stored []value
}

func decode(path string) (f found) {
	f.Path = path
	defer func() {
		if r := recover(); r != nil {
			f = found{Path: path, Error: fmt.Sprint("panic: ", r)}
		}
	}()
	raw, err := os.ReadFile(path)
	if err != nil {
		return found{Path: path, Error: err.Error()}
	}
	b := &backend{simple.NewWeightedDirectedGraph(math.MaxFloat64, -1)}
	if err := onnx.NewModel(b).UnmarshalBinary(raw); err != nil {
		return found{Path: path, Error: err.Error()}
	}
	for it := b.Nodes(); it.Next(); {
		n := it.Node().(*node)
		f.Values = append(f.Values, n.name)
		if n.data == nil {
			continue
		}
		var raw bytes.Buffer
		if err := binary.Write(&raw, binary.LittleEndian, n.data.Data()); err != nil {
			return found{Path: path, Error: err.Error()}
		}
		sum := sha256.Sum256(raw.Bytes())
		f.Stored = append(f.Stored, value{n.name, n.data.Dtype().String(), append([]int{}, n.data.Shape()...), hex.EncodeToString(sum[:])})
	}
	for it := b.WeightedEdges(); it.Next(); {
		e := it.WeightedEdge()
		f.Edges = append(f.Edges, edge{e.From().(*node).name, e.To().(*node).name, int(e.Weight())})
	}
	return f
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		if err := out.Encode(decode(in.Text())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
