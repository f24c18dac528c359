package convert

import (
	"fmt"
	"strconv"
	"strings"
)

// Device says where to compute.
type Device struct {
	Kind   string // "cpu", "cuda", "xla", "go" or "onnx"
	Index  int    // of the CUDA device
	Plugin string // of XLA: a path or a name, "" for the first that is found
	Count  int    // devices of XLA that a batch is divided among, at least 1
}

// maxDevices bounds Device.Count: more are not in one machine.
const maxDevices = 64

// DeviceError says what is wrong with the name of a device.
type DeviceError struct{ Got, Want string }

func (e *DeviceError) Error() string {
	return fmt.Sprintf("convert: device %q: want %s", e.Got, e.Want)
}

// Hint says how devices are named.
func (e *DeviceError) Hint() string {
	return "devices are auto, cpu, cuda, cuda:N, xla, xla:NAME and xla:PATH, the last three also with ,devices=N"
}

// ParseDevice reads the name of a device: "auto" (or ""), the best CPU engine of this machine, as "cpu"; "cuda" or
// "cuda:N", an NVIDIA GPU through onnxruntime; "xla", "xla:NAME" or "xla:PATH", a PJRT plugin, found as native.FindPlugin
// says; followed by ",devices=N" it divides each batch among N devices of the plugin; "go", the slow reference in plain
// Go; "onnx", onnxruntime on the CPU, for comparisons. Errors are *DeviceError.
func ParseDevice(s string) (Device, error) {
	kind, rest, more := strings.Cut(s, ":")
	if !more {
		var optional bool
		if kind, rest, optional = strings.Cut(s, ","); optional {
			rest = "," + rest
		}
	}
	d := Device{Kind: strings.ToLower(kind), Count: 1}
	switch d.Kind {
	case "", "auto":
		d.Kind = "cpu"
	case "cpu", "go", "onnx":
	case "cuda":
		if !more {
			break
		}
		n, err := strconv.ParseUint(rest, 10, 8)
		if err != nil {
			return Device{}, &DeviceError{s, "cuda:N with a number from 0 to 255"}
		}
		d.Index, rest = int(n), ""
	case "xla":
		return d.xla(s, rest, more)
	default:
		return Device{}, &DeviceError{s, "auto, cpu, cuda[:N], xla[:PLUGIN][,devices=N] or go"}
	}
	if more && d.Kind != "cuda" || rest != "" {
		return Device{}, &DeviceError{s, d.Kind + " alone"}
	}
	return d, nil
}

// xla reads what follows "xla".
func (d Device) xla(s, rest string, named bool) (Device, error) {
	plugin, option, found := strings.Cut(rest, ",")
	if named && plugin == "" {
		return Device{}, &DeviceError{s, "the name or the path of a plugin after xla:"}
	}
	d.Plugin = plugin
	if !found {
		return d, nil
	}
	number, isCount := strings.CutPrefix(option, "devices=")
	n, err := strconv.Atoi(number)
	if !isCount || err != nil || n < 1 || n > maxDevices {
		return Device{}, &DeviceError{s, fmt.Sprintf("devices=N with a number from 1 to %d after the comma", maxDevices)}
	}
	d.Count = n
	return d, nil
}
