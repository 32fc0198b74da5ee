"""The methods a user can name. A new one is its function and one row here."""

from __future__ import annotations

from functools import partial

from ornstein.errors import UsageError, nearest
from ornstein.sample.corrector import nothing_to_correct
from ornstein.sample.history import nothing_yet
from ornstein.sample.multistep import deis_3, dpmpp_2m, dpmpp_3m, ipndm_4, unipc_3
from ornstein.sample.stepper import Method
from ornstein.sample.steppers import ddim, dpmpp_2s, dpmpp_3s, heun
from ornstein.sample.stochastic import ancestral, churned_heun, er_sde, sa_solver, sde_dpmpp_2m

METHODS: dict[str, Method] = {
    "ddim": Method(ddim, 1, 1, False, "Euler step of the probability-flow equation; the plainest"),
    "heun": Method(heun, 2, 2, False, "trapezoid, two evaluations a step; smooth at many steps"),
    "dpmpp-2m": Method(
        dpmpp_2m,
        2,
        1,
        False,
        "two-step extrapolation; the best of these at 10-30 steps",
        partial(nothing_yet, depth=1),
    ),
    "dpmpp-3m": Method(dpmpp_3m, 3, 1, False, "three-step extrapolation", partial(nothing_yet, depth=2)),
    "unipc-3": Method(
        unipc_3,
        4,
        1,
        False,
        "three steps, each corrected by the next evaluation",
        partial(nothing_to_correct, depth=2),
    ),
    "deis-3": Method(
        deis_3, 3, 1, False, "three-step extrapolation of the noise", partial(nothing_yet, depth=2)
    ),
    "ipndm-4": Method(
        ipndm_4,
        2,
        1,
        False,
        "four-step extrapolation of the noise by fixed numbers",
        partial(nothing_yet, depth=3),
    ),
    "dpmpp-2s": Method(dpmpp_2s, 2, 2, False, "midpoint, two evaluations a step"),
    "dpmpp-3s": Method(dpmpp_3s, 3, 3, False, "three evaluations a step"),
    "sde-dpmpp-2m": Method(
        sde_dpmpp_2m, 1, 1, True, "two-step extrapolation with noise", partial(nothing_yet, depth=1)
    ),
    "sa-solver": Method(sa_solver, 1, 1, True, "three steps with noise and corrector", partial(nothing_to_correct, depth=2)),
    "er-sde": Method(er_sde, 1, 1, True, "three steps, noise early", partial(nothing_yet, depth=2)),
    "heun-churn": Method(churned_heun, 2, 2, True, "Heun's step after adding noise"),
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
