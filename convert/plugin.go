package convert

import (
	"fmt"

	"github.com/nitrain/nitrain/convert/internal/engine"
)

// PluginVersion loads the PJRT plugin at a path and returns the version of PJRT's C interface that it was built for.
// Errors have a Hint.
func PluginVersion(path string) (string, error) {
	major, minor, err := engine.PluginVersion(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d.%d", major, minor), nil
}
