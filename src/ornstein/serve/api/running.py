"""Blocking work for one request: in a thread, and stopped when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from starlette.requests import Request

from ornstein.request import Progress
from ornstein.serve.api.errors import ApiError
from ornstein.serve.booking import GoneError

T = TypeVar("T")
CLIENT_GONE = 499  # nobody reads this status; logs and metrics do


class Stop:
    """Set once, by whoever finds that a job need not go on; its progress then raises GoneError."""

    def __init__(self) -> None:
        self._set = threading.Event()

    def now(self) -> None:
        """From now on the job stops at its next step."""
        self._set.set()

    def progress(self, done: int, of: int) -> None:
        """As ``Progress``."""
        if self._set.is_set():
            raise GoneError


async def left(request: Request) -> None:
    """Return when the client has closed the connection; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def run(
    request: Request,
    pool: ThreadPoolExecutor,
    seconds: float,
    work: Callable[[Progress], T],
    stop: Stop | None = None,
) -> T:
    """What `work` returns; it is given a progress that ends it at the next step when it is not wanted any more.

    Raises:
        ApiError: 504 when `seconds` are over, 499 when the client has left. What `work` raises.
    """
    stop = stop or Stop()
    context = copy_context()  # the thread's log lines and spans are this request's
    working = asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(work, stop.progress))
    working.add_done_callback(_seen)
    leaving = asyncio.ensure_future(left(request))
    try:
        await asyncio.wait({working, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        if leaving.done():
            raise ApiError(CLIENT_GONE, "the client closed the connection", code="client_closed")
        raise ApiError(
            504, f"it took longer than {seconds:g} s and was stopped: ask for less, or for fewer steps"
        )
    finally:
        stop.now()
        leaving.cancel()


def _seen(future: asyncio.Future[T]) -> None:
    """Errors of work that was left alone are in the books; nobody has to be told again."""
    if not future.cancelled():
        future.exception()
