package native

import (
	"os"
	"path/filepath"
	"strings"
)

// GPU describes the NVIDIA devices of this machine.
type GPU struct {
	Cards   int    `json:"cards"`   // on the bus, whether or not a driver uses them
	Devices int    `json:"devices"` // that the driver offers
	Driver  string `json:"driver"`  // its version, "" if it is not loaded
}

// GPUs examines this machine. It asks the system's files; no library of NVIDIA's is loaded.
func GPUs() GPU { return examineGPUs("/") }

func examineGPUs(root string) GPU {
	var g GPU
	vendors, _ := filepath.Glob(filepath.Join(root, "sys/bus/pci/devices/*/vendor")) // the pattern is a constant
	for _, path := range vendors {
		class, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "class"))
		vendor, _ := os.ReadFile(path)
		if strings.HasPrefix(string(vendor), "0x10de") && strings.HasPrefix(string(class), "0x03") {
			g.Cards++
		}
	}
	devices, _ := filepath.Glob(filepath.Join(root, "dev/nvidia[0-9]*")) // the pattern is a constant
	g.Devices = len(devices)
	if raw, err := os.ReadFile(filepath.Join(root, "proc/driver/nvidia/version")); err == nil {
		g.Driver = driverVersion(string(raw))
	}
	if _, err := os.Stat(filepath.Join(root, "dev/dxg")); err == nil && g.Devices == 0 { // Windows' subsystem for Linux
		g.Devices, g.Driver = 1, "of Windows"
	}
	return g
}

// driverVersion finds the number in "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue …".
func driverVersion(text string) string {
	for word := range strings.FieldsSeq(firstLine(text)) {
		if word[0] >= '0' && word[0] <= '9' && strings.Contains(word, ".") {
			return word
		}
	}
	return "unknown"
}
