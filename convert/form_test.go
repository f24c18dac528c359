package convert

import (
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// formCases lists combinations of attributes whose outputs are compared with onnxruntime's: every mode of
// every operator that exporters write.
func formCases(t testing.TB) []opCase {
	var out []opCase
	add := func(op string, opset int, shape [][]int, list []onnx.Attr, consts ...*onnx.Tensor) {
		out = append(out, opCase{op: op, opset: opset, shapes: shape, attrs: list, consts: consts})
	}
	poolForms(add)
	convForms(add)
	resizeForms(t, &out)
	movementForms(t, add)
	reduceForms(t, add)
	for _, n := range []string{"Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus"} {
		act := onnx.Attr{Name: "activations", Kind: onnx.KindStrings, Strings: []string{n}}
		add("RNN", 14, sizes([]int{3, 2, 3}, []int{1, 4, 3}, []int{1, 4, 4}), attrs(i1("hidden_size", 4), act, onnx.FloatsAttr("activation_alpha", 0.7), onnx.FloatsAttr("activation_beta", 0.3), f1("clip", 0.9)))
	}
	hard := onnx.Attr{Name: "activations", Kind: onnx.KindStrings, Strings: []string{"HardSigmoid", "Tanh", "Affine", "HardSigmoid", "Tanh", "Tanh"}}
	add("LSTM", 14, sizes([]int{3, 2, 3}, []int{2, 16, 3}, []int{2, 16, 4}, []int{2, 32}), attrs(i1("hidden_size", 4), hard, s1("direction", "bidirectional"), onnx.FloatsAttr("activation_alpha", 0.2, 0.5, 0.3), onnx.FloatsAttr("activation_beta", 0.5, 0.1, 0.4)))
	return out
}

// adder adds a case.
type adder func(op string, opset int, shape [][]int, list []onnx.Attr, consts ...*onnx.Tensor)

// poolForms covers the attributes of pools, in 1-D to 3-D.
func poolForms(add adder) {
	for _, op := range []string{"MaxPool", "AveragePool", "LpPool"} {
		for _, ceil := range []int64{0, 1} {
			for _, include := range []int64{0, 1} {
				for _, pad := range []onnx.Attr{s1("auto_pad", "NOTSET"), a("pads", 1, 0, 0, 1), a("pads", 1, 1, 1, 1), s1("auto_pad", "SAME_UPPER"), s1("auto_pad", "SAME_LOWER"), s1("auto_pad", "VALID")} {
					for _, stride := range []int64{1, 2, 3} {
						list := attrs(a("kernel_shape", 3, 2), a("strides", stride, stride), i1("ceil_mode", ceil), pad)
						if op == "AveragePool" {
							list = append(list, i1("count_include_pad", include))
						} else if include == 1 {
							continue
						}
						if op == "LpPool" {
							list = append(list, i1("p", 1+stride))
						}
						add(op, 19, sizes([]int{1, 2, 8, 7}), list)
						if pad.Name == "pads" && op != "LpPool" {
							dilated := append(attrs(a("dilations", 2, 2)), list...)
							add(op, 19, sizes([]int{1, 2, 9, 8}), dilated)
						}
					}
				}
			}
		}
	}
	add("AveragePool", 7, sizes([]int{1, 2, 9}), attrs(a("kernel_shape", 4), a("strides", 2), a("pads", 1, 2)))
	add("AveragePool", 19, sizes([]int{1, 2, 5, 6, 7}), attrs(a("kernel_shape", 2, 3, 2), a("strides", 2, 2, 3), a("pads", 1, 1, 0, 0, 1, 1), i1("ceil_mode", 1), i1("count_include_pad", 1)))
	add("AveragePool", 19, sizes([]int{1, 2, 5, 6, 7}), attrs(a("kernel_shape", 2, 3, 2), a("strides", 2, 2, 3), a("pads", 1, 1, 0, 0, 1, 1), i1("ceil_mode", 1)))
	add("MaxPool", 12, sizes([]int{1, 2, 5, 6, 7}), attrs(a("kernel_shape", 2, 3, 2), a("strides", 2, 2, 3), a("pads", 1, 1, 0, 0, 1, 1), i1("ceil_mode", 1), a("dilations", 1, 2, 1)))
	add("MaxPool", 7, sizes([]int{1, 2, 8, 7}), attrs(a("kernel_shape", 3, 3)))
	add("MaxPool", 8, sizes([]int{1, 2, 8, 7}), attrs(a("kernel_shape", 3, 3), a("strides", 2, 1)))
	add("GlobalMaxPool", 7, sizes([]int{1, 2, 8}), nil)
	add("GlobalLpPool", 7, sizes([]int{1, 2, 4, 3, 2}), attrs(i1("p", 3)))
}

// convForms covers the attributes of convolutions.
func convForms(add adder) {
	for _, auto := range []string{"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"} {
		for _, stride := range []int64{1, 2, 3} {
			for k := 1; k <= 4; k++ {
				add("Conv", 11, sizes([]int{1, 2, 9, 8}, []int{4, 1, k, 3}, []int{4}), attrs(i1("group", 2), s1("auto_pad", auto), a("strides", stride, 2)))
				list := attrs(s1("auto_pad", auto), a("strides", stride, 2))
				add("ConvTranspose", 11, sizes([]int{1, 2, 5, 4}, []int{2, 3, k, 3}, []int{3}), list)
				if stride > 1 {
					add("ConvTranspose", 11, sizes([]int{1, 2, 5, 4}, []int{2, 3, k, 3}, []int{3}), append(list, a("output_padding", 1, 1)))
				}
			}
		}
	}
	add("Conv", 11, sizes([]int{2, 4, 11}, []int{6, 2, 3}), attrs(i1("group", 2), a("dilations", 2), a("pads", 3, 1), a("kernel_shape", 3)))
	add("Conv", 11, sizes([]int{1, 2, 5, 6, 7}, []int{2, 2, 2, 3, 2}), attrs(s1("auto_pad", "SAME_UPPER"), a("strides", 2, 1, 2)))
	add("ConvTranspose", 11, sizes([]int{1, 4, 5}, []int{4, 1, 3}), attrs(i1("group", 2), a("dilations", 2), a("pads", 1, 2), a("strides", 3), a("output_padding", 2)))
	add("ConvTranspose", 11, sizes([]int{1, 2, 4, 4}, []int{2, 1, 3, 3}), attrs(a("output_shape", 9, 10), a("strides", 2, 2)))
	add("ConvTranspose", 11, sizes([]int{1, 2, 4, 4}, []int{2, 1, 3, 3}), attrs(a("output_shape", 8, 7), a("strides", 2, 2), s1("auto_pad", "SAME_UPPER")))
	add("ConvTranspose", 11, sizes([]int{1, 2, 4, 4}, []int{2, 1, 3, 3}), attrs(a("output_shape", 8, 7), a("strides", 2, 2), s1("auto_pad", "SAME_LOWER")))
	add("ConvTranspose", 11, sizes([]int{1, 2, 3, 4, 3}, []int{2, 1, 3, 2, 4}), attrs(a("strides", 2, 2, 2), a("pads", 1, 0, 1, 1, 0, 2), a("output_padding", 1, 0, 1)))
	for _, p := range []int64{1, 2} {
		add("LpNormalization", 7, sizes([]int{2, 3, 4}), attrs(i1("p", p), i1("axis", 1)))
	}
	for _, size := range []int64{1, 2, 3, 4} {
		add("LRN", 13, sizes([]int{1, 5, 3, 3}), attrs(i1("size", size), f1("alpha", 0.3), f1("beta", 0.6), f1("bias", 2)))
	}
	add("MeanVarianceNormalization", 13, sizes([]int{2, 3, 4, 3}), attrs(a("axes", 1, 2)))
	add("LayerNormalization", 17, sizes([]int{2, 3, 4}, []int{3, 4}), attrs(i1("axis", -2), f1("epsilon", 0.1)))
	add("InstanceNormalization", 6, sizes([]int{2, 3, 7}, []int{3}, []int{3}), nil)
	add("GroupNormalization", 21, sizes([]int{2, 6, 3, 2, 2}, []int{6}, []int{6}), attrs(i1("num_groups", 3), f1("epsilon", 0.01)))
}

// resizeForms covers every mode of Resize.
func resizeForms(t testing.TB, out *[]opCase) {
	coordinates := []string{"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"}
	for _, ct := range coordinates {
		for _, mode := range []string{"linear", "cubic"} {
			for _, exclude := range []int64{0, 1} {
				for _, anti := range []int64{0, 1} {
					if exclude == 1 && mode != "cubic" {
						continue
					}
					list := attrs(s1("mode", mode), s1("coordinate_transformation_mode", ct), i1("exclude_outside", exclude), i1("antialias", anti))
					*out = append(*out,
						opCase{op: "Resize", opset: 19, shapes: sizes([]int{1, 1, 6, 5}), attrs: list, at: []int{2}, consts: tensorsOf(doubles([]int{4}, []float64{1, 1, 0.5, 0.6}))},
						opCase{op: "Resize", opset: 19, shapes: sizes([]int{1, 1, 4, 5}), attrs: list, at: []int{3}, consts: tensorsOf(ints(t, 1, 1, 9, 3))},
						opCase{op: "Resize", opset: 19, shapes: sizes([]int{1, 1, 4, 5}), attrs: append(list, f1("cubic_coeff_a", -0.5)), at: []int{2}, consts: tensorsOf(doubles([]int{4}, []float64{1, 1, 1.7, 2}))})
				}
			}
		}
		for _, near := range []string{"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"} {
			list := attrs(s1("mode", "nearest"), s1("coordinate_transformation_mode", ct), s1("nearest_mode", near))
			for _, scale := range []float64{0.4, 0.5, 1.5, 2, 3.3} {
				*out = append(*out, opCase{op: "Resize", opset: 19, shapes: sizes([]int{1, 1, 6, 5}), attrs: list, at: []int{2}, consts: tensorsOf(doubles([]int{4}, []float64{1, 1, scale, 2}))})
			}
			*out = append(*out, opCase{op: "Resize", opset: 13, shapes: sizes([]int{1, 1, 3, 4, 5}), attrs: list, at: []int{3}, consts: tensorsOf(ints(t, 1, 1, 7, 2, 6))})
		}
	}
	region := doubles([]int{8}, []float64{0, 0, 0.1, -0.2, 1, 1, 0.8, 1.1})
	for _, mode := range []string{"nearest", "linear", "cubic"} {
		list := attrs(s1("mode", mode), s1("coordinate_transformation_mode", "tf_crop_and_resize"), f1("extrapolation_value", 7))
		*out = append(*out, opCase{op: "Resize", opset: 13, shapes: sizes([]int{1, 1, 6, 5}), attrs: list, at: []int{1, 3}, consts: tensorsOf(region, ints(t, 1, 1, 4, 7))})
	}
	for _, policy := range []string{"not_larger", "not_smaller"} {
		for _, mode := range []string{"nearest", "linear"} {
			list := attrs(s1("mode", mode), a("axes", 3, 2), s1("keep_aspect_ratio_policy", policy))
			*out = append(*out, opCase{op: "Resize", opset: 19, shapes: sizes([]int{1, 1, 6, 5}), attrs: list, at: []int{3}, consts: tensorsOf(ints(t, 8, 7))})
		}
	}
	for _, scale := range []float64{0.5, 2, 2.6} {
		for _, mode := range []string{"nearest", "linear"} {
			*out = append(*out, opCase{op: "Resize", opset: 10, shapes: sizes([]int{1, 1, 6, 5}), attrs: attrs(s1("mode", mode)), consts: tensorsOf(doubles([]int{4}, []float64{1, 1, scale, scale}))})
			if scale >= 1 {
				*out = append(*out, opCase{op: "Upsample", opset: 9, shapes: sizes([]int{1, 1, 6, 5}), attrs: attrs(s1("mode", mode)), consts: tensorsOf(doubles([]int{4}, []float64{1, 1, scale, scale}))},
					opCase{op: "Upsample", opset: 7, shapes: sizes([]int{1, 1, 6, 5}), attrs: attrs(s1("mode", mode), onnx.FloatsAttr("scales", 1, 1, float32(scale), float32(scale)))})
			}
		}
	}
	*out = append(*out, opCase{op: "Resize", opset: 13, shapes: sizes([]int{1, 1, 4, 4, 4}), attrs: attrs(s1("mode", "linear"), s1("coordinate_transformation_mode", "align_corners")), at: []int{3}, consts: tensorsOf(ints(t, 1, 1, 7, 2, 5))})
}

// movementForms covers padding, slicing and their kin.
func movementForms(t testing.TB, add adder) {
	for _, mode := range []string{"constant", "reflect", "edge", "wrap"} {
		list := attrs(s1("mode", mode))
		add("Pad", 19, sizes([]int{2, 4, 5}), list, ints(t, 0, 1, 2, 0, 3, 4))
		add("Pad", 19, sizes([]int{2, 4, 5}), list, ints(t, 0, -1, 1, 0, 2, -2))
		add("Pad", 19, sizes([]int{2, 4, 5}), list, ints(t, 2, 1, 0, 3), scalarF(1.5), ints(t, -1, 1))
		if mode != "wrap" {
			add("Pad", 10, sizes([]int{2, 4, 5}), attrs(s1("mode", mode), a("pads", 0, 1, 2, 0, 3, 4), f1("value", 2)))
		}
	}
	far := int64(9223372036854775807)
	for _, s := range [][4][]int64{
		{{1, 2}, {4, far}, {0, 1}, {1, 2}},
		{{-1, -1}, {-far, -far - 1}, {0, 1}, {-1, -1}},
		{{-1}, {-8}, {1}, {-2}},
		{{20}, {-20}, {1}, {-3}},
		{{-20, 1}, {20, -1}, {-1, -2}, {3, 1}},
		{{5}, {1}, {1}, {-1}},
	} {
		add("Slice", 13, sizes([]int{6, 7}), nil, ints(t, s[0]...), ints(t, s[1]...), ints(t, s[2]...), ints(t, s[3]...))
	}
	add("Slice", 9, sizes([]int{6, 7}), attrs(a("starts", 1, -3), a("ends", -1, far)))
	add("Tile", 13, sizes([]int{2, 3, 1}), nil, ints(t, 2, 1, 3))
	add("Expand", 13, sizes([]int{3, 1}), nil, ints(t, 2, 1, 4))
	add("Reshape", 14, sizes([]int{2, 3, 4}), nil, ints(t, 6, -1, 0))
	add("Flatten", 13, sizes([]int{2, 3, 4}), attrs(i1("axis", -1)))
	add("Flatten", 13, sizes([]int{2, 3, 4}), attrs(i1("axis", 0)))
	add("Squeeze", 13, sizes([]int{1, 3, 1}), nil, ints(t, -1))
	add("Squeeze", 13, sizes([]int{1, 3, 1}), nil)
	add("Unsqueeze", 13, sizes([]int{2, 3}), nil, ints(t, -1, 0))
	for _, mode := range []string{"DCR", "CRD"} {
		add("DepthToSpace", 13, sizes([]int{2, 18, 2, 3}), attrs(i1("blocksize", 3), s1("mode", mode)))
	}
	add("SpaceToDepth", 13, sizes([]int{2, 2, 4, 6}), attrs(i1("blocksize", 2)))
	for _, upper := range []int64{0, 1} {
		for _, k := range []int64{-2, 0, 1, 9} {
			add("Trilu", 14, sizes([]int{2, 4, 5}), attrs(i1("upper", upper)), indexTensor(t, nil, k))
		}
	}
	for _, axis := range []int64{0, 1, -1} {
		add("Gather", 13, sizes([]int{3, 4, 3}), attrs(i1("axis", axis)), indexTensor(t, []int{2, 2}, 0, -1, 2, 1))
	}
	add("GatherND", 13, sizes([]int{2, 3, 4}), attrs(i1("batch_dims", 1)), indexTensor(t, []int{2, 1}, 2, -1))
	add("GatherND", 13, sizes([]int{2, 3, 4}), nil, indexTensor(t, []int{1, 2, 2}, 0, -1, 1, 2))
	add("CenterCropPad", 18, sizes([]int{4, 5, 7}), attrs(a("axes", 2, 0)), ints(t, 4, 7))
	add("CenterCropPad", 18, sizes([]int{4, 5}), nil, ints(t, 7, 2))
	add("EyeLike", 9, sizes([]int{3, 4}), attrs(i1("k", -1)))
}

// reduceForms covers reductions, activations with parameters, and softmax over the opsets.
func reduceForms(t testing.TB, add adder) {
	for _, op := range []string{"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"} {
		for _, keep := range []int64{0, 1} {
			add(op, 18, sizes([]int{2, 3, 4}), attrs(i1("keepdims", keep)), ints(t, -1, 0))
			add(op, 18, sizes([]int{2, 3, 4}), attrs(i1("keepdims", keep)))
			add(op, 18, sizes([]int{2, 3, 4}), attrs(i1("keepdims", keep), i1("noop_with_empty_axes", 1)))
			add(op, 11, sizes([]int{2, 3, 4}), attrs(i1("keepdims", keep), a("axes", -2)))
		}
	}
	for _, reverse := range []int64{0, 1} {
		for _, exclusive := range []int64{0, 1} {
			add("CumSum", 14, sizes([]int{2, 5, 3}), attrs(i1("reverse", reverse), i1("exclusive", exclusive)), indexTensor(t, nil, -2))
		}
	}
	for _, op := range []string{"Softmax", "LogSoftmax", "Hardmax"} {
		for _, axis := range []int64{0, 1, 2, -1} {
			add(op, 13, sizes([]int{2, 3, 4}), attrs(i1("axis", axis)))
			add(op, 11, sizes([]int{2, 3, 4}), attrs(i1("axis", axis)))
		}
		add(op, 13, sizes([]int{2, 3, 4}), nil)
		add(op, 11, sizes([]int{2, 3, 4}), nil)
	}
	for _, op := range []string{"LeakyRelu", "Elu", "Celu", "Selu", "HardSigmoid", "ThresholdedRelu"} {
		add(op, 16, sizes([]int{3, 7}), attrs(f1("alpha", 0.4)))
		add(op, 16, sizes([]int{3, 7}), nil)
	}
	add("Selu", 6, sizes([]int{3, 7}), attrs(f1("gamma", 1.5)))
	add("HardSigmoid", 6, sizes([]int{3, 7}), attrs(f1("beta", 0.3)))
	add("Shrink", 9, sizes([]int{3, 7}), attrs(f1("bias", 0.2), f1("lambd", 0.7)))
	add("Gelu", 20, sizes([]int{3, 7}), attrs(s1("approximate", "tanh")))
	add("Gelu", 20, sizes([]int{3, 7}), nil)
	add("Clip", 6, sizes([]int{3, 7}), attrs(f1("max", 0.3)))
	add("Clip", 13, sizes([]int{3, 7}), nil, scalarF(0.1))
	add("PRelu", 16, sizes([]int{2, 3, 4}, []int{3, 1}), nil)
	add("PRelu", 16, sizes([]int{2, 3, 4}, []int{4}), nil)
	add("Mod", 13, sizes([]int{3, 7}, []int{7}), attrs(i1("fmod", 1)))
	add("Gemm", 13, sizes([]int{3, 4}, []int{4, 5}), attrs(f1("alpha", 0.3)))
	add("Gemm", 13, sizes([]int{3, 4}, []int{5, 4}, []int{3, 1}), attrs(i1("transB", 1), f1("beta", 0.3)))
	for _, e := range []string{"ij->ji", "bij,bjk->bik", "bij,bjk", "ij,ij->", "ii->i", "...ij,...jk->...ik", "bhid,bhjd->bhij", "i,j->ij", "ij->i", "...ii->...i", "bqnd,bknd->bnqk"} {
		shapes := map[string][][]int{
			"ij->ji": {{3, 4}}, "bij,bjk->bik": {{2, 3, 4}, {2, 4, 5}}, "bij,bjk": {{2, 3, 4}, {2, 4, 5}}, "ij,ij->": {{3, 4}, {3, 4}}, "ii->i": {{3, 3}},
			"...ij,...jk->...ik": {{2, 1, 3, 4}, {2, 5, 4, 2}}, "bhid,bhjd->bhij": {{1, 2, 3, 4}, {1, 2, 5, 4}}, "i,j->ij": {{3}, {4}}, "ij->i": {{3, 4}}, "...ii->...i": {{2, 3, 3}}, "bqnd,bknd->bnqk": {{1, 3, 2, 4}, {1, 5, 2, 4}},
		}[e]
		add("Einsum", 12, shapes, attrs(s1("equation", e)))
	}
	add("Einsum", 12, sizes([]int{2, 3}, []int{3, 4}, []int{4, 5}, []int{5}), attrs(s1("equation", "ab,bc,cd,d->a")))
}
