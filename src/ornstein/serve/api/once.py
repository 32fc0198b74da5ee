"""A request that is sent again is answered again, not made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Header

from ornstein.guard.decision import RefusedError
from ornstein.serve.api.errors import POLICY, ApiError, as_api_error
from ornstein.serve.books import Reply
from ornstein.serve.service import Service

Token = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=255,
        description="The same one with the same body is answered again, not made again.",
    ),
]  # fmt: skip


def once(
    service: Service, key: str, token: str | None, raw: bytes, work: Callable[[], tuple[str, Reply]]
) -> Reply:
    """What was replied to this token before, else what `work` replies; a refusal by the policy is a reply, too.

    Raises:
        ApiError: the token is in use, or was used for another body. What `work` raises: the token is free again then.
    """
    if token is None:
        return work()[1]
    replied = service.books.replies
    known = replied.again(key, token, raw)
    if known.state == "conflict":
        raise ApiError(
            422, "this Idempotency-Key was used for another body: take a new one", "Idempotency-Key"
        )
    if known.state == "running":
        raise ApiError(
            409, "the request with this Idempotency-Key is still running", "Idempotency-Key", retry_after=1
        )
    if known.reply is not None:
        return known.reply
    try:
        request, reply = work()
    except BaseException as error:
        told = as_api_error(error) if isinstance(error, RefusedError | ApiError) else None
        if told is not None and told.code == POLICY:
            replied.remember(key, token, Reply(400, bytes(told.reply.body)))
        else:
            replied.forget(key, token)
        raise
    replied.remember(key, token, reply, request)
    return reply
