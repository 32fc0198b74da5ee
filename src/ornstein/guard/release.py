"""A held picture goes out after all: signed under the policy that held it, and on record."""

from __future__ import annotations

from ornstein.errors import OrnsteinError
from ornstein.guard.policy import Policy
from ornstein.guard.publish import File, Publisher
from ornstein.guard.records.entry import Event
from ornstein.guard.records.log import RecordLog
from ornstein.guard.review import Case, Reviews


def release(reviews: Reviews, case: Case, policy: Policy) -> File:
    """The PNG file of a held picture, signed.

    Raises:
        OrnsteinError: another policy held it, or it cannot be signed.
    """
    if policy.hash != case.policy:
        raise OrnsteinError(
            f"case {case.id} was held by policy {case.policy[:10]}, not {policy.hash[:10]}: name that one"
        )
    assert case.record is not None
    return Publisher(policy).sign(reviews.picture(case), case.record)


def note(policy: Policy, case: Case, verdict: str, outputs: tuple[str, ...] = ()) -> None:
    """Put on record what a person decided. Raises OrnsteinError."""
    if policy.records is not None:
        said = f"{case.stage} {case.id} {verdict} by a person"
        event = Event(kind="outcome", request=case.id, policy=case.policy, outputs=outputs, note=said)
        RecordLog.open(None, policy.records).append(event)
