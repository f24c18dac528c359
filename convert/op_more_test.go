package convert

import (
	"math"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// attentionCases covers attention, states along a sequence, and the losses.
func attentionCases(t testing.TB) []opCase {
	q, k, v := []int{2, 4, 3, 5}, []int{2, 2, 6, 5}, []int{2, 2, 6, 4}
	mask := doubles([]int{3, 6}, []float64{0, 1, -1, 0, 0.5, 0, 0, 0, math.Inf(-1), 0, 0, 0, 1, 1, 1, 0, 0, math.Inf(-1)})
	class := func(shape []int, v ...int64) *onnx.Tensor { return indexTensor(t, shape, v...) }
	return []opCase{
		{op: "Attention", opset: 23, shapes: sizes(q, k, v)},
		{op: "Attention", opset: 23, shapes: sizes(q, k, v), consts: tensorsOf(mask), attrs: attrs(f1("softcap", 2), f1("scale", 0.3))},
		{op: "Attention", opset: 23, shapes: sizes(q, k, v, []int{3, 6}), attrs: attrs(i1("is_causal", 1))},
		{op: "Attention", opset: 23, shapes: sizes([]int{2, 3, 8}, []int{2, 3, 4}, []int{2, 3, 6}), attrs: attrs(i1("q_num_heads", 4), i1("kv_num_heads", 2), i1("is_causal", 1))},
		{op: "Attention", opset: 24, shapes: sizes(q, k, v), at: []int{6}, consts: tensorsOf(ints(t, 4, 6)), attrs: attrs(i1("is_causal", 1))},
		{op: "Attention", opset: 25, shapes: sizes(q, k, v), attrs: attrs(i1("left_window_size", 1), i1("right_window_size", 2))},
		{op: "RotaryEmbedding", opset: 23, shapes: sizes([]int{2, 3, 4, 8}, []int{2, 4, 4}, []int{2, 4, 4})},
		{op: "RotaryEmbedding", opset: 23, shapes: sizes([]int{2, 4, 12}, []int{9, 2}, []int{9, 2}), consts: tensorsOf(class([]int{2, 4}, 0, 3, 8, 1, 2, 2, 5, 7)), attrs: attrs(i1("num_heads", 2), i1("interleaved", 1), i1("rotary_embedding_dim", 4))},
		{op: "SwiGLU", opset: 28, shapes: sizes([]int{2, 5}, []int{2, 5}), attrs: attrs(f1("alpha", 1.3))},
		{op: "LinearAttention", opset: 27, shapes: sizes([]int{1, 3, 8}, []int{1, 3, 4}, []int{1, 3, 6}), attrs: attrs(i1("q_num_heads", 4), i1("kv_num_heads", 2), s1("update_rule", "linear"))},
		{op: "LinearAttention", opset: 27, shapes: sizes([]int{1, 3, 4}, []int{1, 3, 4}, []int{1, 3, 6}, []int{1, 2, 2, 3}, []int{1, 3, 2}, []int{1, 3, 2}), attrs: attrs(i1("q_num_heads", 2), i1("kv_num_heads", 2))},
		{op: "CausalConvWithState", opset: 27, shapes: sizes([]int{2, 3, 6}, []int{3, 1, 4}, []int{3}, []int{2, 3, 3}), attrs: attrs(s1("activation", "silu"))},
		{op: "TensorScatter", opset: 24, shapes: sizes([]int{2, 3, 6, 2}, []int{2, 3, 2, 2}), consts: tensorsOf(ints(t, 1, 5)), attrs: attrs(s1("mode", "circular"))},
		{op: "NegativeLogLikelihoodLoss", shapes: sizes([]int{3, 4}), consts: tensorsOf(class([]int{3}, 0, 3, 1))},
		{op: "NegativeLogLikelihoodLoss", shapes: sizes([]int{1, 4, 2, 3, 2}, []int{4}), at: []int{1}, consts: tensorsOf(class([]int{1, 2, 3, 2}, 0, 3, 1, 2, 2, 0, 1, 1, 3, 0, 0, 2)), attrs: attrs(i1("ignore_index", 2)), positive: true},
		{op: "SoftmaxCrossEntropyLoss", shapes: sizes([]int{2, 4, 2, 2}, []int{4}), at: []int{1}, consts: tensorsOf(class([]int{2, 2, 2}, 0, 3, 1, 2, 2, 0, 1, 1)), attrs: attrs(i1("ignore_index", 0)), positive: true},
		{op: "SoftmaxCrossEntropyLoss", shapes: sizes([]int{2, 4, 3}), consts: tensorsOf(class([]int{2, 3}, 0, 3, 1, 2, 2, 0)), attrs: attrs(s1("reduction", "none"))},
	}
}
