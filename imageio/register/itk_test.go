package register

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

const reference = "../../testdata/ref/transforms"

// lps maps a point given in LPS, as ITK does.
func lps(m Map, p [3]float64) [3]float64 {
	q := m.Affine().Apply([3]float64{-p[0], -p[1], p[2]})
	return [3]float64{-q[0], -q[1], q[2]}
}

// TestReadMap: files of SimpleITK take points where SimpleITK takes them.
func TestReadMap(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(reference, "points.json"))
	if err != nil {
		t.Fatal(err)
	}
	var files map[string][]struct{ From, To [3]float64 }
	if err := json.Unmarshal(raw, &files); err != nil || len(files) < 10 {
		t.Fatal(len(files), err)
	}
	for name, points := range files {
		m, err := ReadMap(filepath.Join(reference, name))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, p := range points {
			got := lps(m, p.From)
			for i := range 3 {
				if math.Abs(got[i]-p.To[i]) > 1e-9*max(1, math.Abs(p.To[i])) {
					t.Errorf("%s: %v goes to %v, want %v", name, p.From, got, p.To)
					break
				}
			}
		}
	}
}

// TestWriteMap: what is written is read as the same map, the centre kept.
func TestWriteMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 20 {
		m, err := newMap(knownAffine(rng, [3]float64{10, -20, 30}, false), [3]float64{1, 2, -3})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"t.tfm", "t.mat", "t.txt"} {
			path := filepath.Join(t.TempDir(), name)
			if err := WriteMap(path, m); err != nil {
				t.Fatal(err)
			}
			got, err := ReadMap(path)
			if err != nil {
				t.Fatal(err)
			}
			if got.center != m.center {
				t.Errorf("%s: centre %v, want %v", name, got.center, m.center)
			}
			for r := range 3 {
				for c := range 4 {
					if math.Abs(got.Affine()[r][c]-m.Affine()[r][c]) > 1e-12*100 {
						t.Fatalf("%d %s: %v, want %v", i, name, got.Affine(), m.Affine())
					}
				}
			}
		}
	}
	if err := WriteMap(filepath.Join(t.TempDir(), "t.h5"), Map{}); err == nil {
		t.Error("a name of another format was accepted")
	}
}

// TestWrittenMapInSimpleITK asks SimpleITK where our files take a point; it is skipped where Python lacks it.
func TestWrittenMapInSimpleITK(t *testing.T) {
	python := os.Getenv("NITRAIN_PYTHON")
	if python == "" {
		python = "python3"
	}
	if exec.Command(python, "-c", "import SimpleITK").Run() != nil {
		t.Skip("SimpleITK is not installed for " + python + " (set NITRAIN_PYTHON)")
	}
	m, err := newMap(knownAffine(rand.New(rand.NewPCG(5, 6)), [3]float64{}, false), [3]float64{4, 5, 6})
	if err != nil {
		t.Fatal(err)
	}
	p := [3]float64{10, -20, 30}
	for _, name := range []string{"t.tfm", "t.mat"} {
		path := filepath.Join(t.TempDir(), name)
		if err := WriteMap(path, m); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(python, "-c", `import SimpleITK as s, sys, json
print(json.dumps(s.ReadTransform(sys.argv[1]).TransformPoint((10.,-20.,30.))))`, path).Output()
		var want [3]float64
		if err != nil || json.Unmarshal(out, &want) != nil {
			t.Fatalf("%s: %v %s", name, err, out)
		}
		got := lps(m, p)
		for i := range 3 {
			if math.Abs(got[i]-want[i]) > 1e-9 {
				t.Errorf("%s: SimpleITK takes %v to %v, we to %v", name, p, want, got)
			}
		}
	}
}

func TestBadMaps(t *testing.T) {
	affine := "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
	for content, want := range map[string]string{
		"":     "transforms: want one, or a CompositeTransform, got 0",
		"{}":   "want an ITK transform file",
		affine: "Parameters: want 12 for AffineTransform, got 0",
		affine + "Parameters: 1 0 0 0 1 0 0 0 0 0 0 0\nFixedParameters: 0 0 0\n": "singular",
		affine + "Parameters: 1 0 0 0 1 0 0 0 nan 0 0 0\n":                       `want finite numbers, got "nan"`,
		affine + "Parameters: 1 0 0 0 1 0 0 0 1 0 0 0\nFixedParameters: 0\n":     "FixedParameters: want 3, got 1",
		affine + affine: "want one, or a CompositeTransform, got 2",
		"#Insight Transform File V1.0\nParameters: 1\n":                          "want a line Transform before it",
		"#Insight Transform File V1.0\nTransform: AffineTransform_double_2_2\n":  "three-dimensional",
		"#Insight Transform File V1.0\nTransform: BSplineTransform_double_3_3\n": "want an affine one, got BSplineTransform",
		"\x89HDF\r\n\x1a\n":            "HDF5",
		strings.Repeat("a", maxFile+1): "want at most",
		"\x00\x00\x00\x00\xff\xff\xff\x7f\xff\xff\xff\x7f\x00\x00\x00\x00\x05\x00\x00\x00": "want an ITK transform file",
		"\x00\x00\x00\x00\x0c\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00": "matrix: want 101 bytes, got 0",
	} {
		path := filepath.Join(t.TempDir(), "t.tfm")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadMap(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, want %q", content[:min(len(content), 80)], err, want)
		}
	}
	if _, err := ReadMap(filepath.Join(t.TempDir(), "none.tfm")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// FuzzReadMap: whatever the bytes, a map that can be inverted or an error.
func FuzzReadMap(f *testing.F) {
	names, err := filepath.Glob(filepath.Join(reference, "*.[tm]*"))
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	path := filepath.Join(f.TempDir(), "t")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := ReadMap(path)
		if err != nil {
			return
		}
		if _, err := m.Affine().Inverse(); err != nil {
			t.Error(err)
		}
	})
}

// TestMapAlgebra: inverse and composition do to points what they say.
func TestMapAlgebra(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	a, _ := NewMap(knownAffine(rng, [3]float64{1, 2, 3}, false))
	b, _ := NewMap(knownAffine(rng, [3]float64{}, true))
	p := [3]float64{11, 12, 13}
	q := a.Affine().Apply(b.Affine().Apply(p))
	for i, v := range a.After(b).Affine().Apply(p) {
		if math.Abs(v-q[i]) > 1e-9 {
			t.Error("After", v, q[i])
		}
	}
	for i, v := range a.Inverse().Affine().Apply(a.Affine().Apply(p)) {
		if math.Abs(v-p[i]) > 1e-9 {
			t.Error("Inverse", v, p[i])
		}
	}
	if (Map{}).Affine() != imageio.Identity() {
		t.Error("the zero map is not the identity")
	}
	if _, err := NewMap(imageio.Affine{{1}}); err == nil {
		t.Error("a singular map was made")
	}
}
