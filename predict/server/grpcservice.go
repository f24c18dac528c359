package server

import (
	"context"
	"time"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict/server/internal/oip"
	"github.com/nitrain/nitrain/predict/server/internal/pb"
)

// grpcService is the protocol's service.
type grpcService struct {
	pb.UnimplementedGRPCInferenceServiceServer
	h *Handler
}

func (g *grpcService) ServerLive(context.Context, *pb.ServerLiveRequest) (*pb.ServerLiveResponse, error) {
	return &pb.ServerLiveResponse{Live: true}, nil
}

func (g *grpcService) ServerReady(context.Context, *pb.ServerReadyRequest) (*pb.ServerReadyResponse, error) {
	return &pb.ServerReadyResponse{Ready: g.h.ready()}, nil
}

// ModelReady is false for a model that is known and not loaded; an unknown one is an error.
func (g *grpcService) ModelReady(_ context.Context, r *pb.ModelReadyRequest) (*pb.ModelReadyResponse, error) {
	_, release, err := g.h.model(nil, r.Name, r.Version)
	if err != nil {
		if f := faultOf(err); f.Status == 503 {
			return &pb.ModelReadyResponse{}, nil
		}
		return nil, err
	}
	release()
	return &pb.ModelReadyResponse{Ready: true}, nil
}

func (g *grpcService) ServerMetadata(context.Context, *pb.ServerMetadataRequest) (*pb.ServerMetadataResponse, error) {
	return &pb.ServerMetadataResponse{Name: serverName, Version: g.h.o.Version, Extensions: extensions()}, nil
}

func (g *grpcService) ModelMetadata(_ context.Context, r *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	m, release, err := g.h.model(nil, r.Name, r.Version)
	if err != nil {
		return nil, err
	}
	defer release()
	tensors := func(infos []onnx.ValueInfo) (out []*pb.ModelMetadataResponse_TensorMetadata) {
		for _, v := range infos {
			out = append(out, &pb.ModelMetadataResponse_TensorMetadata{Name: v.Name, Datatype: oip.Datatype(v.DType), Shape: dims(v.Shape)})
		}
		return out
	}
	return &pb.ModelMetadataResponse{
		Name: m.name, Versions: []string{m.version}, Platform: "onnx_onnxv1",
		Inputs: tensors(m.Run.Inputs()), Outputs: tensors(m.Run.Outputs()),
	}, nil
}

func (g *grpcService) ModelConfig(_ context.Context, r *pb.ModelConfigRequest) (*pb.ModelConfigResponse, error) {
	m, release, err := g.h.model(nil, r.Name, r.Version)
	if err != nil {
		return nil, err
	}
	defer release()
	return &pb.ModelConfigResponse{Config: config(m)}, nil
}

func (g *grpcService) ModelStatistics(_ context.Context, r *pb.ModelStatisticsRequest) (*pb.ModelStatisticsResponse, error) {
	list, err := g.h.models.statsOf(r.Name, r.Version)
	if err != nil {
		return nil, err
	}
	return &pb.ModelStatisticsResponse{ModelStats: list}, nil
}

func (g *grpcService) RepositoryIndex(_ context.Context, r *pb.RepositoryIndexRequest) (*pb.RepositoryIndexResponse, error) {
	out := &pb.RepositoryIndexResponse{}
	for _, e := range g.h.models.list() {
		if !r.Ready || e.State == stateReady {
			out.Models = append(out.Models, &pb.RepositoryIndexResponse_ModelIndex{Name: e.Name, Version: e.Version, State: e.State, Reason: e.Reason})
		}
	}
	return out, nil
}

// RepositoryModelLoad takes the model's name from field 2, as Triton has it, or from field 1, as KServe has it.
func (g *grpcService) RepositoryModelLoad(_ context.Context, r *pb.RepositoryModelLoadRequest) (*pb.RepositoryModelLoadResponse, error) {
	for name := range r.Parameters {
		if err := refuseOverride(name); err != nil {
			return nil, err
		}
	}
	return &pb.RepositoryModelLoadResponse{}, g.h.loadModel(either(r.ModelName, r.RepositoryName))
}

func (g *grpcService) RepositoryModelUnload(_ context.Context, r *pb.RepositoryModelUnloadRequest) (*pb.RepositoryModelUnloadResponse, error) {
	return &pb.RepositoryModelUnloadResponse{}, g.h.models.Unload(either(r.ModelName, r.RepositoryName))
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (g *grpcService) ModelInfer(ctx context.Context, r *pb.ModelInferRequest) (*pb.ModelInferResponse, error) {
	m, release, err := g.h.model(nil, r.ModelName, r.ModelVersion)
	if err != nil {
		return nil, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, g.h.limits.Time)
	defer cancel()
	start := time.Now()
	resp, used, err := g.infer(ctx, m, r, start)
	if err != nil {
		g.h.count(m, used, 0, time.Since(start), err)
	}
	return resp, err
}

func (g *grpcService) infer(ctx context.Context, m *served, r *pb.ModelInferRequest, start time.Time) (*pb.ModelInferResponse, spent, error) {
	req, err := oip.FromProto(r, m.Run.Inputs(), m.Run.Outputs())
	if err != nil {
		return nil, spent{}, err
	}
	used := spent{input: time.Since(start)}
	out, err := g.h.run(ctx, m, req, &used)
	if err != nil {
		return nil, used, err
	}
	encoding := time.Now()
	resp, err := oip.ToProto(out)
	if err != nil {
		return nil, used, err
	}
	resp.ModelName, resp.ModelVersion, resp.Id = m.name, m.version, req.ID
	used.output = time.Since(encoding)
	g.h.count(m, used, batchOf(req), 0, nil)
	return resp, used, nil
}
