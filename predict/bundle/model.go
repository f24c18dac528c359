package bundle

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/predict"
)

// ModelFile returns the path of the bundle's .onnx file. What lies in a zip is written to a temporary folder, which
// done removes. Without one inside the error is a [*NoModelError].
func (b *Bundle) ModelFile() (name string, done func(), err error) {
	if b.Model == "" {
		return "", nil, b.noModel()
	}
	if at := b.files.local(b.Model); at != "" {
		r, err := b.files.open(b.Model, maxModel) // refuses links
		if err != nil {
			return "", nil, err
		}
		return at, func() {}, r.Close()
	}
	dir, err := os.MkdirTemp("", "nitrain-bundle-")
	if err != nil {
		return "", nil, fmt.Errorf("bundle: %w", err)
	}
	done = func() { _ = os.RemoveAll(dir) }
	for _, n := range b.files.list(path.Dir(b.Model)) { // with the files of its weights
		if n != b.Model && !strings.HasPrefix(path.Base(n), strings.TrimSuffix(path.Base(b.Model), ".onnx")) || strings.HasSuffix(n, ".pt") || strings.HasSuffix(n, ".ts") {
			continue
		}
		if err := b.unpack(n, filepath.Join(dir, path.Base(n))); err != nil {
			done()
			return "", nil, err
		}
	}
	return filepath.Join(dir, path.Base(b.Model)), done, nil
}

// unpack writes a file of the bundle to disk.
func (b *Bundle) unpack(name, to string) error {
	r, err := b.files.open(name, maxModel)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	n, err := io.Copy(w, io.LimitReader(r, maxModel+1))
	if err == nil && n > maxModel {
		err = tooLarge(b.Path, name, maxModel)
	}
	return errors.Join(err, w.Close())
}

// NoModelError says that a bundle holds no .onnx file and how its owner makes one.
type NoModelError struct {
	Bundle   string
	Weights  []string // .pt and .ts files that are there
	Fetch    []string // where weights that are not there come from, as large_files.yml has it
	Commands []string // each makes models/model.onnx; they are the user's own to run
}

func (e *NoModelError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "bundle: %s: holds no .onnx file", e.Bundle)
	if len(e.Weights) > 0 {
		fmt.Fprintf(&s, ", only %s", strings.Join(e.Weights, " and "))
	}
	for _, f := range e.Fetch {
		fmt.Fprintf(&s, "\n  missing: %s", f)
	}
	for i, c := range e.Commands {
		lead := "make one with"
		if i > 0 {
			lead = "or with"
		}
		fmt.Fprintf(&s, "\n  %s:\n    %s", lead, c)
	}
	return s.String()
}

// Hint says what to do.
func (e *NoModelError) Hint() string {
	return "run the command in a Python with torch, monai and onnx, then import again; a model made elsewhere is given with --model M.onnx"
}

func (b *Bundle) noModel() error {
	return &NoModelError{Bundle: b.Path, Weights: b.Weights, Fetch: b.missing(), Commands: b.exportCommands()}
}

// missing lists what large_files.yml says belongs into the bundle and is not there.
func (b *Bundle) missing() []string {
	var list []string
	for _, name := range []string{"large_files.yml", "large_files.yaml"} {
		if !b.files.has(name) {
			continue
		}
		o, err := b.readConfig(name, newBudget())
		if err != nil {
			continue
		}
		files, _ := o.values["large_files"].([]any)
		for _, f := range files {
			entry, ok := f.(*Object)
			if !ok {
				continue
			}
			if at := entry.text("path"); at != "" && !b.files.has(path.Clean(at)) {
				list = append(list, fmt.Sprintf("%s from %s", shorten(at), shorten(entry.text("url"))))
			}
		}
	}
	return list
}

