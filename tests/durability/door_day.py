"""A day of a door, as far as its card is concerned: boot, list install, entry, refusal, receipt, pruning, boot again.

    day = live(folder, synchronous="FULL")       # everything done once, recorded
    day.steps                                    # what the card had promised, after how many operations

The log is the production EventLog, the files are written by the production DataFolder; only the card is a recorder.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.codelist import Floors
from controller.data_folder import LOG, DataFolder
from controller.draft import Draft
from controller.eventlog import DAY_S, EventLog
from controller.formats.event import Receipt
from tests.durability.recorder import Operation, Recorder

NOON_S = 1_800_000_000
DOOR = "hall-1"


@dataclass(frozen=True)
class Promise:
    """What must be on the card from operation `done` on."""

    done: int
    seq: int
    hash: str
    log: str
    kept: dict[str, Any]
    floors: Floors | None


@dataclass
class Day:
    operations: list[Operation]
    steps: list[Promise] = field(default_factory=list)

    def allowed(self, done: int) -> tuple[Promise | None, Promise | None]:
        """What had been promised after `done` operations, and what was being written then."""
        kept = [step for step in self.steps if step.done <= done]
        under_way = [step for step in self.steps if step.done > done]
        return (kept[-1] if kept else None), (under_way[0] if under_way else None)


class _Living:
    def __init__(self, folder: Path, synchronous: str) -> None:
        self.recorder = Recorder(folder)
        self.folder = DataFolder(folder)
        self.day = Day(self.recorder.operations)
        self.floors: Floors | None = None
        self._path = folder / LOG
        self._synchronous = synchronous
        self.now_s = NOON_S
        chance = random.Random(1)
        self._entropy: Callable[[int], bytes] = chance.randbytes
        self.log = self._open()

    def boot(self) -> None:
        """The process died and is there again."""
        self.log = self._open()
        self.promised()
        self.record(Draft("boot", detail={"software": "1"}))

    def record(self, *drafts: Draft, **kept: Any) -> None:
        self.now_s += 1
        self.log.append(drafts, kept, self.now_s * 1000, "synced", may_hold=False)
        self.promised()

    def keep(self, **kept: Any) -> None:
        self.log.keep(kept, may_hold=False)
        self.promised()

    def receipt(self, number: int) -> None:
        seq, digest = self.log.end.seq, self.log.end.hash
        said = Receipt(door=DOOR, log=self.log.log, seq=seq, hash=digest, number=number, issued=self.now_s)
        assert self.log.acknowledge(said, self.now_s)
        self.promised()

    def prune(self) -> None:
        self.now_s += 20 * DAY_S
        assert self.log.prune(self.now_s)
        self.promised()

    def checkpoint(self) -> None:
        self.log.checkpoint()
        self.promised()

    def start_over(self) -> None:
        seq = self.log.acknowledged.seq
        other = Receipt(door=DOOR, log=self.log.log, seq=seq, hash="f" * 64, number=99, issued=self.now_s)
        self.log.start_over(other, self.now_s * 1000, "synced")
        self.promised()

    def install(self, version: int) -> None:
        """As the unit does it: the list, the floors that name it, then the old list goes."""
        envelope = f"list {version} ".encode() * 800
        name = hashlib.sha256(envelope).hexdigest()[:32]
        self.folder.write_list(name, envelope)
        self.promised()
        self.floors = Floors(list_hash=name, list_version=version, receipt=self.log.acknowledged.number)
        self.folder.write_floors(self.floors)
        self.promised()
        self.folder.remove_other_lists(name)
        self.record(Draft("list", detail={"version": version}), tries=10)

    def promised(self) -> None:
        """Control is back with the door: what it did is durable, or this day is no good."""
        kept, end = self.log.kept(), self.log.end
        done = len(self.recorder.operations)
        self.day.steps.append(Promise(done, end.seq, end.hash, self.log.log, kept, self.floors))

    def _open(self) -> EventLog:
        return EventLog.attach(self.recorder.connect(self._path, self._synchronous), DOOR, self._entropy)


def live(folder: Path, synchronous: str = "FULL") -> Day:
    """One day, recorded."""
    living = _Living(folder, synchronous)
    with living.recorder.watching():
        living.promised()
        living.record(Draft("boot", detail={"software": "1"}))
        living.install(1)
        for person in range(3):
            living.keep(tries=9)
            grant = f"g{person}"
            living.record(Draft("granted", None, grant, "c1", "pin", {"kind": "renter"}), tries=10, pulse=living.now_s)
            living.record(Draft("in", None, grant, "c1", "pin", {"leaf": "opened"}), pulse=None, inside={grant: 1})
            living.keep(tries=9)
            living.record(Draft("refused", "unknown_code", credential="pin"))
            living.record(Draft("out", detail={"attribution": "none"}), inside={})
        living.receipt(1)
        living.checkpoint()
        living.install(2)
        living.record(Draft("refused", "too_early", "g1", "c1", "qr"))
        living.prune()
        living.checkpoint()
        living.boot()
        living.record(Draft("granted", None, "g3", "c1", "qr", {"kind": "renter"}), pulse=living.now_s)
        living.start_over()
        living.record(Draft("in", None, "g3", "c1", "qr", {"leaf": "opened"}), pulse=None)
        living.checkpoint()
    return living.day
