"""A tiny model of text, trained for a moment by the project's trainer."""

import pytest

from ornstein.cli.prepare_text import _index
from ornstein.config import override
from ornstein.data.manifest import TRAIN
from ornstein.data.text import Passage, TextPack, write_pack
from ornstein.recipes import find_recipe
from ornstein.texts import TextModel
from ornstein.train.loop import Trainer
from ornstein.train.texts import TextTask, resolve

TINY = (
    "name=letters", "codec.size=280", "network.context=48", "network.transformer.width=32",
    "network.transformer.depth=2", "network.transformer.heads=2", "sampling.length=40", "training.samples=512",
    'training.stages=[{"size":32,"batch":16}]', "training.ema=[50,100]", "training.compile=false",
    "optimiser.warmup=100", "training.prompts=[]",
)  # fmt: skip
THINGS = ("sea", "hill", "wind", "stone", "river", "tree", "bird", "night")


def saying(number: int) -> str:
    """One of many alike, no two of which share a run of eight words."""
    first, second, third = (THINGS[(number // 8**k + 3 * k) % 8] for k in range(3))
    return f"letter {number} says the {first} is {number} the {second} and {third} no {number}"


SAYINGS = [saying(number) for number in range(80)]


@pytest.fixture(scope="session")
def pack(tmp_path_factory) -> TextPack:
    folder = tmp_path_factory.mktemp("text") / "pack"
    passages = [Passage(str(d), text, f"letter {d}") for d, text in enumerate(SAYINGS)]
    write_pack(folder, "letters", passages, licence="CC0-1.0", holder="A. Writer", source="letters")
    return TextPack.open(folder)


@pytest.fixture(scope="session")
def task(pack) -> TextTask:
    recipe = resolve(override(find_recipe("text"), [f"data.pack={pack.folder}", *TINY]), pack)
    return TextTask(recipe, pack)


@pytest.fixture(scope="session")
def bundle(task, pack, tmp_path_factory):
    trainer = Trainer(task, tmp_path_factory.mktemp("run"))
    for _ in trainer.steps():
        pass
    folder = trainer.write_bundle(tmp_path_factory.mktemp("bundles") / "letters")
    _index(folder, pack.of(TRAIN))
    return folder


@pytest.fixture(scope="session")
def model(bundle) -> TextModel:
    import ornstein

    made = ornstein.load(bundle)
    assert isinstance(made, TextModel)
    return made
