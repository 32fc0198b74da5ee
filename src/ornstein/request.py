"""What a picture is made from, as plain checked values; the same limits hold for a request and for a replay."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from ornstein.condition.syntax import parse
from ornstein.condition.text import PROMPT_LIMIT
from ornstein.config import Config, changes, complaint
from ornstein.errors import UsageError
from ornstein.guide.rules import RuleSetting, Straight
from ornstein.guide.schedules import Constant, ScheduleSetting
from ornstein.prompts import Prompt, parts_of
from ornstein.recipes.recipe import SamplingSection
from ornstein.sample.fitted import FITTED
from ornstein.sample.registry import find_method

MAX_PICTURES = 1000  # in one call; a thousand 64 px pictures are minutes of work and fit in memory many times
MAX_STEPS = 1000
MAX_GUIDANCE = 30.0
MAX_SEED = 2**53 - 1  # the largest integer every JSON reader keeps exactly
MIN_SIZE, MAX_SIZE = 8, 2048  # of any model; each has limits of its own within these
MAX_REUSE = 3  # beyond, little is left of the picture
LATER = ("compose", "rule", "schedule", "reuse")
DRAWN_SEEDS = 2**32  # seeds drawn for the user stay short enough to read and type


BATCHES = {"cpu": (8, 4, 1), "cuda": (64, 16, 4, 1)}
"""Rows of a batch. Few fixed sizes, so that a picture's numbers depend on a size, not on who else asks; on two cores
a larger network is no faster a picture in batches of 16 than of 8."""

ROOM = {"cpu": 2**29, "cuda": 2**33}
"""Bytes that a batch's activations may take, roughly; fixed, so that no machine splits a call in another way."""


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
    if not name.startswith(FITTED):  # whether a model has a fitted one, only the model knows
        find_method(name)
    return name


