"""Draws formulas when the site is built: TeX becomes SVG, so that pages need no script, font or network."""

from __future__ import annotations

import html
import re
from functools import cache
from typing import Any

from ziamath.config import config
from ziamath.zmath import Latex

config.svg2 = False  # glyphs as plain paths: identical symbols of two formulas cannot collide

EM = 16.0  # pixels; sizes below are written in em, so formulas scale with the text
_FORMULA = re.compile(
    r'<span class="arithmatex">\\\((?P<inline>.*?)\\\)</span>|'
    r'<div class="arithmatex">\s*\\\[(?P<block>.*?)\\\]\s*</div>',
    re.DOTALL,
)


def on_page_content(content: str, **_: Any) -> str:
    """Replace each formula that pymdownx.arithmatex marked."""
    return _FORMULA.sub(_draw, content)


def _draw(match: re.Match[str]) -> str:
    if match["inline"] is not None:
        return _svg(html.unescape(match["inline"]), "inline")
    return f'<div class="formula">{_svg(html.unescape(match["block"]), "block")}</div>'


@cache
def _svg(tex: str, kind: str) -> str:
    tex = " ".join(tex.split())
    svg = Latex(tex, size=EM * 1.08, color="currentColor", inline=kind == "inline").svg()
    found = re.match(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)" viewBox="([-\d. ]+)">', svg)
    if found is None:
        raise ValueError(f"no picture of {tex!r}: {svg[:120]}")
    width, height = (float(number) / EM for number in found.groups()[:2])
    top = float(found[3].split()[1]) / EM
    style = f"width:{width:.3f}em;height:{height:.3f}em;vertical-align:{-(height + top):.3f}em"
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tex" role="img" aria-label="{html.escape(tex)}" '
        f'viewBox="{found[3]}" style="{style}">'
    )
    return opening + svg[found.end() :]
