"""Carries out what the door wants, and brings it what others say.

Everything of the controller but its loop: no descriptors, no threads, no waiting. The runner drives it with real
hardware and sockets, the simulator with virtual ones. Its rules:

- An effect is carried out before the next one; when a grant cannot be recorded and policy wants a record first, what
  follows it is dropped.
- Derivations, list verification and file writes are handed to `Beside`; their results come back as calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from controller import views
from controller.codelist import GateTime
from controller.decide import Installed
from controller.door import Door
from controller.door_events import (
    CommandGiven,
    CommissionAsked,
    Derive,
    Effect,
    Event,
    FaultChanged,
    Hold,
    Keep,
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
    TrustTaken,
)
from controller.draft import Draft
from controller.enrol_session import EnrolSession
from controller.eventlog import StorageFault
from controller.formats.code_list import PinKdf
from controller.formats.enrolment_messages import AskRenewal, EnrolmentAnswer, EnrolmentFailed, FoundTrust
from controller.formats.errors import Refused
from controller.formats.event import Receipt
from controller.formats.messages import (
    AskCommissioning,
    AskExplain,
    AskStatus,
    CameraAlive,
    CameraRead,
    Deliver,
    DisplayAlive,
    Findings,
    Hello,
    Link,
    PublicState,
    SendAnswer,
    UpdateIs,
)
from controller.formats.trust import Trust
from controller.incidents import Incidents
from controller.latest import Latest
from controller.lease import Lease
from controller.link_session import Contradicted
from controller.unit import Climbed, Unit
from controller.upkeep import Upkeep
from hal.errors import HardwareFault

T = TypeVar("T")
Role = Literal["camera", "camera_inside", "sync", "display", "admin"]
Tell = Callable[[msgspec.Struct], None]


class Beside(Protocol):
    """Where long work is done. `then` is called later, by the loop, with what the job returned."""

    def derive(self, pin: str, kdf: PinKdf, then: Callable[[str], None]) -> None:
        """Derive a PIN's verifier."""

    def on_disk(self, job: Callable[[], T], then: Callable[[T], None]) -> None:
        """Verify or write a file; one job after the other."""


