package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/explain"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/view"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict"
)

// explainFlags are the flags of explain.
type explainFlags struct {
	out, method, target, spec string
	layer, window, stride     string
	atlas, regions, report    string
	steps                     int
	baseline                  float32
	signed, sanity, trusted   bool
	methods                   []explain.Method
	aim                       explain.Target
	atlasImage                *imageio.Image
	names                     map[int]string
	labels                    []view.Label // those of the model's Spec, with their colours
}

// explained is what is said about one method.
type explained struct {
	explain.Finding
	Output string `json:"output,omitempty"`
	Table  string `json:"table,omitempty"`
}

func (a *app) explain() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain MODEL SCAN -o HEAT.nii.gz",
		Short: "Show which parts of a scan a model's answer rests on",
		Long: `Attributes a score of the model to the voxels of a scan and writes the map on the scan's own grid. Volumes go through
the model's own sliding window. Gradient methods (saliency, ig, smoothgrad, gradcam) run a gradient model, which is made
at the first use and kept in MODEL.explain; occlusion needs the model alone. The channels of one scan are given as one
argument with commas between the files; several methods too, and each output then carries its method's name.

Targets: class:LABEL, mask:LABEL (the voxels that the model gives that label), voxel:X,Y,Z (indices of the scan),
region:ATLAS:VALUE; the last two may end in @LABEL. Without one: the class that the model picks, or everything it segments.

` + exitHelp,
		Example: `  nitrain explain model.onnx scan.nii.gz --method ig --target mask:4 -o heat.nii.gz
  nitrain explain model.onnx scan.nii.gz --method saliency,gradcam --report report.html --sanity
  nitrain explain class.onnx scan.nii.gz --method occlusion --window 8,8,8 --atlas dkt.nii.gz:dkt.tsv --regions table.csv`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runExplain(cmd.Context(), f, args[0], args[1])
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.out, "output", "o", "", "attribution `FILE` to write (NIfTI)")
	flags.StringVar(&f.method, "method", "saliency", "saliency, ig, smoothgrad, gradcam, occlusion; several with commas")
	flags.StringVar(&f.target, "target", "", "class:LABEL, mask:LABEL, voxel:X,Y,Z or region:ATLAS:VALUE")
	flags.StringVar(&f.spec, "spec", "", "`FILE` with a Spec to follow instead of the model's own")
	flags.IntVar(&f.steps, "steps", 0, "steps of ig (default 32), samples of smoothgrad (default 25)")
	flags.Float32Var(&f.baseline, "baseline", 0, "intensity of the prepared image that stands for nothing, of ig and occlusion")
	flags.StringVar(&f.layer, "layer", "", "`NAME` of a value, node or module for gradcam (default: the last feature map before the head)")
	flags.BoolVar(&f.signed, "signed", false, "keep negative values of gradcam")
	flags.StringVar(&f.window, "window", "", "voxels `X,Y,Z` of the prepared image that occlusion covers (default: an eighth)")
	flags.StringVar(&f.stride, "stride", "", "voxels `X,Y,Z` between occlusions (default: the window)")
	flags.StringVar(&f.atlas, "atlas", "", "label image for the table, with names: `ATLAS[:LABELS.tsv]` (default: what the model segments)")
	flags.StringVar(&f.regions, "regions", "", "table of regions to write, a CSV `FILE`")
	flags.BoolVar(&f.sanity, "sanity", false, "explain again with random weights and say how alike the maps are")
	flags.StringVar(&f.report, "report", "", "page with overlays, table and sanity check to write, an HTML `FILE`")
	flags.BoolVar(&f.trusted, "trust", false, "open the model without trying it in a child process first")
	return cmd
}

// parse reads what the flags say, before any work is done.
func (f *explainFlags) parse(seed uint64) error {
	if f.out == "" && f.regions == "" && f.report == "" {
		return usageError{errors.New("want a result to write: -o FILE, --regions FILE or --report FILE")}
	}
	window, err := parseSizes("--window", f.window)
	if err != nil {
		return err
	}
	stride, err := parseSizes("--stride", f.stride)
	if err != nil {
		return err
	}
	if err := pathFlags(f.steps, f.baseline); err != nil {
		return err
	}
	for name := range strings.SplitSeq(f.method, ",") {
		m, err := explain.ParseMethod(strings.TrimSpace(name))
		if err != nil {
			return usageError{err}
		}
		switch v := m.(type) {
		case explain.IntegratedGradients:
			v.Steps, v.Baseline = f.steps, f.baseline
			m = v
		case explain.SmoothGrad:
			v.Samples, v.Seed = f.steps, seed
			m = v
		case explain.GradCAM:
			v.Layer, v.Signed = f.layer, f.signed
			m = v
		case explain.Occlusion:
			v.Window, v.Stride, v.Baseline = window, stride, f.baseline
			m = v
		}
		f.methods = append(f.methods, m)
	}
	if f.aim, err = explain.ParseTarget(f.target); err != nil {
		return usageError{err}
	}
	return nil
}

