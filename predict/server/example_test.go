package server_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict/server"
)

// twice is a model written in Go; models of files are opened with server.OpenWith.
type twice struct{}

func (twice) Inputs() []onnx.ValueInfo {
	return []onnx.ValueInfo{{Name: "x", DType: onnx.Float32, Shape: []int{-1}}}
}

func (twice) Outputs() []onnx.ValueInfo {
	return []onnx.ValueInfo{{Name: "y", DType: onnx.Float32, Shape: []int{-1}}}
}

func (twice) Run(_ context.Context, in map[string]*onnx.Tensor) (map[string]*onnx.Tensor, error) {
	v, err := in["x"].Float32()
	if err != nil {
		return nil, err
	}
	for i := range v {
		v[i] *= 2
	}
	y, err := onnx.FromFloat32(in["x"].Shape(), v)
	return map[string]*onnx.Tensor{"y": y}, err
}

// A Handler is an http.Handler like any other: here it has a place of its own in another program's router.
func ExampleHandler() {
	models, err := server.NewRepository(nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := models.Add("twice", &server.Model{Run: twice{}}); err != nil {
		log.Fatal(err)
	}
	handler, err := server.New(server.Options{Models: models})
	if err != nil {
		log.Fatal(err)
	}
	defer handler.Close()
	mux := http.NewServeMux()
	mux.Handle("/models/", http.StripPrefix("/models", handler))

	r := httptest.NewRequest(http.MethodGet, "/models/v2/models/twice/ready", nil)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 {"name":"twice","ready":true}
}
