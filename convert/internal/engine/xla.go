//go:build cgo

package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"

	"github.com/nitrain/nitrain/internal/native"
)

// oldestPJRT is the oldest minor version of PJRT's C interface (major version 0) that go-xla's calls fit: it fills
// structures of version 0.104, and a plugin reads no further than it knows; 0.76 is the oldest that was tried.
const oldestPJRT = 76

// newXLA loads a PJRT plugin by its path. go-xla would look for plugins by name in the system's folders and, asked so,
// download them: neither happens with an absolute path. It checks no version.
func newXLA(o Options) (compute.Backend, error) {
	if o.Plugin == "" {
		return nil, &Error{XLA, errors.New("want the path of a PJRT plugin, got none"), pluginHint}
	}
	path, plugin, err := openPlugin(o.Plugin)
	if err != nil {
		return nil, err
	}
	if major, minor := plugin.Version(); !fits(major, minor) {
		return nil, &Error{
			XLA, fmt.Errorf("plugin %s: want PJRT 0.%d or later of version 0, got %d.%d", path, oldestPJRT, major, minor),
			"use a newer plugin",
		}
	}
	options := pjrt.NamedValuesMap{}
	if o.Devices > 1 && plugin.IsCPU() {
		options["cpu_device_count"] = int64(o.Devices)
	}
	b, err := xla.NewWithOptions(path, options)
	if err != nil {
		return nil, &Error{XLA, oneLine(err), pluginHint}
	}
	if have := b.NumDevices(); have < o.Devices {
		b.Finalize()
		return nil, &Error{XLA, fmt.Errorf("plugin %s: want %d devices, got %d", path, o.Devices, have), "ask for as many as there are"}
	}
	return b, nil
}

// fits says whether go-xla's calls fit a plugin of this version.
func fits(major, minor int) bool { return major == 0 && minor >= oldestPJRT }

// openPlugin loads a plugin, once a process, after what can be seen without loading it was looked at.
func openPlugin(plugin string) (string, *pjrt.Plugin, error) {
	if strings.Contains(plugin, ",") {
		return "", nil, &Error{XLA, fmt.Errorf("plugin %q: want a path without ','", plugin), "link the plugin from another folder"}
	}
	path, err := filepath.Abs(plugin)
	if err != nil {
		return "", nil, &Error{XLA, err, pluginHint}
	}
	if err := native.CheckPlugin(path); err != nil {
		return "", nil, err
	}
	if pjrt.IsCUDAName(filepath.Base(path)) {
		if native.GPUs().Devices == 0 {
			return "", nil, &Error{XLA, fmt.Errorf("plugin %s: %w", path, errNoGPU), gpuHint}
		}
		// go-xla's own look at the driver's libraries only writes warnings.
		if err := os.Setenv("GOPJRT_CUDA_CHECKS", "0"); err != nil {
			return "", nil, &Error{XLA, err, ""}
		}
	}
	p, err := pjrt.GetPlugin(path)
	if err == nil && p == nil {
		err = errors.New("it has no interface")
	}
	if err != nil {
		return "", nil, &Error{XLA, fmt.Errorf("plugin %s: %w", path, oneLine(err)), pluginHint}
	}
	return path, p, nil
}

// oneLine drops what follows the first line of an error: XLA appends where in its source it was.
func oneLine(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(line)
}

// PluginVersion returns the version of PJRT's C interface that a plugin was built for.
func PluginVersion(plugin string) (major, minor int, err error) {
	_, p, err := openPlugin(plugin)
	if err != nil {
		return 0, 0, err
	}
	major, minor = p.Version()
	return major, minor, nil
}
