package server_test

import (
	"context"
	"math"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict/server"
	"github.com/nitrain/nitrain/predict/server/internal/pb"
)

// dial starts a gRPC server and connects to it.
func dial(t testing.TB, h *server.Handler) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := h.GRPC()
	go func() { _ = s.Serve(l) }() // ends with Stop
	t.Cleanup(s.Stop)
	c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func input(datatype string, contents *pb.InferTensorContents, shape ...int64) *pb.ModelInferRequest_InferInputTensor {
	return &pb.ModelInferRequest_InferInputTensor{Name: "in0", Datatype: datatype, Shape: shape, Contents: contents}
}

func TestGRPC(t *testing.T) {
	h, _ := serve(t, server.Options{Limits: server.Limits{Request: 1 << 20}}, map[string]*server.Model{
		"m": {Run: echo(2, onnx.Float32)}, "i8": {Run: echo(1, onnx.Int8)}, "u16": {Run: echo(1, onnx.Uint16)}, "s": {Run: echo(1, onnx.String)},
		"b": {Run: echo(1, onnx.Bool)}, "h": {Run: echo(1, onnx.Float16)},
	})
	c := pb.NewGRPCInferenceServiceClient(dial(t, h))
	raw := floats(1, 2)
	fp := &pb.InferTensorContents{Fp32Contents: []float32{1, 2}}
	one := func(in ...*pb.ModelInferRequest_InferInputTensor) *pb.ModelInferRequest {
		return &pb.ModelInferRequest{ModelName: "m", Inputs: in}
	}
	with := func(r *pb.ModelInferRequest, change func(r *pb.ModelInferRequest)) *pb.ModelInferRequest {
		change(r)
		return r
	}
	to := func(model, datatype string, contents *pb.InferTensorContents, n int64) *pb.ModelInferRequest {
		return &pb.ModelInferRequest{ModelName: model, Inputs: []*pb.ModelInferRequest_InferInputTensor{input(datatype, contents, n)}}
	}
	for name, c2 := range map[string]struct {
		r    *pb.ModelInferRequest
		code codes.Code
		want string // raw output
	}{
		"typed":         {one(input("FP32", fp, 1, 2)), codes.OK, string(raw)},
		"raw":           {with(one(input("FP32", nil, 2, 1)), func(r *pb.ModelInferRequest) { r.RawInputContents = [][]byte{raw} }), codes.OK, string(raw)},
		"both":          {with(one(input("FP32", fp, 2, 1)), func(r *pb.ModelInferRequest) { r.RawInputContents = [][]byte{raw} }), codes.InvalidArgument, ""},
		"raw too few":   {with(one(input("FP32", nil, 2, 1)), func(r *pb.ModelInferRequest) { r.RawInputContents = [][]byte{raw, raw} }), codes.InvalidArgument, ""},
		"raw too short": {with(one(input("FP32", nil, 2, 2)), func(r *pb.ModelInferRequest) { r.RawInputContents = [][]byte{raw} }), codes.InvalidArgument, ""},
		"overflow":      {with(one(input("FP32", nil, math.MaxInt64, math.MaxInt64)), func(r *pb.ModelInferRequest) { r.RawInputContents = [][]byte{raw} }), codes.InvalidArgument, ""},
		"negative":      {one(input("FP32", fp, -1, -2)), codes.InvalidArgument, ""},
		"twice":         {one(input("FP32", fp, 1, 2), input("FP32", fp, 1, 2)), codes.InvalidArgument, ""},
		"none":          {one(), codes.InvalidArgument, ""},
		"null":          {one(nil), codes.InvalidArgument, ""},
		"other type":    {one(input("FP64", fp, 1, 2)), codes.InvalidArgument, ""},
		"other list":    {one(input("FP32", &pb.InferTensorContents{Fp64Contents: []float64{1, 2}}, 1, 2)), codes.InvalidArgument, ""},
		"unknown":       {with(one(input("FP32", fp, 1, 2)), func(r *pb.ModelInferRequest) { r.ModelName = "x" }), codes.NotFound, ""},
		"version":       {with(one(input("FP32", fp, 1, 2)), func(r *pb.ModelInferRequest) { r.ModelVersion = "3" }), codes.NotFound, ""},
		"output": {with(one(input("FP32", fp, 1, 2)), func(r *pb.ModelInferRequest) {
			r.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "x"}}
		}), codes.InvalidArgument, ""},
		"too large": {with(one(input("FP32", nil, 1, 1<<19)), func(r *pb.ModelInferRequest) { r.RawInputContents = [][]byte{make([]byte, 2<<20)} }), codes.ResourceExhausted, ""},
		"int8":      {to("i8", "INT8", &pb.InferTensorContents{IntContents: []int32{-128, 127}}, 2), codes.OK, "\x80\x7f"},
		"int8 over": {to("i8", "INT8", &pb.InferTensorContents{IntContents: []int32{-129}}, 1), codes.InvalidArgument, ""},
		"uint16":    {to("u16", "UINT16", &pb.InferTensorContents{UintContents: []uint32{65535}}, 1), codes.OK, "\xff\xff"},
		"uint over": {to("u16", "UINT16", &pb.InferTensorContents{UintContents: []uint32{65536}}, 1), codes.InvalidArgument, ""},
		"bytes":     {to("s", "BYTES", &pb.InferTensorContents{BytesContents: [][]byte{[]byte("ab")}}, 1), codes.OK, "\x02\x00\x00\x00ab"},
		"bytes cut": {with(to("s", "BYTES", nil, 1), func(r *pb.ModelInferRequest) { r.RawInputContents = [][]byte{{9, 0, 0, 0, 1}} }), codes.InvalidArgument, ""},
		"bool":      {to("b", "BOOL", &pb.InferTensorContents{BoolContents: []bool{true, false}}, 2), codes.OK, "\x01\x00"},
		"bool raw":  {with(to("b", "BOOL", nil, 1), func(r *pb.ModelInferRequest) { r.RawInputContents = [][]byte{{2}} }), codes.InvalidArgument, ""},
		"half":      {to("h", "FP16", fp, 2), codes.InvalidArgument, ""},
	} {
		got, err := c.ModelInfer(t.Context(), c2.r)
		if status.Code(err) != c2.code {
			t.Errorf("%s: %v, want %v", name, err, c2.code)
			continue
		}
		if err == nil && (len(got.RawOutputContents) != 1 || string(got.RawOutputContents[0]) != c2.want) {
			t.Errorf("%s: %q, want %q", name, got.RawOutputContents, c2.want)
		}
	}
	bomb := with(one(input("FP32", nil, 1, 1<<24)), func(r *pb.ModelInferRequest) { r.RawInputContents = [][]byte{make([]byte, 64<<20)} })
	if _, err := c.ModelInfer(t.Context(), bomb, grpc.UseCompressor(gzip.Name)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a gzip bomb: %v", err)
	}
	if _, err := c.RepositoryModelUnload(t.Context(), &pb.RepositoryModelUnloadRequest{RepositoryName: "h"}); err != nil { // KServe's place
		t.Error(err)
	}
	if r, err := c.ModelReady(t.Context(), &pb.ModelReadyRequest{Name: "h"}); err != nil || r.Ready {
		t.Errorf("an unloaded model: %v %v", r, err)
	}
	if _, err := c.ModelReady(t.Context(), &pb.ModelReadyRequest{Name: "x"}); status.Code(err) != codes.NotFound {
		t.Errorf("an unknown model: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := c.ModelInfer(ctx, one(input("FP32", fp, 1, 2))); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a deadline: %v", err)
	}
}

