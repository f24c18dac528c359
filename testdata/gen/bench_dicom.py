"""A CT series of 300 slices and how long pydicom and ITK's GDCM reader take for it.

    python bench_dicom.py make FOLDER     writes the series (512 x 512, int16, explicit little endian)
    python bench_dicom.py time FOLDER     prints {"pydicom": seconds, "gdcm": seconds, ...}, the best of three

pydicom 3.0, SimpleITK 2.5, numpy 2. Both readers end with one float32 volume in Hounsfield units, slices sorted.
"""

import json
import os
import resource
import sys
import time

import numpy as np


def make(folder, slices=300, size=512):
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(1)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    y, x = np.mgrid[:size, :size]
    for z in range(slices):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        d.SOPClassUID, d.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = study, series, frame
        d.PatientName, d.PatientID, d.PatientBirthDate, d.PatientSex = "Phantom", "1", "", ""
        d.StudyDate, d.StudyTime, d.StudyID, d.AccessionNumber, d.ReferringPhysicianName = "20260101", "120000", "1", "", ""
        d.Modality, d.SeriesNumber, d.InstanceNumber, d.ImageType = "CT", 2, z + 1, ["ORIGINAL", "PRIMARY", "AXIAL"]
        d.Manufacturer, d.PositionReferenceIndicator, d.AcquisitionNumber = "nitrain", "", 1
        d.ImagePositionPatient = [-200.0, -180.0, round(-300 + 1.25 * z, 4)]
        d.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        d.PixelSpacing, d.SliceThickness, d.KVP = [0.78125, 0.78125], 1.25, 120
        d.SamplesPerPixel, d.PhotometricInterpretation, d.Rows, d.Columns = 1, "MONOCHROME2", size, size
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
        d.RescaleIntercept, d.RescaleSlope, d.RescaleType = -1024, 1, "HU"
        body = (x - size / 2) ** 2 + (y - size / 2) ** 2 < (size * (0.3 + 0.1 * np.sin(z / 40))) ** 2
        pixels = np.where(body, 1064, 24) + rng.integers(-20, 20, (size, size))
        d.PixelData = pixels.astype("<i2").tobytes()
        order = (z * 7) % slices  # names out of order
        d.save_as(os.path.join(folder, f"{order:05d}.dcm"), enforce_file_format=True)


def with_pydicom(folder):
    import pydicom

    files = [pydicom.dcmread(os.path.join(folder, f)) for f in os.listdir(folder)]
    files.sort(key=lambda d: float(d.ImagePositionPatient[2]))
    return np.stack([d.pixel_array.astype(np.float32) * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in files])


def with_gdcm(folder):
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder))
    return sitk.GetArrayFromImage(sitk.Cast(reader.Execute(), sitk.sitkFloat32))


def best(read, folder):
    times, out = [], None
    for _ in range(3):
        start = time.perf_counter()
        out = read(folder)
        times.append(time.perf_counter() - start)
    return min(times), out


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        p, a = best(with_pydicom, sys.argv[2])
        g, b = best(with_gdcm, sys.argv[2])
        assert np.array_equal(a, b)
        print(json.dumps({"pydicom": p, "gdcm": g, "mean": float(a.mean(dtype=np.float64)), "peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
