package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict/server"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	listen     server.Listen
	tokens     string
	spec       string
	maxRequest string
	maxVoxels  int64
	running    int
	folder     string
	keep       time.Duration
	trusted    bool
}

func (a *app) serve() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve MODEL... or FOLDER",
		Short: "Serve models over HTTP and gRPC, with a viewer for scans",
		Long: `Serves models, each a .onnx file or all in a folder (NAME.onnx, NAME/model.onnx or NAME/VERSION/model.onnx):
tensors by the Open Inference Protocol v2 (REST and gRPC), scans by an API of its own, and a viewer at the root of
the HTTP address. It listens on this machine alone; an address that others can reach wants --token-file, or
--client-ca with --tls-cert and --tls-key. docs/serving.md tells all paths and limits.

` + exitHelp,
		Example: `  nitrain serve tuned.onnx
  nitrain serve models/ --http 127.0.0.1:8000 --grpc 127.0.0.1:8001 --metrics 127.0.0.1:8002
  nitrain serve models/ --http 0.0.0.0:8000 --token-file tokens --tls-cert cert.pem --tls-key key.pem
  curl --data-binary @sub-01_T1w.nii.gz -o seg.nii.gz http://127.0.0.1:8000/api/v1/predict`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runServe(cmd.Context(), f, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen.HTTP, "http", "127.0.0.1:8000", "`ADDRESS` of REST, the API of scans and the viewer; empty: none")
	flags.StringVar(&f.listen.GRPC, "grpc", "127.0.0.1:8001", "`ADDRESS` of gRPC; empty: none")
	flags.StringVar(&f.listen.Metrics, "metrics", "127.0.0.1:8002", "`ADDRESS` of the figures for Prometheus; empty: none")
	flags.StringVar(&f.tokens, "token-file", "", "`FILE` with a token a line (TOKEN, TOKEN predict or TOKEN admin), which requests must bring")
	flags.StringVar(&f.spec, "spec", "", "`FILE` with the Spec of models that carry none")
	flags.StringVar(&f.listen.Cert, "tls-cert", "", "certificate `FILE` (PEM): speak TLS")
	flags.StringVar(&f.listen.Key, "tls-key", "", "the certificate's key `FILE` (PEM)")
	flags.StringVar(&f.listen.ClientCA, "client-ca", "", "`FILE` (PEM) of who signs the clients' certificates, which they must then show")
	flags.StringVar(&f.maxRequest, "max-request", "2GB", "largest body, decompressed")
	flags.Int64Var(&f.maxVoxels, "max-voxels", 0, "largest scan, in samples (0: 512 Mi)")
	flags.IntVar(&f.running, "running", 0, "runs of models at once (0: 4)")
	flags.StringVar(&f.folder, "work", "", "`FOLDER` for uploads and results (default: the system's for temporary files)")
	flags.DurationVar(&f.keep, "keep", 0, "how long the results of jobs are kept (0: 15 min)")
	flags.DurationVar(&f.listen.DrainDelay, "drain-delay", 5*time.Second, "at the end, time to go on while not ready; a second signal ends it")
	flags.DurationVar(&f.listen.ShutdownTimeout, "shutdown-timeout", 30*time.Second, "at the end, time for requests under way")
	flags.BoolVar(&f.trusted, "trust", false, "open the models without trying them in a child process first")
	return cmd
}

func (a *app) runServe(ctx context.Context, f serveFlags, models []string) error {
	o, err := a.serveOptions(f)
	if err != nil {
		return err
	}
	if err := f.listen.Check(o.Tokens); err != nil {
		return err
	}
	provider, err := a.provider()
	if err != nil {
		return usageError{err}
	}
	run := ort.Options{Provider: provider, Threads: a.threads, Untrusted: !f.trusted}
	explains := newExplainers(run)
	defer explains.close()
	o.Explain, o.Methods = explains, explainMethods()
	open, err := withSpec(server.OpenWith(run), f.spec)
	if err != nil {
		return err
	}
	if o.Models, err = server.NewRepository(open, models...); err != nil {
		return err
	}
	defer o.Models.Close()
	if err := o.Models.LoadAll(); err != nil {
		return err
	}
	handler, err := server.New(o)
	if err != nil {
		return err
	}
	defer handler.Close()
	hurry, stop := secondSignal(ctx)
	defer stop()
	f.listen.Hurry = hurry
	var printed error
	err = handler.Serve(ctx, f.listen, func(at server.Addresses) {
		printed = a.result(at, func(w io.Writer) { printAddresses(w, at) })
	})
	return errors.Join(err, printed)
}

