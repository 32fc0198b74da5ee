"""The flagship set, built from archives of the same layout with a handful of drawings."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ornstein.data import emoji, npm
from ornstein.data.emoji import captions, sources
from ornstein.data.emoji import make as building
from ornstein.data.emoji.aliases import ALIASES
from ornstein.data.emoji.names import Meaning, Names, natural, slug, split_tones, variant_names
from ornstein.data.npm import Package
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError, UsageError


def entry(label: str, code: str, tones: bool = False, **facts: object) -> dict[str, object]:
    skins = [
        {"label": f"{label}: tone", "hexcode": f"{code}-{point}", "tone": tone}
        for tone, point in enumerate(("1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"), start=1)
    ]
    return {"label": label, "hexcode": code, "skins": skins if tones else []} | facts


ENTRIES = [
    entry("waving hand", "1F44B", tones=True, tags=["hello", "hand", "wave"], group=1),
    entry("grinning face", "1F600", group=0, tags=["face", "grin"]),
    entry("red heart", "2764-FE0F", group=0),
    entry("flag: France", "1F1EB-1F1F7", group=9),
    entry("farmer", "1F9D1-200D-1F33E", group=1),
    entry("man farmer", "1F468-200D-1F33E", group=1, gender=1),
    entry("woman farmer", "1F469-200D-1F33E", group=1, gender=0),
    entry("light skin tone", "1F3FB", group=2),
]
GROUPS = [(0, "smileys & emotion"), (1, "people & body"), (2, "components"), (9, "flags")]
SHAPES = {
    "waving-hand": "<circle cx='8' cy='8' r='5' fill='gold'/>",
    "waving-hand-dark-skin-tone": "<circle cx='8' cy='8' r='5' fill='brown'/>",
    "grinning-face": "<circle cx='8' cy='8' r='7' fill='yellow'/>",
    "red-heart": "<path d='M8 14L1 5L8 3L15 5Z' fill='red'/>",
    "flag-for-france": "<rect width='16' height='9' fill='blue'/>",
    "empty": "<g/>",
    "broken": "<g>",
}
CODES = {"1f44b": "waving-hand", "1f44b-1f3ff": "waving-hand-dark-skin-tone", "e50a": "empty"}


def icon_set(prefix: str, names: list[str], colour: int, licence: str = "MIT") -> dict[str, object]:
    dot = f"<rect width='2' height='2' fill='#{colour:02x}0000'/>"
    blank = ("empty", "broken")
    icons = {name: {"body": SHAPES[name] if name in blank else SHAPES[name] + dot} for name in names}
    info = {"license": {"spdx": licence}, "author": {"name": f"{prefix} people"}}
    return {"prefix": prefix, "info": info, "icons": icons, "width": 16, "height": 16}


def sets() -> dict[str, dict[str, object]]:
    every = [name for name in SHAPES if name not in ("empty", "broken")]
    out = {source.prefix: icon_set(source.prefix, every, 10 * n) for n, source in enumerate(sources.SOURCES)}
    out["noto"] = icon_set("noto", [*every, "empty"], 99, "Apache-2.0") | {"chars": CODES}
    out["twemoji"] = icon_set("twemoji", [*every, "broken"], 0, "CC-BY-4.0")
    out["noto-v1"] = icon_set("noto-v1", every, 99)  # the same drawings as noto
    hand = SHAPES["waving-hand"]
    out["streamline-emojis"] = icon_set("streamline-emojis", [], 0) | {
        "icons": {f"waving-hand-{n}": {"body": hand + f"<rect width='{n}' height='1'/>"} for n in (1, 2, 3)}
        | {"france": {"body": SHAPES["flag-for-france"]}, "dancing-robot": {"body": SHAPES["red-heart"]}}
    }
    unreadable = {"icons": {"xyzzy": {"body": hand}, "redheart": {"body": SHAPES["red-heart"]}}}
    out["fxemoji"] = icon_set("fxemoji", [], 0) | unreadable
    return out


def archive(folder: Path, package: Package, files: dict[str, bytes]) -> Package:
    path = folder / package.file
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return Package(package.name, package.version, hashlib.sha256(path.read_bytes()).hexdigest())


def words() -> dict[str, bytes]:
    messages = {"groups": [{"order": order, "message": message} for order, message in GROUPS]}
    files: dict[str, object] = {
        "en/data.json": ENTRIES,
        "en/messages.json": messages,
        "meta/unicode-names.json": {},
    }
    for dialect in ("cldr", "joypixels", "emojibase", "iamcal", "github", "emojibase-legacy"):
        files[f"en/shortcodes/{dialect}.json"] = {"1F600": ["grin", "big_grin"]}
    return {name: json.dumps(data).encode() for name, data in files.items()}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of archives as npm would give them, pinned in place of the real ones."""
    folder = tmp_path / "cache"
    folder.mkdir()
    bitmap = io.BytesIO()
    Image.new("RGBA", (256, 256), (255, 0, 0, 128)).save(bitmap, "WEBP", lossless=True)
    icons = {f"json/{prefix}.json": json.dumps(data).encode() for prefix, data in sets().items()}
    bitmaps = {"assets/1f44b-1f3fb.webp": bitmap.getvalue(), "assets/1f999.webp": b"", "package.json": b"{}"}
    pins = {
        "EMOJIBASE": archive(folder, sources.EMOJIBASE, words()),
        "ICONIFY": archive(folder, sources.ICONIFY, icons),
        "FLUENT_3D": archive(folder, sources.FLUENT_3D, bitmaps),
    }
    for name, package in pins.items():
        monkeypatch.setattr(sources, name, package)
        monkeypatch.setattr(building, name, package)
    return folder


