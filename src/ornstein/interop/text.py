"""Published text encoders: what each family's pipeline makes of a prompt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ornstein.errors import UsageError, nearest
from ornstein.interop.folder import PipelineFolder
from ornstein.interop.load import load_encoder, load_tokenizer, return_memory
from ornstein.interop.rows import Rows
from ornstein.recipes.imported import Family, ImportedRecipe, PromptsCondition
from ornstein.recipes.recipe import ClassesCondition

CACHED = 256  # prompts; of the largest family 1.4 GB
SD3_TEXT = "text_encoder_3"


class PromptEncoder:
    """Prompts through the folder's own text encoders, which stay in memory only while they work.

    Args:
        recipe: which family, how long.
        folder: of the pipeline.
    """

    def __init__(self, recipe: ImportedRecipe, folder: Path) -> None:
        assert isinstance(recipe.condition, PromptsCondition)
        self.condition, self.folder = recipe.condition, PipelineFolder.open(folder)
        self._states = STATES[recipe.network.family]
        self._cache: OrderedDict[str, tuple[Tensor, ...]] = OrderedDict()

    def encode(self, prompts: Sequence[str]) -> Rows:
        """The condition of each prompt, which does not depend on the others; recent ones are cached."""
        wanted = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._cache]
        if wanted:
            self._cache.update(self._encoded(wanted))
            return_memory()
        rows = Rows.stack([self._cache[prompt] for prompt in prompts])
        while len(self._cache) > CACHED:
            self._cache.popitem(last=False)
        return rows

    @torch.inference_mode()
    def _encoded(self, prompts: list[str]) -> dict[str, tuple[Tensor, ...]]:
        parts = Parts(self.folder)  # gigabytes, of no use until the next prompt
        found = {prompt: self._states(parts, prompt, self.condition) for prompt in prompts}
        if self.condition.zeros and "" in found:
            found[""] = tuple(torch.zeros_like(tensor) for tensor in found[""])
        return found


class Parts:
    """Tokenizers and encoders of a folder, each loaded once."""

    def __init__(self, folder: PipelineFolder) -> None:
        self.folder = folder
        self._loaded: dict[str, Any] = {}

    def tokenizer(self, part: str) -> Any:
        """The tokenizer of a subfolder."""
        return self._part(part, load_tokenizer)

    def encoder(self, part: str) -> Any:
        """The text encoder of a subfolder."""
        return self._part(part, load_encoder)

    def _part(self, part: str, load: Callable[[str, Path], Any]) -> Any:
        if part not in self._loaded:
            self._loaded[part] = load(self.folder.class_name(part), self.folder.root / part)
        return self._loaded[part]

    def ids(self, part: str, prompt: str, length: int | None = None) -> tuple[Tensor, Tensor]:
        """Token numbers (1, length) and their mask, cut and padded; `length` defaults to the tokenizer's own."""
        tokenizer = self.tokenizer(part)
        found = tokenizer(
            prompt, padding="max_length", max_length=length or tokenizer.model_max_length, truncation=True,
            return_tensors="pt",
        )  # fmt: skip
        return found.input_ids, found.attention_mask

    def clip(self, number: str, prompt: str) -> tuple[Tensor, Tensor]:
        """Last but one states (tokens, width) and pooled state (width,) of a CLIP encoder with a projection."""
        found = self.encoder(f"text_encoder{number}")(
            self.ids(f"tokenizer{number}", prompt)[0], output_hidden_states=True
        )
        return found.hidden_states[-2][0], found[0][0]


def _stable_diffusion(parts: Parts, prompt: str, condition: PromptsCondition) -> tuple[Tensor, ...]:
    return (parts.encoder("text_encoder")(parts.ids("tokenizer", prompt)[0])[0][0],)


