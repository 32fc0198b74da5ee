"""What machines cost by the hour: assumptions, to be replaced by one's own."""

from __future__ import annotations

import torch
from pydantic import Field

from ornstein.config import Config


class Prices(Config):
    """Prices; of the order of public clouds' list prices in 2026 where nobody says otherwise.

    Attributes:
        core_hour: of a processor's core. gpu_hour: of a GPU with the machine around it.
        per_picture: what a picture costs whatever it took; None: what its seconds cost.
        currency: ISO 4217.
    """

    core_hour: float = Field(default=0.04, ge=0)
    gpu_hour: float = Field(default=3.0, ge=0)
    per_picture: float | None = Field(default=None, ge=0)
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")

    def of(self, seconds: float, device: torch.device, cores: int, pictures: int = 0) -> float:
        """Of pictures on which a device (a GPU, or so many cores) worked for so long."""
        if self.per_picture is not None and pictures:
            return self.per_picture * pictures
        return seconds / 3600 * (self.gpu_hour if device.type == "cuda" else cores * self.core_hour)
