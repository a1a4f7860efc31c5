"""A card that can lose power, fill up, fail and lie: the `Disk` of a door in the simulated world.

Files follow the port's contract (a write is wholly there or not at all). The log is a real SQLite database in memory,
so its transactions are SQLite's; power can go at every commit and at every file write, just before or just after it.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from controller.codelist import Floors
from controller.draft import Draft
from controller.enrol_files import floors_of
from controller.enrolment import Enrolled
from controller.eventlog import EventLog, StorageFault
from controller.formats import jwe
from controller.formats.event import ClockState, Event, Receipt
from controller.formats.jwe import DecryptKey
from controller.formats.jwk import SigningKey
from controller.formats.link_place import LinkPlace

SYNCHRONOUS_FULL = 2  # SQLite's number for it: below, in WAL mode, a commit does not wait for the card


class PowerCut(Exception):
    """The power goes, here and now. Nothing after this happens."""


class Fuse:
    """Counts the moments at which power can go; at the chosen one it raises PowerCut."""

    def __init__(self) -> None:
        self._left: int | None = None

    def light(self, moments: int) -> None:
        """Let power go after so many more moments."""
        self._left = moments

    def out(self) -> None:
        """No cut is coming."""
        self._left = None

    def pass_moment(self) -> None:
        """One of those moments. Raises PowerCut."""
        if self._left is None:
            return
        if self._left == 0:
            self._left = None
            raise PowerCut
        self._left -= 1


class _Connection(sqlite3.Connection):
    """A connection whose commits go through the card."""

    card: SimulatedDisk
    _synced: bool | None = None  # whether commits wait for the card; None: not asked since the last PRAGMA

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql != "COMMIT":
            if sql == "BEGIN IMMEDIATE":
                self.card.begin(self._is_synced() if self._synced is None else self._synced)
            elif sql.startswith("PRAGMA"):
                self._synced = None
            return super().execute(sql, *parameters)
        self.card.commit()
        cursor = super().execute(sql)
        self.card.committed()
        self.card.fuse.pass_moment()
        return cursor

    def _is_synced(self) -> bool:
        self._synced = super().execute("PRAGMA synchronous").fetchone()[0] >= SYNCHRONOUS_FULL
        return self._synced


class _WatchedLog(EventLog):
    """The production log; what it wrote is shown to the world's witness."""

    card: SimulatedDisk

    def start_over(self, receipt: Receipt, at_ms: int, clock: ClockState) -> list[Event]:
        return self._seen(super().start_over(receipt, at_ms, clock))

    def drop_unsent(self, now_s: int, at_ms: int, clock: ClockState) -> list[Event]:
        return self._seen(super().drop_unsent(now_s, at_ms, clock))

    def go_on_in_memory(self, kept: Mapping[str, object], at_ms: int, clock: ClockState) -> list[Event]:
        return self._seen(super().go_on_in_memory(kept, at_ms, clock))

    def append(
        self, drafts: Iterable[Draft], kept: Mapping[str, object], at_ms: int, clock: ClockState, *, may_hold: bool
    ) -> list[Event]:
        drafts = tuple(drafts)
        events = super().append(drafts, kept, at_ms, clock, may_hold=may_hold)
        self.card.appended(events, [draft.grant for draft in drafts], self)
        for draft in drafts:
            if draft.kind in {"granted", "refused"} and draft.grant is not None and "count" not in draft.detail:
                self.card.decided(draft)
        return events

    def _seen(self, events: list[Event]) -> list[Event]:
        """The log goes on under another id, with these records first."""
        if events:
            self.card.appended(events, [None] * len(events), self)
        return events


