package main

import (
	"fmt"
	"strings"

	"github.com/nitrain/nitrain/imageio"
)

// writeImage writes a result in the format of its name. A name that ends in .dcm asks for a DICOM segmentation, which
// belongs to the scan that it was made from.
func writeImage(path string, im *imageio.Image, scan string) error {
	if ending(path) != ".dcm" {
		return imageio.Write(path, im)
	}
	if err := belongs(path, scan); err != nil {
		return err
	}
	return imageio.WriteSegmentation(path, im, imageio.Segmentation{Reference: scan, Version: version})
}

// belongs refuses a DICOM segmentation of a scan that is no DICOM.
func belongs(path, scan string) error {
	if ending(path) == ".dcm" && !imageio.IsDICOM(strings.SplitN(scan, "#", 2)[0]) {
		return badDataError{fmt.Errorf("%s: a DICOM segmentation belongs to a DICOM scan, and %s is none: write .nii.gz", path, scan)}
	}
	return nil
}

// ending returns how an image's name ends: .dcm, or .nii.gz for all others.
func ending(path string) string {
	if strings.HasSuffix(strings.ToLower(path), ".dcm") {
		return ".dcm"
	}
	return ".nii.gz"
}

// stem removes the ending of an image file that commands write; another name stays as it is.
func stem(name string) string {
	for _, end := range imageEndings() {
		if strings.HasSuffix(strings.ToLower(name), end) {
			return name[:len(name)-len(end)]
		}
	}
	return name
}
