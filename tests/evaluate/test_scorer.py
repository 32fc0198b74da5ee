"""The scorer learns which words belong to which pictures, keeps what it learned, and says how good it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.evaluate.alignment import shows_style
from ornstein.evaluate.scorer import Scorer, ScorerConfig, TrainedScorer
from ornstein.evaluate.scorer_training import contrast, train_scorer
from ornstein.evaluate.trunk import rate
from tests.train.conftest import NAMES, make_pack

SMALL = ScorerConfig(size=16, widths=(16, 32), space=16, length=8)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return Pack.open(make_pack(tmp_path_factory.mktemp("scorer") / "discs"))


@pytest.fixture(scope="module")
def trained(pack: Pack) -> TrainedScorer:
    return train_scorer(pack, pack.folder.parent / "scorer", samples=2400, batch=24, config=SMALL)


def test_pictures_find_their_words_and_words_their_pictures(pack: Pack, trained: TrainedScorer) -> None:
    rows = np.arange(48)
    shown = [pack.captions(k)[0] for k in rows.tolist()]
    scores = trained.see(pack.pictures(rows)) @ trained.read(NAMES).T
    assert [NAMES[k] for k in scores.argmax(1).tolist()] == shown
    assert trained.facts["retrieval"]["train"] == {"captions": 3, "R@1": 1.0, "R@5": 1.0}
    assert trained.facts["fingerprint"] == pack.fingerprint


def test_what_is_seen_does_not_depend_on_neighbours_or_size_of_file(
    pack: Pack, trained: TrainedScorer
) -> None:
    pictures = pack.pictures(np.arange(10))
    assert torch.allclose(trained.see(pictures)[3:4], trained.see(pictures[3:4]), atol=1e-5)
    assert trained(pictures).shape == (10, trained.width)
    large = pictures.repeat(2, axis=1).repeat(2, axis=2)
    assert torch.cosine_similarity(trained.see(large), trained.see(pictures)).min() > 0.95


def test_a_saved_scorer_is_the_same_and_an_altered_one_is_refused(pack: Pack, trained: TrainedScorer) -> None:
    folder = pack.folder.parent / "scorer"
    pictures = pack.pictures(np.arange(5))
    again = TrainedScorer.load(folder)
    assert torch.equal(again.see(pictures), trained.see(pictures))
    assert again.key == trained.key
    weights = folder / "scorer.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(OrnsteinError, match="altered"):
        TrainedScorer.load(folder)
    with pytest.raises(OrnsteinError, match="no readable scorer"):
        TrainedScorer.load(folder / "nowhere")


def test_equal_captions_are_all_right_answers() -> None:
    """Two pictures of one caption: the least loss is reached when both lie on it, not when they avoid each other."""
    vectors = torch.eye(3)[torch.tensor([0, 0, 1])]
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    hot = torch.tensor(4.0)
    floor = contrast(vectors, vectors, same, hot)
    assert float(floor) == pytest.approx(2 / 3 * np.log(2), abs=1e-4)  # the entropy of the right answers
    assert contrast(torch.eye(3), vectors, same, hot) > floor


def test_the_rate_rises_and_falls() -> None:
    assert rate(0.0) == 0.0
    assert rate(0.05) == pytest.approx(1.0, abs=0.01)
    assert rate(1.0) == 0.0


def test_a_new_scorer_passes_gradients_to_every_weight() -> None:
    scorer = Scorer(SMALL)
    states = torch.randn(6, 8, 384)
    seen = scorer.pictures(torch.randn(6, 4, 16, 16))
    loss = contrast(
        seen, scorer.texts(states, torch.ones(6, 8).bool()), torch.eye(6).bool(), scorer.temperature
    )
    loss.backward()
    still = [name for name, p in scorer.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # behind a gain that starts at zero no gradient arrives in the first step
    assert all(".pairs." in name and ".4." not in name for name in still)


class Wordless:
    """Stands in for a scorer that sees a colour as the word of that colour and no more."""

    words = ("red", "green", "blue")

    def see(self, pictures: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(pictures.reshape(len(pictures), 3).astype(np.float32))

    def read(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor([[float(word in text.split()[1]) for word in self.words] for text in texts])


def test_a_style_is_shown_where_no_other_style_fits_better() -> None:
    styles = ["red style", "green style", "blue style"]
    prompts = ["cat, red style", "dog, blue style", "green, red style"]
    pictures = np.array([[9, 1, 0], [0, 9, 8], [9, 0, 0]], np.uint8)[:, None, None, :]
    assert shows_style(Wordless(), pictures, prompts, styles).tolist() == [True, False, True]  # type: ignore[arg-type]


def test_a_style_whose_name_ends_in_another_is_itself() -> None:
    styles = ["red style", "dark red style"]
    pictures = np.array([[1, 0, 0]], np.uint8)[:, None, None, :]
    # read as "cat, dark" in "red style", it would be compared with a text that nobody asked for
    assert shows_style(Wordless(), pictures, ["cat, dark red style"], styles).tolist() == [False]  # type: ignore[arg-type]
