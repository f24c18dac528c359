package imageio

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/metaimage"
	"github.com/nitrain/nitrain/imageio/internal/mgh"
	"github.com/nitrain/nitrain/imageio/internal/nrrd"
	"github.com/nitrain/nitrain/imageio/internal/volume"
	"github.com/nitrain/nitrain/internal/atomicfile"
)

// beside returns the name of the samples' file of a header's, or nothing if the header's name does not end so.
func beside(path, end, samples string) string {
	if !strings.EqualFold(filepath.Ext(path), end) {
		return ""
	}
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) + samples
}

func writeNRRD(path string, im *Image, s stored) error {
	l := nrrd.Layout{
		Type: s.kind, Size: im.Grid.Size, Affine: im.Grid.Affine, Frames: s.frames, Comps: s.comps, Step: s.step, Colour: s.colour,
		File: beside(path, ".nhdr", ".raw.gz"),
	}
	s.comps, s.frames = im.Channels, 1 // all channels come first in the file
	data := func(w io.Writer) error {
		return packed(w, true, s, func(w io.Writer) error { return s.samples(w, im) })
	}
	return inOneOrTwo(path, l.File, func() []byte { return nrrd.Encode(l) }, data)
}

func writeMetaImage(path string, im *Image, s stored) error {
	l := metaimage.Layout{
		Type: s.kind, Size: im.Grid.Size, Affine: im.Grid.Affine, Frames: s.frames, Comps: s.comps, Step: s.step,
		File: beside(path, ".mhd", ".zraw"),
	}
	var b bytes.Buffer // the header tells the size
	z, err := volume.NewZlib(&b, s.level())
	if err != nil {
		return err
	}
	if err := s.samples(z, im); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	l.Bytes = int64(b.Len())
	return inOneOrTwo(path, l.File, func() []byte { return metaimage.Encode(l) }, func(w io.Writer) error {
		_, err := w.Write(b.Bytes())
		return err
	})
}

// inOneOrTwo writes header and samples into one file, or into two, the samples first.
func inOneOrTwo(path, samples string, header func() []byte, data func(io.Writer) error) error {
	if samples == "" {
		return atomicfile.Write(path, func(w io.Writer) error {
			if _, err := w.Write(header()); err != nil {
				return err
			}
			return data(w)
		})
	}
	if err := atomicfile.Write(filepath.Join(filepath.Dir(path), samples), data); err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(header())
		return err
	})
}

func writeMGH(path string, im *Image, s stored) error {
	if s.kind == volume.Uint16 {
		s.kind = volume.Int32 // few readers know unsigned ones
	}
	header := mgh.Encode(mgh.Layout{Type: s.kind, Size: im.Grid.Size, Frames: im.Channels, Affine: im.Grid.Affine})
	footer := mgh.Footer(milliseconds(im, s))
	s.big, s.comps = true, 1
	return atomicfile.Write(path, func(w io.Writer) error {
		return packed(w, strings.EqualFold(filepath.Ext(path), ".mgz"), s, func(w io.Writer) error {
			if _, err := w.Write(header); err != nil {
				return err
			}
			if err := s.samples(w, im); err != nil {
				return err
			}
			_, err := w.Write(footer)
			return err
		})
	})
}

// milliseconds returns the time between frames; numbers without a unit are taken as they are.
func milliseconds(im *Image, s stored) float64 {
	if im.Source == nil || s.frames < 2 {
		return 0
	}
	switch im.Source.Units & 0x38 {
	case 8:
		return s.step * 1000
	case 24:
		return s.step / 1000
	}
	return s.step
}
