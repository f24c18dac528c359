package onnx

// Task is a guess of what a model is for.
type Task struct {
	// Name is "classification", "segmentation", "reconstruction", "registration" or "" where nothing fits.
	Name string `json:"name"`
	// Output is the output that the guess is about, the model's first.
	Output string `json:"output"`
	// Channels is the number of channels of that output, 0 when it is unknown; ChannelAxis is their axis.
	Channels    int `json:"channels"`
	ChannelAxis int `json:"channel_axis"`
	// Activation is what the output ends with: "softmax", "sigmoid", "argmax" or "" for logits.
	Activation string `json:"activation"`
}

// GuessTask guesses what the model is for, from the first output and its heads: rank 2 is classification;
// more is segmentation, unless there are as many channels out as in without an activation (reconstruction)
// or three in 3-D of a pair of images (registration).
func GuessTask(m *Model) Task {
	if len(m.graph.Outputs) == 0 {
		return Task{}
	}
	out := m.graph.Outputs[0]
	t := Task{Output: out.Name, ChannelAxis: 1}
	w := newWiring(m.graph)
	t.Activation = w.activation(out.Name)
	heads, err := Heads(m, out.Name)
	if err == nil && len(heads) > 0 {
		t.Channels = heads[0].Classes
	}
	t.fitShape(out.Shape)
	rank := len(out.Shape)
	if out.Shape == nil && err == nil && len(heads) > 0 {
		rank = rankOf(w, heads[0])
	}
	in := inputChannels(m.graph)
	switch {
	case rank == 2:
		t.Name = "classification"
	case rank < 3:
	case rank == 5 && t.Channels == 3 && in == 2 && t.Activation == "":
		t.Name = "registration"
	case t.Channels == in && t.Channels > 0 && t.Activation == "":
		t.Name = "reconstruction"
	case t.Activation == "argmax" || rank >= 4:
		t.Name = "segmentation"
	}
	return t
}

// fitShape corrects the channels by the declared shape, which may have them last, as Keras does, or none.
func (t *Task) fitShape(shape []int) {
	rank := len(shape)
	if rank < 2 || t.Activation == "argmax" {
		return
	}
	switch {
	case t.Channels > 0 && shape[1] == t.Channels:
	case t.Channels > 0 && rank > 2 && shape[rank-1] == t.Channels:
		t.ChannelAxis = rank - 1
	case shape[1] > 0:
		t.Channels = shape[1]
	}
}

// rankOf returns the rank of what a head makes.
func rankOf(w *wiring, h Head) int {
	if t := w.stored[h.Weight]; t != nil {
		return len(t.shape)
	}
	return 0
}

func inputChannels(g *Graph) int {
	if len(g.Inputs) == 0 || len(g.Inputs[0].Shape) < 2 {
		return 0
	}
	return g.Inputs[0].Shape[1]
}

// activation returns what a value ends with, through nodes that keep the numbers.
func (w *wiring) activation(value string) string {
	for range longChain {
		n := w.maker[value]
		if n == nil {
			return ""
		}
		switch n.OpType {
		case "Softmax":
			return "softmax"
		case "Sigmoid":
			return "sigmoid"
		case "ArgMax":
			return "argmax"
		}
		if !passes(n) && n.OpType != "Resize" && n.OpType != "Slice" {
			return ""
		}
		value = n.Input(0)
	}
	return ""
}
