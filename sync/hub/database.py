"""One database for the whole hub: SQLite by default, PostgreSQL by URL.

Every module that stores something declares its tables on `Base`; `open_database` makes them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

Sessions = sessionmaker[Session]


class Base(DeclarativeBase):
    """The hub's tables."""


def open_database(url: str) -> Sessions:
    """Sessions on the database at `url` (`sqlite:///hub.db`, `postgresql+psycopg://…`), tables made where missing."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    Base.metadata.create_all(engine)
    return sessionmaker(engine, expire_on_commit=False)


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver's own transaction handling would begin too late for BEGIN IMMEDIATE.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA busy_timeout=10000")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # A writer that starts as a reader can be refused half-way; taking the lock first makes it wait instead.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
