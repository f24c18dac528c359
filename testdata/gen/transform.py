#!/usr/bin/env python3
"""Reference numbers for imageio/transform: testdata/ref/transform.jsonl.

    python testdata/gen/transform.py > testdata/ref/transform.jsonl

Made with monai 1.6.1, torch 2.15, numpy 2.4.6, scipy 1.17.1, SimpleITK 2.5.7 and nibabel 5.4.2; the versions of a run
stand in the first line. One JSON object a line: inputs first, then one case a line with the steps as nitrain
reads them and what the other program answers. Samples are float32, little endian, base64, channel slowest, x fastest.
"""
import base64
import json
import sys
import warnings

import monai
import nibabel as nib
import nibabel.processing
import numpy as np
import scipy
import scipy.ndimage as ndi
import SimpleITK as sitk
import torch
from monai.data import MetaTensor
from monai.transforms import (CenterSpatialCrop, CropForeground, DivisiblePad, GaussianSmooth, NormalizeIntensity,
                              Orientation, Resize, ScaleIntensity, ScaleIntensityRange,
                              ScaleIntensityRangePercentiles, Spacing, SpatialPad, Zoom)

warnings.filterwarnings("ignore")


def rotation(x, y, z):
    cx, sx, cy, sy, cz, sz = np.cos(x), np.sin(x), np.cos(y), np.sin(y), np.cos(z), np.sin(z)
    return (np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]) @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
            @ np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]]))


def affine(m, t):
    a = np.eye(4)
    a[:3, :3], a[:3, 3] = m, t
    return a


def volume(shape, seed, channels=1):
    """Smooth blobs and noise, about -300 to 500, with a border of zeros."""
    rng = np.random.default_rng(seed)
    v = ndi.gaussian_filter(rng.normal(size=(channels, *shape)), (0, 1, 1, 1)) * 600 + rng.normal(size=(channels, *shape)) * 30
    v[:, 0], v[:, :, -1], v[:, :, :, :1] = 0, 0, 0
    return v.astype(np.float32)


INPUTS = {
    "oblique": (volume((9, 8, 7), 1), affine(rotation(.2, -.1, .4) @ np.diag([.9, 1.3, 2.2]), [12, -30, 44]), "intensity"),
    "sheared": (volume((8, 9, 6), 2), affine(rotation(-.3, .2, 1.9) @ np.array([[1.1, .25, 0], [0, -.8, .1], [0, 0, 1.7]]), [-9, 5, 3]), "intensity"),
    "straight": (volume((10, 7, 8), 3, 2), affine([[0, -1.5, 0], [0, 0, 2], [-1, 0, 0]], [20, 10, 5]), "intensity"),
    "slice": (volume((11, 9, 1), 4), affine(np.diag([.7, .7, 5]), [0, 0, 0]), "intensity"),
    "thick": (volume((9, 10, 4), 5), affine(np.diag([-1.0, 1.0, 6.0]), [3, 4, 5]), "intensity"),
    "label": ((volume((9, 8, 7), 1) > 60).astype(np.float32) + 2 * (volume((9, 8, 7), 6) > 100), affine(rotation(.2, -.1, .4) @ np.diag([.9, 1.3, 2.2]), [12, -30, 44]), "label"),
}


def meta(name):
    data, aff, _ = INPUTS[name]
    return MetaTensor(torch.from_numpy(data.copy()), affine=torch.from_numpy(aff))


def pack(a):
    a = np.asarray(a, np.float32)
    return base64.b64encode(np.concatenate([c.ravel(order="F") for c in a]).astype("<f4").tobytes()).decode()


def emit(**record):
    print(json.dumps(record))


def case(source, name, inp, steps, data, aff, tol, **more):
    data = np.asarray(data, np.float32)
    emit(case=name, source=source, input=inp, steps=steps, size=list(data.shape[1:]), channels=data.shape[0],
         affine=np.asarray(aff, float).tolist(), tol=tol, data=pack(data), **more)


def monai_case(name, inp, steps, transform, tol, aff=None):
    out = transform(meta(inp))
    case("monai", name, inp, steps, out.numpy(), out.affine.numpy() if aff is None else aff, tol)


