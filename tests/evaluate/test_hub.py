"""Vision models from the hub's library, loaded by the real code from folders with tiny random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from ornstein.errors import OrnsteinError
from ornstein.evaluate.features import find_network
from ornstein.evaluate.hub import HubNetwork

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}


def dinov2() -> Any:
    return transformers.Dinov2Model(transformers.Dinov2Config(**TINY, mlp_ratio=2))


def clip() -> Any:
    config = transformers.CLIPVisionConfig(**TINY, intermediate_size=32, projection_dim=8)
    return transformers.CLIPVisionModelWithProjection(config)


@pytest.fixture(params=[dinov2, clip])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    request.param().save_pretrained(tmp_path / "tiny")
    facts = {"size": {"shortest_edge": 32}, "crop_size": {"height": 28, "width": 28}, "image_mean": [0.5] * 3,
             "image_std": [0.25] * 3}  # fmt: skip
    (tmp_path / "tiny" / "preprocessor_config.json").write_text(json.dumps(facts))
    return tmp_path / "tiny"


def test_features_are_what_the_library_computes(folder: Path) -> None:
    network = HubNetwork(str(folder), dtype=torch.float32)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 3), np.uint8)
    pixels = (torch.from_numpy(pictures).movedim(-1, 1) / 255.0 - 0.5) / 0.25
    if "clip" in json.loads((folder / "config.json").read_text())["model_type"]:
        theirs = transformers.CLIPVisionModelWithProjection.from_pretrained(folder)(
            pixel_values=pixels
        ).image_embeds
        assert network.width == 8
    else:
        theirs = transformers.Dinov2Model.from_pretrained(folder)(pixel_values=pixels).pooler_output
        assert network.width == 16
    torch.testing.assert_close(network(pictures), theirs.detach(), atol=1e-5, rtol=1e-4)


def test_a_folder_is_found_by_its_path_and_its_key_changes_with_its_treatment(folder: Path) -> None:
    network = find_network(str(folder))
    assert network.name == "tiny"
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1] * 3, "size": 28}))
    assert find_network(str(folder)).key != network.key


def test_what_is_no_vision_model_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(OrnsteinError, match="cannot load"):
        HubNetwork(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "no-such-model"}')
    with pytest.raises(OrnsteinError, match="cannot load"):
        HubNetwork(str(tmp_path))
