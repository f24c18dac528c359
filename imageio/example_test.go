package imageio_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/nitrain/nitrain/imageio"
)

// A segmentation is written in the space of its scan: the same grid, codes and units.
func ExampleWrite() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	grid := imageio.Grid{Size: [3]int{4, 4, 3}, Affine: imageio.Affine{{-1, 0, 0, 90}, {0, 1, 0, -126}, {0, 0, 2.5, -72}, {0, 0, 0, 1}}}
	scan := imageio.New(grid, 1, imageio.Intensity)

	seg := imageio.New(scan.Grid, 1, imageio.Label)
	seg.Source = scan.Source
	seg.Data[grid.Index(1, 2, 0)] = 17
	path := filepath.Join(dir, "seg.nii.gz")
	if err := imageio.Write(path, seg); err != nil {
		log.Fatal(err)
	}

	back, err := imageio.ReadLabel(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(back.Grid.AxisCodes(), back.Grid.Spacing(), back.Source.Stored, back.At(1, 2, 0, 0))
	// Output: LAS [1 1 2.5] uint8 17
}

// The header is read and checked before any sample is.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "scan.nii")
	im := imageio.New(imageio.Grid{Size: [3]int{4, 4, 3}, Affine: imageio.Identity()}, 2, imageio.Intensity)
	if err := imageio.Write(path, im); err != nil {
		log.Fatal(err)
	}

	f, err := imageio.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Format, f.Stored, f.Shape, f.AffineSource)
	// Output: nifti1 float32 [4 4 3 2] sform
}

// Errors about the content of files say what was wrong, and can be told apart.
func ExampleFormatError() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notes.nii")
	if err := os.WriteFile(path, []byte("no image at all\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	_, err = imageio.Read(path)
	if fe, ok := errors.AsType[*imageio.FormatError](err); ok {
		fmt.Println(fe.Got, errors.Is(err, imageio.ErrNotThisFormat))
	}
	// Output: text (16 bytes) true
}
