package hub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Card is what a model card says. Everything but Name may be absent.
type Card struct {
	Name        string // "brain/unet:v1"
	Ref         string // what `hub pull` takes
	Description string
	Licence     string // SPDX identifier
	Model       ModelFacts
	Spec        *Spec
	Run         *Run
	Evaluation  *Evaluation
}

// makeCard gathers the card of a model that is being packed.
func (c *contents) makeCard(name Ref, src Source) Card {
	card := Card{
		Name: name.Local().String(), Ref: name.String(), Description: src.Description, Licence: src.Licence,
		Model: c.config.Model, Spec: c.spec, Run: c.run, Evaluation: c.evaluation,
	}
	if card.Licence == "" && c.config.Provenance != nil {
		card.Licence = c.config.Provenance.Licence
	}
	return card
}

// Markdown returns the card as README.md: the header that Hugging Face reads (https://huggingface.co/docs/hub/model-cards)
// and the sections of its template. It says only what is known, and that the rest is not.
func (c Card) Markdown() []byte {
	var b bytes.Buffer
	c.header(&b)
	fmt.Fprintf(&b, "\n# %s\n\n", text(c.Name))
	if c.Description != "" {
		fmt.Fprintf(&b, "%s\n\n", text(c.Description))
	}
	b.WriteString("> For research. Not a medical device: no result may be used for a patient without the approval that the law asks for.\n")
	c.details(&b)
	c.uses(&b)
	c.start(&b)
	c.training(&b)
	c.scores(&b)
	c.examination(&b)
	c.technical(&b)
	return b.Bytes()
}

// header writes the YAML metadata. Strings are written as JSON has them, which YAML reads the same.
func (c Card) header(b *bytes.Buffer) {
	b.WriteString("---\n")
	c.licence(b)
	b.WriteString("library_name: onnx\n")
	if tag := c.pipeline(); tag != "" {
		fmt.Fprintf(b, "pipeline_tag: %s\n", tag)
	}
	b.WriteString("tags:\n")
	for _, tag := range c.tags() {
		fmt.Fprintf(b, "- %s\n", quote(tag))
	}
	if base := c.base(); base != "" {
		fmt.Fprintf(b, "base_model: %s\n", quote(base))
	}
	if m := c.metrics(); len(m) > 0 && c.pipeline() != "" {
		b.WriteString("model-index:\n")
		fmt.Fprintf(b, "- name: %s\n  results:\n  - task:\n      type: %s\n    dataset:\n      name: %s\n      type: private\n    metrics:\n",
			quote(c.Name), c.pipeline(), quote(fmt.Sprintf("%d cases", c.Evaluation.Cases)))
		for _, s := range m {
			fmt.Fprintf(b, "    - type: %s\n      name: %s\n      value: %s\n", quote(s.kind), quote(s.name), number(s.value))
		}
	}
	b.WriteString("---\n")
}

func (c Card) licence(b *bytes.Buffer) {
	id := strings.ToLower(c.Licence)
	switch {
	case id == "":
		b.WriteString("license: unknown\n")
	case slices.Contains(knownLicences(), id):
		fmt.Fprintf(b, "license: %s\n", id)
	default:
		fmt.Fprintf(b, "license: other\nlicense_name: %s\n", quote(c.Licence))
	}
}

// knownLicences lists the licences of models that Hugging Face knows by these identifiers.
func knownLicences() []string {
	return []string{
		"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0",
		"cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "openrail", "unlicense",
	}
}

func (c Card) pipeline() string {
	if c.Spec == nil {
		return ""
	}
	switch c.Spec.Task {
	case "segmentation":
		return "image-segmentation"
	case "classification":
		return "image-classification"
	}
	return ""
}

func (c Card) tags() []string {
	tags := []string{"medical", "onnx", "nitrain"}
	if c.Spec != nil {
		for _, ch := range c.Spec.Input.Channels {
			if ch.Modality != "" && !slices.Contains(tags, ch.Modality) {
				tags = append(tags, ch.Modality)
			}
		}
	}
	return tags
}

// base returns the Hugging Face repository that the model comes from.
func (c Card) base() string {
	p := c.provenance()
	if p == nil {
		return ""
	}
	r, err := ParseRef(p.Source)
	if err != nil || r.Scheme != HuggingFace {
		return ""
	}
	return r.Name
}

func (c Card) provenance() *Provenance {
	if c.Spec == nil {
		return nil
	}
	return c.Spec.Provenance
}

