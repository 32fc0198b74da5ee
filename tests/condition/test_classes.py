"""Classes as conditions."""

from __future__ import annotations

import pytest
import torch

from ornstein.condition.classes import ClassEncoder
from ornstein.condition.parts import Phrase
from ornstein.errors import UsageError

ENCODER = ClassEncoder(["T-shirt", "trouser", "ankle boot"])


def test_each_class_is_its_own_direction_and_nothing_is_null():
    tokens = ENCODER.encode(["trouser", "", "T-shirt", "ankle boot"])
    assert torch.equal(tokens.states[:, 0].argmax(-1)[[2, 0, 3]], torch.arange(3))
    assert tokens.states.sum(-1).flatten().tolist() == [1, 0, 1, 1]
    assert tokens.mask.flatten().tolist() == [True, False, True, True]


def test_case_and_outer_spaces_do_not_matter():
    plain, loud = ENCODER.encode(["T-shirt"]), ENCODER.encode(["  t-SHIRT "])
    assert torch.equal(plain.states, loud.states)


def test_an_unknown_class_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="'trousers' is none; did you mean 'trouser'"):
        ENCODER.encode(["trousers"])
    with pytest.raises(UsageError, match="known: T-shirt, ankle boot, trouser"):
        ENCODER.encode(["🚀🚀🚀"])


def test_a_class_has_no_words_to_weigh():
    with pytest.raises(UsageError, match="weigh the whole part, as in T-shirt:1.3"):
        ENCODER.encode([Phrase("trouser", ((0, 7, 1.3),))])
