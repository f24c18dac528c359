package bundle

import (
	"slices"
	"strings"
)

// className returns the base name of one of MONAI's classes, and whether it is the version that works on dictionaries:
// Spacing for Spacingd, SpacingD, SpacingDict and monai.transforms.Spacingd. Of a class from elsewhere it is "".
func className(target string, known func(string) bool) (name string, dict bool) {
	name = target[strings.LastIndexByte(target, '.')+1:]
	if name != target && !strings.HasPrefix(target, "monai.") {
		return "", false
	}
	if known(name) {
		return name, false
	}
	for _, suffix := range []string{"Dict", "d", "D"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && known(base) {
			return base, true
		}
	}
	return "", false
}

// componentFault says why a component cannot be taken as what it names; nothing if it can.
func componentFault(c *Component) string {
	if c.doubt != "" {
		return c.doubt
	}
	switch m := c.mode.(type) {
	case nil:
		return ""
	case string:
		if m == "default" {
			return ""
		}
	}
	return "_mode_ " + describe(c.mode) + " makes something else of it than an instance"
}

// foreign says why a class is not understood.
func foreign(target string) string {
	switch first, _, _ := strings.Cut(target, "."); first {
	case target:
		return "no class that is understood"
	case "monai":
		return "a class of MONAI that is not understood"
	case "scripts":
		return "Python code of the bundle's own, which is never run"
	}
	return "a class from outside of MONAI, which is never run"
}

// devices are the parameters that say where something is computed.
func devices() []string { return []string{"device", "sw_device", "non_blocking"} }

// among returns a test for the names of a list.
func among(list ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(list, s) }
}
