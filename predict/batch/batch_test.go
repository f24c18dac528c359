package batch_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/batch"
)

func makeFolder(t testing.TB, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
}

// files lists every file and empty folder below dir, with slashes.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if entries, _ := os.ReadDir(path); !d.IsDir() || len(entries) == 0 {
			found = append(found, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return found
}

func collect(t testing.TB, out, format string, args ...string) []batch.Job {
	t.Helper()
	jobs, many, err := batch.Collect(args, out)
	if err == nil {
		jobs, err = batch.Place(jobs, out, many, format)
	}
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

// A folder run keeps the structure, goes on after a bad scan, has results in the order of the jobs, and what it writes is
// what the predictor says about each scan alone.
func TestRunFolder(t *testing.T) {
	dir := t.TempDir()
	scans, out := filepath.Join(dir, "scans"), filepath.Join(dir, "scans", "out")
	for i, name := range []string{"a.nii.gz", "s1/b.nii", "s1/t/c.nrrd", "s2/d.mha"} {
		writeScan(t, pattern(i, [3]int{7, 6, 5}), scans, name)
	}
	if err := os.WriteFile(filepath.Join(scans, "s1", "bad.nii.gz"), []byte("no scan"), 0o666); err != nil {
		t.Fatal(err)
	}
	makeFolder(t, out)
	writeScan(t, pattern(9, [3]int{7, 6, 5}), out, "earlier.nii.gz") // results are no scans
	p := newPredictor(t, &fake{})
	jobs := collect(t, out, "", scans)
	var told []string
	report, err := batch.Run(t.Context(), p, jobs, batch.Options{Record: filepath.Join(out, batch.RecordName), Events: func(e batch.Event) {
		if e.Kind != batch.Windows {
			told = append(told, string(e.Kind)+" "+e.Job.ID)
		}
	}})
	var failed *batch.FailedError
	if !errors.As(err, &failed) || len(failed.Failures) != 1 || !errors.Is(err, imageio.ErrNotThisFormat) || !strings.Contains(err.Error(), "1 of 5 scans failed:\n") {
		t.Fatalf("error %v", err)
	}
	want := []string{"finished a", "finished s1/b", "failed s1/bad", "finished s1/t/c", "finished s2/d"}
	if !slices.Equal(told, want) {
		t.Errorf("events %q, want %q", told, want)
	}
	if got := files(t, out); !slices.Equal(got, []string{"a.nii.gz", "earlier.nii.gz", "predict.jsonl", "s1/b.nii.gz", "s1/t/c.nii.gz", "s2/d.nii.gz"}) {
		t.Errorf("files %q", got)
	}
	for _, r := range report.Results {
		if r.Error != "" {
			continue
		}
		scan, err := imageio.Read(r.Scan)
		if err != nil {
			t.Fatal(err)
		}
		alone, err := p.Predict(t.Context(), scan)
		if err != nil {
			t.Fatal(err)
		}
		got, err := imageio.ReadLabel(r.Output)
		if err != nil || !slices.Equal(got.Data, alone.Labels.Data) || !got.Grid.Same(scan.Grid, 1e-4) {
			t.Errorf("%s: %v; its labels are not those of the scan alone", r.Output, err)
		}
		if r.Volumes[0] != alone.Volumes()[0] || r.Seconds <= 0 {
			t.Errorf("%s: volume %v in %g s, want %v", r.Scan, r.Volumes[0], r.Seconds, alone.Volumes()[0])
		}
	}
}

// One job's three images appear together or not at all, and folders that were made for nothing go again.
func TestNothingHalf(t *testing.T) {
	dir := t.TempDir()
	scan := writeScan(t, pattern(1, [3]int{7, 6, 5}), dir, "a.nii.gz")
	jobs := []batch.Job{{ID: "a", Images: []string{scan}, Output: filepath.Join(dir, "out", "deep", "a.nii.gz")}}
	makeFolder(t, filepath.Join(dir, "out2", "a_probabilities.nii.gz")) // a folder where a file must go
	wish := batch.Options{Request: predict.Request{Probabilities: true}}
	for out, good := range map[string]bool{"out/deep/a.nii.gz": true, "out2/a.nii.gz": false} {
		jobs[0].Output = filepath.Join(dir, out)
		before := files(t, filepath.Dir(jobs[0].Output))
		_, err := batch.Run(t.Context(), newPredictor(t, &fake{}), jobs, wish)
		var w *batch.WriteError
		if (err == nil) != good || !good && !errors.As(err, &w) {
			t.Fatalf("%s: %v", out, err)
		}
		after := files(t, filepath.Dir(jobs[0].Output))
		if good && !slices.Equal(after, []string{"a.nii.gz", "a_probabilities.nii.gz"}) || !good && !slices.Equal(before, after) {
			t.Errorf("%s: files %q", out, after)
		}
	}
	broken := newPredictor(t, &fake{outputs: 5})
	jobs[0].Output = filepath.Join(dir, "new", "deep", "a.nii.gz")
	_, err := batch.Run(t.Context(), broken, jobs, batch.Options{Record: filepath.Join(dir, "new", batch.RecordName)})
	if _, ok := errors.AsType[*predict.MismatchError](err); !ok {
		t.Fatalf("a model that contradicts its Spec: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a folder was made for nothing")
	}
}

// While a scan is computed the next is read and the last is written; never more.
func TestOverlap(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"a", "b", "c", "d"} {
		writeScan(t, pattern(i, [3]int{4, 4, 4}), dir, "scans", name+".nii")
	}
	reached := make(chan string, 16)
	p := newPredictor(t, &fake{before: func(context.Context) { reached <- "run" }})
	jobs := collect(t, filepath.Join(dir, "out"), "", filepath.Join(dir, "scans"))
	report, err := batch.Run(t.Context(), p, jobs, batch.Options{Memory: 1}) // room for nothing beside the computation
	if err != nil || len(report.Results) != 4 {
		t.Fatal(err)
	}
	if len(reached) != 4 {
		t.Errorf("%d runs of the model, want 4", len(reached))
	}
}

// The end of a run's context ends it within one run of the model; what was finished stays.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"a", "b", "c"} {
		writeScan(t, pattern(i, [3]int{12, 4, 4}), dir, "scans", name+".nii")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	m := &fake{}
	m.before = func(context.Context) {
		if m.runs.Load() == 7 { // five windows a scan
			stop()
		}
	}
	out := filepath.Join(dir, "out")
	jobs := collect(t, out, "", filepath.Join(dir, "scans"))
	_, err := batch.Run(ctx, newPredictor(t, m), jobs, batch.Options{Record: filepath.Join(out, batch.RecordName)})
	if !errors.Is(err, context.Canceled) || m.runs.Load() != 7 {
		t.Fatalf("%v after %d runs of the model; want the context's error after 7", err, m.runs.Load())
	}
	if got := files(t, out); !slices.Equal(got, []string{"a.nii.gz", "predict.jsonl"}) {
		t.Errorf("files %q", got)
	}
}
