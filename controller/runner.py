"""The controller's one loop: hardware and sockets in, `door.step`, effects out.

It is the only place that reads the clock, once an event, and the only one that moves the relay. Its rules:

- An effect is carried out before the next one; when a grant cannot be recorded and policy wants a record first, what
  follows it is dropped.
- Nothing in here waits: derivations, list verification and file writes run beside the loop.
- The watchdog is fed at the end of a turn and nowhere else, so a loop that hangs is a loop that is restarted.
"""

from __future__ import annotations

import selectors
import signal
import socket
from collections.abc import Iterable
from functools import partial
from typing import Any

from controller import views
from controller.beside import Beside
from controller.codelist import GateTime
from controller.conversations import Conversations, Reply, Role
from controller.decide import Installed
from controller.door import Door
from controller.door_events import (
    Derive,
    Effect,
    Event,
    ExitPressed,
    FaultChanged,
    Hold,
    Keep,
    KeyPressed,
    LeafMoved,
    ListInstalled,
    ListRefused,
    NotRecorded,
    Now,
    PinDerived,
    QrRead,
    Record,
    Refusal,
    Release,
    Released,
    Show,
    Tick,
)
from controller.eventlog import StorageFault
from controller.formats.errors import Refused
from controller.formats.messages import AskStatus, CameraAlive, CameraRead, Deliver, Hello, Link, PublicState
from controller.formats.pin import derive
from controller.hardware import Input, try_open
from controller.lease import Lease
from controller.notify import notify
from controller.unit import Unit
from controller.upkeep import Upkeep
from hal.errors import DeviceLost, HardwareFault

TURN_MS = 1_000  # the longest the loop sleeps; leases and the watchdog are renewed at this pace
REOPEN_EVERY_MS = 2_000


