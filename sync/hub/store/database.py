"""One database for the whole hub: SQLite by default, PostgreSQL by URL.

Every module that stores something declares its tables on `Base`. An empty SQLite file gets its tables at once; any
other database is brought up to date by `zaalsleutel hub migrate` and refused until then.

    sessions = open_database("sqlite:///hub.db")
    with sessions.begin() as session: …              # a writer: on SQLite the only one
    with reading(sessions).begin() as session: …     # a reader: waits for nobody and keeps nobody waiting
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from controller.formats.errors import Refused
from sync.hub.store.turns import Turns

Sessions = sessionmaker[Session]

SCHEMA = "0010"
"""The newest revision in `migrations/versions`: what this program expects to find."""

VERSION_TABLE = "alembic_version"

BUSY_S = 10
"""How long a writer waits for the others."""

TURN = "has the writers' turn"


class Base(DeclarativeBase):
    """The hub's tables."""


def open_database(url: str) -> Sessions:
    """Sessions on the database at `url` (`sqlite:///hub.db`, `postgresql+psycopg://…`). Raises Refused
    `not_migrated` when its tables are not those of this program."""
    engine = connect(url)
    with engine.begin() as connection:
        found = schema_of(connection)
        if found is None and engine.dialect.name == "sqlite":
            make_tables(connection)
        elif found != SCHEMA:
            has = "holds no tables of the hub yet" if found is None else f"is at revision {found or 'none'}"
            text = f"{has}, this program wants {SCHEMA}: run `zaalsleutel hub migrate` (after a backup) first"
            raise Refused("not_migrated", "database", text)
    return sessionmaker(engine, expire_on_commit=False)


def reading(sessions: Sessions) -> Sessions:
    """The same database for reading only. A transaction sees one moment of it and takes no lock."""
    engine: Engine = sessions.kw["bind"]
    options: dict[str, Any] = {"read_only": True}
    if engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return sessionmaker(engine.execution_options(**options), expire_on_commit=False)


def connect(url: str) -> Engine:
    """The engine for a database URL, without looking at what is in it."""
    engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    return engine


def schema_of(connection: Connection) -> str | None:
    """The revision of the tables; empty for tables without one, None without tables."""
    tables = inspect(connection).get_table_names()
    if VERSION_TABLE in tables:
        return str(connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() or "")  # noqa: S608
    return "" if tables else None


def make_tables(connection: Connection) -> None:
    """All tables in an empty database, at the newest revision."""
    # Only whoever makes tables needs them all; a module that declares some imports this one.
    from sync.hub.store import tables

    assert tables.ALL
    Base.metadata.create_all(connection)
    connection.execute(text(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES (:revision)"), {"revision": SCHEMA})  # noqa: S608


def _prepare_sqlite(engine: Engine) -> None:
    turns = Turns()

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver's own transaction handling would begin too late for BEGIN IMMEDIATE.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA busy_timeout={BUSY_S * 1000}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer that starts as a reader can be refused half-way; taking the lock first makes it wait instead.
        read_only = connection.get_execution_options().get("read_only", False)
        if not read_only and turns.take(BUSY_S):
            connection.info[TURN] = True
        try:
            connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
        except BaseException:
            end(connection)
            raise

    @event.listens_for(engine, "commit")
    @event.listens_for(engine, "rollback")
    def end(connection: Connection) -> None:
        if connection.info.pop(TURN, False):
            turns.leave()
