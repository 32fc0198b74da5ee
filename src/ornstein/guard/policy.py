"""The policy: one versioned YAML file that says what is checked, at which stage, and what is done about it.

What no policy can allow stands in code (``prompts/forbidden.py``) and is not mentioned here.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from ornstein.config import Config, parse
from ornstein.data.licences import DEFAULT as ALLOWED_LICENCES
from ornstein.errors import UsageError, nearest
from ornstein.guard import plain_yaml
from ornstein.guard.bias.attributes import VALUES, Attribute
from ornstein.guard.decision import Action
from ornstein.shelf import home

SHIPPED = Path(__file__).parent / "policy.yaml"
VARIABLE = "ORNSTEIN_POLICY"
FILES = ("chain", "key")  # values that name files


class Words(Config):
    """Words and phrases of one kind.

    Attributes:
        id: names the rule in decisions and records. reason: told to who asked; repeats nothing of the prompt.
        words: matched whole, after normalisation, in any inflection that is listed.
        lists: names of shipped lists to add.
        action: what is done. replace: what takes the place of a match, for transform.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")
    reason: str = Field(min_length=1, max_length=300)
    words: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    action: Action = "deny"
    replace: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Words:
        if (self.action == "transform") != (self.replace is not None):
            raise ValueError("replace belongs to transform, and transform needs it")
        if not self.words and not self.lists:
            raise ValueError("a rule needs words or lists")
        return self


class Threshold(Config):
    """A checker with scores: from `review` on a person decides, from `deny` on nobody needs to.

    Attributes:
        checker: its name. label: which of its classes. review, deny: scores from 0 to 1; None for never.
        reason: told to who asked.
    """

    checker: str
    label: str
    review: float | None = Field(default=None, ge=0, le=1)
    deny: float | None = Field(default=None, ge=0, le=1)
    reason: str = Field(min_length=1, max_length=300)

    @model_validator(mode="after")
    def _decides(self) -> Threshold:
        if self.review is None and self.deny is None:
            raise ValueError("a checker needs review or deny: else leave it out")
        return self


