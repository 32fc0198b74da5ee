"""Parts of a pipeline folder as modules: classes of the libraries that wrote them, weights from safetensors."""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ornstein.errors import MissingExtraError, OrnsteinError, nearest
from ornstein.interop.folder import PipelineFolder

NETWORKS = (
    "UNet2DConditionModel", "UNet2DModel", "DiTTransformer2DModel", "Transformer2DModel", "PixArtTransformer2DModel",
    "SD3Transformer2DModel", "FluxTransformer2DModel", "AutoencoderKL",
)  # fmt: skip
ENCODERS = ("CLIPTextModel", "CLIPTextModelWithProjection", "T5EncoderModel")
TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast", "T5Tokenizer", "T5TokenizerFast")
LARGE = 1 << 30  # weights; a text encoder with more of them computes in bfloat16

LOADING = threading.RLock()
"""Of the whole process: while the libraries load, they change classes and defaults that all threads share; torch's
default dtype, too, so that whatever draws meanwhile names its own."""


def require_extra() -> None:
    """Raise MissingExtraError where diffusers or transformers is not installed."""
    try:
        import accelerate  # noqa: F401 - diffusers builds a network without memory only where it is there
        import diffusers  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("an imported model", "diffusers") from error


def class_config(folder: PipelineFolder, part: str) -> dict[str, Any]:
    """The config of a network or autoencoder, with its class's defaults for what it leaves out.

    Raises:
        OrnsteinError: an unknown class, or no config.
    """
    import diffusers

    name, said = folder.class_name(part), folder.config(part)
    _refuse_unknown("network", name, NETWORKS)
    parameters = inspect.signature(getattr(diffusers, name).__init__).parameters
    return {key: value.default for key, value in parameters.items() if key != "self"} | said


def load_diffusers(name: str, folder: Path, dtype: torch.dtype) -> Any:
    """A network or autoencoder in `dtype`, each tensor read once and cast on its way, ready to compute.

    Raises:
        OrnsteinError: an unknown class; weights that are missing, too many, of other shapes, or not finite.
    """
    import diffusers

    _refuse_unknown("network", name, NETWORKS)
    with _one_line(folder):
        module, info = getattr(diffusers, name).from_pretrained(
            folder, torch_dtype=dtype, use_safetensors=True, local_files_only=True, low_cpu_mem_usage=True,
            output_loading_info=True,
        )  # fmt: skip
    for what, key in (("lacks the weight", "missing_keys"), ("holds the unknown weight", "unexpected_keys")):
        if names := sorted(info[key]):
            raise OrnsteinError(f"{folder} {what} {names[0]} ({len(names)} in all)")
    return module.eval().requires_grad_(False)


def load_encoder(name: str, folder: Path) -> Any:
    """A text encoder, in float32; in bfloat16 where it has more than 2^30 weights.

    Raises:
        OrnsteinError: an unknown class, or weights that are not its own.
    """
    import transformers

    _refuse_unknown("text encoder", name, ENCODERS)
    cls = getattr(transformers, name)
    with _one_line(folder):
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        with torch.device("meta"):
            count = sum(value.numel() for value in cls(getattr(config, "text_config", config)).parameters())
        module, info = cls.from_pretrained(
            folder, dtype=torch.bfloat16 if count > LARGE else torch.float32, use_safetensors=True,
            local_files_only=True, output_loading_info=True,
        )  # fmt: skip
    if names := sorted(info["missing_keys"]):
        raise OrnsteinError(f"{folder} lacks the weight {names[0]} ({len(names)} in all)")
    return module.eval().requires_grad_(False)


def load_tokenizer(name: str, folder: Path) -> Any:
    """A tokenizer. Raises OrnsteinError."""
    import transformers

    _refuse_unknown("tokenizer", name, TOKENIZERS)
    with _one_line(folder):
        return getattr(transformers, name).from_pretrained(folder, local_files_only=True)


def refuse_non_finite(module: nn.Module, folder: Path) -> None:
    """Raise OrnsteinError where a weight is NaN or infinite."""
    for name, value in module.named_parameters():
        if not bool(torch.isfinite(value).all()):
            raise OrnsteinError(f"{folder}: the weight {name} is not finite (NaN or infinity)")


def return_memory() -> None:
    """Give the memory of what was freed back to the machine, where glibc would keep it between what still lives."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _refuse_unknown(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise OrnsteinError(f"unknown {what} class {name!r}{nearest(name, known)}")


@contextlib.contextmanager
def _one_line(folder: Path) -> Iterator[None]:
    """Errors of the libraries as one line of ours, and nothing they print; one thread at a time."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = diffusers_logging, transformers_logging
    with LOADING:
        levels = [library.get_verbosity() for library in libraries]
        bars = [library.is_progress_bar_enabled() for library in libraries]
        for library in libraries:
            library.set_verbosity(logging.ERROR)
            library.disable_progress_bar()
        try:
            yield
        except OrnsteinError:
            raise
        except Exception as error:  # the libraries raise a dozen unrelated types
            said = " ".join(str(error).split())[:300]
            raise OrnsteinError(f"{folder} cannot be loaded: {said}") from error
        finally:
            for library, level, bar in zip(libraries, levels, bars, strict=True):
                library.set_verbosity(level)
                if bar:
                    library.enable_progress_bar()
