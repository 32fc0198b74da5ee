"""The options by which verbs find the books."""

from __future__ import annotations

from typing import Annotated

import typer

Database = Annotated[
    str | None,
    typer.Option(
        envvar="ORNSTEIN_DATABASE", show_envvar=False,
        help="sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME; ORNSTEIN_DATABASE, else a file of yours.",
    ),
]  # fmt: skip
Store = Annotated[
    str | None,
    typer.Option(
        envvar="ORNSTEIN_STORE", show_envvar=False,
        help="A folder, or s3://BUCKET/PREFIX; ORNSTEIN_STORE, else a folder of yours.",
    ),
]  # fmt: skip
