"""What time alone makes due at a unit: clock, faults, what is held in memory, tidying the log.

Called by the runner every turn; nothing in here stands between a credential and the relay.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from controller.clock import Readings
from controller.door import Door
from controller.door_events import ClockNoted, Event, FaultChanged, Now, StorageHealed
from controller.eventlog import StorageFault
from controller.formats.event import Event as LogEvent
from controller.lease import Lease
from controller.unit import Unit

CLOCK_EVERY_MS = 10_000
NOTE_CLOCK_EVERY_MS = 60_000
STORAGE_EVERY_MS = 2_000
HEAL_EVERY_MS = 60_000
OFFLINE_AFTER_MS = 15 * 60_000  # R004-27
CAMERA_SILENT_MS = 10_000
DISPLAY_SILENT_MS = 15_000
TRUST_WARN_S = 90 * 86_400
FLOOR_EVERY_S = 3_600
IDLE_MS = 5_000
PRUNE_EVERY_MS = 6 * 3_600_000


OnDisk = Callable[[Callable[[], OSError | None], Callable[[OSError | None], None]], None]


class Upkeep:
    """`on_disk` writes a file beside the loop; `feed` hands an event to the door. Times are monotonic milliseconds."""

    def __init__(self, unit: Unit, door: Door, lease: Lease, on_disk: OnDisk, feed: Callable[[Event], None]) -> None:
        self._unit = unit
        self._door = door
        self._lease = lease
        self._on_disk = on_disk
        self._feed = feed
        self._due_ms: dict[str, int] = {}
        now_ms = unit.ports.clock.raw_ms()
        self.linked = False
        self._link_changed_ms = now_ms
        self._camera_ms = dict.fromkeys(unit.ports.cameras, now_ms)
        self._display_ms: int | None = None  # nobody has to have a screen; what was there once is missed
        self._had_page = False
        self._active_ms: int | None = now_ms

    def link_changed(self, up: bool, now_ms: int) -> None:
        """The agent says whether it has a session with the broker."""
        if up != self.linked:
            self.linked, self._link_changed_ms = up, now_ms

    def camera_alive(self, camera: str, now_ms: int) -> None:
        """That camera delivers pictures."""
        if camera in self._camera_ms:
            self._camera_ms[camera] = now_ms

    def display_alive(self, pages: int, now_ms: int) -> None:
        """The display process lives, and so many browsers show its page. One without a page counts once a page has
        been there: a tablet that is off, frozen or stolen leaves its server behind."""
        if pages or not self._had_page:
            self._display_ms, self._had_page = now_ms, bool(pages)

    def display_left(self) -> None:
        """The display process is gone, if there was one."""
        if self._display_ms is not None:
            self._display_ms = -DISPLAY_SILENT_MS

    def recorded(self, now_ms: int) -> None:
        """Something was recorded: tidy up when it is quiet again."""
        self._active_ms = now_ms

    def turn(self, now: Now) -> None:
        """Do what is due."""
        if self._is_due("clock", now.mono_ms, CLOCK_EVERY_MS):
            source = self._unit.ports.clock
            self._unit.clock.observe(Readings(now.mono_ms, source.ntp_ms(), source.rtc_ms()))
        there = self._door.faults
        for fault, on in self._faults(now).items():
            if on != (fault in there):
                self._feed(FaultChanged(fault, on))
        self._note_clock(now)
        self._keep_floor(now)
        if self._is_due("storage", now.mono_ms, STORAGE_EVERY_MS):
            self._check_storage(now)
        if self._active_ms is not None and now.mono_ms - self._active_ms >= IDLE_MS:
            self._active_ms = None
            self._tidy(now)

    def _faults(self, now: Now) -> dict[str, bool]:
        unit, trust = self._unit, self._unit.trust
        faults = {
            "clock": unit.clock.fault or not now.trusted,
            "offline": not self.linked and now.mono_ms - self._link_changed_ms >= OFFLINE_AFTER_MS,
            "trust": trust is None or (now.trusted and now.utc_s >= trust.expires - TRUST_WARN_S),
            "hub_rollback": unit.session.rolled_back_to is not None,
            "lock": self._lease.overdue(now.mono_ms),
        }
        for camera, seen_ms in self._camera_ms.items():
            faults[camera] = now.mono_ms - seen_ms > CAMERA_SILENT_MS
        if self._display_ms is not None:
            faults["display"] = now.mono_ms - self._display_ms > DISPLAY_SILENT_MS
        return faults

    def _note_clock(self, now: Now) -> None:
        """An untrusted or disagreeing clock gives the hub an event a minute to answer with a signed time."""
        wanted = self.linked and (not now.trusted or self._unit.clock.fault)
        if wanted and self._is_due("note_clock", now.mono_ms, NOTE_CLOCK_EVERY_MS):
            self._feed(ClockNoted())

    def _keep_floor(self, now: Now) -> None:
        clock_s = self._unit.clock.kept_floor_s(now.mono_ms)
        moved_s = abs(clock_s - self._unit.floors.clock_s)
        if moved_s >= FLOOR_EVERY_S and self._is_due("floor", now.mono_ms, CLOCK_EVERY_MS):
            job = partial(self._unit.keep_floor, clock_s, self._unit.log.acknowledged.number)
            self._on_disk(job, lambda failure: self._feed(FaultChanged("disk", failure is not None)))

    def _check_storage(self, now: Now) -> None:
        """Write what is held as soon as the disk takes it; do without a disk that cannot even be read."""
        log = self._unit.log
        if log.held:
            self._feed(FaultChanged("log_degraded", True))
            log.keep({}, may_hold=True)
        if log.volatile and self._is_due("heal", now.mono_ms, HEAL_EVERY_MS):
            self._unit.heal_log()
        elif (log.held or "log_degraded" in self._door.faults) and not log.volatile and not log.readable:
            # Also where it still takes records: what lies behind a bad page would never reach the hub.
            kept = self._door.memory.everything()
            self._began_again(log.go_on_in_memory(kept, now.utc_ms, now.clock), now)
        if not log.held and "log_degraded" in self._door.faults:
            lost, self._unit.lost_records = self._unit.lost_records, 0
            self._feed(StorageHealed(lost))

    def _tidy(self, now: Now) -> None:
        """Checkpoint and prune while nobody is at the door."""
        try:
            if now.trusted and self._is_due("prune", now.mono_ms, PRUNE_EVERY_MS):
                # By the floor: nobody who forges NTP makes a door throw anything away before its time.
                self._unit.log.prune(now.floor_s)
                self._began_again(self._unit.log.drop_unsent(now.floor_s, now.utc_ms, now.clock), now)
            self._unit.log.checkpoint()
        except StorageFault:
            self._feed(FaultChanged("log_degraded", True))

    def _began_again(self, events: list[LogEvent], now: Now) -> None:
        """The log goes on under another id, with these records first."""
        if events:
            self._unit.session.restarted()
        for event in events:
            self._unit.session.recorded(event.seq, now.mono_ms)

    def _is_due(self, name: str, now_ms: int, every_ms: int) -> bool:
        if now_ms < self._due_ms.get(name, 0):
            return False
        self._due_ms[name] = now_ms + every_ms
        return True
