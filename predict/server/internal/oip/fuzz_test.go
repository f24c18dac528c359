package oip_test

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict/server/internal/oip"
	"github.com/nitrain/nitrain/predict/server/internal/pb"
)

func infos() (inputs, outputs []onnx.ValueInfo) {
	for i, d := range []onnx.DType{onnx.Float32, onnx.String, onnx.Bool, onnx.Int16} {
		shape := []int{-1, 2}
		inputs = append(inputs, onnx.ValueInfo{Name: string(rune('a' + i)), DType: d, Shape: shape})
		outputs = append(outputs, onnx.ValueInfo{Name: string(rune('A' + i)), DType: d, Shape: shape})
	}
	return inputs, outputs
}

// answer sends what was read back in the form that it was asked for.
func answer(t *testing.T, r *oip.Request, inputs, outputs []onnx.ValueInfo) {
	all := map[string]*onnx.Tensor{}
	for i, v := range inputs {
		all[outputs[i].Name] = r.Inputs[v.Name]
		if got := r.Inputs[v.Name]; got == nil || got.DType() != v.DType || len(got.Shape()) != 2 || got.Shape()[1] != 2 {
			t.Fatalf("input %s: %v", v.Name, got)
		}
	}
	out, err := r.Pick(all, outputs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&oip.Response{ID: r.ID, Outputs: out}).Encode(); err != nil && oip.StatusOf(err).Status != 400 {
		t.Fatal(err)
	}
	if _, err := oip.ToProto(out); err != nil {
		t.Fatal(err)
	}
}

// FuzzRead sends any bytes as a request: they are read as the protocol says, or refused as the client's fault.
func FuzzRead(f *testing.F) {
	const rest = `{"name":"b","datatype":"BYTES","shape":[1,2],"data":["x","\u00e9"]},{"name":"c","datatype":"BOOL","shape":[1,2],"data":[[true,false]]},` +
		`{"name":"d","datatype":"INT16","shape":[1,2],"data":[-1,2]}]}`
	plain := `{"id":"1","inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,2.5e-3]},` + rest
	binary := `{"outputs":[{"name":"A","parameters":{"binary_data":true}}],"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}},` + rest
	f.Add([]byte(plain), int64(-1))
	f.Add([]byte(binary+"12345678"), int64(len(binary)))
	f.Add([]byte(plain), int64(0))
	f.Fuzz(func(t *testing.T, body []byte, header int64) {
		inputs, outputs := infos()
		for _, length := range []int64{int64(len(body)), -1} {
			b := oip.Body{Reader: bytes.NewReader(body), Header: max(header, -1), Length: length, Limits: oip.Limits{Body: 1 << 20, JSON: 1 << 20}}
			r, err := oip.Read(b, inputs, outputs)
			if err != nil {
				if s := oip.StatusOf(err).Status; s != 400 && s != 413 && s != 501 {
					t.Fatalf("status %d: %v", s, err)
				}
				continue
			}
			answer(t, r, inputs, outputs)
		}
	})
}

// FuzzFromProto does the same with messages.
func FuzzFromProto(f *testing.F) {
	seed := &pb.ModelInferRequest{Inputs: []*pb.ModelInferRequest_InferInputTensor{
		{Name: "a", Datatype: "FP32", Shape: []int64{1, 2}, Contents: &pb.InferTensorContents{Fp32Contents: []float32{1, 2}}},
		{Name: "b", Datatype: "BYTES", Shape: []int64{1, 2}, Contents: &pb.InferTensorContents{BytesContents: [][]byte{{1}, {2}}}},
		{Name: "c", Datatype: "BOOL", Shape: []int64{1, 2}, Contents: &pb.InferTensorContents{BoolContents: []bool{true, false}}},
		{Name: "d", Datatype: "INT16", Shape: []int64{1, 2}, Contents: &pb.InferTensorContents{IntContents: []int32{1, 2}}},
	}}
	raw, err := proto.Marshal(seed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var m pb.ModelInferRequest
		if proto.Unmarshal(raw, &m) != nil {
			return
		}
		inputs, outputs := infos()
		r, err := oip.FromProto(&m, inputs, outputs)
		if err != nil {
			if s := oip.StatusOf(err).Status; s != 400 && s != 501 {
				t.Fatalf("status %d: %v", s, err)
			}
			return
		}
		answer(t, r, inputs, outputs)
	})
}
