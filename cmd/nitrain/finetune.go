package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/finetune"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/internal/atomicfile"
	"github.com/nitrain/nitrain/onnx"
)

func (a *app) finetune() *cobra.Command {
	var t trainFlags
	var data, valid dataFlags
	var out, resume string
	var split float64
	cmd := &cobra.Command{
		Use:   "finetune MODEL --data CASES -o RUN",
		Short: "Train a model further on your own labelled scans",
		Long: `Prepares the cases as the model's Spec says, trains, validates with the sliding window that serves, and keeps a run folder:
checkpoints, metrics.csv, events.jsonl and report.html. Ctrl-C saves and stops; --resume RUN goes on exactly.

Cases with a column "split" (train, valid) are divided by it; otherwise --split says which part trains.

` + exitHelp,
		Example: `  nitrain finetune model.onnx --data cases.csv --patch 96,96,96 --steps 500 -o run
  nitrain finetune model.onnx --images 'img/*.nii.gz' --labels 'seg/*.nii.gz' --whole --epochs 10 --freeze encoder -o run
  nitrain finetune --resume run`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if resume != "" {
				return a.runResume(cmd.Context(), resume, t.profile, args)
			}
			cfg, err := t.config(a.seed)
			if err != nil {
				return err
			}
			if cfg.Steps < 0 {
				return usageError{fmt.Errorf("--steps: want at least 0, got %d", cfg.Steps)}
			}
			if cmd.Flags().Changed("steps") && cfg.Steps == 0 {
				cfg.Steps = finetune.NoSteps
			}
			if len(args) != 1 || out == "" {
				return usageError{errors.New("want a model and a run folder: nitrain finetune MODEL --data CASES -o RUN")}
			}
			return a.runFinetune(cmd.Context(), args[0], out, t.profile, cfg, data, valid, split)
		},
	}
	data.register(cmd)
	cmd.Flags().StringVar(&valid.data, "valid", "", "cases to validate on (default: divided from --data)")
	cmd.Flags().Float64Var(&split, "split", 0, "part of the cases that trains (0: 0.8, with --order 1)")
	cmd.Flags().StringVarP(&out, "output", "o", "", "run `FOLDER` to make")
	cmd.Flags().StringVar(&resume, "resume", "", "run `FOLDER` to go on with; takes everything else from it")
	t.register(cmd)
	return cmd
}

func (a *app) runFinetune(ctx context.Context, path, out, profile string, cfg finetune.Config, data, valid dataFlags, split float64) error {
	if err := parents(out); err != nil {
		return err
	}
	train, validation, err := divide(data, valid, split, cfg)
	if err != nil {
		return err
	}
	m, err := onnx.ReadFile(path)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := a.provable(ctx, m, path); err != nil {
		return err
	}
	b, err := a.backend()
	if err != nil {
		return err
	}
	defer b.Close()
	if n := b.Devices(); max(1, cfg.Batch)%n != 0 {
		return usageError{fmt.Errorf("--batch: want a multiple of the %d devices of --device %s, got %d", n, a.device, max(1, cfg.Batch))}
	}
	t, err := finetune.New(ctx, m, b, train, validation, cfg)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := t.Record(out, filepath.Base(path)); err != nil {
		return err
	}
	return a.profiled(b, profile, func() error { return a.train(ctx, t, out) })
}

// parityError is a model whose training graph computes something else than the file does.
type parityError struct{ text string }

func (e *parityError) Error() string { return e.text }
func (e *parityError) Hint() string {
	return "nitrain check compares more; please report the model, or the node that is named"
}

// provable refuses a model whose training graph does not compute what onnxruntime does.
func (a *app) provable(ctx context.Context, m *onnx.Model, path string) error {
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	d, err := a.parity(ctx, g, path, false)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !d.OK() {
		return &parityError{fmt.Sprintf("%s: %s", path, differs(d))}
	}
	return nil
}

