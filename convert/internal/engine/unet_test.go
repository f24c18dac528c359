package engine

import (
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/core/tensors/images"
)

// A unet is a plain U-Net in ONNX layout: blocks of two convolutions with ReLU, max pooling, transposed convolution
// with kernel and stride 2, and skips.
type unet struct {
	dims    int // spatial
	widths  []int
	classes int
}

// A param is one array of the network and its fan-in.
type param struct {
	shape []int
	fan   int
}

// params lists the arrays in the order in which forward takes them.
func (u unet) params() []param {
	var list []param
	conv := func(in, out, k int) {
		shape := kernelShape(out, in, u.dims, k)
		fan := size(shape[1:])
		list = append(list, param{shape, fan}, param{[]int{out}, fan})
	}
	in := 1
	for _, w := range u.widths {
		conv(in, w, 3)
		conv(w, w, 3)
		in = w
	}
	for i := len(u.widths) - 2; i >= 0; i-- {
		w := u.widths[i]
		list = append(list, param{kernelShape(in, w, u.dims, 2), in << u.dims}, param{[]int{w}, in << u.dims})
		conv(2*w, w, 3)
		conv(w, w, 3)
		in = w
	}
	conv(in, u.classes, 1)
	return list
}

// initial returns values of the array number i that any language reproduces: a hash of the index, uniform within
// ±sqrt(6/fan-in).
func (p param) initial(i int) *tensors.Tensor {
	data := make([]float32, size(p.shape))
	scale := 2 * math.Sqrt(6/float64(p.fan))
	for k := range data {
		data[k] = float32(scale * unit(k, i))
	}
	return tensors.FromFlatDataAndDimensions(data, p.shape...)
}

// unit hashes (k, salt) to [-0.5, 0.5).
func unit(k, salt int) float64 {
	h := uint32(k)*2654435761 + uint32(salt)*40503
	h ^= h >> 15
	h *= 2246822519
	h ^= h >> 13
	return float64(h>>8)/(1<<24) - 0.5
}

func (u unet) forward(x *Node, p []*Node) *Node {
	next := func() (a, b *Node) {
		a, b, p = p[0], p[1], p[2:]
		return a, b
	}
	block := func(x *Node) *Node {
		for range 2 {
			k, b := next()
			x = relu(u.conv(x, k, b))
		}
		return x
	}
	var skips []*Node
	for i := range u.widths {
		x = block(x)
		if i < len(u.widths)-1 {
			skips = append(skips, x)
			x = MaxPool(x).ChannelsAxis(images.ChannelsFirst).Window(2).Strides(2).Done()
		}
	}
	for _, skip := range slices.Backward(skips) {
		k, b := next()
		x = block(Concatenate([]*Node{u.up(x, k, b), skip}, 1))
	}
	k, b := next()
	return u.conv(x, k, b)
}

// conv is a convolution that keeps the size.
func (u unet) conv(x, k, b *Node) *Node {
	pad := k.Shape().Dimensions[2] / 2
	y := ConvGeneral(x, k, channelsFirst(u.dims), nil, per(u.dims, [2]int{pad, pad}), nil, nil, 1, 1)
	return Add(y, u.channels(b))
}

func (u unet) channels(b *Node) *Node {
	return Reshape(b, append([]int{1, b.Shape().Size()}, per(u.dims, 1)...)...)
}

// up is the transposed convolution, kernel [in, out, 2..]: a 1x1 convolution to out·2^d channels, laid out in space.
func (u unet) up(x, k, b *Node) *Node {
	in, out := k.Shape().Dimensions[0], k.Shape().Dimensions[1]
	perm := []int{1}
	for i := range u.dims {
		perm = append(perm, 2+i)
	}
	k = Reshape(TransposeAllAxes(k, append(perm, 0)...), append([]int{out << u.dims, in}, per(u.dims, 1)...)...)
	y := ConvGeneral(x, k, channelsFirst(u.dims), nil, nil, nil, nil, 1, 1)
	space := x.Shape().Dimensions[2:]
	y = Reshape(y, append(append([]int{x.Shape().Dimensions[0], out}, per(u.dims, 2)...), space...)...)
	perm, dims := []int{0, 1}, []int{x.Shape().Dimensions[0], out}
	for i := range u.dims {
		perm = append(perm, 2+u.dims+i, 2+i)
		dims = append(dims, 2*space[i])
	}
	return Add(Reshape(TransposeAllAxes(y, perm...), dims...), u.channels(b))
}

