"""From a body's fields to requests of one model, and to the form of the files."""

from __future__ import annotations

from collections.abc import Sequence

from ornstein.errors import UsageError, nearest
from ornstein.model import Model
from ornstein.record import FileForm
from ornstein.request import Request, requests
from ornstein.sample.fitted import FITTED
from ornstein.serve.api.errors import ApiError
from ornstein.serve.api.fields import Edit, Generation, Picturing, Quality, Sampling, Variation

MORE = 2  # times the model's own steps, of high quality
OPENAI_STYLES = ("vivid", "natural")  # which its clients may send to any model; they say nothing here


def styles(model: Model) -> tuple[str, ...]:
    """Styles that a model was trained on by name, most pictures first; none where that is not known."""
    data = model.bundle.facts.data if model.bundle else None
    counts: dict[str, int] = {}
    for origin in data.origins if data else ():
        if origin.style:
            counts[origin.style] = counts.get(origin.style, 0) + origin.trained
    return tuple(sorted(counts, key=lambda style: -counts[style]))


def requested(fields: Generation | Edit | Variation, model: Model, prompt: str) -> list[Request]:
    """The pictures that a body asks for.

    Raises:
        ApiError, UsageError: what this model cannot do.
    """
    quality = fields.quality if isinstance(fields, Picturing) else None
    style = fields.style if isinstance(fields, Picturing) else None
    settings = _settings(fields)
    if fields.num_inference_steps is None:
        settings |= _steps(model, quality, settings)
    return requests(
        _styled(model, prompt, style, bool(fields.compose)), fields.n or 1, fields.seed, fields.negative_prompt or "",
        model.recipe.sampling, size=side(model, fields.size), **settings,
    )  # fmt: skip


def side(model: Model, size: str | None) -> int:
    """The side in pixels that a size names. Raises ApiError: no square, or none that this model makes."""
    if size in (None, "auto"):
        return model.recipe.sampling.size
    width, height = (int(part) for part in size.split("x"))
    multiple, (smallest, largest) = model.recipe.network.multiple, model.limits
    lowest = -(-smallest // multiple) * multiple
    near = min(max(round(max(width, height) / multiple) * multiple, lowest), largest)
    if width == height == near:
        return near
    why = (
        "pictures are square"
        if width != height
        else f"sides are multiples of {multiple} from {lowest} to {largest}"
    )
    raise ApiError(
        400, f"size {size} is not made here: {why}; the nearest is {near}x{near}", "size", "invalid_size"
    )


def form(fields: Generation | Edit | Variation, model: Model) -> FileForm:
    """How the files are written. Raises ApiError: transparency of a model that has none."""
    if isinstance(fields, Variation):
        return FileForm()
    kind, background = fields.output_format or "png", fields.background or "auto"
    clear = model.recipe.codec.channels == 4
    if background == "transparent" and not clear:
        raise ApiError(
            400, "this model's pictures are opaque: take another background", "background", "invalid_value"
        )
    white = clear and (background == "opaque" or kind == "jpeg")
    return FileForm(format=kind, background="#ffffff" if white else None, quality=fields.output_compression)


def prompt_tokens(model: Model, asked: Sequence[Request]) -> int:
    """Tokens of the prompts that the network reads, padding left out."""
    return sum(int(model.encoder.encode([request.prompt]).mask.sum()) for request in asked)


def picture_tokens(model: Model, asked: Sequence[Request]) -> int:
    """Patches that the network makes pictures of."""
    return sum((request.size // model.recipe.network.multiple) ** 2 for request in asked)


def _settings(fields: Sampling) -> dict[str, object]:
    """What is said of sampling, under the names that requests have."""
    said = {
        "steps": fields.num_inference_steps, "guidance": fields.guidance_scale, "sampler": fields.sampler,
        "compose": fields.compose, "rule": fields.rule, "schedule": fields.schedule, "reuse": fields.reuse,
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def _steps(model: Model, quality: Quality | None, settings: dict[str, object]) -> dict[str, object]:
    """Steps, and the sampler that belongs to them, of a quality."""
    sampling = model.recipe.sampling
    match quality:
        case "low" if sampling.fits and "sampler" not in settings:
            return {"steps": min(fit.evaluations for fit in sampling.fits), "sampler": FITTED}
        case "low":
            return {"steps": max(1, sampling.steps // MORE)}
        case "high" | "hd":
            return {"steps": sampling.steps * MORE}
        case _:
            return {}


def _styled(model: Model, prompt: str, style: str | None, composed: bool) -> str:
    """The prompt with a style as the model's captions name it."""
    if style is None or style in OPENAI_STYLES:
        return prompt
    known = styles(model)
    if not known:
        raise ApiError(
            400,
            f"{model.recipe.name} knows no styles by name: say it in the prompt",
            "style",
            "invalid_value",
        )
    if style not in known:
        raise ApiError(400, f"unknown style {style[:80]!r}{nearest(style, known)}", "style", "invalid_value")
    if composed:
        raise UsageError("a composed prompt names styles itself, in each part: leave style out")
    return f"{prompt}, {style}"