func (c Card) details(b *bytes.Buffer) {
	b.WriteString("\n## Model Details\n\n")
	row := func(key, value string) {
		if value != "" {
			fmt.Fprintf(b, "- **%s:** %s\n", key, value)
		}
	}
	if c.Spec != nil {
		row("Task", text(c.Spec.Task))
		var in []string
		for _, ch := range c.Spec.Input.Channels {
			in = append(in, strings.TrimSpace(text(ch.Name)+" "+text(ch.Modality)))
		}
		row("Input", strings.Join(in, ", "))
		var labels []string
		for _, l := range c.Spec.Labels {
			labels = append(labels, fmt.Sprintf("%d %s", l.Value, text(l.Name)))
		}
		row("Output", strings.Join(labels, ", "))
	}
	row("Licence", or(text(c.Licence), "not stated"))
	p := c.provenance()
	if p == nil {
		row("Made from", "not stated")
	} else {
		row("Made from", or(text(p.Source), "not stated"))
		row("Its SHA-256", code(p.SHA256))
		row("Spec written by", text(p.Tool))
	}
	row("SHA-256 of "+text(c.Model.File), code(c.Model.SHA256))
}

func (c Card) uses(b *bytes.Buffer) {
	b.WriteString("\n## Uses\n\n### Direct Use\n\n")
	if names := c.foreground(); len(names) > 0 {
		fmt.Fprintf(b, "%s of %s on images like those it was trained on.\n", or(sentence(text(c.Spec.Task)), "Prediction"), strings.Join(names, ", "))
	} else {
		b.WriteString("Not stated.\n")
	}
	b.WriteString("\n### Out-of-Scope Use\n\nAny clinical decision; other modalities, body regions, scanners or populations than those of the training.\n")
	b.WriteString("\n## Bias, Risks, and Limitations\n\n")
	b.WriteString("A model may fail silently on images unlike its training data. Look at results before using them")
	if p := c.provenance(); p != nil && p.Trained != nil && p.Trained.Cases > 0 && p.Trained.Cases < 100 {
		fmt.Fprintf(b, ". It was trained on only %d cases", p.Trained.Cases)
	}
	b.WriteString(".\n")
}

func (c Card) foreground() []string {
	if c.Spec == nil {
		return nil
	}
	names := c.Spec.names()
	for i := range names {
		names[i] = text(names[i])
	}
	return names
}

func (c Card) start(b *bytes.Buffer) {
	if c.Model.File == "" {
		return
	}
	fmt.Fprintf(b, "\n## How to Get Started with the Model\n\n```sh\nnitrain hub pull %s -o .\nnitrain predict %s scan.nii.gz -o result.nii.gz\n```\n\n", shell(or(c.Ref, c.Name)), shell(c.Model.File))
	b.WriteString("The file is plain ONNX and runs in any ONNX runtime")
	if c.Spec != nil {
		b.WriteString("; its Spec (`nitrain.spec` in the metadata, equal to spec.json) says how images are prepared")
	}
	b.WriteString(".\n")
}

func (c Card) training(b *bytes.Buffer) {
	b.WriteString("\n## Training Details\n\n")
	p := c.provenance()
	if (p == nil || p.Trained == nil) && c.Run == nil {
		b.WriteString("Not stated.\n")
		return
	}
	row := func(key, format string, args ...any) {
		fmt.Fprintf(b, "- **%s:** %s\n", key, fmt.Sprintf(format, args...))
	}
	if p != nil && p.Trained != nil {
		t := p.Trained
		row("Cases", "%d", t.Cases)
		if t.Steps > 0 {
			row("Steps", "%d", t.Steps)
		}
		if t.Epochs > 0 {
			row("Epochs", "%s", number(t.Epochs))
		}
		if t.Score > 0 {
			row("Score on the validation cases", "%s", number(t.Score))
		}
		if t.Data != "" {
			row("SHA-256 of the list of cases", "%s", code(t.Data))
		}
	}
	if r := c.Run; r != nil {
		row("Cases for training and validation", "%d and %d", r.Data.Train, r.Data.Valid)
		row("Seed", "%d", r.Seed)
		row("SHA-256 of the run", "%s", code(r.SHA256))
		if r.Tool != "" {
			row("Trained with", "%s", text(r.Tool))
		}
		c.arguments(b)
	}
}

// arguments lists the settings of the run.
func (c Card) arguments(b *bytes.Buffer) {
	if len(c.Run.Arguments) == 0 {
		return
	}
	b.WriteString("\n### Training Hyperparameters\n\n| setting | value |\n|---|---|\n")
	for _, key := range slices.Sorted(maps.Keys(c.Run.Arguments)) {
		raw, err := json.Marshal(c.Run.Arguments[key])
		if err == nil {
			fmt.Fprintf(b, "| %s | %s |\n", text(key), text(strings.Trim(string(raw), `"`)))
		}
	}
}

// score is one number of an evaluation.
type score struct {
	kind, name string
	value      float64
}

func (c Card) metrics() []score {
	if c.Evaluation == nil {
		return nil
	}
	out := c.Evaluation.Mean.list("")
	for _, l := range c.Evaluation.Labels {
		if l.Dice != nil {
			out = append(out, score{"dice", "Dice " + l.Name, *l.Dice})
		}
	}
	return out
}