// relu has the gradient 0 at 0, as PyTorch's.
func relu(x *Node) *Node { return Where(GreaterThan(x, ZerosLike(x)), x, ZerosLike(x)) }

// crossEntropy is the mean over voxels of -log softmax of the right class; classes on axis 1, labels without it.
func crossEntropy(logits, labels *Node) *Node {
	top := StopGradient(ReduceAndKeep(logits, ReduceMax, 1))
	z := Sub(logits, top)
	logp := Sub(z, Log(ReduceAndKeep(Exp(z), ReduceSum, 1)))
	classes := Iota(logits.Graph(), logits.Shape(), 1)
	right := ConvertDType(Equal(classes, ConvertDType(ExpandAxes(labels, 1), classes.DType())), logits.DType())
	return DivScalar(Neg(ReduceAllSum(Mul(right, logp))), float64(labels.Shape().Size()))
}

// A trainer holds a network and Adam's state, PyTorch's formulas, between steps.
type trainer struct {
	exec  *Exec
	state []any // step, then parameters, then first moments, then second moments
	n     int
}

func newTrainer(u unet, b compute.Backend, rate float64) *trainer {
	list := u.params()
	n := len(list)
	tr := &trainer{n: n}
	tr.state = append(tr.state, tensors.FromScalar(float32(0)))
	for i, p := range list {
		tr.state = append(tr.state, p.initial(i))
	}
	for range 2 {
		for _, p := range list {
			tr.state = append(tr.state, tensors.FromFlatDataAndDimensions(make([]float32, size(p.shape)), p.shape...))
		}
	}
	tr.exec = MustNewExec(b, func(in []*Node) []*Node {
		x, labels, step, p := in[0], in[1], in[2], in[3:3+n]
		l := crossEntropy(u.forward(x, p), labels)
		return append([]*Node{l}, adam(step, p, Gradient(l, p...), in[3+n:3+2*n], in[3+2*n:], rate)...)
	})
	return tr
}

// adam returns the next step number, parameters and moments.
func adam(step *Node, p, g, m, v []*Node, rate float64) []*Node {
	step = OnePlus(step)
	fix := func(beta float64) *Node {
		return OneMinus(Exp(MulScalar(step, math.Log(beta))))
	}
	fix1, fix2 := fix(0.9), Sqrt(fix(0.999))
	var ps, ms, vs []*Node
	for i := range p {
		m := Add(MulScalar(m[i], 0.9), MulScalar(g[i], 0.1))
		v := Add(MulScalar(v[i], 0.999), MulScalar(Square(g[i]), 0.001))
		down := Div(Mul(m, Div(Scalar(step.Graph(), dtypes.Float32, rate), fix1)), AddScalar(Div(Sqrt(v), fix2), 1e-8))
		ps, ms, vs = append(ps, Sub(p[i], down)), append(ms, m), append(vs, v)
	}
	return slices.Concat([]*Node{step}, ps, ms, vs)
}

// step trains on one batch and returns the loss before the step.
func (tr *trainer) step(b compute.Backend, x, labels *tensors.Tensor) (float64, error) {
	args := []any{x, labels}
	for _, s := range tr.state {
		d, err := DonateTensorBuffer(s.(*tensors.Tensor), b, 0)
		if err != nil {
			return 0, err
		}
		args = append(args, d)
	}
	out, err := tr.exec.Call(args...)
	if err != nil {
		return 0, err
	}
	for i, o := range out[1:] {
		tr.state[i] = o
	}
	return flat(out[0])[0], nil
}

// batch returns an image of hashed values and labels: which values are above ±0.15 after smoothing along the last axis.
func (u unet) batch(n, side int) (x, labels *tensors.Tensor) {
	shape := append([]int{n, 1}, per(u.dims, side)...)
	count := size(shape)
	data, truth := make([]float32, count), make([]int32, count)
	for k := range data {
		data[k] = float32(2 * unit(k, 12345))
	}
	for k := range truth {
		sum := data[k]
		if k%side > 0 {
			sum += data[k-1]
		}
		for c := range u.classes - 1 {
			if sum > float32(c)*0.5 {
				truth[k] = int32(c + 1)
			}
		}
	}
	return tensors.FromFlatDataAndDimensions(data, shape...),
		tensors.FromFlatDataAndDimensions(truth, append([]int{n}, shape[2:]...)...)
}