class SimulatedDisk:
    """One door's card. `full` makes every write fail. While it lies, nothing it calls durable is: the next power
    cut leaves the log as it was after any one of the commits since (SQLite's checksums make a torn or reordered tail
    look like one that was never written), and each list file whole, torn or not at all, whatever was written after it.

    Floors and trust stay: a unit that finds those damaged stays down until staff enrol it anew, which no world plays.
    """

    def __init__(self, fuse: Fuse, key: SigningKey, entropy: Callable[[int], bytes]) -> None:
        self.fuse = fuse
        self.full = False
        self.trust: bytes | None = None
        self.corrupt_log = False
        self.lied = False
        self.list_lost = False  # a lie took a list, and none was written since
        self.appended: Callable[[list[Event], list[str | None], EventLog], None] = lambda _events, _grants, _log: None
        self.decided: Callable[[Draft], None] = lambda _draft: None
        self.opened: Callable[[EventLog], None] = lambda _log: None
        self._key = key
        self._decrypt_key = jwe.make_key()
        self._entropy = entropy
        self._floors: Floors | None = None
        self._lists: dict[str, bytes] = {}
        self._log: sqlite3.Connection | None = None
        self._survives: bytes | None = None  # the log that a lying card will still have
        self._lied_about = 0  # commits
        self._lists_before_lie: set[str] = set()
        self._before_unsynced: bytes | None = None
        self._link: LinkPlace | None = None

    # ---- faults

    def lie(self) -> None:
        """From now on syncs are lies, until the next power cut."""
        if self._log is not None and not self._log.in_transaction:
            self._survives, self._lied_about = self._log.serialize(), 0
            self._lists_before_lie = set(self._lists)

    def power_returns(self) -> None:
        """After a power cut: what was a lie may be gone; `lied` says whether there was one."""
        lie, self._survives = self._survives, None
        unsynced, self._before_unsynced = self._before_unsynced, None
        self.lied = lie is not None and self._log is not None
        if self.lied:
            left_lists = {name: self._left_of(name, data) for name, data in self._lists.items()}
            self.list_lost = self.list_lost or left_lists != self._lists
            self._lists = {name: data for name, data in left_lists.items() if data}
        left = lie or unsynced
        if left is not None and self._log is not None:
            self._log.close()
            self._log = self._connect()
            self._log.deserialize(left)

    def begin(self, synced: bool) -> None:
        """A transaction begins. Whether its commit will wait for the card; if not, a power cut takes it back, and all
        that follow it."""
        if not synced and self._before_unsynced is None and self._log is not None:
            self._before_unsynced = self._log.serialize()

    def committed(self) -> None:
        """A commit was said to be durable. Any since the lie began may be the last that is, all as likely."""
        if self._survives is not None and self._log is not None:
            self._lied_about += 1
            if self._chance(self._lied_about + 1) == 0:
                self._survives = self._log.serialize()

    def commit(self) -> None:
        """A commit is about to become durable."""
        self.fuse.pass_moment()
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")

    # ---- the port

    def read_floors(self) -> Floors | None:
        return self._floors

    def write_floors(self, floors: Floors) -> None:
        self._write()
        self._floors = floors
        self.fuse.pass_moment()

    def read_list(self, payload_hash: str) -> bytes:
        try:
            return self._lists[payload_hash]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such list") from None

    def write_list(self, payload_hash: str, envelope: bytes) -> None:
        self._write()
        self._lists[payload_hash], self.list_lost = envelope, False
        self.fuse.pass_moment()

    def remove_other_lists(self, keep: str) -> None:
        self.fuse.pass_moment()
        self._lists = {name: data for name, data in self._lists.items() if name == keep}

    def read_trust(self) -> bytes | None:
        return self.trust

    def write_trust(self, document: bytes) -> None:
        self._write()
        self.trust = document
        self.fuse.pass_moment()

    def event_key(self) -> SigningKey:
        return self._key

    def decrypt_key(self) -> DecryptKey:
        return self._decrypt_key

    def keep_enrolment(self, enrolled: Enrolled) -> None:
        self._write()
        self._key, self._decrypt_key, self._link = enrolled.event_key, enrolled.decrypt_key, enrolled.link
        self.trust, self._lists = enrolled.step.document, {}
        trust = enrolled.step.trust
        self._floors = floors_of(self._floors or Floors(), trust.version, trust.epoch)
        self.fuse.pass_moment()

    def finish_enrolment(self) -> None:
        """Nothing is ever half-way: this card writes an enrolment as one."""

    def read_link(self) -> LinkPlace | None:
        return self._link

    def log_exists(self) -> bool:
        return self._log is not None

    def open_log(self, door: str) -> EventLog:
        if self.corrupt_log:
            raise StorageFault("database disk image is malformed")
        if self._log is None:
            self._log = self._connect()
        elif self._log.in_transaction:
            self._log.execute("ROLLBACK")
        try:
            log = _WatchedLog.attach(self._log, door, self._entropy)
            log.card = self
            self.opened(log)
            return log
        except sqlite3.Error as error:
            raise StorageFault(str(error)) from error

    def log_in_memory(self, door: str) -> EventLog:
        log = _WatchedLog.in_memory(door, self._entropy)
        log.card = self
        return log

    def set_log_aside(self) -> None:
        self.corrupt_log = False
        self._log = None

    # ---- for those who look at the card from outside

    @property
    def list_count(self) -> int:
        return len(self._lists)

    def everything(self) -> bytes:
        """All bytes on the card but the keys, for the search for what must not be there."""
        log = self._log.serialize() if self._log is not None else b""
        return log + b"".join(self._lists.values())

    def _connect(self) -> _Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None, factory=_Connection, check_same_thread=False)
        connection.card = self
        return connection

    def _left_of(self, name: str, data: bytes) -> bytes:
        """What is there, after a power cut, of a list file; nothing stands for no file."""
        if name in self._lists_before_lie:
            return data
        return (data, data[: len(data) // 2], b"")[self._chance(3)]

    def _chance(self, of: int) -> int:
        return int.from_bytes(self._entropy(4), "big") % of

    def _write(self) -> None:
        self.fuse.pass_moment()
        if self.full:
            raise OSError(errno.ENOSPC, "no space left on device")
