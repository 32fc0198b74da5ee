"""``/v1/models``: what is served, and what each can do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import FileResponse, Response

from ornstein.bundle import CARD, Bundle
from ornstein.sample.fitted import FITTED
from ornstein.sample.registry import METHODS
from ornstein.serve.api import asking
from ornstein.serve.api.calls import Reading
from ornstein.serve.api.errors import ApiError, documented
from ornstein.serve.service import Served

router = APIRouter(prefix="/v1/models", tags=["models"])
ERRORS = documented(400, 401, 403, 404, 503)
Name = Annotated[str, Path(max_length=200, description="As /v1/models lists it.")]


class ModelLine(BaseModel):
    """A model, as OpenAI lists them."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="Since when it is served, seconds since 1970.")
    owned_by: str = "ornstein"


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


class ModelFacts(ModelLine):
    """What a model can do, and its defaults."""

    fingerprint: str | None
    parameters: int
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
    licences: dict[str, int] = Field(description="Pictures it learned from, by licence.")
    policy: str = Field(description="Name of the policy that it is served under.")
    policy_hash: str


@router.get("", responses=documented(401, 403, 503))
def models(call: Reading) -> ModelList:
    """The models that are served."""
    return ModelList(data=[_line(served) for served in call.service.models.values()])


@router.get("/{name}", responses=ERRORS)
def model(call: Reading, name: Name) -> ModelFacts:
    """What one model can do."""
    served = call.served(name)
    it, recipe = served.model, served.model.recipe
    smallest, largest = it.limits
    names = getattr(it.encoder, "names", ())
    data = it.bundle.facts.data if it.bundle else None
    licences: dict[str, int] = {}
    for origin in data.origins if data else ():
        licences[origin.licence] = licences.get(origin.licence, 0) + origin.trained
    return ModelFacts(
        **_line(served).model_dump(), fingerprint=it.bundle and it.bundle.fingerprint,
        parameters=it.bundle.facts.parameters if it.bundle else 0, condition="classes" if names else "text",
        classes=list(names), styles=list(asking.styles(it)), sizes=list(it.sizes), smallest=smallest,
        largest=largest, multiple=recipe.network.multiple, transparent=recipe.codec.channels == 4,
        defaults=_defaults(served), examples=list(recipe.training.prompts) or list(names),
        training_pictures=sum(licences.values()) or None, licences=licences, policy=served.guarded.policy.name,
        policy_hash=served.guarded.policy.hash,
    )  # fmt: skip


@router.get("/{name}/samplers", responses=ERRORS)
def samplers(call: Reading, name: Name) -> Samplers:
    """The methods that draw with a model."""
    return _samplers(call.served(name))


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
    return ModelLine(id=served.name, created=int(served.since))


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
