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
		fmt.Println(seconds, peak())
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

// peak returns the process' largest resident memory in bytes, 0 where the system does not say.
func peak() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64) // 0 where it is no number
			return kb << 10
		}
	}
	return 0
}
