"""Steps from one version of the tables to the next, applied by Alembic; none is ever changed once it is released."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from ornstein.serve.books.database import BooksError, Database

TURN = 0x6F726E01  # of the lock that lets one server migrate at a time


def migrate(database: Database) -> tuple[str | None, str]:
    """Bring the tables to this version, all steps or none.

    Returns:
        Version before (None: there were no tables) and after.

    Raises:
        BooksDownError, BooksError: as all books; or they were made by a later version.
    """
    config = _config()
    with database.writing() as session:
        database.lock(session, TURN)
        connection = session.connection()
        before, head = _versions(database, connection, config)
        if before != head:
            if not database.is_sqlite:
                session.execute(text("SET LOCAL statement_timeout = 0"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    return before, head


def require_current(database: Database) -> None:
    """Raise BooksError where the tables are not of this version."""
    with database.reading() as session:
        before, head = _versions(database, session.connection(), _config())
    if before != head:
        raise BooksError(f"the books {database.name} are not of this version: ornstein books migrate")


def _versions(database: Database, connection: Any, config: Config) -> tuple[str | None, str]:
    scripts = ScriptDirectory.from_config(config)
    found, head = MigrationContext.configure(connection).get_current_revision(), scripts.get_current_head()
    assert head is not None
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise BooksError(
            f"the books {database.name} were made by a later version of ornstein ({found[:20]}): install that"
        )
    return found, head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
