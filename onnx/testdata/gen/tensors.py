"""Writes ../ref/tensors.onnx and tensors.json: a tensor of every element type, once in raw_data and once in the typed
field, and Constant nodes of every form, with the values as Python's onnx reads them.

Made with Python 3.11, onnx 1.23.2 and numpy 2.3:  python tensors.py
"""
import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

rng = np.random.default_rng(7)
inits, want = [], {}


def put(t):
    inits.append(t)
    a = numpy_helper.to_array(t)
    if t.data_type == T.STRING:
        values = [x.decode() if isinstance(x, bytes) else x for x in a.ravel().tolist()]
    elif a.dtype.kind in "iub" or a.dtype.name in ("int4", "uint4", "int2", "uint2"):
        values = [int(x) for x in a.ravel()]
    else:
        values = [float(x) for x in a.ravel().astype(np.float64)]
    want[t.name] = {"dtype": a.dtype.name if t.data_type != T.STRING else "string", "shape": list(t.dims), "values": values}


floats = [0.0, -0.0, 1.0, -2.5, 0.1, 65504.0, 1e-5, 3.14159, 6e-8, -7e-6]
for d, name in ((T.FLOAT, "float32"), (T.DOUBLE, "float64"), (T.FLOAT16, "float16"), (T.BFLOAT16, "bfloat16")):
    dt = helper.tensor_dtype_to_np_dtype(d)
    a = np.array(floats, np.float64).astype(dt).reshape(2, 5)
    put(helper.make_tensor(name + "_typed", d, a.shape, a.ravel()))
    put(helper.make_tensor(name + "_raw", d, a.shape, a.tobytes(), raw=True))
for d, name in ((T.INT8, "int8"), (T.UINT8, "uint8"), (T.INT16, "int16"), (T.UINT16, "uint16"), (T.INT32, "int32"),
                (T.UINT32, "uint32"), (T.INT64, "int64"), (T.UINT64, "uint64")):
    dt = helper.tensor_dtype_to_np_dtype(d)
    info = np.iinfo(dt)
    top = min(info.max, 2**63 - 1)
    a = np.array([info.min, 0, 1, top, top // 3, info.min // 5], dtype=dt).reshape(3, 2)
    put(helper.make_tensor(name + "_typed", d, a.shape, a.ravel()))
    put(helper.make_tensor(name + "_raw", d, a.shape, a.tobytes(), raw=True))
put(helper.make_tensor("bool_typed", T.BOOL, (3,), [True, False, True]))
put(helper.make_tensor("bool_raw", T.BOOL, (3,), bytes([1, 0, 1]), raw=True))
for d, name, v in ((T.INT4, "int4", [-8, 7, 0, -1, 3]), (T.UINT4, "uint4", [15, 0, 8, 1, 7]),
                   (T.INT2, "int2", [-2, 1, 0, -1, 1]), (T.UINT2, "uint2", [3, 0, 2, 1, 3])):
    put(helper.make_tensor(name + "_typed", d, (5,), v))
    t = helper.make_tensor(name + "_raw", d, (5,), v)
    raw = bytes(x & 255 for x in t.int32_data)
    del t.int32_data[:]
    t.raw_data = raw
    put(t)
put(helper.make_tensor("string_typed", T.STRING, (2,), [b"one", "zw\u00f6lf".encode()]))
put(helper.make_tensor("scalar", T.FLOAT, (), [4.5]))
put(helper.make_tensor("empty", T.FLOAT, (0, 3), []))
big = rng.standard_normal((20, 30)).astype(np.float32)
put(helper.make_tensor("large_raw", T.FLOAT, big.shape, big.tobytes(), raw=True))
put(helper.make_tensor("large_typed", T.FLOAT, big.shape, big.ravel()))

nodes = [
    helper.make_node("Constant", [], ["c_value"], value=helper.make_tensor("named", T.FLOAT, (2,), [1.5, 2.5])),
    helper.make_node("Constant", [], ["c_float"], value_float=0.5),
    helper.make_node("Constant", [], ["c_floats"], value_floats=[0.25, -0.5]),
    helper.make_node("Constant", [], ["c_int"], value_int=-3),
    helper.make_node("Constant", [], ["c_ints"], value_ints=[4, -5, 6]),
    helper.make_node("Constant", [], ["c_strings"], value_strings=["a", "b"]),
    helper.make_node("Identity", ["c_value"], ["y"]),
]
g = helper.make_graph(nodes, "tensors", [], [helper.make_tensor_value_info("y", T.FLOAT, [2])], inits)
m = helper.make_model(g, opset_imports=[helper.make_opsetid("", 25)], producer_name="tensors.py")
onnx.checker.check_model(m)
ref = pathlib.Path(__file__).parent.parent / "ref"
ref.mkdir(exist_ok=True)
onnx.save(m, ref / "tensors.onnx")
(ref / "tensors.json").write_text(json.dumps(want, indent=0))
print(len(want), "tensors")
