"""The grammar of composed prompts: what it says, round trips, and mistakes with their place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ornstein.condition.parts import SPECIAL, Part, Phrase, Turns, Weighted, Words
from ornstein.condition.syntax import MAX_DEPTH, MAX_PARTS, parse
from ornstein.errors import UsageError

MARKS = [*SPECIAL, "AND", "NOT", "AND NOT", " ", "a", "é", "1", "0.5", "1.5", "\\A", "cat"]


def said(prompt: str, steps: int = 1) -> list[list[str]]:
    """The texts of each part in its first steps."""
    return [[part.at(step).text for step in range(steps)] for part in parse(prompt)]


@pytest.mark.parametrize(
    ("prompt", "weights", "texts"),
    [
        ("a red apple", [1], ["a red apple"]),
        ("a red apple AND a green tree", [1, 1], ["a red apple", "a green tree"]),
        ("  a   b  AND  c ", [1, 1], ["a b", "c"]),
        ("NOT a worm", [-1], ["a worm"]),
        ("cat NOT blue:0.5 AND dog: 1.2", [1, -0.5, 1.2], ["cat", "blue", "dog"]),
        ("cat AND NOT blue", [1, -1], ["cat", "blue"]),
        ("cat:0", [0], ["cat"]),
        ("cat:.5", [0.5], ["cat"]),
        (r"\(a\) \[b\|c\] d\: 1:2", [2], ["(a) [b|c] d: 1"]),
        (r"R \AND B \NOT C \\ D", [1], ["R AND B NOT C \\ D"]),
        ("SAND NOTE and not android", [1], ["SAND NOTE and not android"]),
        ("cat,AND dog", [1], ["cat,AND dog"]),
        ("(red:1.3) apple AND (pear:2):0.5", [1, 0.5], ["red apple", "pear"]),
    ],
)
def test_parts_and_weights(prompt, weights, texts):
    assert [part.weight for part in parse(prompt)] == weights
    assert [part.at(0).text for part in parse(prompt)] == texts


@pytest.mark.parametrize(
    ("prompt", "phrase"),
    [
        ("(red:1.3) apple", Phrase("red apple", ((0, 3, 1.3),))),
        ("a (big (red:2):1.5) apple", Phrase("a big red apple", ((2, 6, 1.5), (6, 9, 3.0)))),
        ("a(b:0)c", Phrase("abc", ((1, 2, 0.0),))),
        ("(red:1) apple", Phrase("red apple")),
        ("( red :2)  apple", Phrase("red apple", ((0, 4, 2.0),))),
        ("(:2) apple", Phrase("apple")),
    ],
)
def test_words_are_weighed_where_they_end_up(prompt, phrase):
    assert parse(prompt)[0].at(0) == phrase


@pytest.mark.parametrize(
    ("prompt", "turns"),
    [
        ("[cat|dog] face", ["cat face", "dog face", "cat face", "dog face", "cat face", "dog face"]),
        ("[red|] [a|b|c]", ["red a", "b", "red c", "a", "red b", "c"]),
        ("[a|[b|c]]", ["a", "b", "a", "c", "a", "b"]),  # the inner turn goes on each time it comes round
        ("([a|b]:2)", ["a", "b", "a", "b", "a", "b"]),
    ],
)
def test_turns(prompt, turns):
    assert said(prompt, 6) == [turns]


def test_a_period_is_when_all_turns_come_round_together():
    for prompt, period in {
        "a": 1,
        "[a|b]": 2,
        "[a|b] [a|b|c]": 6,
        "[a|[b|[c|d]]]": 8,
        "([a|b]:2)": 2,
    }.items():
        (part,) = parse(prompt)
        assert part.period == period
        assert part.at(3 + period) == part.at(3)


@pytest.mark.parametrize(
    ("prompt", "place", "message"),
    [
        ("a (b", 3, "'(' needs a weight"),
        ("a (b:1", 3, "'(' is never closed"),
        ("(b)", 1, "'(' needs a weight"),
        ("(b]:1)", 3, "']' is not expected"),
        ("a) b", 2, r"write \) for the character itself"),
        ("a]", 2, "']' is not expected"),
        ("[a|b", 1, "'[' is never closed"),
        ("[a]", 1, "needs a choice"),
        ("[a|b:2]", 5, "a weight stands in"),
        ("a|b", 2, "stands in [cat|dog] only"),
        ("a:", 2, "':' needs a weight"),
        ("a:nan", 2, "'nan' is no weight"),
        ("a:inf AND b", 2, "'inf' is no weight"),
        ("a:-1", 2, "'-1' is no weight"),
        ("a:1e3", 2, "'1e3' is no weight"),
        ("a:10.5", 2, "'10.5' is no weight: a number from 0 to 10"),
        ("a:٣", 2, "is no weight"),
        ("a:" + "9" * 400, 2, "is no weight"),
        ("a:1.2 b", 2, "at its end"),
        ("at 10:30", 6, "'30' is no weight"),
        ("x:2:3", 2, "at its end"),
        ("((a:9):9)", 1, "come to more than 10"),
        ("AND", 1, "empty"),
        ("a AND", 6, "empty"),
        ("a AND AND b", 7, "empty"),
        ("NOT NOT a", 5, "empty"),
        ("a AND [b|]", 7, "empty"),
        ("(a AND b:1)", 4, "AND stands between parts, not inside brackets"),
        ("a\\", 2, "nothing follows"),
        (" AND ".join("a" * 1000), 6 * MAX_PARTS - 3, f"more than {MAX_PARTS} parts"),
        ("(" * 1000, MAX_DEPTH + 1, "inside one another"),
        ("[" * 1000 + "|" * 1000, MAX_DEPTH + 1, "inside one another"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_short_line_that_names_the_place(prompt, place, message):
    with pytest.raises(UsageError) as caught:
        parse(prompt)
    told = str(caught.value)
    assert message in told
    assert f"character {place}:" in told
    assert "\n" not in told
    assert len(told) < 200


def attempt(prompt: str) -> tuple[Part, ...] | str:
    """The parts, or what is said against the prompt."""
    try:
        return parse(prompt)
    except UsageError as error:
        return str(error)


@given(st.lists(st.sampled_from(MARKS), max_size=12).map("".join))
def test_any_text_is_refused_in_one_line_or_read_back_from_what_it_prints(prompt):
    parts = attempt(prompt)
    if isinstance(parts, str):
        assert "\n" not in parts
        return
    again = parse(" AND ".join(map(str, parts)))
    assert [part.weight for part in again] == [part.weight for part in parts]
    steps = range(min(12, parts[0].period))
    assert [[part.at(k) for k in steps] for part in again] == [[part.at(k) for k in steps] for part in parts]


WORD = st.text(st.sampled_from([*SPECIAL, *"ANDOT cé"]), min_size=1, max_size=6).map(Words)
WEIGHT = st.floats(0, 1)
TEXT = st.recursive(
    WORD.map(lambda word: (word,)),
    lambda inner: st.one_of(
        st.tuples(inner, WEIGHT).map(lambda pair: (Weighted(*pair),)),
        st.lists(inner, min_size=2, max_size=3).map(lambda options: (Turns(tuple(options)),)),
        st.tuples(WORD, inner).map(lambda pair: (pair[0], *pair[1])),
    ),
    max_leaves=5,
)


@given(TEXT, st.floats(1e-4, 10), st.sampled_from([1, -1]))
def test_what_is_printed_says_the_same(text, weight, sign):
    part = Part(text, sign * weight)
    read = attempt(str(part))
    if isinstance(read, str):
        assert "empty" in read or "inside one another" in read
        return
    (again,) = read
    assert again.weight == part.weight
    for step in range(min(part.period, 8)):
        mine, theirs = part.at(step), again.at(step)
        assert mine.text == theirs.text
        for (*place, one), (*other, two) in zip(mine.weights, theirs.weights, strict=True):
            assert place == other
            assert one == pytest.approx(two, abs=1e-15)
