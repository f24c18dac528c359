package onnx_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

func TestHeadsPrint(t *testing.T) {
	for _, path := range models(t) {
		if filepath.Base(path) != "model.onnx" {
			continue
		}
		m, err := onnx.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := ""
		hs, err := onnx.Heads(m, m.Outputs()[0].Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hs {
			s += fmt.Sprintf(" [%s %q w=%s axis %d b=%s classes %d after %d]", h.Node.OpType, h.Node.Name, h.Weight, h.WeightAxis, h.Bias, h.Classes, len(h.After))
		}
		fmt.Printf("%s out=%v %v: %+v %s\n", filepath.Base(filepath.Dir(path)), m.Outputs()[0].Shape, len(m.Outputs()), onnx.GuessTask(m), s)
		m.Close()
	}
}
