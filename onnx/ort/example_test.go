//go:build cgo

package ort_test

import (
	"context"
	"fmt"
	"log"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
)

// A model that came from somewhere else is opened in a child process first, then here, and run.
func ExampleOpen() {
	ort.ProbeMain() // the first thing in main

	s, err := ort.Open("testdata/sum.onnx", ort.Options{Threads: 2, Untrusted: true})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	a, err := onnx.FromFloat32([]int{1, 3}, []float32{1, 2, 3})
	if err != nil {
		log.Fatal(err)
	}
	out, err := s.Run(context.Background(), map[string]*onnx.Tensor{"a": a, "b": a})
	if err != nil {
		log.Fatal(err)
	}
	y, err := out["y"].Float32()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(y)
}
