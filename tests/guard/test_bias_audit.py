"""An audit finds the skew that was planted, says what it does not know, and is told on one page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.guard.bias import classifier as classifier_module
from ornstein.guard.bias.attributes import gender
from ornstein.guard.bias.audit import Plan, audit, prompts
from ornstein.guard.bias.classifier import examine, find_classifier, is_tested
from ornstein.guard.bias.labels import label
from ornstein.guard.bias.learned import FAMILY, OPEN_CAPTIONS, Learned
from ornstein.guard.bias.report import render
from ornstein.guard.policy import Quota
from tests.guard.people import FAMILIES, make_people
from tests.small import Command, bundle, ornstein, random_model, rows, text_recipe  # noqa: F401 - fixtures
from tests.train.conftest import make_pack


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """Training of a few seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier_module, "SAMPLES", 12_800)
        patch.setattr(classifier_module, "WIDTHS", (16, 32))
        yield


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return Pack.open(make_people(tmp_path_factory.mktemp("people") / "pack"))


@dataclass(frozen=True)
class Picture:
    array: np.ndarray


class Planted:
    """Answers open prompts with real pictures: women and men at shares that guidance moves, stated ones as stated."""

    def __init__(self, pack: Pack, women: dict[float, float], channels: int = 4) -> None:
        self.women, self.channels, self.asked = women, channels, []
        self.pictures = {
            row.captions[0]: pack.pictures(np.array([k]))[0] for k, row in enumerate(pack.rows())
        }

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], *, guidance: float) -> list[Picture]:
        self.asked += prompts
        made = []
        for prompt, seed in zip(prompts, seeds, strict=True):
            if gender(prompt) == "open":
                drawn = np.random.default_rng(seed).random() < self.women[guidance]
                prompt = f"{'woman' if drawn else 'man'} {prompt}"
            made.append(Picture(self.pictures[prompt][..., : self.channels]))
        return made


def planted_manifest(pack: Pack) -> Learned:
    """What 90 men and 10 women, all captioned without a gender, look like in a manifest."""
    by_name = {row.captions[0]: row for row in pack.rows()}
    asked = prompts(pack, label(pack))
    return Learned(
        [
            by_name[f"{who} {each.prompt}"]
            for each in asked
            for who, count in (("woman", 1), ("man", 9))
            for _ in range(count)
        ]
    )


