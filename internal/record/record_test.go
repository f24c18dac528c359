package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/internal/atomicfile"
)

type line struct{ Step int }

func TestCreateRefusesForeignFolders(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir); err == nil || !strings.Contains(err.Error(), "thesis.txt") {
		t.Fatalf("want an error that names thesis.txt, got %v", err)
	}
	run := filepath.Join(t.TempDir(), "a", "b")
	d, err := Create(run)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = Create(run); err != nil {
		t.Fatalf("a folder whose run never began: %v", err)
	}
	if err := d.WriteJSON(Run, 1); err != nil {
		t.Fatal(err)
	}
	d.Close()
	var exists *ExistsError
	if _, err := Create(run); !errors.As(err, &exists) {
		t.Fatalf("want ExistsError, got %v", err)
	}
}

func TestEventsSurviveTornLines(t *testing.T) {
	run := t.TempDir()
	d, err := Create(run)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteJSON(Run, 1); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := d.Append(line{i}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(run); err == nil {
		t.Error("a second holder: want an error")
	}
	d.Close()
	whole, err := os.ReadFile(filepath.Join(run, Events))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) + 1 {
		if err := os.WriteFile(filepath.Join(run, Events), whole[:cut], 0o666); err != nil {
			t.Fatal(err)
		}
		before, err := ReadEvents[line](run)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Open(run)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Append(line{9}); err != nil {
			t.Fatal(err)
		}
		d.Close()
		after, err := ReadEvents[line](run)
		if err != nil || len(after) != len(before)+1 || after[len(before)].Step != 9 {
			t.Fatalf("cut at %d: before %v, after %v, %v", cut, before, after, err)
		}
	}
}

func TestCheckpointRoundTripAndDamage(t *testing.T) {
	run := t.TempDir()
	d, err := Create(run)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 160000)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	want := &Checkpoint{State: json.RawMessage(`{"step":7}`), Arrays: []Array{{"w", "float32", []int{200, 200}, data}, {"s", "int64", []int{}, data[:8]}, {"e", "float32", []int{0, 3}, nil}}}
	if err := d.WriteCheckpoint(Last, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadCheckpoint(run, Last)
	if err != nil {
		t.Fatal(err)
	}
	if string(got.State) != string(want.State) || len(got.Arrays) != 3 {
		t.Fatalf("got %s, %d arrays", got.State, len(got.Arrays))
	}
	if a := got.Arrays[0]; !bytes.Equal(a.Data, data) || a.Name != "w" || a.DType != "float32" || a.Shape[1] != 200 {
		t.Fatalf("got %s %s %v", a.Name, a.DType, a.Shape)
	}
	raw, err := os.ReadFile(filepath.Join(run, Last))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 7, 9, 30, len(raw) / 2, len(raw) - 1} {
		bad := bytes.Clone(raw)
		bad[at] ^= 4
		if _, err := decodeCheckpoint(bad); err == nil {
			t.Errorf("byte %d changed: want an error", at)
		}
	}
	for _, n := range []int{0, 8, 50, len(raw) - 1} {
		if _, err := decodeCheckpoint(raw[:n]); err == nil {
			t.Errorf("cut to %d: want an error", n)
		}
	}
	if _, err := ReadCheckpoint(run, Best); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: want ErrNotExist, got %v", err)
	}
}

func FuzzDecodeCheckpoint(f *testing.F) {
	var b bytes.Buffer
	if err := (&Checkpoint{State: json.RawMessage(`{}`), Arrays: []Array{{"w", "float32", []int{2}, make([]byte, 8)}}}).encode(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := decodeCheckpoint(raw); err == nil {
			var again bytes.Buffer
			if err := c.encode(&again); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestReplaceKeepsOldOnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := atomicfile.Write(path, func(w io.Writer) error { _, err := io.WriteString(w, "old"); return err }); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	if err := atomicfile.Write(path, func(w io.Writer) error { io.WriteString(w, "new"); return boom }); !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	if raw, _ := os.ReadFile(path); string(raw) != "old" {
		t.Fatalf("got %q", raw)
	}
}

func TestReportIsSelfContained(t *testing.T) {
	var b bytes.Buffer
	r := &Report{
		Title: `<script>alert("x")</script>`, Lead: "lead", Facts: [][2]string{{"lr", "1"}},
		Curves:   []Curve{{Title: "loss & such", Series: []Series{{Name: "a<b", X: []float64{1, 2, 3}, Y: []float64{1, math.NaN(), 3}}, {Name: "one", X: []float64{1}, Y: []float64{2}}}}, {Title: "empty"}},
		Pictures: []Picture{{"p", []byte("\x89PNG")}}, Tables: []Table{{"t", []string{"h"}, [][]string{{"v"}}}},
	}
	if err := r.Render(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, bad := range []string{"http://", "https://", "<script", "NaN", "a<b", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("page holds %q", bad)
		}
	}
	for _, good := range []string{"data:image/png;base64,iVBORw", "<path", "prefers-color-scheme: dark", "<td>v</td>"} {
		if !strings.Contains(page, good) {
			t.Errorf("page lacks %q", good)
		}
	}
}

func TestThinKeepsPeaks(t *testing.T) {
	s := Series{}
	for i := range 100000 {
		s.X, s.Y = append(s.X, float64(i)), append(s.Y, 0)
	}
	s.Y[54321] = 9
	thin := s.thin()
	if len(thin.Y) > mostPoints {
		t.Fatalf("got %d points", len(thin.Y))
	}
	for i, y := range thin.Y {
		if y == 9 && thin.X[i] == 54321 {
			return
		}
	}
	t.Error("the peak is gone")
}
