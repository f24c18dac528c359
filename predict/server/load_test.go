package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict/server"
	"github.com/nitrain/nitrain/predict/server/internal/pb"
)

// TestManyClients has 50 clients, half of them by gRPC, ask for inferences at once, each sure of its answer to the last bit: for a minute
// with NITRAIN_ACCEPTANCE=1, else for 3 seconds. Memory must not grow in the second half.
func TestManyClients(t *testing.T) {
	const clients = 50
	length := 3 * time.Second
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		length = time.Minute
	}
	path := realModel(t)
	models, err := server.NewRepository(server.OpenWith(ort.Options{Threads: 1}), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := models.LoadAll(); err != nil {
		t.Fatal(err)
	}
	defer models.Close()
	h, _ := serve(t, server.Options{Models: models}, nil)
	at, _ := start(t, h, server.Listen{HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Metrics: "127.0.0.1:0"})
	type question struct {
		body, raw, want []byte
		head            int
	}
	var questions []question
	for seed := range 4 {
		in, out := direct(t, path, ort.Options{Threads: 1}, []int{1, 1, 16, 16, 16}, uint64(seed))
		raw, _ := in.Bytes()
		want, _ := out.Bytes()
		text := fmt.Sprintf(`{"inputs":[{"name":"image","datatype":"FP32","shape":[1,1,16,16,16],"parameters":{"binary_data_size":%d}}],"parameters":{"binary_data_output":true}}`, len(raw))
		questions = append(questions, question{append([]byte(text), raw...), raw, want, len(text)})
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	var asked, wrong atomic.Int64
	var say sync.Once
	end := time.Now().Add(length)
	ask := func(q question) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at.HTTP+"/v2/models/unet3d_a/infer", bytes.NewReader(q.body))
		if err != nil {
			return err
		}
		r.Header.Set("Inference-Header-Content-Length", strconv.Itoa(q.head))
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err == nil && (resp.StatusCode != http.StatusOK || !bytes.HasSuffix(got, q.want)) {
			err = fmt.Errorf("status %d, %d bytes: %.200q", resp.StatusCode, len(got), got[:min(len(got), 200)])
		}
		return err
	}
	conn, err := grpc.NewClient(at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	calls := pb.NewGRPCInferenceServiceClient(conn)
	ring := func(q question) error {
		r, err := calls.ModelInfer(t.Context(), &pb.ModelInferRequest{
			ModelName: "unet3d_a", RawInputContents: [][]byte{q.raw},
			Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "image", Datatype: "FP32", Shape: []int64{1, 1, 16, 16, 16}}},
		})
		if err == nil && !bytes.Equal(r.RawOutputContents[0], q.want) {
			err = errors.New("gRPC: another answer")
		}
		return err
	}
	var work sync.WaitGroup
	for i := range clients {
		work.Go(func() {
			for k := i; time.Now().Before(end); k++ {
				asked.Add(1)
				how := ask
				if i%2 == 1 {
					how = ring
				}
				if err := how(questions[k%len(questions)]); err != nil {
					wrong.Add(1)
					say.Do(func() { t.Error(err) })
				}
			}
		})
	}
	var memory []float64
	for time.Now().Before(end) {
		time.Sleep(length / 20)
		runtime.GC()
		memory = append(memory, resident(t, at.Metrics)/(1<<20))
	}
	work.Wait()
	half := len(memory) / 2
	early, late := slices.Max(memory[half/2:half]), slices.Max(memory[half:])
	t.Logf("%d clients, %v: %d answers, %d wrong; resident memory %.0f MiB at half, %.0f MiB at the end", clients, length, asked.Load(), wrong.Load(), early, late)
	if late > 1.1*early+32 {
		t.Errorf("memory grows: %.0f", memory)
	}
}

// resident reads the process's memory from the metrics.
func resident(t *testing.T, url string) float64 {
	_, _, text := call(t, http.MethodGet, url, nil)
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "process_resident_memory_bytes "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if err != nil {
				t.Error(err)
			}
			return n
		}
	}
	t.Error("no memory in the metrics")
	return 0
}
