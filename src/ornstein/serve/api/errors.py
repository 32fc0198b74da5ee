"""Everything that can go wrong, in one shape: OpenAI's error object, which clients of theirs turn into exceptions."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ornstein.errors import MissingExtraError, OrnsteinError, UsageError
from ornstein.guard.decision import CheckerError, RefusedError
from ornstein.serve.booking import LimitError
from ornstein.serve.books import BooksDownError
from ornstein.serve.engine.queue import OverloadedError

log = logging.getLogger("ornstein.serve")

TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
    404: "not_found_error", 408: "timeout_error", 409: "conflict_error", 429: "rate_limit_error",
    500: "server_error", 501: "server_error", 503: "server_error", 504: "timeout_error",
}  # fmt: skip
CODES = {
    400: "invalid_request", 401: "invalid_api_key", 403: "not_permitted", 404: "not_found", 405: "method_not_allowed",
    406: "not_acceptable", 408: "request_timeout", 409: "conflict", 411: "length_required", 413: "body_too_large",
    415: "unsupported_media_type", 422: "unprocessable", 429: "rate_limit_exceeded", 500: "internal_error",
    503: "unavailable", 504: "timeout",
}  # fmt: skip
POLICY = "content_policy_violation"
REFUSED_PICTURES = "image_generation_user_error"
BROKEN = "the server could not finish this; its log says why, under this request's X-Request-ID"
PLAIN = {
    404: "there is nothing at this path",
    405: "this path does not take that method",
    413: "the body is too large",
}
LATER = 5.0  # seconds until what is down is worth asking again


class ErrorObject(BaseModel):
    """What is wrong."""

    message: str = Field(description="One line: what is wrong and what to do.")
    type: str = Field(description="Kind of error, such as invalid_request_error.")
    param: str | None = Field(default=None, description="The field that it is about.")
    code: str | None = Field(default=None, description="A fixed name for programs.")
    case: str | None = Field(
        default=None, description="Of the review that it waits for, where a person has to decide."
    )
    told: list[str] = Field(default=[], description="What was decided and why, one line each.")


class ErrorReply(BaseModel):
    """The body of every reply that is no success."""

    error: ErrorObject


@dataclass
class ApiError(Exception):
    """An answer that is an error.

    Attributes:
        status: of HTTP. message: one line. param: the field it is about. code, type: by the status where None.
        retry_after: seconds. case, told: as ``ErrorObject``.
    """

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    type: str | None = None
    retry_after: float | None = None
    case: str | None = None
    told: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """As JSON."""
        error = ErrorObject(
            message=self.message, type=self.type or TYPES.get(self.status, "invalid_request_error"),
            param=self.param, code=self.code or CODES.get(self.status), case=self.case, told=list(self.told),
        )  # fmt: skip
        return {"error": error.model_dump(exclude_defaults=True) | {"param": error.param, "code": error.code}}

    @property
    def reply(self) -> JSONResponse:
        """As a reply."""
        after = {"Retry-After": str(max(1, ceil(self.retry_after)))} if self.retry_after is not None else {}
        return JSONResponse(self.body, self.status, {**self.headers, **after})


def as_api_error(error: BaseException) -> ApiError:
    """What a client is told of any error. Of one that nobody foresaw, nothing but that."""
    match error:
        case ApiError():
            return error
        case HTTPException():
            said = (
                PLAIN.get(error.status_code) if error.detail == HTTPStatus(error.status_code).phrase else None
            )
            return ApiError(error.status_code, said or one_line(error.detail), headers=error.headers or {})
        case RequestValidationError():
            return of_validation(error.errors())
        case OverloadedError():
            return ApiError(503, one_line(error), code="overloaded", retry_after=error.retry_after)
        case LimitError():
            return ApiError(429, one_line(error), retry_after=error.retry_after)
        case BooksDownError():
            return ApiError(503, "the database is down: nothing is made meanwhile", retry_after=LATER)
        case CheckerError():
            log_error(error)
            return ApiError(503, one_line(error), code="check_unavailable", retry_after=LATER)
        case RefusedError():
            told = tuple(one.reason for one in error.decisions if one.action != "allow" and one.reason)
            return ApiError(400, one_line(error), "prompt", POLICY, case=error.case, told=told)
        case MissingExtraError():
            return ApiError(501, one_line(error), code="not_installed")
        case UsageError():
            return ApiError(400, one_line(error))
        case _:
            log_error(error)
            return ApiError(500, BROKEN)


@contextmanager
def of_pictures() -> Iterator[None]:
    """What the policy refuses is told as OpenAI tells it of pictures. Raises ApiError."""
    try:
        yield
    except RefusedError as error:
        told = as_api_error(error)
        raise replace(told, type=REFUSED_PICTURES) if told.code == POLICY else told from error


def of_validation(errors: Any) -> ApiError:
    """The first of pydantic's complaints; what was sent is not repeated, except the name of a field."""
    first = errors[0]
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    if first["type"] == "json_invalid":
        return ApiError(400, "the body is not JSON", code="invalid_json")
    if first["type"] in ("model_attributes_type", "dict_type") and not where:
        return ApiError(
            415, "send a JSON object, with Content-Type: application/json", code="unsupported_media_type"
        )
    context = first.get("ctx", {})
    if first["type"] == "unknown_parameter":
        return ApiError(400, first["msg"], context.get("param"), "unknown_parameter")
    param = ".".join(where) or None
    if first["type"] == "missing" and not param:
        return ApiError(400, "the body is empty: send a JSON object", code="invalid_json")
    message = first["msg"].removeprefix("Value error, ")
    text = (
        message
        if param is None or message.startswith(param)
        else f"{param}: {message[:1].lower()}{message[1:]}"
    )
    return ApiError(
        400,
        one_line(text),
        param,
        "missing_required_parameter" if first["type"] == "missing" else "invalid_value",
    )


