"""Logs: one line an event, as JSON or text, through the standard library, and never a prompt.

What may stand in a line is a list (`FIELDS`), not everything but a list. Paths lose their query, in which a search may
stand; errors are told by type and place, because their messages may repeat what was asked. Other packages' lines are
told as they were written in the code, before values were put in.
"""

from __future__ import annotations

import json
import logging
import logging.config
import re
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

Form = Literal["json", "text"]
OWN = ("ornstein", "uvicorn")
ACCESS, WARNINGS = "uvicorn.access", "py.warnings"
FIELDS = (
    "request", "model", "kind", "outcome", "status", "method", "path", "seconds", "pictures", "evaluations", "bytes",
    "key", "case", "count",
)  # fmt: skip
FRAMES = 5  # of an error's places, innermost last

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being worked on; it stands in every line that is written for it."""


class Formatter(logging.Formatter):
    """One line of a record, in one of two forms."""

    def __init__(self, form: Form = "json") -> None:
        super().__init__()
        self.form: Form = form

    def format(self, record: logging.LogRecord) -> str:
        facts = _facts(record)
        if self.form == "json":
            return json.dumps(facts, ensure_ascii=True, default=str)
        head = f"{facts.pop('time')} {facts.pop('level'):<7} {facts.pop('logger')}: {facts.pop('message')}"
        return " ".join([head, *(f"{name}={json.dumps(value)}" for name, value in facts.items())])


def config(form: Form = "json", level: str = "INFO") -> dict[str, Any]:
    """Settings for ``logging.config.dictConfig``, which uvicorn takes as `log_config`, too: all goes to stderr."""
    quiet: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1, "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"{__name__}.Formatter", "form": form}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "ornstein": {**quiet, "level": level}, "uvicorn": {**quiet, "level": level},
            "uvicorn.error": {**quiet, "level": level}, ACCESS: {**quiet, "level": level},
        },
    }  # fmt: skip


def set_up(form: Form = "json", level: str = "INFO") -> None:
    """Send all logs of this process to stderr in this form."""
    logging.config.dictConfig(config(form, level))
    logging.captureWarnings(True)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(), "logger": record.name, "message": _message(record),
    }  # fmt: skip
    if said := request_id.get():
        facts["request"] = said
    facts |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
    facts |= _access(record)
    if record.exc_info and record.exc_info[1] is not None:
        facts["error"] = _error(record.exc_info[1])
    return facts


def _message(record: logging.LogRecord) -> str:
    if record.name == ACCESS:
        return "answered"
    if record.name == WARNINGS:
        return _warning(record.getMessage())
    own = record.name.partition(".")[0] in OWN
    return " ".join(str(record.getMessage() if own else record.msg).split())


def _warning(text: str) -> str:
    """A warning of ours whole; of another package by kind and place."""
    found = re.match(r"(?P<file>.*?):(?P<line>\d+): (?P<kind>\w+): (?P<what>.*)", text)
    if found is None:
        return "a warning"
    own = Path(found["file"]).is_relative_to(Path(__file__).parents[2])
    place = f"{Path(found['file']).name}:{found['line']}"
    return f"{found['kind']}: {found['what']}" if own else f"{found['kind']} at {place}"


def _access(record: logging.LogRecord) -> dict[str, Any]:
    """What uvicorn tells of an answer: client, method, path with query, HTTP version, status. Clients are persons."""
    if record.name != ACCESS or not isinstance(record.args, tuple) or len(record.args) != 5:
        return {}
    _, method, path, _, status = record.args
    return {"method": method, "path": str(path).partition("?")[0], "status": status}


def _error(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"type": type(error).__name__, "at": places}
