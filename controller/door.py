"""The door: one sans-I/O state machine from everything that can happen to everything that must be done.

    door = Door(setup, kept, now)
    for effect in door.step(KeyPressed("outside", "7"), now):
        ...                                   # the runner carries them out, in order
    door.deadline_ms(now)                     # when to call step(Tick(), …) at the latest

No clock, no disk, no pins, no randomness. The parts it is made of: `keypad_entry` (what is typed), `pin_tries` (the
bucket), `decide` (the verdict), `passage` (who went through), `throttle` (one record a minute for what repeats).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from controller import drafts, remote
from controller.decide import Installed, PinPresented, QrPresented, Verdict, decide, screen_pin
from controller.door_events import (
    ClockNoted,
    CommandGiven,
    Effect,
    Event,
    ExitPressed,
    FaultChanged,
    Hold,
    Keep,
    Kept,
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
    StorageHealed,
    Tick,
    TrustTaken,
)
from controller.draft import Draft
from controller.formats.code_list import Policy
from controller.formats.command import Command
from controller.formats.errors import Refused
from controller.formats.reasons import Reason
from controller.keypad_entry import ATTENDED, SIGN_OUT, Entry
from controller.keypads import Keypads
from controller.memory import Memory
from controller.passage import Entrant, Passage, attribution
from controller.pin_tries import PinTries
from controller.posture import Posture
from controller.presentation import Presentations
from controller.throttle import Throttle

SHOWN_MS = 5_000  # how long an answer stays before the door looks idle again
INSIDE_AFTER_S = 4 * 3600  # after this long past the window's end nobody is thought to be inside any more
ATTENDED_MAX_S = 12 * 3600  # R004-30
LEGACY, FIRE = "legacy_opened", "fire"
LEAF_ALARMS = frozenset({"forced", "held_open"})
LEGACY_MS = 10_000  # how long after the badge reader's contact moved an opening is that badge's
STALE_AFTER_S = 86_400  # the refresh comes daily: one missed is no fault yet


@dataclass(frozen=True)
class Setup:
    """What is wired: keypad names, whether there is a door contact, whether every way out gives an exit signal, which
    keypads are on the inner side and only sign out, which commands that let people in the hub may give."""

    door: str
    readers: tuple[str, ...]
    contact: bool
    handle_sensed: bool
    inside: frozenset[str] = frozenset()
    remote: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Undo:
    """How things were before the newest record that opens the door, for when it cannot be made."""

    memory: Memory
    holding: bool
    grant: str | None
    gave_back: bool


@dataclass
class _Answer:
    show: Show = field(default_factory=lambda: Show("idle"))
    until_ms: int | None = None
    at_s: int = 0


class Door:
    """All state of one door. `installed` is the list in force, `memory` what survives a power cut."""

    def __init__(self, setup: Setup, memory: Memory, installed: Installed | None, now: Now, leaf_open: bool) -> None:
        self.setup = setup
        self.installed = installed
        self.memory = memory
        self.faults: set[str] = set()
        self._keypads = Keypads(setup.readers)
        self._throttle = Throttle()
        self._presentations = {side: Presentations() for side in (False, True)}  # outside and inside
        self._legacy_ms: int | None = None
        self._undo: _Undo | None = None
        self._holding = False
        self._answer = _Answer()
        policy = self.policy
        self._tries = PinTries(memory.tries, now.mono_ms, policy.pin_tries, policy.pin_refill_s)
        self._passage = Passage(
            handle_sensed=setup.handle_sensed,
            leaf_open=leaf_open,
            now_ms=now.mono_ms,
            held_open_ms=policy.held_open_s * 1000,
        )

    # ---- what others may look at

    @property
    def policy(self) -> Policy:
        return self.installed.list.policy if self.installed else Policy()

    @property
    def shown(self) -> Show:
        return self._answer.show

    @property
    def shown_at_s(self) -> int:
        """The UTC second of the answer that is shown, 0 while none is."""
        return self._answer.at_s

    @property
    def typed(self) -> int:
        """Digits typed so far at the keypad that is furthest."""
        return self._keypads.typed

    def tries_left(self, now: Now) -> int:
        return self._tries.left(now.mono_ms)

    def wait_s(self, now: Now) -> int | None:
        """Seconds until there is a PIN try again, None while there is one."""
        if self._tries.left(now.mono_ms) > 0:
            return None
        back_ms = self._tries.next_back_ms(now.mono_ms)
        return None if back_ms is None else -(-(back_ms - now.mono_ms) // 1000)

    def posture(self, now: Now) -> Posture:
        return self.memory.posture.at(now.utc_s, now.trusted)

    def deadline_ms(self, now: Now) -> int | None:
        """The monotonic instant at which `Tick` has something to do, None when only an event can."""
        candidates = [
            self._passage.deadline_ms,
            self._throttle.deadline_ms,
            self._answer.until_ms,
            self._keypads.deadline_ms,
        ]
        if "pin_tries" in self.faults:
            candidates.append(self._tries.next_back_ms(now.mono_ms))
        posture = self.memory.posture
        if any(on != (fault in self.faults) for fault, on in self._own_faults(now).items()):
            candidates.append(now.mono_ms)
        if posture.over(now.utc_s, now.trusted):
            candidates.append(now.mono_ms)
        elif posture.until_s is not None:
            candidates.append(now.mono_ms + posture.until_s * 1000 - now.utc_ms)
        if self.installed and now.trusted and "list_stale" not in self.faults:
            stale_s = self.installed.list.refresh_after + STALE_AFTER_S
            candidates.append(now.mono_ms + max(0, stale_s * 1000 - now.utc_ms))
        return min((candidate for candidate in candidates if candidate is not None), default=None)

    # ---- the one entrance

    def start(self, boot: Iterable[Draft], now: Now) -> list[Effect]:
        """The effects of coming up: the boot record, an unconfirmed pulse closed, the posture taken up again."""
        records = list(boot)
        if self.memory.pulse_at_ms is not None:
            records.append(drafts.unconfirmed(self.memory.pulse_at_ms))
        self.memory.pulse_at_ms = None
        # The tries too: a bucket that was unreadable and counts as empty must still be empty after the next start.
        effects: list[Effect] = [self._record(records, self.memory.changed_tries())]
        given = self._listed_posture()
        if given is not None:
            # The power went after the list was on disk and before its posture was, or what was kept is lost.
            effects += self._set_posture(given, now, "list")
        else:
            effects += self._hold(self.posture(now).state == "unlocked")
        return [*effects, Show("idle")]

    def step(self, event: Event, now: Now) -> list[Effect]:
        """Everything that must be done because of `event`, in order; first what time alone made due."""
        effects = self._time_passed(now)
        match event:
            case KeyPressed():
                effects += self._key_pressed(event, now)
            case QrRead():
                effects += self._qr_read(event, now)
            case PinDerived():
                effects += self._pin_derived(event, now)
            case LeafMoved():
                effects += self._leaf_opened(now) if event.open else self._leaf_closed(now)
            case ExitPressed():
                effects += self._exit_pressed(now)
            case ListInstalled():
                effects += self._list_installed(event.installed, now)
            case ListRefused():
                effects += self._note(Draft("list", event.reason, detail={"version": event.version}), now)
            case CommandGiven():
                effects += self._commanded(event.command, now)
            case TrustTaken():
                effects += self._trust_taken(event)
            case Refusal():
                effects += self._note(
                    Draft("command" if event.what == "command" else "trust", event.reason, detail={"what": event.what}),
                    now,
                )
            case FaultChanged():
                if event.fault == LEGACY:
                    self._legacy_ms = now.mono_ms
                effects += self._records(self._fault(event.fault, event.on))
            case Released():
                # Written down with the next record: a pulse of its own would be a third sync on the way in.
                self.memory.pulse_at_ms = None
            case NotRecorded():
                effects += self._not_recorded(now)
            case ClockNoted():
                effects.append(self._record([Draft("clock", now.clock)]))
            case StorageHealed():
                lost = [Draft("loss", "storage", detail={"count": event.lost})] if event.lost else []
                effects += self._records(lost + self._fault("log_degraded", False))
            case Tick():
                pass
        return effects

    # ---- time

    def _time_passed(self, now: Now) -> list[Effect]:
        effects: list[Effect] = []
        due = self._passage.time_over(now.mono_ms)
        if any(draft.kind == "held_open" for draft in due):
            due += self._fault("held_open", True)
        due += self._throttle.due(now.mono_ms)
        for fault, on in self._own_faults(now).items():
            due += self._fault(fault, on)
        if self.memory.posture.over(now.utc_s, now.trusted):
            # It keeps its own date: an untrusted clock must not make this look newer than what comes next.
            effects += self._set_posture(Posture("controlled", self.memory.posture.since_s), now, "time")
        effects += self._records(due)
        for reader, entry in self._keypads.idle(now.mono_ms, self._pin_digits()):
            effects += self._entered(reader, entry, now)
        if self._answer.until_ms is not None and now.mono_ms >= self._answer.until_ms:
            self._answer = _Answer()
            effects.append(self._answer.show)
        return effects

    def _own_faults(self, now: Now) -> dict[str, bool]:
        """The faults that are the door's own to see, and whether they are there."""
        # The last try may be the right one: as long as it is being derived the bucket is not empty yet.
        empty = self._tries.left(now.mono_ms) < 1 and not self._keypads.deriving_a_try
        faults = {"pin_tries": empty}
        if now.trusted:
            stale = self.installed is not None and now.utc_s >= self.installed.list.refresh_after + STALE_AFTER_S
            faults["list_stale"] = stale
        return faults

    # ---- PIN

    def _pin_digits(self) -> int | None:
        return self.installed.list.policy.pin_digits if self.installed else None

    def _key_pressed(self, event: KeyPressed, now: Now) -> list[Effect]:
        complete = self._keypads.press(event.reader, event.symbol, now.mono_ms, self._pin_digits())
        return self._entered(event.reader, complete, now) if complete else []

    def _entered(self, reader: str, entry: Entry, now: Now) -> list[Effect]:
        """A complete entry: refuse it at once, or spend a try and have its verifier derived."""
        if self._keypads.busy(reader):
            return []
        if reader in self.setup.inside:
            entry = replace(entry, function=SIGN_OUT)
        if not entry.in_grammar:
            return self._refuse(Verdict(Reason.MALFORMED, via="pin"), now)
        signing_out = entry.function == SIGN_OUT
        tries = 1 if signing_out else self._tries.left(now.mono_ms)
        reason = screen_pin(self.installed, len(entry.digits), tries)
        if reason is not None:
            return self._sign_out(None, now) if signing_out else self._refuse(Verdict(reason, via="pin"), now)
        assert self.installed is not None  # screen_pin answers list_missing otherwise
        derive = self._keypads.derive(reader, entry, self.installed.list.pin_kdf)
        if signing_out:
            return [derive]
        self.memory.tries = self._tries.take(now.mono_ms)
        return [Keep(self.memory.changed_tries()), derive]

    def _pin_derived(self, event: PinDerived, now: Now) -> list[Effect]:
        if self.installed is None:
            return []
        entry = self._keypads.derived(event.ticket, self.installed.list.pin_kdf)
        if not isinstance(entry, Entry):
            return [entry] if entry else []
        presented = PinPresented(event.verifier)
        if entry.function == SIGN_OUT:
            return self._sign_out(presented, now)
        verdict = self._decide(presented, now)
        if entry.function == ATTENDED:
            return self._attended(verdict, now)
        return self._act(verdict, now)

    # ---- QR

    def _qr_read(self, event: QrRead, now: Now) -> list[Effect]:
        if not self._presentations[event.inside].begins(event.text, now.mono_ms):
            return []
        presented = QrPresented(event.text)
        return self._sign_out(presented, now) if event.inside else self._act(self._decide(presented, now), now)

    # ---- verdicts

    def _decide(self, presented: PinPresented | QrPresented, now: Now) -> Verdict:
        return decide(self.installed, presented, now.moment(), self.posture(now).state, self.memory.use_counts())

    def _act(self, verdict: Verdict, now: Now) -> list[Effect]:
        return self._let_in(verdict, now) if verdict.granted else self._refuse(verdict, now)

    def _refuse(self, verdict: Verdict, now: Now) -> list[Effect]:
        wait = verdict.reason is Reason.LOCKED_OUT
        show = Show("wait" if wait else "refused", verdict.shown, verdict.opens_at)
        return [*self._note(drafts.refused(verdict), now), *self._show(show, now)]

    def _let_in(self, verdict: Verdict, now: Now) -> list[Effect]:
        assert verdict.grant and verdict.credential and verdict.via  # a granted verdict has them
        policy = self.policy
        entrant = Entrant(
            verdict.grant, verdict.credential, verdict.via, (verdict.until_s or now.utc_s) + INSIDE_AFTER_S
        )
        self._note_undo(verdict.grant, verdict.via)
        kept: Kept = {}
        self.memory.pulse_at_ms = now.utc_ms
        records = [drafts.granted(verdict, self.setup.contact)]
        if not self.setup.contact:
            kept |= self.memory.went_in(entrant, now.utc_s)
        else:
            for gone_in in self._passage.let_in(entrant, now.mono_ms, policy.no_entry_s * 1000):
                records.append(drafts.went_in(gone_in, "open"))
                kept |= self.memory.went_in(gone_in, now.utc_s)
        if verdict.via == "pin":
            kept |= self._give_back(now)
        return [
            self._record(records, kept, opening_door=True),
            Release(policy.release_s),
            *self._show(Show("granted"), now),
        ]

    def _sign_out(self, presented: PinPresented | QrPresented | None, now: Now) -> list[Effect]:
        """Sign-out answers alike to every input, and does something only for a grant that is inside."""
        found = None
        if self.installed is not None and presented is not None:
            with suppress(Refused):  # a text that is no pass
                found = self.installed.find(presented, now.utc_s)
        effects: list[Effect] = []
        if found is not None and found.grant.id in self.memory.inside:
            draft = drafts.signed_out(found.grant.id, found.credential, found.via)
            effects.append(self._record([draft], self.memory.went_out(found.grant.id)))
        return [*effects, *self._show(Show("granted", "signed_out"), now)]

    def _attended(self, verdict: Verdict, now: Now) -> list[Effect]:
        """`#1`: staff keep the door unlocked until their window ends, 12 h at most; again ends it."""
        if verdict.granted and verdict.kind != "facility":
            return self._refuse(replace(verdict, reason=Reason.UNKNOWN_CODE), now)
        if verdict.granted and not now.trusted:
            return self._refuse(replace(verdict, reason=Reason.CLOCK_UNTRUSTED), now)
        if not verdict.granted:
            return self._refuse(verdict, now)
        # What was done last is the newest, also where a list dates its posture a little ahead of this clock.
        since_s = max(now.utc_s, self.memory.posture.since_s)
        if self.posture(now).state == "unlocked":
            posture = Posture("controlled", since_s)
        else:
            until_s = min(verdict.until_s or now.utc_s, now.utc_s + ATTENDED_MAX_S)
            posture = Posture("unlocked", since_s, until_s)
        return [*self._set_posture(posture, now, "keypad", verdict), *self._show(Show("granted"), now)]

    def _give_back(self, now: Now) -> Kept:
        self.memory.tries = self._tries.give_back(now.mono_ms)
        return self.memory.changed_tries()

    def _note_undo(self, grant: str | None, via: str | None) -> None:
        """Note how things are before a record that may open the door."""
        self._undo = _Undo(replace(self.memory), self._holding, grant, gave_back=via == "pin")

    def _not_recorded(self, now: Now) -> list[Effect]:
        """The newest record that opens the door could not be made: nobody was let in, so nobody is awaited, no use
        counts, and the PIN, which did not open, costs its try."""
        undo, self._undo = self._undo, None
        if undo is not None:
            self.memory = undo.memory
            self._holding = self._holding and undo.holding
            if undo.grant is not None:
                self._passage.withdraw(undo.grant)
            if undo.gave_back and self._tries.left(now.mono_ms) > 0:
                self.memory.tries = self._tries.take(now.mono_ms)
        return self._show(Show("fault"), now)

    # ---- the leaf

    def _leaf_opened(self, now: Now) -> list[Effect]:
        unlocked = self.posture(now).state == "unlocked"
        entrants, other = self._passage.leaf_opened(now.mono_ms, self.policy.held_open_s * 1000, unlocked)
        by_legacy = self._legacy_ms is not None and now.mono_ms - self._legacy_ms <= LEGACY_MS
        if other is not None and by_legacy and (other.kind == "forced" or other.detail == {"by": "handle"}):
            other = Draft("opened", detail={"by": "legacy"})
        # Who leaves was inside before whoever comes in by the same opening.
        if other is not None and other.kind == "out":
            other = self._attributed(other, now)
        records, kept = [], Kept()
        for entrant in entrants:
            records.append(drafts.went_in(entrant, "opened"))
            kept |= self.memory.went_in(entrant, now.utc_s)
        if other is not None:
            records.append(other)
        if other is not None and other.kind == "forced":
            records += self._fault("forced", True)
        return [self._record(records, kept)] if records else []

    def _attributed(self, draft: Draft, now: Now) -> Draft:
        return drafts.went_out(draft, *attribution(self.memory.inside, now.utc_s))

    def _exit_pressed(self, now: Now) -> list[Effect]:
        begins = self._passage.exit_pressed(now.mono_ms)
        if self.setup.contact or not begins:
            return []
        # No contact will tell whether they went: the button itself is the OUT, as the grant itself is the IN.
        draft = Draft("out", detail={"by": "button", "contact": "none"})
        return [self._record([self._attributed(draft, now)])]

    def _leaf_closed(self, now: Now) -> list[Effect]:
        closed = self._passage.leaf_closed(now.mono_ms)
        records = [closed] if closed else []
        return self._records(records + self._fault("held_open", False) + self._fault("forced", False))

    # ---- lists, postures, faults

    def _list_installed(self, installed: Installed, now: Now) -> list[Effect]:
        self.installed = installed
        code_list = installed.list
        policy = code_list.policy
        self.memory.tries = self._tries.change_policy(now.mono_ms, policy.pin_tries, policy.pin_refill_s)
        forgotten = self.memory.forget_uses(set(installed.grants), now.utc_s)
        kept = forgotten | self.memory.changed_tries()
        effects: list[Effect] = [self._record([drafts.list_in_force(installed)], kept)]
        given = self._listed_posture()
        return effects + self._set_posture(given, now, "list") if given else effects

    def _commanded(self, command: Command, now: Now) -> list[Effect]:
        """Record who asked, then do it. A release does not open a door that is locked down: that takes a `resume`."""
        posture = self.posture(now)
        refused = remote.objection(command, posture, now.utc_s, now.trusted)
        if refused is not None:
            return self._note(Draft("command", refused, detail={"verb": command.verb, "by": command.by}), now)
        effects = self._records([drafts.commanded(command, len(self.faults))])
        if command.verb == "release":
            return effects + self._let_in(remote.verdict(command), now)
        wanted = remote.posture_after(command, max(now.utc_s, self.memory.posture.since_s))
        return effects + self._set_posture(wanted, now, "command") if wanted else effects

    def _trust_taken(self, event: TrustTaken) -> list[Effect]:
        records = [drafts.trust_in_force(event.version, event.epoch)]
        if event.list_lost is not None and self.installed is not None:
            records.append(Draft("list", event.list_lost, detail={"version": self.installed.list.version}))
            self.installed = None
        return self._records(records)

    def _listed_posture(self) -> Posture | None:
        """The list's posture where it is newer than the one the door has."""
        given = self.installed.list.posture if self.installed else None
        if given is None:
            return None
        posture = Posture(given.state, given.since, given.until)
        return posture if posture.beats(self.memory.posture) else None

    def _set_posture(self, posture: Posture, now: Now, by: str, verdict: Verdict | None = None) -> list[Effect]:
        unlocks = posture.at(now.utc_s, now.trusted).state == "unlocked"
        self._note_undo(None, verdict.via if verdict else None)
        kept = self.memory.set_posture(posture)
        if verdict is not None:
            kept |= self._give_back(now)
        record = self._record([drafts.posture(posture, by, verdict)], kept, opening_door=unlocks)
        return [record, *self._hold(unlocks)]

    def _hold(self, on: bool) -> list[Effect]:
        """What was asked for last decides, not what the posture was: by the time it is over it reads as controlled."""
        if on == self._holding:
            return []
        self._holding = on
        return [Hold(on)]

    def _fault(self, fault: str, on: bool) -> list[Draft]:
        """Raised once, cleared once. While there is fire nobody is asked why a door stands open."""
        if on == (fault in self.faults) or (on and fault in LEAF_ALARMS and FIRE in self.faults):
            return []
        (self.faults.add if on else self.faults.discard)(fault)
        return [Draft("fault_raised" if on else "fault_cleared", fault)]

    # ---- records

    def _note(self, draft: Draft, now: Now) -> list[Effect]:
        """Record what may repeat at the pace of its cause: one a minute, the rest counted."""
        admitted = self._throttle.admit(draft, now.mono_ms)
        return self._records([admitted] if admitted else [])

    def _records(self, records: list[Draft]) -> list[Effect]:
        return [self._record(records)] if records else []

    def _record(self, records: list[Draft], kept: Kept | None = None, *, opening_door: bool = False) -> Record:
        return Record(tuple(records), {**(kept or {}), "pulse": self.memory.pulse_at_ms}, opening_door)

    def _show(self, show: Show, now: Now) -> list[Effect]:
        self._answer = _Answer(show, now.mono_ms + SHOWN_MS, max(0, now.utc_s))
        return [show]