func (a *app) runResume(ctx context.Context, folder, profile string, args []string) error {
	if len(args) > 0 {
		return usageError{errors.New("--resume takes the model from the run folder: want no MODEL")}
	}
	f, err := finetune.OpenFolder(folder)
	if err != nil {
		return err
	}
	b, err := a.backend()
	if err != nil {
		return err
	}
	defer b.Close()
	t, err := f.Resume(ctx, b)
	if err != nil {
		return err
	}
	defer t.Close()
	return a.profiled(b, profile, func() error { return a.train(ctx, t, folder) })
}

// profiled runs a training and writes where its time went, also when it fails.
func (a *app) profiled(b *convert.Backend, path string, run func() error) error {
	if path == "" {
		return run()
	}
	if err := parents(path); err != nil {
		return err
	}
	if err := b.Profile(true); err != nil {
		return err
	}
	err := run()
	return errors.Join(err, atomicfile.Write(path, b.WriteProfile))
}

func (a *app) backend() (*convert.Backend, error) {
	return convert.NewBackend(convert.BackendOptions{Device: a.device, Threads: a.threads})
}

// divide says which cases train and which validate.
func divide(data, valid dataFlags, split float64, cfg finetune.Config) (train, validation []dataset.Case, err error) {
	cases, err := data.read()
	if err != nil {
		return nil, nil, err
	}
	if valid.data != "" {
		validation, err = valid.read()
		return cases, validation, err
	}
	parts, err := dataset.Assigned(cases)
	if err != nil {
		return nil, nil, err
	}
	if len(parts.Train) > 0 || len(parts.Valid) > 0 {
		return append(parts.Train, parts.Rest...), parts.Valid, nil
	}
	if split == 0 {
		split = 0.8
		if cfg.Order != nil {
			split = 1
		}
	}
	train, validation, err = dataset.Split(parts.Rest, split, cfg.Seed)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return train, validation, nil
}

// trained is what finetune prints with --json.
type trained struct {
	Run    string          `json:"run"`
	Status finetune.Status `json:"status"`
}

// train runs to the end and shows loss, score and the time left.
func (a *app) train(ctx context.Context, t *finetune.Trainer, folder string) error {
	bar := a.progress()
	if !a.quiet && !a.json {
		for _, s := range t.Settings() {
			fmt.Fprintf(a.err, "  %-20s %s\n", s[0], s[1])
		}
	}
	score := ""
	err := t.Run(ctx, func(e finetune.Event) {
		switch e.Kind {
		case finetune.Stepped:
			text := fmt.Sprintf("loss %.4f%s  %s left", e.Loss, score, (time.Duration(e.Left) * time.Second).String())
			bar.line("train", e.Step, e.Steps, text, map[string]any{"loss": e.Loss, "lr": e.Rate, "left": e.Left})
		case finetune.Validated:
			score = fmt.Sprintf("  dice %.3f", e.Validation.Score)
			if a.json {
				bar.line("validate", e.Step, e.Steps, "", map[string]any{"dice": e.Validation.Score, "best": e.Validation.Best})
				return
			}
			best := ""
			if e.Validation.Best {
				best = ", best so far"
			}
			bar.note(fmt.Sprintf("step %d: validation dice %.4f%s", e.Step, e.Validation.Score, best))
		case finetune.Estimated:
			bar.note("memory: " + e.Estimate.String())
		case finetune.Resumed:
			bar.note(fmt.Sprintf("goes on at step %d of %d", e.Step, e.Steps))
		case finetune.Interrupted:
			bar.note("saved: nitrain finetune --resume " + folder)
		case finetune.Started, finetune.Finished, finetune.Failed: // the settings, the result and the error say it
		}
	})
	bar.clear()
	if err != nil {
		return err
	}
	f, err := finetune.OpenFolder(folder)
	if err != nil {
		return err
	}
	status, err := f.Status()
	if err != nil {
		return err
	}
	return a.result(trained{folder, status}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s after %d steps in %.0f s", folder, status.State, status.Step, status.Elapsed)
		if status.Best != nil {
			fmt.Fprintf(w, ", best dice %.4f at step %d", *status.Best, status.BestStep)
		}
		fmt.Fprintf(w, "\nreport: %s\nnext: nitrain export %s -o tuned.onnx\n", filepath.Join(folder, "report.html"), folder)
	})
}
