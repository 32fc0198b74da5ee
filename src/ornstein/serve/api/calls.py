"""What a route is given of its request: the service, the key, and what the key may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from ornstein.guard.guarded import Guarded
from ornstein.serve.api.errors import ApiError
from ornstein.serve.api.gate import Caller
from ornstein.serve.books import Key
from ornstein.serve.served import Served, ServedPictures
from ornstein.serve.service import Service, UnknownModelError

G = TypeVar("G")
ROUTES = {"pictures": "/v1/images/generations", "texts": "/v1/completions", "rows": "/v1/rows"}
"""Where what a model makes is asked for."""
BEARER = HTTPBearer(auto_error=False, description="An API key, made by `ornstein keys create`.")


@dataclass(frozen=True)
class Call:
    """A request of a key that may do what the route does."""

    http: Request
    service: Service
    key: Key

    @property
    def whose(self) -> str | None:
        """Whose things it may see: its own, or everybody's (None) where it has the scope admin."""
        return None if "admin" in self.key.scopes else self.key.id

    def served(self, name: str | None) -> Served:
        """A model by name. Raises ApiError: 404, or 503 while none is loaded."""
        if self.service.state == "loading":
            raise ApiError(503, "the server is loading: ask again", retry_after=2)
        try:
            return self.service.served(name)
        except UnknownModelError as error:
            raise ApiError(404, str(error), "model", "model_not_found", "invalid_request_error") from None

    def pictures(self, name: str | None) -> ServedPictures:
        """As ``making``, a model of pictures."""
        served, _ = self.making(name, Guarded)
        assert isinstance(served, ServedPictures)
        return served

    def making(self, name: str | None, guard: type[G]) -> tuple[Served, G]:
        """A model that a kind of guard can guard, and its guard; the first such one where none is named.

        Raises:
            ApiError: as ``served``; 400 for one that makes something else, with the route that it answers at.
        """
        if name is None:
            known = (one.name for one in self.service.models.values() if isinstance(one.guarded, guard))
            name = next(known, None)
        served = self.served(name)
        if isinstance(served.guarded, guard):
            return served, served.guarded
        raise ApiError(
            400,
            f"{served.name!r} makes {served.makes}: ask at {ROUTES[served.makes]}",
            "model",
            "wrong_model",
        )


def service_of(request: Request) -> Service:
    """The service behind an app."""
    return request.app.state.service


def allowed(scope: str) -> Callable[..., Call]:
    """What gives a route its call, and turns away keys without a scope."""

    def given(request: Request, _: Annotated[object, Depends(BEARER)]) -> Call:
        caller: Caller = request.state.caller
        assert caller.key is not None
        if scope not in caller.key.scopes and "admin" not in caller.key.scopes:
            raise ApiError(403, f"this key may not {scope}: it needs the scope {scope!r}")
        return Call(request, service_of(request), caller.key)

    return given


TheService = Annotated[Service, Depends(service_of)]
Generating = Annotated[Call, Depends(allowed("generate"))]
Editing = Annotated[Call, Depends(allowed("edit"))]
Reading = Annotated[Call, Depends(allowed("read"))]
