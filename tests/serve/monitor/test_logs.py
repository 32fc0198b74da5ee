"""A line an event, that machines can read, and no prompt in any of them."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import warnings
from collections.abc import Iterator

import pytest
import uvicorn

from ornstein.serve.monitor.logs import Formatter, config, request_id

SECRET = "a purple fox"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is written once logs are set up as the server sets them up; undone afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logging.config.dictConfig(config("json"))
    (handler,) = root.handlers
    stream = io.StringIO()
    handler.setStream(stream)
    logging.captureWarnings(True)
    yield stream
    logging.captureWarnings(False)
    root.handlers, root.level = before
    for name in ("ornstein", "uvicorn", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def told(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_object_with_the_request_it_belongs_to(lines: io.StringIO):
    token = request_id.set("req_17")
    logging.getLogger("ornstein.serve").info(
        "finished", extra={"outcome": "done", "seconds": 0.25, "pictures": 4}
    )
    request_id.reset(token)
    logging.getLogger("ornstein.serve").warning("two\nlines \x1b[31m of it")
    first, second = told(lines)
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "info", "logger": "ornstein.serve", "message": "finished", "request": "req_17", "outcome": "done",
        "seconds": 0.25, "pictures": 4,
    }  # fmt: skip
    assert second["message"] == "two lines \x1b[31m of it" and "request" not in second
    assert "\x1b" not in lines.getvalue()  # nothing reaches a terminal's ears


def test_a_prompt_stands_in_no_line(lines: io.StringIO):
    logging.getLogger("ornstein.serve").info(
        "asked", extra={"prompt": SECRET, "negative": SECRET, "body": SECRET}
    )
    logging.getLogger("sqlalchemy.engine").error("INSERT INTO requests VALUES (%s)", SECRET)
    logging.getLogger("uvicorn.access").info(
        '%s - "%s %s HTTP/%s" %d', "10.0.0.1:99", "GET", f"/v1/history?search={SECRET}", "1.1", 200
    )
    try:
        try:
            raise ValueError(f"the prompt {SECRET!r} is too long")
        except ValueError as error:
            raise RuntimeError(f"cannot draw {SECRET}") from error
    except RuntimeError:
        logging.getLogger("ornstein.serve").exception("it broke")
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    warnings.warn(f"odd prompt {SECRET}", stacklevel=1)
    assert SECRET not in lines.getvalue() and "purple" not in lines.getvalue()
    found = told(lines)
    assert [line["message"] for line in found] == [
        "asked", "INSERT INTO requests VALUES (%s)", "answered", "it broke", "Exception in ASGI application",
        found[-1]["message"],
    ]  # fmt: skip
    assert {name: found[2][name] for name in ("method", "path", "status")} == {
        "method": "GET", "path": "/v1/history", "status": 200,
    }  # fmt: skip
    assert found[3]["error"]["type"] == "RuntimeError" and "test_logs.py" in found[3]["error"]["at"][-1]
    assert found[-1]["message"].startswith("UserWarning at test_logs.py:")


def test_nobodys_address_is_kept(lines: io.StringIO):
    logging.getLogger("uvicorn.access").info(
        '%s - "%s %s HTTP/%s" %d', "203.0.113.9:99", "GET", "/", "1.1", 200
    )
    assert "203.0.113.9" not in lines.getvalue()


def test_text_holds_the_same():
    record = logging.LogRecord("ornstein.serve", logging.INFO, "f.py", 1, "finished %d", (4,), None)
    record.outcome, record.prompt = "done", SECRET
    line = Formatter("text").format(record)
    assert line.endswith('info    ornstein.serve: finished 4 outcome="done"') and "\n" not in line


def test_uvicorn_takes_the_settings(lines: io.StringIO):
    uvicorn.Config(lambda: None, log_config=config("text"), access_log=True)
    assert logging.getLogger("uvicorn.access").isEnabledFor(logging.INFO)
    assert not logging.getLogger("uvicorn.access").handlers  # all goes one way
    assert isinstance(logging.getLogger().handlers[0].formatter, Formatter)