def test_the_whole_way(cache: Path, tmp_path: Path) -> None:
    pack = Pack.open(emoji.build(tmp_path / "out", cache=cache))
    rows = {row.id: row for row in pack.rows()}
    hand = rows["noto/waving-hand-dark-skin-tone"]
    assert hand.captions[0] == "waving hand, dark skin tone, Noto style"
    assert hand.captions[3] == "waving hand, dark skin tone, Noto style, hello, wave"
    assert (hand.concept, hand.variant, hand.licence, hand.group) == (
        "waving hand",
        5,
        "Apache-2.0",
        "people and body",
    )
    assert rows["fluent-emoji-3d/1f44b-1f3fb"].captions[1] == "3D style waving hand, light skin tone"
    assert rows["twemoji/flag-for-france"].concept == "flag of France"
    assert rows["twemoji/flag-for-france"].holder == "twemoji people"
    assert rows["streamline-emojis/france"].concept == "flag of France"
    assert rows["streamline-emojis/dancing-robot"].captions[0] == "dancing robot, Streamline style"
    assert [rows[f"streamline-emojis/waving-hand-{n}"].variant for n in (1, 2, 3)] == [0, 1, 4]
    assert rows["fxemoji/redheart"].concept == "red heart"
    notes = pack.header.notes
    assert notes["left out: name not understood"] == 3  # noto/empty is a private sign; xyzzy; 1f999
    assert notes["left out: broken"] == 1
    copies = (
        notes["left out: exact copy in the same concept"]
        + notes["left out: training copy of a held-out picture"]
    )
    assert copies >= 5
    assert not any(name.startswith("noto-v1/") for name in rows)  # each is noto's own drawing


def test_half_transparent_bitmaps_are_premultiplied(cache: Path, tmp_path: Path) -> None:
    pack = Pack.open(emoji.build(tmp_path / "out", cache=cache))
    picture = pack.pictures(np.array([pack.ids.index("fluent-emoji-3d/1f44b-1f3fb")]))[0]
    assert (picture == (128, 0, 0, 128)).all()


def test_building_twice_gives_the_same_pack(cache: Path, tmp_path: Path) -> None:
    one, two = (Pack.open(emoji.build(tmp_path / name, cache=cache)) for name in ("one", "two"))
    assert one.header == two.header


