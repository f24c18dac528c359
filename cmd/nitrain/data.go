package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/imageio/dataset"
)

// dataFlags name a collection of cases: a list or folder, or two globs.
type dataFlags struct {
	data   string
	images []string
	labels string
}

func (d *dataFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.data, "data", "", "cases: a CSV or TSV `FILE` (columns image, label), a Decathlon dataset.json or a folder")
	f.StringArrayVar(&d.images, "images", nil, "instead of --data: a `GLOB` of images (again for each further channel)")
	f.StringVar(&d.labels, "labels", "", "with --images: the `GLOB` of their labels")
}

func (d *dataFlags) read() ([]dataset.Case, error) {
	switch {
	case d.data != "" && len(d.images) > 0:
		return nil, usageError{errors.New("--data and --images: want one of them")}
	case d.data != "":
		return dataset.Read(d.data)
	case len(d.images) > 0:
		return dataset.ReadGlobs(d.images, d.labels)
	default:
		return nil, usageError{errors.New("want cases: --data FILE or --images GLOB --labels GLOB")}
	}
}
