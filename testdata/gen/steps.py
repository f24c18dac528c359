#!/usr/bin/env python3
"""Reference numbers for steps that need a second image, distances and affine maps: testdata/ref/steps.jsonl.

    python testdata/gen/steps.py > testdata/ref/steps.jsonl

Made with numpy 2.3.5, scipy 1.15.3, scikit-image 0.26.0 and SimpleITK 2.5.7; the versions of a run stand in the first line.
The form is that of transform.py. "@name" in a step stands for the input of that name, as a file.
"""
import base64
import json

import numpy as np
import scipy
import scipy.ndimage as ndi
import SimpleITK as sitk
import skimage
from skimage.exposure import match_histograms

LINEAR, SUMS, INDEX = 1e-4, 1e-5, 0


def rotation(x, y, z):
    cx, sx, cy, sy, cz, sz = np.cos(x), np.sin(x), np.cos(y), np.sin(y), np.cos(z), np.sin(z)
    return (np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]) @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
            @ np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]]))


def affine(m, t):
    a = np.eye(4)
    a[:3, :3], a[:3, 3] = m, t
    return a


def volume(shape, seed):
    rng = np.random.default_rng(seed)
    v = ndi.gaussian_filter(rng.normal(size=(1, *shape)), (0, 1, 1, 1)) * 600 + rng.normal(size=(1, *shape)) * 30
    return v.astype(np.float32)


