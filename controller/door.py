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
from dataclasses import dataclass, field, replace

from controller.decide import Installed, PinPresented, QrPresented, Verdict, decide, screen_pin
from controller.door_events import (
    ClockNoted,
    Derive,
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
)
from controller.draft import Draft
from controller.formats.code_list import Policy
from controller.formats.reasons import Reason
from controller.keypad_entry import Entry, KeypadEntry
from controller.memory import Memory
from controller.passage import Entrant, Passage, attribution
from controller.pin_tries import PinTries
from controller.posture import Posture
from controller.throttle import Throttle

PRESENTATION_GAP_MS = 3_000  # a QR text is one presentation until it was unseen for this long
MAX_PRESENTATIONS = 8  # more codes at once before one camera are noise
SHOWN_MS = 5_000  # how long an answer stays before the door looks idle again
INSIDE_AFTER_S = 4 * 3600  # after this long past the window's end nobody is thought to be inside any more
ATTENDED_MAX_S = 12 * 3600  # R004-30
SIGN_OUT, ATTENDED = "0", "1"


@dataclass(frozen=True)
class Setup:
    """What is wired: keypad names, whether there is a door contact, whether every way out gives an exit signal."""

    door: str
    readers: tuple[str, ...]
    contact: bool
    handle_sensed: bool


@dataclass
class _Pending:
    """An entry whose verifier is being derived."""

    ticket: int
    entry: Entry
    salt: str


@dataclass
class _Answer:
    show: Show = field(default_factory=lambda: Show("idle"))
    until_ms: int | None = None


