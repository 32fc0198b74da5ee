"""Feature networks from the hub, for those who have them: DINOv2, CLIP, Inception, or any vision model in a folder.

They are loaded by transformers from its cache, a folder, or the hub. Sizes, means and deviations come from the model's
own ``preprocessor_config.json``; pictures are laid on white and resized as for every other network here.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ornstein.assembly import fast_dtype
from ornstein.errors import MissingExtraError, OrnsteinError
from ornstein.evaluate.pictures import on_white, resize

BATCH = 32  # pictures run at once
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

KNOWN = {  # hub name, and what a report calls it; named after weights, so that no two are taken for one another
    "dinov2": ("facebook/dinov2-base", "DINOv2-base"),
    "clip": ("openai/clip-vit-base-patch32", "CLIP-B/32"),
    "inception": ("timm/inception_v3.tf_in1k", "Inception-v3 (ImageNet)"),
}


class HubNetwork:
    """A vision model as a feature network: CLIP's projected embedding, else the pooled output, else the first token.

    Args:
        source: name on the hub, or a folder.
        name: as reports give it.
        dtype: of the products.

    Raises:
        OrnsteinError: not found, not a vision model, or its loader is not installed.
    """

    def __init__(self, source: str, name: str | None = None, dtype: torch.dtype | None = None) -> None:
        transformers = _transformers()
        try:
            config: Any = transformers.AutoConfig.from_pretrained(source)
            kind: Any = (
                transformers.CLIPVisionModelWithProjection
                if config.model_type in ("clip", "clip_vision_model")
                else transformers.AutoModel
            )
            network: Any = kind.from_pretrained(source, dtype=torch.float32)
            treatment = _treatment(source, transformers)
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise OrnsteinError(f"cannot load {source}: {str(error).splitlines()[0]}") from error
        self.dtype = dtype or fast_dtype()
        self.name = name or Path(source).name
        self._network = network.eval().requires_grad_(False).to(self.dtype)
        self.side, mean, deviation = treatment
        self._mean, self._deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in (mean, deviation))
        digest = hashlib.sha256(json.dumps([source, str(self.dtype), treatment]).encode())
        for value in network.state_dict().values():
            digest.update(value.float().numpy().tobytes()[:4096])
        self.key = f"hub-{digest.hexdigest()[:16]}"
        self.width = self(np.zeros((1, 8, 8, 3), np.uint8)).shape[1]

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray, /) -> Tensor:
        """As ``FeatureNetwork``."""
        parts = [self._batch(pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH)]
        return torch.cat(parts) if parts else torch.empty(0, self.width)

    def _batch(self, pictures: np.ndarray) -> Tensor:
        x = (resize(on_white(pictures), self.side) / 255.0 - self._mean) / self._deviation
        found = self._network(pixel_values=x.to(self.dtype))
        for part in ("image_embeds", "pooler_output"):
            if getattr(found, part, None) is not None:
                return getattr(found, part).flatten(1).float()
        return found.last_hidden_state[:, 0].float()


def _treatment(source: str, transformers: Any) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    """Side, mean and deviation a model was trained with."""
    file = transformers.utils.cached_file(
        source, "preprocessor_config.json", _raise_exceptions_for_missing_entries=False
    )
    values: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8")) if file else {}
    size: Any = values.get("crop_size") or values.get("size")
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    mean, deviation = (tuple(values.get(f"image_{k}") or IMAGENET[i]) for i, k in enumerate(("mean", "std")))
    return int(size or 224), mean, deviation


def _transformers() -> Any:
    try:
        import transformers
    except ImportError:
        raise MissingExtraError("this feature network", "hub") from None
    return transformers
