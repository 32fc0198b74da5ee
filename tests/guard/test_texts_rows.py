"""Texts and rows behind a policy: prompts, copies, records, credentials beside files, and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from torch import Tensor

from ornstein.data.copies import Copies
from ornstein.data.manifest import Row
from ornstein.data.text import Passage, TextPack, write_pack
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.verifying import verify
from ornstein.guard.decision import RefusedError
from ornstein.guard.guards import guard_of
from ornstein.guard.policy import Copies as WhenCopied
from ornstein.guard.policy import Policy
from ornstein.guard.records.log import RecordLog
from ornstein.guard.rows import GuardedRows
from ornstein.guard.texts import GuardedTexts
from ornstein.loading import load
from ornstein.tables import TableModel
from ornstein.tables.rows import row_hashes
from ornstein.texts import TextModel
from tests.fields import PASSAGES, letters, people, rows_bundle, table
from tests.small import Command, ornstein

__all__ = ["letters", "ornstein", "table"]


@pytest.fixture
def texts(letters: Path) -> GuardedTexts:
    guard = guard_of(load(letters))
    assert isinstance(guard, GuardedTexts)
    return guard


def policy(**output: object) -> Policy:
    shipped = Policy.find()
    changed = shipped.output.model_copy(update={"copies": WhenCopied(**output)})
    return shipped.model_copy(update={"output": changed})


def knowing(model: TextModel, text: str) -> TextModel:
    """The model as if it had learned from this text."""
    model._index = Copies.of([text])
    return model


def entries() -> list:
    rules = Policy.find()
    assert rules.records is not None
    return list(RecordLog.open(None, rules.records).read())


def test_a_forbidden_prompt_is_refused_before_anything_is_made_and_is_on_record(texts: GuardedTexts) -> None:
    with pytest.raises(RefusedError, match="undressing"):
        texts.make(texts.requests("remove her [MASK*3] clothes and undress her", 1, 0))
    last = entries()[-1]
    assert last.kind == "request"
    assert [one.rule for one in last.decisions] == ["forbidden"]
    assert last.settings.model == texts.fingerprint
    assert "[MASK" not in json.dumps(last.model_dump(mode="json"))


def test_generated_text_is_read_for_what_no_policy_can_allow(texts: GuardedTexts, monkeypatch) -> None:
    said = TextModel._text
    monkeypatch.setattr(TextModel, "_text", lambda self, x, made: said(self, x, made) + " undress her")
    (answer,) = texts.make(texts.requests("letter", 1, 0))
    assert answer.output is None
    assert [one.rule for one in answer.decisions] == ["forbidden"]
    assert texts.files([answer]) == []


def test_a_copy_is_written_again_and_held_back_where_it_stays_one(letters: Path, monkeypatch) -> None:
    def worded(self: TextModel, x: object, made: Tensor) -> str:
        """Tokens as harmless words: random bytes can look like anything."""
        return " ".join("".join("bcdfghklmn"[int(digit)] for digit in str(token)) for token in made.tolist())

    monkeypatch.setattr(TextModel, "_text", worded)
    asked = {"length": 60, "steps": 1}
    first = GuardedTexts(load(letters), policy(tries=1))
    (plain,) = first.make(first.requests("letter", 1, 5, **asked))
    assert plain.output is not None
    assert not plain.decisions
    model = knowing(load(letters), plain.output.text)
    assert model.copied(plain.output.text), "the text is too short to be a copy"

    (again,) = GuardedTexts(model, policy(tries=1)).make(first.requests("letter", 1, 5, **asked))
    assert again.output is not None
    assert again.output.text != plain.output.text
    assert "copies" in again.told[0]
    assert f"became {again.output.record.request.seed}" in again.told[0]
    assert not model.copied(again.output.text)

    (held,) = GuardedTexts(model, policy(action="deny")).make(first.requests("letter", 1, 5, **asked))
    assert held.output is None
    assert held.decisions[-1].rule == "copies"
    last = entries()[-1]
    assert last.kind == "outcome"
    assert not last.outputs

    (reported,) = GuardedTexts(model, policy(action="allow")).make(first.requests("letter", 1, 5, **asked))
    assert reported.output is not None
    assert reported.output.text == plain.output.text
    assert reported.decisions[-1].finding is not None


def test_each_file_is_on_record_by_its_hash_and_the_log_holds(texts: GuardedTexts) -> None:
    answers = texts.make(texts.requests("letter", 2, 0))
    files = texts.files(answers)
    found = entries()
    assert [entry.outputs for entry in found[-2:]] == [(file.sha256,) for file in files]
    assert [entry.kind for entry in found[-3:]] == ["request", "outcome", "outcome"]


@pytest.mark.parametrize("change", [b"", b"x", b"\n"])
def test_a_credential_beside_a_file_holds_its_every_byte(texts: GuardedTexts, change: bytes) -> None:
    (file,) = texts.files(texts.make(texts.requests("letter", 1, 0)))
    assert file.beside is not None
    trust = Trust.find()
    verdict = verify(file.data, trust, file.beside)
    assert verdict.state == "trusted"
    assert verdict.claim is not None
    assert verdict.claim.fingerprint == texts.fingerprint
    assert verify(file.data[:-1] + change, trust, file.beside).state == (
        "trusted" if change == b"\n" else "invalid"
    )
    assert verify(file.data, trust, None).state == "none"


@pytest.mark.parametrize("beside", [b"", b"x", b"\0" * 4000])
def test_what_is_no_credential_is_a_verdict(beside: bytes) -> None:
    assert verify(b"a,b\n1,2\n", Trust.find(), beside).state in ("invalid", "none")


def test_a_cut_or_altered_credential_is_never_trusted(texts: GuardedTexts) -> None:
    (file,) = texts.files(texts.make(texts.requests("letter", 1, 0)))
    assert file.beside is not None
    trust, whole = Trust.find(), file.beside
    for end in range(0, len(whole), 97):
        assert verify(file.data, trust, whole[:end]).state != "trusted"
    claim = whole.index(b"letters")  # the model's name, in our assertion
    altered = whole[:claim] + b"LETTERS" + whole[claim + 7 :]
    assert verify(file.data, trust, altered).state == "invalid"


def test_rows_that_copy_a_rare_one_never_come_out_unless_the_policy_says_so(tmp_path: Path) -> None:
    model = load(rows_bundle(tmp_path / "first"))
    assert isinstance(model, TableModel)
    frame = model.generate(8, 3, where=["sex=F"], copies=True).frame
    codec, salt = model.codec, "ab" * 16
    values = {name: frame[name].to_numpy(dtype=object) for name in frame.columns}
    digests = row_hashes(codec, values, salt)
    data = model.recipe.data.model_copy(update={"salt": salt})
    known = TableModel(model.recipe.model_copy(update={"data": data}), model.network)
    rows = [
        Row(id=f"row-{k}", sha256=digest, licence="CC0-1.0", holder="us", source="people", split="train", concept="",
            style="", variant=0, captions=())
        for k, digest in enumerate(digests)
    ]  # fmt: skip
    known.save(tmp_path / "second", manifest=rows)
    guard = guard_of(load(tmp_path / "second"), policy())
    assert isinstance(guard, GuardedRows)
    made = guard.make(8, 3, where=["sex=F"])
    assert made.record is not None
    assert made.record.blocked >= 8
    assert "drawn again" in made.told[0]
    assert not set(
        row_hashes(codec, {n: made.frame[n].to_numpy(dtype=object) for n in made.frame}, salt)
    ) & set(digests)
    free = GuardedRows(guard.model, policy(action="allow")).make(8, 3, where=["sex=F"])
    assert free.frame.equals(frame)


def test_a_table_s_file_is_signed_and_on_record(table: Path) -> None:
    guard = guard_of(load(table))
    assert isinstance(guard, GuardedRows)
    answer = guard.make(4, 1)
    for form in ("csv", "parquet"):
        file = guard.file(answer, form)
        assert verify(file.data, Trust.find(), file.beside).state == "trusted"
        assert entries()[-1].outputs == (file.sha256,)
    assert entries()[-1].settings.size == 4


def test_the_command_line_signs_texts_and_tables_and_verify_finds_it(
    ornstein: Command, letters: Path, table: Path, tmp_path: Path
) -> None:
    text, rows, gaps, filled = (tmp_path / name for name in ("a.txt", "b.csv", "c.csv", "d.parquet"))
    people(5).to_csv(gaps, index=False)
    for arguments in (
        ("generate", "letter", "--model", letters, "-n", 2, "--seed", 1, "--out", text),
        ("generate", "--model", table, "--rows", 5, "--seed", 1, "--out", rows),
        ("impute", gaps, "--model", table, "--out", filled),
    ):
        made = ornstein(*arguments)
        assert made.code == 0, made.err
    assert pd.read_parquet(filled).notna().all().all()
    verdicts = json.loads(ornstein("verify", text, rows, filled, "--require", "trusted", "--json").out)
    assert [one["state"] for one in verdicts] == ["trusted"] * 3
    rows.write_text(rows.read_text().replace("F", "M", 1) + "1")
    assert ornstein("verify", rows).code == 1
    assert ornstein("generate", "letter", "--model", letters, "--out", text).code == 2
    refused = ornstein("generate", "undress her", "--model", letters, "--out", tmp_path / "e.txt")
    assert refused.code == 3
    assert "refused" in refused.err
    assert not (tmp_path / "e.txt").exists()


def test_trace_names_what_a_text_shares_with_its_training_text(
    ornstein: Command, letters: Path, tmp_path: Path
) -> None:
    passages = [Passage(str(k), text, f"letter {k}") for k, text in enumerate(PASSAGES)]
    write_pack(
        tmp_path / "pack", "letters", passages, licence="CC0-1.0", holder="A. Writer", source="letters"
    )
    learned = TextPack.open(tmp_path / "pack").of("train")[0]
    text = tmp_path / "a.txt"
    text.write_text(f"Nobody said it before: {' '.join(learned.split()[:14])}, or so they tell us all.")
    told = json.loads(ornstein("trace", text, "--model", letters, "--pack", tmp_path / "pack", "--json").out)
    (match,) = told[0]["matches"]
    assert match["what"] == " ".join(learned.split()[:14])
    assert (match["size"], match["source"]["holder"]) == (14, "A. Writer")
    alone = ornstein("trace", text, "--model", letters)
    assert "14 words" in alone.out
    text.write_bytes(b"\xff\xfe")
    assert ornstein("trace", text, "--model", letters).code == 2


def test_trace_names_rows_that_were_learned_from(ornstein: Command, table: Path, tmp_path: Path) -> None:
    file, frame = tmp_path / "a.csv", people()
    new = frame.iloc[:2].assign(height=[201.5, 202.5])
    pd.concat([new, frame.iloc[[7]]]).to_csv(file, index=False)
    told = json.loads(ornstein("trace", file, "--model", table, "--json").out)
    (match,) = told[0]["matches"]
    assert match["what"] == "row 3"
    assert match["source"]["id"] == "row-7"
