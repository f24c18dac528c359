package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/batch"
)

// predictFlags are the flags of predict.
type predictFlags struct {
	out, grid, spec, data       string
	format, volumes, statistics string
	provider                    string
	probabilities, tta          bool
	trusted, resume             bool
	ensemble                    []string
	memory                      memory
}

func (a *app) predict() *cobra.Command {
	var f predictFlags
	cmd := &cobra.Command{
		Use:   "predict MODEL SCAN... -o OUT",
		Short: "Run a model on scans; the result lies on each scan's own grid",
		Long: `Prepares each scan as the model's Spec says, runs the model, and writes the result on the scan's own grid. SCAN is a file, a
pattern in quotes ('scans/**/*.nii.gz'), a folder (searched to the bottom) or a DICOM series; of a DICOM folder with several series each
is a scan of its own, or one is named: folder#2. The channels of one scan are one argument with commas between the files; a list of
cases (--data) names them in columns.

OUT is a file for one scan, a folder for several, in which the scans' own folders are kept; for a classification or regression it is
a table, .csv or .json. The name or --format says the format; .dcm is a DICOM segmentation for a DICOM scan.

A folder run keeps a record (OUT/predict.jsonl) of what it finished: after a kill or a change, the same command with --resume computes
what is missing or no longer true. One bad scan does not stop the others: they are listed at the end.

` + exitHelp,
		Example: `  nitrain predict tuned.onnx sub-01_T1w.nii.gz -o sub-01_seg.nii.gz
  nitrain predict tuned.onnx scans/ -o segmentations --volumes volumes.csv --statistics statistics.csv
  nitrain predict tuned.onnx 'bids/**/*_T1w.nii.gz' -o segmentations --resume
  nitrain predict brats.onnx t1c.nii.gz,t1.nii.gz,t2.nii.gz,flair.nii.gz -o seg.nii.gz --probabilities
  nitrain predict brats.onnx --data cases.csv -o segmentations
  nitrain predict ct.onnx dicom/ -o segmentations --format dcm --memory 4GB
  nitrain predict density.onnx mammograms/ -o results.csv`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runPredict(cmd.Context(), f, args[0], args[1:])
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.out, "output", "o", "", "`FILE` for one scan, folder for several; FILE.csv or .json for classes and numbers")
	flags.StringVar(&f.data, "data", "", "cases instead of SCAN: a CSV or TSV `FILE` (columns image, image_2, ...), a Decathlon dataset.json")
	flags.StringVar(&f.format, "format", "", "of results in a folder: "+strings.Join(batch.Formats(), ", ")+" (default nii.gz, png for pictures)")
	flags.StringVar(&f.grid, "grid", "scan", "scan: the scan's own grid; model: the grid that the model saw")
	flags.StringVar(&f.spec, "spec", "", "`FILE` with a Spec to follow instead of the model's own")
	flags.BoolVar(&f.probabilities, "probabilities", false, "also write the probabilities of every class (OUT_probabilities.nii.gz)")
	flags.BoolVar(&f.tta, "tta", false, "average over mirrored copies, along the axes that the Spec names")
	flags.StringArrayVar(&f.ensemble, "ensemble", nil, "a further `MODEL` whose result is averaged in; may repeat")
	flags.StringVar(&f.volumes, "volumes", "", "write the volumes of all labels to a CSV `FILE`")
	flags.StringVar(&f.statistics, "statistics", "", "write place, shape and intensities of all labels to a `FILE`, .csv or .json")
	flags.StringVar(&f.provider, "provider", predict.Auto, "what runs the model: auto, cpu, openvino, cuda[:N] or engine")
	flags.Var(&f.memory, "memory", "`SIZE` that prediction may take, such as 4GB or 2500MB")
	flags.BoolVar(&f.resume, "resume", false, "leave out the scans that an earlier run into the same folder has finished")
	flags.BoolVar(&f.trusted, "trust", false, "open the model without trying it in a child process first")
	return cmd
}

func (a *app) runPredict(ctx context.Context, f predictFlags, model string, args []string) error {
	request, err := f.request()
	if err != nil {
		return err
	}
	jobs, many, err := f.jobs(args)
	if err != nil {
		return err
	}
	if many = many || f.inside(); f.out != "" {
		f.out = filepath.Clean(f.out)
	}
	if jobs, err = f.place(jobs, many); err != nil {
		return err
	}
	p, err := a.openModel(model, f.spec, predict.Options{
		Provider: f.provider, Memory: int64(f.memory), Ensemble: f.ensemble, Probabilities: f.probabilities, Options: ort.Options{Untrusted: !f.trusted},
	})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := f.suits(p.Spec().Task); err != nil {
		return err
	}
	bar := a.progress()
	if p.Provider().Name != "" {
		bar.note("provider: " + p.Provider().String())
	}
	report, err := batch.Run(ctx, p, jobs, batch.Options{
		Request: request, Memory: int64(f.memory), Statistics: f.statistics != "", Version: version,
		Record: f.record(many), Resume: f.resume, Models: append([]string{model}, f.ensemble...),
		Events: a.follow(bar, len(jobs)),
	})
	bar.clear()
	var failed *batch.FailedError
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	if failed != nil && len(failed.Failures) == len(jobs) {
		if len(jobs) == 1 {
			return failed.Failures[0].Err
		}
		return failed
	}
	if err := f.tables(report); err != nil {
		return err
	}
	summary := map[string]any{"model": model, "provider": p.Provider(), "cases": report.Results}
	return errors.Join(a.result(summary, func(w io.Writer) { printPredicted(w, report.Results) }), err)
}

