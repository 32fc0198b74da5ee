"""The methods a user can name. A new one is its function and one row here."""

from __future__ import annotations

from ornstein.errors import UsageError, nearest
from ornstein.sample.corrector import mending
from ornstein.sample.history import since
from ornstein.sample.masked import confidence, first_hitting, hits, remasking, unmask
from ornstein.sample.multistep import deis_3, dpmpp_2m, dpmpp_3m, ipndm_4, unipc_3
from ornstein.sample.restart import restart, restarted
from ornstein.sample.stepper import Method
from ornstein.sample.steppers import ddim, dpmpp_2s, dpmpp_3s, heun
from ornstein.sample.stochastic import ancestral, churned_heun, er_sde, sa_solver, sde_dpmpp_2m

METHODS: dict[str, Method] = {
    "ddim": Method(ddim, 1, 1, False, "Euler step of the probability-flow equation; the plainest"),
    "heun": Method(heun, 2, 2, False, "trapezoid; smooth at many steps"),
    "dpmpp-2s": Method(dpmpp_2s, 2, 2, False, "midpoint"),
    "dpmpp-3s": Method(dpmpp_3s, 3, 3, False, "thirds of the step; the most exact at many steps"),
    "dpmpp-2m": Method(dpmpp_2m, 2, 1, False, "line through two guesses; good at 10-30 steps", since(1)),
    "dpmpp-3m": Method(dpmpp_3m, 3, 1, False, "parabola through three guesses", since(2)),
    "unipc-3": Method(
        unipc_3, 4, 1, False, "the same, each step mended by the next evaluation; guided 20+", mending(2)
    ),
    "deis-3": Method(deis_3, 3, 1, False, "parabola through three guesses of the noise", since(2)),
    "ipndm-4": Method(
        ipndm_4, 2, 1, False, "four guesses of the noise by fixed numbers; without guidance", since(3)
    ),
    "ddpm": Method(ancestral, 1, 1, True, "adds noise at each step, wants 50 or more"),
    "sde-dpmpp-2m": Method(sde_dpmpp_2m, 2, 1, True, "the same with a line through two guesses", since(1)),
    "sa-solver": Method(
        sa_solver, 2, 1, True, "the same, mended by each evaluation as in unipc-3", mending(1)
    ),
    "er-sde": Method(er_sde, 3, 1, True, "parabola; much noise early, little late", since(2)),
    "heun-churn": Method(churned_heun, 2, 2, True, "heun from a sample made noisier first"),
    "restart": Method(
        restart, 2, 2, True, "heun, once some way back into noise and down again", times=restarted
    ),
}

TOKEN_METHODS: dict[str, Method] = {
    "unmask": Method(unmask, 1, 1, True, "each hidden element comes up at random, by the process's own law"),
    "first-hitting": Method(
        first_hitting, 1, 1, True, "one element a step, exact; as many steps as elements", arrange=hits
    ),
    "confidence": Method(
        confidence(0.0),
        1,
        1,
        True,
        "the surest elements first; good in few steps, less varied than the model",
    ),
    "remask": Method(remasking, 1, 1, True, "hides some again: mends mistakes, wants many steps"),
}
"""Of categories: what numbers have ``METHODS`` for."""


def evaluations(name: str) -> int:
    """Of the network, that a step of the method called `name` makes; fitted samplers make one."""
    return METHODS[name].evaluations if name in METHODS else 1


def find_method(name: str) -> Method:
    """Return the method called `name`.

    Raises:
        UsageError: unknown name; names the nearest known one.
    """
    return _find(name, METHODS)


def find_token_method(name: str) -> Method:
    """Return the method of categories called `name`; raises as ``find_method`` does."""
    return _find(name, TOKEN_METHODS)


def _find(name: str, methods: dict[str, Method]) -> Method:
    if name not in methods:
        raise UsageError(f"unknown sampler {name!r}{nearest(name, methods)}")
    return methods[name]
