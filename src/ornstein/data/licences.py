"""Which licences a pack may hold. SPDX identifiers; the default is permissive plus attribution."""

from __future__ import annotations

PERMISSIVE = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-0"}
    | {"PDDL-1.0", "Unlicense", "Zlib", "LicenseRef-Public-Domain"}
)
ATTRIBUTION = frozenset({"CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0", "ODC-By-1.0", "OFL-1.1"})
DEFAULT = PERMISSIVE | ATTRIBUTION

_BY_CASE = {name.lower(): name for name in DEFAULT}


def canonical(name: str) -> str:
    """Return the SPDX spelling of a known identifier, any other name unchanged."""
    return _BY_CASE.get(name.strip().lower(), name.strip())


def parse(text: str | None) -> frozenset[str]:
    """Read a comma-separated allow-list; None or "default" stands for `DEFAULT`, which a list can extend."""
    if text is None:
        return DEFAULT
    names = [canonical(part) for part in text.split(",") if part.strip()]
    extended = DEFAULT if any(name.lower() == "default" for name in names) else frozenset[str]()
    return extended | {name for name in names if name.lower() != "default"}


def in_spdx(name: str) -> bool:
    """Whether a name is one of ours that stands in the SPDX licence list; LicenseRef names are anybody's own."""
    return name in DEFAULT and not name.startswith("LicenseRef-")
