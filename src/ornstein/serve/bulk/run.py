"""A file of prompts to a folder of pictures, from the first row or from where an earlier run was stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ornstein.config import Config
from ornstein.errors import StoppedError
from ornstein.guard.decision import RefusedError
from ornstein.guard.guarded import Guarded
from ornstein.request import Progress
from ornstein.serve.bulk import table
from ornstein.serve.bulk.maker import Batch, Chunk, Maker
from ornstein.serve.bulk.order import Job, Order, Prompts
from ornstein.serve.bulk.results import REFUSED, Results, known

Work = Callable[[Iterable[Chunk]], Iterator[Batch]]
"""Makes chunks, in any order: ``here``, or workers of a cluster."""


class Summary(Config):
    """What a folder holds in the end: pictures made, and pictures held back by the policy."""

    folder: Path
    pictures: int
    refused: int

    def raise_refused(self) -> None:
        """Raise RefusedError where something was held back."""
        if self.refused:
            count = self.pictures + self.refused
            raise RefusedError(
                f"{self.refused:,} of {count:,} pictures were held back: see {self.folder / REFUSED}"
            )


def here(guard: Guarded, order: Order) -> Work:
    """This process makes one batch after the other."""
    maker = Maker(guard, order.form)
    return lambda chunks: (batch for chunk in chunks for batch in maker.make(chunk))


def run(
    guard: Guarded,
    path: Path,
    folder: Path,
    order: Order,
    *,
    work: Work | None = None,
    progress: Progress = lambda done, of: None,
) -> Summary:
    """Make what a file of prompts orders, or what is left of it.

    Args:
        guard: makes the pictures, or stands for those that workers load.
        path: of the prompts.
        folder: of the results.
        order: what rows become.
        work: who makes it; None for ``here``.
        progress: told (pictures done, in all).

    Raises:
        UsageError: a row that cannot be meant, before anything is made; or the folder holds other work.
        OrnsteinError: a check broke down, or a disk refuses; the same call goes on.
        StoppedError: interrupted by the user.
    """
    prompts = Prompts(path, order, guard.model)
    job = _job(prompts, guard, known(folder))
    total = job.rows * order.n
    with Results.open(folder, job) as results:
        progress(results.finished, total)
        chunks = (results.chunk(number, tasks) for number, tasks in prompts.chunks(results.state.chunks))
        try:
            for batch in (work or here(guard, order))(chunks):
                results.add(batch)
                progress(results.finished, total)
        except KeyboardInterrupt:
            raise StoppedError(
                f"stopped after {results.finished:,} of {total:,} pictures: the same command goes on"
            ) from None
        return Summary(folder=folder, pictures=results.state.pictures, refused=results.state.refused)


def _job(prompts: Prompts, guard: Guarded, there: Job | None) -> Job:
    """The job; rows that a run was begun with have been looked at, and are not looked at again."""
    model = guard.model
    return Job(
        prompts=table.digest(prompts.path),
        rows=there.rows if there else prompts.survey(),
        order=prompts.order,
        model=model.bundle.fingerprint if model.bundle else model.recipe.name,
        sampling=hashlib.sha256(model.recipe.sampling.model_dump_json().encode()).hexdigest(),
        policy=guard.policy.hash,
    )