// request checks the wishes.
func (f predictFlags) request() (predict.Request, error) {
	r := predict.Request{Probabilities: f.probabilities, Mirror: f.tta}
	switch f.grid {
	case "scan":
	case "model":
		r.Space = predict.Model
	default:
		return r, usageError{fmt.Errorf("--grid: want scan or model, got %q", f.grid)}
	}
	if f.format = strings.TrimPrefix(f.format, "."); f.format != "" && !slices.Contains(batch.Formats(), f.format) {
		return r, usageError{fmt.Errorf("--format: want one of %s, got %q", strings.Join(batch.Formats(), ", "), f.format)}
	}
	if err := predict.CheckProvider(f.provider); err != nil {
		return r, usageError{fmt.Errorf("--provider: %w", err)}
	}
	return r, nil
}

// jobs finds the scans. many says that results go into a folder.
func (f predictFlags) jobs(args []string) (jobs []batch.Job, many bool, err error) {
	switch {
	case f.data != "" && len(args) > 0:
		return nil, false, usageError{errors.New("--data and SCAN: want one of them")}
	case f.data != "":
		cases, err := dataset.Read(f.data)
		if err != nil {
			return nil, false, err
		}
		jobs, err := batch.FromCases(cases)
		return jobs, true, err
	case len(args) == 0:
		return nil, false, usageError{errors.New("want a scan: predict MODEL SCAN... -o OUT, or --data FILE")}
	default:
		return batch.Collect(args, f.out)
	}
}

// table reports whether the result is a table.
func (f predictFlags) table() bool {
	end := strings.ToLower(filepath.Ext(f.out))
	return end == ".csv" || end == ".json"
}

// inside reports whether the result of a single scan goes into a folder all the same.
func (f predictFlags) inside() bool {
	return isFolder(f.out) || strings.HasSuffix(f.out, string(filepath.Separator)) || strings.HasSuffix(f.out, "/")
}

// place gives the jobs their results' files, and refuses places that would not do.
func (f predictFlags) place(jobs []batch.Job, many bool) ([]batch.Job, error) {
	if err := errors.Join(parents(f.out), named(f.volumes, ".csv"), named(f.statistics, ".csv", ".json")); err != nil {
		return nil, err
	}
	for _, file := range []string{f.volumes, f.statistics} {
		if filepath.Dir(file) == filepath.Clean(f.out) && many {
			continue // the run makes this folder
		}
		if err := outputs(file); err != nil {
			return nil, err
		}
	}
	if f.out == "" || f.table() {
		return jobs, outputs(f.out, f.volumes, f.statistics)
	}
	if !many {
		if err := outputs(f.out, f.volumes, f.statistics); err != nil {
			return nil, err
		}
	}
	return batch.Place(jobs, f.out, many, strings.TrimPrefix(f.format, "."))
}

// record is the file that a later run can go on from: in a folder of results, or beside a table where --resume asks for it.
func (f predictFlags) record(many bool) string {
	switch {
	case f.table() && f.resume:
		return strings.TrimSuffix(f.out, filepath.Ext(f.out)) + "." + batch.RecordName
	case f.out == "" || f.table() || !many:
		return ""
	}
	return filepath.Join(f.out, batch.RecordName)
}

// suits refuses a place that cannot hold what the model gives.
func (f predictFlags) suits(task predict.Task) error {
	image := task == predict.Segmentation || task == predict.ImageToImage
	switch {
	case image && f.out == "":
		return usageError{errors.New("want a place for the result: -o FILE or folder")}
	case image && f.table():
		return usageError{fmt.Errorf("%s: the model gives an image: want the name of an image file, or of a folder for several", f.out)}
	case !image && f.out != "" && !f.table():
		return usageError{fmt.Errorf("%s: a %s gives a table: want a name that ends in .csv or .json", f.out, task)}
	case task != predict.Segmentation && (f.volumes != "" || f.statistics != ""):
		return usageError{fmt.Errorf("--volumes, --statistics: want a segmentation, the model is for %s", task)}
	}
	return nil
}

// openPredictor opens a model to be run by onnxruntime as it is.
func (a *app) openPredictor(model, specFile string, untrusted bool, ensemble ...string) (*predict.Predictor, error) {
	return a.openModel(model, specFile, predict.Options{Ensemble: ensemble, Options: ort.Options{Untrusted: untrusted}})
}

// openModel opens a model on the device and threads of the command line.
func (a *app) openModel(model, specFile string, o predict.Options) (*predict.Predictor, error) {
	provider, err := a.provider()
	if err != nil {
		return nil, usageError{err}
	}
	o.Options.Provider, o.Threads = provider, a.threads
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

// same reports whether two paths name one file that is there.
func same(a, b string) bool {
	one, err1 := os.Stat(a)
	other, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(one, other)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
