r"""What the network is asked: one linear equation in data and noise.

In variance-preserving coordinates, $z=x_t/\sqrt{\alpha^2+\sigma^2}=a\,x+s\,\varepsilon$ with $a^2+s^2=1$, every
prediction target is a row $F=p\,x+q\,\varepsilon$. Together with $z$ it is a 2x2 system,

$$\begin{pmatrix}a&s\\p&q\end{pmatrix}\begin{pmatrix}x\\\varepsilon\end{pmatrix}=\begin{pmatrix}z\\F\end{pmatrix},
\qquad x=\frac{q\,z-s\,F}{a\,q-s\,p}.$$

Six rows and one solve for $x$ replace every pairwise conversion. Because $a$ and $s$ depend on logsnr alone, a network
means the same on every path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

Row: TypeAlias = tuple[Float[Tensor, "*level"], Float[Tensor, "*level"]]
r"""`(p, q)` of a target $F=p\,x+q\,\varepsilon$, shaped like the noise level."""

TargetName: TypeAlias = Literal["x", "eps", "v", "flow", "score", "edm"]


class SingularTargetError(ArithmeticError):
    """The target does not determine x at this noise level (for example eps at pure noise)."""


def _x(a: Float[Tensor, "*level"], s: Float[Tensor, "*level"]) -> Row:
    return torch.ones_like(a), torch.zeros_like(a)


def _eps(a: Float[Tensor, "*level"], s: Float[Tensor, "*level"]) -> Row:
    return torch.zeros_like(a), torch.ones_like(a)


def _v(a: Float[Tensor, "*level"], s: Float[Tensor, "*level"]) -> Row:
    return -s, a  # Salimans & Ho 2022, arXiv 2202.00512, appendix D: v = a eps - s x


def _flow(a: Float[Tensor, "*level"], s: Float[Tensor, "*level"]) -> Row:
    return -torch.ones_like(a), torch.ones_like(a)  # Liu et al. 2022: noise minus data


def _score(a: Float[Tensor, "*level"], s: Float[Tensor, "*level"]) -> Row:
    return torch.zeros_like(a), -1 / s  # Song et al. 2021: grad log p(z) = -eps / s


def _edm(a: Float[Tensor, "*level"], s: Float[Tensor, "*level"]) -> Row:
    # Karras et al. 2022, arXiv 2206.00364, eq. 7 with unit data deviation: F = (x - c_skip x_t) / c_out.
    # c_skip and c_out of that paper collapse to this row once x_t is in variance-preserving coordinates.
    return s, -a


ROWS: dict[TargetName, Callable[[Tensor, Tensor], Row]] = {
    "x": _x, "eps": _eps, "v": _v, "flow": _flow, "score": _score, "edm": _edm,
}  # fmt: skip


def level(logsnr: Float[Tensor, "*level"]) -> Row:
    """Return `(a, s)` with $a^2+s^2=1$ at a noise level; exact at +-inf."""
    return torch.sigmoid(logsnr).sqrt(), torch.sigmoid(-logsnr).sqrt()


def compose(
    target: TargetName,
    x: Float[Tensor, "*#shape"],
    eps: Float[Tensor, "*#shape"],
    a: Float[Tensor, "*#shape"],
    s: Float[Tensor, "*#shape"],
) -> Float[Tensor, "*shape"]:
    r"""The value $F=p\,x+q\,\varepsilon$ a perfect network would return; all tensors broadcast together."""
    p, q = ROWS[target](a, s)
    return p * x + q * eps


def solve(
    target: TargetName,
    z: Float[Tensor, "*shape"],
    output: Float[Tensor, "*shape"],
    a: Float[Tensor, "*#shape"],
    s: Float[Tensor, "*#shape"],
) -> Float[Tensor, "*shape"]:
    """Solve the 2x2 system for `x`; where there is no noise (`s` = 0) the data is `z / a` whatever the network says.

    Args:
        target: which row `output` is.
        z: $x_t$ in variance-preserving coordinates.
        output: the network's value of the target, shaped like `z`.
        a: share of data in `z`, broadcastable to it.
        s: share of noise.

    Raises:
        SingularTargetError: where an error of the network would grow more than a millionfold; never an added epsilon.
    """
    p, q = ROWS[target](a, s)
    clean = s == 0
    determinant = (a * q - s * p).masked_fill(clean, 1.0)
    gain = ((q.abs() + s) / determinant.abs()).masked_fill(clean, 1.0)
    if not bool(torch.all(gain < 1e6)):
        raise SingularTargetError(
            f"a network that predicts {target!r} does not determine the data at this noise level "
            f"(an error grows {float(gain.max()):.0e} times); start the grid later or predict 'v', 'flow' or 'x'"
        )
    return torch.where(clean, z / a, (q * z - s * output) / determinant)
