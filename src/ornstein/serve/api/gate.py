"""Before anything is read: who asks, whether there is room, and how much may come. Plain ASGI, no threads, no waiting.

Refusals under overload are made here from what is in memory, so that they cost the server nothing and come at once.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ornstein.serve.api.errors import ApiError, as_api_error, log_error
from ornstein.serve.books import Key
from ornstein.serve.books.values import Kind
from ornstein.serve.monitor import logs
from ornstein.serve.service import Service

log = logging.getLogger("ornstein.serve")

WORK: dict[str, Kind] = {
    "/v1/images/generations": "generation", "/v1/images/edits": "edit", "/v1/images/variations": "variation",
    "/v1/completions": "completion", "/v1/rows": "rows", "/v1/impute": "imputation",
}  # fmt: skip
UPLOAD = re.compile(r"/v1/images/(edits|variations)")
LINK = re.compile(r"/v1/outputs/[^/]+/content")
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
REFUSALS = {429: "limited", 503: "overloaded"}  # as metrics count what never came in
SAFE = {
    "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin", "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'",
}  # fmt: skip


@dataclass(frozen=True)
class Caller:
    """Who asks: under which key, None for one who shows a link or asks for nothing private; and the request's id."""

    key: Key | None
    request: str


class Gate:
    """Lets requests in.

    Args:
        app: behind the gate.
        service: that it guards.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        call = _Call(headers, send)
        token = logs.request_id.set(call.id)
        work = WORK.get(scope["path"]) if scope["method"] == "POST" else None
        try:
            with self.service.tracing.request(headers, method=scope["method"]):
                await self._pass(scope, headers, receive, call, work is not None)
        except Exception as error:
            if call.begun:  # a reply has begun, and nothing can be said any more
                log_error(error)
                return
            told = as_api_error(error)
            if work and (counted := REFUSALS.get(told.status)):
                self.service.metrics.ended(counted, "", work, time.monotonic() - call.began)
            await told.reply(scope, receive, call.send)
        finally:
            logs.request_id.reset(token)

    async def _pass(self, scope: Scope, headers: Headers, receive: Receive, call: _Call, work: bool) -> None:
        """Let a request in; what costs least to refuse comes first. Raises ApiError, OverloadedError, BooksError."""
        self._known_host(headers)
        if work:
            self._room(headers)
        pace = self.service.pace
        if work:
            pace.enter()
        try:
            key = await self._key(scope, headers)
            if work:
                assert key is not None
                self._rate(key, call)
            most = self._room_for_body(scope["path"], headers)
            scope.setdefault("state", {})["caller"] = Caller(key, call.id)
            await self.app(scope, _bounded(receive, self.service.bounds.body_seconds, most), call.send)
        finally:
            if work:
                pace.leave()

    def _room(self, headers: Headers) -> None:
        """Refuse at once what cannot be done in time. Raises ApiError, OverloadedError."""
        if self.service.state != "ready":
            raise ApiError(503, f"the server is {self.service.state}: ask again", retry_after=2)
        if self.service.pace.inside >= self.service.bounds.waiting:
            raise ApiError(503, "the server is busy: ask again", code="overloaded", retry_after=2)
        key = self.service.key(_secret(headers), remembered=True)
        self.service.admit(key.id if key else "")

    def _room_for_body(self, path: str, headers: Headers) -> int:
        """Bytes that a body may have. Raises ApiError: its header says that it has more."""
        bounds = self.service.bounds
        most = bounds.upload_bytes if UPLOAD.fullmatch(path) else bounds.json_bytes
        said = headers.get("content-length", "0")
        if not said.isdecimal() or int(said[:20]) > most:
            raise ApiError(413, _too_large(most))
        return most

    async def _key(self, scope: Scope, headers: Headers) -> Key | None:
        """Whose key it is; None where none is needed. Raises ApiError: none, or one that is not known."""
        if not scope["path"].startswith("/v1/"):
            return None
        if self.service.local is not None:
            await run_in_threadpool(self.service.notice_keys)
        secret = _secret(headers)
        key = self.service.key(secret, remembered=True)
        if key is None and secret is not None:
            key = await run_in_threadpool(self.service.key, secret)
        if key is None and not (
            secret is None and scope["method"] == "GET" and LINK.fullmatch(scope["path"])
        ):
            why = (
                "no API key: send Authorization: Bearer …"
                if secret is None
                else "this API key is not known, or was revoked"
            )
            raise ApiError(401, why, headers={"WWW-Authenticate": "Bearer"})
        return key

    def _rate(self, key: Key, call: _Call) -> None:
        """Count the request, and say what is left. Raises ApiError: it is one too many."""
        most = key.limits.requests_per_minute
        if most is None:
            return
        left = self.service.rates.take(key.id, most)
        call.limits = {
            "X-RateLimit-Limit-Requests": str(left.limit), "X-RateLimit-Remaining-Requests": str(left.remaining),
            "X-RateLimit-Reset-Requests": f"{left.reset:.3f}s",
        }  # fmt: skip
        if not left.allowed:
            raise ApiError(
                429, f"more than {most} requests a minute with this key", retry_after=left.retry_after
            )

    def _known_host(self, headers: Headers) -> None:
        """Where nobody needs a key, no page of another site may ask in a visitor's name. Raises ApiError."""
        if self.service.local is None:
            return
        if not _here(headers.get("host", "")) or not _here(
            urlsplit(headers.get("origin", "//localhost")).netloc
        ):
            raise ApiError(
                403,
                "without keys this server answers only its own machine: make one with `ornstein keys create`",
            )


class _Call:
    """One request's id and what its reply carries whatever it says."""

    def __init__(self, headers: Headers, send: Send) -> None:
        given = headers.get("x-request-id", "")
        self.id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        self.began, self.begun, self.status = time.monotonic(), False, 0
        self.limits: dict[str, str] = {}
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun, self.status = True, message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in ({"X-Request-ID": self.id} | SAFE | self.limits).items():
                headers.setdefault(name, value)
        await self._send(message)


def _secret(headers: Headers) -> str | None:
    """What stands after Bearer, None where there is nothing."""
    kind, _, secret = headers.get("authorization", "").partition(" ")
    return (secret.strip() or None) if kind.lower() == "bearer" else None


def _here(host: str) -> bool:
    """Whether a host with its port names this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _bounded(receive: Receive, seconds: float, most: int) -> Receive:
    """A body that is there in time, and no larger than it may be, or an error while it is read: 408, 413."""
    whole, size, ends = False, 0, time.monotonic() + seconds

    async def bounded() -> Message:
        nonlocal whole, size
        if whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, ends - time.monotonic()))
        except TimeoutError:
            raise HTTPException(408, f"the body was not there after {seconds:g} s") from None
        size += len(message.get("body", b""))
        if size > most:
            raise HTTPException(413, _too_large(most))
        whole = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    return bounded


def _too_large(most: int) -> str:
    return f"the body is larger than {most:,} bytes"
