"""The methods a user can name. A new one is its function and one row here."""

from __future__ import annotations

from ornstein.errors import UsageError, nearest
from ornstein.sample.multistep import dpmpp_2m, fresh_2m
from ornstein.sample.stepper import Method
from ornstein.sample.steppers import ancestral, ddim, heun

METHODS: dict[str, Method] = {
    "ddim": Method(ddim, 1, 1, False, "Euler step of the probability-flow equation; the plainest"),
    "heun": Method(heun, 2, 2, False, "trapezoid, two evaluations a step; smooth at many steps"),
    "dpmpp-2m": Method(
        dpmpp_2m, 2, 1, False, "two-step extrapolation; the best of these at 10-30 steps", fresh_2m
    ),
    "ddpm": Method(ancestral, 1, 1, True, "ancestral sampling; adds noise at each step, wants 50 or more"),
}


def find_method(name: str) -> Method:
    """Return the method called `name`.

    Raises:
        UsageError: unknown name; names the nearest known one.
    """
    if name not in METHODS:
        raise UsageError(f"unknown sampler {name!r}{nearest(name, METHODS)}")
    return METHODS[name]
