//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/nitrain/nitrain/onnx"
	onnxruntime "github.com/yalue/onnxruntime_go"
)

// source is a model to be loaded: a file, or bytes.
type source struct {
	name   string // for messages
	path   string // "" when raw holds the model
	raw    []byte
	folder string // of the external data, when raw has some
}

// describe returns the model's inputs and outputs.
func (src source) describe(so *onnxruntime.SessionOptions) (in, out []onnx.ValueInfo, err error) {
	var ins, outs []onnxruntime.InputOutputInfo
	err = guard(func() (err error) {
		if src.path != "" {
			ins, outs, err = onnxruntime.GetInputOutputInfoWithOptions(src.path, so)
		} else {
			ins, outs, err = onnxruntime.GetInputOutputInfoWithONNXData(src.raw)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	in, errIn := infos("input", ins)
	out, errOut := infos("output", outs)
	return in, out, errors.Join(errIn, errOut)
}

func infos(what string, from []onnxruntime.InputOutputInfo) ([]onnx.ValueInfo, error) {
	var errs []error
	out := make([]onnx.ValueInfo, 0, len(from))
	for _, f := range from {
		v := onnx.ValueInfo{Name: f.Name, DType: onnx.DType(f.DataType), Dims: make([]string, len(f.Dimensions))}
		if f.OrtValueType != onnxruntime.ONNXTypeTensor || v.DType.Size() == 0 {
			errs = append(errs, fmt.Errorf("%s %q is %v, want a tensor of numbers", what, f.Name, f.String()))
		}
		for _, d := range f.Dimensions {
			v.Shape = append(v.Shape, int(d))
		}
		out = append(out, v)
	}
	return out, joined(errs)
}

// with returns the model with an annex.
func (src source) with(a annex, outputs []onnx.ValueInfo) (source, error) {
	if a.empty() {
		return src, nil
	}
	if src.path != "" {
		raw, err := os.ReadFile(src.path)
		if err != nil {
			return src, err
		}
		folder, err := filepath.Abs(filepath.Dir(src.path))
		if err != nil {
			return src, err
		}
		src = source{name: src.name, raw: raw, folder: folder}
	}
	src.raw = append(slices.Clip(src.raw), a.bytes(outputs)...)
	return src, nil
}

// create loads the model with the given names of inputs and outputs.
func (src source) create(in, out []string, so *onnxruntime.SessionOptions) (*onnxruntime.DynamicAdvancedSession, error) {
	if src.path != "" {
		return onnxruntime.NewDynamicAdvancedSession(src.path, in, out, so)
	}
	if src.folder != "" {
		if err := so.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", src.folder); err != nil {
			return nil, err
		}
	}
	return onnxruntime.NewDynamicAdvancedSessionWithONNXData(src.raw, in, out, so)
}
