"""Quotas: exact shares of open prompts, never a word where a prompt says who."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ornstein.config import parse
from ornstein.errors import UsageError
from ornstein.guard.bias.attributes import find, gender, revised, states
from ornstein.guard.bias.quotas import allot, apply, decisions
from ornstein.guard.policy import Quota

WHEN = (
    "person",
    "people",
    "firefighter",
    "doctor",
    "artist",
    "older person",
    "child",
    "merperson",
    "office worker",
)
EVEN = Quota(attribute="gender", when=WHEN, shares={"female": 0.5, "male": 0.5})
TONES = Quota(
    attribute="skin-tone", when=WHEN,
    shares={"light": 0.2, "medium-light": 0.2, "medium": 0.2, "medium-dark": 0.2, "dark": 0.2},
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 50),
    st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any),
    st.integers(0, 2**32),
)
def test_every_value_has_its_share_of_any_batch_rounded_up_or_down(
    count: int, parts: list[int], seed: int
) -> None:
    shares = np.array(parts) / sum(parts)
    found = np.bincount(allot(shares.tolist(), count, np.random.default_rng(seed)), minlength=len(parts))
    assert found.sum() == count
    assert (np.abs(found - count * shares) < 1 + 1e-9).all()
    assert not found[shares == 0].any()


def test_a_single_picture_has_each_value_with_its_probability_at_any_place() -> None:
    quota = Quota(attribute="gender", when=("person",), shares={"female": 0.3, "male": 0.2, "open": 0.5})
    for count in (1, 3):
        drawn = [
            apply([quota], ["person"] * count, range(s, s + count)) for s in range(0, 4000 * count, count)
        ]
        for place in range(count):
            seen = Counter(texts[place] for texts in drawn)
            assert abs(seen["woman"] / 4000 - 0.3) < 0.03
            assert abs(seen["man"] / 4000 - 0.2) < 0.03
            assert abs(seen[None] / 4000 - 0.5) < 0.03


def test_the_same_request_is_revised_in_the_same_way_and_another_in_another() -> None:
    first = apply([EVEN], ["firefighter"] * 20, range(20))
    assert first == apply([EVEN], ["firefighter"] * 20, range(20))
    assert first != apply([EVEN], ["firefighter"] * 20, range(1, 21))
    assert Counter(first) == {"woman firefighter": 10, "man firefighter": 10}


def test_gender_and_tone_are_chosen_independently() -> None:
    texts = apply([TONES, EVEN], ["doctor, Noto style"] * 1000, range(1000))
    assert Counter(gender(text) for text in texts) == {"female": 500, "male": 500}
    dark = [gender(text) for text in texts if ", dark skin tone, Noto style" in text]
    assert len(dark) == 200
    assert 70 < dark.count("female") < 130


@pytest.mark.parametrize(
    ("prompt", "woman"),
    [
        ("firefighter", "woman firefighter"),
        ("a firefighter, Noto style", "a woman firefighter, Noto style"),
        ("an artist", "a woman artist"),
        ("An artist at work", "A woman artist at work"),
        ("person running, 3D style", "woman running, 3D style"),
        ("3D style person running", "3D style woman running"),
        ("deaf person", "deaf woman"),
        ("a person", "a woman"),
        ("a older person", "an old woman"),
        ("people wrestling", "women wrestling"),
        ("two firefighters", "two women firefighters"),
        ("child", "girl"),
        ("merperson, flat style", "mermaid, flat style"),
        ("an Office  worker", "a woman Office  worker"),
        ("(firefighter:1.3) at sea", "(woman firefighter:1.3) at sea"),
    ],
)
def test_wording_is_that_of_captions(prompt: str, woman: str) -> None:
    quota = EVEN.model_copy(update={"shares": {"female": 1.0}})
    assert apply([quota], [prompt], [0]) == [woman]
    assert gender(woman) == "female"
    assert apply([quota], [woman], [0]) == [None]


def test_skin_tone_stands_where_captions_have_it() -> None:
    who = find(WHEN, "person running")
    assert revised("skin-tone", "dark", "person running", who) == "person running, dark skin tone"
    styled = "woman firefighter, Noto classic style"
    assert (
        revised("skin-tone", "light", styled, who) == "woman firefighter, light skin tone, Noto classic style"
    )
    assert revised("skin-tone", "none", styled, who) == styled


@pytest.mark.parametrize(
    "prompt",
    [
        "woman firefighter", "a Man and a person", "girl doctor", "the doctor and her dog", "SHE is a doctor",
        "lady artist", "fireman, a person", "policewomen and people", "person with a moustache", "bearded doctor",
        "nonbinary person", "gender-neutral firefighter", "a female doctor", "mr doctor", "doctor, mother of two",
        "old wizard person", "princess, a person", "a man's doctor", "grandma the artist", "queen (person)",
        "ｗｏｍａｎ doctor",
    ],
)  # fmt: skip
def test_a_stated_gender_is_never_touched(prompt: str) -> None:
    assert states("gender", prompt)
    assert apply([EVEN], [prompt] * 8, range(8)) == [None] * 8


@pytest.mark.parametrize(
    "prompt",
    ["person, dark skin tone", "black doctor", "a pale person", "Asian firefighter", "light-skinned child",
     "brown-skinned artist", "doctor with fair complexion", "African people"],
)  # fmt: skip
def test_a_stated_skin_tone_is_never_touched(prompt: str) -> None:
    assert apply([TONES], [prompt] * 8, range(8)) == [None] * 8


@pytest.mark.parametrize(
    "prompt",
    ["cat", "a firefighter's helmet", "a firefighter’s helmet", "personal computer", "impersonation", "artistic cat",
     "doctorate", "", "🦊", "spokesperson-like cat",],
)  # fmt: skip
def test_what_is_not_about_people_is_not_touched(prompt: str) -> None:
    assert apply([EVEN, TONES], [prompt], [1]) == [None]


@pytest.mark.parametrize(
    "prompt", ["a human person", "german doctor", "an omen for people", "roman firefighter"]
)
def test_words_that_merely_end_in_man_state_nothing(prompt: str) -> None:
    assert gender(prompt) == "open"
    assert apply([EVEN], [prompt], [0])[0] is not None


def test_stated_prompts_do_not_count_towards_the_shares() -> None:
    prompts = ["firefighter", "woman firefighter"] * 10
    found = apply([EVEN], prompts, range(20))
    assert found[1::2] == [None] * 10
    assert Counter(found[::2]) == {"woman firefighter": 5, "man firefighter": 5}


def test_of_two_quotas_for_one_attribute_the_first_that_speaks_of_it_counts() -> None:
    first = Quota(attribute="gender", when=("doctor",), shares={"female": 1.0})
    second = Quota(attribute="gender", when=("doctor", "artist"), shares={"male": 1.0})
    assert apply([first, second], ["doctor", "artist"], [0, 1]) == ["woman doctor", "man artist"]


def test_every_change_is_disclosed_and_nothing_else() -> None:
    prompts, seeds = ["doctor, Noto style", "cat", "woman doctor"], [1, 2, 3]
    texts, told = apply([EVEN, TONES], prompts, seeds), decisions([EVEN, TONES], prompts, seeds)
    assert [[d.rule for d in each] for each in told] == [
        ["quota:gender", "quota:skin-tone"],
        [],
        ["quota:skin-tone"],
    ]
    for text, each in zip(texts, told, strict=True):
        assert {d.changed for d in each} == ({text} if text else set())
        assert all(d.stage == "prompt" and d.action == "transform" for d in each)


def test_open_is_a_value_that_changes_and_discloses_nothing() -> None:
    quota = Quota(attribute="gender", when=WHEN, shares={"open": 1.0})
    assert apply([quota], ["doctor"] * 3, range(3)) == [None] * 3
    assert decisions([quota], ["doctor"], [0]) == [()]


def test_nothing_is_asked_of_nothing() -> None:
    assert apply([], ["doctor"], [0]) == [None]
    assert apply([EVEN], [], []) == []


def test_a_value_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="'femal' is no value of gender; did you mean 'female'"):
        parse(Quota, {"attribute": "gender", "when": ["doctor"], "shares": {"femal": 1.0}})
    with pytest.raises(UsageError, match="'male' is no value of skin-tone"):
        parse(Quota, {"attribute": "skin-tone", "when": ["doctor"], "shares": {"male": 1.0}})
