"""The risk log: what can go wrong with a model of pictures, what Ornstein does about it, and what was measured.

Controls are those of the policy in force and of the code. Evidence is what the bundle and the audits say; without any,
the log names the command that would make some. Whether what remains is acceptable only the provider can say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ornstein.guard.documents import answers as say
from ornstein.guard.documents.about import RiskName
from ornstein.guard.documents.facts import Known
from ornstein.guard.documents.page import (
    Answer,
    Item,
    Missing,
    Page,
    Section,
    Table,
    not_measured,
    not_stated,
)

ACTIONS = {
    "transform": "drawn again with another seed, and denied in the end",
    "deny": "denied",
    "review": "held for review",
    "allow": "reported only",
}
DUPLICATES = {"keep": "counted and kept", "drop": "all but one left out"}


@dataclass(frozen=True)
class Risk:
    """One risk.

    Attributes:
        name: key of the about file's risks. title: for people. harm: what may happen.
        control: what stands against it. evidence: what was measured, as the bundle knows it.
        background: facts that bear on it and measure nothing.
        audits: words of which one stands in the kind of an audit about it. command: makes evidence.
    """

    name: RiskName
    title: str
    harm: str
    control: Callable[[Known], tuple[Answer, ...]]
    evidence: Callable[[Known], tuple[Answer, ...]]
    audits: tuple[str, ...]
    command: str
    background: Callable[[Known], tuple[Answer, ...]] = lambda known: ()


def log(known: Known) -> Page:
    """All risks."""
    found = [(risk, *_evidence(risk, known)) for risk in RISKS]
    rows = tuple(
        (
            risk.title,
            "measured" if measured else "not measured",
            known.about.risks.get(risk.name, "not stated"),
        )
        for risk, _, measured in found
    )
    return Page(
        f"Risk log of {known.name}",
        (
            f"For the bundle of fingerprint {known.bundle.fingerprint}, used under the policy {known.policy.name}, "
            f"sha256 {known.policy.hash}. The controls are Ornstein's: they act where pictures are generated through "
            "it with this policy, and nowhere else.",
        ),
        (
            Section("Overview", (Item("All risks", (Table(("risk", "evidence", "what remains"), rows),)),)),
            *(_section(risk, evidence, known) for risk, evidence, _ in found),
        ),
    )


def _section(risk: Risk, evidence: tuple[Answer, ...], known: Known) -> Section:
    background = risk.background(known)
    remains = known.about.risks.get(risk.name) or not_stated(f"risks.{risk.name}")
    return Section(
        risk.title,
        (
            Item("Harm", (risk.harm,)),
            Item("Control", risk.control(known)),
            *((Item("Background", background),) if background else ()),
            Item("Evidence", evidence),
            Item("What remains, as the provider judges it", (remains,)),
        ),
    )


def _evidence(risk: Risk, known: Known) -> tuple[tuple[Answer, ...], bool]:
    """What was measured, and whether anything was; a command where nothing was."""
    audits = [e for e in known.evidence if any(word in e.kind.lower() for word in risk.audits)]
    found = [answer for answer in risk.evidence(known) if not isinstance(answer, Missing)]
    found += [answer for e in audits for answer in (f"{e.kind}: {e.file}, sha256 {e.sha256}", e.table())]
    return tuple(found) or (not_measured(risk.command.format(name=known.argument)),), bool(found)


def _nothing(known: Known) -> tuple[Answer, ...]:
    return ()


def _copies(known: Known) -> tuple[Answer, ...]:
    copies = known.policy.output.copies
    if copies is None:
        return ("None: the policy does not search the sources of outputs.",)
    return (
        f"Outputs nearer to a training picture than held-out ones are, at a false-alarm rate of {copies.alpha:g}: "
        f"{ACTIONS[copies.action]}.",
        f"Copies among the training pictures: {DUPLICATES[known.policy.training.duplicates]}.",
    )


def _licences(known: Known) -> tuple[Answer, ...]:
    return (
        f"Training under the policy refuses licences other than: {', '.join(known.policy.training.licences)}.",
        "ornstein data forget removes a holder or a picture and marks the bundle for retraining.",
    )


def _licence_counts(known: Known) -> tuple[Answer, ...]:
    if not known.licences:
        return ()
    rows = tuple((name or "none named", f"{count:,}") for name, count in known.licences.items())
    return (Table(("licence", "pictures trained on"), rows),)


def _quotas(known: Known) -> tuple[Answer, ...]:
    if not known.policy.quotas:
        return ("None: the policy sets no quotas.",)
    return tuple(
        f"Where a prompt leaves {quota.attribute} open: "
        + ", ".join(f"{value} {share:.0%}" for value, share in quota.shares.items())
        for quota in known.policy.quotas
    )


def _prompt_rules(known: Known) -> tuple[Answer, ...]:
    rules, checkers = known.policy.prompt.rules, known.policy.prompt.checkers
    return (
        f"{len(rules)} rules of words and {len(checkers)} classifiers on prompts; spelling tricks are undone first.",
    )


def _picture_checks(known: Known) -> tuple[Answer, ...]:
    checkers = known.policy.output.checkers
    if not checkers:
        return ("None: the policy checks no outputs.",)
    return tuple(
        f"{c.checker}, {c.label}: review from {_level(c.review)}, deny from {_level(c.deny)}."
        for c in checkers
    )


def _level(score: float | None) -> str:
    return "no score" if score is None else f"{score:g}"


def _banned(known: Known) -> tuple[Answer, ...]:
    return ("Refused in code, at every stage, whatever the policy says: no setting turns it off.",)


def _marks(known: Known) -> tuple[Answer, ...]:
    publish = known.policy.publish
    signed = "Files carry signed Content Credentials." if publish.credentials else "Files are not signed."
    marked = (
        "Pictures of deterministic samplers carry a keyed watermark."
        if publish.watermark
        else "No watermark is put in."
    )
    return signed, marked


def _records(known: Known) -> tuple[Answer, ...]:
    records = known.policy.records
    if records is None:
        return ("Requests are not logged.",)
    kept = f"{records.days} days" if records.days else "without limit"
    return (f"Requests are logged with prompts as: {records.prompts}; kept {kept}; entries can be erased.",)


def _hashes(known: Known) -> tuple[Answer, ...]:
    return (
        "Every file of the bundle is checked against its sha256 before use, weights for being finite; nothing is "
        "unpickled.",
    )


def _checked(known: Known) -> tuple[Answer, ...]:
    return (f"All {len(known.bundle.facts.files)} files matched their hashes when this log was made.",)


def _shares(known: Known) -> tuple[Answer, ...]:
    return say.bias(known) if known.manifest and known.manifest.genders else ()


def _quality(known: Known) -> tuple[Answer, ...]:
    return ("Every figure stands beside that of unseen real pictures, with its interval.",)


RISKS = (
    Risk(
        "copying", "Outputs that copy training pictures",
        "A holder's work is reproduced without the licence's conditions being met.",
        _copies, say.copying, ("copy", "copies", "trace", "memor"), "ornstein evaluate {name}",
    ),
    Risk(
        "licences", "Training on pictures that may not be learned from",
        "Rights of holders, or a reservation of rights, are not respected.",
        _licences, _licence_counts, ("licen", "licence"), "ornstein data check FOLDER",
    ),
    Risk(
        "bias", "Outputs that favour or leave out groups of people",
        "People are shown less often, or only in some roles, than the data or a fair share would have it.",
        _quotas, _nothing, ("bias", "fair"), "ornstein audit bias {name}", _shares,
    ),
    Risk(
        "sexual-content", "Sexual content where nobody asked for it",
        "Users see pictures that they did not want, or that are unfit for their age.",
        _picture_checks, _nothing, ("nsfw", "safe", "picture-filter"), "ornstein policy test",
    ),
    Risk(
        "undressing-and-minors", "Undressing people, and sexual content with minors",
        "Banned outright; grave harm to those shown.",
        _banned, _nothing, ("forbidden", "undress", "minor"), "ornstein policy test",
    ),
    Risk(
        "harmful-prompts", "Requests that evade the rules on prompts",
        "Spelling tricks get a request past a list of words.",
        _prompt_rules, _nothing, ("prompt",), "ornstein policy test",
    ),
    Risk(
        "deception", "Pictures taken for records of real events",
        "Generated pictures are spread as if they were real.",
        _marks, _nothing, ("credential",), "ornstein verify FILE",
    ),
    Risk(
        "mark-removal", "Removal of marks",
        "Metadata is stripped, or a picture changed until no mark is found; absence of a mark proves nothing.",
        _marks, _nothing, ("watermark", "detect"), "ornstein detect FILE",
    ),
    Risk(
        "personal-data", "Personal data in prompts and logs",
        "Prompts tell of people; logs keep what they tell.",
        _records, _nothing, ("record", "privacy", "personal"), "ornstein records verify",
    ),
    Risk(
        "quality", "Pictures of poor quality or that miss the prompt",
        "Users rely on a picture that does not show what was asked.",
        _quality, say.measurements, ("quality", "evaluation"), "ornstein evaluate {name}", say.limits,
    ),
    Risk(
        "tampering", "A changed or mixed-up model",
        "Weights other than those that were measured are run.",
        _hashes, _checked, ("tamper", "integrity"), "ornstein models verify {name}",
    ),
)  # fmt: skip
