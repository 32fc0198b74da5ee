"""What a route is given of its request: the service, the key, and what the key may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from ornstein.serve.api.errors import ApiError
from ornstein.serve.api.gate import Caller
from ornstein.serve.books import Key
from ornstein.serve.service import Served, Service, UnknownModelError

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
