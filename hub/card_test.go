package hub

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// writeRun writes a run folder whose cases have names that must not be shared.
func writeRun(t *testing.T, model, data string) string {
	t.Helper()
	dir := t.TempDir()
	run := `{"tool":"nitrain v0.1.0","created":"2026-01-02T03:04:05Z","device":"cpu","seed":7,"model":{"name":"/home/dr/MILLER^ANNA/unet.onnx","sha256":"` + model +
		`"},"data":{"sha256":"` + data + `","train":[{"id":"MILLER^ANNA","images":["/data/MILLER/t1.nii"]},{"id":"b"}],"valid":[{"id":"c"}]},` +
		`"arguments":{"steps":500,"lr":0.001,"order":["MILLER^ANNA"]},"versions":{"go":"go1.26"}}`
	status := `{"state":"finished","step":500,"steps":500,"best":0.93,"best_step":450,"text":"MILLER^ANNA"}`
	for name, text := range map[string]string{"run.json": run, "status.json": status} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const report = `{"cases":[{"id":"MILLER^ANNA","labels":[]},{"id":"b","labels":[]}],"labels":[{"value":1,"name":"spleen | \"left\"","dice":0.91,"iou":0.83,` +
	`"precision":null,"sensitivity":0.9,"hd95_mm":null,"assd_mm":null,"volume_error":0.1,"cases":2,"missed":0}],` +
	`"mean":{"dice":0.91,"iou":0.83,"precision":null,"sensitivity":0.9,"hd95_mm":null,"assd_mm":null,"volume_error":0.1}}`

func TestRunAndEvaluationTravelWithoutNames(t *testing.T) {
	evaluation := filepath.Join(t.TempDir(), "scores.json")
	if err := os.WriteFile(evaluation, []byte(report), 0o644); err != nil {
		t.Fatal(err)
	}
	src := Source{Model: writeModel(t, 2048, 1), Run: writeRun(t, "aaaa1111", "dddd2222"), Evaluation: evaluation}
	h := newHub(t)
	if _, err := h.Push(context.Background(), src, ref(t, "unet:v1")); err != nil {
		t.Fatal(err)
	}
	m, err := h.Show(context.Background(), ref(t, "unet:v1"))
	if err != nil {
		t.Fatal(err)
	}
	r := m.Run
	if r == nil || r.Seed != 7 || r.Data.Train != 2 || r.Data.Valid != 1 || r.Status.Step != 500 || *r.Status.Best != 0.93 || r.Model.Name != "unet.onnx" || len(r.SHA256) != 64 {
		t.Errorf("got the run %+v", r)
	}
	if e := m.Evaluation; e == nil || e.Cases != 2 || *e.Mean.Dice != 0.91 || e.Mean.Precision != nil {
		t.Errorf("got the evaluation %+v", e)
	}
	entries, err := os.ReadDir(h.blobs())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(h.blobs(), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), "MILLER") {
			t.Errorf("a case's name is in %.300s", raw)
		}
	}
	src.Run = writeRun(t, "bbbb", "dddd2222")
	if _, err := h.Push(context.Background(), src, ref(t, "unet:v1")); err == nil || !strings.Contains(err.Error(), "started from model bbbb") {
		t.Errorf("want a run of another model refused, got %v", err)
	}
	src.Run = writeRun(t, "aaaa1111", "eeee")
	if _, err := h.Push(context.Background(), src, ref(t, "unet:v1")); err == nil || !strings.Contains(err.Error(), "trained on data eeee") {
		t.Errorf("want a run on other data refused, got %v", err)
	}
}

// header reads a card's YAML.
func header(t *testing.T, card []byte) map[string]any {
	t.Helper()
	_, rest, _ := strings.Cut(string(card), "---\n")
	text, _, ok := strings.Cut(rest, "\n---\n")
	out := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &out); err != nil || !ok {
		t.Fatalf("the header is no YAML: %v: %s", err, text)
	}
	return out
}

func cardOf(t *testing.T, change func(*Spec)) Card {
	t.Helper()
	s, err := parseSpec([]byte(spec))
	if err != nil {
		t.Fatal(err)
	}
	change(s)
	e, err := parseEvaluation([]byte(report))
	if err != nil {
		t.Fatal(err)
	}
	run, err := ReadRun(writeRun(t, "aaaa1111", "dddd2222"))
	if err != nil {
		t.Fatal(err)
	}
	return Card{
		Name: "brain/unet:v1", Ref: "oci://h/brain/unet:v1", Licence: "Apache-2.0", Spec: s, Run: run, Evaluation: e,
		Model: ModelFacts{File: "model.onnx", SHA256: "ab", Opset: 17, Inputs: []Port{{"x", "float32", []string{"1", "?"}}}},
	}
}

