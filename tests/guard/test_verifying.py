"""Verdicts: trusted only where file, claim and signer are; every other state says why; nothing is fetched."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
import zlib
from datetime import timedelta
from pathlib import Path

import pytest

from ornstein.errors import OrnsteinError
from ornstein.guard.credentials.certificates import folder, make
from ornstein.guard.credentials.media import mime_of
from ornstein.guard.credentials.pem import title
from ornstein.guard.credentials.signing import Signer
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.trust import folder as trusted
from ornstein.guard.credentials.verifying import CHANGED, NOTHING, verify
from ornstein.guard.policy import Credentials
from tests.guard.signed import CLAIM, FILES, Chain, a_chain, encoded, listening

PNG = FILES["png"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def signed() -> bytes:
    return Signer.of(Credentials()).sign(PNG, CLAIM).data


def signed_by(who: Chain, folder: Path) -> bytes:
    chain, key = who.write(folder)
    return Signer.of(Credentials(chain=chain, key=key)).sign(PNG, CLAIM).data


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def credential(data: bytes) -> tuple[int, int]:
    """Where a signed PNG's caBX chunk begins and ends."""
    start = data.index(b"caBX") - 4
    return start, start + 12 + int.from_bytes(data[start : start + 4], "big")


def test_a_changed_pixel(signed: bytes) -> None:
    changed = bytearray(signed)
    changed[-30] ^= 1
    verdict = verify(bytes(changed), Trust.find())
    assert (verdict.state, verdict.reasons, verdict.claim) == ("invalid", (CHANGED,), None)


def test_a_chunk_more(signed: bytes) -> None:
    start, _ = credential(signed)
    more = signed[:start] + chunk(b"tEXt", b"parameters\0something else") + signed[start:]
    assert verify(more, Trust.find()).reasons == (CHANGED,)


def test_a_transplanted_credential(signed: bytes) -> None:
    start, end = credential(signed)
    other = encoded("PNG", seed=1)
    assert verify(other[:start] + signed[start:end] + other[start:], Trust.find()).reasons == (CHANGED,)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"dpmpp-2m", b"dpmpp-3m"), (b"trainedAlgo", b"TrainedAlgo"), (b"notAllowed", b"notallowed")],
)
def test_an_edited_assertion_is_named(signed: bytes, old: bytes, new: bytes) -> None:
    start, end = credential(signed)
    body = signed[start + 8 : end - 4].replace(old, new)
    edited = signed[:start] + chunk(b"caBX", body) + signed[end:]
    verdict = verify(edited, Trust.find())
    assert verdict.state == "invalid"
    assert any("edited after it was signed: " in reason for reason in verdict.reasons)


def test_a_claim_that_another_key_signed(signed: bytes) -> None:
    """The claim's own bytes, which the signature is over."""
    start, end = credential(signed)
    body = bytearray(signed[start + 8 : end - 4])
    body[body.index(b"instanceID") + 30] ^= 1
    verdict = verify(signed[:start] + chunk(b"caBX", bytes(body)) + signed[end:], Trust.find())
    assert verdict.state == "invalid"


def test_a_stranger_and_the_roots_that_do_not_vouch_are_named(tmp_path: Path) -> None:
    data = signed_by(a_chain(), tmp_path)
    make(folder(), "Here")
    verdict = verify(data, Trust.find())
    assert verdict.state == "valid"
    (reason,) = verdict.reasons
    assert reason.startswith(
        "signed by leaf (Studio), certified by Studio intermediate: none of the trusted roots"
    )
    assert "Here root" in reason
    nobody = verify(data, Trust())
    assert (nobody.state, nobody.development) == ("valid", False)
    assert "nobody is trusted" in nobody.reasons[0]


def test_a_root_of_the_same_name_does_not_vouch(tmp_path: Path) -> None:
    data = signed_by(a_chain(), tmp_path)
    assert verify(data, Trust(a_chain().anchors)).state == "valid"


def test_anchors_are_found_in_the_folder_and_by_name(tmp_path: Path, home: Path) -> None:
    who = a_chain()
    data = signed_by(who, tmp_path)
    (tmp_path / "root.pem").write_bytes(who.root)
    assert verify(data, Trust.find(tmp_path / "root.pem")).state == "trusted"
    assert verify(data, Trust.find()).state == "valid"
    trusted().mkdir(parents=True)
    (trusted() / "studio.pem").write_bytes(who.root)
    verdict = verify(data, Trust.find())
    assert (verdict.state, verdict.development, verdict.signer) == ("trusted", False, "leaf (Studio)")
    (trusted() / "broken.pem").write_text("nothing")
    with pytest.raises(OrnsteinError, match=r"broken\.pem holds no certificates"):
        Trust.find()