// withSpec gives models that carry no Spec the one in a file.
func withSpec(open server.OpenFunc, path string) (server.OpenFunc, error) {
	if path == "" {
		return open, nil
	}
	spec, err := readSpecFile(path)
	if err != nil {
		return nil, err
	}
	return func(path string) (*server.Model, error) {
		m, err := open(path)
		if err == nil && m.Spec == nil {
			m.Spec = &spec
		}
		return m, err
	}, nil
}

// serveOptions turns flags into options.
func (a *app) serveOptions(f serveFlags) (o server.Options, err error) {
	o = server.Options{Folder: f.folder, Version: version, Log: a.logger()}
	if f.listen.HTTP == "" && f.listen.GRPC == "" {
		return o, usageError{errors.New("want an address to listen on: --http or --grpc")}
	}
	if (f.listen.Cert == "") != (f.listen.Key == "") {
		return o, usageError{errors.New("want --tls-cert and --tls-key, got one of them")}
	}
	if f.maxVoxels < 0 || f.running < 0 || f.keep < 0 {
		return o, usageError{errors.New("want no negative limits")}
	}
	if o.Limits.Request, err = parseBytes(f.maxRequest); err != nil {
		return o, usageError{fmt.Errorf("--max-request: %w", err)}
	}
	o.Limits.Voxels, o.Limits.Running, o.Limits.Keep = f.maxVoxels, f.running, f.keep
	if f.tokens != "" {
		o.Tokens, err = server.ReadTokens(f.tokens)
	}
	return o, err
}

// logger writes to stderr: lines of text, JSON with --json, problems alone with --quiet.
func (a *app) logger() *slog.Logger {
	level := slog.LevelInfo
	if a.quiet {
		level = slog.LevelWarn
	}
	o := &slog.HandlerOptions{Level: level}
	if a.json {
		return slog.New(slog.NewJSONHandler(a.err, o))
	}
	return slog.New(slog.NewTextHandler(a.err, o))
}

// secondSignal returns a channel that closes at the first signal after ctx has ended.
func secondSignal(ctx context.Context) (<-chan struct{}, func()) {
	hurry := make(chan struct{})
	signals := make(chan os.Signal, 1)
	over := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
		case <-over:
			return
		}
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		select {
		case <-signals:
			close(hurry)
		case <-over:
		}
	}()
	return hurry, func() {
		signal.Stop(signals)
		close(over)
	}
}

func printAddresses(w io.Writer, at server.Addresses) {
	for _, line := range []struct{ what, where string }{{"http", at.HTTP}, {"grpc", at.GRPC}, {"metrics", at.Metrics}} {
		if line.where != "" {
			fmt.Fprintf(w, "%-8s %s\n", line.what, line.where)
		}
	}
}

// parseBytes reads a size such as 2GB, 512MiB or 1000000. Units count in steps of 1024.
func parseBytes(text string) (int64, error) {
	digits := strings.TrimRight(strings.ToUpper(strings.TrimSpace(text)), "IB")
	shift := 0
	for i, unit := range []string{"K", "M", "G", "T"} {
		if rest, ok := strings.CutSuffix(digits, unit); ok {
			digits, shift = rest, 10*(i+1)
			break
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if size := n * float64(int64(1)<<shift); err == nil && size >= 1 && size < 1<<62 {
		return int64(size), nil
	}
	return 0, fmt.Errorf("want a size such as 2GB or 500MB, got %q", text)
}
