package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict"
)

// predictFlags are the flags of predict.
type predictFlags struct {
	out, grid, spec, volumes string
	probabilities, tta       bool
	trusted                  bool
	ensemble                 []string
}

// predicted is what is said about one scan.
type predicted struct {
	Scan          string                     `json:"scan"`
	Output        string                     `json:"output,omitempty"`
	Probabilities string                     `json:"probabilities,omitempty"`
	Seconds       float64                    `json:"seconds"`
	Volumes       []predict.Volume           `json:"volumes,omitempty"`
	Classes       []predict.ClassProbability `json:"classes,omitempty"`
	Error         string                     `json:"error,omitempty"`
}

func (a *app) predict() *cobra.Command {
	var f predictFlags
	cmd := &cobra.Command{
		Use:   "predict MODEL SCAN... -o OUT",
		Short: "Run a model on scans; the result lies on each scan's own grid",
		Long: `Prepares each scan as the model's Spec says, runs the model in onnxruntime, and writes the result on the scan's own
grid. SCAN is a file, a folder of scans or a DICOM series; the channels of one scan are given as one argument with commas between the
files. OUT is a file for one scan, a folder for several. One bad scan does not stop the others.

` + exitHelp,
		Example: `  nitrain predict tuned.onnx sub-01_T1w.nii.gz -o sub-01_seg.nii.gz
  nitrain predict tuned.onnx scans/ -o segmentations --volumes volumes.csv
  nitrain predict brats.onnx t1c.nii.gz,t1.nii.gz,t2.nii.gz,flair.nii.gz -o seg.nii.gz --probabilities`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runPredict(cmd.Context(), f, args[0], args[1:])
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.out, "output", "o", "", "`FILE` for one scan, folder for several (NIfTI; .dcm writes a DICOM segmentation for a DICOM scan)")
	flags.StringVar(&f.grid, "grid", "scan", "scan: the scan's own grid; model: the grid that the model saw")
	flags.StringVar(&f.spec, "spec", "", "`FILE` with a Spec to follow instead of the model's own")
	flags.BoolVar(&f.probabilities, "probabilities", false, "also write the probabilities of every class (OUT_probabilities.nii.gz)")
	flags.BoolVar(&f.tta, "tta", false, "average over mirrored copies, along the axes that the Spec names")
	flags.StringArrayVar(&f.ensemble, "ensemble", nil, "a further `MODEL` whose result is averaged in; may repeat")
	flags.StringVar(&f.volumes, "volumes", "", "write the volumes of all labels to a CSV `FILE`")
	flags.BoolVar(&f.trusted, "trust", false, "open the model without trying it in a child process first")
	return cmd
}

func (a *app) runPredict(ctx context.Context, f predictFlags, model string, args []string) error {
	space := predict.Scan
	switch f.grid {
	case "scan":
	case "model":
		space = predict.Model
	default:
		return usageError{fmt.Errorf("--grid: want scan or model, got %q", f.grid)}
	}
	scans, many, err := listScans(args)
	if err != nil {
		return err
	}
	if err := placed(f, scans, many); err != nil {
		return err
	}
	p, err := a.openPredictor(model, f.spec, !f.trusted, f.ensemble...)
	if err != nil {
		return err
	}
	defer p.Close()
	if f.out == "" && p.Spec().Task == predict.Segmentation {
		return usageError{errors.New("want a place for the result: -o FILE or folder")}
	}
	results := make([]predicted, 0, len(scans))
	var failed []error
	bar := a.progress()
	for i, scan := range scans {
		bar.begin()
		one := func(done, total int) {
			what, text := "predict", filepath.Base(scan[0])
			if len(scans) > 1 {
				what = fmt.Sprintf("predict %d of %d", i+1, len(scans))
			}
			bar.show(what, done, total, text, map[string]any{"scan": scan[0]})
		}
		result, err := a.predictOne(ctx, p, f, scan, many, predict.Request{Space: space, Probabilities: f.probabilities, Mirror: f.tta, Progress: one})
		if errors.Is(err, context.Canceled) {
			return err
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", scan[0], err)
			result.Error = err.Error()
			failed = append(failed, err)
			if len(scans) > 1 {
				bar.note("nitrain: predict: " + err.Error())
			}
		}
		results = append(results, result)
	}
	bar.clear()
	if f.volumes != "" {
		if err := writeVolumes(f.volumes, results); err != nil {
			return err
		}
	}
	if len(failed) > 0 && len(scans) == 1 {
		return failed[0]
	}
	err = a.result(map[string]any{"model": model, "cases": results}, func(w io.Writer) { printPredicted(w, results) })
	if err == nil && len(failed) > 0 {
		err = fmt.Errorf("%d of %d scans failed; the first: %w", len(failed), len(scans), failed[0])
	}
	return err
}

// placed refuses places for the results that cannot hold them, or that would destroy a scan or another result.
func placed(f predictFlags, scans [][]string, many bool) error {
	if err := errors.Join(parents(f.out), outputs(f.volumes)); err != nil || f.out == "" {
		return err
	}
	if !many {
		if err := errors.Join(outputs(f.out, f.volumes), named(f.out, imageEndings()...)); err != nil {
			return err
		}
	} else if stem(f.out) != f.out {
		return usageError{fmt.Errorf("%s: want a folder for the results of several scans, got the name of a file", f.out)}
	} else if info, err := os.Stat(f.out); err == nil && !info.IsDir() {
		return usageError{fmt.Errorf("%s: want a folder for the results of several scans, got a file", f.out)}
	}
	from := map[string]string{}
	for _, scan := range scans {
		out := f.place(scan, many)
		if other, twice := from[out]; twice {
			return usageError{fmt.Errorf("%s: want a result for each scan, got one name for %s and %s", out, other, scan[0])}
		}
		from[out] = scan[0]
		if err := belongs(out, scan[0]); err != nil {
			return err
		}
		for _, file := range scan {
			if same(file, out) {
				return usageError{fmt.Errorf("%s: want another name for the result: it would replace the scan", file)}
			}
		}
	}
	return nil
}

