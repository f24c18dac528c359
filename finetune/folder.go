package finetune

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/internal/record"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// sourceFile is the starting model in a run folder, so that a run can be resumed and exported whatever
// becomes of the file it was started from.
const sourceFile = "source.onnx"

// Info is run.json: what a run was started with.
type Info struct {
	Tool     string            `json:"tool"`
	Created  time.Time         `json:"created"`
	Device   string            `json:"device"`
	Seed     uint64            `json:"seed"`
	Model    ModelInfo         `json:"model"`
	Data     DataInfo          `json:"data"`
	Config   Config            `json:"arguments"`
	Versions map[string]string `json:"versions"`
}

// ModelInfo identifies the starting model.
type ModelInfo struct {
	Name   string `json:"name,omitempty"`
	SHA256 string `json:"sha256"`
}

// DataInfo holds the cases.
type DataInfo struct {
	SHA256 string         `json:"sha256"` // see dataset.Digest
	Train  []dataset.Case `json:"train"`
	Valid  []dataset.Case `json:"valid,omitempty"`
}

// Status is status.json: how far a run is.
type Status struct {
	State    string    `json:"state"` // running, finished, interrupted or failed
	Step     int       `json:"step"`
	Steps    int       `json:"steps"`
	Loss     float64   `json:"loss,omitempty"`
	Best     *float64  `json:"best,omitempty"`
	BestStep int       `json:"best_step,omitempty"`
	Elapsed  float64   `json:"elapsed"`
	Left     float64   `json:"left"`
	Text     string    `json:"text,omitempty"`
	Updated  time.Time `json:"updated"`
	Process  int       `json:"process"`
}

// Record makes a run folder for a Trainer that has not run yet. name is that of the model's file. A folder
// that holds a run already is an error with a hint.
func (t *Trainer) Record(folder, name string) (err error) {
	if t.path != "" {
		return fmt.Errorf("finetune: the run is recorded in %s already", t.path)
	}
	d, err := record.Create(folder)
	if err != nil {
		return err
	}
	t.dir = d
	defer func() {
		t.dir = nil
		err = errors.Join(err, d.Close())
	}()
	t.started = time.Now()
	if err := onnx.WriteFile(filepath.Join(folder, sourceFile), t.source.model); err != nil {
		return err
	}
	info, err := t.info(filepath.Join(folder, sourceFile), name)
	if err != nil {
		return err
	}
	if err := t.save(); err != nil {
		return err
	}
	// from here on the folder is a run that can be resumed
	if err := d.WriteJSON(record.Run, info); err != nil {
		return err
	}
	t.path, t.source.path, t.source.name = folder, filepath.Join(folder, sourceFile), name
	return t.tell(Event{Kind: Started, Steps: t.plan.Steps}, "interrupted", true)
}

func (t *Trainer) info(model, name string) (*Info, error) {
	sum, err := t.source.sha256(model)
	if err != nil {
		return nil, err
	}
	data, err := dataset.Digest(slices.Concat(t.train, t.valid))
	if err != nil {
		return nil, err
	}
	train, err := absolute(t.train)
	if err != nil {
		return nil, err
	}
	valid, err := absolute(t.valid)
	if err != nil {
		return nil, err
	}
	return &Info{
		Tool: tool(), Created: time.Now().UTC(), Device: t.backend.Name(), Seed: t.plan.Seed,
		Model: ModelInfo{Name: name, SHA256: sum}, Data: DataInfo{SHA256: data, Train: train, Valid: valid},
		Config: t.config, Versions: versions(),
	}, nil
}

// absolute makes paths that a resume finds from any folder.
func absolute(cases []dataset.Case) ([]dataset.Case, error) {
	out := slices.Clone(cases)
	for i := range out {
		out[i].Images = slices.Clone(out[i].Images)
		for j, p := range out[i].Images {
			abs, err := filepath.Abs(p)
			if err != nil {
				return nil, err
			}
			out[i].Images[j] = abs
		}
		abs, err := filepath.Abs(out[i].Label)
		if err != nil {
			return nil, err
		}
		out[i].Label = abs
	}
	return out, nil
}

// tool is the name and version of this program.
func tool() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return "nitrain " + b.Main.Version
	}
	return "nitrain"
}

// versions are those of what decides the numbers.
func versions() map[string]string {
	v := map[string]string{"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, m := range b.Deps {
			if strings.Contains(m.Path, "gomlx") || strings.Contains(m.Path, "onnxruntime") {
				v[m.Path] = m.Version
			}
		}
	}
	return v
}

