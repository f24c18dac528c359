package nnunet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// maxFile bounds plans.json and dataset.json.
const maxFile = 64 << 20

// Open reads a recipe from a results folder (DatasetXXX_Name/Trainer__Plans__configuration), from the folder of a
// dataset that holds such folders, or from a file of plans beside which dataset.json lies. The name chooses the
// configuration; where a folder's own name says it, or there is only one, it may be empty.
func Open(path, configuration string) (*Recipe, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return open(filepath.Dir(path), filepath.Base(path), configuration)
	}
	if exists(path, "plans.json") {
		return open(path, "plans.json", configuration)
	}
	trained, err := trainedBelow(path, configuration)
	if err != nil {
		return nil, err
	}
	return open(filepath.Join(path, trained), "plans.json", configuration)
}

func open(dir, plans, configuration string) (*Recipe, error) {
	rawPlans, err := read(dir, plans)
	if err != nil {
		return nil, err
	}
	rawData, err := read(dir, "dataset.json")
	if err != nil {
		return nil, err
	}
	trainer, own := folderName(dir)
	if configuration == "" {
		configuration = own
	}
	r, err := Parse(rawPlans, rawData, configuration)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if own == r.Configuration {
		r.Trainer = trainer
	}
	if err := r.beside(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return r, nil
}

// beside reads what else lies in the folder: models, mirroring axes, hints of post-processing.
func (r *Recipe) beside(dir string) error {
	var err error
	if r.Folds, err = folds(dir); err != nil {
		return err
	}
	if err := r.mirroring(dir); err != nil {
		return err
	}
	for _, pattern := range []string{"postprocessing.pkl", "crossval_results_folds_*/postprocessing.pkl"} {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil && len(found) > 0 {
			r.notes = append(r.notes, "postprocessing.pkl is a Python pickle and not read: what it removes can be said with decode.keep")
			break
		}
	}
	return nil
}

// sidecar is our own file in a model folder, for what is only in checkpoints.
const sidecar = "nitrain.json"

func (r *Recipe) mirroring(dir string) error {
	raw, err := read(dir, sidecar)
	if errors.Is(err, fs.ErrNotExist) {
		if axes, ok := usualMirroring(r.Trainer, len(r.conf.Patch)); ok {
			r.Mirror = axes
		}
		return nil
	}
	if err != nil {
		return err
	}
	var file struct {
		Mirror *[]int `json:"inference_allowed_mirroring_axes"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return &FormatError{sidecar, "", err}
	}
	if file.Mirror == nil {
		return r.SetMirror(nil)
	}
	return r.SetMirror(*file.Mirror)
}

// usualMirroring returns the axes that nnU-Net's own trainers allow.
func usualMirroring(trainer string, axes int) ([]int, bool) {
	switch {
	case regexp.MustCompile(`^nnUNetTrainer(_\d+epochs?)?$`).MatchString(trainer):
		return []int{0, 1, 2}[:axes], true
	case regexp.MustCompile(`^nnUNetTrainer(_\d+epochs?_)?NoMirroring$`).MatchString(trainer):
		return []int{}, true
	case trainer == "nnUNetTrainer_onlyMirror01" && axes == 3:
		return []int{0, 1}, true
	}
	return nil, false
}

// folds lists the models beside a plan: fold_N/*.onnx, or the only ones in the folder itself.
func folds(dir string) ([]Fold, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var within, here []Fold
	for _, e := range entries {
		name, isFold := strings.CutPrefix(e.Name(), "fold_")
		switch {
		case e.IsDir() && isFold:
			files, err := models(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, err
			}
			if len(files) > 1 {
				return nil, fmt.Errorf("nnunet: %s: want one .onnx, got %s", e.Name(), strings.Join(files, ", "))
			}
			for _, f := range files {
				within = append(within, Fold{name, filepath.Join(dir, e.Name(), f)})
			}
		case e.Type().IsRegular() && filepath.Ext(e.Name()) == ".onnx":
			name = strings.TrimSuffix(e.Name(), ".onnx")
			here = append(here, Fold{strings.TrimPrefix(name, "fold_"), filepath.Join(dir, e.Name())})
		}
	}
	if len(within) > 0 {
		return within, nil
	}
	return here, nil
}

func models(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && filepath.Ext(e.Name()) == ".onnx" {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// folderName splits Trainer__Plans__configuration; both are empty where it is none.
func folderName(dir string) (trainer, configuration string) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", ""
	}
	parts := strings.Split(filepath.Base(abs), "__")
	if len(parts) != 3 {
		return "", ""
	}
	return parts[0], parts[2]
}

// trainedBelow returns the one results folder in a dataset's folder, or the one of a configuration.
func trainedBelow(dir, configuration string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var all, fit []string
	for _, e := range entries {
		_, own := folderName(e.Name())
		if !e.IsDir() || own == "" || !exists(filepath.Join(dir, e.Name()), "plans.json") {
			continue
		}
		all = append(all, e.Name())
		if own == configuration {
			fit = append(fit, e.Name())
		}
	}
	if configuration == "" {
		fit = all
	}
	switch {
	case len(all) == 0:
		return "", fmt.Errorf("%s: neither plans.json nor folders like nnUNetTrainer__nnUNetPlans__3d_fullres: %w", dir, fs.ErrNotExist)
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) == 0:
		return "", &ChoiceError{What: "configuration", Got: configuration, Have: all}
	}
	return "", &ChoiceError{What: "trained model", Have: slices.Clone(fit)}
}

func exists(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, name))
	return err == nil && info.Mode().IsRegular()
}

// read reads a file of the folder; a name that leads out of it, a link that does so too, is an error.
func read(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, &FormatError{name, "", fmt.Errorf("larger than %d MB", maxFile>>20)}
	}
	return raw, nil
}

// IsResults reports whether a folder looks like one that [Open] reads: plans.json and dataset.json in it, or results
// folders.
func IsResults(dir string) bool {
	if exists(dir, "plans.json") && exists(dir, "dataset.json") {
		return true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		_, own := folderName(e.Name())
		return e.IsDir() && own != "" && exists(filepath.Join(dir, e.Name()), "plans.json")
	})
}
