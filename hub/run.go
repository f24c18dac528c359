package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
)

// Run is what the hub keeps of a run folder: how the weights were made. The names and paths of cases are left
// out, because they may identify patients.
type Run struct {
	SHA256    string            `json:"sha256"` // of the run folder's run.json
	Tool      string            `json:"tool,omitempty"`
	Created   string            `json:"created,omitempty"`
	Device    string            `json:"device,omitempty"`
	Seed      uint64            `json:"seed"`
	Model     RunModel          `json:"model"`
	Data      RunData           `json:"data"`
	Arguments map[string]any    `json:"arguments,omitempty"`
	Versions  map[string]string `json:"versions,omitempty"`
	Status    RunStatus         `json:"status"`
}

// RunModel identifies the model that a run started from.
type RunModel struct {
	Name   string `json:"name,omitempty"`
	SHA256 string `json:"sha256"`
}

// RunData counts a run's cases.
type RunData struct {
	SHA256 string `json:"sha256"`
	Train  int    `json:"train"`
	Valid  int    `json:"valid"`
}

// RunStatus is how far a run came.
type RunStatus struct {
	State    string   `json:"state,omitempty"`
	Step     int      `json:"step"`
	Steps    int      `json:"steps"`
	Best     *float64 `json:"best,omitempty"`
	BestStep int      `json:"best_step,omitempty"`
	Elapsed  float64  `json:"elapsed,omitempty"` // seconds
}

// ReadRun reads a run folder.
func ReadRun(folder string) (*Run, error) {
	raw, err := readSmall(filepath.Join(folder, "run.json"), maxDocument)
	if err != nil {
		return nil, fmt.Errorf("hub: run: %w", err)
	}
	var in struct {
		Run
		Data struct {
			SHA256 string            `json:"sha256"`
			Train  []json.RawMessage `json:"train"`
			Valid  []json.RawMessage `json:"valid"`
		} `json:"data"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, fmt.Errorf("hub: run: %s: %w", filepath.Join(folder, "run.json"), err)
	}
	r := in.Run
	sum := sha256.Sum256(raw)
	r.SHA256 = hex.EncodeToString(sum[:])
	r.Data = RunData{in.Data.SHA256, len(in.Data.Train), len(in.Data.Valid)}
	r.Model.Name = baseName(r.Model.Name)
	delete(r.Arguments, "order") // a list of cases
	status, err := readSmall(filepath.Join(folder, "status.json"), maxDocument)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &r, nil
	case err != nil:
		return nil, fmt.Errorf("hub: run: %w", err)
	}
	r.Status = RunStatus{}
	if err := json.Unmarshal(status, &r.Status); err != nil {
		return nil, fmt.Errorf("hub: run: %s: %w", filepath.Join(folder, "status.json"), err)
	}
	return &r, nil
}

// parseRun reads what the hub kept of a run.
func parseRun(raw []byte) (*Run, error) {
	var r Run
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// baseName is the last part of a path of any system.
func baseName(s string) string {
	if s == "" {
		return ""
	}
	return path.Base(strings.ReplaceAll(s, `\`, "/"))
}

// matches reports how a run contradicts the provenance of the model that it should have made.
func (r *Run) matches(p *Provenance) error {
	switch {
	case p == nil || p.Trained == nil:
		return errors.New("hub: run: the model's Spec has no provenance of a training")
	case p.SHA256 != "" && r.Model.SHA256 != "" && p.SHA256 != r.Model.SHA256:
		return fmt.Errorf("hub: run: it started from model %s, the pushed model from %s", r.Model.SHA256, p.SHA256)
	case p.Trained.Data != "" && r.Data.SHA256 != "" && p.Trained.Data != r.Data.SHA256:
		return fmt.Errorf("hub: run: it was trained on data %s, the pushed model on %s", r.Data.SHA256, p.Trained.Data)
	}
	return nil
}

// facts are what the config keeps of a run.
func (r *Run) facts() *RunFacts {
	if r == nil {
		return nil
	}
	return &RunFacts{r.SHA256, r.Created, r.Tool, r.Seed, r.Status.Step, r.Status.State}
}

// Evaluation is what the hub keeps of the report of `nitrain evaluate --json`: means, without the cases.
type Evaluation struct {
	Cases  int          `json:"cases"`
	Labels []LabelScore `json:"labels"`
	Mean   Scores       `json:"mean"`
}

// LabelScore is how one label does, over cases.
type LabelScore struct {
	Value int    `json:"value"`
	Name  string `json:"name"`
	Scores
	Cases int `json:"cases"`
}

// Scores are means; nil where there is none.
type Scores struct {
	Dice        *float64 `json:"dice,omitempty"`
	IoU         *float64 `json:"iou,omitempty"`
	Precision   *float64 `json:"precision,omitempty"`
	Sensitivity *float64 `json:"sensitivity,omitempty"`
	HD95        *float64 `json:"hd95_mm,omitempty"`
	ASSD        *float64 `json:"assd_mm,omitempty"`
	VolumeError *float64 `json:"volume_error,omitempty"`
	Accuracy    *float64 `json:"accuracy,omitempty"`
}

// ReadEvaluation reads the report of an evaluation, or what the hub kept of one.
func ReadEvaluation(file string) (*Evaluation, error) {
	raw, err := readSmall(file, maxDocument)
	if err != nil {
		return nil, fmt.Errorf("hub: evaluation: %w", err)
	}
	e, err := parseEvaluation(raw)
	if err != nil {
		return nil, fmt.Errorf("hub: evaluation: %s: %w", file, err)
	}
	return e, nil
}

func parseEvaluation(raw []byte) (*Evaluation, error) {
	var in struct {
		Cases  json.RawMessage `json:"cases"`
		Labels []LabelScore    `json:"labels"`
		Mean   *Scores         `json:"mean"`
		// of a classifier's report
		Classification *Scores `json:"classification"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	if in.Mean == nil && in.Classification != nil {
		in.Mean = &Scores{Accuracy: in.Classification.Accuracy}
	}
	if in.Mean == nil || in.Cases == nil {
		return nil, errors.New(`want "cases", "labels" and "mean" as nitrain evaluate --json prints them`)
	}
	e := &Evaluation{Labels: in.Labels, Mean: *in.Mean}
	if json.Unmarshal(in.Cases, &e.Cases) == nil {
		return e, nil
	}
	var cases []json.RawMessage
	if err := json.Unmarshal(in.Cases, &cases); err != nil {
		return nil, err
	}
	e.Cases = len(cases)
	return e, nil
}
