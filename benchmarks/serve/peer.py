"""The peer: diffusers' DiT pipeline behind HTTP, as a user would put it there.

    python -m benchmarks.serve.peer --port 8101 --batching none|requests [--dtype bfloat16]

One network of the emoji model's shape, random weights, bfloat16, DPM++ 2M, guided at every step. Without batching
the pipeline is called for one request after the other. With it, all that wait and ask for the same number of steps and
the same guidance (a call of the pipeline has one of each) share a call, up to 8 of them.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import logging
import queue
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))

import numpy as np
import torch
import uvicorn
from benchmarks.peers.sampling import CLASSES, pipeline, transformer
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from fastapi import FastAPI, Request
from PIL import Image

MOST = 8
Work = tuple[dict[str, Any], "Future[np.ndarray]"]


class Pipeline:
    """Calls the pipeline in a thread of its own.

    Args:
        dtype: of the weights.
        most: requests that one call may serve.
    """

    def __init__(self, dtype: torch.dtype, most: int) -> None:
        self._pipe = pipeline(transformer(dtype=dtype), DPMSolverMultistepScheduler())
        self._most, self._waiting = most, list[Work]()
        self._arrived: queue.SimpleQueue[Work] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def ask(self, body: dict[str, Any]) -> Future[np.ndarray]:
        """A picture (H, W, C) in [0, 1], later."""
        future: Future[np.ndarray] = Future()
        self._arrived.put((body, future))
        return future

    def _work(self) -> None:
        while True:
            self._waiting += [self._arrived.get()] if not self._waiting else []
            while not self._arrived.empty():
                self._waiting.append(self._arrived.get())
            kind = _kind(self._waiting[0][0])
            batch = [work for work in self._waiting if _kind(work[0]) == kind][: self._most]
            self._waiting = [work for work in self._waiting if work not in batch]
            self._serve([body for body, _ in batch], [future for _, future in batch])

    def _serve(self, bodies: list[dict[str, Any]], futures: list[Future[np.ndarray]]) -> None:
        steps, guidance = _kind(bodies[0])
        made: Any = self._pipe(
            [hash(body["prompt"]) % CLASSES for body in bodies], guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(body["seed"]) for body in bodies],
            num_inference_steps=steps, output_type="np",
        )  # fmt: skip
        for future, picture in zip(futures, made.images, strict=True):
            future.set_result(picture)


def _kind(body: dict[str, Any]) -> tuple[int, float]:
    return body["num_inference_steps"], body["guidance_scale"]


def application(calls: Pipeline) -> FastAPI:
    """One route, the shape of OpenAI's."""
    app = FastAPI()

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/images/generations")
    async def generations(request: Request) -> dict[str, Any]:
        picture = await asyncio.wrap_future(calls.ask(await request.json()))
        data = await asyncio.to_thread(_png, picture)
        return {"created": 0, "data": [{"b64_json": base64.b64encode(data).decode()}]}

    return app


def _png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray((picture * 255).round().astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--batching", choices=("none", "requests"), required=True)
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    arguments = parser.parse_args()
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    calls = Pipeline(getattr(torch, arguments.dtype), MOST if arguments.batching == "requests" else 1)
    uvicorn.run(application(calls), host="127.0.0.1", port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
