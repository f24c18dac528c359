package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/phantom"
)

// draw writes one of the benchmark's scans, unless it is there.
func draw(scan, path string, short bool) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "benchpredict: drawing", scan)
	body := phantom.WholeBody()
	if scan == "ct.nii.gz" {
		body.Size[2] = 300
	}
	if short {
		for a := range body.Size {
			body.Size[a] /= 8
		}
	}
	switch scan {
	case "head.nii.gz":
		return imageio.Write(path, phantom.HeadOn(1, phantom.A, headGrid(short)).Scan)
	case "ct.nii.gz", "body.nii.gz":
		return body.WriteFile(path)
	case "picture.png":
		return imageio.Write(path, picture())
	}
	return fmt.Errorf("no scan %q", scan)
}

// headGrid is that of the BraTS scans: 240x240x155 voxels of 1 mm, x to the left and y to the back.
func headGrid(short bool) imageio.Grid {
	g := imageio.Grid{Size: [3]int{240, 240, 155}, Affine: imageio.Affine{{-1, 0, 0, 119.5}, {0, -1, 0, 119.5}, {0, 0, 1, -77}, {0, 0, 0, 1}}}
	if short {
		g.Size = [3]int{60, 60, 40}
	}
	return g
}

// picture is a slice of a head, in 128x128 bytes.
func picture() *imageio.Image {
	g := headGrid(false)
	g.Size = [3]int{128, 128, 1}
	for a := range 2 {
		g.Affine[a][a] *= 1.6
		g.Affine[a][3] = 102
	}
	g.Affine[2][3] = 10
	im := phantom.HeadOn(1, phantom.A, g).Scan
	im.Grid.Affine = imageio.Identity() // as a picture from elsewhere
	for i, v := range im.Data {
		im.Data[i] = float32(int(min(v/5, 255)))
	}
	return im
}
