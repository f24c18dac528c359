package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/hub"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

const hubHelp = `References:
  name:tag                                   in the local hub ($NITRAIN_HOME/hub, or --hub FOLDER)
  oci://host/name:tag[@sha256:...]           in a registry
  hf://org/repo[@revision][/path/m.onnx]     on Hugging Face (pull only)
  file:///path/m.onnx, file:///path/hub#name:tag   on this machine

`

// hubFlags are the flags that all hub commands share.
type hubFlags struct {
	dir       string
	plainHTTP bool
}

func (a *app) hub() *cobra.Command {
	var f hubFlags
	cmd := &cobra.Command{
		Use:   "hub",
		Short: "Keep models under names, with their provenance, and share them",
		Long: `Keeps models in a content-addressed folder (an OCI image layout) and moves them to and from registries. Every byte
is checked against its SHA-256; transfers that were cut go on where they ended.

` + hubHelp + exitHelp,
		Example: `  nitrain hub push tuned.onnx brain/unet:v2 --run run
  nitrain hub push brain/unet:v2 oci://registry.example.org/brain/unet:v2
  nitrain hub pull oci://registry.example.org/brain/unet:v2 -o model`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q: want push, pull, list, show, verify or card", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&f.dir, "hub", "", "`FOLDER` of the local hub (default $NITRAIN_HOME/hub)")
	cmd.PersistentFlags().BoolVar(&f.plainHTTP, "plain-http", false, "speak http to servers that are not on this machine")
	cmd.AddCommand(a.hubPush(&f), a.hubPull(&f), a.hubList(&f), a.hubShow(&f), a.hubVerify(&f), a.hubCard(&f))
	for _, sub := range cmd.Commands() {
		sub.Args = usageArgs(sub.Args)
	}
	return cmd
}

// open opens the local hub; the caller clears the progress.
func (f *hubFlags) open(a *app) (*hub.Hub, *progress, error) {
	bar := a.progress()
	file := ""
	h, err := hub.Open(hub.Options{Dir: f.dir, PlainHTTP: f.plainHTTP, Progress: func(p hub.Progress) {
		if p.Total < 16<<20 && !a.json { // over before it could be read
			return
		}
		if p.File != file {
			file = p.File
			bar.begin()
		}
		bar.show(p.Verb+" "+p.File, int(p.Done>>20), int(p.Total>>20), "MB", map[string]any{"file": p.File, "bytes": p.Done, "of": p.Total})
	}})
	return h, bar, err
}

func (a *app) hubPush(f *hubFlags) *cobra.Command {
	var src hub.Source
	var spec string
	cmd := &cobra.Command{
		Use:   "push MODEL REFERENCE",
		Short: "Put a model into the local hub, and from there into a registry",
		Long: `MODEL is an .onnx file or a name in the local hub. With a file the Spec inside it, its external data, the run it comes
from and its evaluation are packed together with a model card; the names of cases are left out. The same files give the
same digest. An oci:// or file:// reference also brings the model there.

` + hubHelp + exitHelp,
		Example: `  nitrain evaluate tuned.onnx --data test.csv --json > scores.json
  nitrain hub push tuned.onnx brain/unet:v2 --run run --evaluation scores.json --licence CC-BY-4.0
  nitrain hub push brain/unet:v2 oci://registry.example.org/brain/unet:v2`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			src.Model = args[0]
			return a.runPush(cmd.Context(), f, src, spec, args[1])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&spec, "spec", "", "`FILE` with a Spec to put into the model that is packed")
	flags.StringVar(&src.Run, "run", "", "run `FOLDER` that the weights come from")
	flags.StringVar(&src.Evaluation, "evaluation", "", "JSON `FILE` of nitrain evaluate --json")
	flags.StringVar(&src.Card, "card", "", "README.md `FILE` in place of the generated card")
	flags.StringVar(&src.Licence, "licence", "", "licence of the model, an SPDX identifier (default: that of its provenance)")
	flags.StringVar(&src.Description, "description", "", "one line about the model")
	return cmd
}

func (a *app) runPush(ctx context.Context, f *hubFlags, src hub.Source, spec, reference string) error {
	to, err := hub.ParseRef(reference)
	if err != nil {
		return err
	}
	h, bar, err := f.open(a)
	if err != nil {
		return err
	}
	pushed, err := pushFrom(ctx, h, src, spec, to)
	bar.clear()
	if err != nil {
		return err
	}
	return a.result(pushed, func(w io.Writer) {
		fmt.Fprintf(w, "%s  %s\n", pushed.Ref, size(pushed.Size))
		if pushed.Replaced != "" {
			fmt.Fprintf(w, "replaced %s\n", pushed.Replaced)
		}
	})
}

// pushFrom pushes a file, or a model that the hub has.
func pushFrom(ctx context.Context, h *hub.Hub, src hub.Source, spec string, to hub.Ref) (*hub.Pushed, error) {
	if modelFile(src.Model) {
		return pushFile(ctx, h, src, spec, to)
	}
	from, err := hub.ParseRef(src.Model)
	if err != nil {
		return nil, err
	}
	if spec+src.Run+src.Evaluation+src.Card+src.Licence+src.Description != "" {
		return nil, usageError{fmt.Errorf("%s is packed already: --spec, --run, --evaluation, --card, --licence and --description are for files", from)}
	}
	return h.Copy(ctx, from, to)
}

// modelFile tells a path from a name in the hub.
func modelFile(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.Mode().IsRegular() || strings.HasSuffix(name, ".onnx")
}

// pushFile pushes a file, with another Spec inside if one is named. A Spec that is wrong is refused; a model
// without one is not.
func pushFile(ctx context.Context, h *hub.Hub, src hub.Source, spec string, to hub.Ref) (*hub.Pushed, error) {
	m, err := onnx.ReadFile(src.Model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if spec == "" {
		if _, err := predict.ReadSpec(m); err != nil && !errors.Is(err, predict.ErrNoSpec) {
			return nil, err
		}
		return h.Push(ctx, src, to)
	}
	s, err := readSpecFile(spec)
	if err != nil {
		return nil, err
	}
	if err := predict.WriteSpec(m, s); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "nitrain-push-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	src.Model = filepath.Join(dir, filepath.Base(src.Model))
	if err := onnx.WriteFile(src.Model, m); err != nil {
		return nil, err
	}
	return h.Push(ctx, src, to)
}

func (a *app) hubPull(f *hubFlags) *cobra.Command {
	var as, out string
	cmd := &cobra.Command{
		Use:   "pull REFERENCE",
		Short: "Bring a model into the local hub, and on into a folder",
		Long: `Every file is checked against its digest, also those that are here already; a damaged one is fetched anew. A model that
is pulled keeps its name in lower case and its tag; --as gives it another. -o copies its files into a folder.

` + hubHelp + exitHelp,
		Example: `  nitrain hub pull oci://registry.example.org/brain/unet:v2
  nitrain hub pull hf://org/brain-unet@v1 --as brain/unet:v1 -o model
  nitrain hub pull brain/unet:v2 -o unet.onnx`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runPull(cmd.Context(), f, args[0], as, out)
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "`NAME:TAG` in the local hub")
	cmd.Flags().StringVarP(&out, "output", "o", "", "`FOLDER` for all its files, or FILE.onnx for the model and its data")
	return cmd
}

func (a *app) runPull(ctx context.Context, f *hubFlags, reference, as, out string) error {
	from, err := hub.ParseRef(reference)
	if err != nil {
		return err
	}
	var name hub.Ref
	if as != "" {
		if name, err = hub.ParseRef(as); err != nil {
			return err
		}
	}
	h, bar, err := f.open(a)
	if err != nil {
		return err
	}
	defer bar.clear()
	pulled, err := h.Pull(ctx, from, name)
	if err != nil {
		return err
	}
	var files []string
	if out != "" {
		if name, err = hub.ParseRef(pulled.Name); err != nil {
			return err
		}
		if files, err = checkout(ctx, h, name, out); err != nil {
			return err
		}
	}
	bar.clear()
	result := struct {
		*hub.Pulled
		Files []string `json:"files,omitempty"`
	}{pulled, files}
	return a.result(result, func(w io.Writer) {
		fmt.Fprintf(w, "%s  %s  %s, %s new\n", pulled.Name, pulled.Digest, size(pulled.Size), size(pulled.New))
		for _, file := range files {
			fmt.Fprintln(w, file)
		}
	})
}

// checkout copies a model into a folder, or to an .onnx file with its external data beside it.
func checkout(ctx context.Context, h *hub.Hub, name hub.Ref, out string) ([]string, error) {
	if !strings.HasSuffix(out, ".onnx") {
		return h.Checkout(ctx, name, out)
	}
	dir, err := os.MkdirTemp(filepath.Dir(out), ".pull-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	files, err := h.Checkout(ctx, name, dir, hub.RoleModel, hub.RoleData)
	if err != nil {
		return nil, err
	}
	var done []string
	for i, file := range slices.Backward(files) { // the model last: what it needs is there when it appears
		to := out
		if i > 0 {
			rel, err := filepath.Rel(dir, file)
			if err != nil {
				return nil, err
			}
			to = filepath.Join(filepath.Dir(out), rel)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return nil, err
			}
		}
		if err := os.Rename(file, to); err != nil {
			return nil, err
		}
		done = append([]string{to}, done...)
	}
	return done, nil
}

func (a *app) hubList(f *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the models of the local hub",
		Long:  "Lists the models of the local hub with digest, size and where they came from.\n\n" + exitHelp,
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			h, _, err := f.open(a)
			if err != nil {
				return err
			}
			models, err := h.List()
			if err != nil {
				return err
			}
			return a.result(map[string]any{"hub": h.Dir(), "models": models}, func(w io.Writer) {
				for _, m := range models {
					note := m.From
					if m.Problem != "" {
						note = "damaged: " + m.Problem
					}
					fmt.Fprintf(w, "%-32s %s %10s  %-14s %s\n", m.Name, short(m.Digest), size(m.Size), m.Task, note)
				}
			})
		},
	}
}

