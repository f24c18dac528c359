package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/edit"
	"github.com/nitrain/nitrain/predict"
)

// editFlags are the flags of edit.
type editFlags struct {
	out      string
	classes  int
	keep     string
	maps     []string
	initial  string
	labels   string
	heads    []string
	channels int
	input    string
	cut      string
	add      []string
	rename   []string
	dynamic  []string
	trusted  bool
}

// editReport is what edit tells.
type editReport struct {
	Source   string        `json:"source"`
	Output   string        `json:"output"`
	Classes  *edit.Changes `json:"classes,omitempty"`
	Channels *edit.Changes `json:"in_channels,omitempty"`
	Ran      bool          `json:"ran"` // in onnxruntime, on random input
	Warnings []string      `json:"warnings"`
}

func (a *app) edit() *cobra.Command {
	var f editFlags
	cmd := &cobra.Command{
		Use:   "edit MODEL.onnx -o NEW.onnx",
		Short: "Change a model's classes, channels, ends and names",
		Long: `Changes the structure of a model: how many classes it has, with the weights of old classes kept or moved, in its head and in
everything behind that has a number for each class; how many channels it takes; where it ends and what it returns; names; and
which axes are free. What is not edited stays byte for byte. The result is run in onnxruntime before it is written; an edit that
is impossible names the nodes in the way. See docs/edit.md.

` + exitHelp,
		Example: `  nitrain edit unet.onnx -o five.onnx --classes 5 --keep 0,1
  nitrain edit unet.onnx -o three.onnx --classes 3 --keep 0 --map 4=1 --labels names.txt
  nitrain edit unet.onnx -o mono.onnx --in-channels 1 --dynamic batch,spatial
  nitrain edit resnet.onnx -o features.onnx --cut-at /avgpool/GlobalAveragePool`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.out == "" {
				return usageError{errors.New("want a file to write: -o NEW.onnx")}
			}
			return a.runEdit(cmd.Context(), args[0], f)
		},
	}
	f.register(cmd)
	return cmd
}

func (f *editFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.out, "output", "o", "", "ONNX `FILE` to write")
	flags.IntVar(&f.classes, "classes", 0, "new number of classes `N`")
	flags.StringVar(&f.keep, "keep", "", "old classes that stay what they are: `0,1`")
	flags.StringArrayVar(&f.maps, "map", nil, "`OLD=NEW`: an old class that goes on as another one (repeatable)")
	flags.StringVar(&f.initial, "init", "kaiming", "how new weights and biases start: `kaiming` (PyTorch's default), zero, or kaiming,zero")
	flags.StringVar(&f.labels, "labels", "", "`FILE` with the new classes' names, a JSON list or lines")
	flags.StringSliceVar(&f.heads, "of", nil, "`OUTPUT` whose classes change (repeatable; default: the first)")
	flags.IntVar(&f.channels, "in-channels", 0, "new number of input channels `N`")
	flags.StringVar(&f.input, "input", "", "`INPUT` whose channels change (default: the first)")
	flags.StringVar(&f.cut, "cut-at", "", "end the model at a `NODE`, value or module")
	flags.StringArrayVar(&f.add, "add-output", nil, "also return what a `NODE`, value or module makes (repeatable)")
	flags.StringArrayVar(&f.rename, "rename", nil, "`A=B`: another name for an input, output, value or node (repeatable)")
	flags.StringSliceVar(&f.dynamic, "dynamic", nil, "free axes: `batch,spatial` or one of them")
	flags.BoolVar(&f.trusted, "trust", false, "open the model without trying it in a child process first")
}

func (a *app) runEdit(ctx context.Context, src string, f editFlags) error {
	if err := outputs(f.out); err != nil {
		return err
	}
	if from, err := os.Stat(src); err == nil {
		if to, err := os.Stat(f.out); err == nil && os.SameFile(from, to) {
			return usageError{fmt.Errorf("%s: it is the source, which is never overwritten", f.out)}
		}
	}
	m, err := onnx.ReadFile(src)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := structure(m); err != nil {
		return fmt.Errorf("%s: %w", src, err)
	}
	report := editReport{Source: src, Output: f.out, Warnings: []string{}}
	if err := a.applyEdits(m, f, &report); err != nil {
		return fmt.Errorf("%s: %w", src, err)
	}
	if err := a.tryEdited(ctx, src, m, f.trusted, &report); err != nil {
		return fmt.Errorf("%s, edited: %w", src, err)
	}
	if err := structure(m); err != nil {
		return fmt.Errorf("%s, edited: %w", src, err)
	}
	if err := onnx.WriteFile(f.out, m); err != nil {
		return err
	}
	return a.result(report, func(w io.Writer) { printEdit(w, report, m) })
}