LINEAR, SUMS, INDEX = 1e-4, 1e-5, 0


def spacing():
    for inp in ["oblique", "sheared", "straight", "slice"]:
        for edge, pad in [("border", "border"), ("zeros", "zeros"), ("reflect", "reflection")]:
            monai_case(f"spacing_{inp}_{edge}", inp, [{"op": "spacing", "mm": [1.1, .8, 1.9], "edge": edge}],
                       Spacing((1.1, .8, 1.9), padding_mode=pad), LINEAR)
    monai_case("spacing_down", "oblique", [{"op": "spacing", "mm": [3, 3, 5]}], Spacing((3, 3, 5)), LINEAR)
    monai_case("spacing_near_enough", "straight", [{"op": "spacing", "mm": [1.0005, 1.5, 2]}], Spacing((1.0005, 1.5, 2)), INDEX)
    monai_case("spacing_keep", "sheared", [{"op": "spacing", "mm": [1, -1, 0]}], Spacing((1, -1, 0)), LINEAR)
    monai_case("spacing_diagonal", "sheared", [{"op": "spacing", "mm": [1, 1.5, 2], "diagonal": True}], Spacing((1, 1.5, 2), diagonal=True), LINEAR)
    monai_case("spacing_nearest", "oblique", [{"op": "spacing", "mm": [1, 1, 1], "interpolation": "nearest"}], Spacing((1, 1, 1), mode="nearest"), INDEX)
    monai_case("spacing_label", "label", [{"op": "spacing", "mm": [.7, .7, 1.3]}], Spacing((.7, .7, 1.3), mode="nearest"), INDEX)
    for inp in ["oblique", "straight"]:
        for edge, pad in [("border", "nearest"), ("mirror", "mirror"), ("reflect", "reflect"), ("zeros", "constant")]:
            if (inp, edge) == ("oblique", "zeros"):
                continue  # the first slices lie on the border to 1e-16, and round-off decides whether outside
            monai_case(f"spacing_cubic_{inp}_{edge}", inp, [{"op": "spacing", "mm": [1, 1, 1], "interpolation": "cubic", "edge": edge}],
                       Spacing((1, 1, 1), mode=3, padding_mode=pad), LINEAR)


def edge_aligned(inp, size):
    data, aff, _ = INPUTS[inp]
    k = np.array(data.shape[1:]) / np.array(size)
    return aff @ affine(np.diag(k), (k - 1) / 2)


def resize():
    for inp, size in [("oblique", (5, 13, 7)), ("straight", (17, 3, 16)), ("sheared", (3, 3, 3))]:
        for how, mode in [("linear", "trilinear"), ("nearest", "nearest"), ("nearest-exact", "nearest-exact"), ("area", "area")]:
            monai_case(f"resize_{inp}_{how}", inp, [{"op": "resize", "size": list(size), "interpolation": how}], Resize(size, mode=mode),
                       INDEX if how.startswith("nearest") else LINEAR)
        monai_case(f"resize_{inp}_corners", inp, [{"op": "resize", "size": list(size), "align_corners": True}],
                   Resize(size, mode="trilinear", align_corners=True), LINEAR, edge_aligned(inp, size))
        monai_case(f"resize_{inp}_blurred", inp, [{"op": "resize", "size": list(size), "anti_aliasing": True}],
                   Resize(size, mode="trilinear", anti_aliasing=True), LINEAR)
    monai_case("resize_sigma", "oblique", [{"op": "resize", "size": [5, 8, 3], "anti_aliasing": True, "sigma": .6}],
               Resize((5, 8, 3), mode="trilinear", anti_aliasing=True, anti_aliasing_sigma=.6), LINEAR)
    monai_case("resize_keep", "oblique", [{"op": "resize", "size": [4, -1, 7]}], Resize((4, -1, 7), mode="trilinear"), LINEAR)
    for factor in [.6, 1.7]:
        for how, mode in [("linear", "trilinear"), ("area", "area"), ("nearest", "nearest")]:
            monai_case(f"zoom_{factor}_{how}", "oblique", [{"op": "zoom", "factor": factor, "interpolation": how}],
                       Zoom(factor, mode=mode, keep_size=False), INDEX if how == "nearest" else LINEAR)
    n = np.array([9, 8, 7])
    for factor in [.6, 1.7]:
        size = np.floor(n * factor).astype(int)
        a = edge_aligned("oblique", size)
        before, start = np.maximum(n - size, 0) // 2, np.where(size > n, size // 2 - n // 2, 0)
        monai_case(f"zoom_{factor}_keep_size", "oblique", [{"op": "zoom", "factor": factor, "keep_size": True}],
                   Zoom(factor, mode="trilinear", keep_size=True), LINEAR, a @ affine(np.eye(3), start - before))
    monai_case("zoom_axes", "straight", [{"op": "zoom", "factor": [.5, 1, 2]}], Zoom((.5, 1, 2), mode="trilinear", keep_size=False), LINEAR)


