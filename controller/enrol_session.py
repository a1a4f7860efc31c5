"""Carries out what `Enrolment` decides: hears QR codes, the housing button and the agent, keeps what was agreed, tells
staff by screen and light. The performer hands it what is its business."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from controller.blink import lit
from controller.door_events import Event, HousingButton, Now, QrRead, Refusal, TrustTaken
from controller.draft import Draft
from controller.enrolment import Enrolled, Enrolment
from controller.formats.enrolment import PREFIX
from controller.formats.enrolment_messages import (
    AskRenewal,
    Enrolling,
    EnrolmentAnswer,
    EnrolmentFailed,
    FetchTrust,
    FoundTrust,
    SendEnrolment,
    SendRenewal,
)
from controller.formats.errors import Refused
from controller.formats.trust import Trust
from controller.unit import Unit

OnDisk = Callable[[Callable[[], OSError | None], Callable[[OSError | None], None]], None]
FromAgent = FoundTrust | EnrolmentAnswer | EnrolmentFailed | AskRenewal
AGENT_AWAY = "agent_away"


class EnrolSession:
    """`tell_agent` says something to the agent and whether it is there; `feed` hands the door an event; `note` writes a
    record; `believe` lets everybody go by a new trust document."""

    def __init__(
        self,
        unit: Unit,
        on_disk: OnDisk,
        tell_agent: Callable[[msgspec.Struct], bool],
        feed: Callable[[Event], None],
        note: Callable[[Draft], None],
        believe: Callable[[Trust], None],
    ) -> None:
        self._unit = unit
        self._on_disk = on_disk
        self._tell_agent = tell_agent
        self._feed = feed
        self._note = note
        self._believe = believe
        self._enrolment = Enrolment(unit.setup.door, unit.trust is not None, unit.entropy)
        self._shown_ms: int | None = None  # since when the light tells the code
        self._lit = False
        self._changes_ms: int | None = None

    def takes(self, event: Event, now: Now) -> bool:
        """Whether this is about enrolment, and then done: the door shall not hear of it."""
        match event:
            case HousingButton(pressed):
                self._enrolment.button(pressed, now.mono_ms)
                return True
            case QrRead(text) if text.startswith(PREFIX) and self._enrolment.is_open(now.mono_ms):
                self._attempt(partial(self._read, text), now)
                return True
        return False

    def heard(self, message: FromAgent, now: Now) -> None:
        """The agent said something about enrolment or renewal."""
        match message:
            case FoundTrust():
                self._attempt(lambda: self._say(self._enrolment.found(message, now.mono_ms)), now)
            case EnrolmentAnswer(body=body):
                self._attempt(lambda: self._answered(body, now), now)
            case EnrolmentFailed(reason=reason):
                self._failed(reason, now)
            case AskRenewal():
                self._renew(message, now)

    def turn(self, now: Now, installed: bool) -> None:
        """What time made due; `installed` tells whether a list is in force."""
        if self._enrolment.opens(now.mono_ms):
            self._note(Draft("trust", "enrolment_open"))
        if installed and self._enrolment.confirmed():
            # The hub would not hear of this unit until now: what is in flight was said in vain.
            self._unit.session.connected()
        self._blink(self._enrolment.code(now.mono_ms), now.mono_ms)

    def deadline_ms(self) -> int | None:
        """When `turn` is due at the latest."""
        due = [at_ms for at_ms in (self._enrolment.deadline_ms(), self._changes_ms) if at_ms is not None]
        return min(due, default=None)

    def shown(self, now: Now) -> Enrolling | None:
        """For the screen."""
        return self._enrolment.shown(now.mono_ms)

    # ---- the way through

    def _attempt(self, step: Callable[[], None], now: Now) -> None:
        try:
            step()
        except Refused as refused:
            self._failed(refused.code, now)

    def _read(self, text: str) -> None:
        fetch = self._enrolment.read(text, self._unit.ports.clock.raw_ms())
        if fetch is not None:
            self._say(fetch)

    def _say(self, message: FetchTrust | SendEnrolment | SendRenewal) -> None:
        if not self._tell_agent(message):
            raise Refused(AGENT_AWAY, "sync.sock", "nobody is there to reach the hub")

    def _answered(self, body: str, now: Now) -> None:
        enrolled = self._enrolment.answered(body, now.mono_ms)
        self._on_disk(partial(self._unit.enrol, enrolled), partial(self._kept, enrolled))

    def _kept(self, enrolled: Enrolled, failure: OSError | None) -> None:
        now_ms = self._unit.ports.clock.raw_ms()
        if failure is not None:
            self._enrolment.failed("not_kept", now_ms)
            self._feed(Refusal("enrolment", "not_kept"))
            return
        self._unit.adopt(enrolled)
        self._enrolment.done(now_ms)
        trust = enrolled.step.trust
        self._believe(trust)
        self._feed(TrustTaken(trust.version, trust.epoch, "new_enrolment"))

    def _failed(self, reason: str, now: Now) -> None:
        self._enrolment.failed(reason, now.mono_ms)
        self._feed(Refusal("enrolment", reason))

    def _renew(self, message: AskRenewal, now: Now) -> None:
        try:
            self._say(self._enrolment.renewal(message, self._unit.signer, now.mono_ms))
        except Refused as refused:
            self._feed(Refusal("enrolment", refused.code))

    # ---- the light

    def _blink(self, code: str | None, now_ms: int) -> None:
        """Let the light tell the code, for units without a screen."""
        blink = self._unit.ports.blink
        if blink is None:
            return
        if code is None:
            if self._shown_ms is not None:
                self._shown_ms = self._changes_ms = None
                self._lit = False
                if self._unit.ports.light is not None:
                    self._unit.ports.light.show("idle")
            return
        if self._shown_ms is None:
            self._shown_ms = now_ms
            blink(False)
        on, left_ms = lit(code, now_ms - self._shown_ms)
        self._changes_ms = now_ms + left_ms
        if on != self._lit:
            self._lit = on
            blink(on)
