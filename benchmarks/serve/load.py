"""Load on an HTTP service that makes pictures: closed loops of clients, and arrivals at a rate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

PATH = "/v1/images/generations"
STEPS = (10, 14, 20, 28)  # of the pictures that are asked for
# none is so near to a training picture that the shipped policy draws it again, which would be paid for thrice
PROMPTS = (
    "red apple, 3D style", "pizza, flat style", "rocket, Noto style", "blue heart", "castle, Twemoji style",
    "a green car", "sunflower, Noto style", "octopus, FxEmoji style", "person running, Twemoji style", "fried egg",
    "a birthday cake with three candles, Fluent style", "guitar, 3D style", "thumbs up, Noto classic style",
)  # fmt: skip

Ask = Callable[[int], dict[str, Any]]
"""The body of the request of a number."""


@dataclass(frozen=True)
class Reply:
    """One request.

    Attributes:
        begun, ended: seconds on the clock of ``time.perf_counter``. status: of HTTP; 0 where no answer came.
        wait: Retry-After, seconds; None without.
    """

    begun: float
    ended: float
    status: int
    wait: float | None = None

    @property
    def seconds(self) -> float:
        """Until the whole answer was there."""
        return self.ended - self.begun


def mixed(seed: int, guidance: float = 3.0) -> Ask:
    """Prompts and numbers of steps in an order that the seed decides."""
    random = np.random.default_rng(seed)
    prompts, steps = random.integers(len(PROMPTS), size=4096), random.integers(len(STEPS), size=4096)

    def ask(number: int) -> dict[str, Any]:
        place = number % 4096
        return {
            "prompt": PROMPTS[prompts[place]], "num_inference_steps": STEPS[steps[place]], "n": 1,
            "guidance_scale": guidance, "seed": number, "response_format": "b64_json",
        }  # fmt: skip

    return ask


def closed(url: str, clients: int, seconds: float, ask: Ask, warm: float = 5.0) -> list[Reply]:
    """Each client asks again as soon as it has its answer; replies that began and ended within the measured time."""

    async def work() -> list[Reply]:
        replies: list[Reply] = []
        async with _client(clients) as client:
            start = time.perf_counter() + warm
            end, count = start + seconds, iter(range(10**9))

            async def one() -> None:
                while time.perf_counter() < end:
                    reply = await _ask(client, url, ask(next(count)))
                    if start <= reply.ended <= end:
                        replies.append(reply)

            await asyncio.gather(*(one() for _ in range(clients)))
        return replies

    return asyncio.run(work())


def arriving(url: str, rate: float, seconds: float, ask: Ask, seed: int = 0, most: int = 2000) -> list[Reply]:
    """Requests arrive at random, so many a second on average (a Poisson process), whether or not others are done."""

    async def work() -> list[Reply]:
        gaps = np.random.default_rng(seed).exponential(1 / rate, size=int(rate * seconds * 2) + 10)
        times = np.cumsum(gaps)
        async with _client(most) as client:
            start = time.perf_counter()

            async def one(number: int, at: float) -> Reply:
                await asyncio.sleep(max(0.0, start + at - time.perf_counter()))
                return await _ask(client, url, ask(number))

            return list(
                await asyncio.gather(*(one(k, float(at)) for k, at in enumerate(times) if at < seconds))
            )

    return asyncio.run(work())


def _client(connections: int) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.AsyncClient(timeout=300, limits=limits)


async def _ask(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> Reply:
    begun = time.perf_counter()
    status, wait = 0, None
    try:
        answer = await client.post(url + PATH, json=body)
        status, after = answer.status_code, answer.headers.get("retry-after")
        wait = float(after) if after else None
    except httpx.HTTPError:
        pass
    return Reply(begun, time.perf_counter(), status, wait)


def whole(replies: Sequence[Reply]) -> list[Reply]:
    """Those that brought a picture."""
    return [reply for reply in replies if reply.status == 200]


def quantile(replies: Sequence[Reply], share: float) -> float:
    """Seconds within which this share was answered; NaN of none."""
    return float(np.quantile([reply.seconds for reply in replies], share)) if replies else float("nan")


def together(*works: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Results of coroutines that run at once."""

    async def run() -> list[Any]:
        return list(await asyncio.gather(*(work() for work in works)))

    return asyncio.run(run())
