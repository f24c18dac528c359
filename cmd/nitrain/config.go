package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"
)

// applyConfig sets the flags that a YAML file names and the command line does not. Values are scalars or
// lists of scalars; an unknown name is an error.
func applyConfig(cmd *cobra.Command, path string) error {
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return usageError{fmt.Errorf("config: %w", err)}
	}
	var values map[string]any
	if err := yaml.Unmarshal(data, &values); err != nil {
		return usageError{fmt.Errorf("config: %s: %w", path, err)}
	}
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		flag := cmd.Flags().Lookup(key)
		if flag == nil || key == "config" || key == "help" {
			return usageError{fmt.Errorf("config: %s: %s has no flag %q%s", path, cmd.Name(), key, closest(cmd.Flags(), key))}
		}
		if flag.Changed {
			continue
		}
		text, err := scalar(values[key])
		if err == nil {
			err = cmd.Flags().Set(key, text)
		}
		if err != nil {
			return usageError{fmt.Errorf("config: %s: %s: %w", path, key, err)}
		}
	}
	return nil
}

func scalar(v any) (string, error) {
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			text, err := scalar(e)
			if err != nil {
				return "", err
			}
			parts[i] = text
		}
		return strings.Join(parts, ","), nil
	case map[string]any:
		return "", errors.New("want a value or a list, got a mapping")
	case nil:
		return "", errors.New("want a value, got nothing")
	default:
		return fmt.Sprint(v), nil
	}
}

// closest suggests a flag that starts like key.
func closest(flags *pflag.FlagSet, key string) string {
	found := ""
	flags.VisitAll(func(f *pflag.Flag) {
		if found == "" && f.Name != key && len(key) >= 3 && strings.HasPrefix(f.Name, key[:3]) {
			found = fmt.Sprintf(" (did you mean %q?)", f.Name)
		}
	})
	return found
}
