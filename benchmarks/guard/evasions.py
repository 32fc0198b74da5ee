"""Ways to write a word so that people, or a text encoder, read it and a word list does not.

Each takes a term in lower-case letters and spaces and returns it in disguise. ``NAMED`` are the 29 kinds that the
project's reference counts; ``OWN`` are others.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable

Disguise = Callable[[str], str]


def each(start: str) -> Disguise:
    """Letters a to z as the characters that follow `start` in its block."""
    return lambda term: "".join(
        chr(ord(start) + ord(c) - ord("a")) if c in string.ascii_lowercase else c for c in term
    )


def swap(**letters: str) -> Disguise:
    return lambda term: "".join(letters.get(c, c) for c in term)


def between(*marks: str) -> Disguise:
    """A mark after every letter but the last; the marks take turns. Spaces of a phrase become three."""
    return lambda term: "   ".join(_between(word, marks) for word in term.split())


def _between(word: str, marks: tuple[str, ...]) -> str:
    return "".join(c + (marks[k % len(marks)] if k < len(word) - 1 else "") for k, c in enumerate(word))


def middle(mark: str) -> Disguise:
    """A mark once, in the middle of every word."""
    return lambda term: " ".join(w[: len(w) // 2] + mark + w[len(w) // 2 :] for w in term.split())


def alphabet(letters: str, case: Callable[[str], str] = str) -> Disguise:
    """Letters a to z as these 26; a blank leaves one as it is."""
    table = {c: to if to != " " else c for c, to in zip(string.ascii_lowercase, letters, strict=True)}
    return lambda term: "".join(table.get(c, c) for c in case(term))


def coded(form: str) -> Disguise:
    return lambda term: "".join(form.format(ord(c)) if c != " " else c for c in term)


def every_vowel(mark: str) -> Disguise:
    return lambda term: "".join(
        mark if c in "aeiou" and 0 < k < len(term) - 1 else c for k, c in enumerate(term)
    )


def first_vowel(mark: str) -> Disguise:
    def disguise(term: str) -> str:
        at = next((k for k, c in enumerate(term) if c in "aeiou" and k and k < len(term) - 1), 1)
        return term[:at] + mark + term[at + 1 :]

    return disguise


def zalgo(term: str) -> str:
    draw = random.Random(5)
    return "".join(c + "".join(chr(draw.randrange(0x300, 0x34F)) for _ in range(9)) for c in term)


UPSIDE_DOWN = "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz"
SMALL_CAPS = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡxʏᴢ"
SUPERSCRIPT = "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖ ʳˢᵗᵘᵛʷˣʸᶻ"
CYRILLIC = "аЬсԁеfɡһіјκlмпорԛгѕтцѵԝхуz"
GREEK = "αβςδεfgηιϳκlμνορqrστυνωχγζ"
ARMENIAN = "aЬcԁեfցհijklmոօքզгsեսvաxyz"
CHEROKEE = "ᎪᏼᏟᎠᎬfᏀᎻᎥᎫᏦᏞᎷNᎾᏢQᎡᏚᎢUᏙᏔXᎩᏃ"
STROKES = "ⱥƀȼđɇfǥħɨɉꝁłmnøᵽꝗɍsŧʉvwxɏƶ"
ACCENTS = "àḃćďéḟǵĥíĵḱĺḿńóṕqŕśťúṽẃẍýź"
CJK = "卂乃匚刀乇千Ꮆ卄丨ﾌҜㄥ爪几ㄖ卩Ɋ尺丂ㄒㄩᐯ山乂ㄚ乙"
SYLLABICS = "ᗩᗷᑕᗪEᖴGᕼIᒍKᒪᗰᑎOᑭᑫᖇᔕTᑌᐯᗯ᙭Yᘔ"
LISU = "ꓮꓐꓚꓓꓰꓝꓖꓧꓲꓙꓗꓡꓟꓠꓳꓑ ꓣꓢꓔꓴꓦꓪꓫꓬꓜ"
CURRENCY = "₳฿₵ĐɆ₣₲ⱧłJ₭Ⱡ₥₦Ø₱QⱤ₴₮Ʉv₩ӾɎⱫ"
HOOKS = "ąɓƈɗęƒɠɦįʝƙɭɱŋơƥʠɽşƭųʋⱳxƴȥ"
SET_ABOVE = dict(zip("aeioucdhmrtvx", map(chr, range(0x363, 0x370)), strict=True))
LEET = swap(a="4", e="3", i="1", o="0", s="5", t="7")
MORE_LEET = swap(a="@", e="3", i="!", o="0", s="$", t="+", b="8", g="9")

NAMED: dict[str, Disguise] = {
    "capitals": str.upper,
    "zero-width space": between("\u200b"),
    "zero-width joiners": between("\u200d", "\u200c", "\u2060", "\ufeff"),
    "soft hyphen": between("\u00ad"),
    "Cyrillic homoglyphs": alphabet(CYRILLIC),
    "Greek homoglyphs": alphabet(GREEK),
    "Greek nu": swap(n="ν", v="ν", u="υ"),
    "Armenian homoglyphs": alphabet(ARMENIAN),
    "Cherokee homoglyphs": alphabet(CHEROKEE),
    "full width": each("ａ"),
    "mathematical bold": each("𝐚"),
    "mathematical script": each("𝓪"),
    "circled": each("ⓐ"),
    "negative squared": each("🅰"),
    "regional indicators": each("🇦"),
    "small capitals": alphabet(SMALL_CAPS),
    "superscript": alphabet(SUPERSCRIPT),
    "bidi override of the reversed word": lambda term: "\u202e" + term[::-1] + "\u202c",
    "reversed": lambda term: term[::-1],
    "Hangul filler": between("\u3164"),
    "Braille blank": between("\u2800"),
    "accents": alphabet(ACCENTS),
    "zalgo": zalgo,
    "leet": LEET,
    "leet with signs": MORE_LEET,
    "spaces": between(" "),
    "points": between("."),
    "hyphens": between("-"),
    "repeated letters": lambda term: "".join(c if c == " " else c * 3 for c in term),
}

OWN: dict[str, Disguise] = {
    "tag characters": lambda term: "".join(chr(0xE0000 + ord(c)) for c in term),
    "variation selectors": between("\ufe0f", "\ufe00", "\U000e0100"),
    "upside down": lambda term: alphabet(UPSIDE_DOWN)(term)[::-1],
    "letters with strokes": alphabet(STROKES),
    "letters with hooks": alphabet(HOOKS),
    "East Asian lookalikes": alphabet(CJK),
    "Canadian syllabics": alphabet(SYLLABICS),
    "Lisu": alphabet(LISU),
    "currency signs": alphabet(CURRENCY),
    "Fraktur": each("𝖆"),
    "monospace": each("𝚊"),
    "parenthesised": each("⒜"),
    "negative circled": each("🅐"),
    "squared": each("🄰"),
    "keycaps for letters": lambda term: "".join(
        LEET(c) + "\ufe0f\u20e3" if LEET(c).isdigit() else c for c in term
    ),
    "decimal entities": coded("&#{};"),
    "hexadecimal entities": coded("&#x{:x};"),
    "percent escapes": coded("%{:02x}"),
    "percent escapes, twice": coded("%25{:02x}"),
    "backslash-u escapes": coded("\\u{:04x}"),
    "backslash-x escapes": coded("\\x{:02x}"),
    "empty HTML tags": middle("<b></b>"),
    "HTML comments": middle("<!-- and -->"),
    "prompt weights": lambda term: " ".join(f"{w[:2]}({w[2:]}:1.2)" for w in term.split()),
    "bold in Markdown": lambda term: "**" + middle("**")(term) + "**",
    "braces": middle("{}"),
    "line break inside": middle("\n"),
    "tab inside": middle("\t"),
    "no-break space inside": middle("\u00a0"),
    "line breaks between letters": between("\n"),
    "underscores": between("_"),
    "slashes": between("/"),
    "emoji between": between("🍑", "💦"),
    "ideographic spaces": between("\u3000"),
    "mixed separators": between(" ", ".", "-"),
    "one hyphen": middle("-"),
    "one point": middle("."),
    "one emoji": middle("✨"),
    "one apostrophe": middle("'"),
    "star for a vowel": first_vowel("*"),
    "hash for a vowel": first_vowel("#"),
    "underscore for a vowel": first_vowel("_"),
    "stars for every inner vowel": every_vowel("*"),
    "a doubled letter": lambda term: term[:2] + term[1:],
    "alternating case": lambda term: "".join(c.upper() if k % 2 else c for k, c in enumerate(term)),
    "capital I for l, l for I": swap(l="I", i="l"),
    "circles for o, crosses for x": swap(o="⭕", x="❌", i="❗", s="💲"),
    "drawn letters": swap(n="|\\|", u="|_|", v="\\/", d="|)", o="()", k="|<", h="|-|"),
    "rn for m, vv for w": swap(m="rn", w="vv"),
    "ph for f, z for a last s": lambda t: (t[:-1] + "z" if t.endswith("s") else t).replace("f", "ph"),
    "overlay strokes": between("\u0336"),
    "letters set above": lambda term: term[0] + "".join(SET_ABOVE.get(c, c) for c in term[1:]),
    "nested bidi": lambda term: term[:2] + "\u202e" + term[2:][::-1] + "\u202c",
    "isolates": between("\u2066", "\u2069"),
    "CamelCase in a hashtag": lambda term: "#My" + term.title().replace(" ", ""),
    "snake case in a file name": lambda term: "img_" + term.replace(" ", "_") + "_01.png",
    "digits around": lambda term: "18" + term + "4",
    "Cyrillic by sound": alphabet("абсдефгхийклмнопqрстувwxыз"),
    "two disguises: accents and points": lambda term: between(".")(alphabet(ACCENTS)(term)),
    "two disguises: leet and zero width": lambda term: between("\u200b")(LEET(term)),
    "two disguises: reversed and full width": lambda term: each("ａ")(term[::-1]),
    "two disguises: entities and Cyrillic": lambda term: coded("&#{};")(alphabet(CYRILLIC)(term)),
}  # fmt: skip
