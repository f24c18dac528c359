package explain

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio"
)

// TargetKind is what a score is about.
type TargetKind string

// The kinds of targets.
const (
	// Best is the class that the model picks; of a segmentation all voxels that it gives a label other than background.
	Best TargetKind = ""
	// Class is the output of one class; of a segmentation the sum of its channel over all voxels.
	Class TargetKind = "class"
	// Mask is the output of one label summed over the voxels that the model gives that label.
	Mask TargetKind = "mask"
	// Voxel is the output at one voxel of the scan.
	Voxel TargetKind = "voxel"
	// Region is the output summed over the voxels of a region.
	Region TargetKind = "region"
)

// Target says which output is explained. Outputs count before the activation.
type Target struct {
	Kind TargetKind
	// Label is the value of a class or label of the Spec. A voxel and a region without one (Labelled false) take the
	// label that the model gives them, a region the one that most of its voxels have, background only if there is no other.
	Label    int
	Labelled bool
	Voxel    [3]int // indices of the scan
	Path     string // of the atlas, as ParseTarget read it; the caller opens it
	Atlas    *imageio.Image
	Value    int // of the region in the atlas
}

// ParseTarget reads "class:2", "mask:2", "voxel:x,y,z" or "region:ATLAS:VALUE"; the latter two may end in "@LABEL".
// "" is Best. The atlas is not opened.
func ParseTarget(text string) (Target, error) {
	if text == "" {
		return Target{}, nil
	}
	kind, rest, _ := strings.Cut(text, ":")
	t := Target{Kind: TargetKind(kind)}
	var err error
	switch t.Kind {
	case Class, Mask:
		t.Labelled = true
		t.Label, err = strconv.Atoi(rest)
	case Voxel:
		if rest, err = t.cutLabel(rest); err == nil {
			t.Voxel, err = parseTriple(rest)
		}
	case Region:
		if rest, err = t.cutLabel(rest); err == nil {
			err = t.parseRegion(rest)
		}
	default:
		err = errors.New("no such kind")
	}
	if err != nil {
		return t, fmt.Errorf("explain: target: want class:LABEL, mask:LABEL, voxel:X,Y,Z or region:ATLAS:VALUE, got %q", text)
	}
	return t, nil
}

func (t *Target) cutLabel(text string) (string, error) {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return text, nil
	}
	v, err := strconv.Atoi(text[at+1:])
	t.Label, t.Labelled = v, true
	return text[:at], err
}

func (t *Target) parseRegion(text string) error {
	at := strings.LastIndexByte(text, ':')
	if at < 1 {
		return strconv.ErrSyntax
	}
	var err error
	t.Path = text[:at]
	t.Value, err = strconv.Atoi(text[at+1:])
	return err
}

func parseTriple(text string) (v [3]int, err error) {
	parts := strings.Split(text, ",")
	if len(parts) != 3 {
		return v, strconv.ErrSyntax
	}
	for i, p := range parts {
		if v[i], err = strconv.Atoi(strings.TrimSpace(p)); err != nil {
			return v, err
		}
	}
	return v, nil
}

// TargetError says that a target does not fit the model or the scan.
type TargetError struct{ What, Help string }

// Error describes the difference.
func (e *TargetError) Error() string { return "explain: target: " + e.What }

// Hint says what to do, "" where nothing can be said.
func (e *TargetError) Hint() string { return e.Help }
