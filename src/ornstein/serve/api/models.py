"""``/v1/models``: what is served, and what each can do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import FileResponse, Response

from ornstein.bundle import CARD, Bundle
from ornstein.guard.guarded import Guarded
from ornstein.guard.rows import GuardedRows
from ornstein.guard.texts import GuardedTexts
from ornstein.sample.fitted import FITTED
from ornstein.sample.registry import METHODS, TOKEN_METHODS
from ornstein.serve.api import asking
from ornstein.serve.api.calls import Reading
from ornstein.serve.api.errors import ApiError, documented
from ornstein.serve.api.rows import MOST
from ornstein.serve.served import Served

router = APIRouter(prefix="/v1/models", tags=["models"])
ERRORS = documented(400, 401, 403, 404, 503)
SHOWN = 50  # values of a column
Name = Annotated[str, Path(max_length=200, description="As /v1/models lists it.")]


class ModelLine(BaseModel):
    """A model, as OpenAI lists them."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="Since when it is served, seconds since 1970.")
    owned_by: str = "ornstein"
    makes: Literal["pictures", "texts", "rows"]


class ModelList(BaseModel):
    """All that are served."""

    object: Literal["list"] = "list"
    data: list[ModelLine]


class Sampler(BaseModel):
    """A method that draws."""

    id: str
    summary: str
    evaluations: int = Field(description="Of the network a step, at most.")
    steps: list[int] = Field(default=[], description="Of a fitted one: the numbers of steps that it has.")


class Samplers(BaseModel):
    """What draws: methods, and those that were fitted to this model."""

    data: list[Sampler]


class Defaults(BaseModel):
    """What is taken where a request leaves it out."""

    num_inference_steps: int
    guidance_scale: float
    sampler: str
    size: int


class AnyFacts(ModelLine):
    """What is known of any model."""

    fingerprint: str | None
    parameters: int
    summary: str = Field(default="", description="What it does, in a line; of models of pictures empty.")
    licences: dict[str, int] = Field(description="What it learned from, by licence.")
    policy: str = Field(description="Name of the policy that it is served under.")
    policy_hash: str


class TextFacts(AnyFacts):
    """What a model of text can do, and its defaults."""

    makes: Literal["texts"] = "texts"
    context: int = Field(description="Tokens of a text, at most.")
    length: int = Field(description="Tokens of a text, where nothing is said.")
    temperature: float
    samplers: list[str]
    examples: list[str]


class ColumnFacts(BaseModel):
    """A column of a table."""

    name: str
    type: str = Field(description="number, integer, date, boolean, category, constant, key or hash.")
    values: list[Any] = Field(default=[], description="Of a column of few kinds, those.")


class RowsFacts(AnyFacts):
    """What a model of a table can do."""

    makes: Literal["rows"] = "rows"
    columns: list[ColumnFacts]
    most: int = Field(description="Rows of a request, at most.")


class ModelFacts(AnyFacts):
    """What a model of pictures can do, and its defaults."""

    makes: Literal["pictures"] = "pictures"
    condition: str = Field(description="text or classes.")
    classes: list[str] = Field(default=[], description="Of a model of classes.")
    styles: list[str] = Field(description="Known by name; `style` takes one.")
    sizes: list[int] = Field(description="Sides it was trained on.")
    smallest: int
    largest: int
    multiple: int = Field(description="Sides are multiples of it.")
    transparent: bool
    defaults: Defaults
    examples: list[str] = Field(description="Prompts that show what it can do.")
    training_pictures: int | None = Field(description="That it learned from; None where that is not known.")


@router.get("", responses=documented(401, 403, 503))
def models(call: Reading) -> ModelList:
    """The models that are served."""
    return ModelList(data=[_line(served) for served in call.service.models.values()])


@router.get("/{name}", responses=ERRORS)
def model(call: Reading, name: Name) -> ModelFacts | TextFacts | RowsFacts:
    """What one model can do."""
    served = call.served(name)
    return next(facts for kind, facts in FACTS.items() if isinstance(served.guarded, kind))(served)


