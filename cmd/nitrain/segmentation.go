package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/predict"
)

// writeImage writes a result in the format of its name. A name that ends in .dcm asks for a DICOM segmentation, which
// belongs to the scan that it was made from.
func writeImage(path string, im *imageio.Image, scan string, named []imageio.Segment) error {
	if ending(path) != ".dcm" {
		return imageio.Write(path, im)
	}
	if err := belongs(path, scan); err != nil {
		return err
	}
	return imageio.WriteSegmentation(path, im, imageio.Segmentation{Reference: scan, Segments: named, Version: version})
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

// segments returns the labels of a Spec, without the background.
func segments(labels []predict.Label) []imageio.Segment {
	var out []imageio.Segment
	for _, l := range labels {
		if l.Value == 0 {
			continue
		}
		s := imageio.Segment{Value: l.Value, Name: l.Name}
		if v, err := strconv.ParseUint(strings.TrimPrefix(l.Color, "#"), 16, 24); err == nil && len(l.Color) == 7 {
			s.Color = [3]uint8{uint8(v >> 16), uint8(v >> 8), uint8(v)}
		}
		if l.Code != nil {
			s.Code = imageio.Code{Scheme: l.Code.Scheme, Value: l.Code.Value, Meaning: l.Code.Meaning}
		}
		out = append(out, s)
	}
	return out
}

// classes names the channels of a probability image: one for each label that has one, without the background.
func classes(spec predict.Spec, channels int) []imageio.Segment {
	values := spec.ChannelValues()
	if len(values) > channels {
		return nil
	}
	var named []imageio.Segment
	for _, s := range segments(spec.Labels) {
		if c := slices.Index(values, s.Value); c >= 0 {
			s.Value = c
			named = append(named, s)
		}
	}
	return named
}
