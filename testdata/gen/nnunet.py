#!/usr/bin/env python3
"""nnU-Net's own predictions, to compare predict/nnunet with.

    nnunet.py FOLDER             everything the acceptance test compares: plans, networks as .onnx, scans, results
    nnunet.py --small REF.json   preprocessed arrays of tiny cases, for the ordinary tests

Made with nnunetv2 2.8.1 (batchgenerators 0.25.5, acvl_utils 0.2.6, scikit-image 0.26, scipy 1.17.1, torch 2.15), which
must be importable. Networks are those that nnU-Net builds from the plans, with seeded weights and few features. Arrays
are float32, x fastest, in the axes of the scan; prepared ones too, so that transpose_forward is undone in them.
"""
import inspect
import json
import os
import sys
import textwrap
import warnings

os.environ.setdefault("nnUNet_raw", "/nowhere")
os.environ.setdefault("nnUNet_preprocessed", "/nowhere")
os.environ.setdefault("nnUNet_results", "/nowhere")
warnings.simplefilter("ignore")

import nibabel as nib
import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

import nnunetv2.inference.predict_from_raw_data as raw
from nnunetv2.inference.data_iterators import convert_labelmap_to_one_hot
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

warnings.simplefilter("ignore")
torch.set_num_threads(int(os.environ.get("NITRAIN_THREADS", "2")))

DATA = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
SEG = {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None}
SCORES = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}