class Door:
    """All state of one door. `installed` is the list in force, `memory` what survives a power cut."""

    def __init__(self, setup: Setup, memory: Memory, installed: Installed | None, now: Now, leaf_open: bool) -> None:
        self.setup = setup
        self.installed = installed
        self.memory = memory
        self.faults: set[str] = set()
        self._entries = {reader: KeypadEntry() for reader in setup.readers}
        self._pending: dict[str, _Pending] = {}
        self._ticket = 0
        self._throttle = Throttle()
        self._seen: dict[str, int] = {}
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
    def typed(self) -> int:
        """Digits typed so far at the keypad that is furthest."""
        return max((entry.typed for entry in self._entries.values()), default=0)

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
            *(entry.deadline_ms for entry in self._entries.values()),
        ]
        if "pin_tries" in self.faults:
            candidates.append(self._tries.next_back_ms(now.mono_ms))
        if self.memory.posture.until_s is not None:
            candidates.append(now.mono_ms + max(0, self.memory.posture.until_s * 1000 - now.utc_ms))
        if self.installed and now.trusted and "list_stale" not in self.faults:
            candidates.append(now.mono_ms + max(0, self._stale_at_s(self.installed) * 1000 - now.utc_ms))
        return min((candidate for candidate in candidates if candidate is not None), default=None)

    # ---- the one entrance

    def start(self, drafts: Iterable[Draft], now: Now) -> list[Effect]:
        """The effects of coming up: the boot record, an unconfirmed pulse closed, the posture taken up again."""
        boot = list(drafts)
        if self.memory.pulse_at_ms is not None:
            detail: dict[str, str | int | bool | None] = {"outcome": "unknown", "granted_at": self.memory.pulse_at_ms}
            boot.append(Draft("no_entry", detail=detail))
        self.memory.pulse_at_ms = None
        effects: list[Effect] = [Record(tuple(boot), {"pulse": None})]
        if self.posture(now).state == "unlocked":
            effects.append(Hold(True))
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
                self._passage.exit_pressed(now.mono_ms)
            case ListInstalled():
                effects += self._list_installed(event.installed, now)
            case ListRefused():
                effects += self._note(Draft("list", event.reason, detail={"version": event.version}), now)
            case Refusal():
                effects += self._note(Draft("trust", event.reason, detail={"what": event.what}), now)
            case FaultChanged():
                effects += self._record(self._fault(event.fault, event.on))
            case Released():
                # Written down with the next record: a pulse of its own would be a third sync on the way in.
                self.memory.pulse_at_ms = None
            case NotRecorded():
                self._passage.withdraw()
                effects += self._show(Show("fault"), now)
            case ClockNoted():
                effects += self._record([Draft("clock", now.clock)])
            case StorageHealed():
                lost = [Draft("loss", "storage", detail={"count": event.lost})] if event.lost else []
                effects += self._record(lost + self._fault("log_degraded", False))
            case Tick():
                pass
        return effects

    # ---- time

    def _time_passed(self, now: Now) -> list[Effect]:
        effects: list[Effect] = []
        drafts = self._passage.time_over(now.mono_ms)
        for draft in tuple(drafts):
            if draft.kind == "held_open":
                drafts += self._fault("held_open", True)
        drafts += self._throttle.due(now.mono_ms)
        drafts += self._fault("pin_tries", self._tries.left(now.mono_ms) < 1)
        stale = self.installed is not None and now.trusted and now.utc_s >= self._stale_at_s(self.installed)
        drafts += self._fault("list_stale", stale)
        if self.memory.posture.over(now.utc_s, now.trusted):
            # It keeps its own date: an untrusted clock must not make this look newer than what comes next.
            effects += self._set_posture(Posture("controlled", self.memory.posture.since_s), now, "time", None)
        effects += self._record(drafts)
        for reader, entry in self._entries.items():
            complete = entry.idle(now.mono_ms, self._pin_digits())
            if complete:
                effects += self._entered(reader, complete, now)
        if self._answer.until_ms is not None and now.mono_ms >= self._answer.until_ms:
            self._answer = _Answer()
            effects.append(self._answer.show)
        return effects

    @staticmethod
    def _stale_at_s(installed: Installed) -> int:
        # A day of grace: the refresh itself comes daily, and one missed is no fault yet.
        return installed.list.refresh_after + 86_400

    # ---- PIN

    def _pin_digits(self) -> int | None:
        return self.installed.list.policy.pin_digits if self.installed else None

    def _key_pressed(self, event: KeyPressed, now: Now) -> list[Effect]:
        complete = self._entries[event.reader].press(event.symbol, now.mono_ms, self._pin_digits())
        return self._entered(event.reader, complete, now) if complete else []

    def _entered(self, reader: str, entry: Entry, now: Now) -> list[Effect]:
        """A complete entry: refuse it at once, or spend a try and have its verifier derived."""
        if reader in self._pending:
            # One entry at a time per keypad: nobody types faster than a derivation, only machines do.
            return []
        signing_out = entry.function == SIGN_OUT
        tries = 1 if signing_out else self._tries.left(now.mono_ms)
        reason = screen_pin(self.installed, len(entry.digits), tries)
        if reason is not None:
            return self._signed_out(None, now) if signing_out else self._refuse(Verdict(reason, via="pin"), now)
        assert self.installed is not None  # screen_pin answers list_missing otherwise
        self._ticket += 1
        kdf = self.installed.list.pin_kdf
        self._pending[reader] = _Pending(self._ticket, entry, kdf.salt)
        derive = Derive(self._ticket, entry.digits, kdf)
        if signing_out:
            return [derive]
        self.memory.tries = self._tries.take(now.mono_ms)
        return [Keep(self.memory.changed_tries()), derive]

    def _pin_derived(self, event: PinDerived, now: Now) -> list[Effect]:
        reader = next((name for name, entry in self._pending.items() if entry.ticket == event.ticket), None)
        if reader is None or self.installed is None:
            return []
        pending = self._pending[reader]
        kdf = self.installed.list.pin_kdf
        if kdf.salt != pending.salt:
            # A re-key arrived while the derivation ran: what was derived belongs to the old list.
            pending.salt = kdf.salt
            return [Derive(event.ticket, pending.entry.digits, kdf)]
        del self._pending[reader]
        presented = PinPresented(event.verifier)
        if pending.entry.function == SIGN_OUT:
            found = self.installed.find(presented, now.utc_s)
            return self._signed_out(found.grant.id if found else None, now)
        verdict = self._decide(presented, now)
        if pending.entry.function == ATTENDED:
            return self._attended(verdict, now)
        return self._act(verdict, now)

    # ---- QR

    def _qr_read(self, event: QrRead, now: Now) -> list[Effect]:
        """One text is one presentation until it was unseen for 3 s, also when two are held up in turn."""
        self._seen = {text: ms for text, ms in self._seen.items() if now.mono_ms - ms < PRESENTATION_GAP_MS}
        known = event.text in self._seen
        if not known and len(self._seen) >= MAX_PRESENTATIONS:
            return []
        self._seen[event.text] = now.mono_ms
        return [] if known else self._act(self._decide(QrPresented(event.text), now), now)

    # ---- verdicts

    def _decide(self, presented: PinPresented | QrPresented, now: Now) -> Verdict:
        return decide(self.installed, presented, now.moment(), self.posture(now).state, self.memory.use_counts())

    def _act(self, verdict: Verdict, now: Now) -> list[Effect]:
        return self._let_in(verdict, now) if verdict.granted else self._refuse(verdict, now)

    def _refuse(self, verdict: Verdict, now: Now) -> list[Effect]:
        draft = Draft("refused", verdict.reason, verdict.grant, verdict.credential, verdict.via)
        wait = verdict.reason is Reason.LOCKED_OUT
        show = Show("wait" if wait else "refused", verdict.shown, verdict.opens_at)
        return [*self._note(draft, now), *self._show(show, now)]

    def _let_in(self, verdict: Verdict, now: Now) -> list[Effect]:
        assert verdict.grant and verdict.credential and verdict.via  # a granted verdict has them
        policy = self.policy
        entrant = Entrant(
            verdict.grant, verdict.credential, verdict.via, (verdict.until_s or now.utc_s) + INSIDE_AFTER_S
        )
        detail: dict[str, str | int | bool | None] = {"kind": verdict.kind}
        kept: Kept = {}
        if not self.setup.contact:
            detail["contact"] = "none"
            kept |= self.memory.went_in(entrant, now.utc_s)
        if verdict.duress:
            detail["duress"] = True
        self.memory.pulse_at_ms = now.utc_ms
        kept["pulse"] = now.utc_ms
        if verdict.via == "pin":
            self.memory.tries = self._tries.give_back(now.mono_ms)
            kept |= self.memory.changed_tries()
        drafts = [Draft("granted", None, verdict.grant, verdict.credential, verdict.via, detail)]
        if self.setup.contact:
            for gone_in in self._passage.let_in(entrant, now.mono_ms, policy.no_entry_s * 1000):
                drafts.append(self._in(gone_in, "open"))
                kept |= self.memory.went_in(gone_in, now.utc_s)
        return [
            Record(tuple(drafts), kept, opening_door=True),
            Release(policy.release_s),
            *self._show(Show("granted"), now),
        ]

    @staticmethod
    def _in(entrant: Entrant, leaf: str) -> Draft:
        return Draft("in", None, entrant.grant, entrant.credential_id, entrant.credential, {"leaf": leaf})

    def _signed_out(self, grant: str | None, now: Now) -> list[Effect]:
        """Sign-out answers alike to every input, and does something only for a grant that is inside."""
        entrant = self.memory.inside.get(grant) if grant else None
        effects: list[Effect] = []
        if entrant is not None:
            draft = Draft(
                "out", None, entrant.grant, entrant.credential_id, "pin", {"by": "sign_out", "attribution": "explicit"}
            )
            effects.append(self._record_one(draft, self.memory.went_out(entrant.grant)))
        return [*effects, *self._show(Show("granted", "signed_out"), now)]

    def _attended(self, verdict: Verdict, now: Now) -> list[Effect]:
        """`#1`: staff keep the door unlocked until their window ends, 12 h at most; again ends it."""
        if not verdict.granted or verdict.kind != "facility" or not now.trusted:
            refused = verdict if not verdict.granted else Verdict(Reason.UNKNOWN_CODE, via="pin")
            return self._refuse(refused, now)
        self.memory.tries = self._tries.give_back(now.mono_ms)
        if self.posture(now).state == "unlocked":
            posture = Posture("controlled", now.utc_s, None)
        else:
            until_s = min(verdict.until_s or now.utc_s, now.utc_s + ATTENDED_MAX_S)
            posture = Posture("unlocked", now.utc_s, until_s)
        return [*self._set_posture(posture, now, "keypad", verdict), *self._show(Show("granted"), now)]

    # ---- the leaf

    def _leaf_opened(self, now: Now) -> list[Effect]:
        unlocked = self.posture(now).state == "unlocked"
        entrants, other = self._passage.leaf_opened(now.mono_ms, self.policy.held_open_s * 1000, unlocked)
        drafts, kept = [], Kept()
        for entrant in entrants:
            drafts.append(self._in(entrant, "opened"))
            kept |= self.memory.went_in(entrant, now.utc_s)
        if other is not None and other.kind == "out":
            how, who = attribution(self.memory.inside, now.utc_s)
            other = replace(other, detail={**other.detail, "attribution": how})
            if who is not None:
                other = replace(other, grant=who.grant, credential_id=who.credential_id, credential=who.credential)
        if other is not None:
            drafts.append(other)
        if other is not None and other.kind == "forced":
            drafts += self._fault("forced", True)
        return [self._record_one_or_more(drafts, kept)] if drafts else []

    def _leaf_closed(self, now: Now) -> list[Effect]:
        closed = self._passage.leaf_closed(now.mono_ms)
        drafts = [closed] if closed else []
        drafts += self._fault("held_open", False) + self._fault("forced", False)
        return self._record(drafts)

    # ---- lists, postures, faults

    def _list_installed(self, installed: Installed, now: Now) -> list[Effect]:
        self.installed = installed
        code_list = installed.list
        self._tries.change_policy(now.mono_ms, code_list.policy.pin_tries, code_list.policy.pin_refill_s)
        forgotten = self.memory.forget_uses(set(installed.grants), now.utc_s)
        drafts = [self.list_draft(installed)]
        effects: list[Effect] = [Record(tuple(drafts), forgotten)]
        if code_list.posture and code_list.posture.since > self.memory.posture.since_s:
            given = code_list.posture
            effects += self._set_posture(Posture(given.state, given.since, given.until), now, "list", None)
        return [*effects, *self._record(self._fault("list_stale", False))]

    @staticmethod
    def list_draft(installed: Installed) -> Draft:
        """The record that a list is in force."""
        code_list = installed.list
        detail: dict[str, str | int | bool | None] = {
            "version": code_list.version,
            "hash": installed.hash,
            "grants": len(code_list.grants),
        }
        return Draft("list", detail=detail)

    def _set_posture(self, posture: Posture, now: Now, by: str, verdict: Verdict | None) -> list[Effect]:
        before = self.posture(now).state
        kept = self.memory.set_posture(posture)
        detail: dict[str, str | int | bool | None] = {"state": posture.state, "until": posture.until_s, "by": by}
        who = (verdict.grant, verdict.credential, verdict.via) if verdict else (None, None, None)
        effects: list[Effect] = [Record((Draft("posture", None, *who, detail),), kept)]
        after = self.posture(now).state
        if "unlocked" in {before, after}:
            effects.append(Hold(after == "unlocked"))
        return effects

    def _fault(self, fault: str, on: bool) -> list[Draft]:
        """Raised once, cleared once."""
        if on == (fault in self.faults):
            return []
        (self.faults.add if on else self.faults.discard)(fault)
        return [Draft("fault_raised" if on else "fault_cleared", fault)]

    # ---- records

    def _note(self, draft: Draft, now: Now) -> list[Effect]:
        """Record what may repeat at the pace of its cause: one a minute, the rest counted."""
        admitted = self._throttle.admit(draft, now.mono_ms)
        return self._record([admitted] if admitted else [])

    def _record(self, drafts: list[Draft]) -> list[Effect]:
        return [self._record_one_or_more(drafts, {})] if drafts else []

    def _record_one(self, draft: Draft, kept: Kept) -> Record:
        return self._record_one_or_more([draft], kept)

    def _record_one_or_more(self, drafts: list[Draft], kept: Kept) -> Record:
        return Record(tuple(drafts), {**kept, "pulse": self.memory.pulse_at_ms})

    def _show(self, show: Show, now: Now) -> list[Effect]:
        self._answer = _Answer(show, now.mono_ms + SHOWN_MS)
        return [show]
