"""Writes the small models of onnx/ort/testdata.

Usage: python ort_models.py ../../onnx/ort/testdata
Made with the versions of requirements.txt. Values are chosen so that every result is exact and can be
worked out by hand; the tests do.
"""
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

OUT = sys.argv[1]
TYPES = {
    "float32": T.FLOAT, "float64": T.DOUBLE, "float16": T.FLOAT16, "bfloat16": T.BFLOAT16,
    "int8": T.INT8, "int16": T.INT16, "int32": T.INT32, "int64": T.INT64,
    "uint8": T.UINT8, "uint16": T.UINT16, "uint32": T.UINT32, "uint64": T.UINT64, "bool": T.BOOL,
}


def save(name, nodes, inputs, outputs, initializers=(), opset=17, check=True):
    graph = h.make_graph(nodes, name, inputs, outputs, initializers)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8, producer_name="nitrain-test")
    if check:
        onnx.checker.check_model(model)
    with open(os.path.join(OUT, name + ".onnx"), "wb") as f:
        f.write(model.SerializeToString())


def value(name, kind, shape):
    return h.make_tensor_value_info(name, kind, shape)


def const(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


# sum: y = 2a + b, batch free.
save("sum", [h.make_node("Mul", ["a", "two"], ["a2"]), h.make_node("Add", ["a2", "b"], ["y"])],
     [value("a", T.FLOAT, ["batch", 3]), value("b", T.FLOAT, ["batch", 3])],
     [value("y", T.FLOAT, ["batch", 3])], [const("two", np.float32([2]))])

# types: one Identity per element type, any shape of rank 2.
save("types", [h.make_node("Identity", ["in_" + n], ["out_" + n]) for n in TYPES],
     [value("in_" + n, t, ["n", 2]) for n, t in TYPES.items()],
     [value("out_" + n, t, ["n", 2]) for n, t in TYPES.items()])

# scalars: the same without axes; half precision has no scalar inputs in the binding, so those come from a cast.
full = {n: t for n, t in TYPES.items() if "float16" not in n}
save("scalars", [h.make_node("Identity", ["in_" + n], ["out_" + n]) for n in full]
     + [h.make_node("Cast", ["in_float32"], ["out_" + n], to=TYPES[n]) for n in ("float16", "bfloat16")],
     [value("in_" + n, t, []) for n, t in full.items()],
     [value("out_" + n, t, []) for n, t in TYPES.items()])

# rank: an output of whatever rank the second input says, declared without a shape.
save("rank", [h.make_node("Reshape", ["x", "shape"], ["y"])],
     [value("x", T.FLOAT, ["n"]), value("shape", T.INT64, ["r"])], [value("y", T.FLOAT, None)], check=False)

# none: no inputs at all.
save("none", [h.make_node("Constant", [], ["c"], value=const("", np.float32([[1, 2], [3, 4]]))),
              h.make_node("Neg", ["c"], ["y"])], [], [value("y", T.FLOAT, [2, 2])])

# fixed: an input with fixed sizes and an int64 input.
save("fixed", [h.make_node("Gather", ["x", "i"], ["y"], axis=1)],
     [value("x", T.FLOAT, [1, 4]), value("i", T.INT64, ["k"])], [value("y", T.FLOAT, [1, "k"])])

# denormal: y = x / 1, which is zero where denormals are flushed.
save("denormal", [h.make_node("Mul", ["x", "one"], ["y"])], [value("x", T.FLOAT, ["n"])], [value("y", T.FLOAT, ["n"])],
     [const("one", np.float32([1]))])

# slow: n rounds of a 256 x 256 product: as long as asked for.
body = h.make_graph([h.make_node("MatMul", ["m", "w"], ["p"]), h.make_node("Identity", ["cond"], ["go"])], "body",
                    [value("i", T.INT64, []), value("cond", T.BOOL, []), value("m", T.FLOAT, [256, 256])],
                    [value("go", T.BOOL, []), value("p", T.FLOAT, [256, 256])])
save("slow", [h.make_node("ConstantOfShape", ["size"], ["w"], value=const("", np.float32([0.001]))),
              h.make_node("Loop", ["n", "", "x"], ["y"], body=body)],
     [value("x", T.FLOAT, [256, 256]), value("n", T.INT64, [])], [value("y", T.FLOAT, [256, 256])],
     [const("size", np.int64([256, 256]))])

# big: takes 4 n bytes for its activation.
save("big", [h.make_node("ConstantOfShape", ["n"], ["b"], value=const("", np.float32([1]))),
             h.make_node("Neg", ["b"], ["nb"]), h.make_node("ReduceSum", ["nb"], ["y"], keepdims=1)],
     [value("n", T.INT64, [1])], [value("y", T.FLOAT, [1])])

# external: the weight lies in another file.
graph = h.make_graph([h.make_node("Cast", ["x"], ["x32"], to=T.FLOAT), h.make_node("MatMul", ["x32", "w"], ["y32"]),
                      h.make_node("Cast", ["y32"], ["y"], to=T.FLOAT16)], "external",
                     [value("x", T.FLOAT16, ["n", 16])], [value("y", T.FLOAT16, ["n", 16])],
                     [const("w", np.eye(16, dtype=np.float32) * 3)])
model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
onnx.save(model, os.path.join(OUT, "external.onnx"), save_as_external_data=True, location="external.data", size_threshold=0)

# sequence: an output that is no tensor.
save("sequence", [h.make_node("SequenceConstruct", ["x", "x"], ["y"])], [value("x", T.FLOAT, [1])],
     [h.make_tensor_sequence_value_info("y", T.FLOAT, [1])])

# crash: a convolution with strides of zero. onnxruntime 1.27.0 divides by them when it loads the model: SIGFPE.
save("crash", [h.make_node("Conv", ["x", "w"], ["y"], strides=[0, 0])], [value("x", T.FLOAT, [1, 1, 4, 4])],
     [value("y", T.FLOAT, None)], [const("w", np.zeros((1, 1, 2, 2), np.float32))], check=False)
