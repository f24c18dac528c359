package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/internal/native"
	"github.com/nitrain/nitrain/onnx/ort"
)

func (a *app) setup() *cobra.Command {
	return &cobra.Command{
		Use:   "setup",
		Short: "Fetch the native libraries for this machine",
		Long: `Fetches onnxruntime into $NITRAIN_HOME (default: the user's cache folder) by pip, else npm, else from the
project's release page; its digest is checked. Nothing else that nitrain does ever downloads anything.`,
		Example: "  nitrain setup\n  NITRAIN_HOME=/opt/nitrain nitrain setup",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			installed, err := native.Setup(cmd.Context(), native.SetupOptions{Progress: func(line string) {
				if !a.quiet && !a.json {
					fmt.Fprintln(a.err, line)
				}
			}})
			if err != nil {
				return err
			}
			return a.result(installed, func(w io.Writer) {
				how := "fetched by " + installed.Method
				if installed.Already {
					how = "already there"
				}
				fmt.Fprintf(w, "%s %s: %s (%s)\n", installed.Library, installed.Version, installed.Path, how)
			})
		},
	}
}

func (a *app) doctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine offers and what it lacks",
		Long: `Shows the processor, memory, the onnxruntime library and its execution providers, and for each missing
part the command that supplies it.`,
		Example: "  nitrain doctor\n  nitrain doctor --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			report := native.Doctor(ort.Library)
			return a.result(report, func(w io.Writer) { fmt.Fprintln(w, report) })
		},
	}
}