def _stable_diffusion_xl(parts: Parts, prompt: str, condition: PromptsCondition) -> tuple[Tensor, ...]:
    (first, _), (second, pooled) = parts.clip("", prompt), parts.clip("_2", prompt)
    return torch.cat([first, second], -1), pooled


def _stable_diffusion_3(parts: Parts, prompt: str, condition: PromptsCondition) -> tuple[Tensor, ...]:
    (first, pooled), (second, pooled_2) = parts.clip("", prompt), parts.clip("_2", prompt)
    clip = torch.cat([first, second], -1)
    if parts.folder.has(SD3_TEXT):
        long = parts.encoder(SD3_TEXT)(parts.ids("tokenizer_3", prompt, condition.length)[0])[0][0]
    else:  # published without it, too: its states are then zeros
        width = parts.folder.config("transformer")["joint_attention_dim"]
        long = torch.zeros(condition.length, width, dtype=torch.float32)
    states = torch.cat([F.pad(clip, (0, long.shape[-1] - clip.shape[-1])), long])
    return states, torch.cat([pooled, pooled_2])


def _flux(parts: Parts, prompt: str, condition: PromptsCondition) -> tuple[Tensor, ...]:
    states = parts.encoder("text_encoder_2")(parts.ids("tokenizer_2", prompt, condition.length)[0])[0][0]
    return states, parts.encoder("text_encoder")(parts.ids("tokenizer", prompt)[0]).pooler_output[0]


def _pixart(parts: Parts, prompt: str, condition: PromptsCondition) -> tuple[Tensor, ...]:
    ids, mask = parts.ids("tokenizer", prompt.lower().strip(), condition.length)
    return parts.encoder("text_encoder")(ids, attention_mask=mask)[0][0], mask[0]


STATES: dict[Family, Callable[[Parts, str, PromptsCondition], tuple[Tensor, ...]]] = {
    "stable-diffusion": _stable_diffusion, "stable-diffusion-xl": _stable_diffusion_xl,
    "stable-diffusion-3": _stable_diffusion_3, "flux": _flux, "pixart": _pixart,
}  # fmt: skip
"""What the adapter of a family's network is told of a prompt, without the axis of rows."""


class LabelEncoder:
    """Class names as numbers; a class may have several names, separated by commas, and its number is one of them.

    Args:
        condition: the classes, in order; the null class comes after them.
    """

    def __init__(self, condition: ClassesCondition) -> None:
        self.names = condition.names
        self._index = {
            name.strip().casefold(): k
            for k, names in enumerate(condition.names)
            for name in (str(k), names, *names.split(","))
        }

    def encode(self, prompts: Sequence[str]) -> Rows:
        """Labels (B,); an empty prompt is the null class.

        Raises:
            UsageError: for a name that is no class; names the nearest one.
        """
        labels = [self._label(prompt) for prompt in prompts]
        return Rows((torch.tensor(labels, dtype=torch.long),))

    def _label(self, prompt: str) -> int:
        if not prompt:
            return len(self.names)
        label = self._index.get(prompt.strip().casefold())
        if label is None:
            close = nearest(prompt.casefold(), self._index)
            hint = (
                close if "did you mean" in close else f"; `ornstein models show` lists its {len(self.names)}"
            )
            raise UsageError(f"this model knows classes, and {prompt!r} is none{hint}")
        return label


class NothingEncoder:
    """For a model that nothing steers: whatever the prompts, it is told nothing."""

    def encode(self, prompts: Sequence[str]) -> Rows:
        """A batch of nothing."""
        return Rows()


Encoder = PromptEncoder | LabelEncoder | NothingEncoder


def encoder_of(recipe: ImportedRecipe, folder: Path) -> Encoder:
    """The encoder that a recipe's conditions need."""
    if isinstance(recipe.condition, PromptsCondition):
        return PromptEncoder(recipe, folder)
    return (
        LabelEncoder(recipe.condition) if isinstance(recipe.condition, ClassesCondition) else NothingEncoder()
    )