func TestCard(t *testing.T) {
	card := cardOf(t, func(s *Spec) { s.Provenance.Source = "hf://MONAI/spleen_ct@abc/model.onnx" }).Markdown()
	head := header(t, card)
	for key, want := range map[string]any{"license": "apache-2.0", "library_name": "onnx", "pipeline_tag": "image-segmentation", "base_model": "MONAI/spleen_ct"} {
		if head[key] != want {
			t.Errorf("%s: want %v, got %v", key, want, head[key])
		}
	}
	raw, err := json.Marshal(head["model-index"])
	if err != nil || !strings.Contains(string(raw), `{"name":"Dice","type":"dice","value":0.91}`) {
		t.Errorf("want the scores in the model index, got %s, %v", raw, err)
	}
	for _, want := range []string{
		"## Model Details", "## Uses", "## Bias, Risks, and Limitations", "## How to Get Started with the Model", "## Training Details",
		"## Evaluation", "## Model Examination", "## Technical Specifications", "`aaaa1111`", "`dddd2222`", "only 41 cases", "| 1 spleen \\| ", "| lr | 0.001 |", "not a medical device",
	} {
		if !strings.Contains(strings.ToLower(string(card)), strings.ToLower(want)) {
			t.Errorf("want %q in the card:\n%s", want, card)
		}
	}
}

// TestCardHoldsForeignText gives names that try to be YAML, Markdown, HTML and shell.
func TestCardHoldsForeignText(t *testing.T) {
	evil := "x\n---\nlicense: mit\n# <script>alert(1)</script> `rm -rf /` [a](javascript:b) | c\u2028d\x00 \xff'$(reboot)"
	c := cardOf(t, func(s *Spec) {
		s.Labels[1].Name, s.Input.Channels[0].Modality, s.Provenance.Source = evil, evil, evil
	})
	c.Name, c.Ref, c.Licence, c.Description, c.Model.File, c.Model.Producer = evil, evil, evil, evil, evil, evil
	card := c.Markdown()
	head := header(t, card)
	if head["license"] != "other" || head["pipeline_tag"] != "image-segmentation" {
		t.Errorf("the text got into the header: %v", head)
	}
	text := string(card)
	if strings.Contains(text, "<script") || strings.Count(text, "\n---\n") != 1 || strings.Contains(text, "\x00") {
		t.Errorf("the text got into the card:\n%s", text)
	}
	if strings.Count(text, "```") != 2 {
		t.Errorf("want one block of commands:\n%s", text)
	}
}

func TestEmptyCard(t *testing.T) {
	card := Card{Name: "m"}.Markdown()
	if head := header(t, card); head["license"] != "unknown" {
		t.Errorf("got the header %v", head)
	}
}

// TestCardPython lets huggingface_hub read the card.
func TestCardPython(t *testing.T) {
	python := os.Getenv("NITRAIN_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import huggingface_hub").Run(); err != nil {
		t.Skipf("%s has no huggingface_hub (set NITRAIN_PYTHON)", python)
	}
	path := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(path, cardOf(t, func(*Spec) {}).Markdown(), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", `import sys
from huggingface_hub import ModelCard
c = ModelCard.load(sys.argv[1])
r = c.data.eval_results
assert c.data.license == "apache-2.0" and c.data.pipeline_tag == "image-segmentation" and c.data.tags == ["medical", "onnx", "nitrain", "MR"], c.data
assert c.data.model_name == "brain/unet:v1" and r[0].metric_type == "dice" and r[0].metric_value == 0.91 and r[0].dataset_name == "2 cases", r`, path).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestEvaluationOfAClassifier(t *testing.T) {
	e, err := parseEvaluation([]byte(`{"task":"classification","cases":[{"id":"a"},{"id":"b"}],"classification":{"accuracy":0.75,"precision":0.5}}`))
	if err != nil {
		t.Fatal(err)
	}
	if e.Cases != 2 || e.Mean.Accuracy == nil || *e.Mean.Accuracy != 0.75 || e.Mean.Precision != nil {
		t.Errorf("got %+v", e)
	}
}