class PromptStage(Config):
    """Rules for prompts. `allow` holds phrases that are harmless whatever rule they seem to match."""

    rules: tuple[Words, ...] = ()
    allow: tuple[str, ...] = ()
    checkers: tuple[Threshold, ...] = ()

    @model_validator(mode="after")
    def _named_once(self) -> PromptStage:
        names = [rule.id for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules are called {twice[0]!r}")
        return self


class InputStage(Config):
    """Checks of pictures that a request brings."""

    checkers: tuple[Threshold, ...] = ()


class Copies(Config):
    """What is done with outputs that are nearer to a training picture than held-out ones are.

    Attributes:
        action: transform draws again with another seed, `tries` times at most, and denies what is left; deny, review
            and allow (only reported) do so at once.
        alpha: share of honest pictures that may be held to be copies.
    """

    action: Action = "transform"
    alpha: float = Field(default=0.01, gt=0, lt=0.5)
    tries: int = Field(default=2, ge=1, le=10)


class OutputStage(Config):
    """Checks of what was generated. `copies` None: sources are not searched."""

    checkers: tuple[Threshold, ...] = ()
    copies: Copies | None = Copies()


class TimeStamp(Config):
    """Of credentials: an RFC 3161 service, and what happens while it does not answer.

    Attributes:
        url: https address. when_down: deny writes nothing; allow signs without a stamp, and the record says so.
    """

    url: str = Field(pattern=r"^https?://")
    when_down: Literal["deny", "allow"] = "deny"


class Credentials(Config):
    """Content Credentials (C2PA) of every file.

    Attributes:
        chain: PEM file of certificates, leaf first; None for the development chain, made at first use.
        key: PEM file of the leaf's key; None: the environment's ORNSTEIN_SIGNING_KEY, or the development key.
        time_stamp: None for none. prompt: whether the prompt stands in the credential.
        training: whether others may train on the pictures.
    """

    chain: Path | None = None
    key: Path | None = None
    time_stamp: TimeStamp | None = None
    prompt: bool = False
    training: Literal["allowed", "notAllowed", "constrained"] = "notAllowed"


class Watermark(Config):
    """A mark in the noise that pictures are made of; only with samplers that draw no more noise.

    Attributes:
        key: file with a secret of 32 bytes or more; None for the public key, which anybody can look for (and forge).
        also: a second mark, in finished pixels, whatever the sampler: pattern, from 48 pixels a side on; or rivagan,
            from 256 on; None for none.
    """

    key: Path | None = None
    also: Literal["pattern", "rivagan"] | None = "pattern"


class PublishStage(Config):
    """What goes out with a picture.

    Attributes:
        credentials: None: files are not signed. watermark: None: no mark.
        prompt: whether prompt and replay record stand in the file, where other programs read them.
    """

    credentials: Credentials | None = Credentials()
    watermark: Watermark | None = Watermark()
    prompt: bool = True


class Records(Config):
    """The log of requests and decisions.

    Attributes:
        prompts: clear, hash (keyed, so that a guess cannot be checked by others), or none.
        days: how long entries are kept; None for ever.
    """

    prompts: Literal["clear", "hash", "none"] = "hash"
    days: int | None = Field(default=180, ge=1)


class Training(Config):
    """What may be learned from.

    Attributes:
        licences: SPDX identifiers. holders: whose pictures are refused, by name.
        duplicates: keep only counts them; drop leaves one of each group of copies.
    """

    licences: tuple[str, ...] = tuple(sorted(ALLOWED_LICENCES))
    holders: tuple[str, ...] = ()
    duplicates: Literal["keep", "drop"] = "keep"


class Quota(Config):
    """Shares of an attribute's values where a prompt leaves it open.

    Attributes:
        attribute: gender or skin-tone. when: words of which a prompt needs one to be about people.
        shares: value to share; they sum to 1. Values: female, male and open (neither); none (no human colour), light,
            medium-light, medium, medium-dark and dark.
    """

    attribute: Attribute
    when: tuple[str, ...] = Field(min_length=1)
    shares: dict[str, float]

    @model_validator(mode="after")
    def _sums(self) -> Quota:
        if abs(sum(self.shares.values()) - 1) > 1e-6 or min(self.shares.values(), default=-1) < 0:
            raise ValueError("shares are not negative and sum to 1")
        known = VALUES[self.attribute]
        if unknown := sorted(set(self.shares) - set(known)):
            raise ValueError(f"{unknown[0]!r} is no value of {self.attribute}{nearest(unknown[0], known)}")
        return self


class _Named(Config):
    """What every policy says itself."""

    version: Literal[1]
    name: str = Field(min_length=1, max_length=100)


class Policy(_Named):
    """All of it."""

    prompt: PromptStage = PromptStage()
    input: InputStage = InputStage()
    output: OutputStage = OutputStage()
    publish: PublishStage = PublishStage()
    quotas: tuple[Quota, ...] = ()
    records: Records | None = Records()
    training: Training = Training()

    @classmethod
    def read(cls, path: Path) -> Policy:
        """A policy file, laid over the shipped one: what it leaves out stays as shipped, so that naming one key turns
        nothing else off. Lists are taken whole. Paths are relative to the file.

        Raises:
            OrnsteinError: no such file, or one that cannot be read. UsageError: unknown keys, values out of range.
        """
        values = plain_yaml.read(path, "policy")
        try:
            if path != SHIPPED:
                parse(_Named, {key: values[key] for key in ("version", "name") if key in values})
                values = _over(_placed(values, path.parent), plain_yaml.read(SHIPPED, "policy"))
            return parse(cls, values)
        except UsageError as error:
            raise UsageError(f"the policy {path}: {plain_yaml.one_line(error)}") from None

    @classmethod
    def find(cls, path: Path | None = None) -> Policy:
        """The policy in force: the one named, else that of ORNSTEIN_POLICY, the user's own, or the shipped one.

        Raises:
            OrnsteinError, UsageError: as ``read``; a policy that is named and cannot be read is never passed over.
        """
        return cls.read(where(path))

    @cached_property
    def hash(self) -> str:
        """Sha256 of what it says, defaults written out; comments, order and folders of files do not count."""
        values = self.model_dump()
        text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=lambda path: path.name)
        return hashlib.sha256(text.encode()).hexdigest()


def where(path: Path | None = None) -> Path:
    """The file that ``Policy.find`` reads."""
    own = home().parent / "policy.yaml"
    named = path or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    return named or (own if own.exists() else SHIPPED)


def _over(values: Any, below: Any) -> Any:
    """Values laid over others, mappings within mappings."""
    if not (isinstance(values, dict) and isinstance(below, dict)):
        return values
    return below | {key: _over(value, below.get(key)) for key, value in values.items()}


def _placed(values: Any, folder: Path) -> Any:
    """Values whose names of files are resolved from a folder."""
    if not isinstance(values, dict):
        return values
    return {
        key: str(folder / value) if key in FILES and isinstance(value, str) else _placed(value, folder)
        for key, value in values.items()
    }
