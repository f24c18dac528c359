//go:build cgo

package ort

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"github.com/nitrain/nitrain/onnx"
)

// source is a model to be loaded: a file, or bytes.
type source struct {
	name   string // for messages
	path   string // "" when raw holds the model
	raw    []byte
	folder string // of the external data, when raw has some
}

// describe returns the model's inputs and outputs. They are read from the model itself: asking onnxruntime
// would load it twice. Only what a model leaves for inference to find is asked for.
func (src source) describe(so *onnxruntime.SessionOptions) (in, out []onnx.ValueInfo, err error) {
	m, err := src.read()
	if err != nil {
		return nil, nil, errors.New(strings.TrimPrefix(err.Error(), "onnx: "+src.path+": "))
	}
	defer m.Close()
	in, out = copyInfos(m.Inputs()), copyInfos(m.Outputs())
	untyped := func(v onnx.ValueInfo) bool { return v.Kind == "" && v.DType == onnx.Undefined }
	if slices.ContainsFunc(in, untyped) || slices.ContainsFunc(out, untyped) {
		if in, out, err = src.infer(so); err != nil {
			return nil, nil, err
		}
	}
	return in, out, joined(append(onlyTensors("input", in), onlyTensors("output", out)...))
}

func (src source) read() (*onnx.Model, error) {
	if src.path != "" {
		return onnx.ReadFile(src.path)
	}
	return onnx.Read(bytes.NewReader(src.raw), int64(len(src.raw)))
}

// onlyTensors returns an error for each value that is not a tensor of numbers.
func onlyTensors(what string, infos []onnx.ValueInfo) []error {
	var errs []error
	for _, v := range infos {
		switch {
		case v.Kind != "":
			errs = append(errs, fmt.Errorf("%s %q: want a tensor, got a value of kind %s", what, v.Name, v.Kind))
		case !passes(v.DType):
			errs = append(errs, fmt.Errorf("%s %q: values of type %v cannot be passed", what, v.Name, v.DType))
		case what == "input" && v.Shape != nil && len(v.Shape) == 0 && isHalf(v.DType):
			errs = append(errs, fmt.Errorf("%s %q: a %v without axes cannot be passed", what, v.Name, v.DType))
		}
	}
	return errs
}

// passes reports whether tensors of a type go through the binding in both directions.
func passes(d onnx.DType) bool {
	return d >= onnx.Float32 && d <= onnx.BFloat16 && d != onnx.String && d != onnx.Complex64 && d != onnx.Complex128
}

// infer asks onnxruntime for the model's inputs and outputs.
func (src source) infer(so *onnxruntime.SessionOptions) (in, out []onnx.ValueInfo, err error) {
	var ins, outs []onnxruntime.InputOutputInfo
	err = guard(func() (err error) {
		if src.path != "" {
			ins, outs, err = onnxruntime.GetInputOutputInfoWithOptions(src.path, so)
		} else {
			ins, outs, err = onnxruntime.GetInputOutputInfoWithONNXData(src.raw)
		}
		return err
	})
	return infos(ins), infos(outs), err
}

// infos translates onnxruntime's descriptions. An empty shape there is one without axes or an unknown one.
func infos(from []onnxruntime.InputOutputInfo) []onnx.ValueInfo {
	out := make([]onnx.ValueInfo, 0, len(from))
	for _, f := range from {
		v := onnx.ValueInfo{Name: f.Name, DType: onnx.DType(f.DataType), Dims: make([]string, len(f.Dimensions))}
		if f.OrtValueType != onnxruntime.ONNXTypeTensor {
			v.Kind = strings.ToLower(strings.TrimPrefix(f.OrtValueType.String(), "ONNX_TYPE_"))
		}
		for _, d := range f.Dimensions {
			v.Shape = append(v.Shape, int(d))
		}
		out = append(out, v)
	}
	return out
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
