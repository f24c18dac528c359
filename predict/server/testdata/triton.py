"""Every call of the official client, tritonclient, that a model server is asked for.

usage: triton.py HTTP GRPC MODEL OTHER INPUT.npy EXPECTED.npy
MODEL has one float32 input and one float32 output, whose values for INPUT are EXPECTED, to the last bit.
OTHER is a second model, which is unloaded and loaded again.
"""
import sys

import numpy as np
import tritonclient.grpc as tg
import tritonclient.http as th
from tritonclient.utils import InferenceServerException

http, grpc, model, other = sys.argv[1:5]
x, want = np.load(sys.argv[5]), np.load(sys.argv[6])


def fails(call, *parts):
    try:
        call()
    except InferenceServerException as e:
        for part in parts:
            assert part in str(e), (part, str(e))
        return
    raise AssertionError("want an exception with " + repr(parts))


def same(got, what):
    assert got.shape == want.shape and got.dtype == want.dtype and got.tobytes() == want.tobytes(), what


def names(metadata):
    if isinstance(metadata, dict):
        return metadata["inputs"][0]["name"], metadata["outputs"][0]["name"]
    return metadata.inputs[0].name, metadata.outputs[0].name


def common(c, index):
    """What both clients have."""
    assert c.is_server_live() and c.is_server_ready()
    assert c.is_model_ready(model) and c.is_model_ready(model, "1")
    names_of = [m["name"] if isinstance(m, dict) else m.name for m in index()]
    assert names_of == sorted([model, other]), names_of
    fails(lambda: c.get_model_metadata("nope"), "unknown model")
    c.unload_model(other)
    assert not c.is_model_ready(other)
    states = {(m["name"] if isinstance(m, dict) else m.name): (m["state"] if isinstance(m, dict) else m.state) for m in index()}
    assert states == {model: "READY", other: "UNAVAILABLE"}, states
    c.load_model(other)
    assert c.is_model_ready(other)
    fails(lambda: c.load_model("nope"), "unknown model")
    fails(lambda: c.load_model(other, config="{}"), "own files only")


def over_http():
    c = th.InferenceServerClient(http, concurrency=2, network_timeout=120, connection_timeout=120)
    common(c, c.get_model_repository_index)
    assert c.get_server_metadata()["name"] == "nitrain"
    assert "binary_tensor_data" in c.get_server_metadata()["extensions"]
    assert c.get_model_config(model)["input"][0]["data_type"] == "TYPE_FP32"
    i, o = names(c.get_model_metadata(model))
    for binary_in in (True, False):
        for binary_out in (True, False):
            a = th.InferInput(i, x.shape, "FP32")
            a.set_data_from_numpy(x, binary_data=binary_in)
            r = c.infer(model, [a], outputs=[th.InferRequestedOutput(o, binary_data=binary_out)], request_id="7")
            same(r.as_numpy(o), ("http", binary_in, binary_out))
            assert r.get_response()["id"] == "7" and r.get_response()["model_name"] == model
    a = th.InferInput(i, x.shape, "FP32")
    a.set_data_from_numpy(x)
    same(c.infer(model, [a]).as_numpy(o), "http, default outputs")
    same(c.infer(model, [a], model_version="1").as_numpy(o), "http, version")
    for compression in ("gzip", "deflate"):
        same(c.infer(model, [a], request_compression_algorithm=compression, response_compression_algorithm=compression).as_numpy(o), compression)
    same(c.async_infer(model, [a]).get_result().as_numpy(o), "http, async")
    stats = c.get_inference_statistics(model)["model_stats"][0]
    assert stats["inference_count"] >= 8 and stats["inference_stats"]["success"]["count"] >= 8, stats
    assert len(c.get_inference_statistics()["model_stats"]) == 2
    bad = th.InferInput("no such input", x.shape, "FP32")
    bad.set_data_from_numpy(x)
    fails(lambda: c.infer(model, [bad]), "400", "no such input")
    bad = th.InferInput(i, [1, 1], "FP32")
    bad.set_data_from_numpy(np.zeros([1, 1], np.float32))
    fails(lambda: c.infer(model, [bad]), "400", "shape")
    fails(lambda: c.infer("nope", [a]), "404", "unknown model")
    fails(lambda: c.infer(model, [a], model_version="9"), "404")
    fails(lambda: c.infer(model, [a], sequence_id=3), "501")


def over_grpc():
    big = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    c = tg.InferenceServerClient(grpc, channel_args=big)
    common(c, lambda: c.get_model_repository_index().models)
    assert c.get_server_metadata().name == "nitrain"
    assert c.get_model_config(model).config.input[0].data_type == 11
    i, o = names(c.get_model_metadata(model))
    a = tg.InferInput(i, x.shape, "FP32")
    a.set_data_from_numpy(x)
    r = c.infer(model, [a], outputs=[tg.InferRequestedOutput(o)], request_id="7")
    same(r.as_numpy(o), "grpc")
    assert r.get_response().id == "7" and r.get_response().model_name == model
    same(c.infer(model, [a]).as_numpy(o), "grpc, default outputs")
    for compression in ("gzip", "deflate"):
        if compression == "deflate":
            fails(lambda: c.infer(model, [a], compression_algorithm=compression), "UNIMPLEMENTED")
            continue
        same(c.infer(model, [a], compression_algorithm=compression).as_numpy(o), compression)
    stats = c.get_inference_statistics(model).model_stats[0]
    assert stats.inference_count >= 11 and stats.inference_stats.success.ns > 0, stats
    bad = tg.InferInput("no such input", x.shape, "FP32")
    bad.set_data_from_numpy(x)
    fails(lambda: c.infer(model, [bad]), "INVALID_ARGUMENT", "no such input")
    fails(lambda: c.infer("nope", [a]), "NOT_FOUND")
    fails(lambda: c.get_model_metadata(model, "9"), "NOT_FOUND")


over_http()
over_grpc()
print("ok")