func TestGRPCHealthAndTokens(t *testing.T) {
	k := tokens(t, "predict-predict-predict predict")
	h, _ := serve(t, server.Options{Tokens: k}, map[string]*server.Model{"m": {Run: echo(2, onnx.Float32)}})
	conn := dial(t, h)
	health := grpc_health_v1.NewHealthClient(conn)
	for service, want := range map[string]codes.Code{"": codes.OK, "inference.GRPCInferenceService": codes.OK, "x": codes.NotFound} {
		r, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if status.Code(err) != want || err == nil && r.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: %v %v", service, r, err)
		}
	}
	c := pb.NewGRPCInferenceServiceClient(conn)
	if r, err := c.ServerReady(t.Context(), &pb.ServerReadyRequest{}); err != nil || !r.Ready {
		t.Errorf("ready: %v %v", r, err)
	}
	big := &pb.ModelInferRequest{ModelName: "m", RawInputContents: [][]byte{make([]byte, 8<<20)}}
	if _, err := c.ModelInfer(t.Context(), big); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a token: %v", err)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer predict-predict-predict")
	if _, err := c.ServerMetadata(ctx, &pb.ServerMetadataRequest{}); err != nil {
		t.Errorf("with a token: %v", err)
	}
	if _, err := c.RepositoryModelUnload(ctx, &pb.RepositoryModelUnloadRequest{ModelName: "m"}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("unload with a token for prediction: %v", err)
	}
	watch, err := health.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := watch.Recv(); err != nil || r.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("watch: %v %v", r, err)
	}
	h.Drain()
	if r, err := watch.Recv(); err != nil || r.Status != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("watch while draining: %v %v", r, err)
	}
}
