"""What one character can be read as: the Latin letters it is, looks like, sounds like or stands for.

Looks come from the Unicode Consortium's table of confusable characters (UTS 39, by way of ``confusable-homoglyphs``),
sounds from ``anyascii``, compatibility forms from Unicode itself (NFKD); below stands only what these lack. Several
answers are kept where several are possible: nu looks like v and sounds like n.
"""

from __future__ import annotations

import string
import unicodedata
from functools import cache, lru_cache

SEEN, LEET, GUESSED = 10, 5, 1
"""How much of a letter is there to see: itself, a digit or sign in its place, any sign where one is missing."""

Reading = tuple[tuple[str, int], ...]
"""Letters with how much of them is seen, likeliest first."""

VOWELS: Reading = tuple((letter, GUESSED) for letter in "aeiou")
LETTERS: Reading = tuple((letter, GUESSED) for letter in string.ascii_lowercase)

_TWINS = {"I": (("i", SEEN), ("l", SEEN)), "l": (("l", SEEN), ("i", LEET)), "z": (("z", SEEN), ("s", LEET))}
_DIGITS = {
    "0": "o",
    "1": "il",
    "2": "z",
    "3": "e",
    "4": "a",
    "5": "s",
    "6": "gb",
    "7": "t",
    "8": "b",
    "9": "gq",
}
_SIGNS = {
    "@": "a", "$": "s", "!": "i", "|": "il", "+": "t", "€": "e", "£": "l", "¥": "y", "₩": "w", "฿": "b",
    "∪": "u", "∩": "n", "∨": "v", "∧": "a", "∈": "e", "∂": "d", "√": "v", "∅": "o", "○": "o", "●": "o", "◯": "o",
    "💲": "s", "⭕": "o", "❌": "x", "✖": "x", "➕": "t", "✝": "t",
    "❗": "i", "❕": "i", "☠": "o", "🔴": "o", "🌕": "o",
    "©": "c", "®": "r", "™": "", "℠": "",
}  # fmt: skip
_LOOKS = {
    "a": "ΑАᎪᗩ卂ΛДค₳",
    "b": "ΒВвьъбᏴᗷ乃ცხβߕ",
    "c": "СᏟᑕ匚ςц₵",
    "d": "ძժᎠᗪᗞ刀δ",
    "e": "ЕЭэзεξєΣᎬ乇モ长ՑҽҿЄ",
    "f": "Ϝꓝ千բƑʄ₣",
    "g": "ԌɢցᏀᏳᎶ₲",
    "h": "НнհһᎻᕼ卄ђћ廾Һ",
    "i": "ΙІΊ工丨ɩ",
    "j": "ЈᎫᒍ丿йϳﾌフ",
    "k": "ΚКкκᏦᛕ长₭Ҝ",
    "l": "ⅬᏞᒪㄥ乚ւ",
    "m": "ΜМмᎷᗰ爪ო₥",
    "n": "ΝНηпиИПпնոռᑎᏁ几冂ทπŋ₦",
    "o": "ΟОσθΘօ〇口ㄖסфΩᎾᎤ",
    "p": "ΡРрρƿᏢᑭ卩ᖘ₱ք",
    "q": "Ԛԛզգ甲ᑫɊ",
    "r": "ᎡᖇгяЯʁ尺ɼ",
    "s": "ЅѕᏚᔕ丂らՏ₴",
    "t": "ΤТтτԵᎢㄒ丁丅七ե₮",
    "u": "υՍսцμนᑌㄩ凵",
    "v": "ѴѵνᏙᐯ∨レ",
    "w": "ШшщЩωѡᎳ山պաᗯ",
    "x": "ΧХхχжЖ乂メ᙭",
    "y": "ΥУуγчЧᎩㄚ丫ყע",
    "z": "ΖᏃ乙ʐᘔ",
}


@lru_cache(maxsize=1 << 15)
def read(character: str) -> tuple[Reading, ...]:
    """The letters that a character stands for, each with its readings; none for blanks and signs that are no letter.

    A ligature stands for several. Letters are a to z, digits, or one of another script that has no Latin reading.
    """
    if character.isascii():
        return _ascii(character)
    if (signs := _SIGNS.get(character)) is not None:
        return (tuple((letter, LEET) for letter in signs),) if signs else ()
    kind = unicodedata.category(character)
    if kind in {"Cc", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"}:
        return ()
    compatible = [c for c in unicodedata.normalize("NFKD", character) if unicodedata.category(c)[0] != "M"]
    spelled = "".join(c for c in compatible if c.isascii() and c.isalnum())
    if len(spelled) > 1:
        return tuple(_ascii(letter)[0] for letter in spelled)
    bases = dict.fromkeys((character, *compatible[:1], *character.casefold()[:1]))
    looks = spelled + "".join(_looks().get(base, "") for base in bases)
    sound = _sound(character)
    if kind[0] in "LNM" and not looks and len(sound) > 1 and kind != "Lo":
        return tuple(_ascii(letter)[0] for letter in sound)
    letters = looks + (sound if len(sound) == 1 else "")
    if not letters:
        return (((character.casefold()[0], SEEN),),) if kind[0] == "L" and sound else ()
    seen = LEET if kind[0] in "PS" and not sound else SEEN
    readings: dict[str, int] = {}
    for letter, weight in (reading for c in letters for reading in _ascii(c)[0]):
        readings[letter] = max(readings.get(letter, 0), min(weight, seen))
    return (tuple(readings.items()),)


def _ascii(character: str) -> tuple[Reading, ...]:
    if character.isalpha():
        return (_TWINS.get(character, ((character.lower(), SEEN),)),)
    if character.isdigit():
        return (((character, SEEN), *((letter, LEET) for letter in _DIGITS[character])),)
    return (tuple((letter, LEET) for letter in _SIGNS[character]),) if character in _SIGNS else ()


def _sound(character: str) -> str:
    """Letters and digits that transliterate it; empty for pictures, whose names are no letters."""
    from anyascii import anyascii

    sound = anyascii(character)
    return "" if sound.startswith(":") else "".join(c for c in sound if c.isascii() and c.isalnum())


@cache
def _looks() -> dict[str, str]:
    """For each character that looks like ASCII letters or digits, these."""
    from confusable_homoglyphs import (
        confusables,
    )  # its table takes a tenth of a second, and ASCII never needs it

    found: dict[str, str] = {}
    pairs = [(twin["c"], letter) for letter in string.ascii_letters + string.digits
             for twin in confusables.confusables_data[letter]]  # fmt: skip
    own = [(twin, letter) for letter, twins in _LOOKS.items() for twin in twins]
    for twin, letter in pairs + own:
        if not twin.isascii() and letter not in found.get(twin, ""):
            found[twin] = found.get(twin, "") + letter
    return found
