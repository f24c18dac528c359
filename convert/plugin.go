package convert

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nitrain/nitrain/internal/native"
)

// PluginVariable is the environment variable with folders, separated like those of PATH, that PJRT plugins are looked
// for in before nitrain's own.
const PluginVariable = "PJRT_PLUGIN_LIBRARY_PATH"

// pluginPath finds a PJRT plugin: by its path, or by its name ("cpu", "cuda"; "" is any, a GPU's first) in the folders of
// $PJRT_PLUGIN_LIBRARY_PATH and below nitrain's home folder. Nothing is downloaded.
func pluginPath(name string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) || strings.HasSuffix(name, ".so") {
		return name, nil
	}
	folders := filepath.SplitList(os.Getenv(PluginVariable))
	if home, err := native.Home(); err == nil {
		folders = append(folders, filepath.Join(home, "lib", "pjrt"))
	}
	wanted := []string{name}
	if name == "" {
		wanted = []string{"cuda", "rocm", "cpu"}
	}
	for _, w := range wanted {
		for _, folder := range folders {
			for _, file := range []string{"pjrt_c_api_" + w + "_plugin.so", "xla_" + w + "_plugin.so", "pjrt-plugin-" + w + ".so"} {
				path := filepath.Join(folder, file)
				if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
					return path, nil
				}
			}
		}
	}
	return "", &noPluginError{name: name, folders: folders}
}

// noPluginError says that no PJRT plugin was found.
type noPluginError struct {
	name    string
	folders []string
}

func (e *noPluginError) Error() string {
	return fmt.Sprintf("convert: device xla: want a PJRT plugin %q in one of %v, found none", e.name, e.folders)
}

// Hint says where plugins come from.
func (e *noPluginError) Hint() string {
	return "pip download jax-cuda13-pjrt, unpack xla_cuda_plugin.so, and name it: --device xla:/path/to/xla_cuda_plugin.so"
}