def test_verifying_makes_no_chain(home: Path) -> None:
    verify(PNG, Trust.find())
    assert not home.exists()


def test_a_chain_that_was_replaced_no_longer_vouches(signed: bytes) -> None:
    assert verify(signed, Trust.find()).development
    make(folder(), "Ornstein development", force=True)
    assert verify(signed, Trust.find()).state == "valid"


def test_expired_says_from_when_to_when(tmp_path: Path) -> None:
    who = a_chain(end=timedelta(seconds=2))
    data = signed_by(who, tmp_path)
    time.sleep(3.5)
    verdict = verify(data, Trust(who.anchors))
    until = who.certificates[0].not_valid_after_utc
    assert verdict.state == "invalid"
    assert f"to {until:%Y-%m-%d} and no trusted time stamp" in verdict.reasons[0]


def test_nothing_proves_nothing() -> None:
    for kind, data in FILES.items():
        assert verify(data, Trust.find()).reasons == (NOTHING,), kind
    assert NOTHING in verify(b"plain text", Trust.find()).reasons[0]


def test_a_credential_elsewhere_is_named_and_not_fetched() -> None:
    asked: list[bytes] = []

    def answer(query: bytes) -> bytes:
        asked.append(query)
        return b""

    with listening(answer) as address:
        xmp = (
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/" '
            f'dcterms:provenance="{address}a.c2pa"/></rdf:RDF></x:xmpmeta>'
        )
        verdict = verify(encoded("JPEG", xmp=xmp.encode()), Trust.find())
    assert verdict.state == "none"
    assert f"{address}a.c2pa" in verdict.reasons[0]
    assert asked == []


def test_names_of_strangers_do_not_steer_the_terminal(tmp_path: Path) -> None:
    data = signed_by(a_chain(organisation="\x1b[2J\x07evil\u202egnp"), tmp_path)
    verdict = verify(data, Trust())
    assert "evil" in str(verdict.signer)
    assert all(text.isprintable() for text in [verdict.signer, verdict.issuer, *verdict.reasons])
    assert title(a_chain(organisation="\x1b[2J").certificates[0].subject).isprintable()


@pytest.mark.parametrize("kind", FILES)
def test_no_beginning_of_a_signed_file_is_trusted(kind: str) -> None:
    data, trust = Signer.of(Credentials()).sign(FILES[kind], CLAIM).data, Trust.find()
    for end in range(0, len(data), max(1, len(data) // 200)):
        assert verify(data[:end], trust).state in ("invalid", "none"), end


FRUGALLY = """
import resource, sys
from pathlib import Path
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.verifying import verify
trust = Trust.find()
trust.context
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for file in sys.argv[1:]:
    print(verify(Path(file).read_bytes(), trust).state)
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB
"""


def test_a_text_that_unfolds_to_half_a_gigabyte_is_left_folded(signed: bytes, tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    folded = b"".join(packer.compress(bytes(1 << 24)) for _ in range(32)) + packer.flush()
    bomb = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + folded) + chunk(b"zTXt", b"a\0\0" + folded)
    start, _ = credential(signed)
    (tmp_path / "plain.png").write_bytes(PNG[:start] + bomb + PNG[start:])
    (tmp_path / "signed.png").write_bytes(signed[:start] + bomb + signed[start:])
    files = [tmp_path / "plain.png", tmp_path / "signed.png"]
    said = subprocess.run(
        [sys.executable, "-c", FRUGALLY, *files], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["none", "invalid"]


def nested(kind: bytes, depth: int, head: bytes = b"") -> bytes:
    """Boxes within boxes; each begins with `head`."""
    step = 8 + len(head)
    return b"".join(struct.pack(">I", step * left) + kind + head for left in range(depth, 0, -1))


def test_boxes_within_boxes_and_circles_of_tags_end(signed: bytes) -> None:
    start, end = credential(signed)
    title = signed[start + 16 : start + 46]  # the description box of the credential's outermost one
    assert title[4:8] == b"jumd"
    deep = chunk(b"caBX", nested(b"jumb", 20_000, title))
    circle = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 256, 3, 1, 1, 8)
    film = FILES["mp4"][:24] + nested(b"moov", 100_000) + FILES["mp4"][24:]
    for data in (signed[:start] + deep + signed[end:], circle, film):
        assert verify(data, Trust.find()).state == "invalid"


def test_kinds_are_told_by_their_bytes() -> None:
    for kind, data in FILES.items():
        signed = Signer.of(Credentials()).sign(data, CLAIM).data
        assert str(mime_of(data)).endswith(f"/{kind}")
        assert mime_of(signed) == mime_of(data)
    for other in (b"", b"RIFF", b"ID3", b"ID3\x04\0\0\xff\xff\xff\xff", b"\0\0\0\x18ftyp", b"BM"):
        assert mime_of(other) is None