def architecture(strides, kernels, features=4, residual=False):
    n, dim = len(strides), len(strides[0])
    kind = f"torch.nn.modules.conv.Conv{dim}d"
    norm = f"torch.nn.modules.instancenorm.InstanceNorm{dim}d"
    name = "residual_unet.ResidualEncoderUNet" if residual else "unet.PlainConvUNet"
    return {"network_class_name": "dynamic_network_architectures.architectures." + name,
            "arch_kwargs": {"n_stages": n, "features_per_stage": [features * 2 ** i for i in range(n)], "conv_op": kind,
                            "kernel_sizes": kernels, "strides": strides,
                            ("n_blocks_per_stage" if residual else "n_conv_per_stage"): [1] * n,
                            "n_conv_per_stage_decoder": [1] * (n - 1), "conv_bias": True, "norm_op": norm,
                            "norm_op_kwargs": {"eps": 1e-5, "affine": True}, "dropout_op": None, "dropout_op_kwargs": None,
                            "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True}},
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}


def old_architecture(strides, kernels):
    n = len(strides)
    return {"UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 4, "n_conv_per_stage_encoder": [1] * n,
            "n_conv_per_stage_decoder": [1] * (n - 1), "num_pool_per_axis": [n - 1] * len(strides[0]),
            "pool_op_kernel_sizes": strides, "conv_kernel_sizes": kernels, "unet_max_num_features": 320}


def configuration(patch, spacing, schemes, mask, net, **more):
    return {"data_identifier": "nnUNetPlans", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2, "patch_size": patch,
            "median_image_size_in_voxels": [40] * len(patch), "spacing": spacing, "normalization_schemes": schemes,
            "use_mask_for_norm": mask, "resampling_fn_data": "resample_data_or_seg_to_shape", "resampling_fn_data_kwargs": DATA,
            "resampling_fn_seg": "resample_data_or_seg_to_shape", "resampling_fn_seg_kwargs": SEG,
            "resampling_fn_probabilities": "resample_data_or_seg_to_shape", "resampling_fn_probabilities_kwargs": SCORES,
            "batch_dice": False, **net, **more}


def plan(name, forward, reader, configurations, intensities):
    return {"dataset_name": name, "plans_name": "nnUNetPlans", "original_median_spacing_after_transp": [1, 1, 1],
            "original_median_shape_after_transp": [40, 40, 40], "image_reader_writer": reader,
            "transpose_forward": forward, "transpose_backward": [int(i) for i in np.argsort(forward)],
            "configurations": configurations, "experiment_planner_used": "ExperimentPlanner", "label_manager": "LabelManager",
            "foreground_intensity_properties_per_channel": {str(i): p for i, p in enumerate(intensities)}}


CT = {"max": 1500.0, "mean": 62.4, "median": 70.0, "min": -900.0, "percentile_00_5": -310.5, "percentile_99_5": 420.25, "std": 113.7}
FULL = {"architecture": architecture([[1, 1, 1], [2, 2, 2], [2, 2, 2]], [[3, 3, 3]] * 3)}
FLAT = {"architecture": architecture([[1, 1], [2, 2], [2, 2]], [[3, 3]] * 3)}
ORGANS = {"background": 0, "liver": 1, "spleen": 2, "tumour": 3}


def cases():
    z = "ZScoreNormalization"
    sep, face = "resample_data_or_seg_to_shape", "resample_torch_fornnunet"
    yield dict(
        name="2d", config="2d", mirror=[0, 1], channels={"0": "T2"}, labels=ORGANS, scan=dict(size=(45, 51, 13), zoom=(0.9, 0.85, 3.2), kind="mr"),
        plan=plan("Dataset001_Flat", [0, 1, 2], "SimpleITKIO", {"2d": configuration([32, 24], [0.7, 0.75], [z], [False], FLAT)}, [CT]))
    yield dict(
        name="2d_transposed", config="2d", mirror=[0], channels={"0": "T1"}, labels={"background": 0, "cord": 1},
        scan=dict(size=(47, 12, 39), zoom=(1.1, 2.1, 0.95), kind="mr", axes="LSA"),
        plan=plan("Dataset002_Sagittal", [1, 2, 0], "NibabelIOWithReorient", {"2d": configuration([24, 32], [0.9, 1.0], [z], [True], FLAT)}, [CT]))
    yield dict(
        name="3d_fullres", config="3d_fullres", mirror=[0, 1, 2], channels={"0": "CT"}, labels=ORGANS, folds=[0, 1],
        scan=dict(size=(53, 47, 38), zoom=(0.8, 0.8, 1.3), kind="ct"),
        plan=plan("Dataset003_Trunk", [0, 1, 2], "SimpleITKIO",
                  {"3d_fullres": configuration([24, 32, 32], [1.0, 0.93, 0.93], ["CTNormalization"], [False], FULL)}, [CT]))
    yield dict(
        name="3d_anisotropic", config="3d_fullres", mirror=[0, 1], channels={"0": "T2"}, labels={"background": 0, "gland": 1, "zone": 2},
        scan=dict(size=(44, 13, 51), zoom=(0.62, 3.3, 0.6), kind="mr", axes="RSA"),
        plan=plan("Dataset004_Prostate", [1, 0, 2], "NibabelIO",
                  {"3d_fullres": configuration([8, 32, 32], [3.0, 0.5, 0.5], [z], [True],
                                               old_architecture([[1, 1, 1], [1, 2, 2], [2, 2, 2]], [[1, 3, 3], [3, 3, 3], [3, 3, 3]]))}, [CT]))
    yield dict(
        name="regions", config="3d_fullres", mirror=[0, 1, 2], channels={"0": "FLAIR", "1": "T1", "2": "T1ce"},
        labels={"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}, order=[2, 1, 3],
        scan=dict(size=(41, 50, 39), zoom=(1, 1, 1.07), kind="mr", axes="LPS"),
        plan=plan("Dataset005_Brain", [2, 0, 1], "SimpleITKIO",
                  {"3d_fullres": configuration([32, 32, 24], [1.0, 1.0, 1.0], [z] * 3, [True] * 3, {"architecture": architecture(
                      [[1, 1, 1], [2, 2, 2], [2, 2, 2]], [[3, 3, 3]] * 3, residual=True)})}, [CT] * 3))
    yield dict(
        name="mixed", config="3d_fullres", mirror=None, channels={"0": "CT", "1": "PET", "2": "rescale_to_0_1", "3": "noNorm"},
        labels={"background": 0, "lesion": 1}, scan=dict(size=(40, 38, 36), zoom=(1.5, 1.4, 1.6), kind="mr"),
        plan=plan("Dataset006_Mixed", [0, 2, 1], "SimpleITKIO",
                  {"3d_fullres": configuration([24, 24, 24], [1.3, 1.5, 1.4], ["CTNormalization", z, "RescaleTo01Normalization", "NoNormalization"],
                                               [False, True, False, False], FULL, resampling_fn_data=face, resampling_fn_probabilities=face,
                                               resampling_fn_data_kwargs={"is_seg": False, "force_separate_z": False, "memefficient_seg_resampling": False},
                                               resampling_fn_probabilities_kwargs={"is_seg": False, "force_separate_z": False, "memefficient_seg_resampling": False})},
                  [CT, CT, CT, CT]))
    cascade = plan("Dataset007_Cascade", [2, 1, 0], "SimpleITKIO", {
        "3d_lowres": configuration([24, 24, 24], [2.1, 2.0, 1.9], ["CTNormalization"], [False], FULL, next_stage="3d_cascade_fullres"),
        "3d_fullres": configuration([32, 24, 32], [1.1, 1.0, 1.05], ["CTNormalization"], [False], FULL),
        "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}}, [CT])
    scan = dict(size=(48, 43, 45), zoom=(1.2, 1.3, 0.95), kind="ct")
    yield dict(name="lowres", config="3d_lowres", mirror=[0, 1, 2], channels={"0": "CT"}, labels=ORGANS, scan=scan, plan=cascade)
    yield dict(name="cascade", config="3d_cascade_fullres", mirror=None, channels={"0": "CT"}, labels=ORGANS, scan=scan, plan=cascade, previous="lowres")


def field(size, seed, smooth=4.0):
    rng = np.random.default_rng(seed)
    f = gaussian_filter(rng.normal(size=size), [smooth * n / 40 + 0.5 for n in size])
    return (f - f.min()) / (f.max() - f.min())


def scan(size, zoom, kind, channels, axes="RAS", seed=0):
    """Channels of smooth values and noise within a body, zeros around it and in a hole, on an oblique grid."""
    g = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in size], indexing="ij"))
    body = ((g[0] / 0.83) ** 2 + ((g[1] - 0.05) / 0.8) ** 2 + ((g[2] + 0.04) / 0.86) ** 2) < 1
    hole = ((g[0] - 0.2) ** 2 + (g[1] / 0.9) ** 2 + g[2] ** 2) < 0.03
    out = []
    for c in range(channels):
        v = field(size, 10 * seed + c)
        noise = np.random.default_rng(99 + c).normal(size=size)
        v = np.round(v * 900 - 400 + 20 * noise) if kind == "ct" else np.round(v * 600 + 40 + 12 * noise)
        v[v == 0] = 1
        out.append((v * (body & ~hole)).astype(np.int16))
    rotation = Rotation.from_euler("xyz", [9, -6, 14], degrees=True).as_matrix()
    a = np.eye(4)
    a[:3, :3] = rotation @ np.diag(zoom)
    a[:3, 3] = [-31.5, 12.25, -7]
    ornt = nib.orientations.axcodes2ornt(axes)
    images = []
    for v in out:
        im = nib.Nifti1Image(v, a)
        if axes != "RAS":
            im = im.as_reoriented(nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), ornt))
        im = nib.Nifti1Image(np.asarray(im.dataobj), im.affine)
        im.set_sform(im.affine, 1)
        im.set_qform(im.affine, 1)
        images.append(im)
    return images


