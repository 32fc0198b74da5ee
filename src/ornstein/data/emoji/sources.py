"""The sets of drawings: where each lies in the npm packages, who holds it, and how its icons are named."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ornstein.data.emoji.aliases import ALIASES
from ornstein.data.emoji.names import Meaning, Names, is_private
from ornstein.data.npm import Package
from ornstein.errors import OrnsteinError

ICONIFY = Package(
    "@iconify/json",
    "2.2.535",
    "1a545f86fa224d6531d8fb101dcbe83aac2b28689a21cbed6fc68318a5af4d91",
)
FLUENT_3D = Package(
    "@lobehub/fluent-emoji-3d",
    "1.1.0",
    "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
)
EMOJIBASE = Package(
    "emojibase-data",
    "17.0.0",
    "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
)


@dataclass(frozen=True)
class Source:
    """A set of @iconify/json. `margin` is added on each side, as a share of the drawing's own box."""

    prefix: str
    style: str
    margin: float = 0.0  # sets drawn to the very edge get 1/32; the others bring padding of their own


# In the order in which an exact copy keeps its place: the first set that has a drawing keeps it.
SOURCES = (
    Source("noto", "Noto style"),
    Source("twemoji", "Twemoji style", 1 / 32),
    Source("fluent-emoji-flat", "flat style"),
    Source("fluent-emoji", "Fluent style"),
    Source("noto-v1", "Noto classic style"),
    Source("emojione", "EmojiOne style", 1 / 32),
    Source("fxemoji", "FxEmoji style", 1 / 32),
    Source("streamline-emojis", "Streamline style"),
)
STYLE_3D = "3D style"


@dataclass(frozen=True, slots=True)
class Icon:
    """One drawing before it is rendered: SVG text, or the bytes of a bitmap."""

    id: str
    meaning: Meaning
    style: str
    licence: str
    holder: str
    source: str
    drawing: str | bytes


def read_names(files: dict[str, bytes], sets: dict[str, dict[str, Any]]) -> Names:
    """Return the names of emojibase, extended by those that the sets and chat programs use."""
    groups: dict[int, str] = {}
    for group in _json(files, "en/messages.json")["groups"]:
        groups[group["order"]] = group["message"].replace("&", "and")
    names = Names(_json(files, "en/data.json"), groups)
    for data in sets.values():
        icon_codes = {icon: code for code, icon in data.get("chars", {}).items()}
        for icon, code in icon_codes.items():
            names.learn(icon, code)
        for alias, entry in data.get("aliases", {}).items():
            if entry["parent"] in icon_codes and len(entry) == 1:
                names.learn(alias, icon_codes[entry["parent"]])
    for dialect in ("cldr", "joypixels", "emojibase", "iamcal", "github", "emojibase-legacy"):
        for code, shortcodes in _json(files, f"en/shortcodes/{dialect}.json").items():
            for shortcode in [shortcodes] if isinstance(shortcodes, str) else shortcodes:
                names.learn(shortcode, code)
    for code, name in _json(files, "meta/unicode-names.json").items():
        names.learn(name, code)
    return names


def icons_of(source: Source, data: dict[str, Any], names: Names, unread: list[str]) -> Iterator[Icon]:
    """Yield the icons of a set; names that say nothing are added to `unread`."""
    info = data["info"]
    codes = {icon: code for code, icon in data.get("chars", {}).items()}
    aliases: dict[str, list[str]] = {}
    for alias, entry in data.get("aliases", {}).items():
        aliases.setdefault(entry["parent"], []).append(alias)
    for name, icon in data["icons"].items():
        if icon.get("hidden"):  # withdrawn by its set
            continue
        meaning = _meaning(source, name, codes.get(name), aliases.get(name, []), names)
        if meaning is None:
            unread.append(f"{source.prefix}/{name}")
            continue
        yield Icon(
            id=f"{source.prefix}/{name}",
            meaning=meaning,
            style=source.style,
            licence=info["license"]["spdx"],
            holder=info["author"]["name"],
            source=f"{ICONIFY} {source.prefix}:{name}",
            drawing=svg(icon, data, source.margin),
        )


def icons_3d(files: dict[str, bytes], names: Names, unread: list[str]) -> Iterator[Icon]:
    """Yield the bitmaps of the 3-D set, whose files are named by code point."""
    for path, data in sorted(files.items()):
        stem = path.rpartition("/")[2].removesuffix(".webp")
        meaning = names.by_code(stem)
        if meaning is None:
            unread.append(f"fluent-emoji-3d/{stem}")
            continue
        source = f"{FLUENT_3D} {stem}.webp"
        yield Icon(f"fluent-emoji-3d/{stem}", meaning, STYLE_3D, "MIT", "Microsoft Corporation", source, data)


def svg(icon: dict[str, Any], data: dict[str, Any], margin: float) -> str:
    """Return a complete SVG document for an icon, with a margin around its own box."""
    width, height = (icon.get(side, data.get(side, 16)) for side in ("width", "height"))
    left, top = (icon.get(side, data.get(side, 0)) for side in ("left", "top"))
    pad = margin * max(width, height)
    box = f"{left - pad} {top - pad} {width + 2 * pad} {height + 2 * pad}"
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {space} viewBox="{box}" width="1024" height="1024">{icon["body"]}</svg>'


def _meaning(source: Source, name: str, code: str | None, aliases: list[str], names: Names) -> Meaning | None:
    if code is not None and is_private(code):
        return None
    if source.prefix == "streamline-emojis":
        return _streamline(name, names)
    if label := ALIASES.get(source.prefix, {}).get(name):
        return names.by_name(label) or names.invent(label)
    found = names.by_code(code) if code is not None else None
    for candidate in [name, *aliases]:
        found = found or names.by_name(candidate)
    if found or source.prefix == "fxemoji":  # its own names run together and make no caption
        return found
    return names.invent(name)


def _streamline(name: str, names: Names) -> Meaning:
    """Streamline numbers its alternatives: for people 1 is yellow, 2 light and 3 medium-dark skin."""
    numbered = re.fullmatch(r"(.+)-(\d)", name)
    base, number = numbered.groups() if numbered else (name, "")
    known = ALIASES["streamline-emojis"].get(base, base)
    flag = names.by_name(f"flag-{known}")  # its flags are named by country alone
    found = flag or names.by_name(known) or names.invent(known)
    tone = {"2": 1, "3": 4}.get(number)
    return replace(found, tones=(tone,)) if tone and found.group == "people and body" else found


def _json(files: dict[str, bytes], path: str) -> Any:
    try:
        return json.loads(files[path])
    except (KeyError, ValueError) as error:
        raise OrnsteinError(f"{EMOJIBASE} has no readable {path}: fetch the package again") from error
