"""A real PostgreSQL of one's own for tests: from Debian's package, in a temporary folder, on a Unix socket only.

with running_cluster() as cluster:
    url = cluster.new_database()
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

from sync.hub.store.migrate import migrate

ACCOUNT = "postgres"
TEMPLATE = "migrated"


class NoPostgresql(Exception):
    """Why there is none to test with."""


class Cluster:
    """A running server; databases are copies of one that `hub migrate` made."""

    def __init__(self, sockets: Path) -> None:
        self._sockets = sockets
        self._numbers = itertools.count(1)

    def url(self, database: str) -> str:
        """The address of a database, as hub.toml has it."""
        return f"postgresql+psycopg://{ACCOUNT}@/{database}?host={self._sockets}"

    def new_database(self, *, like: str | None = None, migrated: bool = True) -> str:
        """The address of a new database: a copy of the one at `like`, which nobody may be connected to, else with empty
        tables, or with none."""
        name = f"hub{next(self._numbers)}"
        template = _name(like) if like is not None else TEMPLATE
        self.run(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if migrated else ""))
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        self.run(f"DROP DATABASE {_name(url)} WITH (FORCE)")

    def run(self, statement: str) -> None:
        """One statement outside any transaction."""
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@contextmanager
def running_cluster(*, durable: bool = False) -> Iterator[Cluster]:
    """Start a server and stop it; one that is not `durable` forgets on a power cut, and is quicker. Raises
    NoPostgresql."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="zs-pg-"))
    prefix: list[str] = []
    if os.geteuid() == 0:
        # The server refuses to run as root.
        try:
            account = pwd.getpwnam(ACCOUNT)
        except KeyError:
            raise NoPostgresql(f"running as root and there is no account {ACCOUNT}") from None
        os.chown(folder, account.pw_uid, account.pw_gid)
        prefix = ["setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--init-groups"]
    data = folder / "data"

    def run(*command: str) -> None:
        environment = {**os.environ, "HOME": str(folder)}
        subprocess.run([*prefix, *command], check=True, capture_output=True, cwd=folder, env=environment)

    options = f"-k {folder} -c listen_addresses= -c max_connections=100"
    if not durable:
        options += " -c fsync=off -c full_page_writes=off"
    try:
        run(f"{binaries}/initdb", "-D", str(data), "-U", ACCOUNT, "-A", "trust", "-E", "UTF8", "--no-sync")
        run(f"{binaries}/pg_ctl", "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            cluster = Cluster(folder)
            cluster.run(f"CREATE DATABASE {TEMPLATE}")
            migrate(cluster.url(TEMPLATE))
            yield cluster
        finally:
            run(f"{binaries}/pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _name(url: str) -> str:
    return url.rpartition("@/")[2].partition("?")[0]


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    beside = shutil.which("initdb")
    if found:
        return found[-1].parent
    if beside is not None:
        return Path(beside).parent
    raise NoPostgresql("no initdb found: apt-get install postgresql")
