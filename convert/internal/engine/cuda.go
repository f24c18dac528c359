package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/internal/native"
)

// errNoGPU is the reason of refusing CUDA on a machine that has none.
var errNoGPU = errors.New("want an NVIDIA device with its driver, found none")

const gpuHint = "nitrain doctor says what this machine lacks"

// visible is the variable by which CUDA's driver chooses the devices that a process sees.
const visible = "CUDA_VISIBLE_DEVICES"

// CheckGPU refuses CUDA on a machine that has no NVIDIA device with a driver.
func CheckGPU() error {
	if native.GPUs().Devices == 0 {
		return &Error{ONNX, fmt.Errorf("cuda: %w", errNoGPU), gpuHint}
	}
	return nil
}

// prepareCUDA refuses what onnxruntime would refuse late and at length, and chooses the device.
func prepareCUDA(library string, index int) error {
	provider := filepath.Join(filepath.Dir(library), "libonnxruntime_providers_cuda.so")
	if _, err := os.Stat(provider); err != nil {
		return fmt.Errorf("cuda: want a GPU build of onnxruntime, with libonnxruntime_providers_cuda.so beside it, got %s", library)
	}
	if index == 0 {
		return nil
	}
	only, err := chooseDevice(os.Getenv(visible), index)
	if err != nil {
		return err
	}
	return os.Setenv(visible, only)
}

// chooseDevice returns the value of $CUDA_VISIBLE_DEVICES that leaves one device of those that are visible.
func chooseDevice(now string, index int) (string, error) {
	if now == "" {
		return strconv.Itoa(index), nil
	}
	devices := strings.Split(now, ",")
	if index >= len(devices) {
		return "", fmt.Errorf("cuda: want a device below %d of $%s, got %d", len(devices), visible, index)
	}
	return strings.TrimSpace(devices[index]), nil
}
