// Command nitrain imports, fine-tunes, exports, runs and judges ONNX models on medical images.
// Every command parses its flags, makes one call of the library and prints the result.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict"
)

func main() {
	ort.ProbeMain()     // a child process that only tries whether a model opens ends here
	predict.TrialMain() // and one that tries what runs it fastest here
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
