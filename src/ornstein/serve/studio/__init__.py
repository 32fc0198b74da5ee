"""The studio: a static page at ``/`` that speaks the public API as any other client does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.responses import Response
    from starlette.types import Scope

FOLDER = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",  # asked again each time and answered with 304: a new version is there at once
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Nothing foreign runs or is fetched. ``blob:`` pictures are those that the page itself asked for with its key."""
SHOWN = ("index.html", "icon.svg", "styles", "scripts")


class Page(StaticFiles):
    """The page's files, and no others of the folder."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if Path(path).parts[:1] not in {(name,) for name in SHOWN}:
            path = "absent"
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def mount(app: FastAPI) -> None:
    """Show the studio at ``/``, its files under ``/studio``. The page names them relatively: a prefix is fine."""

    @app.get("/", include_in_schema=False)
    def studio() -> FileResponse:
        return FileResponse(FOLDER / "index.html", headers=HEADERS)

    app.mount("/studio", Page(directory=FOLDER), name="studio")
