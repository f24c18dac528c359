package convert

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/nitrain/nitrain/onnx"
)

// kindCalibrate is a forward pass that returns the statistics of a batch.
const kindCalibrate kind = "calibrate"

// Recalibrate takes the running statistics of every BatchNormalization anew: forward passes that normalize
// by the batch, and the mean of the batches' statistics, as torch.optim.swa_utils.update_bn does. Nothing
// else changes. batches are asked for in order; without any, or in a model without BatchNormalization,
// nothing happens.
func (s *Step) Recalibrate(ctx context.Context, batches ...map[string]*onnx.Tensor) error {
	return s.recalibrate(ctx, batches)
}

func (s *stepper) recalibrate(ctx context.Context, batches []map[string]*onnx.Tensor) error {
	if !slices.ContainsFunc(s.graph.params, func(p *Param) bool { return p.State }) {
		return nil
	}
	sums := map[string][]float64{}
	for _, b := range batches {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.statistics(b, sums); err != nil {
			return err
		}
	}
	for _, p := range s.graph.params {
		sum := sums[paramKey(p.Name)]
		if sum == nil {
			continue
		}
		v := make([]float32, len(sum))
		for i := range v {
			v[i] = float32(sum[i] / float64(len(batches)))
		}
		free(s.device[paramKey(p.Name)])
		s.device[paramKey(p.Name)] = uploadFloats(v, p.Shape, s.backend.float)
	}
	return nil
}

// statistics adds the statistics of one batch to sums.
func (s *stepper) statistics(batch map[string]*onnx.Tensor, sums map[string][]float64) error {
	in := map[string]*onnx.Tensor{}
	for _, info := range s.graph.Inputs() {
		if in[info.Name] = batch[info.Name]; in[info.Name] == nil {
			return fmt.Errorf("convert: recalibrate: input %q is missing", info.Name)
		}
	}
	p, err := s.program(kindCalibrate, in)
	if errors.Is(err, errNoStatistics) {
		return nil
	}
	if err != nil {
		return err
	}
	feed := map[string]*tensors.Tensor{}
	var own []*tensors.Tensor
	defer func() { free(own...) }()
	for name, t := range in {
		up, err := upload(t, s.backend.float)
		if err != nil {
			return fmt.Errorf("convert: recalibrate: %q: %w", name, err)
		}
		own = append(own, up)
		feed[inputKey(name)] = up
	}
	for _, key := range p.inputs {
		if t, ok := s.device[key]; ok {
			feed[key] = t
		}
	}
	out, err := p.run(feed)
	if err != nil {
		return err
	}
	for key, t := range out {
		v, err := download(t, onnx.Float32)
		free(t)
		if err != nil {
			return err
		}
		f, err := v.Float32()
		if err != nil {
			return err
		}
		if sums[key] == nil {
			sums[key] = make([]float64, len(f))
		}
		for i, x := range f {
			sums[key][i] += float64(x)
		}
	}
	return nil
}

// errNoStatistics says that a model has no BatchNormalization to recalibrate.
var errNoStatistics = errors.New("convert: recalibrate: the model has no running statistics")

// compileStatistics builds the forward pass of kindCalibrate.
func (s *stepper) compileStatistics(infos []onnx.ValueInfo, batch map[string]*onnx.Tensor) (p *program, err error) {
	defer recoverTo(&err)
	ports := append(inputPorts(infos, batch, s.backend.float), paramPorts(s.graph.params, s.backend.float)...)
	return compile(s.backend, string(kindCalibrate), ports, func(gg *graph.Graph, in map[string]*graph.Node) []result {
		b := &builder{graph: gg, float: s.backend.float}
		_, state := s.graph.build(b, modelInputs(s.graph, in), paramNodes(s.graph.params, in), Mode{Training: true, Calibrate: true})
		var list []result
		for _, name := range sortedKeys(state) {
			list = append(list, result{paramKey(name), graph.ConvertDType(state[name], s.backend.float)})
		}
		if len(list) == 0 {
			failWith(errNoStatistics)
		}
		return list
	})
}