def index():
    for inp in ["oblique", "sheared", "straight"]:
        for axes in ["RAS", "LIA", "PIR", "SLP"]:
            monai_case(f"orient_{inp}_{axes}", inp, [{"op": "orient", "axes": axes}], Orientation(axes), INDEX)
    monai_case("crop_foreground", "oblique", [{"op": "crop_foreground"}], CropForeground(), INDEX)
    monai_case("crop_foreground_above", "straight", [{"op": "crop_foreground", "above": 250, "margin": 1}],
               CropForeground(select_fn=lambda x: x > 250, margin=1), INDEX)
    monai_case("crop_foreground_out", "sheared", [{"op": "crop_foreground", "margin": [3, 0, 2]}], CropForeground(margin=(3, 0, 2)), INDEX)
    monai_case("crop_foreground_smaller", "sheared", [{"op": "crop_foreground", "margin": 3, "allow_smaller": True}],
               CropForeground(margin=3, allow_smaller=True), INDEX)
    monai_case("center_crop", "sheared", [{"op": "center_crop", "size": [5, -1, 3]}], CenterSpatialCrop((5, -1, 3)), INDEX)
    for mode in ["constant", "edge", "reflect", "symmetric"]:
        monai_case(f"pad_{mode}", "sheared", [{"op": "pad", "size": [13, 4, 10], "mode": mode}], SpatialPad((13, 4, 10), mode=mode), INDEX)
    monai_case("pad_end", "sheared", [{"op": "pad", "size": [13, 4, 10], "method": "end", "value": -7}],
               SpatialPad((13, 4, 10), method="end", value=-7), INDEX)
    monai_case("pad_multiple", "oblique", [{"op": "pad_multiple", "k": [4, 5, 1]}], DivisiblePad((4, 5, 1)), INDEX)


def intensity():
    for inp in ["oblique", "straight"]:
        monai_case(f"range_{inp}", inp, [{"op": "range", "from": [-57, 164], "to": [-1, 1]}], ScaleIntensityRange(-57, 164, -1, 1), SUMS)
        monai_case(f"range_{inp}_clip", inp, [{"op": "range", "from": [-57, 164], "to": [0, 255], "clip": True}],
                   ScaleIntensityRange(-57, 164, 0, 255, clip=True), SUMS)
        monai_case(f"scale_{inp}", inp, [{"op": "scale", "to": [2, 4]}], ScaleIntensity(2, 4), SUMS)
        monai_case(f"scale_{inp}_channels", inp, [{"op": "scale", "per_channel": True}], ScaleIntensity(channel_wise=True), SUMS)
        monai_case(f"zscore_{inp}", inp, [{"op": "zscore"}], NormalizeIntensity(), SUMS)
        monai_case(f"zscore_{inp}_nonzero", inp, [{"op": "zscore", "nonzero": True}], NormalizeIntensity(nonzero=True), SUMS)
        monai_case(f"zscore_{inp}_channels", inp, [{"op": "zscore", "nonzero": True, "per_channel": True}],
                   NormalizeIntensity(nonzero=True, channel_wise=True), SUMS)
        for lo, hi in [(1, 99), (5, 95), (0, 99.5)]:
            monai_case(f"percentiles_{inp}_{hi}", inp, [{"op": "percentiles", "lower": lo, "upper": hi, "to": [0, 1]}],
                       ScaleIntensityRangePercentiles(lo, hi, 0, 1), SUMS)
        monai_case(f"percentiles_{inp}_channels", inp, [{"op": "percentiles", "lower": 2, "upper": 90, "to": [-1, 3], "clip": True, "per_channel": True}],
                   ScaleIntensityRangePercentiles(2, 90, -1, 3, clip=True, channel_wise=True), SUMS)
        monai_case(f"smooth_{inp}", inp, [{"op": "smooth", "voxels": [.4, 0, 1.5]}] if inp == "straight" else [{"op": "smooth", "voxels": .8}],
                   GaussianSmooth((.4, 1e-9, 1.5) if inp == "straight" else .8), SUMS)
    data, aff, _ = INPUTS["straight"]
    s = np.sort(data.ravel())
    a, b = s[int(np.floor(s.size * .05))], s[int(np.ceil(s.size * .95)) - 1]
    case("brainchop", "percentiles_index", "straight", [{"op": "percentiles", "lower": 5, "upper": 95, "method": "index"}], (data - a) / (b - a), aff, SUMS)
    case("nnunet", "ct_normalize", "straight", [{"op": "ct_normalize", "mean": 99.4, "std": 39.4, "lower": -41, "upper": 176}],
         (np.clip(data, -41, 176) - np.float32(99.4)) / np.float32(39.4), aff, SUMS)