// open takes hold of the run folder for a session.
func (t *Trainer) open() (err error) {
	if t.path != "" {
		t.dir, err = record.Open(t.path)
	}
	return err
}

func (t *Trainer) close() error {
	if t.dir == nil {
		return nil
	}
	err := t.dir.Close()
	t.dir = nil
	return err
}

// tell writes status.json: at once when urgent, otherwise every few seconds.
func (t *Trainer) tell(e Event, status string, urgent bool) error {
	if !urgent && time.Since(t.told) < 5*time.Second {
		return nil
	}
	t.told = time.Now()
	s := Status{
		State: status, Step: t.state.Step, Steps: t.plan.Steps, Loss: t.lastLoss(), BestStep: t.state.BestStep,
		Elapsed: e.Elapsed, Left: e.Left, Text: e.Text, Updated: time.Now().UTC(), Process: os.Getpid(),
	}
	if t.state.HasBest {
		s.Best = &t.state.Best
	}
	return t.dir.WriteJSON(record.Status, s)
}

func (t *Trainer) lastLoss() float64 {
	for _, v := range slices.Backward(t.history) {
		if v.Kind == Stepped {
			return v.Loss
		}
	}
	return 0
}

func (t *Trainer) resumeHint() string {
	if t.path == "" {
		return ""
	}
	return "continue with --resume " + t.path
}

// Folder is a run on the disk, running or not.
type Folder struct {
	Path string
	Info Info
}

// OpenFolder reads what a run folder was started with. A folder whose run never began wraps fs.ErrNotExist.
func OpenFolder(path string) (*Folder, error) {
	f := &Folder{Path: path}
	if err := record.ReadJSON(path, record.Run, &f.Info); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &hinted{fmt.Errorf("finetune: %s: no run has begun here: %w", path, err), "start it with `nitrain finetune MODEL --data DATA -o " + path + "`"}
		}
		return nil, err
	}
	return f, nil
}

// Status reads how far the run is.
func (f *Folder) Status() (Status, error) {
	var s Status
	err := record.ReadJSON(f.Path, record.Status, &s)
	return s, err
}

// Events reads what happened, each step once.
func (f *Folder) Events() ([]Event, error) {
	events, err := record.ReadEvents[Event](f.Path)
	if err != nil {
		return nil, err
	}
	last := 0
	for _, e := range events {
		last = max(last, e.Step)
	}
	return upTo(events, last), nil
}

// Resume prepares to continue the run where its last checkpoint stands; the same Backend settings give the
// same weights, bit for bit, as a run that was never interrupted. The data is checked again.
func (f *Folder) Resume(ctx context.Context, b *convert.Backend) (t *Trainer, err error) {
	m, err := onnx.ReadFile(filepath.Join(f.Path, sourceFile))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	i := f.Info
	now, err := dataset.Digest(slices.Concat(i.Data.Train, i.Data.Valid))
	if err == nil && now != i.Data.SHA256 {
		err = &hinted{fmt.Errorf("finetune: %s: the data is not what the run was started with", f.Path), "start a new run"}
	}
	if err != nil {
		return nil, err
	}
	if t, err = New(ctx, m, b, i.Data.Train, i.Data.Valid, i.Config); err != nil {
		return nil, err
	}
	t.path, t.source.path, t.source.owned = f.Path, filepath.Join(f.Path, sourceFile), true
	t.source.name = i.Model.Name
	if err = t.restore(f.Path); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Best returns the model with the weights that scored best, or the last ones where nothing was validated.
func (f *Folder) Best() (*onnx.Model, error) {
	if _, err := os.Stat(filepath.Join(f.Path, filepath.FromSlash(record.Best))); errors.Is(err, fs.ErrNotExist) {
		return f.Last()
	}
	return f.export(record.Best)
}

// Last returns the model with the weights of the last checkpoint.
func (f *Folder) Last() (*onnx.Model, error) { return f.export(record.Last) }

func (f *Folder) export(name string) (*onnx.Model, error) {
	c, err := record.ReadCheckpoint(f.Path, name)
	if err != nil {
		return nil, err
	}
	s := &source{path: filepath.Join(f.Path, sourceFile), name: f.Info.Model.Name}
	m, err := s.fresh()
	if err != nil {
		return nil, err
	}
	spec, err := predict.ReadSpec(m)
	if err != nil {
		return nil, err
	}
	p, err := newPlan(f.Info.Config, spec, f.Info.Data.Train, f.Info.Data.Valid)
	if err != nil {
		return nil, err
	}
	return exportCheckpoint(s, m, p, c, f.Info.Data.SHA256, f.Info.Model.SHA256)
}
