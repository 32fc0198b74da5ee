"""Tokens carry any text there and back; holes are read or refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ornstein.codec.tokens import START, TokenCodec
from ornstein.condition.holes import parse
from ornstein.errors import UsageError

CODEC = TokenCodec(size=300).fitted(["the cat and the dog and the hen\n"] * 50)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_comes_back(text):
    tokens = CODEC.encode(text)
    assert CODEC.decode([START, *tokens]) == text
    assert all(START < token < CODEC.categories for token in tokens)


def test_merges_are_all_there_is_to_store():
    again = TokenCodec.model_validate_json(CODEC.model_dump_json())
    assert again.encode("the dog and") == CODEC.encode("the dog and")
    assert len(CODEC.encode("the dog and")) < len(TokenCodec().encode("the dog and")) == 11


def test_bytes_that_are_no_text_become_the_replacement_character():
    assert CODEC.decode([*CODEC.encode("é")[:1]]) == "\ufffd"


def test_many_at_once_are_each_alone():
    texts = ["the cat", "", "a hen\n"]
    assert CODEC.encode_all(texts) == [CODEC.encode(text) for text in texts]


def test_a_prompt_is_text_and_holes():
    assert parse("In the beginning [MASK*20] earth") == ["In the beginning", 20, " earth"]
    assert parse("[MASK] a [MASK][MASK*3]") == [1, " a", 1, 3]
    assert parse("no hole [at all]") == ["no hole [at all]"]


@pytest.mark.parametrize(
    "hole", ["[MASK*0]", "[MASK*-1]", "[MASK*]", "[MASK*2", "[MASK*1.5]", "[MASKS]", "[MASK*9999999]"]
)
def test_a_bad_hole_is_one_line(hole):
    with pytest.raises(UsageError, match="is no hole: write"):
        parse(f"word {hole} word")