def itk():
    for inp in ["oblique", "straight"]:
        for how, interp in [("linear", sitk.sitkLinear), ("nearest", sitk.sitkNearestNeighbor)]:
            data, aff, _ = INPUTS[inp]
            mm, old = np.array([1.4, .7, 1.2]), np.linalg.norm(aff[:3, :3], axis=0)
            out, size = [], [int(round(n * o / m)) for n, o, m in zip(data.shape[1:], old, mm)]
            for c in data:
                im = sitk.GetImageFromArray(c.transpose(2, 1, 0).copy())
                im.SetSpacing(old.tolist())
                im.SetDirection((aff[:3, :3] / old).ravel().tolist())
                im.SetOrigin(aff[:3, 3].tolist())
                res = sitk.Resample(im, size, sitk.Transform(), interp, im.GetOrigin(), mm.tolist(), im.GetDirection(), 0.0, im.GetPixelID())
                out.append(sitk.GetArrayFromImage(res).transpose(2, 1, 0))
            case("itk", f"itk_{inp}_{how}", inp, [{"op": "spacing", "mm": mm.tolist(), "rule": "itk", "interpolation": how}], out,
                 affine(aff[:3, :3] / old * mm, aff[:3, 3]), INDEX if how == "nearest" else LINEAR)


def skimage_resize(a, size, order):
    """skimage.transform.resize(a, size, order, mode='edge', anti_aliasing=False) of 0.25, which is this call and a clip."""
    z = ndi.zoom(a.astype(float), [o / n for o, n in zip(size, a.shape)], order=order, mode="nearest", grid_mode=True)
    return np.clip(z, a.min(), a.max()) if order > 1 else z


def nnunet():
    """nnunetv2 2.6 preprocessing/resampling/default_resampling.py, order_z 0."""
    for inp in ["oblique", "thick", "slice"]:
        for how, order in [("cubic", 3), ("linear", 1)]:
            data, aff, _ = INPUTS[inp]
            mm, old = np.array([.8, 1.5, 3.0]), np.linalg.norm(aff[:3, :3], axis=0)
            size = [int(round(o / m * n)) for o, m, n in zip(old, mm, data.shape[1:])]
            apart = old if old.max() / old.min() > 3 else mm if mm.max() / mm.min() > 3 else None
            out = []
            for c in data:
                if apart is None:
                    out.append(skimage_resize(c, size, order))
                    continue
                ax = int(np.argmax(apart))
                flat = [s for i, s in enumerate(size) if i != ax]
                mid = np.stack([skimage_resize(s, flat, order) for s in np.moveaxis(c, ax, 0)], ax)
                if mid.shape[ax] != size[ax]:
                    k = mid.shape[ax] / size[ax]
                    at = np.indices(size).astype(float)
                    at[ax] = k * (at[ax] + .5) - .5
                    mid = ndi.map_coordinates(mid, at, order=0, mode="nearest")
                out.append(mid)
            case("nnunet", f"nnunet_{inp}_{how}", inp, [{"op": "spacing", "mm": mm.tolist(), "rule": "nnunet", "interpolation": how}], out,
                 edge_aligned(inp, np.array(size)), LINEAR)


