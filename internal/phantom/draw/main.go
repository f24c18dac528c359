// Command draw writes synthetic heads as NIfTI files with a table of cases, for the demo, the tests and
// the script that trains the demo's model.
//
//	draw -o DIR -contrast b -seed 1000 -n 8
//
// writes DIR/images/head1000.nii.gz, DIR/labels/head1000.nii.gz, ... and DIR/cases.csv.
package main

import (
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/phantom"
)

func main() {
	dir := flag.String("o", "", "folder to write to")
	contrast := flag.String("contrast", "a", "a (like T1) or b (like T2)")
	seed := flag.Uint64("seed", 1, "seed of the first head; the next ones count up")
	n := flag.Int("n", 1, "number of heads")
	flag.Parse()
	if err := draw(*dir, *contrast, *seed, *n); err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}

func draw(dir, contrast string, seed uint64, n int) error {
	weighting := phantom.A
	switch strings.ToLower(contrast) {
	case "a":
	case "b":
		weighting = phantom.B
	default:
		return fmt.Errorf("contrast: want a or b, got %q", contrast)
	}
	if dir == "" {
		return errors.New("want a folder: -o DIR")
	}
	for _, sub := range []string{"images", "labels"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	rows := [][]string{{"image", "label"}}
	for i := range uint64(n) {
		name := fmt.Sprintf("head%d.nii.gz", seed+i)
		row := []string{"images/" + name, "labels/" + name}
		head := phantom.Head(seed+i, weighting)
		if err := imageio.Write(filepath.Join(dir, row[0]), head.Scan); err != nil {
			return err
		}
		if err := imageio.Write(filepath.Join(dir, row[1]), head.Labels); err != nil {
			return err
		}
		rows = append(rows, row)
	}
	file, err := os.Create(filepath.Join(dir, "cases.csv"))
	if err != nil {
		return err
	}
	if err := csv.NewWriter(file).WriteAll(rows); err != nil {
		return err
	}
	return file.Close()
}