// exportCommands returns the commands that make models/model.onnx from the weights.
func (b *Bundle) exportCommands() []string {
	dir, _ := filepath.Abs(b.Path)
	if b.files.local("x") == "" {
		dir = strings.TrimSuffix(dir, ".zip")
	}
	shape, axes := b.exampleShape()
	weights := b.checkpoint()
	commands := []string{fmt.Sprintf("cd %s && python -m monai.bundle onnx_export --net_id network_def --filepath models/model.onnx"+
		" --ckpt_file %s --meta_file configs/metadata.json --config_file %s --input_shape %s --converter_kwargs %s",
		quote(dir), quote(weights), quote(pythonList(b.Configs)), quote(shape), quote(axes))}
	for _, w := range b.Weights {
		if strings.HasSuffix(w, ".ts") {
			commands = append(commands, fmt.Sprintf(`cd %s && python -c %s`, quote(dir), quote(fmt.Sprintf(
				"import torch; m = torch.jit.load('%s', map_location='cpu').eval(); torch.onnx.export(m, torch.rand(%s), 'models/model.onnx', dynamo=False, **%s)",
				w, strings.Trim(shape, "[]"), axes))))
			break
		}
	}
	return commands
}

// checkpoint returns the weights that the configuration loads.
func (b *Bundle) checkpoint() string {
	for _, id := range []string{"checkpointloader", "handlers", "val_handlers", "evaluator#val_handlers"} {
		if _, err := lookUp(b.config.root, id); err != nil {
			continue
		}
		list, ok := b.config.value(id).([]any)
		if !ok {
			list = []any{b.config.value(id)}
		}
		for _, v := range list {
			c, ok := v.(*Component)
			if !ok {
				continue
			}
			if s, ok := c.Args.values["load_path"].(string); ok && safeName(path.Clean(s)) {
				return path.Clean(s)
			}
		}
	}
	for _, w := range b.Weights {
		if !strings.HasSuffix(w, ".ts") {
			return w
		}
	}
	return "models/model.pt"
}

// exampleShape returns the shape of an input for tracing and the names of its free axes, in Python's notation.
func (b *Bundle) exampleShape() (shape, kwargs string) {
	t := &translator{b: b, r: b.config, streams: map[string]*stream{}, slices: -1}
	w := t.workflow()
	dims := t.modelDims(w.inferer)
	channels, ok := t.channels()
	if !ok {
		channels = 1
	}
	size := t.windowSize(w.inferer, dims)
	numbers := []string{"1", strconv.Itoa(channels)}
	free := []string{"0: 'batch'"}
	for i, n := range size {
		numbers = append(numbers, strconv.Itoa(n))
		free = append(free, fmt.Sprintf("%d: '%c'", i+2, "xyz"[i]))
	}
	out := strings.Join(free, ", ")
	t.dims = dims
	if t.task() == predict.Classification {
		out = free[0]
	}
	return "[" + strings.Join(numbers, ", ") + "]", fmt.Sprintf("{'input_names': ['image'], 'output_names': ['pred'], 'dynamic_axes': {'image': {%s}, 'pred': {%s}}}",
		strings.Join(free, ", "), out)
}

// windowSize returns the inferer's window, else the metadata's shape, else a guess.
func (t *translator) windowSize(inferer any, dims int) []int {
	size := []int{64, 64, 64}[:dims]
	shape, _ := t.input().get("spatial_shape")
	for _, v := range []any{shape, roi(inferer)} {
		list, ok := v.([]any)
		for i := 0; ok && i < min(len(list), dims); i++ {
			if n, whole := list[i].(int64); whole && n > 0 && n <= 1<<12 {
				size[i] = int(n)
			}
		}
	}
	return size
}

func roi(inferer any) any {
	if c, ok := inferer.(*Component); ok {
		return c.Args.values["roi_size"]
	}
	return nil
}

// quote makes one word of a text for a POSIX shell.
func quote(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./,:=+@", r))
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}

// pythonList writes one name as it is and several as Python's list.
func pythonList(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return "['" + strings.Join(names, "', '") + "']"
}
