"""The application: routes behind the gate, one shape of error, and a description that is true."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from ornstein import __version__
from ornstein.serve import studio
from ornstein.serve.api import completions, errors, images, models, outputs, rows, status
from ornstein.serve.api.gate import Gate
from ornstein.serve.service import Service

ABOUT = """Pictures, texts and rows of tables from diffusion models, behind a policy: what it refuses is refused with a
reason, what goes out carries Content Credentials. Clients of OpenAI's images and completions APIs work unchanged."""


def create_app(service: Service, grace: float = 0.0) -> FastAPI:
    """The service as an ASGI application. At shutdown what still runs has `grace` seconds."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(service.close, grace)

    app = FastAPI(
        title="Ornstein", version=__version__, description=ABOUT, docs_url=None, redoc_url=None,
        lifespan=lifespan,
    )  # fmt: skip
    app.state.service = service
    errors.install(app)
    app.add_middleware(Gate, service=service)
    for part in (images, completions, rows, models, outputs, status):
        app.include_router(part.router)
    app.include_router(status.public)
    studio.mount(app)
    app.openapi = lambda: _described(app)
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """The interface's description, without the kind of error that FastAPI takes for granted and this never gives."""
    if app.openapi_schema is None:
        said = FastAPI.openapi(app)
        for route in (route for path in said["paths"].values() for route in path.values()):
            if "HTTPValidationError" in str(route["responses"].get("422")):
                del route["responses"]["422"]
        for name in ("HTTPValidationError", "ValidationError"):
            said["components"]["schemas"].pop(name, None)
    return app.openapi_schema or {}
