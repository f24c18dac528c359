// Command ask calls a running server as a client would: it sends a scan over HTTP and one tensor over both
// HTTP and gRPC, and compares what comes back.
//
//	ask -http 127.0.0.1:8000 -grpc 127.0.0.1:8001 -model tuned -scan SCAN -seg SEG -shape 1,1,32,32,32
//
// SEG is what `nitrain predict` made of SCAN: the server's answer must be the same image, voxel for voxel.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/predict/server/internal/pb"
)

type question struct {
	http, grpc, model, scan, seg, input string
	shape                               []int64
}

func main() {
	var q question
	flag.StringVar(&q.http, "http", "127.0.0.1:8000", "address of REST")
	flag.StringVar(&q.grpc, "grpc", "127.0.0.1:8001", "address of gRPC")
	flag.StringVar(&q.model, "model", "", "name of the model")
	flag.StringVar(&q.input, "input", "image", "name of the model's input")
	flag.StringVar(&q.scan, "scan", "", "scan to send")
	flag.StringVar(&q.seg, "seg", "", "the segmentation that is expected")
	shape := flag.String("shape", "1,1,32,32,32", "shape of the tensor to send")
	flag.Parse()
	for part := range strings.SplitSeq(*shape, ",") {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			fmt.Fprintln(os.Stderr, "ask: shape:", err)
			os.Exit(2)
		}
		q.shape = append(q.shape, n)
	}
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	if err := q.ask(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "ask:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func (q *question) ask(ctx context.Context) error {
	if err := q.ready(ctx); err != nil {
		return err
	}
	start := time.Now()
	if err := q.segment(ctx); err != nil {
		return err
	}
	fmt.Printf("HTTP: scan in, segmentation out in %.1f s, the same as predict's, voxel for voxel\n", time.Since(start).Seconds())
	n := 1
	for _, d := range q.shape {
		n *= int(d)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	raw := make([]byte, 0, 4*n)
	for range n {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(rng.Float32()))
	}
	rest, err := q.inferREST(ctx, raw)
	if err != nil {
		return err
	}
	remote, err := q.inferGRPC(ctx, raw)
	if err != nil {
		return err
	}
	if !bytes.Equal(rest, remote) {
		return errors.New("REST and gRPC answer differently")
	}
	fmt.Printf("gRPC: one tensor in, %d bytes out, the same as by REST, bit for bit\n", len(remote))
	return nil
}

// ready waits until the server says that it is.
func (q *question) ready(ctx context.Context) error {
	for {
		_, _, err := q.call(ctx, http.MethodGet, "/v2/health/ready", nil, nil)
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (q *question) call(ctx context.Context, method, path string, header http.Header, body []byte) ([]byte, http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+q.http+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if header != nil {
		r.Header = header
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, answer.Status, raw)
	}
	return raw, answer.Header, err
}

// segment sends the scan and compares the segmentation.
func (q *question) segment(ctx context.Context) error {
	scan, err := os.ReadFile(q.scan)
	if err != nil {
		return err
	}
	raw, _, err := q.call(ctx, http.MethodPost, "/api/v1/predict?model="+q.model, nil, scan)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ask")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "seg.nii.gz")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return err
	}
	got, err := imageio.ReadLabel(file)
	if err != nil {
		return err
	}
	want, err := imageio.ReadLabel(q.seg)
	if err != nil {
		return err
	}
	if !got.Grid.Same(want.Grid, 1e-4) || !slices.Equal(got.Data, want.Data) {
		return errors.New("the server's segmentation is not predict's")
	}
	return nil
}

// inferREST sends the tensor with the binary data extension and returns the first output's bytes.
func (q *question) inferREST(ctx context.Context, raw []byte) ([]byte, error) {
	head, err := json.Marshal(map[string]any{
		"inputs":     []any{map[string]any{"name": q.input, "datatype": "FP32", "shape": q.shape, "parameters": map[string]any{"binary_data_size": len(raw)}}},
		"parameters": map[string]any{"binary_data_output": true},
	})
	if err != nil {
		return nil, err
	}
	const length = "Inference-Header-Content-Length"
	header := http.Header{length: {strconv.Itoa(len(head))}, "Content-Type": {"application/octet-stream"}}
	answer, got, err := q.call(ctx, http.MethodPost, "/v2/models/"+q.model+"/infer", header, append(head, raw...))
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(got.Get(length))
	if err != nil || n > len(answer) {
		return nil, fmt.Errorf("infer: header %s: %q", length, got.Get(length))
	}
	return answer[n:], nil
}

// inferGRPC sends the same tensor over gRPC.
func (q *question) inferGRPC(ctx context.Context, raw []byte) ([]byte, error) {
	conn, err := grpc.NewClient(q.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	answer, err := pb.NewGRPCInferenceServiceClient(conn).ModelInfer(ctx, &pb.ModelInferRequest{
		ModelName:        q.model,
		Inputs:           []*pb.ModelInferRequest_InferInputTensor{{Name: q.input, Datatype: "FP32", Shape: q.shape}},
		RawInputContents: [][]byte{raw},
	})
	if err != nil {
		return nil, err
	}
	if len(answer.GetRawOutputContents()) == 0 {
		return nil, errors.New("gRPC: no output")
	}
	return answer.GetRawOutputContents()[0], nil
}
