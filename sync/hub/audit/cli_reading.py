"""What the audit commands at the hub have in common: the database opened, the reading written down, files whole.

    with refusals(), Desk.open(folder) as desk:
        desk.note("report", "room INF001", purpose, basis, names=True)
        desk.write(out, lines)

The database is loaded when a desk opens and not before: verifying a file on an auditor's machine does without it.
"""

from __future__ import annotations

import getpass
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from controller.formats.errors import Refused, unusable

if TYPE_CHECKING:
    from sync.hub.records.log_store import LogStore
    from sync.hub.store.database import Sessions

UNREADABLE = 2
FOREVER_S = 1 << 40


@dataclass(frozen=True)
class When:
    """A period, half-open, UTC seconds."""

    from_s: int = 0
    until_s: int = FOREVER_S

    ZONE: ClassVar[str] = "Europe/Brussels"

    @classmethod
    def parse(cls, from_: str, until: str, zone: str) -> When:
        """From RFC 3339, or from a date or time without an offset, which is the zone's own. Raises Refused."""
        return cls(_instant(from_, "--from", zone) or 0, _instant(until, "--until", zone) or FOREVER_S)

    def __str__(self) -> str:
        if not self.from_s and self.until_s >= FOREVER_S:
            return ""
        return f", from {self.from_s} until {self.until_s}"


@dataclass(frozen=True)
class Desk:
    """An opened hub, for somebody who reads."""

    sessions: Sessions
    store: LogStore

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Desk]:
        """Raises Refused."""
        from sync.hub.records.log_store import LogStore
        from sync.hub.settings import read_settings
        from sync.hub.store.database import open_database

        sessions = open_database(read_settings(folder).database)
        yield cls(sessions, LogStore(sessions))

    def log_of(self, door: str, log: str | None) -> str:
        """The log that is meant. Raises Refused `no_log` or `which_log`."""
        if log is not None:
            return log
        logs = self.store.logs(door)
        if not logs:
            raise Refused("no_log", door, "the hub holds no log of this door")
        if len(logs) > 1:
            text = f"there are several logs, choose one with --log: {', '.join(sorted(logs))}"
            raise Refused("which_log", door, text)
        return next(iter(logs))

    def grants_of(self, reservation: str) -> frozenset[str]:
        """The grants of `CLIENT/REF`. Raises Refused `not_found`."""
        from sync.hub.audit.report import grants_of
        from sync.hub.store.database import reading

        with reading(self.sessions).begin() as session:
            found = grants_of(session, reservation=reservation)
        if not found:
            raise Refused("not_found", "reservation", f"there is no reservation {reservation}, or no longer")
        return found

    def note(self, action: str, about: str, purpose: str, basis: str, *, names: bool) -> str:
        """Write down who reads what and why, before it is handed out; the hash to be printed beside it. Raises Refused
        `purpose_required` where somebody is named without a purpose and a legal basis."""
        from sync.hub.audit.readings import BASES, NONE_NAMED, Basis, Reading, Readings

        found: Basis = next((each for each in BASES if each == basis), NONE_NAMED)
        if names and (not purpose.strip() or found == NONE_NAMED):
            text = f"say why (--purpose) and on what legal basis (--basis {'|'.join(BASES)})"
            raise Refused("purpose_required", "--purpose", text)
        made = Reading(int(time.time()), getpass.getuser(), action, about, purpose.strip() or "nobody is named", found)
        return Readings(self.sessions).note(made)

    def write(self, out: Path, lines: Iterable[bytes]) -> None:
        """Put the file there whole or not at all. Raises OSError."""
        written = out.with_name(f".{out.name}.new")
        try:
            with written.open("wb") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            written.replace(out)
        finally:
            written.unlink(missing_ok=True)


@contextmanager
def refusals(as_json: bool = False) -> Iterator[None]:
    """Turn what is refused or cannot be read into one sentence on stderr and exit status 2; with `as_json` also
    `{"refused": code, "where", "text"}` on stdout."""
    try:
        yield
        return
    except Refused as error:
        refused = error
    except OSError as error:
        refused = unusable(error)
    if as_json:
        typer.echo(json.dumps({"refused": refused.code, "where": refused.where, "text": refused.text}))
    typer.echo(str(refused), err=True)
    raise typer.Exit(UNREADABLE)


def zone_of(name: str) -> ZoneInfo:
    """A time zone by name. Raises Refused `bad_zone`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise Refused("bad_zone", "--zone", f"there is no time zone {name}") from None


def _instant(text: str, where: str, zone: str) -> int | None:
    if not text:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(
            "bad_time", where, "an instant like 2026-07-14, 2026-07-14T20:00 or 2026-07-14T20:00+02:00"
        ) from None
    return int((read if read.tzinfo else read.replace(tzinfo=zone_of(zone))).timestamp())
