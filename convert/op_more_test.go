package convert

import (
	"encoding/binary"
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

// sequenceCases covers recurrent layers, transforms of signals, orders and determinants.
func sequenceCases(t testing.TB) []opCase {
	lengths := func(v ...int32) *onnx.Tensor {
		raw := make([]byte, 0, 4*len(v))
		for _, x := range v {
			raw = binary.LittleEndian.AppendUint32(raw, uint32(x))
		}
		out, err := onnx.NewTensor(onnx.Int32, []int{len(v)}, raw)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	strs := func(name string, v ...string) onnx.Attr {
		return onnx.Attr{Name: name, Kind: onnx.KindStrings, Strings: v}
	}
	both := s1("direction", "bidirectional")
	one := indexTensor(t, nil, 1)
	return []opCase{
		{op: "LSTM", opset: 14, shapes: sizes([]int{4, 2, 3}, []int{1, 20, 3}, []int{1, 20, 5}), attrs: attrs(i1("hidden_size", 5))},
		{op: "LSTM", opset: 14, shapes: sizes([]int{3, 2, 2}, []int{2, 12, 2}, []int{2, 12, 3}, []int{2, 24}, []int{2, 2, 3}, []int{2, 2, 3}, []int{2, 9}), at: []int{4}, consts: tensorsOf(lengths(2, 3)), attrs: attrs(both, i1("hidden_size", 3))},
		{op: "LSTM", opset: 14, shapes: sizes([]int{2, 3, 2}, []int{1, 12, 2}, []int{1, 12, 3}), attrs: attrs(i1("layout", 1), i1("hidden_size", 3), i1("input_forget", 1), s1("direction", "reverse"))},
		{op: "GRU", opset: 14, shapes: sizes([]int{4, 2, 3}, []int{1, 12, 3}, []int{1, 12, 4}, []int{1, 24}), attrs: attrs(i1("hidden_size", 4))},
		{op: "GRU", opset: 14, shapes: sizes([]int{4, 2, 3}, []int{2, 12, 3}, []int{2, 12, 4}, []int{2, 24}), at: []int{4}, consts: tensorsOf(lengths(4, 2)), attrs: attrs(both, i1("hidden_size", 4), i1("linear_before_reset", 1))},
		{op: "RNN", opset: 14, shapes: sizes([]int{3, 2, 3}, []int{1, 4, 3}, []int{1, 4, 4}, []int{1, 8}), attrs: attrs(i1("hidden_size", 4), strs("activations", "Softsign"))},
		{op: "RNN", opset: 7, shapes: sizes([]int{3, 2, 3}, []int{2, 4, 3}, []int{2, 4, 4}), attrs: attrs(both, i1("hidden_size", 4), strs("activations", "Elu", "Sigmoid"))},
		{op: "ReverseSequence", shapes: sizes([]int{4, 3, 2}), consts: tensorsOf(ints(t, 1, 4, 2)), attrs: attrs(i1("time_axis", 0), i1("batch_axis", 1))},
		{op: "CumProd", opset: 26, shapes: sizes([]int{2, 4, 3}), consts: tensorsOf(one), attrs: attrs(i1("reverse", 1))},
		{op: "CumProd", opset: 26, shapes: sizes([]int{2, 4, 3}), consts: tensorsOf(one), attrs: attrs(i1("exclusive", 1))},
		{op: "DFT", opset: 17, shapes: sizes([]int{2, 6, 2}), attrs: attrs(i1("axis", 1))},
		{op: "DFT", opset: 17, shapes: sizes([]int{2, 5, 3, 1}), attrs: attrs(i1("axis", 1), i1("onesided", 1))},
		{op: "DFT", opset: 20, shapes: sizes([]int{2, 4, 3, 2}), at: []int{2}, consts: tensorsOf(one), attrs: attrs(i1("inverse", 1))},
		{op: "STFT", shapes: sizes([]int{2, 10, 1}, []int{4}), at: []int{1}, consts: tensorsOf(indexTensor(t, nil, 3))},
		{op: "TopK", shapes: sizes([]int{3, 7, 2}), consts: tensorsOf(ints(t, 3)), attrs: attrs(i1("axis", 1)), outputs: 2},
		{op: "TopK", shapes: sizes([]int{3, 7}), consts: tensorsOf(ints(t, 2)), attrs: attrs(i1("largest", 0)), outputs: 2},
		{op: "Det", shapes: sizes([]int{2, 3, 3})},
		{op: "Det", shapes: sizes([]int{4, 4})},
		{op: "Atan", shapes: sizes([]int{3, 9})},
		{op: "Tan", shapes: sizes([]int{3, 3})},
		{op: "Acosh", shapes: sizes([]int{3, 3}), offset: 1.1},
		{op: "Asin", shapes: sizes([]int{3, 9}), within: true},
		{op: "Acos", shapes: sizes([]int{3, 9}), within: true},
		{op: "Atanh", shapes: sizes([]int{3, 9}), within: true},
	}
}
