package finetune

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// lossFunc builds a scalar from scores [N, C, spatial...] before any activation and classes
// [N, 1, spatial...] (int32, 0 to C-1; 0 or 1 where C is 1). It is called while a graph is built.
type lossFunc func(logits, classes *graph.Node) *graph.Node

// newLoss returns the loss that a Config names. With sigmoid each channel stands alone, with a binary
// cross-entropy; otherwise the channels share a softmax.
//
// The formulas are those of MONAI 1.6 (DiceLoss and DiceCELoss with to_onehot_y) and of PyTorch's
// cross_entropy and binary_cross_entropy_with_logits; tests compare with their numbers.
func newLoss(kind Loss, o LossOptions, sigmoid bool) lossFunc {
	return func(logits, classes *graph.Node) *graph.Node {
		t := oneHot(classes, logits)
		sigmoid := sigmoid || logits.Shape().Dimensions[1] == 1
		switch kind {
		case Dice:
			return diceLoss(probabilities(logits, sigmoid), t, o)
		case CrossEntropy:
			return entropy(logits, t, o, sigmoid)
		default:
			dice := diceLoss(probabilities(logits, sigmoid), t, o)
			return graph.Add(graph.MulScalar(dice, o.DiceWeight), graph.MulScalar(entropy(logits, t, o, sigmoid), o.CEWeight))
		}
	}
}

// oneHot returns 1 where a voxel is of the channel's class, shaped like scores. One channel alone is class 1.
func oneHot(classes, scores *graph.Node) *graph.Node {
	dims := scores.Shape().Dimensions
	if dims[1] == 1 {
		return graph.ConvertDType(classes, scores.DType())
	}
	index := make([]int, len(dims))
	for i := range index {
		index[i] = 1
	}
	index[1] = dims[1]
	channel := graph.BroadcastToDims(graph.Iota(scores.Graph(), shapes.Make(dtypes.Int32, index...), 1), dims...)
	return graph.ConvertDType(graph.Equal(graph.BroadcastToDims(classes, dims...), channel), scores.DType())
}

func probabilities(logits *graph.Node, sigmoid bool) *graph.Node {
	if sigmoid {
		return graph.Sigmoid(logits)
	}
	return graph.Softmax(logits, 1)
}

// sum adds up over axes, the fastest first and one after another: engines add long rows one by one in
// float32, and a whole volume in one row costs four digits.
func sum(x *graph.Node, axes ...int) *graph.Node {
	slices.Sort(axes)
	for _, a := range slices.Backward(axes) {
		x = graph.ReduceSum(x, a)
	}
	return x
}

// sumAll adds up everything.
func sumAll(x *graph.Node) *graph.Node {
	axes := make([]int, x.Rank())
	for i := range axes {
		axes[i] = i
	}
	return sum(x, axes...)
}

// meanAll averages everything.
func meanAll(x *graph.Node) *graph.Node {
	return graph.DivScalar(sumAll(x), float64(x.Shape().Size()))
}

// spatial lists the axes behind batch and channel.
func spatial(x *graph.Node) []int {
	var axes []int
	for i := 2; i < x.Rank(); i++ {
		axes = append(axes, i)
	}
	return axes
}

// diceLoss is 1 - Dice (or Jaccard) of probabilities p and truth t, both [N, C, spatial...].
func diceLoss(p, t *graph.Node, o LossOptions) *graph.Node {
	weights := o.Weights
	if n := p.Shape().Dimensions[1]; !o.Background && n > 1 {
		p, t = graph.SliceAxis(p, 1, graph.AxisRange(1)), graph.SliceAxis(t, 1, graph.AxisRange(1))
		if weights != nil {
			weights = weights[1:]
		}
	}
	axes := spatial(p)
	if o.Batch {
		axes = append([]int{0}, axes...)
	}
	both := sum(graph.Mul(p, t), axes...)
	if o.Squared {
		p = graph.Mul(p, p) // t is 0 or 1, its own square
	}
	total := graph.Add(sum(p, axes...), sum(t, axes...))
	if o.Jaccard {
		total = graph.MulScalar(graph.Sub(total, both), 2)
	}
	ratio := graph.Div(graph.AddScalar(graph.MulScalar(both, 2), o.SmoothNum), graph.AddScalar(total, o.SmoothDen))
	f := graph.OneMinus(ratio) // [N, C], or [C] over the batch
	if n := p.Shape().Dimensions[1]; weights != nil && n > 1 {
		w := graph.ConstAs(f, weights)
		if f.Rank() == 2 {
			w = graph.BroadcastToDims(graph.InsertAxes(w, 0), f.Shape().Dimensions...)
		}
		f = graph.Mul(f, w)
	}
	return meanAll(f)
}

// entropy is the cross-entropy of scores with truth t, both [N, C, spatial...].
func entropy(logits, t *graph.Node, o LossOptions, sigmoid bool) *graph.Node {
	if sigmoid {
		return binaryEntropy(logits, t, o)
	}
	n := logits.Shape().Dimensions[1]
	surprise := graph.Neg(graph.LogSoftmax(logits, 1))
	weighted, share := surprise, t
	if o.Weights != nil {
		w := perChannel(logits, o.Weights)
		weighted, share = graph.Mul(surprise, w), graph.Mul(t, w)
	}
	count := sumAll(share)
	loss := graph.Div(sumAll(graph.Mul(weighted, t)), count)
	if o.LabelSmoothing == 0 {
		return loss
	}
	smooth := graph.Div(sumAll(weighted), graph.MulScalar(count, float64(n)))
	return graph.Add(graph.MulScalar(loss, 1-o.LabelSmoothing), graph.MulScalar(smooth, o.LabelSmoothing))
}

// binaryEntropy is PyTorch's binary_cross_entropy_with_logits, with Weights as pos_weight.
func binaryEntropy(x, t *graph.Node, o LossOptions) *graph.Node {
	// -log(sigmoid(x)) = max(-x, 0) + log(1 + exp(-|x|)), and the same of -x for the negatives
	tail := graph.Log(graph.AddScalar(graph.Exp(graph.Neg(graph.Abs(x))), 1))
	positive := graph.Add(graph.MaxScalar(graph.Neg(x), 0), tail)
	negative := graph.Add(graph.MaxScalar(x, 0), tail)
	if o.Weights != nil {
		positive = graph.Mul(positive, perChannel(x, o.Weights))
	}
	return meanAll(graph.Add(graph.Mul(t, positive), graph.Mul(graph.OneMinus(t), negative)))
}

// perChannel spreads one number per channel over a tensor's shape.
func perChannel(like *graph.Node, values []float64) *graph.Node {
	dims := like.Shape().Dimensions
	shape := make([]int, len(dims))
	for i := range shape {
		shape[i] = 1
	}
	shape[1] = len(values)
	return graph.BroadcastToDims(graph.Reshape(graph.ConstAs(like, values), shape...), dims...)
}
