package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
)

// network is an entry of networks.json.
type network struct {
	Name  string   `json:"name"`
	X     []int    `json:"x"`
	Y     []int    `json:"y"`
	Forms []string `json:"forms"`
}

// answer is a line that a training process prints.
type answer struct {
	Loss float64 `json:"loss,omitempty"`
	Need int64   `json:"need,omitempty"` // bytes of a step, as foretold
	// Recomputed is how many operations run twice in a step.
	Recomputed int       `json:"recomputed,omitempty"`
	Losses     []float64 `json:"losses"`
	Seconds    []float64 `json:"seconds"`
}

func networks(folder string) ([]network, error) {
	raw, err := os.ReadFile(filepath.Join(folder, "networks.json"))
	if err != nil {
		return nil, err
	}
	var list []network
	return list, json.Unmarshal(raw, &list)
}

func find(folder, name string) (network, error) {
	list, err := networks(folder)
	if err != nil {
		return network{}, err
	}
	i := slices.IndexFunc(list, func(n network) bool { return n.Name == name })
	if i < 0 {
		return network{}, fmt.Errorf("no network %q in %s", name, folder)
	}
	return list[i], nil
}

// serve trains a network as bench_train.py does, in the same dialogue.
func serve(folder, name, device, trace string, threads, side int, bound int64) error {
	n, err := find(folder, name)
	if err != nil {
		return err
	}
	if side > 0 {
		n.resize(side)
	}
	m, err := onnx.ReadFile(filepath.Join(folder, name+".onnx"))
	if err != nil {
		return err
	}
	defer m.Close()
	b, err := convert.NewBackend(convert.BackendOptions{Device: device, Threads: threads})
	if err != nil {
		return err
	}
	defer b.Close()
	g, err := convert.Import(m, convert.ImportOptions{BatchNorm: convert.BatchNormTrain})
	if err != nil {
		return err
	}
	x, err := tensor(folder, name+".x.bin", n.X, side > 0)
	if err != nil {
		return err
	}
	y, err := tensor(folder, name+".y.bin", n.Y, side > 0)
	if err != nil {
		return err
	}
	step, err := g.NewStep(b, convert.StepConfig{Optimizer: convert.DefaultOptimizer(convert.Adam), Loss: meanSquares})
	if err != nil {
		return err
	}
	defer step.Close()
	batch := map[string]*onnx.Tensor{"x": x, "target": y}
	if bound > 0 {
		step.Bound(bound)
	}
	train := func() (float64, error) {
		r, err := step.Run(context.Background(), learningRate, batch)
		return r.Loss, err
	}
	first, err := train()
	if err != nil {
		return err
	}
	say := json.NewEncoder(os.Stdout)
	need, _, err := step.Memory(batch)
	if err != nil {
		return err
	}
	if err := say.Encode(answer{Loss: first, Need: need.Total(), Recomputed: need.Recomputed}); err != nil {
		return err
	}
	if trace != "" {
		if err := b.Profile(true); err != nil {
			return err
		}
		defer func() { _ = writeTrace(b, trace) }()
	}
	runner := g.Runner(b)
	infer := func() (float64, error) {
		_, err := runner.Run(context.Background(), map[string]*onnx.Tensor{"x": x})
		return 0, err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var what string
		var count int
		if _, err := fmt.Sscan(lines.Text(), &what, &count); err != nil {
			return err
		}
		do := train
		if what == "infer" {
			do = infer
		}
		var a answer
		for range count {
			t := time.Now()
			loss, err := do()
			if err != nil {
				return err
			}
			a.Losses, a.Seconds = append(a.Losses, loss), append(a.Seconds, time.Since(t).Seconds())
		}
		if err := say.Encode(a); err != nil {
			return err
		}
	}
	return nil
}

// writeTrace writes where the time went.
func writeTrace(b *convert.Backend, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(b.WriteProfile(f), f.Close())
}

// learningRate is small: with the usual one, rounding decides the course of some networks within three steps.
const learningRate = 1e-4

// meanSquares is the loss of the benchmark.
func meanSquares(out, batch map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
	d := graph.Sub(out["y"], batch["target"])
	return graph.ReduceAllMean(graph.Mul(d, d)), nil
}

// resize replaces the spatial sizes.
func (n *network) resize(side int) {
	for _, shape := range [][]int{n.X, n.Y} {
		for i := 2; i < len(shape); i++ {
			shape[i] = side
		}
	}
}

// tensor reads an array of the benchmark, or draws one.
func tensor(folder, file string, shape []int, drawn bool) (*onnx.Tensor, error) {
	if drawn {
		size := 1
		for _, n := range shape {
			size *= n
		}
		rng, data := rand.New(rand.NewPCG(1, 2)), make([]float32, size)
		for i := range data {
			data[i] = float32(rng.NormFloat64())
		}
		return onnx.FromFloat32(shape, data)
	}
	raw, err := os.ReadFile(filepath.Join(folder, file))
	if err != nil {
		return nil, err
	}
	data := make([]float32, len(raw)/4)
	for i := range data {
		data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return onnx.FromFloat32(shape, data)
}
