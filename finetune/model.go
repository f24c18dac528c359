package finetune

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/internal/record"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// source is the model that a run starts from.
type source struct {
	model *onnx.Model
	path  string // of a copy that nothing changes; "" before there is one
	name  string // of the file that it came from
	owned bool   // model is closed with the Trainer
}

// fresh returns a copy that may be changed.
func (s *source) fresh() (*onnx.Model, error) {
	if s.path != "" {
		return onnx.ReadFile(s.path)
	}
	raw, err := onnx.Encode(s.model)
	if err != nil {
		return nil, err
	}
	return onnx.Read(bytes.NewReader(raw), int64(len(raw)))
}

// sha256 is the digest of the model's file.
func (s *source) sha256(path string) (string, error) {
	h := sha256.New()
	if path == "" {
		raw, err := onnx.Encode(s.model)
		if err != nil {
			return "", err
		}
		h.Write(raw)
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("finetune: %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Last returns the source model with the current weights, and its Spec with provenance. The caller closes it.
func (t *Trainer) Last() (*onnx.Model, error) {
	tensors, err := t.step.State()
	if err != nil {
		return nil, err
	}
	score := 0.0
	if n := len(t.state.Validations); n > 0 {
		score = t.state.Validations[n-1].Score
	}
	return t.model(params(tensors), t.state.Step, score)
}

// Best returns the source model with the weights that scored best so far, or the current ones where
// nothing was validated. The caller closes it.
func (t *Trainer) Best() (*onnx.Model, error) {
	if t.path != "" {
		f, err := OpenFolder(t.path)
		if err != nil {
			return nil, err
		}
		return f.Best()
	}
	if t.best == nil {
		return t.Last()
	}
	return t.model(t.best, t.state.BestStep, t.state.Best)
}

func (t *Trainer) model(weights map[string]*onnx.Tensor, step int, score float64) (*onnx.Model, error) {
	m, err := t.source.fresh()
	if err != nil {
		return nil, err
	}
	data, err := dataset.Digest(slices.Concat(t.train, t.valid))
	if err != nil {
		return nil, err
	}
	sum, err := t.source.sha256(t.source.path)
	if err != nil {
		return nil, err
	}
	return writeBack(m, t.plan, weights, provenance(t.plan, t.source.name, sum, data, step, score))
}

// exportCheckpoint returns a model with the weights of a checkpoint.
func exportCheckpoint(s *source, m *onnx.Model, p *plan, c *record.Checkpoint, data, sum string) (*onnx.Model, error) {
	var st state
	if err := json.Unmarshal(c.State, &st); err != nil {
		return nil, fmt.Errorf("finetune: checkpoint: %w", err)
	}
	tensors, err := fromArrays(c.Arrays)
	if err != nil {
		return nil, err
	}
	score := 0.0
	for _, v := range st.Validations {
		if v.Step <= st.Step {
			score = v.Score
		}
	}
	if st.HasBest && st.BestStep == st.Step {
		score = st.Best
	}
	return writeBack(m, p, params(tensors), provenance(p, s.name, sum, data, st.Step, score))
}

// provenance says where trained weights come from.
func provenance(p *plan, name, sum, data string, step int, score float64) *predict.Provenance {
	out := predict.Provenance{Source: name}
	if was := p.spec.Provenance; was != nil {
		out = *was
		if out.Source == "" {
			out.Source = name
		}
	}
	out.SHA256, out.Tool = sum, tool()
	out.Trained = &predict.Trained{Cases: p.cases, Steps: step, Epochs: p.epochs(step), Score: score, Data: data}
	return &out
}

// writeBack puts weights and Spec into a model. Weights that training did not change keep their bytes.
func writeBack(m *onnx.Model, p *plan, weights map[string]*onnx.Tensor, from *predict.Provenance) (*onnx.Model, error) {
	g, err := convert.Import(m, convert.ImportOptions{BatchNorm: convert.BatchNormFrozen})
	if err != nil {
		return nil, err
	}
	for _, q := range g.Params() {
		w := weights[q.Name]
		if w == nil {
			return nil, fmt.Errorf("finetune: checkpoint: no values for %q", q.Name)
		}
		now, err := w.Float32()
		if err != nil {
			return nil, err
		}
		was, err := g.Value(q.Name)
		if err != nil {
			return nil, err
		}
		if slices.Equal(was, now) {
			continue
		}
		if err := g.SetParam(q.Name, now); err != nil {
			return nil, err
		}
	}
	if m, err = g.Export(); err != nil {
		return nil, err
	}
	spec := p.spec
	spec.Provenance = from
	return m, predict.WriteSpec(m, spec)
}