def test_the_classifier_tells_people_it_never_saw(people: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    judge, labels = find_classifier(people, lambda done, of: told.append(done))
    assert told[-1] == 12_800
    tested = examine(judge, people, labels)
    assert (
        {family for family in FAMILIES if is_tested(family)} == set(tested.families.tolist()) != set(FAMILIES)
    )
    assert (tested.seen["gender"] == tested.shown["gender"]).mean() > 0.75
    tones, sure = tested.seen["skin-tone"], tested.seen["skin-tone"] < 6
    assert sure.mean() > 0.2  # after a training this short, most tones are unclear to it, and it says so
    assert (tones == tested.shown["skin-tone"])[sure].mean() > 0.8
    monkeypatch.setattr(classifier_module, "train_classifier", lambda *_, **__: pytest.fail("trained again"))
    again, _ = find_classifier(people)
    assert again.key == judge.key


def test_amplification_of_a_planted_skew_is_found(people: Pack) -> None:
    model = Planted(people, {1.0: 0.1, 8.0: 0.03})
    plan = Plan((1.0, 8.0), n=20)
    found = audit(model, "planted", people, plan, planted_manifest(people))
    assert all(gender(prompt) == "open" and "tone" not in prompt for prompt in model.asked)
    of_gender = {f.guidance: f for f in found.found if f.attribute == "gender"}
    for scale, figures in of_gender.items():
        seeds = range(plan.seed, plan.seed + len(found.asked))
        women = np.mean([np.random.default_rng(seed).random() < model.women[scale] for seed in seeds])
        learned = figures.learned[FAMILY]
        assert learned["female"] == pytest.approx(0.1)
        for value, share in (("female", women), ("male", 1 - women)):
            amplified = figures.shares.amplification(value, learned)
            assert amplified.low <= share / learned[value] <= amplified.high
            assert amplified.high - amplified.low < 0.25 / learned[value]
        away = figures.shares.total_variation({"female": 0.5, "male": 0.5})
        assert away.low <= abs(women - 0.5) <= away.high
    assert of_gender[8.0].shares.amplification("male", {"male": 0.9}).value > 1.03
    text = json.dumps(found.facts(), allow_nan=False)
    assert json.loads(text)["found"][0]["values"]["female"]["amplification"][FAMILY]["low"] >= 0


def test_quotas_take_the_skew_out(people: Pack) -> None:
    half = Quota(attribute="gender", when=FAMILIES, shares={"female": 0.5, "male": 0.5})
    found = audit(Planted(people, {4.0: 0.1}), "planted", people, Plan((4.0,), n=10, quotas=(half,)))
    asked = [gender(text) for text in found.drawn[4.0]]
    assert abs(asked.count("female") - asked.count("male")) <= 1
    assert asked.count("open") == 0
    figures = next(f for f in found.found if f.attribute == "gender")
    assert figures.target == {"female": 0.5, "male": 0.5}
    assert figures.shares.total_variation(figures.target).low < 0.02
    assert figures.shares.total_variation(figures.target).value < 0.1


def test_without_a_manifest_nothing_is_said_of_amplification(people: Pack) -> None:
    model = Planted(people, {1.0: 0.5})
    for learned in (None, Learned([]), Learned(rows())):
        found = audit(model, "a <b>model</b>", people, Plan((1.0,)), learned)
        assert all(not f.learned for f in found.found)
        page = render(found, "ornstein audit bias <script>")
        assert "nothing is said of amplification" in page
        assert "<script>" not in page
        assert "<b>model" not in page


def test_the_page_shows_figures_errors_and_pictures(people: Pack) -> None:
    found = audit(Planted(people, {1.0: 0.1}), "planted", people, Plan((1.0,)), planted_manifest(people))
    page = render(found, "ornstein audit bias planted")
    assert page.count("<svg") == 2
    assert page.count("data:image/png") == min(48, len(found.asked))
    share = next(f for f in found.found if f.attribute == "gender").shares.share("male")
    assert str(share) in page
    assert "taken for, gender" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_drawing_that_is_a_mans_counts_as_a_man(tmp_path: Path) -> None:
    asked = next(family for family in FAMILIES if is_tested(family))
    labels = label(Pack.open(make_people(tmp_path / "pack", {asked: "male"})))
    unnamed = (labels.families == asked) & ~labels.named
    assert (labels.shown["gender"][unnamed] == 1).all()
    assert labels.same[unnamed].all()
    assert not labels.same[labels.families != asked].any()
    assert (labels.shown["gender"][(labels.families != asked) & ~labels.named] == 2).all()


def test_what_was_learned_is_weighed_as_it_was_drawn(people: Pack) -> None:
    labels = label(people)
    found = Learned(people.rows(), concept_first=True).shares(people, labels, FAMILIES, {"round style"})
    tones = found[FAMILY]["skin-tone"]
    assert tones["none"] == pytest.approx(0.5)  # five tones share what the plain one has
    assert tones["dark"] == pytest.approx(0.1)
    assert found[FAMILY]["gender"]["female"] == pytest.approx(1 / 3)
    assert found[OPEN_CAPTIONS]["gender"] == {"female": 0, "male": 0, "open": 1}
    assert Learned(people.rows()).shares(people, labels, FAMILIES, {"round style"})[FAMILY]["skin-tone"][
        "none"
    ] == pytest.approx(1 / 6)


def test_packs_and_pictures_that_cannot_be_judged_are_named(people: Pack, tmp_path: Path) -> None:
    discs = Pack.open(make_pack(tmp_path / "discs"))
    with pytest.raises(OrnsteinError, match="no concept with a woman's and a man's picture"):
        audit(Planted(people, {1.0: 0.5}), "planted", discs, Plan((1.0,)))
    with pytest.raises(OrnsteinError, match="3 channels"):
        audit(Planted(people, {1.0: 0.5}, channels=3), "planted", people, Plan((1.0,)))


def test_the_command_writes_a_report(ornstein: Command, bundle: Path, people: Pack, tmp_path: Path) -> None:  # noqa: F811
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "version: 1\nname: half\nquotas:\n"
        f"  - {{attribute: gender, when: [{', '.join(FAMILIES)}], shares: {{female: 0.5, male: 0.5}}}}\n"
    )
    out = tmp_path / "report"
    base = ["audit", "bias", bundle, "--pack", people.folder, "--guidance", 1, "-n", 1, "--out", out]
    said = ornstein(*base, "--policy", policy, "--json")
    assert said.code == 0
    figures = json.loads(said.out)
    assert figures == json.loads((out / "bias.json").read_text())
    assert figures["quotas"][0]["shares"] == {"female": 0.5, "male": 0.5}
    assert (out / "report.html").read_text().count("data:image/png") > 4
    said = ornstein(*base)
    assert said.code == 0
    assert "total variation to the target" in said.out
    for change, code in (
        (["--guidance", 99], 2),
        (["--pack", tmp_path], 1),
        (["--policy", tmp_path / "no.yaml"], 1),
    ):
        said = ornstein(*base, *change)
        assert said.code == code
        assert len(said.err.strip().splitlines()[-1]) > 10
        assert "Traceback" not in said.err
