"""Times imageio beside nibabel, SimpleITK and MONAI on one 256^3 volume, in turn, and writes a table of ratios.

python bench_imageio.py BENCH_BINARY TABLE.md [--seconds 600] [--scan SCAN.nii.gz]
A sample counts only if other processes used less than 5 % of the processors meanwhile; the best of at least five counts.
Where the machine is never idle for so long, the table says how many samples were taken in spite of that.
"""
import os, resource, subprocess, sys, tempfile, time
import numpy as np, nibabel as nib, SimpleITK as sitk, torch
from monai.transforms import Spacing, Orientation
from monai.data import MetaTensor
import monai

args = sys.argv[1:]
limit = float(args[args.index("--seconds") + 1]) if "--seconds" in args else 600
cores = len(os.sched_getaffinity(0))
sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(cores)
torch.set_num_threads(cores)
folder = tempfile.mkdtemp()
gz, out = folder + "/scan.nii.gz", folder + "/out.nii.gz"

# a head of noise: half of the volume is background, values like those of a T1 scan
rng = np.random.default_rng(0)
grid = np.indices((256, 256, 256), dtype=np.float32) - 127.5
r = np.sqrt((grid[0] / 80) ** 2 + (grid[1] / 100) ** 2 + (grid[2] / 85) ** 2)
head = np.where(r < 1, 350 + 200 * np.sin(grid[0] / 9) * np.cos(grid[1] / 11) * np.sin(grid[2] / 7), 0)
volume = np.clip(head + np.abs(rng.normal(0, 12, head.shape)), 0, 4095).astype(np.int16)
affine = np.diag([-0.9, 0.95, 0.9, 1.0])
nib.save(nib.Nifti1Image(volume, affine), gz)
floats = nib.load(gz).get_fdata(dtype=np.float32)
del grid, r, head
image = sitk.GetImageFromArray(np.ascontiguousarray(floats.T))
image.SetSpacing((0.9, 0.95, 0.9))
tensor = MetaTensor(torch.as_tensor(floats)[None], affine=torch.as_tensor(affine))
spaced, oriented = Spacing(pixdim=(1, 1, 1), mode="bilinear"), Orientation(axcodes="PIR", labels=None)

go = subprocess.Popen([args[0]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ours(line):
    go.stdin.write(line + "\n")
    go.stdin.flush()
    return float(go.stdout.readline().split()[0])


def timed(f):
    def run():
        start = time.perf_counter()
        f()
        return time.perf_counter() - start

    return run


def to_1mm():
    size = [round(n * s) for n, s in zip(image.GetSize(), image.GetSpacing())]
    return sitk.Resample(image, size, sitk.Transform(), sitk.sitkLinear, image.GetOrigin(), (1.0, 1.0, 1.0), image.GetDirection(), 0.0, image.GetPixelID())


def nib_orient():
    im = nib.Nifti1Image(floats, affine)
    to = nib.orientations.axcodes2ornt("PIR")
    return np.asfortranarray(im.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(affine), to)).dataobj)  # x fastest, as in files and in ours


ours("load " + gz)
rows = [  # what, ours, theirs, whose, the most that is allowed
    ("read .nii.gz (int16 to float32)", lambda: ours("read " + gz), timed(lambda: nib.load(gz).get_fdata(dtype=np.float32)), "nibabel", 0.7),
    ("write .nii.gz (float32)", lambda: ours("write " + out), timed(lambda: nib.save(nib.Nifti1Image(floats, affine), folder + "/nib.nii.gz")), "nibabel", 0.3),
    ("orient to PIR", lambda: ours("orient PIR"), timed(nib_orient), "nibabel", 0.1),
    ("orient to PIR", lambda: ours("orient PIR"), timed(lambda: oriented(tensor).contiguous()), "MONAI", None),
    ("linear to 1 mm", lambda: ours("resample 1"), timed(to_1mm), "SimpleITK", 0.4),
    ("linear to 1 mm", lambda: ours("resample 1"), timed(lambda: spaced(tensor)), "MONAI", 0.1),
]


def busy():
    """Seconds of processor time: of all, and of this process and the other one."""
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    total = (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) / os.sysconf("SC_CLK_TCK")
    me = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    with open(f"/proc/{go.pid}/stat") as f:
        w = f.read().rsplit(")", 1)[1].split()
    return total, me + (int(w[11]) + int(w[12])) / os.sysconf("SC_CLK_TCK")


def sample(f):
    before, start = busy(), time.perf_counter()
    seconds = f()
    wall = time.perf_counter() - start
    after = busy()
    others = (after[0] - before[0]) - (after[1] - before[1])
    return seconds, others <= 0.05 * wall * cores + 0.02


begun = time.time()
quiet, all_of = [([], []) for _ in rows], [([], []) for _ in rows]
while time.time() - begun < limit and (time.time() - begun < 5 or any(min(len(a), len(b)) < 5 for a, b in quiet)):
    for row, q, a in zip(rows, quiet, all_of):
        for side in (0, 1):
            seconds, calm = sample(row[1 + side])
            a[side].append(seconds)
            if calm:
                q[side].append(seconds)

single = subprocess.run([args[0]], input="read " + gz + "\n", capture_output=True, text=True).stdout.split()
memory = int(single[1]) / (4 * 256**3)
lines = [
    "# imageio beside other libraries", "",
    "Written by `make bench-imageio`: one 256³ int16 volume of 0.9 x 0.95 x 0.9 mm, all libraries in one run and in turn, "
    f"{cores} threads each, the best of several. nibabel {nib.__version__}, SimpleITK {sitk.__version__}, MONAI {monai.__version__}, torch {torch.__version__}.", "",
    "| task | imageio ms | other ms | whose | ratio | at most | undisturbed samples |", "|---|---|---|---|---|---|---|",
]
worst = 0
for row, q, a in zip(rows, quiet, all_of):
    mine, theirs = (min(x or y) for x, y in zip(q, a))
    lines.append(f"| {row[0]} | {mine*1000:.0f} | {theirs*1000:.0f} | {row[3]} | {mine/theirs:.3f} | {row[4] or ''} | {len(q[0])} and {len(q[1])} of {len(a[0])} |")
lines += ["", f"Largest memory of a process that reads the volume: {memory:.2f} of the float32 volume (at most 2).", ""]
if any(not x for q in quiet for x in q):
    lines += ["Rows without undisturbed samples were taken while other processes used the machine: their ratios are of the best sample, not of a quiet machine.", ""]
open(args[1], "w").write("\n".join(lines))
print("\n".join(lines))
go.stdin.close()
