package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// memory is a flag's number of bytes: "4GB", "2500MB", "1.5GiB", "800kB".
type memory int64

// least is the smallest limit that a process with onnxruntime loaded can keep.
const least memory = 64e6

func units() map[string]float64 {
	return map[string]float64{
		"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
		"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
	}
}

// Set parses a size.
func (m *memory) Set(text string) error {
	text = strings.TrimSpace(text)
	at := strings.LastIndexAny(text, "0123456789.") + 1
	unit, known := units()[strings.ToLower(strings.TrimSpace(text[at:]))]
	n, err := strconv.ParseFloat(strings.TrimSpace(text[:at]), 64)
	bytes := n * unit
	switch {
	case err != nil || !known:
		return errors.New("want a size such as 4GB, 2500MB or 2GiB")
	case bytes < float64(least):
		return fmt.Errorf("want at least %v", least)
	case bytes >= 1<<62:
		return errors.New("want a size that a machine can have")
	}
	*m = memory(bytes)
	return nil
}

// Type names the kind of value in the help.
func (m *memory) Type() string { return "size" }

// String returns the size in the largest unit that it fills; "" for no limit.
func (m memory) String() string {
	switch {
	case m == 0:
		return ""
	case m >= 1e9:
		return strconv.FormatFloat(float64(m)/1e9, 'g', 4, 64) + "GB"
	default:
		return strconv.FormatFloat(float64(m)/1e6, 'g', 4, 64) + "MB"
	}
}
