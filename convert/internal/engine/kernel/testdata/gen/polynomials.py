"""The coefficients of map_math.h: minimax by reweighted least squares. numpy 2, mpmath 1.3; python polynomials.py"""
import mpmath as mp
import numpy as np

mp.mp.dps = 40


def fit(name, f, weight, lo, hi, degree, n=4000, rounds=200):
    """Prints c of sum c[i] x**i ~ f(x), the weighted error smallest in the maximum norm."""
    x = (lo + hi) / 2 + (hi - lo) / 2 * np.cos(np.pi * (np.arange(n) + 0.5) / n)
    y = np.array([float(f(mp.mpf(v))) for v in x])
    w = np.array([float(weight(mp.mpf(v))) for v in x])
    lawson = np.ones(n)
    a = np.vander(x / hi, degree + 1, increasing=True)
    best = (np.inf, None)
    for _ in range(rounds):
        r = np.sqrt(lawson) * w
        c = np.linalg.lstsq(a * r[:, None], y * r, rcond=None)[0]
        e = np.abs((a @ c - y) * w)
        if e.max() < best[0]:
            best = (e.max(), c / hi ** np.arange(degree + 1))
        lawson *= e / e.max() + 1e-3
        lawson /= lawson.max()
    print(name, "error %.2g" % best[0], ", ".join("%.9gf" % np.float32(v) for v in best[1]))


H = mp.log(2) / 2 * mp.mpf("1.001")
fit("exp", lambda r: (mp.expm1(r) - r) / r**2, lambda r: r**2 / mp.exp(r), -float(H), float(H), 4)
fit("expm1", lambda r: (mp.expm1(r) - r) / r**2, lambda r: abs(r**2 / mp.expm1(r)), -float(H), float(H), 5)
a, b = float(mp.sqrt(0.5) - 1), float(mp.sqrt(2) - 1)
fit("log", lambda r: (mp.log1p(r) - r + r**2 / 2) / r**3, lambda r: abs(r**3 / mp.log1p(r)), a, b, 8)
q = float((mp.pi / 4) ** 2 * mp.mpf("1.01"))
fit("sin", lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, lambda z: z * mp.sqrt(z) / mp.sin(mp.sqrt(z)), 1e-9, q, 2)
fit("cos", lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, lambda z: z**2, 1e-9, q, 2)
fit("erf small", lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1, lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)), 1e-9, 0.93**2, 5)
fit("erf large", lambda t: -mp.log(mp.erfc(t)) / t - 1, lambda t: mp.erfc(t) * t / mp.erf(t), 0.92, 4.0, 6)
