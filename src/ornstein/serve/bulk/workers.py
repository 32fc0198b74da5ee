"""Bulk work on a Ray cluster: Ray Data hands chunks to workers, who send finished batches back to one writer.

The folder of results lies with whoever started the work: workers need no file system in common. Each loads the model
and the policy once, and keeps its records where it runs.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from ornstein.config import Config
from ornstein.errors import MissingExtraError, OrnsteinError, UsageError
from ornstein.guard.guarded import Guarded
from ornstein.guard.policy import Policy
from ornstein.model import Model
from ornstein.output import one_line
from ornstein.record import FileForm
from ornstein.serve.bulk.maker import Batch, Chunk, Maker
from ornstein.serve.bulk.order import Order
from ornstein.serve.bulk.run import Work

LOCAL = "local"
WAVE = 1024  # chunks in the cluster's memory at a time: a quarter of a million pictures
PATIENCE = 5.0  # seconds until an address counts as dead
STORE = 256 << 20  # bytes of a local cluster's shared memory; what is more goes to the disk


class Loading(Config):
    """What each worker loads.

    Attributes:
        model: its name, or a folder that every machine has. fingerprint: that it must have.
        policy: the policy itself. device: where networks run.
    """

    model: str
    fingerprint: str | None
    policy: Policy
    device: str

    @classmethod
    def of(cls, guard: Guarded, model: str, device: str) -> Loading:
        """As this process loaded it. Raises UsageError: the model was never saved."""
        bundle = guard.model.bundle
        if bundle is None:
            raise UsageError("workers load a model by its name or folder: save it first")
        folder = str(bundle.folder.resolve()) if os.path.isdir(model) else model
        return cls(model=folder, fingerprint=bundle.fingerprint, policy=guard.policy, device=device)

    def load(self) -> Guarded:
        """The model behind its policy. Raises OrnsteinError: this machine has another model of that name."""
        model = Model.load(self.model, device=self.device)
        if model.bundle is None or model.bundle.fingerprint != self.fingerprint:
            raise OrnsteinError(f"a worker's machine has another model {self.model!r}: install the same one")
        return Guarded(model, self.policy)


class Worker:
    """What each process of the cluster runs."""

    def __init__(self, loading: str, form: str) -> None:
        self._maker = Maker(Loading.model_validate_json(loading).load(), FileForm.model_validate_json(form))

    def __call__(self, chunks: Any) -> Iterator[Any]:
        import pyarrow as pa

        for text in chunks["chunk"].to_pylist():
            for batch in self._maker.make(Chunk.model_validate_json(text)):
                names, data = list(batch.files), list(batch.files.values())
                row = {"chunk": batch.chunk, "number": batch.number, "of": batch.of, "names": names}
                yield pa.table(
                    {
                        "batch": [json.dumps({**row, "lines": batch.lines})],
                        "files": pa.array([data], pa.list_(pa.large_binary())),
                    }
                )


@contextmanager
def hired(cluster: str, count: int, loading: Loading, order: Order) -> Iterator[Work]:
    """Yields what makes chunks on `count` processes of a cluster.

    Args:
        cluster: its address, such as ``ray://head:10001`` or ``auto``; ``local`` starts one on this machine.
        count: of workers; a CPU's worker takes its share of the processors, a GPU's one GPU.
        loading: what they load.
        order: what is made.

    Raises:
        MissingExtraError: without Ray. UsageError, OrnsteinError: no such cluster, or one with too little room.
    """
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        _connect(ray, cluster, count)
    try:
        yield lambda chunks: _made(ray, chunks, count, loading, order)
    finally:
        if started:
            ray.shutdown()


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters comes as an exception
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError("work on a cluster", "scale") from None
    return ray


def _connect(ray: Any, cluster: str, count: int) -> None:
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if cluster == LOCAL:
            cores = max(os.cpu_count() or 1, count)
            ray.init(num_cpus=cores, object_store_memory=STORE, include_dashboard=False, **quiet)
        else:
            _knock(cluster)
            ray.init(address=cluster, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        raise OrnsteinError(f"no Ray cluster at {cluster!r}: {one_line(error)}") from error


def _knock(cluster: str) -> None:
    """Raise OSError where nobody listens at an address: Ray would wait for minutes."""
    host, _, port = cluster.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()


def _made(ray: Any, chunks: Iterable[Chunk], count: int, loading: Loading, order: Order) -> Iterator[Batch]:
    """The batches of all chunks, in the order in which they are finished."""
    share = _share(ray, count, loading.device)
    remaining = iter(chunks)
    while wave := [chunk.model_dump_json() for chunk in islice(remaining, WAVE)]:
        yield from _wave(ray, wave, count, share, [loading.model_dump_json(), order.form.model_dump_json()])


def _share(ray: Any, count: int, device: str) -> dict[str, int]:
    """What each worker takes of the cluster. Raises UsageError: there is not enough."""
    there = ray.cluster_resources()
    kind, what = ("GPU", "num_gpus") if device == "cuda" else ("CPU", "num_cpus")
    if there.get(kind, 0) < count:
        raise UsageError(
            f"the cluster has {there.get(kind, 0):.0f} {kind}s, too few for {count} workers: give --workers fewer"
        )
    return {what: 1 if kind == "GPU" else int(there[kind] // count)}


def _wave(
    ray: Any, chunks: list[str], count: int, share: dict[str, int], arguments: list[str]
) -> Iterator[Batch]:
    import pyarrow as pa

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    data = ray.data.from_blocks([pa.table({"chunk": [chunk]}) for chunk in chunks]).map_batches(
        Worker,
        batch_size=None,
        batch_format="pyarrow",
        fn_constructor_args=arguments,
        compute=ray.data.ActorPoolStrategy(size=min(count, len(chunks)), max_tasks_in_flight_per_actor=2),
        **share,
    )
    try:
        for table in data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for text, files in zip(table["batch"].to_pylist(), table["files"].to_pylist(), strict=True):
                row = json.loads(text)
                names = row.pop("names")
                yield Batch(**row, files=dict(zip(names, files, strict=True)))
    except ray.exceptions.RayError as error:
        raise _cause(error) from error


def _cause(error: BaseException) -> OrnsteinError:
    """What a worker met, as it would have been told here."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, OrnsteinError):
        seen = getattr(seen, "cause", None) or seen.__cause__
    if isinstance(seen, OrnsteinError):
        return seen
    lines = str(error).strip().splitlines()
    return OrnsteinError(f"a worker broke down: {lines[-1].strip()[:300] if lines else type(error).__name__}")
