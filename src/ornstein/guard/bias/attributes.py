"""The attributes of people that are audited, what a text says of them, and how a prompt is made to say one.

Words are English, as the captions are. Where a text may state an attribute, it is taken to state it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal

from ornstein.data.emoji.names import TONES

Attribute = Literal["gender", "skin-tone"]

OPEN, NO_TONE = "open", "none"
VALUES: Mapping[Attribute, tuple[str, ...]] = {
    "gender": ("female", "male", OPEN),
    "skin-tone": (NO_TONE, *TONES),
}
"""Of each attribute; `open` is a person who is drawn as neither, `none` is a skin of no human colour (yellow)."""


def _words(text: str) -> list[str]:
    return text.split()


_FEMALE = _words("""
woman women lady ladies girl girls female females feminine she her hers herself mother mothers mom mum mommy
mummy mama grandmother grandma granny daughter sister aunt auntie niece wife wives bride girlfriend widow mrs ms
miss madam ma'am queen princess duchess empress countess actress waitress hostess stewardess heroine goddess
priestess nun witch mermaid sorceress schoolgirl cowgirl ballerina maiden matron housewife midwife seamstress
grandmothers daughters sisters gal
""")
_MALE = _words("""
man men gentleman gentlemen boy boys male males masculine he him his himself father fathers dad daddy papa
grandfather grandpa son sons brother brothers uncle nephew husband husbands groom boyfriend widower mr sir king
prince duke emperor lord actor waiter host steward god priest monk wizard merman sorcerer schoolboy cowboy lad
guy guys bloke grandfathers
""")
_HINTS = _words("""
beard bearded moustache mustache pregnant nonbinary non-binary genderless androgynous gender-neutral agender transgender
""")
_NO_MAN = _words("""
human humans german germans roman romans norman ottoman shaman talisman caiman specimen omen abdomen acumen
regimen stamen snowman snowmen hangman pacman
""")
_SKIN = _words("""
skin skinned skintone complexion black white brown yellow tan tanned pale fair dark ebony african afro asian
caucasian european hispanic latino latina latinx indian arab arabic chinese japanese korean mexican indigenous
aboriginal nordic ethnic ethnicity
""")

_PERSONS = {  # who of no gender becomes who of one
    "person": ("woman", "man"),
    "people": ("women", "men"),
    "persons": ("women", "men"),
    "child": ("girl", "boy"),
    "children": ("girls", "boys"),
    "kid": ("girl", "boy"),
    "kids": ("girls", "boys"),
    "adult": ("woman", "man"),
    "older person": ("old woman", "old man"),
    "merperson": ("mermaid", "merman"),
    "person with crown": ("princess", "prince"),
}


def _any_of(words: list[str], *more: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{'|'.join([*map(re.escape, words), *more])})(?![\w])", re.IGNORECASE)


_COMPOUND = rf"(?!(?:{'|'.join(_NO_MAN)})\b)\w+"  # fireman, policewomen
_SAYS_FEMALE = _any_of(_FEMALE, r"\w+wom[ae]n")
_SAYS_MALE = _any_of(_MALE, rf"{_COMPOUND}(?<!wo)m[ae]n")
_HINTS_GENDER = _any_of(_HINTS)
_SAYS_SKIN = _any_of(_SKIN, r"\w+-skinned")


def gender(text: str) -> str | None:
    """Which gender a text states: female, male, `open` where it states none, None where it states several.

    >>> gender("woman firefighter"), gender("firefighter"), gender("woman and man holding hands")
    ('female', 'open', None)
    """
    text = unicodedata.normalize("NFKC", text)
    female, male = bool(_SAYS_FEMALE.search(text)), bool(_SAYS_MALE.search(text))
    if female and male:
        return None
    return "female" if female else "male" if male else OPEN


def states(attribute: Attribute, text: str) -> bool:
    """Whether a text may say anything of an attribute, in doubt yes: "white cane" may be about skin."""
    if attribute == "skin-tone":
        return bool(_SAYS_SKIN.search(unicodedata.normalize("NFKC", text)))
    return gender(text) != OPEN or bool(_HINTS_GENDER.search(text))


def find(words: tuple[str, ...], text: str) -> re.Match[str] | None:
    """The first of some words, or of their plurals, in a text; the longest where several begin together.

    A possessive is none: a firefighter's helmet is a helmet.
    """
    longest_first = sorted(words, key=len, reverse=True)
    names = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in longest_first)
    return re.search(rf"(?<![\w-])(?:{names})(?:e?s)?(?![\w-]|['’]s)", text, re.IGNORECASE)


def revised(attribute: Attribute, value: str, text: str, who: re.Match[str]) -> str:
    """A text that also says this value of the person or people found in it, worded as captions are.

    `open` and `none` say nothing: the text stays.

    >>> revised("gender", "female", "an artist, Noto style", find(("artist",), "an artist, Noto style"))
    'a woman artist, Noto style'
    >>> revised("skin-tone", "dark", "artist, Noto style", find(("artist",), "artist, Noto style"))
    'artist, dark skin tone, Noto style'
    """
    if value in (OPEN, NO_TONE):
        return text
    if attribute == "skin-tone":
        style = re.search(r",\s*[^,]*\bstyle\s*$", text, re.IGNORECASE)
        place = style.start() if style else len(text)
        return f"{text[:place]}, {value} skin tone{text[place:]}"
    return _gendered(value, text, who)


def _gendered(value: str, text: str, who: re.Match[str]) -> str:
    start, end = who.span()
    choice = 0 if value == "female" else 1
    for name in sorted(_PERSONS, key=len, reverse=True):
        for match in re.finditer(rf"\b{name}\b", text, re.IGNORECASE):
            if match.start() < end and start < match.end():
                start, end = match.span()
                return _with_article(text[:start], _PERSONS[name][choice]) + text[end:]
    plural = re.search(r"[^s]s$", who.group())
    word = _PERSONS["people" if plural else "person"][choice]
    return _with_article(text[:start], f"{word} {text[start:]}")


def _with_article(before: str, after: str) -> str:
    """Both joined; an article at the seam is made to fit: "an artist" becomes "a woman artist"."""
    right = "n" if after[:1] in "aeiou" else ""
    return re.sub(r"\b(a)n?(\s+)$", rf"\1{right}\2", before, flags=re.IGNORECASE) + after
