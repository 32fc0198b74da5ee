"""Shows the code itself: a line ``--8<-- path/to/file.py name other.name`` becomes the source of those names.

Names that are gone stop the build, so a page cannot show code that no longer exists. Papers become links on the way.
"""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_LINE = re.compile(r"^(?P<indent> *)--8<-- (?P<file>\S+\.py)(?P<names>(?: \S+)+)$", re.MULTILINE)
_PAPER = re.compile(r"arXiv (\d{4}\.\d{5})")
_Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Link papers, then replace each line that asks for source."""
    return _LINE.sub(_replace, _PAPER.sub(r"[arXiv \1](https://arxiv.org/abs/\1)", markdown))


def _replace(match: re.Match[str]) -> str:
    return textwrap.indent(show(match["file"], match["names"].split()), match["indent"])


def show(file: str, names: list[str]) -> str:
    """Source of `names` in `file`, without docstrings, one blank line between them."""
    text = (ROOT / file).read_text()
    tree, lines = ast.parse(text), text.splitlines()
    return "\n\n".join(_source(_find(tree, name, file), lines) for name in names)


def _find(tree: ast.Module | ast.ClassDef, name: str, file: str) -> _Named:
    head, _, rest = name.partition(".")
    for node in tree.body:
        if head in _names(node):
            if not rest and isinstance(node, _Named):
                return node
            if isinstance(node, ast.ClassDef):
                return _find(node, rest, file)
    raise LookupError(f"{file} has no {name!r}")


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = (
        node.targets
        if isinstance(node, ast.Assign)
        else [node.target]
        if isinstance(node, ast.AnnAssign)
        else []
    )
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _source(node: _Named, lines: list[str]) -> str:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    last = node.end_lineno or node.lineno
    lines = [line.removesuffix("  # fmt: skip") for line in lines]
    dropped = {row for start, end in _docstrings(node) for row in range(start, end + 1)}
    kept = [lines[row - 1] for row in range(first, last + 1) if row not in dropped]
    indent = len(kept[0]) - len(kept[0].lstrip())
    return re.sub(r"(:\n)\n+", r"\1", "\n".join(line[indent:] for line in kept)).strip("\n")


def _docstrings(node: ast.AST) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for inner in ast.walk(node):
        if (
            not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            or len(inner.body) < 2
        ):
            continue
        text = inner.body[0]
        if (
            isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            spans.append((text.lineno, text.end_lineno or text.lineno))
    return spans