def one_line(error: object) -> str:
    """A message without line breaks, at most 500 characters."""
    return " ".join(str(error).split())[:500]


def log_error(error: BaseException) -> None:
    """For the operator: kind and place, and the words of errors of our own (``monitor.logs`` keeps others' out)."""
    said = one_line(error) if isinstance(error, OrnsteinError) else "an error that nobody foresaw"
    log.error("%s", said, exc_info=error)


def install(app: FastAPI) -> None:
    """Let every error of an app's routes be told in the one shape."""

    async def tell(request: Request, error: Exception) -> JSONResponse:
        told = as_api_error(error)
        if told.status == 405:
            told.headers = {"Allow": _methods(app, request.url.path)}
        return told.reply

    for kind in (ApiError, HTTPException, RequestValidationError, OrnsteinError):
        app.add_exception_handler(kind, tell)


def _methods(app: FastAPI, path: str) -> str:
    """All that a path takes; the router itself knows only the first route's."""
    for template, methods in app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"{[^}]+}", "[^/]+", template), path):
            return ", ".join(sorted(name.upper() for name in methods))
    return "GET"


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error replies of a route, for its schema."""
    said = {
        400: "The request cannot be meant, or the policy refuses it.", 401: "No key, or one that is not known.",
        403: "The key may not do this.", 404: "There is no such thing, or it is another key's.",
        408: "The body came too slowly.", 409: "A request with this idempotency key is still running.",
        413: "The body is too large.", 415: "Another media type than the route reads.",
        422: "The idempotency key was used for another body.", 429: "More than the key's limits allow.",
        500: "The server failed.", 501: "A package that this needs is not installed on the server.",
        503: "Loading, overloaded, or a part is down; Retry-After says when to ask again.",
        504: "It took longer than a request may take; it was stopped.",
    }  # fmt: skip
    return {status: {"model": ErrorReply, "description": said[status]} for status in (*statuses, 500)}
