package main

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/internal/digest"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict/evaluation"
)

// evaluateFlags are the flags of evaluate.
type evaluateFlags struct {
	data               dataFlags
	out, regions       []string
	spec, predictions  string
	nnunet, tolerance  string
	empty, interval    string
	surfaces, tta      bool
	ignore, resamples  int
	pictures           int
	confidence, spread float64
	ignored            func() bool // whether --ignore was given
}

func (f *evaluateFlags) register(cmd *cobra.Command) {
	f.data.register(cmd)
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.out, "output", "o", nil, "write the report to a `FILE`: .html (a page with pictures of the worst cases), .csv (a row for each case and label) or .json; may repeat")
	flags.StringVar(&f.predictions, "predictions", "", "instead of a model: finished segmentations, a `GLOB` or folder, compared with --labels or with --data")
	flags.StringVar(&f.nnunet, "nnunet-summary", "", "write what nnUNetv2_evaluate_folder writes as summary.json to a `FILE`")
	flags.StringVar(&f.spec, "spec", "", "`FILE` with a Spec to follow instead of the model's own; with --predictions: the labels' names and regions")
	flags.StringArrayVar(&f.regions, "region", nil, "with --predictions: compare the `NAME=VALUE,VALUE...` as one mask; may repeat")
	flags.BoolVar(&f.surfaces, "surfaces", true, "also surface distances and surface Dice")
	flags.StringVar(&f.tolerance, "tolerance", "2", "of surface Dice in `MM`: one number, or LABEL=MM,... by value or name of a label")
	flags.StringVar(&f.empty, "empty", "nnunet", "overlaps where the truth lacks a label: nnunet (0, nothing where both lack it), ignore (nothing, as MONAI) or one (0, 1 where both lack it)")
	flags.IntVar(&f.ignore, "ignore", 0, "leave out voxels whose truth has this `VALUE`")
	flags.IntVar(&f.resamples, "bootstrap", 2000, "resamples for the intervals over cases (0: no intervals)")
	flags.StringVar(&f.interval, "interval", "bca", "kind of the intervals: bca (corrected for bias and skewness) or percentile")
	flags.Float64Var(&f.confidence, "confidence", 0.95, "of the intervals")
	flags.IntVar(&f.pictures, "pictures", 6, "how many of the worst cases the page shows")
	flags.Float64Var(&f.spread, "range", 0, "of image tasks: largest less smallest possible intensity, for PSNR and SSIM (0: of each true image)")
	flags.BoolVar(&f.tta, "tta", false, "average over mirrored copies, along the axes that the Spec names")
	f.ignored = func() bool { return flags.Changed("ignore") }
}

// options checks the flags that say how cases are judged.
func (f *evaluateFlags) options(seed uint64) (evaluation.Options, error) {
	empty, err1 := metric.ParseEmpty(f.empty)
	method, err2 := metric.ParseMethod(f.interval)
	o := evaluation.Options{Surfaces: f.surfaces, Empty: empty, Range: f.spread, Mirror: f.tta}
	o.Interval = metric.Bootstrap{Resamples: f.resamples, Confidence: f.confidence, Method: method, Seed: seed}
	var err3 error
	switch {
	case f.resamples < 0 || f.resamples > 1_000_000:
		err3 = fmt.Errorf("--bootstrap: want 0 to 1000000, got %d", f.resamples)
	case !(f.confidence > 0 && f.confidence < 1):
		err3 = fmt.Errorf("--confidence: want a number between 0 and 1, got %g", f.confidence)
	case f.pictures < 0 || f.pictures > 1000:
		err3 = fmt.Errorf("--pictures: want 0 to 1000, got %d", f.pictures)
	case !(f.spread >= 0) || math.IsInf(f.spread, 0):
		err3 = fmt.Errorf("--range: want a number from 0, got %g", f.spread)
	}
	if f.ignored() {
		o.Ignore = &f.ignore
	}
	for _, file := range f.out {
		if strings.HasSuffix(strings.ToLower(file), ".html") {
			o.Pictures = f.pictures
		}
	}
	var err4 error
	o.Tolerance, o.Tolerances, o.NamedTolerances, err4 = parseTolerance(f.tolerance)
	return o, errors.Join(err1, err2, err3, err4)
}

// named refuses files whose names do not say a format.
func (f *evaluateFlags) named() error {
	var errs []error
	for _, file := range f.out {
		errs = append(errs, named(file, ".html", ".csv", ".json"))
	}
	return errors.Join(append(errs, named(f.nnunet, ".json"))...)
}

// source names the cases as the user did.
func (f *evaluateFlags) source() string {
	if f.data.data != "" {
		return f.data.data
	}
	return strings.Join(append(f.data.images, f.data.labels), " ")
}

// parseTolerance reads "2" or "liver=3,2=1.5,1": by name, by value, and the rest.
func parseTolerance(text string) (rest float64, byValue map[int]float64, byName map[string]float64, err error) {
	rest, byValue, byName = 2, map[int]float64{}, map[string]float64{}
	for part := range strings.SplitSeq(text, ",") {
		name, number, assigned := strings.Cut(part, "=")
		if !assigned {
			name, number = "", part
		}
		mm, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(mm >= 0) || math.IsInf(mm, 0) {
			return 0, nil, nil, fmt.Errorf("--tolerance: want MM or LABEL=MM,..., got %q", part)
		}
		if name = strings.TrimSpace(name); !assigned {
			rest = mm
		} else if v, err := strconv.Atoi(name); err == nil {
			byValue[v] = mm
		} else {
			byName[name] = mm
		}
	}
	return rest, byValue, byName, nil
}

// parseRegion reads "core=1,4".
func parseRegion(text string) (string, []int, error) {
	name, list, ok := strings.Cut(text, "=")
	var values []int
	for part := range strings.SplitSeq(list, ",") {
		v, err := strconv.Atoi(strings.TrimSpace(part))
		ok = ok && err == nil
		values = append(values, v)
	}
	if name = strings.TrimSpace(name); !ok || name == "" {
		return "", nil, fmt.Errorf("--region: want NAME=VALUE,VALUE..., got %q", text)
	}
	return name, values, nil
}

// identify adds what tells model, data and programs apart. What cannot be told is left out.
func (a *app) identify(about *evaluation.About, cases []dataset.Case) {
	if about.Model != "" {
		if sum, err := digest.File(about.Model); err == nil {
			about.ModelDigest = sum
		}
	}
	files := make([]dataset.Case, len(cases))
	for i, c := range cases {
		if files[i] = c; !exists(c.Label) { // a class or a number
			files[i].Label = ""
		}
	}
	if sum, err := dataset.Digest(files); err == nil {
		about.DataDigest = sum
	}
	about.Versions = map[string]string{"nitrain": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
	if about.Model == "" {
		return
	}
	if v, _, err := ort.Library(""); err == nil {
		about.Versions["onnxruntime"] = v
	}
}
