"""The side of those who wait: one call of ``Engine.make``, in its caller's own thread.

What takes time and is no network happens here, so that the network never waits: prompts are encoded and noise is drawn
before a picture stands in line, previews and pictures are decoded as they come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ornstein.drawing import Previews, Spent
from ornstein.request import Progress
from ornstein.serve.engine.picture import Asked, Call, Failed, Finished, Moved


@dataclass
class Attendant:
    """Hands in the pictures of a call, a few at a time, and takes what becomes of them.

    Attributes:
        call: as the engine knows it. asked: what to make.
        hand_in: prepares a picture by its number and puts it in line.
        ahead: how many of the call's pictures may be prepared at once.
        decode: samples (1, *shape) to uint8 (H, W, C), premultiplied.
        progress, previews: as of ``Model.make``.
    """

    call: Call
    asked: Sequence[Asked]
    hand_in: Callable[[int], None]
    ahead: int
    decode: Callable[[Tensor], np.ndarray]
    progress: Progress
    previews: Previews | None

    def attend(self) -> Iterator[tuple[int, np.ndarray, Spent]]:
        """Yield pictures as they are finished: which one, the picture, what it took.

        Raises:
            Exception: whatever a picture failed of, and whatever `progress` and `show` raise.
        """
        steps, total = [0] * len(self.asked), sum(one.steps for one in self.asked)
        given, made = 0, 0
        while made < len(self.asked):
            while given < len(self.asked) and given - made < self.ahead:
                self.hand_in(given)
                given += 1
            message = self.call.messages.get()
            if isinstance(message, Failed):
                raise message.error
            if isinstance(message, Finished):
                which, made = message.picture.which, made + 1
                steps[which] = self.asked[which].steps  # some methods take fewer than they may
                yield which, *self._finished(message)
            else:
                steps[message.which] = message.step
                self._show(message)
            self.progress(sum(steps), total)

    def _show(self, moved: Moved) -> None:
        if self.previews is not None and moved.mean is not None:
            number = self.previews.after(self.asked[moved.which].steps).index(moved.step)
            self.previews.show(moved.which, number, self._decoded(moved.which, moved.mean))

    def _finished(self, finished: Finished) -> tuple[np.ndarray, Spent]:
        started, picture = time.perf_counter(), finished.picture
        array = self._decoded(picture.which, finished.x)
        computed = picture.computed + time.perf_counter() - started
        return array, Spent(evaluations=picture.evaluations, waited=picture.waited, computed=computed)

    def _decoded(self, which: int, x: Tensor) -> np.ndarray:
        source, array = self.asked[which].source, self.decode(x)
        return array if source is None else source.kept(array)
