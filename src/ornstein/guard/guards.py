"""The guard of a model, whatever it makes."""

from __future__ import annotations

from typing import Any

from ornstein.guard.guarded import Guarded
from ornstein.guard.policy import Policy
from ornstein.guard.rows import GuardedRows
from ornstein.guard.texts import GuardedTexts
from ornstein.model import Model
from ornstein.tables import TableModel
from ornstein.texts import TextModel

AnyGuard = Guarded | GuardedTexts | GuardedRows
GUARDS: tuple[tuple[type, Any], ...] = (
    (Model, Guarded),
    (TextModel, GuardedTexts),
    (TableModel, GuardedRows),
)
"""Guards by the class of model that they take."""


def guard_of(model: Any, policy: Policy | None = None) -> AnyGuard:
    """The guard of a model. Raises as the guard."""
    return next(guard for kind, guard in GUARDS if isinstance(model, kind))(model, policy)
