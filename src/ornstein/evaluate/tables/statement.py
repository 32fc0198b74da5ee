"""What may be said of a generated table's privacy: what was measured, and what was not."""

from __future__ import annotations

from collections.abc import Iterator

from ornstein.evaluate.tables.copies import Copies
from ornstein.evaluate.tables.disclosure import Risk, worst
from ornstein.evaluate.tables.membership import Membership

ABOVE = 0.5  # AUROC of an attacker who guesses


def statement(
    rows: tuple[int, int, int],
    found: Membership,
    inferred: dict[str, Risk],
    singled: Risk | None,
    copied: Copies,
) -> str:
    """A few sentences that claim no more than was measured.

    Args:
        rows: training, held-out and generated ones that were looked at.
        found: attacks on membership.
        inferred: attacks on cells.
        singled: attacks by predicates.
        copied: rows that stand twice.
    """
    return " ".join(_sentences(rows, found, inferred, singled, copied))


def _sentences(
    rows: tuple[int, int, int],
    found: Membership,
    inferred: dict[str, Risk],
    singled: Risk | None,
    copied: Copies,
) -> Iterator[str]:
    train, held, made = rows
    yield f"Measured on {made:,} generated rows against {train:,} training rows and {held:,} held-out ones."
    name, best = found.strongest
    tells = (
        "told training rows from others better than chance"
        if best.low > ABOVE
        else "did no better than chance"
    )
    yield (
        f"The strongest of {len(found.attacks)} membership attacks ({name}) {tells}: AUROC {best}, 0.5 being a guess."
    )
    column, leak = worst(inferred)
    more = "more" if leak.leaked.low > 0 else "not measurably more"
    yield (
        f"Cells of training rows could be guessed {more} often than cells of held-out rows; "
        f"most surely for {column!r}: {leak.train.value:.1%} against {leak.held_out.value:.1%}."
    )
    if singled is not None:
        yield (
            f"Predicates that single out a generated row singled out a training row in {singled.train.value:.1%} of "
            f"{singled.train.count:,} tries, a held-out row in {singled.held_out.value:.1%}."
        )
    yield (
        f"{copied.copied.value:.2%} of the generated rows equal a training row in every column; of held-out real rows "
        f"{copied.expected.value:.2%} do, by coincidence."
    )
    yield (
        "This is no guarantee: a stronger attack, an attacker who knows more, or more generated rows may reveal more; "
        "single rare rows may be exposed where the average is not; and nothing here is differential privacy. "
        "A distance to training rows is not privacy either."
    )