def network(manager, conf, data, seed, **more):
    torch.manual_seed(seed)
    inputs = determine_num_input_channels(manager, conf, data)
    outputs = manager.get_label_manager(data).num_segmentation_heads
    net = nnUNetTrainer.build_network_architecture(manager, conf, inputs, outputs, enable_deep_supervision=False)
    with torch.no_grad():  # decisive: logits of a few units
        for m in net.modules():
            if "InstanceNorm" in type(m).__name__:
                m.weight.uniform_(0.5, 1.5)
                m.bias.uniform_(-0.3, 0.3)
        head = net.decoder.seg_layers[-1]
        head.weight.normal_(0, 1.0)
        head.bias.normal_(0, 0.5)
    return net.eval(), inputs


def single_precision():
    """nnU-Net's loop with accumulators and weights in float32 instead of float16."""
    text = textwrap.dedent(inspect.getsource(raw.nnUNetPredictor._internal_predict_sliding_window_return_logits))
    text = text.replace("torch.half", "torch.float32").replace("value_scaling_factor=10,", "value_scaling_factor=10, dtype=torch.float32,")
    assert text.count("torch.float32") == 3
    space = dict(vars(raw))
    exec(text, space)
    return space["_internal_predict_sliding_window_return_logits"]


class Single(raw.nnUNetPredictor):
    _internal_predict_sliding_window_return_logits = single_precision()


