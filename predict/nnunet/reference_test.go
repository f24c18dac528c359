package nnunet

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// smallCase is a case of testdata/ref/nnunet.json: a pattern prepared, predicted by a formula in place of a network,
// and taken back by nnU-Net 2.8.1, its sums in single precision.
type smallCase struct {
	Name          string
	Plans         json.RawMessage
	Dataset       json.RawMessage
	Configuration string
	Size          [3]int
	Zooms         []float64
	Previous      bool
	Shape         []int // channels, z, y, x
	Prepared      []float64
	Labels        string
	Every         int
	Probabilities []float64
}

func smallCases(t testing.TB) []smallCase {
	t.Helper()
	raw, err := os.ReadFile("../../testdata/ref/nnunet.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []smallCase
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func (c smallCase) recipe(t *testing.T) *Recipe {
	t.Helper()
	r, err := Parse(c.Plans, c.Dataset, c.Configuration)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetMirror([]int{0, 1}); err != nil {
		t.Fatal(err)
	}
	return r
}

// image repeats nnunet.py's pattern, on an oblique grid in single precision, as files have it.
func (c smallCase) image(channels []int, kind imageio.Kind) *imageio.Image {
	s, k := math.Sincos(0.3)
	axes := [3][3]float64{{k, -s, 0}, {s, k, 0}, {0, 0, 1}}
	grid := imageio.Grid{Size: c.Size, Affine: imageio.Identity()}
	for row := range 3 {
		for col := range 3 {
			grid.Affine[row][col] = float64(float32(axes[row][col] * c.Zooms[col]))
		}
	}
	im := imageio.New(grid, len(channels), kind)
	im.Source = &imageio.Source{Format: "nifti1", Zooms: c.Zooms}
	n := c.Size
	for i, ch := range channels {
		for z := range n[2] - 1 {
			for y := 1; y < n[1]-1; y++ {
				for x := 2; x < n[0]-1; x++ {
					if hole := x >= n[0]/2-1 && x <= n[0]/2+1 && y == n[1]/2 && z == n[2]/2; !hole {
						v := (7*x + 13*y + 29*z + 3*x*y + 5*y*z + 11*ch) % 97 * 4
						im.Channel(i)[grid.Index(x, y, z)] = float32(v - 60)
					}
				}
			}
		}
	}
	return im
}

// images are the scan and, for a cascade, the previous stage's labels.
func (c smallCase) images(r *Recipe) []*imageio.Image {
	var channels []int
	for i := range r.ChannelNames() {
		channels = append(channels, i)
	}
	all := []*imageio.Image{c.image(channels, imageio.Intensity)}
	if c.Previous {
		previous := c.image(nil, imageio.Label)
		previous.Channels = 1
		for z := range c.Size[2] { // nnunet.py's blocks
			for y := range c.Size[1] {
				for x := range c.Size[0] {
					previous.Data = append(previous.Data, float32((x/4+2*(y/3)+z/4)%3))
				}
			}
		}
		all = append(all, previous)
	}
	return all
}

func TestReference(t *testing.T) {
	for _, c := range smallCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			r := c.recipe(t)
			spec, _, err := r.Spec()
			if err != nil {
				t.Fatal(err)
			}
			p, err := predict.New(spec, pointwise{&spec, c.Shape[0]})
			if err != nil {
				t.Fatal(err)
			}
			in, err := p.Prepare(c.images(r)...)
			if err != nil {
				t.Fatal(err)
			}
			size := in.Image.Grid.Size
			if got := []int{in.Image.Channels, size[2], size[1], size[0]}; !slices.Equal(got, c.Shape) {
				t.Fatalf("prepared: shape %v, want %v", got, c.Shape)
			}
			for i, want := range c.Prepared { // six digits are written; nnU-Net takes means in float32
				if got := float64(in.Image.Data[i]); math.Abs(got-want) > 2e-5*(1+math.Abs(want)) {
					t.Fatalf("prepared: voxel %d: %v, want %v", i, got, want)
				}
			}
			got, err := p.PredictPrepared(t.Context(), in, predict.Request{Probabilities: true, Mirror: true})
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range c.Probabilities {
				if got := float64(got.Probabilities.Data[i*c.Every]); math.Abs(got-want) > 2e-5 {
					t.Fatalf("probabilities: value %d: %v, want %v", i*c.Every, got, want)
				}
			}
			wrong := 0
			for i, v := range got.Labels.Data {
				if v != float32(c.Labels[i]-'0') {
					wrong++
				}
			}
			if wrong > 2 { // voxels where two scores are equal to the sixth digit
				t.Errorf("labels: %d of %d differ", wrong, len(c.Labels))
			}
		})
	}
}

// pointwise is nnunet.py's formula in place of a network.
type pointwise struct {
	spec   *predict.Spec
	inputs int
}

func (p pointwise) outputs() int {
	if p.spec.Decode.Pick == predict.Threshold {
		return len(p.spec.Labels) - 1
	}
	return len(p.spec.Labels)
}

func (p pointwise) info(name string, channels int) []onnx.ValueInfo {
	shape := []int{-1, channels}
	for range p.spec.Input.Layout {
		shape = append(shape, -1)
	}
	return []onnx.ValueInfo{{Name: name, DType: onnx.Float32, Shape: shape}}
}

func (p pointwise) Inputs() []onnx.ValueInfo  { return p.info("x", p.inputs) }
func (p pointwise) Outputs() []onnx.ValueInfo { return p.info("y", p.outputs()) }

func (p pointwise) Run(_ context.Context, in map[string]*onnx.Tensor) (map[string]*onnx.Tensor, error) {
	shape := in["x"].Shape()
	data, err := in["x"].Float32()
	if err != nil {
		return nil, err
	}
	n, last := 1, shape[len(shape)-1]
	for _, s := range shape[2:] {
		n *= s
	}
	out := make([]float32, 0, shape[0]*p.outputs()*n)
	for b := range shape[0] {
		for c := range p.outputs() {
			for i := range n {
				x := float32(0)
				for k := range p.inputs {
					x += data[(b*p.inputs+k)*n+i]
				}
				place := float32(i/(n/shape[2]))*0.05 + float32(i%last)*0.02
				if c == 1 {
					out = append(out, 0.8-0.5*max(x, -x))
				} else {
					out = append(out, x*float32(0.5*float64(c)-0.4)+place*float32(c-1)+float32(0.1*float64(c)))
				}
			}
		}
	}
	shape = append([]int{shape[0], p.outputs()}, shape[2:]...)
	y, err := onnx.FromFloat32(shape, out)
	return map[string]*onnx.Tensor{"y": y}, err
}
