package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"

	"github.com/nitrain/nitrain/imageio"
)

// near is how close the two largest probabilities may be for a label to be anybody's.
const near = 1e-3

// agree compares what all programs wrote with what nitrain wrote.
func (b bench) agree(ctx context.Context, w work, all []*contender, r *report) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"compare", r.probabilities, all[0].result(w.scan)}
	for _, c := range all[1:] {
		if c.err == nil {
			args = append(args, c.result(w.scan))
		}
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var d difference
		if _, err := fmt.Sscan(lines.Text(), &d.voxels, &d.undecided, &d.different); err != nil {
			return err
		}
		r.differences = append(r.differences, d)
	}
	return nil
}

// difference is how two label images compare.
type difference struct{ voxels, undecided, different int }

// compareFiles prints, for each label image after the first, how it compares with the first.
func compareFiles(paths []string) error {
	if len(paths) < 2 {
		return errors.New("compare: want the files of the probabilities, the labels, and other labels")
	}
	probabilities, err := imageio.Read(paths[0])
	if err != nil {
		return err
	}
	open := undecided(probabilities)
	first, err := imageio.ReadLabel(paths[1])
	if err != nil {
		return err
	}
	for _, path := range paths[2:] {
		other, err := imageio.ReadLabel(path)
		if err != nil {
			return err
		}
		d, err := compare(first, other, open)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		fmt.Println(d.voxels, d.undecided, d.different)
	}
	return nil
}

// undecided marks the voxels whose two largest probabilities are near each other.
func undecided(p *imageio.Image) []bool {
	open := make([]bool, p.Grid.Len())
	for i := range open {
		first, second := float32(math.Inf(-1)), float32(math.Inf(-1))
		for c := range p.Channels {
			switch v := p.Data[c*len(open)+i]; {
			case v > first:
				first, second = v, first
			case v > second:
				second = v
			}
		}
		open[i] = !(first-second > near)
	}
	return open
}

// compare counts where labels differ among the voxels that are decided. Both must lie in the same place.
func compare(a, b *imageio.Image, open []bool) (difference, error) {
	d := difference{voxels: len(open)}
	if len(a.Data) != len(open) || len(b.Data) != len(open) || !a.Grid.Same(b.Grid, 0.01) {
		return d, fmt.Errorf("want labels of %v voxels in the same place, got %v", a.Grid, b.Grid)
	}
	for i, o := range open {
		switch {
		case o:
			d.undecided++
		case a.Data[i] != b.Data[i]:
			d.different++
		}
	}
	return d, nil
}