def head(shape):
    """Three tissues in an ellipsoid under a smooth field, with noise."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    r = np.sqrt(x ** 2 + y ** 2 + z ** 2)
    v = 100 * (r < .95) + 60 * (r < .75) + 50 * (r < .45)
    v = v * np.exp(.3 * x - .2 * y * y + .1 * z) + np.random.default_rng(7).normal(size=shape) * 2 * (r < .95)
    return np.maximum(v, 0)[None].astype(np.float32)


OBLIQUE = affine(rotation(.2, -.1, .4) @ np.diag([.9, 1.3, 2.2]), [12, -30, 44])
INPUTS = {
    "a": (volume((9, 8, 7), 1), OBLIQUE, "intensity"),
    "b": (np.where(volume((9, 8, 7), 2) > -50, volume((9, 8, 7), 2), 0), OBLIQUE, "intensity"),
    "c": (np.abs(volume((11, 7, 6), 3)).astype(np.float32), affine(np.diag([-1., 2, 3]), [1, 2, 3]), "intensity"),
    "head": (head((18, 16, 14)), affine(np.diag([-4., 4, 5]), [1, 2, 3]), "intensity"),
    "label": ((volume((9, 8, 7), 4) > 60).astype(np.float32) + 2 * (volume((9, 8, 7), 6) > 150), OBLIQUE, "label"),
}


def emit(**record):
    print(json.dumps(record))


def pack(a):
    a = np.asarray(a, np.float32)
    return base64.b64encode(np.concatenate([c.ravel(order="F") for c in a]).astype("<f4").tobytes()).decode()


def case(source, name, inp, steps, data, tol, aff=None):
    data = np.asarray(data, np.float32)
    emit(case=name, source=source, input=inp, steps=steps, size=list(data.shape[1:]), channels=data.shape[0],
         affine=np.asarray(INPUTS[inp][1] if aff is None else aff, float).tolist(), tol=tol, data=pack(data))


def to_sitk(name):
    data, aff, _ = INPUTS[name]
    im = sitk.GetImageFromArray(data[0].transpose(2, 1, 0).astype(np.float32))
    lps = np.diag([-1, -1, 1, 1.]) @ aff
    mm = np.linalg.norm(aff[:3, :3], axis=0)
    im.SetSpacing(mm.tolist())
    im.SetDirection((lps[:3, :3] / mm).ravel().tolist())
    im.SetOrigin(lps[:3, 3].tolist())
    return im


def from_sitk(im):
    return sitk.GetArrayFromImage(im).transpose(2, 1, 0)[None]


def arithmetic():
    a, b = INPUTS["a"][0], INPUTS["b"][0]
    with np.errstate(all="ignore"):
        quotient = np.where(b == 0, np.float32(0), a / b)
    for op, want in [("add", a + b), ("subtract", a - b), ("multiply", a * b), ("divide", quotient)]:
        case("numpy", op, "a", [{"op": op, "image": "@b"}], want, SUMS)
    for op, want in [("add", a + 2), ("subtract", a - 2), ("multiply", a * 2), ("divide", a / 2)]:
        case("numpy", op + "_value", "a", [{"op": op, "value": 2}], want, SUMS)
    case("numpy", "mask", "a", [{"op": "mask", "image": "@label", "outside": -7}], np.where(INPUTS["label"][0] != 0, a, -7), INDEX)
    case("numpy", "mask_label", "label", [{"op": "mask", "image": "@b"}], np.where(b != 0, INPUTS["label"][0], 0), INDEX)


def histogram():
    a, c, b = INPUTS["a"][0], INPUTS["c"][0], INPUTS["b"][0]
    case("scikit-image", "match_exact", "a", [{"op": "match_histogram", "reference": "@c"}], match_histograms(a, c), SUMS)
    case("scikit-image", "match_exact_ties", "b", [{"op": "match_histogram", "reference": "@label"}], match_histograms(b, INPUTS["label"][0]), SUMS)
    case("scikit-image", "match_nonzero", "b", [{"op": "match_histogram", "reference": "@c", "nonzero": True}],
         np.place(out := b.copy(), b != 0, match_histograms(b[b != 0], c[c != 0])) or out, SUMS)
    for levels, points in [(256, 1), (128, 7), (1024, 15)]:  # ITK falls where the first quantile lies in the first bin (32, 7)
        steps = [{"op": "match_histogram", "reference": "@c", "rule": "itk", "levels": levels, "points": points}]
        case("simpleitk", f"match_itk_{points}", "a", steps, from_sitk(sitk.HistogramMatching(to_sitk("a"), to_sitk("c"), levels, points, True)), 1e-4)


def distance():
    lab, aff, _ = INPUTS["label"]
    mm = np.linalg.norm(aff[:3, :3], axis=0)
    out, ins = (ndi.distance_transform_edt(m, sampling=mm)[None] for m in (lab[0] == 0, lab[0] != 0))
    case("scipy", "distance_outside", "label", [{"op": "distance"}], out, SUMS)
    case("scipy", "distance_inside", "label", [{"op": "distance", "of": "inside"}], ins, SUMS)
    case("scipy", "distance_signed", "label", [{"op": "distance", "of": "signed"}], out - ins, SUMS)
    case("scipy", "distance_label", "label", [{"op": "distance", "labels": [2, 3]}], ndi.distance_transform_edt(lab[0] < 2, sampling=mm)[None], SUMS)


def moved():
    m = affine(rotation(.1, .05, -.2) @ np.diag([1.1, .95, 1]), [2, -1.5, 3])
    center = INPUTS["a"][1][:3, :3] @ [4, 3.5, 3] + INPUTS["a"][1][:3, 3]
    m[:3, 3] += center - m[:3, :3] @ center
    pull = np.diag([-1, -1, 1, 1.]) @ np.linalg.inv(m) @ np.diag([-1, -1, 1, 1.])
    t = sitk.AffineTransform(pull[:3, :3].ravel().tolist(), pull[:3, 3].tolist())
    a = INPUTS["a"][1]
    at = np.linalg.inv(a) @ np.linalg.inv(m) @ a
    for how, order, mode in [("linear", 1, "nearest"), ("cubic", 3, "mirror")]:
        edge = {"nearest": "border", "mirror": "mirror"}[mode]
        case("scipy", f"affine_{how}", "a", [{"op": "affine", "matrix": m.tolist(), "interpolation": how, "edge": edge}],
             ndi.affine_transform(INPUTS["a"][0][0].astype(float), at, order=order, mode=mode)[None], LINEAR)
    lab = to_sitk("label")
    case("simpleitk", "affine_label", "label", [{"op": "affine", "matrix": m[:3].tolist()}], from_sitk(sitk.Resample(lab, lab, t, sitk.sitkNearestNeighbor, 0.0)), INDEX)
    case("numpy", "affine_regrid", "a", [{"op": "affine", "matrix": m.tolist(), "regrid": True}], INPUTS["a"][0], INDEX, m @ a)


def n4():
    head = to_sitk("head")
    f = sitk.N4BiasFieldCorrectionImageFilter()
    f.SetMaximumNumberOfIterations([20, 20])
    f.Execute(head, sitk.OtsuThreshold(head, 0, 1, 200))
    field = np.exp(from_sitk(f.GetLogBiasFieldAsImage(head)))
    steps = {"op": "n4", "shrink": 1, "levels": 2, "iterations": 20}
    case("simpleitk", "n4_field", "head", [{**steps, "field": True}], field, 1e-4)
    case("simpleitk", "n4", "head", [steps], INPUTS["head"][0] / field, 1e-4)


emit(numpy=np.__version__, scipy=scipy.__version__, scikit_image=skimage.__version__, simpleitk=sitk.Version_VersionString())
for key, (d, aff, kind) in INPUTS.items():
    emit(image=key, kind=kind, size=list(d.shape[1:]), channels=d.shape[0], affine=aff.tolist(), data=pack(d))
arithmetic()
histogram()
distance()
moved()
n4()
