"""What real pictures show, by the pack's own labels: gender from names, skin tone from variants.

Looked at are families of concepts with a woman's and a man's picture: "firefighter" with "woman firefighter" and "man
firefighter". A picture whose name states no gender counts as open only if it differs from both of its siblings: a
drawing that also stands for "man cook" shows a man, whatever it is called.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from ornstein.data.manifest import Row
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.guard.bias.attributes import OPEN, VALUES, Attribute, gender

SAME = 1.0  # of 255, mean over all bytes: two drawings that differ by less are one


@dataclass(frozen=True)
class Labels:
    """Pictures whose gender and skin tone are known.

    Attributes:
        rows: of the pack, (N,) ascending. families: name of each's family, (N,).
        shown: for each attribute, index of the value that the picture shows, (N,).
        named: whether its name states a gender, (N,) bool. same: of those that state none, whether the picture is
            that of a woman or of a man all the same, (N,) bool.
    """

    rows: np.ndarray
    families: np.ndarray
    shown: dict[Attribute, np.ndarray]
    named: np.ndarray
    same: np.ndarray


def stated(row: Row) -> str | None:
    """Gender that the manifest states of a picture, ``open`` for none; None where there are several."""
    return row.gender or gender(row.concept)


def people(rows: list[Row], tones: int) -> list[str]:
    """Families of single persons with a female and a male member, in order.

    Args:
        rows: of a manifest.
        tones: variants from 1 to this many are skin tones of one person; those above are of two.
    """
    members: dict[str, set[str | None]] = defaultdict(set)
    for row in rows:
        members[row.family].add(None if row.variant > tones else stated(row))
    return sorted(
        family for family, found in members.items() if {"female", "male"} <= found and None not in found
    )


def label(pack: Pack) -> Labels:
    """Labels of a pack's people.

    Raises:
        OrnsteinError: the pack has no such families.
    """
    rows, values = pack.rows(), VALUES["gender"]
    tones = VALUES["skin-tone"]
    wanted = set(people(rows, len(tones) - 1))
    if not wanted:
        raise OrnsteinError(
            f"the pack {pack.name} has no concept with a woman's and a man's picture: nothing to tell gender by"
        )
    siblings: dict[tuple[str, str, int], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, row in enumerate(rows):
        if row.family in wanted:
            siblings[row.family, row.style, row.variant][stated(row) or OPEN].append(index)
    found: dict[int, tuple[str, bool, bool]] = {}
    for group in siblings.values():
        for value in ("female", "male"):
            found |= dict.fromkeys(group[value], (value, True, False))
        if group["female"] and group["male"]:
            for index in group[OPEN]:
                looks = _looks(pack, index, group)
                found[index] = looks, False, looks != OPEN
    order = sorted(found)
    return Labels(
        rows=np.array(order),
        families=np.array([rows[index].family for index in order]),
        shown={
            "gender": np.array([values.index(found[index][0]) for index in order]),
            "skin-tone": np.array([rows[index].variant for index in order]),
        },
        named=np.array([found[index][1] for index in order]),
        same=np.array([found[index][2] for index in order]),
    )


def _looks(pack: Pack, index: int, siblings: dict[str, list[int]]) -> str:
    """The gender whose drawing this is as well; ``open`` if it is neither's, or both's."""
    mine = pack.pictures(np.array([index])).astype(np.int16)
    same = [
        value
        for value in ("female", "male")
        if (
            np.abs(pack.pictures(np.array(siblings[value])).astype(np.int16) - mine).mean((1, 2, 3)) < SAME
        ).any()
    ]
    return same[0] if len(same) == 1 else OPEN
