"""Server-sent events of pictures on their way, as OpenAI's client reads them."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.responses import StreamingResponse

from ornstein.drawing import Previews
from ornstein.request import Progress
from ornstein.serve.api import replies
from ornstein.serve.api.calls import Call
from ornstein.serve.api.errors import as_api_error, of_pictures
from ornstein.serve.api.running import Stop, run
from ornstein.serve.making import Job, Result, make

PATIENCE = 15.0  # seconds of silence until a comment keeps the connection open
EVENTS = {"generation": "image_generation", "edit": "image_edit"}
Event = tuple[str, dict[str, Any]]


@dataclass
class _Watched:
    """A job's events, gathered from the thread that makes it."""

    job: Job
    quality: str | None
    partial: int
    events: asyncio.Queue[Event | None]
    loop: asyncio.AbstractEventLoop

    def show(self, which: int, preview: int, picture: np.ndarray) -> None:
        """As ``Previews.show``. It goes out in the format asked for, with a credential that says how far it is."""
        job, share = self.job, (preview + 1) / (self.partial + 1)
        form, source = (
            job.form.model_copy(update={"quality": None}),
            job.sources[which] if job.sources else None,
        )
        data = job.served.guarded.preview(picture, job.asked[which], form, share, source)
        self.say("partial_image", {
            "b64_json": base64.b64encode(data).decode(), "partial_image_index": preview, "index": which,
        })  # fmt: skip

    def done(self, result: Result) -> None:
        """An event for each picture, and what is told of those that were held back."""
        for picture in result.pictures:
            said = replies.image(picture, None).model_dump(exclude_none=True)
            usage = replies.usage(self.job, 1).model_dump()
            self.say("completed", {
                **said, "index": picture.place, "usage": usage, "request": self.job.id,
                "spent": replies.Effort.of(picture.answer.spent).model_dump(),
            })  # fmt: skip

        for one in replies.held(result.held):
            self.say("held_back", {"index": one.index, **one.model_dump()})

    def say(self, what: str, said: dict[str, Any]) -> None:
        """Put one event where the connection takes it from; from any thread."""
        name = f"{EVENTS[self.job.kind]}.{what}"
        event = {
            "type": name,
            "created_at": int(time.time()),
            **replies.shape(self.job, self.quality),
            **said,
        }
        self.loop.call_soon_threadsafe(self.events.put_nowait, (name, event))


async def streamed(
    call: Call, prepare: Callable[[], Job], partial: int, quality: str | None
) -> StreamingResponse:
    """The events of a job. What fails before the first of them is an error reply like any other.

    Raises:
        ApiError, OrnsteinError: as the job does.
    """
    events: asyncio.Queue[Event | None] = asyncio.Queue()
    loop, stop = asyncio.get_running_loop(), Stop()

    def work(progress: Progress) -> None:
        with of_pictures():
            job = prepare()
            watched = _Watched(job, quality, partial, events, loop)
            watched.done(
                make(call.service, job, progress, Previews(partial, watched.show) if partial else None)
            )

    async def working() -> None:
        try:
            await run(call.http, call.service.pool, call.service.bounds.seconds, work, stop)
        finally:
            events.put_nowait(None)

    task = asyncio.ensure_future(working())
    try:
        first = await events.get()
    except asyncio.CancelledError:
        task.cancel()
        raise
    if first is None:
        await task  # raises
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_told(first, events, task), media_type="text/event-stream", headers=headers)


async def _told(
    first: Event | None, events: asyncio.Queue[Event | None], task: asyncio.Task[None]
) -> AsyncIterator[bytes]:
    event = first
    try:
        while event is not None:
            yield _sse(*event)
            while True:
                try:
                    event = await asyncio.wait_for(events.get(), PATIENCE)
                    break
                except TimeoutError:
                    yield b": working\n\n"
        try:
            await task
        except Exception as error:
            yield _sse("error", as_api_error(error).body)
    finally:
        task.cancel()


def _sse(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
