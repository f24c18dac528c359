package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/imageio"
)

// Want is what the cases of a dataset are checked against.
type Want struct {
	// Channels is the number of channels that a case's images have together; 0 takes any.
	Channels int
	// Labelled demands a label file for every case.
	Labelled bool
	// Labels are the values that label files may hold; nil takes any.
	Labels []int
}

// Problem is one fault of one case.
type Problem struct {
	Case string // the case's ID
	Path string // the file, as the list names it; "" when the case itself is at fault
	Err  error
}

// Problems are all faults of a dataset. It is an error that lists them.
type Problems struct {
	Found []Problem
	Cases int // number of cases looked at
}

// Error lists every problem on a line of its own.
func (p *Problems) Error() string {
	var b strings.Builder
	bad := map[string]bool{}
	for _, f := range p.Found {
		bad[f.Case] = true
	}
	fmt.Fprintf(&b, "dataset: %d problems in %d of %d cases", len(p.Found), len(bad), p.Cases)
	for _, f := range p.Found {
		b.WriteString("\n  " + f.Case + ": ")
		if text := f.Err.Error(); f.Path != "" && !strings.Contains(text, f.Path) {
			b.WriteString(f.Path + ": " + text)
		} else {
			b.WriteString(text)
		}
	}
	return b.String()
}

// Unwrap gives the single faults to errors.Is and errors.As.
func (p *Problems) Unwrap() []error {
	errs := make([]error, len(p.Found))
	for i, f := range p.Found {
		errs[i] = f.Err
	}
	return errs
}

// Hint suggests the usual cure of the first kind of fault that has one.
func (p *Problems) Hint() string {
	for _, f := range p.Found {
		var h interface{ Hint() string }
		if errors.As(f.Err, &h) && h.Hint() != "" {
			return h.Hint()
		}
	}
	return ""
}

// Check reads every file of every case and returns *[Problems] with all that is wrong: missing and
// unreadable files, images of one case that lie differently, labels that do not lie on their image (by more
// than a tenth of a voxel), label values that nothing names, samples that are not finite. It returns nil
// when all is well and ctx's error when it is cancelled.
func Check(ctx context.Context, cases []Case, want Want) error {
	p := &Problems{Cases: len(cases)}
	for _, c := range cases {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.check(c, want)
	}
	if len(p.Found) > 0 {
		return p
	}
	return nil
}

func (p *Problems) add(c Case, path string, err error) {
	var missing *fs.PathError
	if errors.As(err, &missing) && errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("no such file%w", silent{err})
	}
	p.Found = append(p.Found, Problem{c.ID, path, err})
}

// silent keeps an error for errors.Is without its text.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.error }

func (p *Problems) check(c Case, want Want) {
	if len(c.Images) == 0 {
		p.add(c, "", errors.New("no image"))
		return
	}
	var grid *imageio.Grid
	channels, readable := 0, true
	for _, path := range c.Images {
		im, err := imageio.Read(path)
		if err != nil {
			p.add(c, path, err)
			readable = false
			continue
		}
		channels += im.Channels
		if n := notFinite(im); n > 0 {
			p.add(c, path, fmt.Errorf("%d of %d samples are not finite", n, len(im.Data)))
		}
		if grid == nil {
			grid = &im.Grid
		} else if err := apart(im.Grid, *grid); err != nil {
			p.add(c, path, fmt.Errorf("does not lie on the case's first image: %w", err))
		}
	}
	if readable && want.Channels > 0 && channels != want.Channels {
		p.add(c, "", fmt.Errorf("channels: want %d, the images have %d", want.Channels, channels))
	}
	if c.Label == "" {
		if want.Labelled {
			p.add(c, "", errors.New("no label"))
		}
		return
	}
	p.checkLabel(c, grid, want.Labels)
}

func (p *Problems) checkLabel(c Case, grid *imageio.Grid, allowed []int) {
	label, err := imageio.ReadLabel(c.Label)
	if err != nil {
		p.add(c, c.Label, err)
		return
	}
	if label.Channels != 1 {
		p.add(c, c.Label, fmt.Errorf("label: want 1 channel, got %d", label.Channels))
	}
	if grid != nil {
		if err := apart(label.Grid, *grid); err != nil {
			p.add(c, c.Label, fmt.Errorf("label does not lie on its image: %w", err))
		}
	}
	if allowed != nil {
		if err := strange(label, allowed); err != nil {
			p.add(c, c.Label, err)
		}
	}
}

// apart says how two grids differ, nil when they agree to a tenth of a voxel.
func apart(a, b imageio.Grid) error {
	if a.Size != b.Size {
		return fmt.Errorf("want %v voxels, got %v", b.Size, a.Size)
	}
	s := b.Spacing()
	if a.Same(b, 0.1*min(s[0], s[1], s[2])) {
		return nil
	}
	var worst float64
	for corner := range 8 {
		var v [3]float64
		for i := range 3 {
			if corner>>i&1 == 1 {
				v[i] = float64(a.Size[i] - 1)
			}
		}
		p, q := a.Affine.Apply(v), b.Affine.Apply(v)
		worst = max(worst, math.Hypot(math.Hypot(p[0]-q[0], p[1]-q[1]), p[2]-q[2]))
	}
	return fmt.Errorf("the same voxel is up to %.3g mm away", worst)
}

// strange lists the values of a label image that are not allowed.
func strange(label *imageio.Image, allowed []int) error {
	counts := map[float32]int{}
	last, n := float32(0), 0
	for _, v := range label.Data { // labels come in runs
		if v != last && n > 0 {
			counts[last] += n
			n = 0
		}
		last = v
		n++
	}
	counts[last] += n
	for _, v := range allowed {
		delete(counts, float32(v))
	}
	if len(counts) == 0 {
		return nil
	}
	values := make([]float32, 0, len(counts))
	for v := range counts {
		values = append(values, v)
	}
	slices.SortFunc(values, cmp.Compare)
	return &labelError{values, counts, allowed}
}

type labelError struct {
	values  []float32
	counts  map[float32]int
	allowed []int
}

func (e *labelError) Error() string {
	var parts []string
	for i, v := range e.values {
		if i == 6 {
			parts = append(parts, fmt.Sprintf("and %d more", len(e.values)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%g (%d voxels)", v, e.counts[v]))
	}
	return fmt.Sprintf("label: want values %s, got %s", listed(e.allowed), strings.Join(parts, ", "))
}

// Hint says how to make labels fit.
func (e *labelError) Hint() string {
	return "name these values in the Spec's labels, or map the files' values to the Spec's"
}

func listed(values []int) string {
	if len(values) > 12 {
		return fmt.Sprintf("%d to %d", slices.Min(values), slices.Max(values))
	}
	return strings.Trim(fmt.Sprint(values), "[]")
}

func notFinite(im *imageio.Image) int {
	n := 0
	for _, v := range im.Data {
		if v-v != 0 { // NaN and both infinities
			n++
		}
	}
	return n
}