def test_no_held_out_picture_is_trained(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ornstein.data.splits.PAIR_SHARE", 0.4)
    monkeypatch.setattr("ornstein.data.splits.assign.__defaults__", (0.3, 0.4))
    pack = Pack.open(emoji.build(tmp_path / "out", cache=cache))
    digests = [picture.tobytes() for picture in pack.pictures(np.arange(len(pack)))]
    held = {digest for digest, split in zip(digests, pack.splits, strict=True) if split != "train"}
    trained = {digest for digest, split in zip(digests, pack.splits, strict=True) if split == "train"}
    assert held
    assert trained
    assert not held & trained


def test_a_licence_outside_the_recipe_is_refused_before_rendering(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(OrnsteinError, match=r"CC-BY-4\.0 \(5 pictures|CC-BY-4\.0 \(6 pictures"):
        emoji.build(tmp_path / "out", cache=cache, allowed={"MIT", "Apache-2.0"})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [0, 65, 4096])
def test_sizes(cache: Path, tmp_path: Path, size: int) -> None:
    with pytest.raises(UsageError, match="64 or 128"):
        emoji.build(tmp_path / "out", cache=cache, size=size)


def test_an_archive_that_is_not_the_pinned_one(cache: Path, tmp_path: Path) -> None:
    path = cache / sources.ICONIFY.file
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(OrnsteinError, match="not the pinned @iconify/json"):
        emoji.build(tmp_path / "out", cache=cache)


def test_npm_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OrnsteinError, match="npm is not installed"):
        emoji.build(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def fake_npm(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    npm_file = folder / "npm"
    npm_file.write_text(f"#!/bin/sh\n{script}\n")
    npm_file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_npm_failing_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_npm(tmp_path, "echo network unreachable >&2; exit 1", monkeypatch)
    with pytest.raises(OrnsteinError, match="could not get x@1: network unreachable"):
        npm.archive(Package("x", "1", "0"), None, tmp_path)


def test_npm_gets_without_scripts_and_fills_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f'echo "$@" > {tmp_path}/called; printf data > "$6/x-1.tgz"'
    fake_npm(tmp_path, script, monkeypatch)
    package = Package("x", "1", hashlib.sha256(b"data").hexdigest())
    path = npm.archive(package, tmp_path / "cache", tmp_path)
    assert path == tmp_path / "cache/x-1.tgz"
    assert "pack x@1 --ignore-scripts" in (tmp_path / "called").read_text()
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["x-1.tgz"]


def test_a_cut_archive_is_an_error(tmp_path: Path) -> None:
    package = archive(tmp_path, Package("x", "1", ""), {"a": bytes(10_000), "b": b"\1" * 10_000})
    path = tmp_path / package.file
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(OrnsteinError, match="damaged"):
        npm.read(path, lambda name: True)


def test_names() -> None:
    names = Names(ENTRIES, {})
    hand = names.by_code("1f44b-fe0f-1f3fe")
    assert hand is not None
    assert (hand.concept, hand.tones) == ("waving hand", (4,))
    for name in ("waving-hand-medium-dark-skin-tone", "Waving Hand: medium-dark skin tone"):
        assert names.by_name(slug(name)) == hand
    toned_heart = names.by_code("2764-1f3fb")  # no such emoji, but sets draw them
    assert toned_heart is not None
    assert toned_heart.variant == 1
    assert names.by_name("nothing-like-it") is None
    farmers = [names.by_name(f"{who}farmer") for who in ("", "man", "woman")]
    assert [farmer.family for farmer in farmers if farmer] == ["farmer"] * 3
    assert [farmer.gender for farmer in farmers if farmer] == ["", "male", "female"]


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("flag: France", "flag of France"),
        ("keycap: 1", "keycap 1"),
        ("man: red hair", "man with red hair"),
        ("woman: bald", "bald woman"),
        ("man: beard", "man with beard"),
        ("family: man, woman, boy", "family of man, woman, boy"),
        ("kiss: man, man", "kiss, man, man"),
        ("one o\u2019clock", "one o'clock"),
        ("regional indicator Q", "letter Q"),
    ],
)
def test_labels_become_words(label: str, words: str) -> None:
    assert natural(label) == words


def test_every_variant_has_its_own_words() -> None:
    names = variant_names()
    pairs = {(first, second) for first in range(1, 6) for second in range(1, 6)}
    codes = [Meaning("x", "x", tones).variant for tones in [(), *((n,) for n in range(1, 6)), *sorted(pairs)]]
    assert codes == list(range(31))
    assert len(set(names)) == len(names) == 31
    assert names[Meaning("x", "x", (4, 1)).variant] == "medium-dark and light skin tones"
    assert split_tones("kiss-dark-skin-tone-medium-light-skin-tone") == ("kiss", (5, 2))


def test_caption_forms_differ_and_start_with_what_matters() -> None:
    meaning = Meaning("farmer", "farmer", (2,), ("farmer", "garden", "rancher"), "people and body", "male")
    forms = captions.forms(meaning, "flat style")
    assert forms == (
        "farmer, medium-light skin tone, flat style",
        "flat style farmer, medium-light skin tone",
        "farmer, medium-light skin tone",
        "farmer, medium-light skin tone, flat style, garden, rancher",
        "farmer, medium-light skin tone, flat style, people and body, male",
    )


def test_hand_written_aliases_are_clean() -> None:
    for table in ALIASES.values():
        assert all(name == name.strip() and label == label.strip() and label for name, label in table.items())
