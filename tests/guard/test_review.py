"""What is held for review: readable by its owner only, settled once, permitted under one policy only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ornstein.errors import OrnsteinError, UsageError
from ornstein.guard.decision import Decision
from ornstein.guard.review import Reviews

WHY = (Decision(stage="prompt", action="review", rule="profanity", reason="strong language"),)


@pytest.fixture
def reviews(tmp_path: Path) -> Reviews:
    return Reviews(tmp_path / "review")


def test_a_permit_is_for_one_prompt_one_model_and_one_policy(reviews: Reviews) -> None:
    case = reviews.hold_prompt("a" * 64, "emoji", "a rude word", WHY)
    assert reviews.hold_prompt("a" * 64, "emoji", "a rude word", WHY).id == case.id
    assert not reviews.permitted("a" * 64, "emoji", "a rude word")
    reviews.settle(reviews.case(case.id), permit=True)
    assert reviews.permitted("a" * 64, "emoji", "a rude word")
    assert not reviews.permitted("b" * 64, "emoji", "a rude word")
    assert not reviews.permitted("a" * 64, "fashion", "a rude word")
    assert not reviews.permitted("a" * 64, "emoji", "a ruder word")


def test_a_settled_case_leaves_no_word_of_the_prompt(reviews: Reviews) -> None:
    case = reviews.hold_prompt("a" * 64, "emoji", "a rude word", WHY)
    assert [waiting.prompt for waiting in reviews.waiting()] == ["a rude word"]
    assert all(file.stat().st_mode & 0o077 == 0 for file in [reviews.folder, *reviews.folder.iterdir()])
    reviews.settle(case, permit=True)
    assert reviews.waiting() == []
    assert not any(b"rude" in file.read_bytes() for file in reviews.folder.iterdir())
    with pytest.raises(UsageError, match="waiting: none"):
        reviews.case(case.id)


def test_a_rejected_prompt_is_not_permitted(reviews: Reviews) -> None:
    reviews.settle(reviews.hold_prompt("a" * 64, "emoji", "x", WHY), permit=False)
    assert not reviews.permitted("a" * 64, "emoji", "x")


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "*", "a" * 12])
def test_no_other_file_can_be_named(reviews: Reviews, name: str) -> None:
    with pytest.raises(UsageError, match="waits for review"):
        reviews.case(name)


def test_an_altered_case_is_told(reviews: Reviews) -> None:
    case = reviews.hold_prompt("a" * 64, "emoji", "x", WHY)
    file = reviews.folder / f"{case.id}.json"
    for text in ("", "[]", json.dumps({**case.model_dump(mode="json"), "stage": "none"})):
        file.write_text(text)
        with pytest.raises(OrnsteinError, match="altered or cut"):
            reviews.case(case.id)
