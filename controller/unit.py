"""One door unit put together: what is on disk, what is wired, what was remembered.

Start-up order is the order of trust: floors, trust document, the installed list judged again, the log, the clock.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from controller.clock import Clock, Readings, Restored
from controller.codelist import GateTime, accept_installed, accept_new
from controller.config import Config
from controller.decide import Installed
from controller.disk import TRUST, list_path, remove_other_lists
from controller.door import Setup
from controller.draft import Draft
from controller.eventlog import EventLog, StorageFault
from controller.floors import FloorsFile
from controller.formats import trust as trust_format
from controller.formats.code_list import CodeList
from controller.formats.errors import Refused
from controller.formats.trust import Trust
from controller.hardware import Hardware
from controller.link_session import LinkSession
from controller.memory import Memory
from controller.own_keys import event_key

LOG = "log.db"


class Unit:
    """Everything the runner runs. Raises Refused (configuration, trust document), HardwareFault (lock or clock cannot
    be opened), OSError or ValueError (the data folder cannot be used)."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.hardware = Hardware(config)
        self.has_camera = config.has("camera")
        self.setup = Setup(
            door=config.door.id,
            readers=tuple(self.hardware.keypads),
            contact=self.hardware.contact is not None,
            handle_sensed=config.door.handle_sensed,
        )
        self.boot_drafts: list[Draft] = []
        self.lost_records = 0
        self.floors = FloorsFile(config.data)
        self.trust = _read_trust(config.data)
        self.installed = self._find_list()
        self.log, kept = self._open_log()
        self.memory = Memory.restore(kept)
        self.session = LinkSession(config.door.id, self.log, self.trust, event_key(config.data))
        self.clock = self._start_clock(kept or {})
        self.boot_drafts.insert(0, self._boot_draft())

    def install(
        self, envelope: bytes, installed: CodeList | None, time: GateTime
    ) -> Installed | Refused | OSError | None:
        """Judge a delivered list and put it on disk; None when it is the one in force. Runs beside the loop."""
        try:
            if self.trust is None:
                raise Refused("unknown_key", "list", "this unit has no trust document")
            accepted = accept_new(envelope, self.setup.door, self.trust, self.floors.current, installed, time)
            if accepted is None:
                return None
            ready = Installed(accepted.code_list, accepted.hash)
            self.floors.install(envelope, accepted.hash, accepted.code_list.version)
            remove_other_lists(self.config.data, accepted.hash)
        except (Refused, OSError) as error:
            return error
        return ready

    def keep_floor(self, clock_s: int, receipt: int) -> OSError | None:
        """Write the clock floor down. Runs beside the loop."""
        try:
            self.floors.raise_to(clock_s=clock_s, receipt=receipt)
        except OSError as error:
            return error
        return None

    def clock_kept(self, raw_ms: int) -> dict[str, Any]:
        """The clock as a restart within this boot needs it; rides along with every record."""
        return {"boot": self.hardware.clock.boot_id(), **asdict(self.clock.restorable(raw_ms))}

    def _find_list(self) -> Installed | None:
        floors = self.floors.current
        if self.trust is None or floors.list_hash is None:
            return None
        try:
            envelope = list_path(self.config.data, floors.list_hash).read_bytes()
            accepted = accept_installed(envelope, self.config.door.id, self.trust, floors)
        except (Refused, OSError) as error:
            reason = error.code if isinstance(error, Refused) else "unreadable"
            self.boot_drafts.append(Draft("list", reason, detail={"version": floors.list_version}))
            return None
        return Installed(accepted.code_list, accepted.hash)

    def _open_log(self) -> tuple[EventLog, dict[str, Any] | None]:
        """The log and what was kept in it; None when it should have been there and is not readable."""
        path = self.config.data / LOG
        missing = not path.exists()
        try:
            log = EventLog.open(path, self.setup.door, os.urandom)
            return log, (None if missing and self.floors.existed else log.kept())
        except StorageFault:
            _set_aside(path)
        self.boot_drafts.append(Draft("loss", "log_unreadable"))
        return EventLog.open(path, self.setup.door, os.urandom), None

    def _start_clock(self, kept: dict[str, Any]) -> Clock:
        source = self.hardware.clock
        readings = Readings(source.raw_ms(), source.ntp_ms(), source.rtc_ms())
        restored = None
        written = kept.get("clock")
        if written and written.pop("boot") == source.boot_id():
            restored = Restored(**written)
        return Clock.start(readings, self.floors.current.clock_s, restored)

    def _boot_draft(self) -> Draft:
        version = self.installed.list.version if self.installed else None
        return Draft("boot", detail={"software": installed_version("zaalsleutel"), "list_version": version})


def _read_trust(data: Path) -> Trust | None:
    try:
        return trust_format.parse((data / TRUST).read_bytes())
    except FileNotFoundError:
        return None


def _set_aside(path: Path) -> None:
    """Keep an unreadable log for those who may want to look at it, out of the way."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        found = path.with_name(name)
        if found.exists():
            found.replace(path.with_name(f"{name}.unreadable"))
