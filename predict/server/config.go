package server

import (
	"net/http"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict/server/internal/oip"
	"github.com/nitrain/nitrain/predict/server/internal/pb"
)

// config describes a model in Triton's terms: no batching of its own, every axis listed.
func config(m *served) *pb.ModelConfig {
	c := &pb.ModelConfig{Name: m.name, Platform: "onnxruntime_onnx", Backend: "onnxruntime"}
	for _, v := range m.Run.Inputs() {
		c.Input = append(c.Input, &pb.ModelInput{Name: v.Name, DataType: configType(v.DType), Dims: dims(v.Shape)})
	}
	for _, v := range m.Run.Outputs() {
		c.Output = append(c.Output, &pb.ModelOutput{Name: v.Name, DataType: configType(v.DType), Dims: dims(v.Shape)})
	}
	return c
}

func configType(d onnx.DType) pb.DataType {
	name := oip.Datatype(d)
	if name == "BYTES" {
		name = "STRING"
	}
	return pb.DataType(pb.DataType_value["TYPE_"+name])
}

func dims(shape []int) []int64 {
	out := make([]int64, len(shape))
	for i, d := range shape {
		out[i] = int64(d)
	}
	return out
}

func (h *Handler) modelConfig(x *exchange, r *http.Request) error {
	m, release, err := h.model(x, r.PathValue("model"), r.PathValue("version"))
	if err != nil {
		return err
	}
	defer release()
	c := config(m)
	type tensor struct {
		Name string  `json:"name"`
		Type string  `json:"data_type"`
		Dims []int64 `json:"dims"`
	}
	var in, out []tensor
	for _, v := range c.Input {
		in = append(in, tensor{v.Name, v.DataType.String(), v.Dims})
	}
	for _, v := range c.Output {
		out = append(out, tensor{v.Name, v.DataType.String(), v.Dims})
	}
	x.reply(http.StatusOK, map[string]any{
		"name": c.Name, "platform": c.Platform, "backend": c.Backend, "max_batch_size": c.MaxBatchSize, "input": in, "output": out,
	})
	return nil
}

// stats answers with the counts of one model or of all.
func (h *Handler) stats(x *exchange, r *http.Request) error {
	list, err := h.models.statsOf(r.PathValue("model"), r.PathValue("version"))
	if err != nil {
		return err
	}
	type duration struct {
		Count uint64 `json:"count"`
		NS    uint64 `json:"ns"`
	}
	of := func(d *pb.StatisticDuration) duration { return duration{d.GetCount(), d.GetNs()} }
	out := []map[string]any{}
	for _, m := range list {
		s := m.InferenceStats
		out = append(out, map[string]any{
			"name": m.Name, "version": m.Version, "last_inference": m.LastInference,
			"inference_count": m.InferenceCount, "execution_count": m.ExecutionCount,
			"inference_stats": map[string]duration{
				"success": of(s.Success), "fail": of(s.Fail), "queue": of(s.Queue), "compute_input": of(s.ComputeInput),
				"compute_infer": of(s.ComputeInfer), "compute_output": of(s.ComputeOutput),
				"cache_hit": {}, "cache_miss": {},
			},
			"batch_stats": []any{}, "memory_usage": []any{},
		})
	}
	x.reply(http.StatusOK, map[string]any{"model_stats": out})
	return nil
}
