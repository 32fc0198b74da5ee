"""What a picture is made from, as plain checked values; the same limits hold for a request and for a replay."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationError

from ornstein.condition.text import PROMPT_LIMIT
from ornstein.config import Config
from ornstein.errors import UsageError
from ornstein.sample.registry import find_method

MAX_PICTURES = 1000  # in one call; a thousand 64 px pictures are minutes of work and fit in memory many times
MAX_STEPS = 1000
MAX_GUIDANCE = 30.0
MAX_SEED = 2**53 - 1  # the largest integer every JSON reader keeps exactly
MIN_SIZE, MAX_SIZE = 8, 2048  # of any model; each has limits of its own within these
DRAWN_SEEDS = 2**32  # seeds drawn for the user stay short enough to read and type


def clean(text: str) -> str:
    """Return `text` with runs of white space made one space, so that it stays one line in every metadata format.

    Raises:
        ValueError: control characters, text that is not Unicode, or more than 2000 characters.
    """
    if len(text) > PROMPT_LIMIT:
        raise ValueError(f"the prompt has {len(text)} characters; the limit is {PROMPT_LIMIT}")
    text = " ".join(text.split())
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise ValueError(f"the prompt holds {character!r}, which is no text: remove it")
    return text


def _prompt(text: str) -> str:
    if not (text := clean(text)):
        raise ValueError("the prompt is empty: say what to draw")
    return text


def _within(name: str, low: float, high: float) -> AfterValidator:
    def check(value: Any) -> Any:
        if not low <= value <= high:
            raise ValueError(f"{name} must be {low} to {high:.16g}, not {value}")
        return value

    return AfterValidator(check)


def _sampler(name: str) -> str:
    find_method(name)
    return name


class Request(Config):
    """One picture.

    Attributes:
        prompt: what to draw. negative: what to move away from; empty for nothing.
        seed: of its noise. steps: of the sampler. guidance: scale; 1 is off, 0 ignores the prompt.
        sampler: name of a method. size: side in pixels.
    """

    prompt: Annotated[str, AfterValidator(_prompt)]
    negative: Annotated[str, AfterValidator(clean)] = ""
    seed: Annotated[int, _within("seed", 0, MAX_SEED)]
    steps: Annotated[int, _within("steps", 1, MAX_STEPS)]
    guidance: Annotated[float, _within("guidance", 0, MAX_GUIDANCE)]
    sampler: Annotated[str, AfterValidator(_sampler)]
    size: Annotated[int, _within("size", MIN_SIZE, MAX_SIZE)]

    @property
    def shape(self) -> tuple[int, bool, str, int]:
        """What decides how much work a step is: requests that agree here run as one batch of fixed shape."""
        return self.steps, self.guidance != 1, self.sampler, self.size


def requests(
    prompts: str | Sequence[str],
    n: int,
    seeds: int | Sequence[int] | None,
    negative: str | Sequence[str],
    **settings: Any,
) -> list[Request]:
    """Spread arguments over pictures: `n` for each prompt, in the order of the prompts.

    Args:
        prompts: one or several.
        n: pictures of each.
        seeds: None draws one for each picture; an integer s gives each prompt's pictures s, s + 1, …; a sequence
            has one for each picture.
        negative: as every further setting, one for all, one for each prompt, or one for each picture.
        settings: the other fields of ``Request``.

    Raises:
        UsageError: a value out of range, or a sequence of another length.
    """
    texts = [prompts] if isinstance(prompts, str) else list(prompts)
    if not texts:
        raise UsageError("no prompt: say what to draw")
    if not 1 <= n <= MAX_PICTURES or n * len(texts) > MAX_PICTURES:
        raise UsageError(
            f"n must be 1 to {MAX_PICTURES // len(texts)}, not {n}: at most {MAX_PICTURES} at once"
        )
    count = n * len(texts)
    columns: dict[str, list[Any]] = {"prompt": _spread("prompts", texts, len(texts), n)}
    columns["seed"] = _seeds(seeds, len(texts), n)
    for name, value in {"negative": negative, **settings}.items():
        columns[name] = _spread(name, value, len(texts), n)
    return [_request({name: column[k] for name, column in columns.items()}) for k in range(count)]


def _spread(name: str, value: Any, prompts: int, n: int) -> list[Any]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [value] * (prompts * n)
    values = list(value)
    if len(values) == prompts:
        return [each for each in values for _ in range(n)]
    if len(values) == prompts * n:
        return values
    raise UsageError(f"{name} has {len(values)} values for {prompts} prompts of {n} pictures each")


def _seeds(seeds: int | Sequence[int] | None, prompts: int, n: int) -> list[int]:
    if seeds is None:
        return [secrets.randbelow(DRAWN_SEEDS) for _ in range(prompts * n)]
    if not isinstance(seeds, Iterable):
        return [seeds + k for k in range(n)] * prompts
    values = list(seeds)
    if len(values) != prompts * n:
        raise UsageError(f"seeds has {len(values)} values for {prompts * n} pictures")
    return values


def _request(values: Mapping[str, Any]) -> Request:
    try:
        return Request.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        own = first.get("ctx", {}).get("error")  # what one of the checks above raised
        raise UsageError(str(own) if own else f"{first['loc'][0]}: {first['msg'].lower()}") from None


def batches(
    requests: Sequence[Request], sizes: Sequence[int] | Callable[[int], Sequence[int]]
) -> list[list[int]]:
    """Group requests into batches whose shape depends on nothing but its own number of rows.

    Requests of one batch agree in steps, sampler, size and in whether guidance is on, so every step evaluates the
    same number of rows whatever the neighbours ask; numbers of rows come from the fixed list `sizes`.

    Args:
        requests: what to make.
        sizes: allowed numbers of rows, falling, ending in 1; or a function that gives them for a side in pixels.

    Returns:
        For each batch, the indices of its requests.
    """
    alike: dict[Any, list[int]] = {}
    for index, request in enumerate(requests):
        alike.setdefault(request.shape, []).append(index)
    return [
        batch
        for group in alike.values()
        for batch in _portions(group, sizes(requests[group[0]].size) if callable(sizes) else sizes)
    ]


def _portions(group: list[int], sizes: Sequence[int]) -> list[list[int]]:
    out: list[list[int]] = []
    while group:
        size = next(size for size in sizes if size <= len(group))
        out.append(group[:size])
        group = group[size:]
    return out


Progress = Callable[[int, int], None]
"""Told (steps done, steps in all) as work goes on."""
