"""What a file's credential is worth: trusted, valid but by a stranger, invalid, or none; and why, in plain words."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator
from typing import Any, Literal

import c2pa
from pydantic import ValidationError

from ornstein.config import Config
from ornstein.errors import OrnsteinError
from ornstein.guard.credentials.claim import ACTIONS, LABEL, TRAINING, USES, Claim
from ornstein.guard.credentials.media import NAMES, UNKNOWN, mime_of
from ornstein.guard.credentials.pem import title
from ornstein.guard.credentials.stripping import PNG_CREDENTIAL, png_chunks
from ornstein.guard.credentials.texts import one_line
from ornstein.guard.credentials.trust import DEVELOPMENT, Trust

State = Literal["trusted", "valid", "invalid", "none"]
NOTHING = "no credential in it; that proves nothing about where it comes from"
STATES: dict[str, State] = {"Trusted": "trusted", "Valid": "valid"}
EXPIRED, UNTRUSTED = "signingCredential.expired", "signingCredential.untrusted"
EDITED, UNSTAMPED = "assertion.hashedURI.mismatch", "timeStamp.untrusted"
DAMAGED = "the file or its credential is damaged"
CHANGED = "the file was changed after it was signed, or the credential was taken from another file"
REASONS = {
    "assertion.dataHash.mismatch": CHANGED,
    "assertion.bmffHash.mismatch": CHANGED,
    "assertion.boxesHash.mismatch": CHANGED,
    EDITED: "an assertion was edited after it was signed",
    "assertion.missing": "an assertion was taken out after signing",
    "claimSignature.mismatch": "the signature is not that of this claim",
    "claimSignature.missing": "the signature was taken out",
    "claimSignature.outsideValidity": "the certificate was not valid when the file was signed",
    "signingCredential.invalid": "the certificate is not one that may sign",
    "signingCredential.revoked": "the certificate was revoked",
    "timeStamp.mismatch": "the time stamp belongs to another signature",
    UNSTAMPED: "the time stamp is by a service that none of the anchors vouches for",
}
SHOWN = 10  # reasons, at most


class Verdict(Config):
    """What is known of a file. Believe a claim only where the state is trusted.

    Attributes:
        state: trusted; valid: whole, but signed by somebody unknown; invalid: changed, damaged or expired; none.
        reasons: why it is not trusted, and what else to know.
        signer: organisation and name on the certificate. issuer: of that certificate.
        development: signed by this machine's own development certificate, which proves nothing to anybody else.
        time: when, in ISO 8601; by the time stamp where `stamped`, else by the signer's own word.
        actions: what was done: "created", "opened", "edited" …, with the kind of source.
        training: what others may do: "allowed", "notAllowed" or "constrained"; None where nothing is said.
        claim: how Ornstein made it; None of other programs' files and of invalid ones.
    """

    state: State
    reasons: tuple[str, ...] = ()
    signer: str | None = None
    issuer: str | None = None
    development: bool = False
    time: str | None = None
    stamped: bool = False
    actions: tuple[str, ...] = ()
    training: str | None = None
    claim: Claim | None = None


def verify(data: bytes, trust: Trust, beside: bytes | None = None) -> Verdict:
    """Judge a file by its bytes alone; whatever they are, the answer is a verdict.

    Args:
        data: the whole file.
        trust: whom to believe.
        beside: the credential of a file that carries none itself, as it lies beside it; not looked at where it does.
    """
    mime = mime_of(data)
    if mime is None and beside is None:
        return Verdict(state="none", reasons=(f"{NOTHING} (it is none of {NAMES}, and none lies beside it)",))
    try:
        with c2pa.Reader(
            mime or UNKNOWN, io.BytesIO(data), beside if mime is None else None, context=trust.context
        ) as reader:
            store, whole = json.loads(reader.json()), json.loads(reader.crjson())
    except (c2pa.C2paError, ValueError, RecursionError) as error:
        return _unreadable(error)
    if mime == "image/png" and not _sum_holds(data):
        return Verdict(state="invalid", reasons=(f"{DAMAGED}: its checksum is wrong",))
    return _judge(store, whole, trust)


def _sum_holds(data: bytes) -> bool:
    """Whether a PNG file's credential is as it was written: hashes leave out its padding, which its checksum covers."""
    try:
        chunks = [chunk for chunk in png_chunks(memoryview(data)) if chunk[4:8] == PNG_CREDENTIAL]
    except OrnsteinError:
        return False
    return all(zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big") for chunk in chunks)


def _unreadable(error: Exception) -> Verdict:
    """Where the library found no whole credential."""
    if str(error).startswith("ManifestNotFound:"):
        return Verdict(state="none", reasons=(NOTHING,))
    if str(error).startswith("Remote:"):
        where = one_line(str(error).rpartition(" ")[2])
        return Verdict(state="none", reasons=(f"{NOTHING}; it names one at {where}, and nothing is fetched",))
    what = one_line(error) or type(error).__name__.strip("_")
    return Verdict(state="invalid", reasons=(f"{DAMAGED}: {what}",))


def _judge(store: Any, whole: Any, trust: Trust) -> Verdict:
    """The verdict on what the library read: `store` is its report, `whole` its other one, which names certificates."""
    label, results = _at(store, "active_manifest"), _at(store, "validation_results")
    active = _at(store, "manifests", label)
    contents = {str(_at(part, "label")): _at(part, "data") for part in reversed(_list(active, "assertions"))}
    actions = _list(contents.get(ACTIONS), "actions")
    state = STATES.get(str(_at(store, "validation_state")), "invalid")
    certificate = next(
        (_at(m, "signature") for m in _list(whole, "manifests") if _at(m, "label") == label), None
    )
    signer = _Certificate(certificate)
    stamped = "timeStamp.trusted" in _codes(results, "success")
    said = next((when for action in actions if (when := _at(action, "when"))), None)
    time = _at(active, "signature_info", "time") if stamped else said
    reasons = [*_failures(results, signer, trust), *_inputs(store, active)]
    return Verdict(
        state=state, reasons=tuple(dict.fromkeys(reasons))[:SHOWN], signer=signer.subject, issuer=signer.issuer,
        development=state == "trusted" and _at(results, "trustListUri") == DEVELOPMENT,
        time=one_line(time) if time else None, stamped=stamped,
        actions=tuple(_done(action) for action in actions[:SHOWN]), training=_training(contents.get(TRAINING)),
        claim=_claim(contents.get(LABEL)) if state != "invalid" else None,
    )  # fmt: skip


class _Certificate:
    """What the report says of a leaf: names and validity."""

    def __init__(self, signature: Any) -> None:
        self._info = _at(signature, "certificateInfo")
        self.subject, self.issuer = self._name("subject"), self._name("issuer")

    def _name(self, who: str) -> str | None:
        common, organisation = _at(self._info, who, "CN"), _at(self._info, who, "O")
        if common and organisation and str(organisation) not in str(common):
            return one_line(f"{common} ({organisation})")
        return one_line(common or organisation) if common or organisation else None

    def day(self, which: str) -> str:
        """Of ``notBefore`` or ``notAfter``."""
        return one_line(_at(self._info, "validity", which) or "a day that it does not name")[:10]


def _failures(results: Any, signer: _Certificate, trust: Trust) -> Iterator[str]:
    """Every failed check of the file's own credential, in plain words, and a time stamp that nobody vouches for."""
    expired = EXPIRED in _codes(results, "failure")
    for check in _checks(results, "failure"):
        code = str(_at(check, "code"))
        if code == EXPIRED:
            yield f"the certificate of {signer.subject} was valid from {signer.day('notBefore')} to " + (
                f"{signer.day('notAfter')} and no trusted time stamp says that the file was signed then"
            )
        elif code == UNTRUSTED and not expired:  # an expired one is called untrusted as well
            yield f"signed by {signer.subject}, certified by {signer.issuer}: " + _strange(trust)
        elif code == EDITED:
            yield f"{REASONS[code]}: {one_line(str(_at(check, 'url')).rpartition('/')[2])}"
        elif code != UNTRUSTED:
            yield REASONS.get(code) or one_line(f"{code}: {_at(check, 'explanation')}")
    if UNSTAMPED in _codes(results, "informational"):
        yield REASONS[UNSTAMPED]


def _strange(trust: Trust) -> str:
    known = [*trust.anchors, *([trust.development] if trust.development else [])]
    if not known:
        return "nobody is trusted on this machine yet"
    return (
        f"none of the trusted roots vouches for that ({', '.join(title(root.subject) for root in known[:3])})"
    )


def _inputs(store: Any, active: Any) -> Iterator[str]:
    """What is known of the files that it was made from, as the signer found them."""
    for ingredient in _list(active, "ingredients"):
        before = _at(ingredient, "active_manifest")
        if before is None:
            yield "made from an input without a credential"
            continue
        who = one_line(_at(store, "manifests", before, "signature_info", "issuer") or "somebody")
        failed = _codes(_at(ingredient, "validation_results"), "failure")
        if not failed:
            yield f"made from an input that {who} signed"
        elif set(failed) == {UNTRUSTED}:
            yield f"made from an input that {who} signed, whom the signer did not know"
        else:
            yield f"made from an input whose credential, by {who}, did not hold"


def _done(action: Any) -> str:
    name = one_line(str(_at(action, "action")).removeprefix("c2pa."))
    source = _at(action, "digitalSourceType")
    return f"{name} ({one_line(str(source).rpartition('/')[2])})" if source else name


def _training(data: Any) -> str | None:
    """The strictest word on training."""
    said = {str(_at(data, "entries", use, "use")) for use in USES}
    return next((word for word in ("notAllowed", "constrained", "allowed") if word in said), None)


def _claim(data: Any) -> Claim | None:
    try:
        return Claim.model_validate(data) if isinstance(data, dict) else None
    except ValidationError:
        return None  # of another program, or of a version to come


def _checks(results: Any, kind: str) -> list[Any]:
    return _list(_at(results, "activeManifest"), kind)


def _codes(results: Any, kind: str) -> list[str]:
    return [str(_at(check, "code")) for check in _checks(results, kind)]


def _at(value: Any, *path: Any) -> Any:
    """What lies at a path through nested mappings; None where it does not lead on: strangers wrote them."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _list(value: Any, key: str) -> list[Any]:
    found = _at(value, key)
    return found if isinstance(found, list) else []