def save(folder, name, array):
    array = np.ascontiguousarray(array, dtype=np.float32)
    array.tofile(os.path.join(folder, name))
    return {"file": name, "shape": list(array.shape)}


def untransposed(array, manager):
    return array.transpose([0] + [i + 1 for i in manager.transpose_backward])


def as_scanned(array, props):
    """An array [c, z, y, x] of a reader that turns scans to RAS, in the scan's own axes."""
    stuff = props.get("nibabel_stuff", {})
    if "reoriented_affine" not in stuff:
        return array
    back = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), nib.orientations.io_orientation(stuff["original_affine"]))
    return np.stack([nib.orientations.apply_orientation(v.transpose(2, 1, 0), back).transpose(2, 1, 0) for v in array])


def preprocess(case, manager, conf, data, files, previous):
    pre = conf.preprocessor_class(verbose=False)
    arrays, seg, props = pre.run_case(files, previous, manager, conf, data)
    if previous is not None:
        hot = convert_labelmap_to_one_hot(seg[0], manager.get_label_manager(data).foreground_labels, arrays.dtype)
        arrays = np.vstack((arrays, hot))
    return arrays, props


def run(case, out):
    name, manager = case["name"], PlansManager(case["plan"])
    folder = os.path.join(out, case["plan"]["dataset_name"], "nnUNetTrainer__nnUNetPlans__" + case["config"])
    os.makedirs(folder, exist_ok=True)
    data = {"channel_names": case["channels"], "labels": case["labels"], "numTraining": 1, "file_ending": ".nii.gz"}
    if "order" in case:
        data["regions_class_order"] = case["order"]
    json.dump(case["plan"], open(os.path.join(folder, "plans.json"), "w"), indent=1)
    json.dump(data, open(os.path.join(folder, "dataset.json"), "w"), indent=1)
    json.dump({"inference_allowed_mirroring_axes": case["mirror"]}, open(os.path.join(folder, "nitrain.json"), "w"))
    conf = manager.get_configuration(case["config"])
    files = []
    for c, im in enumerate(scan(channels=len(case["channels"]), seed=len(name), **case["scan"])):
        files.append(os.path.join(out, f"{name}_{c:04d}.nii.gz"))
        nib.save(im, files[-1])
    previous = os.path.join(out, f"{case['previous']}_labels.nii.gz") if "previous" in case else None
    nets, weights = [], []
    for fold in case.get("folds", [0]):
        net, inputs = network(manager, conf, data, 7 + fold)
        nets.append(net)
        weights.append({k: v.clone() for k, v in net.state_dict().items()})
        os.makedirs(os.path.join(folder, f"fold_{fold}"), exist_ok=True)
        torch.save({"network_weights": net.state_dict(), "trainer_name": "nnUNetTrainer", "init_args": {"configuration": case["config"]},
                    "inference_allowed_mirroring_axes": case["mirror"]}, os.path.join(folder, f"fold_{fold}", "checkpoint_final.pth"))
        x = torch.zeros(1, inputs, *conf.patch_size)
        torch.onnx.export(net, x, os.path.join(folder, f"fold_{fold}", "model.onnx"), input_names=["input"], output_names=["logits"],
                          opset_version=18, dynamo=False)
    arrays, props = preprocess(case, manager, conf, data, files, previous)
    record = {"name": name, "folder": os.path.relpath(folder, out), "configuration": case["config"],
              "scans": [os.path.basename(f) for f in files] + ([os.path.basename(previous)] if previous else []),
              "prepared": save(out, name + ".prepared", untransposed(arrays, manager)), "results": {}}
    for kind, predictor_class in (("half", raw.nnUNetPredictor), ("single", Single)):
        for mirrored in (False, True):
            if mirrored and not case["mirror"]:
                continue
            p = predictor_class(tile_step_size=0.5, use_gaussian=True, use_mirroring=mirrored, device=torch.device("cpu"), allow_tqdm=False)
            p.manual_initialization(nets[0], manager, conf, weights, data, "nnUNetTrainer", case["mirror"])
            logits = p.predict_logits_from_preprocessed_data(torch.from_numpy(arrays))
            if "starts" not in record:
                padded = [max(a, b) for a, b in zip(arrays.shape[1:], [1] * (3 - len(conf.patch_size)) + list(conf.patch_size))]
                p.network = nets[0]
                slicers = p._internal_get_sliding_window_slicers(padded)
                record["starts"] = [[s if isinstance(s, int) else s.start for s in sl[1:]] for sl in slicers]
            labels, probabilities = convert_predicted_logits_to_segmentation_with_correct_shape(
                logits, manager, conf, manager.get_label_manager(data), dict(props), return_probabilities=True)
            tag = kind + ("_mirrored" if mirrored else "")
            record["results"][tag] = {"labels": save(out, f"{name}.{tag}.labels", as_scanned(labels[None], props)[0]),
                                      "probabilities": save(out, f"{name}.{tag}.probabilities", as_scanned(probabilities, props))}
            if kind == "half" and not mirrored:
                manager.image_reader_writer_class().write_seg(labels, os.path.join(out, f"{name}_labels.nii.gz"), props)
    return record


