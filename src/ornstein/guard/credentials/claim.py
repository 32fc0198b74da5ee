"""What a credential says: how a file was made, from what, and what others may do with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from ornstein import __version__
from ornstein.config import Config

if TYPE_CHECKING:
    from ornstein.record import Record

LABEL = "org.ornstein.generation"
ACTIONS, TRAINING = "c2pa.actions.v2", "cawg.training-mining"
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED, EDITED = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
USES = ("cawg.ai_training", "cawg.ai_generative_training")
PARENT = "parent"
PROGRAM = {"name": "Ornstein", "version": __version__}

Use = Literal["allowed", "notAllowed", "constrained"]


class Claim(Config):
    """Our own assertion, ``org.ornstein.generation`` version 1: how a file was made.

    Attributes:
        model: its name. fingerprint: of its bundle; None for one that was never saved. policy: its hash.
        sampler, steps, seed, guidance: as asked for. evaluations: of the network, for this file.
        watermark_key: the first digits of the sha256 of the key; watermark_code: which of its codes; None without.
        partial: True for a preview of a picture on its way, whose evaluations are those so far.
        prompt: left out by the signer unless its policy wants it.
    """

    version: Literal[1] = 1
    model: str = Field(max_length=200)
    fingerprint: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    policy: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    sampler: str = Field(max_length=100)
    steps: int = Field(ge=1)
    evaluations: int = Field(ge=0)
    seed: int = Field(ge=0, lt=2**53)
    guidance: float
    watermark_key: str | None = Field(default=None, pattern=r"^[0-9a-f]{16}$")
    watermark_code: int | None = Field(default=None, ge=0)
    partial: Literal[True] | None = None
    prompt: str | None = Field(default=None, max_length=2000)

    @classmethod
    def of(cls, record: Record, evaluations: int) -> Claim:
        """What a replay record says, and how many evaluations of the network the file took."""
        request, mark = record.request, record.mark
        return cls(
            model=record.model.name, fingerprint=record.model.fingerprint, policy=record.policy,
            sampler=request.sampler, steps=request.steps, evaluations=evaluations, seed=request.seed,
            guidance=request.guidance, prompt=request.prompt,
            watermark_key=mark.key if mark else None, watermark_code=mark.code if mark else None,
        )  # fmt: skip


def manifest(claim: Claim, training: Use, edited: bool) -> dict[str, Any]:
    """The manifest's definition, as the library's builder takes it.

    Args:
        claim: ours.
        training: whether others may train on the file.
        edited: made from a file that is added as the ingredient ``parent``; else made from nothing but noise.
    """
    made = {"when": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "softwareAgent": PROGRAM}
    created = {"action": "c2pa.created", "digitalSourceType": SOURCE + GENERATED, **made}
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT]}}
    changed = {"action": "c2pa.edited", "digitalSourceType": SOURCE + EDITED, **made}
    contents = {
        ACTIONS: {"actions": [opened, changed] if edited else [created]},
        TRAINING: {"entries": {use: {"use": training} for use in USES}},
        LABEL: claim.model_dump(exclude_none=True),
    }
    return {
        "claim_generator_info": [PROGRAM],
        "assertions": [{"label": label, "data": data} for label, data in contents.items()],
    }
