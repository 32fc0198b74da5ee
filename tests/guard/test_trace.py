"""Sources: planted copies are caught, honest pictures are not, and an index that is not the model's is refused."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ornstein import saving
from ornstein.bundle import SOURCES, Bundle
from ornstein.data.manifest import root_hash
from ornstein.errors import OrnsteinError
from ornstein.guard.trace.alterations import altered
from ornstein.guard.trace.build import index_of
from ornstein.guard.trace.calibrate import Null, calibrating, honest
from ornstein.guard.trace.content import content
from ornstein.guard.trace.index import Index
from ornstein.guard.trace.sources import Sources
from ornstein.shelf import SHIPPED
from tests.common import default_dtype
from tests.guard.traced import PICTURES, Drawn, drawn, indexed, sources
from tests.small import Command, bundle, ornstein

__all__ = ["bundle", "drawn", "indexed", "ornstein", "sources"]


def test_under_exchangeable_scores_no_more_than_alpha_is_blocked() -> None:
    """The law of conformal tests, for a law of scores that has ties and a heavy tail."""
    random = np.random.default_rng(0)
    for count, alpha in ((19, 0.05), (99, 0.05), (100, 0.05), (500, 0.01)):
        false = 0
        for _ in range(4000):
            scores = torch.from_numpy(np.round(random.exponential(size=count + 1) ** 2, 1)).float()
            null = Null(scores[:-1].sort().values)
            false += int(scores[-1] < null.threshold(alpha))
        assert false / 4000 <= alpha + 3 * (alpha / 4000) ** 0.5, (count, alpha)


def test_p_values_and_thresholds_say_the_same() -> None:
    random = np.random.default_rng(1)
    null = Null(torch.from_numpy(random.random(199)).float().sort().values)
    scores = torch.from_numpy(random.random(500)).float()
    for alpha in (0.001, 0.005, 0.01, 0.1, 0.25):
        assert torch.equal(null.p(scores) <= alpha + 1e-12, scores < null.threshold(alpha))
    assert null.threshold(0.004) == -float("inf")  # 199 pictures cannot tell one in 250
    assert null.reachable(0.004) == 1 / 200
    assert null.reachable(0.02) == 0.02


def test_each_half_gets_half_of_every_series() -> None:
    ids = [f"{name}/{number:02d}" for name in ("cat", "cow", "dog") for number in range(20)]
    half = calibrating(ids)
    assert half.sum() == 30
    assert [half[start : start + 20].sum() for start in (0, 20, 40)] == [10, 10, 10]
    assert (calibrating(ids[::-1])[::-1] == half).all()  # the order they come in does not count


def test_versions_and_doubles_are_no_honest_pictures(drawn: Drawn) -> None:
    known, rows = drawn.pictures[:4], drawn.rows()[:4]
    trained = [replace(row, concept=f"thing {place}", style="Ink style") for place, row in enumerate(rows)]
    held = [
        replace(trained[0], id="version", style="Oil style"),
        replace(trained[1], id="other hand", style="Oil style", holder="Nobody else"),
        replace(trained[2], id="same", concept="another name"),
        replace(trained[2], id="mirrored", concept="another name"),
        replace(trained[3], id="new", concept="new"),
    ]
    mirrored = drawn.pictures[2:3, :, ::-1]
    pictures = np.concatenate([drawn.pictures[10:12], drawn.pictures[2:3], mirrored, drawn.pictures[12:13]])
    assert honest(held, pictures, trained, known).tolist() == [False, True, False, False, True]


@pytest.mark.slow
def test_copies_are_caught_and_named_and_others_are_not(sources: Sources, drawn: Drawn) -> None:
    random = np.random.default_rng(2)
    chosen = np.arange(0, drawn.trained, 3)
    pictures = drawn.pictures[chosen]
    noisy = (pictures + random.normal(0, 8, pictures.shape)).clip(0, 255).astype(np.uint8)
    shifted = np.roll(pictures, 2, axis=1)
    for copies in (pictures, noisy, shifted):
        assert sources.is_copy(copies, 0.05).mean() >= 0.9
        named = [found.sources[0].id for found in sources.nearest(copies, 1)]
        assert np.mean([one == drawn.ids[place] for one, place in zip(named, chosen, strict=True)]) >= 0.9
    mirrored = np.ascontiguousarray(pictures[:, :, ::-1])
    assert sources.is_copy(mirrored, 0.05).mean() >= 0.9
    others = drawn.pictures[drawn.trained :][~calibrating(drawn.ids[drawn.trained :])]
    assert sources.is_copy(others, 0.05).mean() <= 0.2


def test_findings_agree_with_the_threshold(sources: Sources, drawn: Drawn) -> None:
    pictures = drawn.pictures[:: len(drawn.pictures) // 24]
    for alpha in (0.05, 0.3):
        findings = sources.check(pictures)
        flagged = np.array([finding.score >= sources.least(alpha) for finding in findings])
        assert (flagged == sources.is_copy(pictures, alpha)).all()
    assert findings[0].checker == "copies"
    assert findings[0].where == drawn.ids[0]


def test_findings_do_not_depend_on_torch_s_default_dtype(sources: Sources, drawn: Drawn) -> None:
    """Which other threads may change while they load published checkpoints."""
    plain = sources.check(drawn.pictures[::20])
    with default_dtype(torch.bfloat16):
        assert sources.check(drawn.pictures[::20]) == plain


def test_a_picture_is_described_alone_as_in_a_batch(sources: Sources, drawn: Drawn) -> None:
    describe = sources.index.descriptor
    together, alone = describe(drawn.pictures[:5]), describe(drawn.pictures[3:4])
    torch.testing.assert_close(together[3:4], alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(5))


def test_ground_and_place_do_not_count() -> None:
    """The same drawing before another colour, smaller, elsewhere, shows the same content."""
    drawing = 0.42 + 0.1 * torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    made = []
    for colour, top, left in ((0.95, 3, 4), (0.0, 20, 12)):
        x = torch.full((1, 3, 48, 48), colour)
        x[:, :, top : top + 20, left : left + 20] = drawing
        made.append(content(x))
    inside = (slice(None), slice(None), slice(6, -6), slice(6, -6))  # a line of the ground comes along
    torch.testing.assert_close(made[0][inside], made[1][inside], atol=1e-5, rtol=0)
    many = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(content(many), many, atol=1e-5, rtol=0)  # what fills its frame stays
    nothing = torch.full((1, 3, 16, 16), 0.3)
    assert (content(nothing) == 1).all()


def test_alterations_stay_pictures_and_depend_on_the_draw_alone(drawn: Drawn) -> None:
    first, again, other = (
        altered(drawn.pictures[:16], 32, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.min() >= 0
    assert first.max() <= 1


def test_doubles_among_the_trained_are_counted(sources: Sources, drawn: Drawn) -> None:
    """The same pictures once more, under other ids: each is then the double of another."""
    index, threshold = sources.index, sources.null.threshold(0.05)
    pictures, places = drawn.pictures[: drawn.trained], np.arange(7)
    again = torch.tensor([*range(drawn.trained), *range(7)])
    twice = replace(
        index,
        vectors=index.vectors[again],
        thumbnails=index.thumbnails[again],
        ids=(*index.ids, *"abcdefg"),
    )
    assert twice.doubles(pictures, places, threshold) >= 6
    assert index.doubles(pictures, places, threshold) <= 2


def test_an_index_comes_back_as_it_was(sources: Sources) -> None:
    data = sources.index.to_bytes()
    back = Index.of_bytes(data)
    assert back.to_bytes() == data
    assert back.ids == sources.index.ids
    assert torch.equal(back.vectors, sources.index.vectors)


def test_damaged_indices_are_read_whole_or_refused(sources: Sources) -> None:
    data, random = sources.index.to_bytes(), np.random.default_rng(3)
    for trial in range(150):
        changed = bytearray(data)
        if trial % 3 == 0:
            changed = changed[: int(random.integers(len(changed)))]
        else:
            where = random.integers(0, 2500 if trial % 3 == 1 else len(changed), 3)
            for place in where.tolist():
                changed[place] ^= int(random.integers(1, 256))
        with suppress(OrnsteinError):  # whatever else it raises fails the test
            assert Index.of_bytes(bytes(changed)).descriptor


def test_an_altered_index_stops_the_bundle(indexed: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(indexed, tmp_path / "copy"))
    data = bytearray((copy / SOURCES).read_bytes())
    data[-1] ^= 1
    (copy / SOURCES).write_bytes(data)
    with pytest.raises(OrnsteinError, match="sources.safetensors was altered"):
        Bundle.open(copy)


def test_an_index_of_an_older_format_says_what_to_do(sources: Sources) -> None:
    data = sources.index.to_bytes()
    with pytest.raises(OrnsteinError, match="build it again with `ornstein data index`"):
        Index.of_bytes(data.replace(b'\\"format\\": 2', b'\\"format\\": 1'))


def test_thumbnails_of_another_set_are_refused(sources: Sources) -> None:
    short = replace(sources.index, thumbnails=sources.index.thumbnails[list(range(5))])
    with pytest.raises(OrnsteinError, match="its ids and thumbnails do not belong together"):
        Index.of_bytes(short.to_bytes())


def test_weights_of_the_verifier_must_be_finite(sources: Sources) -> None:
    index = Index.of_bytes(sources.index.to_bytes())
    index.verifier.layers[0].bias.data[3] = torch.inf
    with pytest.raises(OrnsteinError, match="a weight of its verifier is not finite"):
        Index.of_bytes(index.to_bytes())


def test_ids_packed_to_burst_are_refused(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ornstein.guard.trace.index.LARGEST_IDS", 100)
    with pytest.raises(OrnsteinError, match="its ids are cut short, or too many"):
        Index.of_bytes(sources.index.to_bytes())


def test_thumbnails_stay_with_their_ids_when_one_is_taken_out(sources: Sources, drawn: Drawn) -> None:
    left = Index.of_bytes(sources.index.without([drawn.ids[3]], "ab" * 32).to_bytes())
    assert len(left.thumbnails) == len(left.ids) == drawn.trained - 1
    for place in (2, 3, 50):
        was = drawn.ids.index(left.ids[place])
        assert torch.equal(left.thumbnails.planes[place], sources.index.thumbnails.planes[was])


def test_the_index_of_another_manifest_is_refused(indexed: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(indexed, tmp_path / "copy"))
    bundle = Bundle.open(copy)
    other = Index.of_bytes((copy / SOURCES).read_bytes()).without([PICTURES[0]], "ab" * 32)
    with pytest.raises(
        OrnsteinError, match="belongs to another manifest: build it with `ornstein data index"
    ):
        Sources.open(saving.with_sources(bundle, other.to_bytes()))


def test_weights_of_the_descriptor_must_be_finite(indexed: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(indexed, tmp_path / "copy"))
    index = Index.of_bytes((copy / SOURCES).read_bytes())
    index.weights["head.bias"][0] = torch.nan
    with pytest.raises(OrnsteinError, match="a weight of its descriptor is not finite"):
        Sources.open(saving.with_sources(Bundle.open(copy), index.to_bytes()))


def test_a_bundle_without_index_says_what_builds_one(bundle: Path) -> None:
    with pytest.raises(
        OrnsteinError, match="has no index of its sources: build one with `ornstein data index"
    ):
        Sources.open(Bundle.open(bundle))


def test_an_index_leaves_the_fingerprint_and_travels_with_the_model(indexed: Path, tmp_path: Path) -> None:
    from ornstein.model import Model

    model = Model.load(indexed)
    assert model.bundle
    before = model.bundle.fingerprint
    model.save(tmp_path / "again")
    again = Bundle.open(tmp_path / "again")
    assert again.fingerprint == before
    assert Sources.open(again).index.ids == Sources.open(Bundle.open(indexed)).index.ids


def test_too_few_pictures_are_no_index(drawn: Drawn, tmp_path: Path) -> None:
    pack = drawn.pack(tmp_path / "pack")
    rows = pack.rows()[:1]
    with pytest.raises(OrnsteinError, match="needs three pictures"):
        index_of(rows, root_hash(rows), pack, samples=8)


def test_the_command_names_licence_and_holder(
    indexed: Path, drawn: Drawn, tmp_path: Path, ornstein: Command
) -> None:
    from PIL import Image

    file = tmp_path / "copy.png"
    Image.fromarray(drawn.pictures[4], "RGBA").save(file)
    said = ornstein("trace", file, "--model", indexed, "-k", 2)
    assert said.code == 0
    assert "similar to" in said.out
    assert "MIT, Studio" in said.out
    assert "derived" not in said.out
    found = json.loads(ornstein("trace", file, "--model", indexed, "--json").out)[0]
    assert found["copy"] is True
    assert found["similar_to"][0]["id"] == drawn.ids[4]
    pack = drawn.pack(tmp_path / "pack")
    sheet = tmp_path / "sheet.png"
    said = ornstein("trace", file, "--model", indexed, "--sheet", sheet, "--pack", pack.folder)
    assert said.code == 0
    with Image.open(sheet) as image:
        assert image.width > 5 * 32


def test_the_command_on_what_is_no_picture_or_names_no_model(
    bundle: Path, tmp_path: Path, ornstein: Command
) -> None:
    text = tmp_path / "text.png"
    text.write_text("no picture")
    assert "not a whole PNG" in ornstein("trace", text).err
    said = ornstein("trace", text, "--model", bundle)
    assert said.code == 1
    assert "has no index of its sources" in said.err


@pytest.mark.parametrize("name", ["emoji", "fashion"])
def test_shipped_models_have_an_index_of_their_manifest(name: str) -> None:
    sources = Sources.open(Bundle.open(SHIPPED / name))
    assert sources.bundle.facts.data
    assert len(sources.index.ids) == sources.bundle.facts.data.splits["train"]
    assert (SHIPPED / name / SOURCES).stat().st_size <= 15e6
    assert len(sources.null.scores) >= 600
