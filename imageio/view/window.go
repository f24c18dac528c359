package view

import (
	"fmt"
	"strings"
)

// Preset is a window of CT in Hounsfield units that has a name.
type Preset struct {
	Name      string
	Low, High float64
}

// Presets lists the usual windows of CT, as radiology workstations have them.
func Presets() []Preset {
	return []Preset{
		{"brain", 0, 80},
		{"stroke", 20, 60},
		{"subdural", -25, 175},
		{"bone", -500, 1500},
		{"lung", -1350, 150},
		{"mediastinum", -150, 250},
		{"abdomen", -150, 250},
		{"liver", 15, 165},
		{"spine", -100, 300},
		{"angio", 0, 600},
	}
}

// Window returns the preset of a name.
func Window(name string) ([2]float64, error) {
	var names []string
	for _, p := range Presets() {
		if strings.EqualFold(p.Name, name) {
			return [2]float64{p.Low, p.High}, nil
		}
		names = append(names, p.Name)
	}
	return [2]float64{}, fmt.Errorf("view: window: want one of %s, got %q", strings.Join(names, " "), name)
}