class Request(Config):
    """One picture.

    Attributes:
        prompt: what to draw. negative: what to move away from; empty for nothing.
        seed: of its noise. steps: of the sampler. guidance: scale; 1 is off, 0 ignores the prompt.
        sampler: name of a method. size: side in pixels.
        compose: whether the prompt is in the syntax of composed prompts; the negative one never is.
        rule: of guidance. schedule: of its scale.
        reuse: the network's deep blocks run at every so many evaluations; 1 is off.
    """

    prompt: Annotated[str, AfterValidator(_prompt)]
    negative: Annotated[str, AfterValidator(clean)] = ""
    seed: Annotated[int, _within("seed", 0, MAX_SEED)]
    steps: Annotated[int, _within("steps", 1, MAX_STEPS)]
    guidance: Annotated[float, _within("guidance", 0, MAX_GUIDANCE)]
    sampler: Annotated[str, AfterValidator(_sampler)]
    size: Annotated[int, _within("size", MIN_SIZE, MAX_SIZE)]
    compose: bool = False
    rule: RuleSetting = Straight()
    schedule: ScheduleSetting = Constant()
    reuse: Annotated[int, _within("reuse", 1, MAX_REUSE)] = 1

    @model_validator(mode="after")
    def _can_be_read(self) -> Request:
        if self.compose:
            parse(self.prompt)
            if self.reuse > 1:
                raise ValueError("a composed prompt cannot be drawn with reuse: leave it at 1")
        return self

    @model_serializer(mode="wrap")
    def _shortly(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without choices that were not made, of those that old records do not know: those replay to the same bytes."""
        made = changes(self)
        return {name: value for name, value in whole(self).items() if name in made or name not in LATER}

    @property
    def asks(self) -> Prompt:
        """The prompt as it is meant: plain text, or its parts."""
        return parse(self.prompt) if self.compose else self.prompt

    @property
    def shape(self) -> tuple[Any, ...]:
        """What decides how much work a step is, and of what kind: requests that agree here run as one batch of fixed
        shape. One part of weight 1 needs no row to weigh it against.
        """
        weights = [part.weight for part in parts_of(self.asks)]
        kind = len(weights), weights != [1], self.rule, self.schedule
        return self.steps, self.guidance != 1, self.sampler, self.size, self.reuse, kind


def requests(
    prompts: str | Sequence[str],
    n: int,
    seeds: int | Sequence[int] | None,
    negative: str | Sequence[str],
    defaults: SamplingSection,
    **settings: Any,
) -> list[Request]:
    """Spread arguments over pictures: `n` for each prompt, in the order of the prompts.

    Args:
        prompts: one or several.
        n: pictures of each.
        seeds: None draws one for each picture; an integer s gives each prompt's pictures s, s + 1, …; a sequence
            has one for each picture.
        negative: as every further setting, one for all, one for each prompt, or one for each picture.
        defaults: of the model, for settings that are None.
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
    for name, value in {"negative": negative, **_with_defaults(settings, defaults)}.items():
        columns[name] = _spread(name, value, len(texts), n)
    return [_request({name: column[k] for name, column in columns.items()}, defaults) for k in range(count)]


def _with_defaults(settings: Mapping[str, Any], defaults: SamplingSection) -> dict[str, Any]:
    """Which sampler is the default depends on the other settings of each picture, and is left open here."""
    own = {name: getattr(defaults, name) for name in ("steps", "guidance", "size", "rule", "schedule")}
    section = {**own, "sampler": None}
    return section | {name: value for name, value in settings.items() if value is not None}


def _spread(name: str, value: Any, prompts: int, n: int) -> list[Any]:
    if isinstance(value, str | Config | Mapping) or not isinstance(value, Iterable):
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


def _request(values: Mapping[str, Any], defaults: SamplingSection) -> Request:
    sampler = values["sampler"]
    if sampler is None and _guided_otherwise(values, defaults):
        sampler = defaults.sampler
    if sampler is None or isinstance(sampler, str):
        sampler = defaults.method(sampler, values["steps"], values["guidance"])
    try:
        return Request.model_validate({**values, "sampler": sampler})
    except ValidationError as error:
        first = error.errors()[0]
        context, where = first.get("ctx", {}), first["loc"]
        own = context.get("error")  # what one of the checks above raised
        if own is None and (len(where) > 1 or "tag" in context):  # within a rule or schedule
            raise UsageError(complaint(Request, first)) from None
        raise UsageError(
            str(own) if own else f"{'.'.join(map(str, where))}: {first['msg'].lower()}"
        ) from None


def _guided_otherwise(values: Mapping[str, Any], defaults: SamplingSection) -> bool:
    """Whether it is steered in a way that no sampler was fitted for."""
    kept = all(values[name] == getattr(defaults, name) for name in ("rule", "schedule"))
    return not kept or bool(values.get("compose"))


def batches(
    requests: Sequence[Request],
    sizes: Sequence[int] | Callable[[int], Sequence[int]],
    apart: Sequence[Any] = (),
) -> list[list[int]]:
    """Group requests into batches whose shape depends on nothing but its own number of rows.

    Requests of one batch agree in ``Request.shape``: steps, sampler, size, number of parts, kind of guidance and
    whether it is on. So every step evaluates the same number of rows whatever the neighbours ask; numbers of rows come
    from the fixed list `sizes`.

    Args:
        requests: what to make.
        sizes: allowed numbers of rows, falling, ending in 1; or a function that gives them for a side in pixels.
        apart: one of each request, in which those of one batch must agree, too; () for nothing.

    Returns:
        For each batch, the indices of its requests.
    """
    alike: dict[Any, list[int]] = {}
    for index, request in enumerate(requests):
        alike.setdefault((request.shape, apart[index] if apart else None), []).append(index)
    return [
        batch
        for group in alike.values()
        for batch in _portions(group, sizes(requests[group[0]].size) if callable(sizes) else sizes)
    ]


def fitting(device: str, row: int) -> list[int]:
    """The ``BATCHES`` of a device that fit in its ``ROOM``, where a row takes so many bytes and guidance doubles it."""
    return [rows for rows in BATCHES[device] if 2 * rows * row <= ROOM[device] or rows == 1]


def _portions(group: list[int], sizes: Sequence[int]) -> list[list[int]]:
    out: list[list[int]] = []
    while group:
        size = next(size for size in sizes if size <= len(group))
        out.append(group[:size])
        group = group[size:]
    return out


Progress = Callable[[int, int], None]
"""Told (steps done, steps in all) as work goes on."""
