package nnunet

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict"
)

// oracleCase is what testdata/gen/nnunet.py wrote about one case.
type oracleCase struct {
	Name          string
	Folder        string
	Configuration string
	Scans         []string
	Prepared      oracleArray
	Starts        [][3]int // in the network's axes
	Results       map[string]struct{ Labels, Probabilities oracleArray }
}

type oracleArray struct {
	File  string
	Shape []int
}

func (a oracleArray) read(t *testing.T, dir string) []float32 {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, a.File))
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, len(raw)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v
}

// oracle runs nnU-Net, or takes what it made before in the folder that NITRAIN_NNUNET names.
func oracle(t *testing.T) (string, []oracleCase) {
	t.Helper()
	dir := os.Getenv("NITRAIN_NNUNET")
	if dir == "" {
		python := os.Getenv("NITRAIN_PYTHON")
		if os.Getenv("NITRAIN_ACCEPTANCE") == "" || python == "" {
			t.Skip("nnU-Net's predictions take a minute: NITRAIN_ACCEPTANCE=1 and NITRAIN_PYTHON, a python that has nnunetv2, run them")
		}
		dir = t.TempDir()
		cmd := exec.Command(python, "../../testdata/gen/nnunet.py", dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("nnunet.py: %v: %s", err, out[max(0, len(out)-400):])
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []oracleCase
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return dir, all
}

// TestAgainstNNUNet compares window positions, prepared arrays, probabilities and labels with nnU-Net's predictor,
// once with its half-precision sums, and once with the same code in single precision.
func TestAgainstNNUNet(t *testing.T) {
	dir, cases := oracle(t)
	table := []string{"| case | configuration | prepared | probabilities, nnU-Net in single | in half | voxels off by more than 2e-3 | labels that differ: in single, in half | with a margin above 1e-3 |", "|---|---|---|---|---|---|---|---|"}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { table = append(table, c.compare(t, dir)...) })
	}
	t.Log("\n" + strings.Join(table, "\n"))
}

func (c oracleCase) compare(t *testing.T, dir string) (rows []string) {
	r, err := Open(filepath.Join(dir, c.Folder), "")
	if err != nil {
		t.Fatal(err)
	}
	spec, notes, err := r.Spec()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(notes)
	o := predict.Options{Spec: &spec}
	for _, f := range r.Folds[1:] {
		o.Ensemble = append(o.Ensemble, f.Path)
	}
	if _, _, err := ort.Library(""); err != nil {
		t.Skip(err)
	}
	p, err := predict.Open(r.Folds[0].Path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var scans []*imageio.Image
	for i, f := range c.Scans {
		read := imageio.Read
		if spec.Input.Cascade() && i == len(c.Scans)-1 {
			read = imageio.ReadLabel
		}
		im, err := read(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		scans = append(scans, im)
	}
	in, err := p.Prepare(scans...)
	if err != nil {
		t.Fatal(err)
	}
	want := c.Prepared.read(t, dir)
	size := in.Image.Grid.Size
	if got := []int{in.Image.Channels, size[2], size[1], size[0]}; !slices.Equal(got, c.Prepared.Shape) {
		t.Fatalf("prepared: shape %v, want %v", got, c.Prepared.Shape)
	}
	prepared := furthest(in.Image.Data, want) / float64(largest(want))
	if prepared > 1e-5 {
		t.Errorf("prepared: off by %.3g of the largest value", prepared)
	}
	c.positions(t, &spec, size)
	for _, tag := range []string{"", "_mirrored"} {
		single, ok := c.Results["single"+tag]
		if !ok {
			continue
		}
		half := c.Results["half"+tag]
		got, err := p.PredictPrepared(t.Context(), in, predict.Request{Probabilities: true, Mirror: tag != ""})
		if err != nil {
			t.Fatal(err)
		}
		s := compareScores(got, single.Probabilities.read(t, dir), single.Labels.read(t, dir))
		h := compareScores(got, half.Probabilities.read(t, dir), half.Labels.read(t, dir))
		if s.most > 2e-3 || s.clear > 0 {
			t.Errorf("%s: against single precision: probabilities off by %.3g, %d labels differ with a margin above 1e-3", tag, s.most, s.clear)
		}
		rows = append(rows, fmt.Sprintf("| %s%s | %s | %.1e | %.1e | %.1e | %.2f %% | %d, %d of %d | %d, %d |", c.Name, tag, c.Configuration,
			prepared, s.most, h.most, 100*h.far, s.differ, h.differ, len(got.Labels.Data), s.clear, h.clear))
	}
	return rows
}

// positions compares where windows begin, sorted, in the network's axes.
func (c oracleCase) positions(t *testing.T, spec *predict.Spec, size [3]int) {
	t.Helper()
	padded := size
	for a := range padded {
		padded[a] = max(padded[a], spec.Tile.Size[a])
	}
	boxes, err := spec.Tile.Tiling().Boxes(padded)
	if err != nil {
		t.Fatal(err)
	}
	axes := (&builder{Recipe: &Recipe{plan: plan{Forward: forward(t, spec)}}}).axes()
	got := make([][3]int, len(boxes))
	for i, b := range boxes {
		for k, a := range axes {
			got[i][k] = b.Start[a]
		}
	}
	order := func(a, b [3]int) int { return slices.Compare(a[:], b[:]) }
	slices.SortFunc(got, order)
	if !slices.Equal(got, c.Starts) {
		t.Errorf("windows begin at %v, want %v", got, c.Starts)
	}
}

// forward returns transpose_forward as the Spec's layout has it.
func forward(t *testing.T, spec *predict.Spec) []int {
	t.Helper()
	layout := string(spec.Input.Layout)
	if a, flat := spec.Input.Layout.Missing(); flat {
		layout = "xyz"[a:a+1] + layout
	}
	var f []int
	for _, l := range layout {
		f = append(f, 2-strings.IndexRune("xyz", l))
	}
	return f
}

type scoreDifference struct {
	most   float64 // of a probability
	far    float64 // part of the voxels where one differs by more than 2e-3
	differ int     // labels
	clear  int     // of these where the two largest probabilities differ by more than 1e-3
}

func compareScores(got *predict.Prediction, probabilities, labels []float32) scoreDifference {
	var d scoreDifference
	n := len(labels)
	for i := range n {
		first, second, most := 0.0, 0.0, 0.0
		for c := range got.Probabilities.Channels {
			p := float64(probabilities[i+c*n])
			most = max(most, math.Abs(p-float64(got.Probabilities.Data[i+c*n])))
			if len(probabilities) == n || got.Spec.Decode.Pick == predict.Threshold { // each against one half
				p = 0.5 - math.Abs(p-0.5)
				first, second = 0.5, max(second, p)
			} else if p > first {
				first, second = p, first
			} else {
				second = max(second, p)
			}
		}
		if most > 2e-3 {
			d.far += 1 / float64(n)
		}
		d.most = max(d.most, most)
		if got.Labels.Data[i] != labels[i] {
			d.differ++
			if first-second > 1e-3 {
				d.clear++
			}
		}
	}
	return d
}

func furthest(a, b []float32) float64 {
	most := 0.0
	for i := range a {
		most = max(most, math.Abs(float64(a[i])-float64(b[i])))
	}
	return most
}

func largest(v []float32) float32 {
	most := float32(0)
	for _, x := range v {
		most = max(most, x, -x)
	}
	return most
}
