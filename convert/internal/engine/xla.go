//go:build cgo

package engine

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
)

// oldestPJRT is the oldest minor version of PJRT's C interface (major version 0) that go-xla's calls fit: it fills
// structures of version 0.104, and a plugin reads no further than it knows; 0.76 is the oldest that was tried.
const oldestPJRT = 76

// newXLA loads a PJRT plugin by its path. go-xla would look for plugins by name in the system's folders and, asked so,
// download them: neither happens with an absolute path. It checks no version.
func newXLA(o Options) (compute.Backend, error) {
	if o.Plugin == "" {
		return nil, &Error{XLA, fmt.Errorf("want the path of a PJRT plugin, got none"), pluginHint}
	}
	path, err := filepath.Abs(o.Plugin)
	if err == nil {
		var st os.FileInfo
		if st, err = os.Stat(path); err == nil && !st.Mode().IsRegular() {
			err = fmt.Errorf("plugin %s: want a file", path)
		}
	}
	if err != nil {
		return nil, &Error{XLA, err, pluginHint}
	}
	plugin, err := pjrt.GetPlugin(path)
	if err != nil {
		return nil, &Error{XLA, err, pluginHint}
	}
	if major, minor := plugin.Version(); major != 0 || minor < oldestPJRT {
		return nil, &Error{XLA, fmt.Errorf("plugin %s: want PJRT 0.%d or later of version 0, got %d.%d", path, oldestPJRT, major, minor),
			"use a newer plugin"}
	}
	options := pjrt.NamedValuesMap{}
	if o.Devices > 1 && plugin.IsCPU() {
		options["cpu_device_count"] = int64(o.Devices)
	}
	b, err := xla.NewWithOptions(path, options)
	if err != nil {
		return nil, &Error{XLA, err, pluginHint}
	}
	return b, nil
}

// PluginVersion returns the version of PJRT's C interface that a plugin was built for.
func PluginVersion(path string) (major, minor int, err error) {
	plugin, err := pjrt.GetPlugin(path)
	if err != nil {
		return 0, 0, &Error{XLA, err, pluginHint}
	}
	major, minor = plugin.Version()
	return major, minor, nil
}