def _pictures(served: Served) -> ModelFacts:
    it, recipe = served.model, served.model.recipe
    smallest, largest = it.limits
    names = getattr(it.encoder, "names", ())
    shared = _shared(served)
    return ModelFacts(
        **shared, condition="classes" if names else "text",
        classes=list(names), styles=list(asking.styles(it)), sizes=list(it.sizes), smallest=smallest,
        largest=largest, multiple=recipe.network.multiple, transparent=recipe.codec.channels == 4,
        defaults=_defaults(served), examples=list(recipe.training.prompts) or list(names),
        training_pictures=sum(shared["licences"].values()) or None,
    )  # fmt: skip


def _texts(served: Served) -> TextFacts:
    recipe = served.model.recipe
    return TextFacts(
        **_shared(served), context=recipe.network.context, length=recipe.sampling.length,
        temperature=recipe.sampling.temperature, samplers=list(TOKEN_METHODS), examples=list(recipe.training.prompts),
    )  # fmt: skip


def _rows(served: Served) -> RowsFacts:
    columns = [
        ColumnFacts(name=one.name, type=one.type, values=[v for v in one.kinds[:SHOWN] if v is not None])
        for one in served.model.recipe.codec.columns
    ]
    return RowsFacts(**_shared(served), columns=columns, most=MOST)


FACTS = {Guarded: _pictures, GuardedTexts: _texts, GuardedRows: _rows}
"""What is told of a model, by what guards it."""


def _shared(served: Served) -> dict[str, Any]:
    """What is told of any model."""
    bundle = served.model.bundle
    licences: dict[str, int] = {}
    for origin in bundle.facts.data.origins if bundle and bundle.facts.data else ():
        licences[origin.licence] = licences.get(origin.licence, 0) + origin.trained
    return _line(served).model_dump() | {
        "fingerprint": bundle and bundle.fingerprint, "parameters": bundle.facts.parameters if bundle else 0,
        "summary": getattr(served.model.recipe, "summary", ""), "licences": licences,
        "policy": served.guarded.policy.name, "policy_hash": served.guarded.policy.hash,
    }  # fmt: skip


@router.get("/{name}/samplers", responses=ERRORS)
def samplers(call: Reading, name: Name) -> Samplers:
    """The methods that draw with a model."""
    return _samplers(call.pictures(name))


@router.get(
    "/{name}/card", response_class=Response,
    responses={**ERRORS, 200: {"description": "It.", "content": {"text/markdown": {"schema": {"type": "string"}}}}},
)  # fmt: skip
def card(call: Reading, name: Name) -> Response:
    """A model's card, in Markdown."""
    bundle = _bundle(call.served(name))
    return FileResponse(bundle.folder / CARD, media_type="text/markdown; charset=utf-8")


@router.get("/{name}/report", responses=ERRORS)
def report(call: Reading, name: Name) -> dict[str, Any]:
    """What was measured of a model: `ornstein evaluate` writes it into the bundle."""
    return dict(_bundle(call.served(name)).metrics())


def _line(served: Served) -> ModelLine:
    return ModelLine.model_validate({"id": served.name, "created": int(served.since), "makes": served.makes})


def _samplers(served: Served) -> Samplers:
    found = [
        Sampler(id=name, summary=one.summary, evaluations=one.evaluations) for name, one in METHODS.items()
    ]
    if steps := sorted({fit.evaluations for fit in served.model.recipe.sampling.fits}):
        fitted = Sampler(id=FITTED, summary="fitted to this model, for few steps", evaluations=1, steps=steps)
        found.insert(0, fitted)
    return Samplers(data=found)


def _defaults(served: Served) -> Defaults:
    sampling = served.model.recipe.sampling
    return Defaults(
        num_inference_steps=sampling.steps, guidance_scale=sampling.guidance, size=sampling.size,
        sampler=sampling.method(None, sampling.steps, sampling.guidance),
    )  # fmt: skip


def _bundle(served: Served) -> Bundle:
    if served.model.bundle is None:
        raise ApiError(404, f"{served.name!r} was never saved: it has no card")
    return served.model.bundle
