"""What an emoji shows: code points and icon names become concepts, skin tones become variants."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

TONES = ("light", "medium-light", "medium", "medium-dark", "dark")
_TONE_CODES = {code: tone for tone, code in enumerate(("1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"), start=1)}

# Code points that name a woman or a man, and the one that leaves it open: children, elders, royalty
_NEUTRAL = {
    **dict.fromkeys(("1F468", "1F469"), "1F9D1"),
    **dict.fromkeys(("1F466", "1F467"), "1F9D2"),
    **dict.fromkeys(("1F474", "1F475"), "1F9D3"),
    **dict.fromkeys(("1F934", "1F478"), "1FAC5"),
    **dict.fromkeys(("1F930", "1FAC3"), "1FAC4"),
    **dict.fromkeys(("1F385", "1F936"), "1F9D1-200D-1F384"),
    "1F57A": "1F483",
    **dict.fromkeys(("1F46B", "1F46C", "1F46D"), "1F9D1-200D-1F91D-200D-1F9D1"),
}
_PARTNERS = {"2764": "1F491", "1F48B": "1F48F", "1F91D": "1F9D1-200D-1F91D-200D-1F9D1"}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one picture shows. `tones` holds no, one or two numbers of 1 (light) to 5 (dark)."""

    concept: str
    family: str
    tones: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    group: str = ""
    gender: str = ""

    @property
    def variant(self) -> int:
        """0 plain, 1 to 5 one tone, 6 to 30 two tones."""
        if len(self.tones) == 2:
            return 5 * self.tones[0] + self.tones[1]
        return self.tones[0] if self.tones else 0


def variant_names() -> list[str]:
    """Return the words for variants 0 to 30, "" for the plain one."""
    one = [f"{tone} skin tone" for tone in TONES]
    return ["", *one, *(f"{first} and {second} skin tones" for first in TONES for second in TONES)]


def slug(text: str) -> str:
    """Return lower-case ASCII words joined by hyphens."""
    text = re.sub("['\u2019]", "", unicodedata.normalize("NFKD", text))
    return re.sub(r"[^a-z0-9]+", "-", text.encode("ascii", "ignore").decode().lower()).strip("-")


def normal(code: str) -> str:
    """Return a code point sequence as emojibase spells it, without the presentation selector FE0F."""
    parts = code.upper().replace("_", "-").split("-")
    return "-".join(part.zfill(4) for part in parts if part != "FE0F")


def is_private(code: str) -> bool:
    """Whether a sequence holds a private-use code point: a brand's or a vendor's own sign."""
    points = [int(part, 16) for part in normal(code).split("-")]
    return any(0xE000 <= point <= 0xF8FF or point >= 0xF0000 for point in points)


def natural(label: str) -> str:
    """Return an emojibase label as words a person would type: "flag: France" becomes "flag of France"."""
    label = label.replace("\u2019", "'").replace("regional indicator", "letter").replace(" & ", " and ")
    head, colon, tail = label.partition(": ")
    if not colon:
        return label
    if head in ("flag", "family"):
        return f"{head} of {tail}"
    if head == "keycap":
        return f"keycap {tail}"
    if tail == "bald":
        return f"bald {head}"
    if tail == "beard":
        return f"{head} with beard"
    return f"{head} with {tail}" if tail.endswith("hair") else f"{head}, {tail}"


class Names:
    """Meanings by code point sequence and by icon name, from emojibase's data and the names sets use."""

    def __init__(self, entries: Iterable[Mapping[str, Any]], groups: Mapping[int, str]) -> None:
        """`entries` is emojibase's data.json; `groups` maps its group numbers to words."""
        entries = list(entries)
        self._by_code: dict[str, Meaning] = {}
        self._by_name: dict[str, Meaning] = {}
        self._squashed: dict[str, Meaning] = {}
        labels = {normal(entry["hexcode"]): natural(entry["label"]) for entry in entries}
        for entry in entries:
            code = normal(entry["hexcode"])
            meaning = Meaning(
                concept=labels[code],
                family=labels.get(_neutral(code, entry["label"]), labels[code]),
                tags=tuple(entry.get("tags", ())),
                group=groups.get(entry.get("group", -1), ""),
                gender={0: "female", 1: "male"}.get(entry.get("gender", -1), ""),
            )
            self._by_code[code] = meaning
            for skin in entry.get("skins", ()):
                tone = skin["tone"]
                tones = (tone,) if isinstance(tone, int) else tuple(tone)
                self._by_code[normal(skin["hexcode"])] = replace(meaning, tones=tones)
            self.learn(entry["label"], entry["hexcode"])

    def learn(self, name: str, code: str) -> None:
        """Remember that sets call this sequence `name`; the first meaning of a name stays."""
        if (meaning := self._by_code.get(normal(code))) and (key := slug(name)):
            self._by_name.setdefault(key, meaning)
            self._squashed.setdefault(key.replace("-", ""), meaning)

    def by_code(self, code: str) -> Meaning | None:
        """Return the meaning of a sequence; one that emojibase lacks may still be a known base with tones."""
        parts = normal(code).split("-")
        if found := self._by_code.get("-".join(parts)):
            return found
        tones = tuple(_TONE_CODES[part] for part in parts if part in _TONE_CODES)
        base = self._by_code.get("-".join(part for part in parts if part not in _TONE_CODES))
        return replace(base, tones=tones) if base and len(tones) in (1, 2) else None

    def by_name(self, name: str) -> Meaning | None:
        """Return the meaning of an icon name, read with or without its word boundaries and skin tones."""
        key = slug(name)
        base, tones = split_tones(key)
        if found := self._find(key):
            return found
        if found := self._find(base) if tones else None:
            return replace(found, tones=tones)
        country = key.removeprefix("flag-for-").removeprefix("flag-")
        return self._find(f"flag-{country}") or self._find(country) if key.startswith("flag-for-") else None

    def _find(self, key: str) -> Meaning | None:
        return self._by_name.get(key) or self._squashed.get(key.replace("-", ""))

    def invent(self, name: str) -> Meaning:
        """Return a meaning made of the icon's own words, for pictures that emojibase does not know."""
        base, tones = split_tones(slug(name))
        words = base.replace("-", " ")
        return Meaning(concept=words, family=words, tones=tones)


def split_tones(name: str) -> tuple[str, tuple[int, ...]]:
    """Split "waving-hand-medium-dark-skin-tone" into ("waving-hand", (4,))."""
    found = re.search(r"((?:-(?:medium-light|medium-dark|light|medium|dark)-skin-tone){1,2})$", name)
    if not found:
        return name, ()
    tones = re.findall(r"(medium-light|medium-dark|light|medium|dark)-skin-tone", found.group(1))
    return name[: found.start()], tuple(TONES.index(tone) + 1 for tone in tones)


def _neutral(code: str, label: str) -> str:
    """Return the sequence with gender taken out, to be looked up as the family."""
    if label.startswith("family"):
        return "1F46A"
    parts = [part for part in code.split("-") if part not in ("2640", "2642")]
    while parts and parts[-1] == "200D":
        parts.pop()
    people = sum(part in ("1F468", "1F469", "1F9D1") for part in parts)
    if people == 2:
        return next((_PARTNERS[part] for part in ("1F48B", "2764", "1F91D") if part in parts), code)
    return "-".join(_NEUTRAL.get(part, part) for part in parts)
