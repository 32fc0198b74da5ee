"""What a model's outputs are compared with: features of pictures it made when it was found to be good.

They are its own pictures, not training pictures: a frozen model does not become worse, but prompts, settings, packages,
processors and weights around it change, and a distance to training pictures would tell the model's quality (which
`ornstein evaluate` measures) rather than a change. Two sources are offered: a golden sample (given prompts at known
seeds), and what was served in a time that one was content with, which has the prompts people really ask. The file
holds features, from which no picture can be made again, and names the model by its fingerprint: for another one it is
refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ornstein.data.atomic import new_file
from ornstein.errors import OrnsteinError
from ornstein.evaluate.estimate import Estimate, of_statistic, wilson
from ornstein.evaluate.mmd import Discrepancy, polynomial
from ornstein.shelf import home

FEWEST = 64  # pictures of a reference, and of a measurement
VERSION = "1"
NETWORK = "effnet-lite0"  # that looks, unless another one is handed over; it comes with a package


@dataclass(frozen=True)
class Reference:
    """A model's reference.

    Attributes:
        features: float32 (N, D). network: key of the feature network. fingerprint: of the model's bundle.
        source: where the pictures came from, for people.
        asked, refused: requests among which they were served, and how many of them the policy refused; 0 for a golden
            sample.
    """

    features: Tensor
    network: str
    fingerprint: str
    source: str
    asked: int = 0
    refused: int = 0

    def save(self, path: Path) -> None:
        """Write the file. Raises OrnsteinError: too few pictures, or the disk refuses."""
        if len(self.features) < FEWEST:
            raise OrnsteinError(f"a reference needs at least {FEWEST} pictures, not {len(self.features)}")
        facts = {
            "version": VERSION, "network": self.network, "fingerprint": self.fingerprint, "source": self.source,
            "asked": str(self.asked), "refused": str(self.refused),
        }  # fmt: skip
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with new_file(path) as part:
                save_file({"features": self.features.contiguous()}, part, metadata=facts)
        except OSError as error:
            raise OrnsteinError(f"cannot write {path}: {error.strerror or error}") from error

    @classmethod
    def read(cls, path: Path, fingerprint: str, network: str) -> Reference:
        """The reference in a file, of this model in these features.

        Raises:
            OrnsteinError: there is none, it cannot be read, or it is of another model or in other features.
        """
        again = "make it with: ornstein drift reference"
        if not path.is_file():
            raise OrnsteinError(f"there is no reference {path}: {again}")
        try:
            with safe_open(path, "pt") as file:
                facts, features = file.metadata() or {}, file.get_tensor("features")
            found = cls(
                features, facts["network"], facts["fingerprint"], facts["source"], int(facts["asked"]),
                int(facts["refused"]),
            )  # fmt: skip
            whole = facts["version"] == VERSION and features.ndim == 2 and features.isfinite().all()
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise OrnsteinError(f"{path} is no reference: {again}") from error
        if not whole or len(features) < FEWEST:
            raise OrnsteinError(f"{path} is no reference: {again}")
        if found.fingerprint != fingerprint:
            raise OrnsteinError(
                f"the reference {path} is of another model ({found.fingerprint[:12]}…): {again}"
            )
        if found.network != network:
            raise OrnsteinError(f"the reference {path} is in other features ({found.network}): {again}")
        return found

    def distance(self, features: Tensor) -> Estimate:
        """KID of other features to these: zero on average where both are of one distribution, at any number.

        Raises:
            OrnsteinError: too few of them.
        """
        if len(features) < FEWEST:
            raise OrnsteinError(f"a distance needs at least {FEWEST} pictures, not {len(features)}")
        discrepancy = Discrepancy(features, self.features, polynomial)
        return of_statistic(discrepancy, len(features), len(self.features))

    def refusals(self) -> Estimate | None:
        """The share of requests that were refused, with Wilson's 95% interval; None for a golden sample."""
        if not self.asked:
            return None
        return Estimate(self.refused / self.asked, *wilson(self.refused, self.asked), self.asked)

    def spread(self) -> Estimate:
        """KID between two halves of itself: what a measurement without drift looks like."""
        half = self.features[0::2], self.features[1::2]
        return of_statistic(Discrepancy(*half, polynomial), *map(len, half))


def default_path(fingerprint: str) -> Path:
    """Where a model's reference is kept unless somebody says otherwise."""
    return home().parent / "drift" / f"{fingerprint[:16]}.safetensors"
