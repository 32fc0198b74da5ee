"""How much detail pictures have: their power by frequency, beside that of real ones."""

from __future__ import annotations

import numpy as np


def radial_spectrum(pictures: np.ndarray) -> np.ndarray:
    """Mean power of the 2-D Fourier transform by whole frequency.

    Args:
        pictures: uint8 (N, S, S, C).

    Returns:
        (S // 2,) float64: frequencies 1 to S // 2, in cycles a picture, each the mean over all that round to it. The
        corners beyond, which only diagonals reach, are left out.
    """
    side = pictures.shape[1]
    power = np.zeros((side, side))
    for part in np.array_split(pictures, -(-len(pictures) // 256)):
        power += np.square(np.abs(np.fft.fft2(part / 255.0, axes=(1, 2)))).sum((0, 3))
    places = np.fft.fftfreq(side, 1 / side)
    radius = np.rint(np.hypot(*np.meshgrid(places, places))).astype(int)
    total = np.bincount(radius.ravel(), power.ravel()) / np.bincount(radius.ravel())
    return total[1 : side // 2 + 1] / (len(pictures) * pictures.shape[3])


def sharpness(generated: np.ndarray, real: np.ndarray) -> float:
    """Mean natural logarithm of the ratio of two spectra over the upper half of the frequencies.

    0 for as much fine detail as real pictures have, negative for blurred pictures, positive for noisy ones.
    """
    upper = len(real) // 2
    tiny = 1e-12 * real.max()  # flat pictures have no power at all
    return float(np.log((generated[upper:] + tiny) / (real[upper:] + tiny)).mean())
