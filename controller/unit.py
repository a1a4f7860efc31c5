"""One door unit put together: what is on disk, what is wired, what was remembered.

Start-up order is the order of trust: floors, trust document, the installed list judged again, the log, the clock.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.metadata import version as installed_version
from typing import Any

import msgspec

from controller.challenges import Challenges
from controller.clock import Clock, Readings, Restored
from controller.codelist import Floors, GateTime, accept_installed, accept_new
from controller.data_folder import Disk
from controller.decide import Installed
from controller.draft import Draft
from controller.enrol_files import floors_of
from controller.enrolment import Enrolled
from controller.eventlog import EventLog, StorageFault
from controller.formats.code_list import TYP as LIST_TYP
from controller.formats.code_list import CodeList
from controller.formats.errors import Refused
from controller.formats.jwe import decrypt
from controller.formats.limits import LIMITS
from controller.formats.state import Colour, Doctor, UpdateState
from controller.formats.trust import Trust
from controller.formats.trust_step import Step
from controller.link_session import LinkSession
from controller.memory import Memory
from controller.setup import Setup
from controller.trust_chain import accept_kept, climb, floors_after
from hal.ports import Light, Lock, TimeSource

DOCTOR = "doctor"
CHECKS_KEPT = 40  # as many as a state report holds


class Ports(msgspec.Struct, frozen=True):
    """The hardware the unit acts on. Inputs are not here: they come as events."""

    lock: Lock
    clock: TimeSource
    light: Light | None
    leaf_open: bool
    cameras: tuple[str, ...]  # the roles of those that are wired: silence is a fault of that name
    blink: Callable[[bool], None] | None = None  # the same light, to tell a number with


class Climbed(msgspec.Struct, frozen=True):
    """What came of a `trust` message: the versions taken, oldest first; why the installed list is no longer good, where
    it is not; what stopped the climb."""

    taken: tuple[Trust, ...]
    list_lost: str | None
    stopped: Refused | OSError | None


class _KeptClock(Restored, frozen=True, kw_only=True):
    """The clock beside the records, and the boot it was kept in."""

    boot: str


class Unit:
    """Everything a performer performs on. Raises Refused (trust document), OSError or ValueError (the data folder
    cannot be used)."""

    def __init__(self, setup: Setup, ports: Ports, disk: Disk) -> None:
        self.setup = setup
        self.ports = ports
        self.boot_drafts: list[Draft] = []
        self.lost_records = 0
        self._disk = disk
        self._floors_guard = threading.Lock()  # changed beside the loop, read in it
        disk.finish_enrolment()
        self.link = disk.read_link()
        self._decrypt_key = disk.decrypt_key()
        floors = disk.read_floors()
        self.floors = floors or Floors()
        document = disk.read_trust()
        self._step: Step | None = None if document is None else accept_kept(document, self.floors)
        if self.trust is not None and self.floors.trust_version != self.trust.version:
            # The power went between a step and its floors, or this is the first start.
            self._keep_floors(floors_after(self.floors, self.trust))
        self.installed = self._find_list()
        self._tidy_lists()
        self.log, kept = self._open_log(started_before=floors is not None)
        if self.trust is not None:
            self.log.begin_epoch(self.trust.epoch)
        self.memory = Memory.restore(kept)
        self.entropy = os.urandom
        self.signer = disk.event_key()
        self.session = LinkSession(setup.door, self.log, self.trust, self.signer)
        self.challenges = self._challenges()
        self.clock = self._start_clock(kept or {})
        self.doctor = _doctor(kept or {})
        self.update: UpdateState | None = None  # the agent says it again to every controller
        list_version = self.installed.list.version if self.installed else None
        detail: dict[str, Any] = {"software": _software(), "list_version": list_version}
        self.boot_drafts.insert(0, Draft("boot", detail=detail))

    @property
    def trust(self) -> Trust | None:
        """The trust document in force, None before enrolment."""
        return None if self._step is None else self._step.trust

    def examined(self, checks: dict[str, Colour], now_s: int) -> None:
        """What a self-test found, beside what earlier ones found of other checks; survives a restart."""
        before = self.doctor.checks if self.doctor else {}
        self.doctor = Doctor(at=max(0, now_s), checks=dict([*before.items(), *checks.items()][-CHECKS_KEPT:]))
        self.log.keep({DOCTOR: msgspec.to_builtins(self.doctor)}, may_hold=True)

    def enrol(self, enrolled: Enrolled) -> OSError | None:
        """Keep a new enrolment, and judge by it from now on. Runs beside the loop."""
        try:
            with self._floors_guard:
                self._disk.keep_enrolment(enrolled)
                trust = enrolled.step.trust
                self.floors = floors_of(self.floors, trust.version, trust.epoch)
                self._step, self._decrypt_key = enrolled.step, enrolled.decrypt_key
        except OSError as error:
            return error
        return None

    def adopt(self, enrolled: Enrolled) -> None:
        """Speak as what was enrolled, once it is kept. Runs in the loop."""
        self.link, self.signer = enrolled.link, enrolled.event_key
        self.session.enrolled(enrolled.step.trust, self.signer)
        self.challenges = self._challenges()

    def climb_trust(self, body: bytes) -> Climbed:
        """Take the steps of a `trust` message, each on disk before the next is looked at, then judge the installed
        list again: a revoked key or a new epoch ends it at once. Runs beside the loop."""
        taken: list[Trust] = []
        stopped: Refused | OSError | None = None
        try:
            if self._step is None:
                raise Refused("not_enrolled", "trust", "the first trust document comes with enrolment")
            for step in climb(body, self._step):
                self._disk.write_trust(step.document)
                self._keep_floors(floors_after(self.floors, step.trust))
                self._step = step
                taken.append(step.trust)
        except (Refused, OSError) as error:
            stopped = error
        return Climbed(tuple(taken), self._lost_by(taken), stopped)

    def install(self, sealed: bytes, installed: CodeList | None, time: GateTime) -> Installed | Exception | None:
        """Open and judge a delivered list and put it on disk as it came: the list first, then the floors that name it,
        so a power cut between the two leaves the old one in force. None when it is in force already; Refused or OSError
        are returned, since this runs beside the loop."""
        try:
            if self.trust is None:
                raise Refused("unknown_key", "list", "this unit has no trust document")
            envelope = self._open_list(sealed)
            accepted = accept_new(envelope, self.setup.door, self.trust, self.floors, installed, time)
            if accepted is None:
                return None
            ready = Installed(accepted.code_list, accepted.hash)
            self._disk.write_list(accepted.hash, sealed)
            self._change_floors(list_hash=accepted.hash, list_version=accepted.code_list.version)
        except (Refused, OSError) as error:
            return error
        self._tidy_lists()  # the floors name the new one by now: it is in force whatever becomes of the old
        return ready

    def keep_floor(self, clock_s: int, receipt: int) -> OSError | None:
        """Write down the clock floor (which a believed signed reading may lower) and the receipt number."""
        try:
            self._change_floors(clock_s=clock_s, receipt=max(receipt, self.floors.receipt))
        except OSError as error:
            return error
        return None

    def clock_kept(self, raw_ms: int) -> dict[str, Any]:
        """The clock as a restart within this boot needs it; rides along with every record."""
        return {"boot": self.ports.clock.boot_id(), **msgspec.structs.asdict(self.clock.restorable(raw_ms))}

    def _challenges(self) -> Challenges:
        return Challenges(self.setup.door, self.signer, self._decrypt_key, self.setup.remote, self.entropy)

    def _change_floors(self, **changes: Any) -> None:
        with self._floors_guard:
            self._write_floors(replace(self.floors, **changes))

    def _keep_floors(self, floors: Floors) -> None:
        with self._floors_guard:
            self._write_floors(replace(floors, clock_s=self.floors.clock_s))

    def _write_floors(self, floors: Floors) -> None:
        self._disk.write_floors(floors)
        self.floors = floors

    def _lost_by(self, taken: list[Trust]) -> str | None:
        """Why the list that was in force before these versions is not in force after them."""
        if any(trust.epoch > taken[0].epoch for trust in taken) or (taken and self.floors.list_hash is None):
            return "wrong_epoch"
        found = self._judge_kept_list() if taken else None
        return found.code if isinstance(found, Refused) else None

    def _tidy_lists(self) -> None:
        """Take away the lists of before, and what a power cut in the middle of an installation left behind. A card that
        cannot be written keeps them until it can."""
        if self.floors.list_hash is not None:
            with contextlib.suppress(OSError):
                self._disk.remove_other_lists(self.floors.list_hash)

    def _find_list(self) -> Installed | None:
        found = self._judge_kept_list()
        if isinstance(found, Refused | OSError):
            reason = found.code if isinstance(found, Refused) else "unreadable"
            self.boot_drafts.append(Draft("list", reason, detail={"version": self.floors.list_version}))
            return None
        return found

    def _open_list(self, sealed: bytes) -> bytes:
        """The signed list in what was encrypted to this unit. Raises Refused."""
        text = sealed.decode("ascii", "replace")
        return decrypt(text, LIST_TYP, self._decrypt_key, max_bytes=LIMITS.envelope_bytes)

    def _judge_kept_list(self) -> Installed | Refused | OSError | None:
        """The list that the floors name, judged by the trust document in force; None where they name none."""
        if self.trust is None or self.floors.list_hash is None:
            return None
        try:
            envelope = self._open_list(self._disk.read_list(self.floors.list_hash))
            accepted = accept_installed(envelope, self.setup.door, self.trust, self.floors)
        except (Refused, OSError) as error:
            return error
        return Installed(accepted.code_list, accepted.hash)

    def _open_log(self, started_before: bool) -> tuple[EventLog, dict[str, Any] | None]:
        """The log and what was kept in it; None when it should have been there and is not readable."""
        missing = not self._disk.log_exists()
        try:
            log = self._disk.open_log(self.setup.door)
            return log, (None if missing and started_before else log.kept())
        except StorageFault:
            self.boot_drafts.append(Draft("loss", "log_unreadable"))
        return self._fresh_log() or self._disk.log_in_memory(self.setup.door), None

    def _fresh_log(self) -> EventLog | None:
        """A log on disk that can be written, in place of one that cannot be read; None while there can be none."""
        try:
            with contextlib.suppress(StorageFault):
                found = self._disk.open_log(self.setup.door)
                if found.readable:
                    return found
                found.close()
            self._disk.set_log_aside()
            return self._disk.open_log(self.setup.door)
        except (StorageFault, OSError):
            return None

    def heal_log(self) -> None:
        """Bring a log that is in memory only to the disk, if that can be used again."""
        fresh = self._fresh_log()
        if fresh is not None:
            with contextlib.suppress(StorageFault):
                self.log.move_to(fresh)

    def _start_clock(self, kept: dict[str, Any]) -> Clock:
        source = self.ports.clock
        readings = Readings(source.raw_ms(), source.ntp_ms(), source.rtc_ms())
        return Clock.start(readings, self.floors.clock_s, _restored(kept, source.boot_id()))


@cache
def _software() -> str:
    return installed_version("zaalsleutel")


def _restored(kept: dict[str, Any], boot_id: str) -> Restored | None:
    """The clock as it was kept in this boot; None where it was not, or makes no sense."""
    try:
        written = msgspec.convert(kept["clock"], _KeptClock)
    except (KeyError, msgspec.ValidationError):
        return None
    return written if written.boot == boot_id else None


def _doctor(kept: dict[str, Any]) -> Doctor | None:
    """What was kept of the last self-test; None where nothing was, or nothing that makes sense."""
    try:
        return msgspec.convert(kept[DOCTOR], Doctor)
    except (KeyError, msgspec.ValidationError):
        return None
