package transform

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// refRecord is a line of testdata/ref/transform.jsonl or steps.jsonl, which the scripts of testdata/gen make.
type refRecord struct {
	Image, Kind string // an input

	Case, Source, Input string // a case
	Steps               json.RawMessage
	Tol                 float64
	Start, Step         int   // which voxels are kept of a large result
	Sizes               []int // of components
	Onto                bool  // afterwards onto the input's grid

	Size     [3]int
	Channels int
	Affine   imageio.Affine
	Data     string
}

func (r refRecord) image(t *testing.T) *imageio.Image {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		t.Fatal(err)
	}
	im := imageio.New(imageio.Grid{Size: r.Size, Affine: r.Affine}, r.Channels, imageio.Intensity)
	if len(raw) != 4*len(im.Data) {
		t.Fatalf("%s%s: %d bytes for %d samples", r.Image, r.Case, len(raw), len(im.Data))
	}
	for i := range im.Data {
		im.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	if r.Kind == "label" {
		im.Kind = imageio.Label
	}
	return im
}

func readReference(t *testing.T, name string) (inputs map[string]*imageio.Image, cases []refRecord) {
	t.Helper()
	f, err := os.Open("../../testdata/ref/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	inputs = map[string]*imageio.Image{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var r refRecord
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		switch {
		case r.Image != "":
			inputs[r.Image] = r.image(t)
		case r.Case != "":
			cases = append(cases, r)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return inputs, cases
}

// part returns every step-th voxel of a channel along each axis, from start.
func part(im *imageio.Image, r refRecord) []float32 {
	var out []float32
	for z := range r.Size[2] {
		for y := range r.Size[1] {
			for x := range r.Size[0] {
				out = append(out, im.At(r.Start+x*r.Step, r.Start+y*r.Step, r.Start+z*r.Step, 0))
			}
		}
	}
	return out
}

// TestReference compares every step with the program that it is named after: MONAI, nibabel, SimpleITK, SciPy.
func TestReference(t *testing.T) { compareReference(t, "transform.jsonl") }

// TestReferenceOther does the same for the steps of steps.py: "@name" in a step is the input of that name, as a file.
func TestReferenceOther(t *testing.T) { compareReference(t, "steps.jsonl") }

func compareReference(t *testing.T, name string) {
	inputs, cases := readReference(t, name)
	dir := t.TempDir()
	for name, im := range inputs {
		if err := imageio.Write(filepath.Join(dir, name+".nii"), im); err != nil {
			t.Fatal(err)
		}
	}
	files := regexp.MustCompile(`"@(\w+)"`)
	for _, r := range cases {
		t.Run(r.Case, func(t *testing.T) {
			p, err := ParseSteps(files.ReplaceAll(r.Steps, []byte(`"`+filepath.ToSlash(dir)+`/$1.nii"`)))
			if err != nil {
				t.Fatal(err)
			}
			in := inputs[r.Input]
			before := slices.Clone(in.Data)
			got, err := p.Apply(in)
			if err != nil {
				t.Fatal(err)
			}
			if r.Onto {
				got = mustApply(t, Onto{Grid: in.Grid}, got)
			}
			if !slices.Equal(before, in.Data) {
				t.Fatal("the input was changed")
			}
			want := r.image(t)
			if r.Step > 0 {
				got = &imageio.Image{Grid: imageio.Grid{Size: r.Size, Affine: got.Grid.Affine}, Channels: 1, Data: part(got, r)}
			}
			compare(t, got, want, r.Tol)
			if r.Sizes != nil {
				regions, err := Components(in, p[0].(Keep).Connectivity)
				if err != nil || !slices.Equal(regions.Sizes, r.Sizes) {
					t.Errorf("components of sizes %v, %v; want %v", regions, err, r.Sizes)
				}
			}
		})
	}
}
