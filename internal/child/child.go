// Package child runs this program's own binary again, for work that may crash or that takes memory which only the end of a
// process gives back.
package child

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"time"
)

// Run starts this program with a variable of its environment set to what is asked, and returns the first 64 KiB that it
// printed on each of its outputs. The program must look at the variable at its start. input is the child's standard input;
// nil is one that closes when this process ends (see [EndWithParent]). The error is never nil: a child that has answered
// says so in its output, and err says how it ended otherwise.
func Run(ctx context.Context, variable, asked string, input []byte) (stdout, stderr []byte, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), variable+"="+asked, "GOTRACEBACK=none")
	cmd.WaitDelay = time.Second
	var out, errs bounded
	cmd.Stdout, cmd.Stderr = &out, &errs
	if input != nil {
		cmd.Stdin = bytes.NewReader(input)
	} else {
		alive, keep, err := os.Pipe()
		if err != nil {
			return nil, nil, err
		}
		defer func() { _, _ = alive.Close(), keep.Close() }()
		cmd.Stdin = alive
	}
	err = cmd.Run()
	if err == nil {
		err = errors.New("no answer")
	}
	return out.kept, errs.kept, err
}

// EndWithParent ends the process when its standard input closes, which is when the parent has gone. It does not return.
func EndWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1) //nolint:forbidigo // nobody is left to answer
}

// bounded keeps the first 64 KiB that are written to it.
type bounded struct{ kept []byte }

func (b *bounded) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(len(p), 64<<10-len(b.kept))]...)
	return len(p), nil
}
