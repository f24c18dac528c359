package onnx

// Role says what a parameter does in the network.
type Role string

// The roles. A ConvTranspose and a MatMul have weights like Conv and Gemm; rnn.* are those of LSTM, GRU and
// RNN; pos is an array that is added to or joined with activations (position embeddings, class tokens);
// constant is everything that is no parameter.
const (
	ConvWeight   Role = "conv.weight"
	ConvBias     Role = "conv.bias"
	NormScale    Role = "norm.scale"
	NormBias     Role = "norm.bias"
	NormMean     Role = "norm.mean"
	NormVar      Role = "norm.var"
	LinearWeight Role = "linear.weight"
	LinearBias   Role = "linear.bias"
	PReluSlope   Role = "prelu.slope"
	Embedding    Role = "embedding"
	RNNWeight    Role = "rnn.weight"
	RNNBias      Role = "rnn.bias"
	Position     Role = "pos"
	Constant     Role = "constant"
)

// State reports whether the role is a running statistic, which forward passes update and gradients never.
func (r Role) State() bool { return r == NormMean || r == NormVar }

// Slot is a place where a parameter is used.
type Slot struct {
	Node  *Node
	Input int
	Role  Role
	// Chain are the nodes from the stored tensor to the slot: Identity, Transpose, Reshape, Flatten, Squeeze,
	// Unsqueeze, Cast, DequantizeLinear. Values are written back through their inverses, last one first.
	Chain []*Node
	// Alias is the name that the slot's place in the network gives, "" where the file tells no place.
	Alias string

	// Reason says why it does not train here; "" if it does.
	Reason string
}

// Storage says where a parameter's values are.
type Storage string

// The places of values: the graph's initializers, or the value of a Constant node.
const (
	InInitializer Storage = "initializer"
	InConstant    Storage = "constant"
)

// Tie says whether the uses of a shared tensor belong together.
type Tie string

// NoTie is a tensor used once. TrueTie is one that is used in several places of one role, as a module that
// is used twice is; FalseTie one that the exporter merged because the values happened to be equal.
const (
	NoTie    Tie = ""
	TrueTie  Tie = "true"
	FalseTie Tie = "false"
)

// Param is a stored tensor and what it is used for.
type Param struct {
	// Name is the initializer's name, or the output of the Constant node: what SetInitializer or SetConstant take.
	Name string
	// Alias is Name where that came from the source framework, else what the nodes' places give.
	Alias   string
	Role    Role
	Slots   []Slot
	Storage Storage
	// External says that the values lie in a file beside the model.
	External bool
	Tensor   *Tensor
	// Named says that the source framework gave the name: a constant with one may still be asked to train.
	Named bool
	// Trainable is the default; Reason says why not.
	Trainable bool
	Reason    string
	Tie       Tie
}

// Set writes new values of the stored tensor's shape into the model.
func (p *Param) Set(m *Model, t *Tensor) error {
	if p.Storage == InConstant {
		return m.SetConstant(p.Name, t)
	}
	return m.SetInitializer(p.Name, t)
}
