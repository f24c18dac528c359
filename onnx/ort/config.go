//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"

	onnxruntime "github.com/yalue/onnxruntime_go"
)

// newSessionOptions translates o for onnxruntime. The caller destroys the result.
func newSessionOptions(o Options) (*onnxruntime.SessionOptions, error) {
	so, err := onnxruntime.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("ort: options: %w", plain(err))
	}
	if err := configure(so, o); err != nil {
		_ = so.Destroy() // fails only twice
		return nil, err
	}
	return so, nil
}

func configure(so *onnxruntime.SessionOptions, o Options) error {
	threads := o.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	errs := []error{
		so.SetIntraOpNumThreads(threads),
		so.SetCpuMemArena(!o.NoArena),
		so.SetLogSeverityLevel(onnxruntime.LoggingLevelFatal), // errors are returned, not printed
		// Activations that fade away must not make the arithmetic a hundred times slower.
		so.AddSessionConfigEntry("session.set_denormal_as_zero", "1"),
		// Threads that wait in a loop take the processor from whoever else needs it: measured on two cores
		// with other work beside, networks ran up to seven times slower.
		so.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		so.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
	}
	if o.InterThreads > 1 {
		errs = append(errs, so.SetExecutionMode(onnxruntime.ExecutionModeParallel), so.SetInterOpNumThreads(o.InterThreads))
	}
	if o.MemoryLimit > 0 && !o.Provider.CUDA {
		errs = append(errs, so.AddSessionConfigEntry("session.use_env_allocators", "1"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("ort: options: %w", plain(err))
	}
	switch {
	case o.Provider.CUDA:
		return addCUDA(so, o)
	case o.Provider.OpenVINO:
		return addOpenVINO(so, threads)
	}
	return nil
}

// addOpenVINO lets OpenVINO's CPU plugin take what it can of a model. ACCURACY keeps to the model's own types: by
// default the plugin computes in bfloat16 where the processor can.
func addOpenVINO(so *onnxruntime.SessionOptions, threads int) error {
	settings := map[string]string{"device_type": "CPU", "precision": "ACCURACY", "num_of_threads": strconv.Itoa(threads)}
	if err := so.AppendExecutionProviderOpenVINO(settings); err != nil {
		return &Error{Problem: "provider openvino", Err: plain(err), hint: "run: nitrain setup --with openvino"}
	}
	return nil
}

func addCUDA(so *onnxruntime.SessionOptions, o Options) error {
	settings := map[string]string{"device_id": strconv.Itoa(o.Provider.Device)}
	if o.MemoryLimit > 0 {
		settings["gpu_mem_limit"] = strconv.FormatInt(o.MemoryLimit, 10)
	}
	cuda, err := onnxruntime.NewCUDAProviderOptions()
	if err == nil {
		err = cuda.Update(settings)
		if err == nil {
			err = so.AppendExecutionProviderCUDA(cuda)
		}
		err = errors.Join(err, cuda.Destroy())
	}
	if err != nil {
		return &Error{
			Problem: fmt.Sprintf("provider %v", o.Provider), Err: plain(err),
			hint: "set NITRAIN_ONNXRUNTIME to a GPU build of onnxruntime that has libonnxruntime_providers_cuda.so beside it",
		}
	}
	return nil
}
