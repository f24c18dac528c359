"""Compares two models as Python's onnx reads them: readback.py BEFORE AFTER FACTOR NAME...

The tensors NAME... (initializers or outputs of Constant nodes) of AFTER must be FACTOR times those of BEFORE, rounded to
their type; metadata_props must have gained nitrain.test=yes; everything else must be equal. AFTER must pass the checker.
"""
import sys

import numpy as np
import onnx
from onnx import numpy_helper

before, after, factor, names = sys.argv[1], sys.argv[2], float(sys.argv[3]), set(sys.argv[4:])
a, b = onnx.load(before), onnx.load(after)
training = any(n.op_type == "BatchNormalization" and len(n.output) > 1 for n in b.graph.node)
onnx.checker.check_model(after, full_check=not training)


def slots(m):
    out = {i.name: i for i in m.graph.initializer}
    for n in m.graph.node:
        if n.op_type == "Constant" and n.attribute[0].name == "value":
            out[n.output[0]] = n.attribute[0].t
    return out


sa, sb = slots(a), slots(b)
assert list(sa) == list(sb), "other tensors"
for name in sa:
    x, y = numpy_helper.to_array(sa[name]), numpy_helper.to_array(sb[name])
    assert x.dtype == y.dtype and x.shape == y.shape, name
    want = (x.astype(np.float32) * np.float32(factor)).astype(x.dtype) if name in names else x
    assert np.array_equal(want, y), name
    for f in ("float_data", "int32_data", "raw_data"):
        assert bool(getattr(sa[name], f)) == bool(getattr(sb[name], f)), (name, f)
assert names <= set(sa), names - set(sa)
meta = {p.key: p.value for p in b.metadata_props}
assert meta.pop("nitrain.test") == "yes" and meta == {p.key: p.value for p in a.metadata_props}
for m in (a, b):
    del m.metadata_props[:]
    for t in slots(m).values():
        for f in ("raw_data", "float_data", "int32_data"):
            t.ClearField(f)
assert a.SerializeToString(deterministic=True) == b.SerializeToString(deterministic=True), "something else changed"
