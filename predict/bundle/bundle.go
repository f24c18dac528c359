// Package bundle reads MONAI bundles and translates their inference recipe into a [predict.Spec].
//
// A bundle is a folder or zip of configurations that MONAI runs as Python. Here nothing is run, imported or
// looked up outside of the bundle: expressions are read by a parser of a small subset and evaluated only where
// they are literals, references, arithmetic, a choice between two values and a few recognised forms. What
// cannot be translated is refused, and the refusal names every item ([*UntranslatableError]).
package bundle

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/nitrain/nitrain/onnx"
)

// Options say how a bundle is read. The zero value reads configs/inference.json, .yaml or .yml.
type Options struct {
	// Configs are the configuration files, paths inside the bundle, merged in order as MONAI's --config_file
	// does: a later file's keys replace the earlier one's, keys with a leading + are merged or appended.
	Configs []string
	// Set overrides values by their id, as MONAI's command line does: {"displayable_configs#highres": "false"}.
	// Values are read as JSON where they are JSON and are text otherwise.
	Set []Setting
}

// Setting is one override.
type Setting struct{ ID, Value string }

// Bundle is an opened bundle.
type Bundle struct {
	Path            string   // as it was opened
	Name            string   // from metadata.json, else the folder's or file's
	Version         string   // from metadata.json
	Task            string   // what metadata.json says about the task, in its own words
	Summary         string   // the description in metadata.json
	Licence         string   // of LICENSE, as far as it is recognised
	Authors         string   //
	Configs         []string // configuration files that were read
	Model           string   // the .onnx file inside; empty if there is none
	Weights         []string // the .pt and .ts files inside
	files           files
	config          *resolver
	metadata        *Object
	notes           []string
	inputs, outputs []onnx.ValueInfo // of the model, as far as known
}

// Open reads a bundle's metadata and inference configuration from a folder or a .zip file.
// Paths that climb, links and files larger than a configuration can be are errors.
func Open(name string, o Options) (*Bundle, error) {
	f, err := openFiles(name)
	if err != nil {
		return nil, err
	}
	b := &Bundle{Path: name, files: f, metadata: newObject()}
	if err := b.read(o); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return b, nil
}

// Close closes the zip file.
func (b *Bundle) Close() error { return b.files.close() }

// configNames are the inference configurations by convention.
func configNames() []string {
	return []string{"configs/inference.json", "configs/inference.yaml", "configs/inference.yml"}
}

func (b *Bundle) read(o Options) error {
	b.Name = strings.TrimSuffix(path.Base(strings.TrimRight(strings.ReplaceAll(b.Path, "\\", "/"), "/")), ".zip")
	if err := b.readMetadata(); err != nil {
		return err
	}
	names := o.Configs
	if len(names) == 0 {
		for _, n := range configNames() {
			if b.files.has(n) {
				names = []string{n}
				break
			}
		}
	}
	if len(names) == 0 {
		return &NotABundleError{Path: b.Path, What: "holds no " + strings.Join(configNames(), ", ")}
	}
	budget := newBudget()
	root := newObject()
	for _, n := range names {
		n = strings.TrimPrefix(path.Clean(n), "./")
		part, err := b.readConfig(n, budget)
		if err != nil {
			return err
		}
		if err := mergeFile(root, part); err != nil {
			return fmt.Errorf("bundle: %s: %w", n, err)
		}
		b.Configs = append(b.Configs, n)
	}
	for _, s := range o.Set {
		if err := override(root, s, budget); err != nil {
			return err
		}
	}
	if err := b.expandMacros(root, budget); err != nil {
		return err
	}
	b.config = newResolver(root, budget)
	b.inventory()
	return nil
}

func (b *Bundle) readMetadata() error {
	const name = "configs/metadata.json"
	if !b.files.has(name) {
		b.notes = append(b.notes, "no configs/metadata.json: channels and labels have no names")
		return nil
	}
	m, err := b.readConfig(name, newBudget())
	if err != nil {
		return err
	}
	b.metadata = m
	if s := m.text("name"); s != "" {
		b.Name = s
	}
	b.Version, b.Task, b.Summary, b.Authors = m.text("version"), m.text("task"), strings.TrimSpace(m.text("description")), m.text("authors")
	return nil
}

// readConfig reads one configuration file, JSON or YAML by its name.
func (b *Bundle) readConfig(name string, budget *budget) (*Object, error) {
	data, err := b.files.read(name, maxConfig)
	if err != nil {
		return nil, err
	}
	var v any
	switch strings.ToLower(path.Ext(name)) {
	case ".json":
		v, err = readJSON(data, budget)
	case ".yaml", ".yml":
		v, err = readYAML(data, budget)
	default:
		err = errors.New("want a .json, .yaml or .yml file")
	}
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", name, err)
	}
	o, ok := v.(*Object)
	if !ok {
		return nil, fmt.Errorf("bundle: %s: want an object at the top, got %s", name, kindOf(v))
	}
	return o, nil
}

// inventory notes the models, weights and licence.
func (b *Bundle) inventory() {
	for _, n := range b.files.list("models") {
		switch path.Ext(n) {
		case ".onnx":
			if b.Model == "" || n == "models/model.onnx" {
				b.Model = n
			}
		case ".pt", ".ts", ".pth":
			b.Weights = append(b.Weights, n)
		}
	}
	for _, n := range []string{"LICENSE", "LICENSE.txt", "LICENSE.md"} {
		if !b.files.has(n) {
			continue
		}
		if data, err := b.files.read(n, maxConfig); err == nil {
			b.Licence = licenceOf(string(data))
		}
		return
	}
}

// licenceOf returns the SPDX identifier of a licence's text, or nothing.
func licenceOf(text string) string {
	head := text[:min(len(text), 2000)]
	switch {
	case strings.Contains(head, "Apache License") && strings.Contains(head, "Version 2.0"):
		return "Apache-2.0"
	case strings.Contains(head, "Permission is hereby granted, free of charge"):
		return "MIT"
	case strings.Contains(head, "Redistribution and use in source and binary forms"):
		return "BSD-3-Clause"
	case strings.Contains(head, "Attribution-NonCommercial-ShareAlike 4.0"):
		return "CC-BY-NC-SA-4.0"
	}
	return ""
}