func (a *app) hubShow(f *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "show REFERENCE",
		Short: "Show what a model is and where it comes from",
		Long: `Shows a model of the local hub, of another hub's folder or of a registry (of which only the small files are fetched): files,
inputs and outputs, and the provenance that stands inside the model.

` + hubHelp + exitHelp,
		Example: `  nitrain hub show brain/unet:v2
  nitrain hub show oci://registry.example.org/brain/unet:v2 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := hub.ParseRef(args[0])
			if err != nil {
				return err
			}
			h, _, err := f.open(a)
			if err != nil {
				return err
			}
			m, err := h.Show(cmd.Context(), r)
			if err != nil {
				return err
			}
			return a.result(m, func(w io.Writer) { printHubModel(w, m) })
		},
	}
}

func printHubModel(w io.Writer, m *hub.Model) {
	row := func(key, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-12s %s\n", key, value)
		}
	}
	row("name", m.Name)
	row("digest", m.Digest)
	row("size", size(m.Size))
	row("task", m.Task)
	row("labels", strings.Join(m.Labels, ", "))
	for _, p := range m.Facts.Inputs {
		row("input", fmt.Sprintf("%s %s [%s]", p.Name, p.Type, strings.Join(p.Shape, ", ")))
	}
	for _, p := range m.Facts.Outputs {
		row("output", fmt.Sprintf("%s %s [%s]", p.Name, p.Type, strings.Join(p.Shape, ", ")))
	}
	row("parameters", strconv.FormatInt(m.Facts.Parameters, 10))
	row("pulled from", m.From)
	if p := m.Provenance; p != nil {
		row("made from", p.Source)
		row("its sha256", p.SHA256)
		row("that is", strings.Join(m.Parents, ", "))
		row("spec by", p.Tool)
		row("licence", p.Licence)
		if t := p.Trained; t != nil {
			row("trained on", fmt.Sprintf("%d cases, %d steps, score %.4g", t.Cases, t.Steps, t.Score))
			row("data sha256", t.Data)
		}
	}
	if r := m.Run; r != nil {
		row("run sha256", r.SHA256)
		row("run", fmt.Sprintf("%s, seed %d, %s, step %d of %d", r.Created, r.Seed, r.Status.State, r.Status.Step, r.Status.Steps))
	}
	for _, file := range m.Files {
		row("file", fmt.Sprintf("%-24s %-10s %10s  %s", file.Name, file.Role, size(file.Size), short(file.Digest)))
	}
}

func (a *app) hubVerify(f *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [NAME...]",
		Short: "Hash every file of the local hub anew and name what is damaged",
		Long: `Finds damaged and missing files, a damaged index, and files that do not belong there, and says which models need them:
exit code 5. Files that no model needs and unfinished downloads are named too, but are nothing wrong. With names, only
what these models need is looked at.

` + exitHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			var only []hub.Ref
			for _, arg := range args {
				r, err := hub.ParseRef(arg)
				if err != nil {
					return err
				}
				if r.Scheme != hub.Local {
					return usageError{fmt.Errorf("%s: want names of the local hub", arg)}
				}
				only = append(only, r)
			}
			h, bar, err := f.open(a)
			if err != nil {
				return err
			}
			v, err := h.Verify(cmd.Context(), only...)
			bar.clear()
			if err != nil {
				return err
			}
			result := struct {
				OK bool `json:"ok"`
				*hub.Verification
			}{v.OK(), v}
			if err := a.result(result, func(w io.Writer) { printVerification(w, v) }); err != nil {
				return err
			}
			if !v.OK() {
				return fmt.Errorf("%w: %d problems", errCheckFailed, len(v.Findings))
			}
			return nil
		},
	}
}

func printVerification(w io.Writer, v *hub.Verification) {
	for _, x := range v.Findings {
		needed := ""
		if len(x.Models) > 0 {
			needed = fmt.Sprintf(" (%s of %s)", x.File, strings.Join(x.Models, ", "))
		}
		fmt.Fprintf(w, "bad           %s%s: %s\n", x.Path, needed, x.Problem)
	}
	for _, path := range v.Unreferenced {
		fmt.Fprintf(w, "unreferenced  %s\n", path)
	}
	for _, path := range v.Unfinished {
		fmt.Fprintf(w, "unfinished    %s\n", path)
	}
	fmt.Fprintf(w, "%d models, %d files, %s hashed, %d problems\n", v.Models, v.Blobs, size(v.Bytes), len(v.Findings))
}

func (a *app) hubCard(f *hubFlags) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "card MODEL",
		Short: "Print a model's card, with the header that Hugging Face reads",
		Long: `Prints the card that was pushed with a model of the local hub, or generates one for an .onnx file from its Spec.

` + exitHelp,
		Example: `  nitrain hub card brain/unet:v2 -o README.md
  nitrain hub card tuned.onnx --run run --evaluation scores.json`,
		Args: cobra.ExactArgs(1),
	}
	var src hub.Source
	flags := cmd.Flags()
	flags.StringVarP(&out, "output", "o", "", "write the card to a `FILE`")
	flags.StringVar(&src.Run, "run", "", "run `FOLDER` that the weights come from")
	flags.StringVar(&src.Evaluation, "evaluation", "", "JSON `FILE` of nitrain evaluate --json")
	flags.StringVar(&src.Licence, "licence", "", "licence of the model, an SPDX identifier")
	flags.StringVar(&src.Description, "description", "", "one line about the model")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		src.Model = args[0]
		card, err := f.card(a, src)
		if err != nil {
			return err
		}
		if out != "" {
			return writeWhole(out, card)
		}
		return a.result(map[string]string{"card": string(card)}, func(w io.Writer) { _, _ = w.Write(card) })
	}
	return cmd
}

// card returns the card of a file, or of a model that the hub has.
func (f *hubFlags) card(a *app, src hub.Source) ([]byte, error) {
	if modelFile(src.Model) {
		return hub.MakeCard(src)
	}
	r, err := hub.ParseRef(src.Model)
	if err != nil {
		return nil, err
	}
	h, _, err := f.open(a)
	if err != nil {
		return nil, err
	}
	raw, ok, err := h.Read(r, hub.RoleCard)
	if err == nil && !ok {
		err = fmt.Errorf("hub: %s: it has no card: %w", r, fs.ErrNotExist)
	}
	return raw, err
}

// size writes bytes as people read them.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}

// short is a digest as lists show it.
func short(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }
