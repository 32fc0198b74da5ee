"""Text becomes passages that are split by document, told of in a manifest, and never measured on what was learned."""

import gzip
import shutil

import pytest

from ornstein.data import books
from ornstein.data.manifest import HELD_OUT, TRAIN
from ornstein.data.text import Passage, TextPack, is_text, read_passages, shingles, write_pack
from ornstein.errors import OrnsteinError, UsageError

FACTS = {"licence": "cc0-1.0", "holder": "A. Writer", "source": "letters"}


def passages(documents: int = 60, each: int = 3) -> list[Passage]:
    return [
        Passage(
            f"{d}:{k}",
            f"letter {d} says that the {k} th word of {d * 7 + k} is {d * k} and no other",
            f"letter {d}",
        )
        for d in range(documents)
        for k in range(each)
    ]


def test_a_document_is_never_cut_by_the_split(tmp_path):
    pack = TextPack.open(write_pack(tmp_path / "pack", "letters", passages(), held_out=0.3, **FACTS))
    by_document: dict[str, set[str]] = {}
    for row in pack.rows:
        by_document.setdefault(row.concept, set()).add(row.split)
    assert all(len(splits) == 1 for splits in by_document.values())
    assert {row.split for row in pack.rows} == {TRAIN, HELD_OUT}
    assert {row.licence for row in pack.rows} == {"CC0-1.0"}
    assert len(pack.of(TRAIN)) + len(pack.of(HELD_OUT)) == len(pack.texts) == 180


def test_what_repeats_held_out_text_is_left_out_of_training(tmp_path):
    first = TextPack.open(write_pack(tmp_path / "first", "letters", passages(), held_out=0.3, **FACTS))
    held = first.of(HELD_OUT)[0]
    trained = next(row.concept for row in first.rows if row.split == TRAIN)
    more = [*passages(), Passage("copy", f"He wrote: {held}", trained)]
    second = TextPack.open(write_pack(tmp_path / "second", "letters", more, held_out=0.3, **FACTS))
    assert "copy" not in {row.id for row in second.rows}
    assert list(second.header.notes.values()) == [1]
    held_runs = {run for text in second.of(HELD_OUT) for run in shingles(text)}
    assert not any(set(shingles(text)) <= held_runs for text in second.of(TRAIN))


def test_an_altered_pack_is_refused(tmp_path):
    folder = write_pack(tmp_path / "pack", "letters", passages(), **FACTS)
    assert is_text(folder)
    (folder / "passages.txt").write_text("something else\n")
    with pytest.raises(OrnsteinError, match="was altered"):
        TextPack.open(folder)
    with pytest.raises(OrnsteinError, match="not a pack of text"):
        TextPack.open(tmp_path)


def test_nothing_to_train_on_is_said_and_nothing_is_left(tmp_path):
    with pytest.raises(UsageError, match="no text to train on"):
        write_pack(tmp_path / "pack", "letters", passages(), held_out=1.0, **FACTS)
    assert not list(tmp_path.iterdir())


def test_a_users_text_is_paragraphs_and_prompts(tmp_path):
    (tmp_path / "one.txt").write_text("\ufeffFirst one.\nStill it.\r\n\r\nSecond one.\n", encoding="utf-8")
    (tmp_path / "two.jsonl").write_text('{"prompt": "oak", "text": "a tree"}\n\n{"text": "no prompt"}\n')
    found = read_passages(tmp_path)
    assert [passage.text for passage in found] == [
        "First one.\nStill it.", "Second one.\n", "oak: a tree", "no prompt",
    ]  # fmt: skip
    assert len({passage.id for passage in found}) == 4


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.txt", b"caf\xe9 au lait", r"not UTF-8 \(byte 0xe9 at 3\)"),
        ("a.txt", b" \n\n ", "holds no text"),
        ("a.jsonl", b'{"text": 3}\n', r"a\.jsonl:1 is not"),
        ("a.jsonl", b'{"text": "fine"}\n[' + b"[" * 5000, r"a\.jsonl:2 is not"),
        ("a.jsonl", b"null\n", r"a\.jsonl:1 is not"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=said):
        read_passages(tmp_path / name)


def test_an_empty_folder_is_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"no \.txt or \.jsonl"):
        read_passages(tmp_path)


@pytest.mark.skipif(shutil.which("bible") is None, reason="bible-kjv is not installed")
def test_the_bible_comes_whole(tmp_path):
    pack = TextPack.open(books.build_kjv(tmp_path / "kjv"))
    left_out = sum(pack.header.notes.values())
    assert len(pack.texts) + left_out == 31_102
    texts = dict(zip((row.id for row in pack.rows), pack.texts, strict=True))
    assert texts["Genesis 1:1"] == "In the beginning God created the heaven and the earth."
    assert texts["1 John 4:8"].endswith("for God is love.")
    assert {row.licence for row in pack.rows} == {"LicenseRef-Public-Domain"}


def test_a_dictionary_under_the_gpl_has_to_be_asked_for(tmp_path):
    with pytest.raises(OrnsteinError, match="GPL-2.0-or-later"):
        books.build_gcide(tmp_path / "gcide")


def test_a_dictd_index_is_read(tmp_path):
    entries = [
        ("Oak", 'Oak \\Oak\\, n. [OE. oke.] (Bot.)\n   1. Any tree of the genus {Quercus}; a hard wood. "Old\n'
                '      oaks stand." --Pope.\n      [1913 Webster]\n'),
        ("ash", "ash \\ash\\, n.\n   What is left of a fire, soft and grey. [Obs.]\n"),
    ]  # fmt: skip
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body, lines = b"", []
    for word, text in entries:
        number = "".join(digits[part] for part in divmod(len(body), 64))
        lines.append(f"{word}\t{number}\t{''.join(digits[part] for part in divmod(len(text), 64))}\n")
        body += text.encode()
    (tmp_path / "gcide.dict.dz").write_bytes(gzip.compress(body))
    (tmp_path / "gcide.index").write_text("".join(lines))
    found = list(books._entries(tmp_path))
    assert [passage.text for passage in found] == [
        "oak: 1. Any tree of the genus Quercus; a hard wood.",
        "ash: What is left of a fire, soft and grey.",
    ]
    with pytest.raises(OrnsteinError, match="absent or damaged"):
        list(books._entries(tmp_path / "none"))
