"""The door: one sans-I/O state machine from everything that can happen to everything that must be done.

    door = Door(setup, kept, now)
    for effect in door.step(KeyPressed("outside", "7"), now):
        ...                                   # the runner carries them out, in order
    door.deadline_ms(now)                     # when to call step(Tick(), …) at the latest

No clock, no disk, no pins, no randomness. The parts it is made of: `keypad_entry` (what is typed), `pin_tries` (the
bucket), `decide` (the verdict), `admission` (what comes of it), `leaf` (who went through), `journal` (what is written
down), `alarms` (the faults).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import msgspec

from controller import drafts, remote
from controller.admission import Admission
from controller.alarms import Alarms
from controller.answer import Answer
from controller.commissioning import Commissioning
from controller.decide import Installed, PinPresented, QrPresented, Verdict, decide, screen_pin
from controller.door_events import (
    ClockNoted,
    CommandGiven,
    CommissionAsked,
    Effect,
    Event,
    ExitPressed,
    FaultChanged,
    Keep,
    KeyPressed,
    LeafMoved,
    ListInstalled,
    ListRefused,
    NotRecorded,
    Now,
    PinDerived,
    QrRead,
    Refusal,
    Released,
    Show,
    StorageHealed,
    Tick,
    TrustTaken,
)
from controller.draft import Draft
from controller.formats import qr_pass
from controller.formats.code_list import Policy
from controller.formats.command import Command
from controller.formats.errors import Refused
from controller.formats.event import ClockState
from controller.formats.reasons import Reason
from controller.holding import Holding
from controller.journal import Journal
from controller.keypad_entry import ATTENDED, COMMISSION, SIGN_OUT, Entry
from controller.keypads import Keypads
from controller.leaf import LEGACY, Leaf
from controller.memory import Memory
from controller.pin_tries import PinTries
from controller.posture import Posture
from controller.presentation import Presentations
from controller.setup import Setup

STALE_AFTER_S = 86_400  # the refresh comes daily: one missed is no fault yet


class Door:
    """All state of one door. `installed` is the list in force, `memory` what survives a power cut."""

    def __init__(self, setup: Setup, memory: Memory, installed: Installed | None, now: Now, leaf_open: bool) -> None:
        self.setup = setup
        self.installed = installed
        self._journal = Journal(memory)
        self._alarms = Alarms()
        self._keypads = Keypads(setup.readers)
        self._presentations = {side: Presentations() for side in (False, True)}  # outside and inside
        self._holding = Holding(self._journal)
        self._answer = Answer()
        policy = self.policy
        self._tries = PinTries(memory.tries, now.mono_ms, policy.pin_tries, policy.pin_refill_s)
        self.leaf = Leaf(
            self._journal,
            self._alarms,
            policy,
            now,
            contact=setup.contact,
            handle_sensed=setup.handle_sensed,
            open=leaf_open,
        )
        self._admission = Admission(
            self._journal, self._answer, self.leaf, self._tries, self._holding, contact=setup.contact
        )
        self.commissioning = Commissioning(setup.wired(), self._journal, self._answer)
        self._deadline: tuple[tuple[int, ClockState], int | None] | None = None  # by the clock's lead and state

    # ---- what others may look at

    @property
    def memory(self) -> Memory:
        """What survives a power cut."""
        return self._journal.memory

    @property
    def faults(self) -> set[str]:
        """The faults that are there now."""
        return self._alarms.faults

    @property
    def policy(self) -> Policy:
        return self.installed.list.policy if self.installed else Policy()

    @property
    def shown(self) -> Show:
        return self._answer.shown

    @property
    def shown_at_s(self) -> int:
        """The UTC second of the answer that is shown, 0 while none is."""
        return self._answer.at_s

    @property
    def typed(self) -> int:
        """Digits typed so far at the keypad that is furthest."""
        return self._keypads.typed

    @property
    def turns(self) -> int:
        """How often the screen's next language was asked for at a keypad."""
        return self._keypads.turns

    def tries_left(self, now: Now) -> int:
        return self._tries.left(now.mono_ms)

    def wait_s(self, now: Now) -> int | None:
        """Seconds until there is a PIN try again, None while there is one."""
        if self._tries.left(now.mono_ms) > 0:
            return None
        back_ms = self._tries.next_back_ms(now.mono_ms)
        return None if back_ms is None else -(-(back_ms - now.mono_ms) // 1000)

    def posture(self, now: Now) -> Posture:
        return self._holding.posture(now)

    def _locked_down(self, now: Now) -> bool:
        return self.posture(now).state == "lockdown"

    def deadline_ms(self, now: Now) -> int | None:
        """The monotonic instant at which `Tick` has something to do, None when only an event can.

        It stands until an event or the clock moves it, and is asked for several times a turn: so it is remembered."""
        clock = (now.utc_ms - now.mono_ms, now.clock)
        if self._deadline is None or self._deadline[0] != clock:
            self._deadline = clock, self._next_deadline_ms(now)
        return self._deadline[1]

    def _next_deadline_ms(self, now: Now) -> int | None:
        faults = self.faults
        if self._changed_faults(now) or self._holding.over(now):
            return now.mono_ms
        candidates = [
            self.leaf.deadline_ms,
            self._journal.deadline_ms,
            self._answer.until_ms,
            self._keypads.deadline_ms,
            self.commissioning.deadline_ms,
            self._holding.deadline_ms(now),
        ]
        if "pin_tries" in faults:
            candidates.append(self._tries.next_back_ms(now.mono_ms))
        if now.trusted and self.installed and "list_stale" not in faults:
            stale_s = self.installed.list.refresh_after + STALE_AFTER_S
            candidates.append(now.mono_ms + max(0, stale_s * 1000 - now.utc_ms))
        return min([candidate for candidate in candidates if candidate is not None], default=None)

    # ---- the one entrance

    def start(self, boot: Iterable[Draft], now: Now) -> list[Effect]:
        """The effects of coming up: the boot record, an unconfirmed pulse closed, the posture taken up again."""
        self._deadline = None
        records = list(boot)
        if self.memory.pulse_at_ms is not None:
            records.append(drafts.unconfirmed(self.memory.pulse_at_ms))
        self.memory.pulse_at_ms = None
        # The tries too: a bucket that was unreadable and counts as empty must still be empty after the next start.
        effects: list[Effect] = [self._journal.record(records, self.memory.changed_tries())]
        given = self._holding.listed(self.installed)
        if given is not None:
            # The power went after the list was on disk and before its posture was, or what was kept is lost.
            effects += self._admission.take_posture(given, now, "list")
        else:
            effects += self._holding.hold(self.posture(now).state == "unlocked")
        return [*effects, Show("idle")]

    def step(self, event: Event, now: Now) -> list[Effect]:
        """Everything that must be done because of `event`, in order; first what time alone made due."""
        self._deadline = None
        effects = self._time_passed(now)
        match event:
            case KeyPressed():
                effects += self._key_pressed(event, now)
            case QrRead():
                effects += self._qr_read(event, now)
            case PinDerived():
                effects += self._pin_derived(event, now)
            case LeafMoved():
                effects += self._leaf_moved(event, now)
            case ExitPressed():
                effects += self.leaf.exit_pressed(now)
            case ListInstalled():
                effects += self._list_installed(event.installed, now)
            case ListRefused():
                effects += self._journal.note(Draft("list", event.reason, detail={"version": event.version}), now)
            case CommandGiven():
                effects += self._commanded(event.command, now)
            case TrustTaken():
                effects += self._trust_taken(event)
            case Refusal():
                effects += self._journal.note(
                    Draft("command" if event.what == "command" else "trust", event.reason, detail={"what": event.what}),
                    now,
                )
            case FaultChanged():
                if event.fault == LEGACY:
                    self.leaf.badge_read(now)
                effects += self._journal.records(self._alarms.set(event.fault, event.on))
            case Released():
                # Written down with the next record: a pulse of its own would be a third sync on the way in.
                self.memory.pulse_at_ms = None
            case NotRecorded():
                effects += self._admission.not_recorded(now)
            case CommissionAsked():
                effects += self.commissioning.asked(event, now, locked_down=self._locked_down(now))
            case ClockNoted():
                effects.append(self._journal.record([Draft("clock", now.clock)]))
            case StorageHealed():
                lost = [Draft("loss", "storage", detail={"count": event.lost})] if event.lost else []
                effects += self._journal.records(lost + self._alarms.set("log_degraded", False))
            case Tick():
                pass
        return effects + self.commissioning.sees(event, now)

    # ---- time

    def _time_passed(self, now: Now) -> list[Effect]:
        effects: list[Effect] = []
        due = self.leaf.time_over(now) + self._journal.due(now)
        for fault, on in self._changed_faults(now):
            due += self._alarms.set(fault, on)
        if self._holding.over(now):
            # It keeps its own date: an untrusted clock must not make this look newer than what comes next.
            effects += self._admission.take_posture(Posture("controlled", self.memory.posture.since_s), now, "time")
        effects += self._journal.records(due)
        for reader, entry in self._keypads.idle(now.mono_ms, self._pin_digits()):
            effects += self._entered(reader, entry, now)
        effects += self._answer.time_over(now)
        return effects

    def _changed_faults(self, now: Now) -> list[tuple[str, bool]]:
        """Of the faults that are the door's own to see, those that have come (True) or gone."""
        # The last try may be the right one: as long as it is being derived the bucket is not empty yet.
        empty = self._tries.left(now.mono_ms) < 1 and not self._keypads.deriving_a_try
        changed = [("pin_tries", empty)] if empty != ("pin_tries" in self.faults) else []
        if now.trusted:
            stale = self.installed is not None and now.utc_s >= self.installed.list.refresh_after + STALE_AFTER_S
            if stale != ("list_stale" in self.faults):
                changed.append(("list_stale", stale))
        return changed

    # ---- PIN

    def _pin_digits(self) -> int | None:
        return self.installed.list.policy.pin_digits if self.installed else None

    def _key_pressed(self, event: KeyPressed, now: Now) -> list[Effect]:
        taken = self.commissioning.takes(event, now, locked_down=self._locked_down(now))
        if taken is not None:
            return taken
        complete = self._keypads.press(event.reader, event.symbol, now.mono_ms, self._pin_digits())
        return self._entered(event.reader, complete, now) if complete else []

    def _entered(self, reader: str, entry: Entry, now: Now) -> list[Effect]:
        """A complete entry: refuse it at once, or spend a try and have its verifier derived."""
        if self._keypads.busy(reader):
            return []
        if reader in self.setup.inside:
            entry = msgspec.structs.replace(entry, function=SIGN_OUT)
        if not entry.in_grammar:
            return self._admission.refuse(Verdict(Reason.MALFORMED, via="pin"), now)
        signing_out = entry.function == SIGN_OUT
        tries = 1 if signing_out else self._tries.left(now.mono_ms)
        reason = screen_pin(self.installed, len(entry.digits), tries)
        if reason is not None:
            return self._sign_out(None, now) if signing_out else self._admission.refuse(Verdict(reason, via="pin"), now)
        assert self.installed is not None  # screen_pin answers list_missing otherwise
        derive = self._keypads.derive(reader, entry, self.installed.list.pin_kdf)
        if signing_out:
            return [derive]
        self.memory.tries = self._tries.take(now.mono_ms)
        # Written down while the derivation runs: the loop hears of its end only after both.
        return [derive, Keep(self.memory.changed_tries())]

    def _pin_derived(self, event: PinDerived, now: Now) -> list[Effect]:
        entry = self._keypads.derived(event.ticket, self.installed.list.pin_kdf if self.installed else None)
        if not isinstance(entry, Entry):
            return [entry] if entry else []
        if self.commissioning.running:
            return []
        presented = PinPresented(event.verifier)
        if entry.function == SIGN_OUT:
            return self._sign_out(presented, now)
        verdict = self._decide(presented, now)
        if entry.function == ATTENDED:
            return self._attended(verdict, now)
        if entry.function == COMMISSION:
            return self._commission(verdict, now)
        return self._admission.act(verdict, self.policy, now)

    # ---- QR

    def _qr_read(self, event: QrRead, now: Now) -> list[Effect]:
        if not self._presentations[event.inside].begins(event.text, now.mono_ms):
            return []
        taken = self.commissioning.takes(event, now, locked_down=self._locked_down(now))
        if taken is not None:
            return taken
        presented = QrPresented(event.text)
        if event.inside:
            return self._sign_out(presented, now)
        return self._admission.act(self._decide(presented, now), self.policy, now)

    # ---- verdicts

    def _decide(self, presented: PinPresented | QrPresented, now: Now) -> Verdict:
        return decide(self.installed, presented, now.moment(), self.posture(now).state, self.memory.uses)

    def _sign_out(self, presented: PinPresented | QrPresented | None, now: Now) -> list[Effect]:
        """Sign-out answers alike to every input, and does something only for a grant that is inside."""
        found = None
        if self.installed is not None and presented is not None:
            with suppress(Refused):  # a text that is no pass
                shown = qr_pass.parse(presented.text) if isinstance(presented, QrPresented) else presented
                found = self.installed.find(shown, now.utc_s)
        effects: list[Effect] = []
        if found is not None and found.grant.id in self.memory.inside:
            draft = drafts.signed_out(found.grant.id, found.credential, found.via)
            effects.append(self._journal.record([draft], self.memory.went_out(found.grant.id)))
        return [*effects, *self._answer.give(Show("granted", "signed_out"), now)]

    def _attended(self, verdict: Verdict, now: Now) -> list[Effect]:
        """`#1`: staff keep the door unlocked until their window ends, 12 h at most; again ends it."""
        verdict = verdict.of_staff()
        if verdict.granted and not now.trusted:
            verdict = msgspec.structs.replace(verdict, reason=Reason.CLOCK_UNTRUSTED)
        if not verdict.granted:
            return self._admission.refuse(verdict, now)
        unlock = self._admission.take_posture(self._holding.turned(verdict.until_s, now), now, "keypad", verdict)
        return [*unlock, *self._answer.give(Show("granted"), now)]

    def _commission(self, verdict: Verdict, now: Now) -> list[Effect]:
        """`#2`: staff bring the door into service, or look whether it still may be."""
        verdict = verdict.of_staff()
        if not verdict.granted:
            return self._admission.refuse(verdict, now)
        return self.commissioning.begin(now, verdict, self._admission.give_back(now))

    def _leaf_moved(self, event: LeafMoved, now: Now) -> list[Effect]:
        if not event.open:
            return self.leaf.closed(now)
        return self.leaf.opened(self.policy, now, unlocked=self.posture(now).state == "unlocked")

    # ---- lists, postures, faults

    def _list_installed(self, installed: Installed, now: Now) -> list[Effect]:
        self.installed = installed
        code_list = installed.list
        policy = code_list.policy
        self.memory.tries = self._tries.change_policy(now.mono_ms, policy.pin_tries, policy.pin_refill_s)
        forgotten = self.memory.forget_uses(set(installed.grants), now.utc_s)
        kept = forgotten | self.memory.changed_tries()
        effects: list[Effect] = [self._journal.record([drafts.list_in_force(installed)], kept)]
        given = self._holding.listed(self.installed)
        return effects + self._admission.take_posture(given, now, "list") if given else effects

    def _commanded(self, command: Command, now: Now) -> list[Effect]:
        """Record who asked, then do it. A release does not open a door that is locked down: that takes a `resume`."""
        posture = self.posture(now)
        refused = remote.objection(command, posture, now.utc_s, now.trusted)
        if refused is not None:
            return self._journal.note(Draft("command", refused, detail={"verb": command.verb, "by": command.by}), now)
        effects = self._journal.records([drafts.commanded(command, len(self.faults))])
        if command.verb == "release":
            return effects + self._admission.let_in(remote.verdict(command), self.policy, now)
        wanted = remote.posture_after(command, self._holding.next_since_s(now))
        return effects + self._admission.take_posture(wanted, now, "command") if wanted else effects

    def _trust_taken(self, event: TrustTaken) -> list[Effect]:
        records = [drafts.trust_in_force(event.version, event.epoch)]
        if event.list_lost is not None and self.installed is not None:
            records.append(Draft("list", event.list_lost, detail={"version": self.installed.list.version}))
            self.installed = None
        return self._journal.records(records)
