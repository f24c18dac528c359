package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/view"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// viewFlags are the flags of view.
type viewFlags struct {
	out, seg, heat, labels, plane, window, title string
	grid, histogram                              bool
	channel                                      int
}

func (a *app) view() *cobra.Command {
	var f viewFlags
	cmd := &cobra.Command{
		Use:   "view SCAN -o PICTURE.png",
		Short: "Draw a scan in three planes, with what was found in it",
		Long: `Draws axial, coronal and sagittal planes through the content (or a --grid of slices), as radiologists look at them: the
patient's right on the left. A segmentation is laid over in its labels' colours with their volumes, a heat map with its scale.

` + exitHelp,
		Example: `  nitrain view scan.nii.gz -o look.png
  nitrain view scan.nii.gz --seg seg.nii.gz --labels model.onnx -o look.png
  nitrain view ct.nii.gz --window=abdomen --histogram -o ct.png
  nitrain view ct.nii.gz --window=-160,240 --grid --plane axial -o slices.png`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runView(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.out, "output", "o", "", "PNG `FILE` to write")
	flags.StringVar(&f.seg, "seg", "", "label map to lay over")
	flags.StringVar(&f.heat, "heat", "", "heat map to lay over")
	flags.StringVar(&f.labels, "labels", "", "names and colours of labels: a model with a Spec, or a Spec `FILE.json`")
	flags.BoolVar(&f.grid, "grid", false, "evenly spaced slices of one plane instead of three planes")
	flags.StringVar(&f.plane, "plane", "acquired", "of --grid: acquired, axial, coronal or sagittal")
	flags.StringVar(&f.window, "window", "", "intensities `LOW,HIGH` shown black and white, or a window of CT by name: brain, stroke, subdural, bone, lung, mediastinum, abdomen, liver, spine, angio (default: 1 and 99 %)")
	flags.BoolVar(&f.histogram, "histogram", false, "add how often intensities occur")
	flags.StringVar(&f.title, "title", "", "text above the picture")
	flags.IntVar(&f.channel, "channel", 0, "channel or time point of the scan")
	return cmd
}

func (a *app) runView(ctx context.Context, scan string, f viewFlags) error {
	if f.out == "" {
		return usageError{errors.New("want a picture to write: -o FILE.png")}
	}
	o := view.Options{Grid: f.grid, Histogram: f.histogram, Channel: f.channel, Title: f.title}
	var err error
	if o.Plane, err = parsePlane(f.plane); err != nil {
		return usageError{err}
	}
	if o.Window, err = parseWindow(f.window); err != nil {
		return usageError{err}
	}
	if err := errors.Join(outputs(f.out), named(f.out, ".png")); err != nil {
		return err
	}
	picture, err := interruptible(ctx, func() (image.Image, error) { return draw(scan, f, o) })
	if err != nil {
		return err
	}
	var raw bytes.Buffer
	if err := png.Encode(&raw, picture); err != nil {
		return err
	}
	if err := writeWhole(f.out, raw.Bytes()); err != nil {
		return err
	}
	size := picture.Bounds().Size()
	return a.result(map[string]any{"output": f.out, "width": size.X, "height": size.Y}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d x %d pixels\n", f.out, size.X, size.Y)
	})
}

// draw reads what the flags name and draws it.
func draw(scan string, f viewFlags, o view.Options) (image.Image, error) {
	im, err := imageio.Read(scan)
	if err != nil {
		return nil, err
	}
	if f.seg != "" {
		if o.Seg, err = imageio.ReadLabel(f.seg); err != nil {
			return nil, err
		}
	}
	if f.heat != "" {
		if o.Heat, err = imageio.Read(f.heat); err != nil {
			return nil, err
		}
	}
	if f.labels != "" {
		spec, err := labelSpec(f.labels)
		if err != nil {
			return nil, err
		}
		o.Labels = viewLabels(spec)
	}
	picture, err := view.Montage(im, o)
	if err != nil {
		return nil, badDataError{fmt.Errorf("%s: %w", scan, err)}
	}
	return picture, nil
}

// labelSpec reads the Spec of a model, or a Spec by itself.
func labelSpec(path string) (predict.Spec, error) {
	if strings.HasSuffix(path, ".json") {
		return readSpecFile(path)
	}
	m, err := onnx.ReadFile(path)
	if err != nil {
		return predict.Spec{}, err
	}
	defer m.Close()
	return predict.ReadSpec(m)
}

func viewLabels(spec predict.Spec) []view.Label {
	labels := make([]view.Label, 0, len(spec.Labels))
	for _, l := range spec.Labels {
		label := view.Label{Value: l.Value, Name: l.Name}
		if c, err := view.ParseColor(l.Color); err == nil {
			label.Color = c
		}
		labels = append(labels, label)
	}
	return labels
}

func parsePlane(name string) (view.Plane, error) {
	for _, p := range []view.Plane{view.Acquired, view.Axial, view.Coronal, view.Sagittal} {
		if strings.EqualFold(p.String(), name) {
			return p, nil
		}
	}
	return 0, fmt.Errorf("--plane: want acquired, axial, coronal or sagittal, got %q", name)
}

func parseWindow(text string) ([2]float64, error) {
	var w [2]float64
	if text == "" {
		return w, nil
	}
	low, high, ok := strings.Cut(text, ",")
	if preset, err := view.Window(text); err == nil {
		return preset, nil
	}
	var errs [2]error
	w[0], errs[0] = strconv.ParseFloat(low, 64)
	w[1], errs[1] = strconv.ParseFloat(high, 64)
	if !ok || errs[0] != nil || errs[1] != nil || !(w[0] < w[1]) {
		return w, fmt.Errorf("--window: want LOW,HIGH or the name of a window, got %q", text)
	}
	return w, nil
}