// applyEdits makes the edits that the flags ask for, in the order of the help.
func (a *app) applyEdits(m *onnx.Model, f editFlags, report *editReport) error {
	if f.classes == 0 && f.channels == 0 && f.cut == "" && len(f.add)+len(f.rename)+len(f.dynamic) == 0 {
		return usageError{errors.New("nothing to edit: want --classes, --in-channels, --cut-at, --add-output, --rename or --dynamic")}
	}
	if f.classes == 0 && (f.keep != "" || len(f.maps) > 0 || f.labels != "") {
		return usageError{errors.New("--keep, --map and --labels want --classes N")}
	}
	if f.classes != 0 {
		if err := a.editClasses(m, f, report); err != nil {
			return err
		}
	}
	if f.channels != 0 {
		if err := editChannels(m, f, report); err != nil {
			return err
		}
	}
	if err := editEnds(m, f, report); err != nil {
		return err
	}
	for _, pair := range f.rename {
		if err := renameValue(m, pair); err != nil {
			return err
		}
	}
	return editDynamic(m, f)
}

// editClasses changes the number of classes, in the graph and in the Spec.
func (a *app) editClasses(m *onnx.Model, f editFlags, report *editReport) error {
	from, err := edit.ParseFrom(f.keep, f.maps)
	if err != nil {
		return usageError{err}
	}
	c := edit.Classes{Count: f.classes, From: from, Seed: a.seed, Outputs: f.heads}
	if c.Weights, c.Biases, err = edit.ParseInit(f.initial); err != nil {
		return usageError{err}
	}
	if report.Classes, err = c.Apply(m); err != nil {
		return err
	}
	if report.Classes.Mixed && len(from) > 0 && !allKept(report.Classes.Was, from) {
		report.Warnings = append(report.Warnings, "a layer reads the class channels of another: kept classes change with those that go")
	}
	return editLabels(m, f, from, report)
}

func allKept(was int, from map[int]int) bool {
	kept := map[int]bool{}
	for _, old := range from {
		kept[old] = true
	}
	return len(kept) == was
}

// editLabels gives the Spec the labels of the new classes.
func editLabels(m *onnx.Model, f editFlags, from map[int]int, report *editReport) error {
	spec, err := predict.ReadSpec(m)
	if errors.Is(err, predict.ErrNoSpec) {
		if f.labels != "" {
			report.Warnings = append(report.Warnings, "the model carries no Spec to put the labels into (nitrain import --spec)")
		}
		return nil
	}
	if err != nil {
		return err
	}
	var names []string
	if f.labels != "" {
		if names, err = readLabels(f.labels); err != nil {
			return err
		}
		if len(names) != f.classes {
			return usageError{fmt.Errorf("%s: want %d names, got %d", f.labels, f.classes, len(names))}
		}
	}
	for _, l := range spec.Labels {
		if l.Channel != nil || l.Region != nil || spec.Task != predict.Segmentation && spec.Task != predict.Classification {
			return &predict.UnsupportedError{What: "other classes for a model whose labels are regions, channels in an order of their own, or numbers (labels.region, labels.channel, task)"}
		}
	}
	labels := newLabels(spec, f.classes, from, names)
	spec.Decode.Keep = newKeep(spec, labels, from)
	spec.Labels = labels
	return predict.WriteSpec(m, spec)
}

// editDynamic frees axes.
func editDynamic(m *onnx.Model, f editFlags) error {
	if len(f.dynamic) == 0 {
		return nil
	}
	var d edit.Dynamic
	for _, axis := range f.dynamic {
		switch axis {
		case "batch":
			d.Batch = true
		case "spatial":
			d.Spatial = true
		default:
			return usageError{fmt.Errorf("--dynamic: want batch, spatial or both, got %q", axis)}
		}
	}
	return d.Apply(m)
}

func printEdit(w io.Writer, r editReport, m *onnx.Model) {
	if c := r.Classes; c != nil {
		fmt.Fprintf(w, "classes     %d -> %d in %s\n", c.Was, c.Now, strings.Join(c.Heads, ", "))
		for _, t := range c.Tensors {
			note := ""
			if t.Copied {
				note = " (copied: others use it too)"
			}
			fmt.Fprintf(w, "            %s %v -> %v%s\n", t.Name, t.Was, t.Now, note)
		}
	}
	if c := r.Channels; c != nil {
		fmt.Fprintf(w, "channels    %d -> %d in %s\n", c.Was, c.Now, strings.Join(c.Heads, ", "))
	}
	for _, i := range m.Inputs() {
		fmt.Fprintf(w, "input       %s %v\n", i.Name, i.Shape)
	}
	for _, o := range m.Outputs() {
		fmt.Fprintf(w, "output      %s %v\n", o.Name, o.Shape)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "warning     %s\n", warning)
	}
	fmt.Fprintf(w, "%s -> %s\n", r.Source, r.Output)
}
