package oip

import (
	"encoding/binary"
	"math"
	"net/http"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict/server/internal/pb"
)

// FromProto reads an inference request for a model with those inputs and outputs. Tensors come as typed
// contents or, all of them, as raw contents; raw ones are not copied. Every error is a [*Fault].
func FromProto(in *pb.ModelInferRequest, inputs, outputs []onnx.ValueInfo) (*Request, error) {
	r := &Request{ID: in.Id, Inputs: map[string]*onnx.Tensor{}}
	if err := refuseParameters("the request", in.Parameters); err != nil {
		return nil, err
	}
	raw := len(in.RawInputContents) > 0
	if raw && len(in.RawInputContents) != len(in.Inputs) {
		return nil, Bad("the request has %d inputs and raw contents of %d", len(in.Inputs), len(in.RawInputContents))
	}
	for i, t := range in.Inputs {
		if r.Inputs[t.GetName()] != nil {
			return nil, Bad("input %s is given twice", quote(t.GetName()))
		}
		var contents []byte
		if raw {
			if t.Contents != nil {
				return nil, Bad("input %s has contents and raw contents", quote(t.Name))
			}
			contents = in.RawInputContents[i]
		}
		tensor, err := inputFromProto(t, contents, raw, inputs)
		if err != nil {
			return nil, err
		}
		r.Inputs[t.Name] = tensor
	}
	for _, o := range in.Outputs {
		if err := refuseParameters("output "+quote(o.GetName()), o.GetParameters()); err != nil {
			return nil, err
		}
		r.Outputs = append(r.Outputs, Wanted{Name: o.GetName(), Binary: true})
	}
	if err := CheckOutputs(r.Outputs, outputs); err != nil {
		return nil, err
	}
	return r, CheckComplete(len(r.Inputs), inputs, func(name string) bool { return r.Inputs[name] != nil })
}

func refuseParameters(what string, p map[string]*pb.InferParameter) error {
	for _, name := range []string{"classification", "shared_memory_region", "sequence_id"} {
		v := p[name]
		if v.GetInt64Param() != 0 || v.GetStringParam() != "" || v.GetUint64Param() != 0 {
			return Faultf(http.StatusNotImplemented, "parameter %q of %s is not supported", name, what)
		}
	}
	return nil
}

func inputFromProto(t *pb.ModelInferRequest_InferInputTensor, contents []byte, raw bool, inputs []onnx.ValueInfo) (*onnx.Tensor, error) {
	shape := make([]int, len(t.Shape))
	for i, d := range t.Shape {
		if d > math.MaxInt {
			return nil, Bad("input %s: size %d is too large", quote(t.Name), d)
		}
		shape[i] = int(d)
	}
	info, err := CheckInput(t.Name, t.Datatype, shape, inputs)
	if err != nil {
		return nil, err
	}
	if err := refuseParameters("input "+quote(t.Name), t.Parameters); err != nil {
		return nil, err
	}
	count, err := onnx.Elements(shape)
	if err != nil {
		return nil, Bad("input %s: %v", quote(t.Name), err)
	}
	if raw {
		return FromRaw(t.Name, info.DType, shape, contents)
	}
	return typed(t, info.DType, shape, count)
}

// typed reads contents that are lists of numbers.
func typed(t *pb.ModelInferRequest_InferInputTensor, dtype onnx.DType, shape []int, count int) (*onnx.Tensor, error) {
	c := t.Contents
	lengths := []int{
		len(c.GetBoolContents()), len(c.GetIntContents()), len(c.GetInt64Contents()), len(c.GetUintContents()),
		len(c.GetUint64Contents()), len(c.GetFp32Contents()), len(c.GetFp64Contents()), len(c.GetBytesContents()),
	}
	place, ok := map[onnx.DType]int{
		onnx.Bool: 0, onnx.Int8: 1, onnx.Int16: 1, onnx.Int32: 1, onnx.Int64: 2, onnx.Uint8: 3, onnx.Uint16: 3,
		onnx.Uint32: 3, onnx.Uint64: 4, onnx.Float32: 5, onnx.Float64: 6, onnx.String: 7,
	}[dtype]
	name := quote(t.Name)
	if !ok {
		return nil, Bad("input %s: %s travels as raw contents only", name, t.Datatype)
	}
	for i, n := range lengths {
		if i != place && n > 0 {
			return nil, Bad("input %s: the contents are not those of %s", name, t.Datatype)
		}
	}
	if lengths[place] != count {
		return nil, Bad("input %s: shape %v has %d elements, the contents have %d", name, shape, count, lengths[place])
	}
	if dtype == onnx.String {
		list := make([]string, count)
		for i, b := range c.GetBytesContents() {
			list[i] = string(b)
		}
		return onnx.FromStrings(shape, list)
	}
	raw, err := packContents(c, dtype, count)
	if err != nil {
		return nil, Bad("input %s: %v", name, err)
	}
	return onnx.NewTensor(dtype, shape, raw)
}

func packContents(c *pb.InferTensorContents, dtype onnx.DType, count int) ([]byte, error) {
	bits := dtype.Bits()
	raw := make([]byte, 0, count*bits/8)
	for _, v := range c.GetBoolContents() {
		b := byte(0)
		if v {
			b = 1
		}
		raw = append(raw, b)
	}
	for _, v := range c.GetIntContents() {
		if low := int64(v); low < -1<<(bits-1) || low > 1<<(bits-1)-1 {
			return nil, Bad("%d does not fit %s", v, Datatype(dtype))
		}
		raw = appendBits(raw, uint64(v), bits)
	}
	for _, v := range c.GetUintContents() {
		if uint64(v) > 1<<bits-1 {
			return nil, Bad("%d does not fit %s", v, Datatype(dtype))
		}
		raw = appendBits(raw, uint64(v), bits)
	}
	for _, v := range c.GetInt64Contents() {
		raw = appendBits(raw, uint64(v), bits)
	}
	for _, v := range c.GetUint64Contents() {
		raw = appendBits(raw, v, bits)
	}
	for _, v := range c.GetFp32Contents() {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	for _, v := range c.GetFp64Contents() {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
	}
	return raw, nil
}

// ToProto returns outputs as raw contents, which every client of the protocol reads.
func ToProto(outputs []Output) (*pb.ModelInferResponse, error) {
	r := &pb.ModelInferResponse{}
	for _, o := range outputs {
		raw, err := Raw(o.Tensor)
		if err != nil {
			return nil, err
		}
		shape := o.Tensor.Shape()
		t := &pb.ModelInferResponse_InferOutputTensor{Name: o.Name, Datatype: Datatype(o.Tensor.DType()), Shape: make([]int64, len(shape))}
		for i, d := range shape {
			t.Shape[i] = int64(d)
		}
		r.Outputs = append(r.Outputs, t)
		r.RawOutputContents = append(r.RawOutputContents, raw)
	}
	return r, nil
}