// list returns the scores that there are.
func (s Scores) list(suffix string) []score {
	var out []score
	for _, x := range []struct {
		kind, name string
		value      *float64
	}{
		{"dice", "Dice", s.Dice},
		{"iou", "IoU", s.IoU},
		{"precision", "Precision", s.Precision},
		{"recall", "Sensitivity", s.Sensitivity},
		{"hd95", "HD95 (mm)", s.HD95},
		{"assd", "ASSD (mm)", s.ASSD},
		{"accuracy", "Accuracy", s.Accuracy},
	} {
		if x.value != nil {
			out = append(out, score{x.kind, x.name + suffix, *x.value})
		}
	}
	return out
}

func (c Card) scores(b *bytes.Buffer) {
	b.WriteString("\n## Evaluation\n\n")
	e := c.Evaluation
	if e == nil {
		b.WriteString("Not stated.\n")
		return
	}
	fmt.Fprintf(b, "Means over %d cases.\n\n| label | Dice | IoU | precision | sensitivity | HD95 mm | ASSD mm | cases |\n|---|---|---|---|---|---|---|---|\n", e.Cases)
	row := func(name string, s Scores, cases int) {
		fmt.Fprintf(b, "| %s |", name)
		for _, v := range []*float64{s.Dice, s.IoU, s.Precision, s.Sensitivity, s.HD95, s.ASSD} {
			cell := "–"
			if v != nil {
				cell = strconv.FormatFloat(*v, 'f', 4, 64)
			}
			fmt.Fprintf(b, " %s |", cell)
		}
		fmt.Fprintf(b, " %d |\n", cases)
	}
	for _, l := range e.Labels {
		row(fmt.Sprintf("%d %s", l.Value, text(l.Name)), l.Scores, l.Cases)
	}
	row("mean", e.Mean, e.Cases)
}

func (c Card) examination(b *bytes.Buffer) {
	if c.Model.File == "" {
		return
	}
	fmt.Fprintf(b, "\n## Model Examination\n\n`nitrain explain %s SCAN -o heat.nii.gz --method ig` shows which voxels a result rests on; `--sanity` tests the map itself.\n", shell(c.Model.File))
}

func (c Card) technical(b *bytes.Buffer) {
	m := c.Model
	if m.File == "" {
		return
	}
	b.WriteString("\n## Technical Specifications\n\n")
	fmt.Fprintf(b, "- **Format:** ONNX, IR %d, opset %d", m.IRVersion, m.Opset)
	if m.Producer != "" {
		fmt.Fprintf(b, ", by %s", text(m.Producer))
	}
	fmt.Fprintf(b, "\n- **Parameters:** %d\n- **Size:** %d bytes\n", m.Parameters, m.Size)
	for _, group := range []struct {
		name  string
		ports []Port
	}{{"Inputs", m.Inputs}, {"Outputs", m.Outputs}} {
		for _, p := range group.ports {
			fmt.Fprintf(b, "- **%s:** %s %s [%s]\n", group.name, text(p.Name), text(p.Type), text(strings.Join(p.Shape, ", ")))
		}
	}
	if s := c.Spec; s != nil {
		var ops []string
		for _, step := range s.Prepare {
			if op, ok := step["op"].(string); ok {
				ops = append(ops, text(op))
			}
		}
		if len(ops) > 0 {
			fmt.Fprintf(b, "- **Preparation:** %s\n", strings.Join(ops, ", "))
		}
		if s.Tile != nil {
			fmt.Fprintf(b, "- **Window:** %d × %d × %d voxels\n", s.Tile.Size[0], s.Tile.Size[1], s.Tile.Size[2])
		}
	}
}

// text makes any string a piece of one line of Markdown that is neither markup nor HTML.
func text(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029 }), " ")
	var b strings.Builder
	for _, r := range html.EscapeString(strings.ToValidUTF8(s, "?")) {
		if strings.ContainsRune("\\`*_[]|#", r) && !(r == '#' && b.Len() > 0) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// shell makes a string safe inside a block of commands: quoted where it has blanks, with _ for what a shell or
// a browser might take for its own.
func shell(s string) string {
	quoted := false
	clean := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), strings.ContainsRune("._-+/:@", r):
			return r
		case r == ' ', r == '(', r == ')', r == '%', r == '#':
			quoted = true
			return r
		}
		return '_'
	}, strings.ToValidUTF8(s, "_"))
	if quoted {
		return "'" + clean + "'"
	}
	return clean
}

// code sets a digest, and nothing else, as code.
func code(s string) string {
	if s == "" || span(s, anyAlnum) != len(s) {
		return text(s)
	}
	return "`" + s + "`"
}

func quote(s string) string {
	raw, _ := json.Marshal(strings.ToValidUTF8(s, "?")) // a string always has a JSON form
	return string(raw)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