class Performer:
    """`tell` says something to everybody on a socket; `anybody` asks whether somebody listens there."""

    def __init__(
        self, unit: Unit, beside: Beside, tell: Callable[[Role, msgspec.Struct], None], anybody: Callable[[Role], bool]
    ) -> None:
        self._unit = unit
        self._log = unit.log
        self._beside = beside
        self._tell = tell
        self._anybody = anybody
        self._lease = Lease(unit.ports.lock)
        self._lists = Latest(self._judge_list)
        self._trusts = Latest(self._judge_trust)  # each body holds all the steps there are
        self._shown: PublicState | None = None
        self._incidents = Incidents(unit.setup.door)
        self.door = Door(unit.setup, unit.memory, unit.installed, self.now(), unit.ports.leaf_open)
        self._upkeep = Upkeep(unit, self.door, self._lease, beside.on_disk, self.feed)
        self._enrol = EnrolSession(unit, beside.on_disk, self._tell_sync, self.feed, self._note, self._believe)

    def now(self) -> Now:
        """One reading of the clock."""
        raw_ms = self._unit.ports.clock.raw_ms()
        return Now(raw_ms, *self._unit.clock.reading(raw_ms))

    def _mono_ms(self) -> int:
        return self._unit.ports.clock.raw_ms()

    def start(self) -> None:
        """The records and effects of coming up."""
        now = self.now()
        self._perform(self.door.start(self._unit.boot_drafts, now), now)

    def deadline_ms(self) -> int | None:
        """The monotonic instant at which `turn` has something to do for the door."""
        due = [at_ms for at_ms in (self.door.deadline_ms(self.now()), self._enrol.deadline_ms()) if at_ms is not None]
        return min(due, default=None)

    def turn(self) -> None:
        """What time made due, then the news for agent and display. At least once a second on a real unit."""
        now = self.now()
        deadline_ms = self.door.deadline_ms(now)
        if deadline_ms is not None and now.mono_ms >= deadline_ms:
            self.feed(Tick())
        self._drive(partial(self._lease.renew, now.mono_ms))
        self._upkeep.turn(now)
        self._enrol.turn(now, self.door.installed is not None)
        self._tell_agent(now)
        self._tell_display(now)

    # ---- events in, effects out

    def feed(self, event: Event) -> None:
        """Let the door take an event now, and carry out what it wants."""
        now = self.now()
        if self._enrol.takes(event, now):
            return
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
                    self._beside.derive(effect.pin, effect.kdf, partial(self._derived, effect.ticket))
                case Release():
                    if self._drive(partial(self._lease.release, effect.seconds, now.mono_ms)):
                        self.feed(Released())
                case Hold():
                    self._drive(partial(self._lease.hold, effect.on, now.mono_ms))
                case Show():
                    if effect.signal in views.REFUSING:
                        self._incidents.refused(now.mono_ms)
                    if self._unit.ports.light is not None:
                        self._unit.ports.light.show(effect.signal)

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
            self._incidents.recorded(event)
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

    # ---- what is said on the sockets

    def joined(self, role: Role) -> None:
        """Somebody connected."""
        if role == "sync":
            self._unit.session.connected()
            self._say_hello()
        elif role == "display":
            self._shown = None

    def left(self, role: Role) -> None:
        """Somebody disconnected, or was disconnected."""
        if role == "sync":
            self._upkeep.link_changed(False, self.now().mono_ms)
        elif role == "display" and not self._anybody("display"):
            self._upkeep.display_left()

    def nonsense(self, role: Role, refused: Refused) -> None:
        """Somebody said what cannot be said."""
        self.feed(Refusal("socket", refused.code))

    def heard(self, role: Role, message: Any, reply: Tell) -> None:
        """Somebody said something."""
        match message:
            case CameraRead():
                # Which side it looks at is the socket's to say, never the process's.
                self.feed(QrRead(message.text, inside=role == "camera_inside"))
            case CameraAlive():
                if message.frames:
                    self._upkeep.camera_alive(role, self._mono_ms())
            case DisplayAlive():
                self._upkeep.display_alive(message.pages, self._mono_ms())
            case Link():
                self._upkeep.link_changed(message.up, self._mono_ms())
            case UpdateIs():
                self._unit.update = message.update
            case Deliver(kind="list"):
                self._lists.ask(message.body)
            case Deliver(kind="trust"):
                self._trusts.ask(message.body)
            case Deliver(kind="receipt"):
                self._receipt(message.body)
            case FoundTrust() | EnrolmentAnswer() | EnrolmentFailed() | AskRenewal():
                self._enrol.heard(message, self.now())
            case Deliver(kind="ask"):
                self._asked(message.body)
            case Deliver(kind="command"):
                self._command(message.body)
            case AskStatus() | Findings():
                if isinstance(message, Findings):
                    self._unit.examined(message.checks, self.now().utc_s)
                reply(views.status(self._unit, self.door, self.now(), self._upkeep.linked))
            case AskExplain():
                reply(views.explained(self.door, message.grant, self.now()))
            case AskCommissioning():
                if message.do != "look":
                    self.feed(CommissionAsked(message.do, message.symbol))
                reply(views.commissioning(self.door))

    def _asked(self, body: str) -> None:
        try:
            self._tell("sync", SendAnswer(body=self._unit.challenges.answer(body, self.now().mono_ms)))
        except Refused as refused:
            self.feed(Refusal("command", refused.code))

    def _command(self, body: str) -> None:
        now = self.now()
        try:
            command = self._unit.challenges.judge(body, self._unit.trust, now.mono_ms, now.utc_s)
        except Refused as refused:
            self.feed(Refusal("command", refused.code))
        else:
            self.feed(CommandGiven(command))

    def _receipt(self, body: str) -> None:
        now = self.now()
        try:
            signed_ms = self._unit.session.receipt(body, now.mono_ms, now.floor_s)
        except Refused as refused:
            self.feed(Refusal("receipt", refused.code))
        except Contradicted as contradicted:
            self._start_log_over(contradicted.receipt, now)
        except StorageFault:
            self.feed(FaultChanged("log_degraded", True))
        else:
            if signed_ms is not None:
                self._unit.clock.signed(now.mono_ms, signed_ms)

    def _start_log_over(self, receipt: Receipt, now: Now) -> None:
        """The card forgot, an old card was put back, or another unit writes under this one's name."""
        try:
            events = self._log.start_over(receipt, now.utc_ms, now.clock)
        except StorageFault:
            self.feed(FaultChanged("log_degraded", True))
            return
        self._unit.session.restarted()
        for event in events:
            self._unit.session.recorded(event.seq, now.mono_ms)
        self.feed(FaultChanged("clone_suspected", True))

    def _say_hello(self) -> None:
        trust, link = self._unit.trust, self._unit.link
        hello = Hello(door=self._unit.setup.door, authorities=trust.authorities if trust else ())
        if link is not None:
            hello = msgspec.structs.replace(hello, hub=link.hub, broker=link.broker, certificate=link.certificate)
        self._tell("sync", hello)

    def _tell_sync(self, message: msgspec.Struct) -> bool:
        self._tell("sync", message)
        return self._anybody("sync")

    def _note(self, draft: Draft) -> None:
        """One record that no event of the door stands for."""
        self._perform([Record((draft,), {})], self.now())

    def _judge_trust(self, body: str) -> None:
        self._beside.on_disk(partial(self._unit.climb_trust, body.encode("utf-8")), self._trust_judged)

    def _trust_judged(self, climbed: Climbed) -> None:
        now = self.now()
        for trust in climbed.taken:
            # Only a step that is taken moves the clock's floor: the document found at every start must not.
            if trust.time_floor is not None:
                self._unit.clock.set_floor(now.mono_ms, trust.time_floor)
            lost = climbed.list_lost if trust is climbed.taken[-1] else None
            self.feed(TrustTaken(trust.version, trust.epoch, lost))
        if climbed.taken:
            self._believe(climbed.taken[-1])
        if isinstance(climbed.stopped, Refused):
            self.feed(Refusal("trust", climbed.stopped.code))
        elif climbed.stopped is not None:
            self.feed(FaultChanged("disk", True))
        self._trusts.done()

    def _believe(self, trust: Trust) -> None:
        """Let everybody who goes by the trust document go by this one."""
        self._unit.session.trust = trust
        self._say_hello()
        try:
            self._log.begin_epoch(trust.epoch)
        except StorageFault:
            self.feed(FaultChanged("log_degraded", True))

    def _judge_list(self, body: str) -> None:
        """Verify and install beside the loop."""
        now = self.now()
        installed = self.door.installed.list if self.door.installed else None
        time = GateTime(now.utc_s, now.trusted)
        self._beside.on_disk(partial(self._unit.install, body.encode("utf-8"), installed, time), self._list_judged)

    def _list_judged(self, outcome: Installed | Exception | None) -> None:
        match outcome:
            case Installed():
                self.feed(ListInstalled(outcome))
            case Refused():
                self.feed(ListRefused(outcome.code, None))
            case OSError():
                self.feed(FaultChanged("disk", True))
        self._lists.done()

    def _tell_agent(self, now: Now) -> None:
        if not self._anybody("sync"):
            return
        state = self._unit.session.state(partial(views.report, self._unit, self.door, now), now.mono_ms)
        if state is not None:
            self._tell("sync", state)
        try:
            batch = self._unit.session.next_batch()
        except StorageFault:
            self.feed(FaultChanged("log_degraded", True))
            return
        if batch is not None:
            self._tell("sync", batch)

    def _tell_display(self, now: Now) -> None:
        if not self._anybody("display"):
            return
        public = views.public(self._unit, self.door, now, self._incidents.number)
        public = msgspec.structs.replace(public, enrolment=self._enrol.shown(now))
        if self._shown is None or not views.same(self._shown, public):
            self._shown = public
            self._tell("display", public)