def conform():
    """256^3 is too much for this file: every second voxel around the middle, and the affine."""
    for inp in ["oblique", "thick"]:
        data, aff, _ = INPUTS[inp]
        im = nib.processing.conform(nib.Nifti1Image(data[0], aff))
        got = np.asanyarray(im.dataobj)
        part = got[117:139:2, 117:139:2, 117:139:2]
        case("nibabel", f"conform_{inp}", inp, [{"op": "conform", "rule": "nibabel"}], part[None], im.affine, LINEAR, start=117, step=2)


def labels():
    data, aff, _ = INPUTS["label"]
    for conn, rank in [(6, 1), (18, 2), (26, 3)]:
        lab, n = ndi.label(data[0] > 0, ndi.generate_binary_structure(3, rank))
        sizes = np.bincount(lab.ravel())[1:]
        keep = np.isin(lab, 1 + np.nonzero(sizes >= 3)[0])
        case("scipy", f"components_{conn}", "label", [{"op": "components", "min_size": 3, "connectivity": conn}], data * keep, aff, INDEX,
             sizes=sorted(sizes.tolist(), reverse=True))
    mask = (data > 0).astype(np.float32)
    one = [{"op": "threshold", "above": 0}]
    grid = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"))
    for radius in [1, 1.5, 2]:
        ball = (grid ** 2).sum(0) <= radius ** 2
        ero = ndi.binary_erosion(mask[0], ball, border_value=1)
        dil = ndi.binary_dilation(mask[0], ball)
        case("scipy", f"erode_{radius}", "label", one + [{"op": "erode", "radius": radius}], ero[None], aff, INDEX)
        case("scipy", f"dilate_{radius}", "label", one + [{"op": "dilate", "radius": radius}], dil[None], aff, INDEX)
        case("scipy", f"open_{radius}", "label", one + [{"op": "open", "radius": radius}], ndi.binary_dilation(ero, ball)[None], aff, INDEX)
        case("scipy", f"close_{radius}", "label", one + [{"op": "close", "radius": radius}],
             ndi.binary_erosion(dil, ball, border_value=1)[None], aff, INDEX)
    case("scipy", "fill_holes", "label", [{"op": "dilate", "radius": 1}, {"op": "threshold", "above": 0}, {"op": "fill_holes"}],
         ndi.binary_fill_holes(ndi.binary_dilation(mask[0]))[None], aff, INDEX)
    case("numpy", "one_hot", "label", [{"op": "one_hot", "classes": 4}], np.stack([data[0] == c for c in range(4)]), aff, INDEX)
    case("numpy", "remap", "label", [{"op": "remap", "map": {"1": 3, "3": 10}}],
         np.where(data == 1, 3, np.where(data == 3, 10, data)), aff, INDEX)


def way_back():
    """What Invertd does: Spacing's inverse by a second resample, Orientation's by index."""
    for inp, mode in [("oblique", "bilinear"), ("straight", "bilinear"), ("label", "nearest")]:
        orient, space = Orientation("RAS"), Spacing((.8, .9, 1.5), mode=mode)
        out = orient.inverse(space.inverse(space(orient(meta(inp)))))
        case("monai", f"way_back_{inp}", inp, [{"op": "orient", "axes": "RAS"}, {"op": "spacing", "mm": [.8, .9, 1.5]}], out.numpy(),
             INPUTS[inp][1], INDEX if mode == "nearest" else LINEAR, onto=True)


def main():
    emit(monai=monai.__version__, torch=torch.__version__, numpy=np.__version__, scipy=scipy.__version__, nibabel=nib.__version__,
         simpleitk=sitk.Version_VersionString())
    for name, (data, aff, kind) in INPUTS.items():
        emit(image=name, kind=kind, size=list(data.shape[1:]), channels=data.shape[0], affine=aff.tolist(), data=pack(data))
    for part in [spacing, resize, index, intensity, itk, nnunet, conform, labels, way_back]:
        part()


if __name__ == "__main__":
    sys.exit(main())
