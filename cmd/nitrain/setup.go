package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/internal/native"
	"github.com/nitrain/nitrain/onnx/ort"
)

// installed is the answer of setup: onnxruntime, and what was asked for besides.
type installed struct {
	native.Installed
	With []native.Installed `json:"with,omitempty"`
}

func (a *app) setup() *cobra.Command {
	var with []string
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Fetch the native libraries for this machine",
		Long: `Fetches onnxruntime into $NITRAIN_HOME (default: the user's cache folder) by pip, else npm, else from the
project's release page; its digest is checked. Nothing else that nitrain does ever downloads anything.

--with openvino also fetches onnxruntime with OpenVINO's provider (84 MB, 170 MB unpacked; MIT and Apache-2.0), by pip or uv:
predict uses it where it is the fastest (--provider).

--with xla-cpu also fetches XLA's CPU plugin (60 MB, 200 MB unpacked). It is for tests of the path to GPUs (--device xla):
on a CPU nitrain's own engine is many times faster.`,
		Example: "  nitrain setup\n  NITRAIN_HOME=/opt/nitrain nitrain setup\n  nitrain setup --with openvino",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range with {
				if name != native.XLACPU && name != native.OpenVINO {
					return usageError{fmt.Errorf("--with: want %s or %s, got %q", native.OpenVINO, native.XLACPU, name)}
				}
			}
			var done installed
			for i, name := range append([]string{native.ONNXRuntime}, with...) {
				got, err := native.Setup(cmd.Context(), native.SetupOptions{Library: name, Progress: func(line string) {
					if !a.quiet && !a.json {
						fmt.Fprintln(a.err, line)
					}
				}})
				if err != nil {
					return err
				}
				if i == 0 {
					done.Installed = got
				} else {
					done.With = append(done.With, got)
				}
			}
			return a.result(done, done.print)
		},
	}
	cmd.Flags().StringSliceVar(&with, "with", nil, "also fetch `LIBRARY`: openvino, xla-cpu")
	return cmd
}

func (d installed) print(w io.Writer) {
	for _, i := range append([]native.Installed{d.Installed}, d.With...) {
		how := "fetched by " + i.Method
		if i.Already {
			how = "already there"
		}
		fmt.Fprintf(w, "%s %s: %s (%s)\n", i.Library, i.Version, i.Path, how)
		if i.Licence != "" {
			fmt.Fprintf(w, "  licences: %s\n", i.Licence)
		}
	}
}

func (a *app) doctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine offers and what it lacks",
		Long: `Shows the processor, memory, the vectors that nitrain's own engine uses, the onnxruntime libraries and their execution
providers, XLA's plugins, NVIDIA devices and their driver, and for each missing part the command that supplies it.`,
		Example: "  nitrain doctor\n  nitrain doctor --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			report := native.Doctor(native.Load{Runtime: ort.Library, Plugin: convert.PluginVersion})
			return a.result(report, func(w io.Writer) { fmt.Fprintln(w, report) })
		},
	}
}