// parseSizes reads "x,y,z" or one number for all.
func parseSizes(flag, text string) (v [3]int, err error) {
	if text == "" {
		return v, nil
	}
	parts := strings.Split(text, ",")
	if len(parts) == 1 {
		parts = []string{text, text, text}
	}
	if len(parts) == 2 {
		parts = append(parts, "1")
	}
	for i, p := range parts {
		if i < 3 {
			v[i], err = strconv.Atoi(strings.TrimSpace(p))
		}
		if err != nil || len(parts) != 3 || v[i] < 1 {
			return v, usageError{fmt.Errorf("%s: want X,Y,Z of 1 or more, got %q", flag, text)}
		}
	}
	return v, nil
}

// load reads the atlases.
func (f *explainFlags) load() error {
	var err error
	if f.aim.Path != "" {
		if f.aim.Atlas, err = imageio.ReadLabel(f.aim.Path); err != nil {
			return err
		}
	}
	if f.atlas == "" {
		return nil
	}
	path, table := f.atlas, ""
	if _, err := os.Stat(path); err != nil {
		if at := strings.LastIndexByte(path, ':'); at > 0 {
			path, table = path[:at], path[at+1:]
		}
	}
	if f.atlasImage, err = imageio.ReadLabel(path); err != nil {
		return err
	}
	if table != "" {
		if f.names, err = explain.ReadNames(table); err != nil {
			return badDataError{err}
		}
	}
	return nil
}

