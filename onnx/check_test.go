package onnx_test

import (
	"bytes"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

func TestCheckSuite(t *testing.T) {
	suite(t, func(name string, data []byte) {
		m, err := onnx.Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Error(err)
			return
		}
		for _, v := range onnx.Check(m) {
			t.Errorf("%s: %v", name, v)
		}
	})
}

func TestCheckModels(t *testing.T) {
	for _, path := range models(t) {
		m, err := onnx.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, v := range onnx.Check(m) {
			t.Errorf("%s: %v", path, v)
		}
		m.Close()
	}
}
