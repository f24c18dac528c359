package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx/ort"
)

// version is what `nitrain --version` prints and what written models carry.
const version = "v0.1.0"

// app is what all commands share: where to print and the global flags.
type app struct {
	out, err io.Writer
	json     bool
	quiet    bool
	device   string
	threads  int
	seed     uint64
	config   string
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{out: stdout, err: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	a.report(cmd, err)
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "nitrain",
		Short: "Fine-tune and run ONNX models on medical images",
		Long: `nitrain takes a trained model (ONNX) and your scans round the whole loop:

  import ─▶ finetune ─▶ export ─▶ predict · evaluate · explain · view

The model stays plain ONNX at every step: same graph, same names, new weights. How a scan becomes the
model's input, and its output an image on the scan's own grid, is stored inside the model (its Spec).

` + exitHelp,
		Example: `  nitrain import unet.onnx --spec spec.json -o model.onnx
  nitrain finetune model.onnx --data cases.csv --patch 96,96,96 --steps 500 -o run
  nitrain export run -o tuned.onnx
  nitrain predict tuned.onnx sub-01_T1w.nii.gz -o sub-01_seg.nii.gz
  nitrain view sub-01_T1w.nii.gz --seg sub-01_seg.nii.gz -o look.png`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := applyConfig(cmd, a.config); err != nil {
				return err
			}
			if most := max(32, 4*runtime.NumCPU()); a.threads < 0 || a.threads > most { // each takes memory, and the cores from the others
				return usageError{fmt.Errorf("--threads: want 0 to %d, got %d", most, a.threads)}
			}
			return a.knownDevice()
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flagFault(err)} })
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print one JSON object on stdout, progress as JSON lines on stderr")
	flags.BoolVar(&a.quiet, "quiet", false, "print no progress")
	flags.StringVar(&a.device, "device", "auto", "where to compute: auto, cpu, cuda[:N]; finetune also xla[:PLUGIN][,devices=N]")
	flags.IntVar(&a.threads, "threads", 0, "threads for computing (0: one a core)")
	flags.Uint64Var(&a.seed, "seed", 0, "seed of everything random")
	flags.StringVar(&a.config, "config", "", "YAML `FILE` with values for flags (same names; an unknown one is an error)")
	root.AddCommand(a.commands()...)
	root.Args = unknownCommand(root)
	for _, cmd := range root.Commands() {
		cmd.Args = usageArgs(cmd.Args)
	}
	return root
}

// usageArgs makes complaints about arguments usage errors (exit code 2).
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w (usage: %s)", err, cmd.UseLine())}
		}
		return nil
	}
}

// unknownCommand refuses arguments that are no command, with the nearest names.
func unknownCommand(root *cobra.Command) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		text := fmt.Sprintf("unknown command %q", args[0])
		if near := root.SuggestionsFor(args[0]); len(near) > 0 {
			text += ": did you mean " + strings.Join(near, " or ") + "?"
		}
		return usageError{errors.New(text)}
	}
}

// report prints an error once, with its hint, as the contract says.
func (a *app) report(cmd *cobra.Command, err error) {
	text := message(err)
	if cmd != nil && cmd.HasParent() && !strings.HasPrefix(text, cmd.Name()+":") {
		text = cmd.Name() + ": " + text
	}
	if a.json {
		line, _ := json.Marshal(map[string]any{"error": text, "hint": hint(err), "code": exitCode(err)})
		fmt.Fprintln(a.err, string(line))
		return
	}
	fmt.Fprintln(a.err, "nitrain: "+text)
	if h := hint(err); h != "" {
		fmt.Fprintln(a.err, "hint: "+h)
	}
}

// message is the error's text without anything that only cobra needs.
func message(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	return strings.TrimSpace(err.Error())
}

// result prints v as one JSON object when asked for, else calls text.
func (a *app) result(v any, text func(w io.Writer)) error {
	if !a.json {
		text(a.out)
		return nil
	}
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, string(line))
	return err
}

// knownDevice refuses a device that no command knows.
func (a *app) knownDevice() error {
	if _, err := convert.ParseDevice(a.device); err != nil {
		return usageError{fmt.Errorf("--device: %w", err)}
	}
	return nil
}

// provider is where onnxruntime computes, for the commands that run models as they are.
func (a *app) provider() (ort.Provider, error) {
	p, err := ort.ParseProvider(a.device)
	if err != nil {
		return p, usageError{fmt.Errorf("--device: want auto, cpu, cuda or cuda:N for this command, got %q", a.device)}
	}
	return p, nil
}

// flagFault says what kind of value a flag wants, in place of the parser's own words.
func flagFault(err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return err
	}
	kinds := map[string]string{
		"int": "a whole number", "int64": "a whole number", "uint": "a whole number from 0", "uint64": "a whole number from 0", "float64": "a number", "float32": "a number",
		"bool": "true or false", "duration": "a duration such as 30s",
	}
	kind, known := kinds[bad.GetFlag().Value.Type()]
	if !known {
		return err
	}
	return fmt.Errorf("--%s: want %s, got %q", bad.GetFlag().Name, kind, bad.GetValue())
}