func (a *app) runExplain(ctx context.Context, f explainFlags, model, scan string) error {
	if err := f.parse(a.seed); err != nil {
		return err
	}
	if err := errors.Join(outputs(f.out, f.regions, f.report), named(f.out, imageio.Extensions()...)); err != nil {
		return err
	}
	var images []*imageio.Image
	for file := range strings.SplitSeq(scan, ",") {
		if same(file, f.out) {
			return usageError{fmt.Errorf("%s: want another name for the result: it would replace the scan", file)}
		}
		im, err := imageio.Read(file)
		if err != nil {
			return err
		}
		images = append(images, im)
	}
	if err := f.load(); err != nil {
		return err
	}
	e, err := a.openExplainer(model, f)
	if err != nil {
		return err
	}
	defer e.Close()
	p, err := e.Problem(ctx, images, f.aim)
	if err != nil {
		return err
	}
	if err := a.ownAtlas(ctx, &f, e, images); err != nil {
		return err
	}
	var results []explained
	for _, m := range f.methods {
		r, err := a.explainOne(ctx, f, p, m)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	if f.report != "" {
		if err := writeExplanation(f, filepath.Base(model), images[0], results); err != nil {
			return err
		}
	}
	return a.result(map[string]any{"model": model, "scan": scan, "results": results}, func(w io.Writer) { printExplained(w, results) })
}

func (a *app) openExplainer(model string, f explainFlags) (*explain.Explainer, error) {
	provider, err := a.provider()
	if err != nil {
		return nil, usageError{err}
	}
	o := explain.Options{Options: ort.Options{Provider: provider, Threads: a.threads, Untrusted: !f.trusted}}
	if f.spec != "" {
		spec, err := readSpecFile(f.spec)
		if err != nil {
			return nil, err
		}
		o.Spec = &spec
	}
	return explain.Open(model, o)
}

// ownAtlas takes what the model segments for the atlas, where a table is wanted and none is given.
func (a *app) ownAtlas(ctx context.Context, f *explainFlags, e *explain.Explainer, images []*imageio.Image) error {
	spec := e.Spec()
	if f.atlasImage != nil || f.regions == "" && f.report == "" {
		return nil
	}
	if spec.Task != predict.Segmentation {
		if f.regions != "" {
			return usageError{errors.New("--regions: a classification has no regions of its own: give an --atlas")}
		}
		return nil
	}
	prepared, err := e.Predictor().Prepare(images...)
	if err != nil {
		return err
	}
	got, err := e.Predictor().PredictPrepared(ctx, prepared, predict.Request{})
	if err != nil {
		return err
	}
	for _, v := range got.Labels.Data {
		if v != 0 {
			f.atlasImage = got.Labels
			break
		}
	}
	if f.atlasImage == nil && f.regions != "" {
		return badDataError{errors.New("--regions: the model finds no label in this scan: give an --atlas")}
	}
	f.names, f.labels = map[int]string{}, viewLabels(spec)
	for _, l := range spec.Labels {
		f.names[l.Value] = l.Name
	}
	return nil
}

// explainOne runs one method and writes its files.
func (a *app) explainOne(ctx context.Context, f explainFlags, p *explain.Problem, m explain.Method) (explained, error) {
	bar := a.progress()
	p.Progress = func(done, total int) { bar.show("explain", done, total, m.Name(), map[string]any{"method": m.Name()}) }
	x, err := p.Explain(ctx, m)
	if err != nil {
		return explained{}, err
	}
	r := explained{Finding: explain.Finding{Explanation: x}}
	many := len(f.methods) > 1
	if f.out != "" {
		r.Output = outputOf(f.out, m.Name(), many)
		if err := imageio.Write(r.Output, x.Image); err != nil {
			return r, err
		}
	}
	if f.atlasImage != nil {
		if r.Regions, err = explain.Regions(x.Image, f.atlasImage, f.names); err != nil {
			return r, err
		}
	}
	if f.regions != "" {
		var text bytes.Buffer
		if err := explain.WriteRegions(&text, r.Regions); err != nil {
			return r, err
		}
		r.Table = outputOf(f.regions, m.Name(), many)
		if err := writeWhole(r.Table, text.Bytes()); err != nil {
			return r, err
		}
	}
	if f.sanity {
		if r.Sanity, err = p.Sanity(ctx, m, x, 0, a.seed); err != nil {
			return r, err
		}
	}
	bar.clear()
	return r, nil
}

// outputOf puts a method's name before the ending of a file's name where there are several methods.
func outputOf(file, method string, many bool) string {
	if !many {
		return file
	}
	base := stem(file)
	if base == file {
		base = strings.TrimSuffix(file, filepath.Ext(file))
	}
	return base + "_" + method + file[len(base):]
}

func writeExplanation(f explainFlags, model string, scan *imageio.Image, results []explained) error {
	r := explain.Report{Model: model, Scan: scan, Seg: f.atlasImage}
	r.Labels = f.labels
	if r.Labels == nil { // an atlas of its own
		for value, name := range f.names {
			r.Labels = append(r.Labels, view.Label{Value: value, Name: name})
		}
	}
	for _, x := range results {
		r.Findings = append(r.Findings, x.Finding)
	}
	var page bytes.Buffer
	if err := explain.WriteReport(&page, r); err != nil {
		return err
	}
	return writeWhole(f.report, page.Bytes())
}

func printExplained(w io.Writer, results []explained) {
	for _, r := range results {
		fmt.Fprintf(w, "%s of %s: score %.5g  (%.1f s)\n", r.Method, r.Target, r.Score, r.Seconds)
		if r.Output != "" {
			fmt.Fprintf(w, "  -> %s\n", r.Output)
		}
		if c := r.Completeness; c != nil {
			fmt.Fprintf(w, "  attributions sum to %.5g, the score rises by %.5g: %.2g apart\n", c.Sum, c.Rise, c.Error)
		}
		if len(r.Regions) > 0 {
			fmt.Fprintf(w, "  %6s  %-28s %9s %9s %7s %8s %6s\n", "label", "name", "voxels", "ml", "share", "density", "sign")
		}
		for _, g := range r.Regions {
			fmt.Fprintf(w, "  %6d  %-28s %9d %9.2f %7.4f %8.2f %+6.2f\n", g.Label, g.Name, g.Voxels, g.ML, g.Share, g.Density, g.Sign)
		}
		for _, s := range r.Sanity {
			fmt.Fprintf(w, "  %d layers random, down to %s: rank correlation %.3f, SSIM %.3f\n", s.Layers, s.Layer, s.Rank, s.SSIM)
		}
	}
}

// pathFlags refuses steps and baselines that no attribution can be made with.
func pathFlags(steps int, baseline float32) error {
	const most = 1 << 16
	if steps < 0 || steps > most {
		return usageError{fmt.Errorf("--steps: want 1 to %d, got %d", most, steps)}
	}
	if baseline-baseline != 0 { // NaN and the infinities
		return usageError{fmt.Errorf("--baseline: want a finite number, got %g", baseline)}
	}
	return nil
}
