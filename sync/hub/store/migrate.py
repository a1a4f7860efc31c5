"""Brings a database to the tables this program wants, step by step (`migrations/`).

    done = migrate("postgresql+psycopg://hub@/hub")        # the revision before and the one now

`python -m sync.hub.store.migrate 0002 "what changes"` drafts the next step: the difference between the newest step and
the models.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from controller.formats.errors import Refused
from sync.hub.store.database import connect, schema_of

STEPS = Path(__file__).parent / "migrations"


def migrate(url: str) -> tuple[str | None, str | None]:
    """Run what is missing; the revisions before (None for an empty database) and after. Raises Refused `not_migrated`
    for a database that holds other tables than ours."""
    engine = connect(url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # Several hub processes start together; the others wait here and then find nothing to do.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7259)")
        before = schema_of(connection)
        if before == "":
            raise Refused("not_migrated", "database", "holds tables that no revision of the hub made")
        command.upgrade(_config(connection), "head")
        after = schema_of(connection)
    engine.dispose()
    return before, after


def draft(revision: str, message: str) -> None:
    """Write the next step from what the models say."""
    with tempfile.TemporaryDirectory() as folder:
        engine = connect(f"sqlite:///{folder}/draft.db")
        with engine.begin() as connection:
            config = _config(connection)
            command.upgrade(config, "head")
            command.revision(config, message, autogenerate=True, rev_id=revision)
        engine.dispose()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(STEPS))
    config.attributes["connection"] = connection
    return config


if __name__ == "__main__":
    draft(sys.argv[1], sys.argv[2])
