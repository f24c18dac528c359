//go:build cgo

package ort

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nitrain/nitrain/internal/child"
)

// probeVariable tells a child process that it is one; its value is a request in JSON.
const probeVariable = "NITRAIN_ORT_PROBE"

// probeReady is set once ProbeMain has run: only then does a child of this program know what to do.
var probeReady atomic.Bool //nolint:gochecknoglobals // a fact about the process

// request is what a child process is asked to do.
type request struct {
	Path    string  `json:"path"` // "" when the model comes on the standard input
	Options Options `json:"options"`
}

// reply is a child's last line on the standard output; a child that ends without one has crashed.
type reply struct {
	Opened bool   `json:"opened"`
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Memory bool   `json:"memory,omitempty"` // it failed for want of memory
}

// Probe opens a model in a child process and closes it again. A model on which onnxruntime crashes, takes more
// memory than o.ProbeMemory or longer than o.ProbeTimeout, is an error here and costs this process nothing.
// The child is this program's own binary, which must call ProbeMain at its start.
func Probe(ctx context.Context, path string, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	return probe(ctx, source{name: path, path: path}, o)
}

// ProbeMain is called first thing in main, and in the TestMain of packages that probe models. It returns at
// once, except in the child process of a Probe: there it opens the model and ends the process.
func ProbeMain() {
	asked := os.Getenv(probeVariable)
	if asked == "" {
		probeReady.Store(true)
		return
	}
	var req request
	err := json.Unmarshal([]byte(asked), &req)
	if err == nil {
		err = serveProbe(req)
	}
	answer := reply{Opened: err == nil}
	if err != nil {
		answer.Error, answer.Hint = strings.TrimPrefix(err.Error(), "ort: "), hintOf(err)
		answer.Memory = outOfMemory(answer.Error)
	}
	line, _ := json.Marshal(answer) // a struct of strings
	_, _ = os.Stdout.Write(append(line, '\n'))
	os.Exit(0) //nolint:forbidigo // the child process has answered; the program's main must not run in it
}

func serveProbe(req request) error {
	if err := load(req.Options.Library, req.Options.Provider); err != nil {
		return err
	}
	if err := child.LimitMemory(req.Options.ProbeMemory); err != nil {
		return err
	}
	src := source{name: req.Path, path: req.Path}
	if req.Path == "" {
		raw, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		src = source{name: "model in memory", raw: raw}
	} else {
		go child.EndWithParent()
	}
	req.Options.Untrusted = false
	s, err := open(src, req.Options)
	if err != nil {
		return err
	}
	return s.Close()
}

func probe(ctx context.Context, src source, o Options) error {
	if !probeReady.Load() {
		return &Error{
			Problem: src.name + ": an untrusted model is opened in a child process, which this program is not prepared for",
			hint:    "call ort.ProbeMain at the start of main",
		}
	}
	if o.ProbeTimeout == 0 {
		o.ProbeTimeout = time.Minute
	}
	if o.ProbeMemory == 0 {
		o.ProbeMemory = 8 << 30
	}
	timeout, cancel := context.WithTimeout(ctx, o.ProbeTimeout)
	defer cancel()
	stdout, stderr, err := runChild(timeout, src, o)
	switch answer, ok := lastReply(stdout); {
	case ctx.Err() != nil:
		return ctx.Err()
	case ok && answer.Opened:
		return nil
	case !ok && timeout.Err() != nil:
		return fmt.Errorf("ort: %s: onnxruntime did not open the model within %v", src.name, o.ProbeTimeout)
	case ok && answer.Memory || !ok && outOfMemory(string(stderr)):
		return &Error{
			Problem: fmt.Sprintf("%s: onnxruntime wants more than %d MiB to open the model", src.name, o.ProbeMemory>>20),
			hint:    "if you trust the model, open it as a trusted one",
		}
	case ok:
		return &Error{Problem: answer.Error, hint: answer.Hint}
	default:
		return fmt.Errorf("ort: %s: onnxruntime crashed on the model in a child process (%w): %s", src.name, err, firstWords(stderr))
	}
}

// runChild asks a child process and returns what it printed.
func runChild(ctx context.Context, src source, o Options) (stdout, stderr []byte, err error) {
	asked, err := json.Marshal(request{Path: src.path, Options: o})
	if err != nil {
		return nil, nil, err
	}
	return child.Run(ctx, probeVariable, string(asked), src.raw)
}

// lastReply finds the reply in what a child printed.
func lastReply(stdout []byte) (reply, bool) {
	lines := bytes.Split(bytes.TrimSpace(stdout), []byte("\n"))
	var r reply
	err := json.Unmarshal(lines[len(lines)-1], &r)
	return r, err == nil
}

// outOfMemory reports whether the words of a failure say that memory was refused.
func outOfMemory(words string) bool {
	for _, sign := range []string{"bad_alloc", "Failed to allocate memory", "cannot allocate memory", "pthread_create failed", "out of memory"} {
		if strings.Contains(words, sign) {
			return true
		}
	}
	return false
}

// firstWords returns the first line of a crashed process's last words, at most 300 bytes.
func firstWords(stderr []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(stderr)), "\n")
	if line == "" {
		return "it said nothing"
	}
	return line[:min(len(line), 300)]
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