class Pointwise(torch.nn.Module):
    """Logits that depend on the voxel's channels and on where in the window it lies, so that blending shows."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def forward(self, x):
        place = torch.arange(x.shape[2], dtype=torch.float32).reshape([1, -1] + [1] * (x.ndim - 3))
        place = place * 0.05 + torch.arange(x.shape[-1], dtype=torch.float32) * 0.02
        x = x.sum(1)
        return torch.stack([0.8 - 0.5 * x.abs() if c == 1 else x * (0.5 * c - 0.4) + place * (c - 1) + 0.1 * c for c in range(self.outputs)], 1)


def small_cases():
    z, label = "ZScoreNormalization", {"background": 0, "a": 1, "b": 2}
    conf = lambda patch, spacing, schemes, mask, **more: configuration(patch, spacing, schemes, mask, {"architecture": {"network_class_name": "none", "arch_kwargs": {}, "_kw_requires_import": []}}, **more)
    yield dict(name="2d", config="2d", channels={"0": "T1"}, labels=label, size=(17, 19, 6), zoom=(1.1, 0.9, 4.0),
               plan=plan("D", [1, 0, 2], "NibabelIO", {"2d": conf([4, 12], [3.5, 1.0], [z], [False])}, [CT]))
    yield dict(name="ct", config="3d_fullres", channels={"0": "CT"}, labels=label, size=(15, 13, 11), zoom=(0.9, 1.0, 1.3),
               plan=plan("D", [0, 1, 2], "SimpleITKIO", {"3d_fullres": conf([8, 8, 10], [1.1, 1.2, 0.8], ["CTNormalization"], [False])}, [CT]))
    yield dict(name="anisotropic", config="3d_fullres", channels={"0": "T2"}, labels=label, size=(14, 6, 16), zoom=(0.8, 3.5, 0.75),
               plan=plan("D", [1, 2, 0], "SimpleITKIO", {"3d_fullres": conf([4, 12, 10], [3.0, 0.7, 0.9], [z], [True])}, [CT]))
    yield dict(name="two_longest", config="3d_fullres", channels={"0": "T2"}, labels=label, size=(12, 11, 20), zoom=(1.25, 1.25, 0.24),
               plan=plan("D", [0, 1, 2], "SimpleITKIO", {"3d_fullres": conf([8, 8, 8], [0.3, 1.0, 4.0], [z], [False])}, [CT]))
    yield dict(name="never", config="3d_fullres", channels={"0": "T2"}, labels=label, size=(14, 6, 16), zoom=(0.8, 3.5, 0.75),
               plan=plan("D", [0, 1, 2], "SimpleITKIO", {"3d_fullres": conf([12, 4, 12], [0.9, 3.0, 0.7], [z], [False],
                         resampling_fn_data_kwargs={**DATA, "force_separate_z": False}, resampling_fn_probabilities_kwargs={**SCORES, "force_separate_z": False})}, [CT]))
    yield dict(name="regions", config="3d_fullres", channels={"0": "T1", "1": "CT", "2": "T2"}, size=(13, 12, 11), zoom=(1.2, 1.1, 1.0),
               labels={"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}, order=[2, 1],
               plan=plan("D", [2, 1, 0], "SimpleITKIO", {"3d_fullres": conf([8, 6, 8], [1, 1, 1], [z, "CTNormalization", z], [True, False, True])}, [CT] * 3))
    yield dict(name="cascade", config="3d_cascade", channels={"0": "CT"}, labels=label, size=(15, 13, 11), zoom=(0.9, 1.0, 1.3), previous=True,
               plan=plan("D", [2, 0, 1], "SimpleITKIO", {"3d_fullres": conf([8, 8, 10], [0.7, 1.1, 0.8], ["CTNormalization"], [False]),
                         "3d_cascade": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}}, [CT]))


def pattern(size, channel):
    """Whole numbers [z, y, x] that a few lines of any language repeat: zero near the border and in one hole."""
    x, y, z = np.meshgrid(*[np.arange(n) for n in size], indexing="ij")
    v = (7 * x + 13 * y + 29 * z + 3 * x * y + 5 * y * z + 11 * channel) % 97 * 4 - 60
    inside = (x >= 2) & (x < size[0] - 1) & (y >= 1) & (y < size[1] - 1) & (z < size[2] - 1)
    hole = (abs(x - size[0] // 2) <= 1) & (y == size[1] // 2) & (z == size[2] // 2)
    return (v * (inside & ~hole)).transpose(2, 1, 0).astype(np.float32)


def blocks(size):
    """A label image [z, y, x] of blocks of three values."""
    x, y, z = np.meshgrid(*[np.arange(n) for n in size], indexing="ij")
    return ((x // 4 + 2 * (y // 3) + z // 4) % 3).transpose(2, 1, 0).astype(np.int8)


def digits(a):
    return "".join(str(int(v)) for v in np.asarray(a).ravel())


def rounded(a, every=1):
    return [float(f"{v:.6g}") for v in np.asarray(a).ravel()[::every]]


def small(path):
    records = []
    for case in small_cases():
        manager = PlansManager(case["plan"])
        conf = manager.get_configuration(case["config"])
        data = {"channel_names": case["channels"], "labels": case["labels"], "numTraining": 1, "file_ending": ".nii.gz"}
        if "order" in case:
            data["regions_class_order"] = case["order"]
        image = np.stack([pattern(case["size"], c) for c in range(len(case["channels"]))])
        seg = blocks(case["size"])[None] if case.get("previous") else None
        zooms = [float(np.float32(v)) for v in case["zoom"]]
        arrays, seg, props = conf.preprocessor_class(verbose=False).run_case_npy(image, seg, {"spacing": zooms[::-1]}, manager, conf, data)
        if case.get("previous"):
            arrays = np.vstack((arrays, convert_labelmap_to_one_hot(seg[0], manager.get_label_manager(data).foreground_labels, arrays.dtype)))
        outputs = manager.get_label_manager(data).num_segmentation_heads
        p = Single(tile_step_size=0.5, use_gaussian=True, use_mirroring=True, device=torch.device("cpu"), allow_tqdm=False)
        net = Pointwise(outputs)
        p.manual_initialization(net, manager, conf, [net.state_dict()], data, "nnUNetTrainer", (0, 1))
        logits = p.predict_logits_from_preprocessed_data(torch.from_numpy(arrays))
        labels, probabilities = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits, manager, conf, manager.get_label_manager(data), dict(props), return_probabilities=True)
        back = untransposed(arrays, manager)
        records.append({"name": case["name"], "plans": case["plan"], "dataset": data, "configuration": case["config"], "size": case["size"],
                        "zooms": zooms, "previous": bool(case.get("previous")), "shape": list(back.shape), "prepared": rounded(back),
                        "labels": digits(labels), "every": 3, "probabilities": rounded(probabilities, 3)})
    with open(path, "w") as f:
        json.dump(records, f, separators=(",", ":"))


def main():
    if sys.argv[1] == "--small":
        small(sys.argv[2])
        return
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    only = sys.argv[2:]
    records = [run(c, out) for c in cases() if not only or c["name"] in only]
    json.dump(records, open(os.path.join(out, "cases.json"), "w"), indent=1)


if __name__ == "__main__":
    main()
