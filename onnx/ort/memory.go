//go:build cgo

package ort

import (
	"errors"
	"math"

	onnxruntime "github.com/yalue/onnxruntime_go"
)

// limited calls create so that the session which it makes gets an arena of its own, bounded by o.MemoryLimit.
// onnxruntime hands the arenas that are registered with the environment to the sessions made in the meantime;
// they keep them after the registration ends.
func limited(o Options, create func() error) error {
	if o.MemoryLimit == 0 || o.Provider.CUDA {
		return create()
	}
	environment.Lock()
	defer environment.Unlock()
	device, err := onnxruntime.GetMemoryInfo()
	if err != nil {
		return plain(err)
	}
	const sameAsRequested, standard = 1, -1 // grow by what is asked for, not to the next power of two
	arena, err := onnxruntime.NewArenaCfg(int(min(o.MemoryLimit, math.MaxInt)), sameAsRequested, standard, standard)
	if err != nil {
		return plain(err)
	}
	defer arena.Destroy()
	if err := onnxruntime.CreateAndRegisterAllocator(device, arena); err != nil {
		return plain(err)
	}
	return errors.Join(create(), plain(onnxruntime.UnregisterAllocator(device)))
}