// place returns the file that holds a scan's result.
func (f predictFlags) place(scan []string, many bool) string {
	if many {
		return filepath.Join(f.out, stem(filepath.Base(scan[0]))+".nii.gz")
	}
	return f.out
}

// same reports whether two paths name one file that is there.
func same(a, b string) bool {
	one, err1 := os.Stat(a)
	other, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(one, other)
}

func (a *app) openPredictor(model, specFile string, untrusted bool, ensemble ...string) (*predict.Predictor, error) {
	provider, err := a.provider()
	if err != nil {
		return nil, usageError{err}
	}
	o := predict.Options{Ensemble: ensemble, Options: ort.Options{Provider: provider, Threads: a.threads, Untrusted: untrusted}}
	if specFile != "" {
		spec, err := readSpecFile(specFile)
		if err != nil {
			return nil, err
		}
		o.Spec = &spec
	}
	return predict.Open(model, o)
}

func readSpecFile(path string) (predict.Spec, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return predict.Spec{}, fmt.Errorf("spec: %w", err)
	}
	spec, err := predict.ParseSpec(raw)
	var fault *predict.SpecError
	if errors.As(err, &fault) && fault.Newer {
		return predict.Spec{}, fmt.Errorf("spec: %s: %w", path, err) // as it would be inside of a model
	}
	if err != nil {
		return predict.Spec{}, usageError{fmt.Errorf("spec: %s: %w", path, err)}
	}
	return spec, nil
}

// listScans expands folders and splits channels. many says that results go into a folder.
func listScans(args []string) (scans [][]string, many bool, err error) {
	many = len(args) > 1
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err == nil && info.IsDir() && !imageio.IsDICOM(arg) {
			many = true
			found, err := imagesIn(arg)
			if err != nil {
				return nil, false, err
			}
			for _, file := range found {
				scans = append(scans, []string{file})
			}
			continue
		}
		scans = append(scans, strings.Split(arg, ","))
	}
	return scans, many, nil
}

func imagesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.IsDir() && stem(e.Name()) != e.Name() || e.IsDir() && imageio.IsDICOM(path) {
			files = append(files, path)
		}
	}
	if len(files) == 0 {
		return nil, badDataError{fmt.Errorf("%s: no image files (.nii, .nii.gz, .mgz, .mgh, .hdr) and no DICOM series in this folder", dir)}
	}
	slices.Sort(files)
	return files, nil
}

// stem removes the endings of image files; another name stays as it is.
func stem(name string) string {
	for _, end := range []string{".nii.gz", ".nii", ".mgz", ".mgh", ".hdr", ".dcm"} {
		if cut, ok := strings.CutSuffix(name, end); ok {
			return cut
		}
	}
	return name
}

func (a *app) predictOne(ctx context.Context, p *predict.Predictor, f predictFlags, scan []string, many bool, r predict.Request) (predicted, error) {
	start := time.Now()
	result := predicted{Scan: strings.Join(scan, ",")}
	channels := make([]*imageio.Image, len(scan))
	for i, file := range scan {
		im, err := imageio.Read(file)
		if err != nil {
			return result, err
		}
		channels[i] = im
	}
	prepared, err := p.Prepare(channels...)
	if err != nil {
		return result, err
	}
	got, err := p.PredictPrepared(ctx, prepared, r)
	if err != nil {
		return result, err
	}
	out := f.place(scan, many)
	if many {
		if err := os.MkdirAll(f.out, 0o755); err != nil {
			return result, err
		}
	}
	if got.Labels != nil {
		if err := writeImage(out, got.Labels, scan[0], segments(p.Spec().Labels)); err != nil {
			return result, err
		}
		result.Output, result.Volumes = out, got.Volumes()
	}
	if got.Probabilities != nil && out != "" {
		name := stem(out) + "_probabilities" + ending(out)
		if err := writeImage(name, got.Probabilities, scan[0], classes(p.Spec(), got.Probabilities.Channels)); err != nil {
			return result, err
		}
		result.Probabilities = name
	}
	result.Classes = got.Classes
	result.Seconds = time.Since(start).Seconds()
	return result, nil
}

func printPredicted(w io.Writer, results []predicted) {
	for _, r := range results {
		if r.Error != "" {
			continue
		}
		switch {
		case r.Output != "":
			fmt.Fprintf(w, "%s -> %s  (%.1f s)\n", r.Scan, r.Output, r.Seconds)
		default:
			fmt.Fprintf(w, "%s  (%.1f s)\n", r.Scan, r.Seconds)
		}
		for _, v := range r.Volumes {
			fmt.Fprintf(w, "  %4d  %-24s %10.2f ml\n", v.Value, v.Name, v.ML)
		}
		for _, c := range r.Classes {
			mark := ' '
			if c.Picked {
				mark = '*'
			}
			fmt.Fprintf(w, "  %c %4d  %-24s %8.4f\n", mark, c.Value, c.Name, c.Probability)
		}
	}
}

func writeVolumes(path string, results []predicted) error {
	var text strings.Builder
	w := csv.NewWriter(&text)
	rows := [][]string{{"scan", "label", "name", "voxels", "ml"}}
	for _, r := range results {
		for _, v := range r.Volumes {
			rows = append(rows, []string{r.Scan, strconv.Itoa(v.Value), v.Name, strconv.Itoa(v.Voxels), strconv.FormatFloat(v.ML, 'g', 8, 64)})
		}
	}
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	return writeWhole(path, []byte(text.String()))
}
