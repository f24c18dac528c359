// Bench answers one line for each line of its input, with the seconds that an operation of imageio took and the
// most memory that the process ever held, in bytes. testdata/gen/bench_imageio.py drives it beside the other libraries:
//
//	load FILE        reads an image and keeps it for the operations
//	read FILE        reads it as float32
//	write FILE       writes the kept image
//	orient CODES     brings the kept image into an orientation
//	resample MM      resamples the kept image to cubic voxels, linearly
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/internal/proc"
)

func main() {
	var kept *imageio.Image
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		verb, argument, _ := strings.Cut(lines.Text(), " ")
		start := time.Now()
		im, err := run(verb, argument, kept)
		seconds := time.Since(start).Seconds()
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		if verb == "load" {
			kept = im
		}
		fmt.Println(seconds, proc.Peak())
	}
}

func run(verb, argument string, kept *imageio.Image) (*imageio.Image, error) {
	switch verb {
	case "load", "read":
		return imageio.Read(argument)
	case "write":
		return nil, imageio.Write(argument, kept)
	case "orient":
		return transform.Orient{Axes: argument}.Apply(kept)
	case "resample":
		mm, err := strconv.ParseFloat(argument, 64)
		if err != nil {
			return nil, err
		}
		return transform.Spacing{MM: [3]float64{mm, mm, mm}}.Apply(kept)
	}
	return nil, fmt.Errorf("%q is no operation", verb)
}