class Runner:
    """Runs one unit until it is told to stop."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._log = unit.log
        self._lease = Lease(unit.hardware.lock)
        self._beside = Beside()
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._list_waiting: str | None = None
        self._list_busy = False
        self._shown: PublicState | None = None
        self._reopen_ms = 0
        for source in unit.hardware.inputs():
            self._open(source)
        self.door = Door(unit.setup, unit.memory, unit.installed, self._now(), unit.hardware.leaf_open())
        self._upkeep = Upkeep(unit, self.door, self._lease, self._beside, self.feed)
        self._selector.register(self._beside, selectors.EVENT_READ, self._beside.finish)
        self._conversations = Conversations(unit.config.sockets, self._selector, self)

    # ---- the loop

    def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        wake, waker = socket.socketpair()
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._selector.register(wake, selectors.EVENT_READ, lambda: wake.recv(64))
        try:
            self.start()
            notify("READY=1")
            while not self._stopping:
                self.turn()
                notify("WATCHDOG=1")
        finally:
            notify("STOPPING=1")
            self.close()

    def start(self) -> None:
        """The records and effects of coming up."""
        now = self._now()
        self._perform(self.door.start(self._unit.boot_drafts, now), now)
        for source in self._unit.hardware.inputs():
            if source.port is None:
                self.feed(FaultChanged(source.fault, True))

    def turn(self) -> None:
        """Everything that is ready, then what time made due."""
        for key, _ in self._selector.select(self._timeout_s()):
            key.data()
        self._conversations.hear_backlog()
        now = self._now()
        deadline_ms = self.door.deadline_ms(now)
        if deadline_ms is not None and now.mono_ms >= deadline_ms:
            self.feed(Tick())
        self._drive(partial(self._lease.renew, now.mono_ms))
        if now.mono_ms >= self._reopen_ms:
            self._reopen_ms = now.mono_ms + REOPEN_EVERY_MS
            self._reopen()
        self._upkeep.turn(now)
        self._tell_agent(now)
        self._tell_display(now)

    def close(self) -> None:
        """Secure the lock first, then give everything back."""
        self._unit.hardware.close()
        self._conversations.close()
        self._beside.close()
        self._selector.close()
        self._log.close()

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _timeout_s(self) -> float:
        if self._conversations.backlog:
            return 0.0
        now = self._now()
        deadline_ms = self.door.deadline_ms(now)
        wait_ms = TURN_MS if deadline_ms is None else min(TURN_MS, deadline_ms - now.mono_ms)
        return max(0, wait_ms) / 1000

    def _now(self) -> Now:
        raw_ms = self._unit.hardware.clock.raw_ms()
        clock = self._unit.clock
        return Now(raw_ms, clock.utc_ms(raw_ms), clock.state, clock.floor_s(raw_ms))

    # ---- events in, effects out

    def feed(self, event: Event) -> None:
        """Let the door take an event now, and carry out what it wants."""
        now = self._now()
        self._perform(self.door.step(event, now), now)

    def _perform(self, effects: Iterable[Effect], now: Now) -> None:
        for effect in effects:
            match effect:
                case Record():
                    if not self._record(effect, now):
                        self.feed(NotRecorded())
                        return
                case Keep():
                    self._log.keep(effect.kept, may_hold=True)
                case Derive():
                    then = partial(self._derived, effect.ticket)
                    self._beside.derive(partial(derive, effect.pin, effect.kdf), then)
                case Release():
                    if self._drive(partial(self._lease.release, effect.seconds, now.mono_ms)):
                        self.feed(Released())
                case Hold():
                    self._drive(partial(self._lease.hold, effect.on, now.mono_ms))
                case Show():
                    if self._unit.hardware.light is not None:
                        self._unit.hardware.light.show(effect.signal)

    def _record(self, effect: Record, now: Now) -> bool:
        """Whether what follows may go on. While storage fails, a record is held in memory, except where policy wants
        a grant on disk first."""
        may_hold = not effect.opening_door or self.door.policy.log_failure == "grant"
        kept = {**effect.kept, "clock": self._unit.clock_kept(now.mono_ms)}
        try:
            events = self._log.append(effect.drafts, kept, now.utc_ms, now.clock, may_hold=may_hold)
        except StorageFault:
            self._unit.lost_records += len(effect.drafts)
            return not effect.opening_door
        for event in events:
            self._unit.session.recorded(event.seq, now.mono_ms)
        self._upkeep.recorded(now.mono_ms)
        return True

    def _derived(self, ticket: int, verifier: str) -> None:
        self.feed(PinDerived(ticket, verifier))

    def _drive(self, move: partial[None]) -> bool:
        """Move the relay; whether it obeyed."""
        try:
            move()
        except HardwareFault:
            self.feed(FaultChanged("lock", True))
            return False
        return True

    # ---- inputs

    def _open(self, source: Input) -> bool:
        if not try_open(source) or source.port is None:
            return False
        self._selector.register(source.port, selectors.EVENT_READ, partial(self._read, source))
        return True

    def _reopen(self) -> None:
        for source in self._unit.hardware.inputs():
            if source.port is None and self._open(source):
                self.feed(FaultChanged(source.fault, False))

    def _read(self, source: Input) -> None:
        if source.port is None:
            return
        try:
            news: list[Any] = list(source.port.read())
        except DeviceLost:
            self._selector.unregister(source.port)
            source.port.close()
            source.port = None
            self.feed(FaultChanged(source.fault, True))
            return
        for item in news:
            if isinstance(item, str):
                self.feed(KeyPressed(source.name, item))
            elif source is self._unit.hardware.contact:
                self.feed(LeafMoved(item))
            elif item:
                self.feed(ExitPressed())

    # ---- sockets

    def joined(self, role: Role) -> None:
        """Somebody connected."""
        if role == "sync":
            trust = self._unit.trust
            self._unit.session.connected()
            self._conversations.tell(
                "sync", Hello(door=self._unit.setup.door, authorities=trust.authorities if trust else ())
            )
        elif role == "display":
            self._shown = None

    def left(self, role: Role) -> None:
        """Somebody disconnected, or was."""
        if role == "sync":
            self._upkeep.link_changed(False, self._now().mono_ms)

    def nonsense(self, role: Role, refused: Refused) -> None:
        """Somebody said what cannot be said."""
        self.feed(Refusal("socket", refused.code))

    def heard(self, role: Role, message: Any, reply: Reply) -> None:
        """Somebody said something."""
        match message:
            case CameraRead():
                self.feed(QrRead(message.text))
            case CameraAlive():
                if message.frames:
                    self._upkeep.camera_alive(self._now().mono_ms)
            case Link():
                self._upkeep.link_changed(message.up, self._now().mono_ms)
            case Deliver(kind="list"):
                self._list_waiting = message.body
                self._next_list()
            case Deliver(kind="receipt"):
                self._receipt(message.body)
            case Deliver():
                self.feed(Refusal("trust" if message.kind == "trust" else "command", "unsupported"))
            case AskStatus():
                reply(views.status(self._unit, self.door, self._now(), self._upkeep.linked))

    def _receipt(self, body: str) -> None:
        now = self._now()
        try:
            signed_ms = self._unit.session.receipt(body, now.mono_ms, now.utc_s)
        except Refused as refused:
            self.feed(Refusal("receipt", refused.code))
        except StorageFault:
            self.feed(FaultChanged("log_degraded", True))
        else:
            if signed_ms is not None:
                self._unit.clock.signed(now.mono_ms, signed_ms)

    def _next_list(self) -> None:
        """Verify and install beside the loop: one list at a time, of several waiting ones the newest."""
        if self._list_busy or self._list_waiting is None:
            return
        envelope, self._list_waiting, self._list_busy = self._list_waiting.encode("utf-8"), None, True
        now = self._now()
        installed = self.door.installed.list if self.door.installed else None
        time = GateTime(now.utc_s, now.trusted)
        self._beside.on_disk(partial(self._unit.install, envelope, installed, time), self._list_judged)

    def _list_judged(self, outcome: Installed | Refused | OSError | None) -> None:
        self._list_busy = False
        match outcome:
            case Installed():
                self.feed(ListInstalled(outcome))
            case Refused():
                self.feed(ListRefused(outcome.code, None))
            case OSError():
                self.feed(FaultChanged("disk", True))
        self._next_list()

    def _tell_agent(self, now: Now) -> None:
        if not self._conversations.anybody("sync"):
            return
        state = self._unit.session.state(views.report(self._unit, self.door, now), now.mono_ms)
        if state is not None:
            self._conversations.tell("sync", state)
        try:
            batch = self._unit.session.next_batch()
        except StorageFault:
            self.feed(FaultChanged("log_degraded", True))
            return
        if batch is not None:
            self._conversations.tell("sync", batch)

    def _tell_display(self, now: Now) -> None:
        if not self._conversations.anybody("display"):
            return
        public = views.public(self._unit, self.door, now)
        if self._shown is None or not views.same(self._shown, public):
            self._shown = public
            self._conversations.tell("display", public)
