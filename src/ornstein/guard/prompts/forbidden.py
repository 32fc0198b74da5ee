"""What no policy can allow: undressing persons, and sexual content with minors.

Both are banned outright in the European Union, so the words stand in code. They are read as every rule's are, in any
disguise. Doubt is resolved towards refusal: a prompt in which a child and something sexual occur together is refused,
whatever it says about them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import product

from ornstein.guard.decision import Finding
from ornstein.guard.prompts.matcher import Matcher
from ornstein.guard.prompts.normalise import Way
from ornstein.guard.prompts.rules import finding, harmless, spellings, unmasked

REASONS = {
    "undressing": "undressing persons is not done here",
    "minors": "sexual content with minors is not made here",
}

_UNDRESSING = """
undress|undresses|undressing|undressed|undresser|nudify|nudifies|nudified|nudifier|nudifying|nudification|denudify
deepnude|deep nude|deepnudes|deepfake nude|deepfake nudes|deepfake porn|nude deepfake|unclothe|unclothes|unclothing
disrobe|disrobes|disrobed|disrobing|declothe|declothed|clothoff|clothes remover|clothing remover|dress remover
clothes removed|clothing removed|clothes removal|clothing removal|clothes eraser|remove all clothes
remove all clothing|x ray clothes|x ray clothing|xray clothes|xray clothing|x ray through clothes|x ray vision clothes
strip her|strip him|strip naked|stripped naked|stripping naked|strip nude|get naked|getting naked|nude version of
naked version of|undressed version of|without any clothes|wearing no clothes
"""
_FORMS = """
{off} {whose} {clothes}|{off} all of {whose} clothes|{off} all {whose} clothes|{whose} {clothes} off
{whose} {clothes} removed|{whose} {clothes} taken off|{look} {whose} {clothes}|without {whose} clothes
{make} {whom} {bare}
"""
_SLOTS = {
    "off": "remove|removes|removing|removed|take off|takes off|taking off|strip off|stripping off|rip off|ripping off|"
    "tear off|peel off|pull off|erase|erasing|delete|deleting|lift up|pull down|get rid of",
    "whose": "her|his|their|the woman s|the man s|the girl s|this woman s|this person s|my friend s",
    "clothes": "clothes|clothing|outfit|dress|skirt|shirt|t shirt|tshirt|blouse|top|bra|underwear|panties|pants|"
    "trousers|jeans|bikini|swimsuit|lingerie|uniform|towel",
    "look": "what is under|what s under|whats under|what is underneath|see through|look through|look under",
    "make": "make|turn|show|render|draw",
    "whom": "her|him|them|this person|this woman|this man|the woman|the man|the girl|my friend",
    "bare": "naked|nude|topless|bottomless|undressed|unclothed",
}

_ABUSE = """
child porn|child pornography|child sex|child sexual|kiddie porn|kid porn|kids porn|baby porn|teen porn|preteen porn
underage porn|underage sex|underage nude|underage nudes|child nude|child nudes|child nudity|child erotica|csam
jailbait|lolicon|shotacon|loli|lolis|lolita porn|shota|shotas|toddlercon|pedo|pedos|pedophile|pedophiles|pedophilia
paedophile|paedophiles|paedophilia|paedo|child molester|child molestation|molested child|sexy child|sexy children
sexy kid|sexy kids
"""
_CHILDREN = """
child|children|childs|kid|kids|kiddie|kiddies|kiddy|minor|minors|toddler|toddlers|infant|infants|baby|babies|newborn
underage|under age|underaged|preteen|preteens|pre teen|pre teens|tween|tweens|teen|teens|teenage|teenager|teenagers
teenaged|adolescent|adolescents|juvenile|prepubescent|pubescent|prepubertal|preschooler|preschoolers|kindergartner
kindergartener|kindergarten|schoolgirl|schoolgirls|school girl|school girls|schoolboy|schoolboys|school boy
school boys|schoolchild|schoolchildren|schoolkid|schoolkids|school uniform|school uniforms|elementary school
primary school|middle school|high school|high schooler|grade school|first grader|second grader|third grader
fourth grader|fifth grader|sixth grader|seventh grader|eighth grader|little girl|little girls|little boy|little boys
young girl|young girls|young boy|young boys|small girl|small boy|tiny girl|tiny boy|girl child|boy child
girl scout|girl scouts|boy scout|boy scouts|cub scout|brownie scout|lolita|lolitas|nymphet
nymphets|under 18|under eighteen|under 16|under sixteen|younger than 18|younger than eighteen|below 18|below eighteen
not yet 18|not 18 yet|barely legal|youngster|youngsters
"""
_PERHAPS_CHILDREN = (
    "boy|boys|girl|girls|girly|daughter|daughters|son|niece|nephew|student|students|pupil|pupils"
)
_EXPLICIT = """
nude|nudes|nudity|naked|nakedness|topless|bottomless|unclothed|undressed|porn|porno|pornography|pornographic|sex
sexual|sexually|having sex|hentai|ecchi|nsfw|xxx|x rated|genitals|genitalia|penis|vagina|vulva|nipple|nipples|boobs
tits|titties|pussy|cum|cumshot|blowjob|handjob|masturbate|masturbating|masturbation|orgasm|orgasms|orgy
intercourse|penetration|rape|raped|raping|molest|molested|molesting|erection|ejaculation|fetish|bdsm|upskirt|anal
fuck|fucked|fucking|bare breasts|big breasts|large breasts|huge breasts|bare breasted
without clothes|no clothes|r18|rule 34
"""
_SUGGESTIVE = """
sexy|sexier|sexiest|sexualised|sexualized|erotic|erotica|seductive|seductively|seducing|sensual|sultry|horny
lewd|lascivious|provocative pose|lingerie|thong|g string|panties|kinky|striptease|stripper|strip club|pole dance
cleavage|spread legs|legs spread|bedroom eyes|fetishwear|latex suit|negligee|garter belt|camel toe|cameltoe
"""
_TOGETHER = ("explicit", "children"), ("suggestive", "children"), ("explicit", "perhaps children")
_NUMBERS = """
zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen
"""
_AGES = """
{} year old|{} years old|{} year olds|{} yr old|{} yrs old|{} years of age|{} month old|{} months old|{}yo|{} yo|{} y o
{}yr|aged {}|age {}|age of {}
"""


def forbidden(prompt: str, ways: list[Way]) -> list[Finding]:
    """What no policy can allow in a prompt, of which `ways` are the readings: each label at most once.

    The label is "undressing" or "minors"; of two words that are refused only together, `where` names the first found.
    """
    first: dict[str, Finding] = {}
    for match in unmasked(prompt, _matcher().find(ways)):
        label = "undressing" if match.owner == "undressing" else "minors"
        first.setdefault(match.owner, finding(prompt, match, label))
    refused = ("undressing",), ("abuse",), *_TOGETHER
    found = [first[kinds[0]] for kinds in refused if all(kind in first for kind in kinds)]
    return list({each.label: each for each in reversed(found)}.values())[::-1]


@cache
def _matcher() -> Matcher:
    return Matcher([*_terms(), *harmless()])


def _terms() -> Iterator[tuple[str, str]]:
    kinds = {
        "undressing": _split(_UNDRESSING), "abuse": _split(_ABUSE), "children": _split(_CHILDREN),
        "perhaps children": _split(_PERHAPS_CHILDREN), "explicit": _split(_EXPLICIT),
        "suggestive": _split(_SUGGESTIVE),
    }  # fmt: skip
    for kind, terms in kinds.items():
        for term in terms:
            yield from spellings(term, kind)
    for form in _split(_FORMS):
        slots = re.findall(r"{(\w+)}", form)
        for filled in product(*(_split(_SLOTS[slot]) for slot in slots)):
            yield form.format(**dict(zip(slots, filled, strict=True))), "undressing"
    for age, number in enumerate(_split(_NUMBERS)):
        for n, form in product((str(age), number), _split(_AGES)):
            yield form.format(n), "children"


def _split(terms: str) -> list[str]:
    return terms.strip().replace("\n", "|").split("|")
