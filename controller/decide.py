"""The one decision: may this credential open this door now?

Pure: no clock, no disk, no randomness. The door, `explain`, the simulator and the tests call the same function, so a
verdict that was explained is the verdict that was given. The order of judging is the order of
`controller.formats.reasons.Reason`; the first reason that applies is the answer.

    verdict = decide(Installed(code_list), PinPresented(verifier), Moment(now_s, trusted=True, floor_s=0))
    verdict.reason, verdict.grant
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from controller.formats import qr_pass
from controller.formats.code_list import CodeList, Grant, Kind, PostureState, Window
from controller.formats.encoding import unb64
from controller.formats.errors import Refused
from controller.formats.event import CredentialKind
from controller.formats.limits import LIMITS
from controller.formats.reasons import Reason
from controller.occupancy import Occupancy

# A clock this far before the list's own date is wrong, or the list is: either way windows cannot be judged.
ISSUED_AHEAD_S = 120
# Without a list there is no policy; these are the lengths any policy may choose.
PIN_LENGTHS = range(6, 9)


class Moment(msgspec.Struct, frozen=True):
    """The instant of a decision: UTC seconds, whether the clock may be believed, and the second it cannot be before."""

    now_s: int
    trusted: bool
    floor_s: int


class PinPresented(msgspec.Struct, frozen=True):
    """A PIN of the right length, as its verifier under the installed list's parameters."""

    verifier: str


class QrPresented(msgspec.Struct, frozen=True):
    """The text of a QR code, whatever it is."""

    text: str


class Verdict(msgspec.Struct, frozen=True):
    """What was decided. `grant` and `credential` are ids and None for codes nobody knows; `via` says how it was
    presented or recognised; `opens_at` (UTC seconds) is given where the person may be told; `told` is whether the
    reason itself may be: a PIN far from its window must look like any wrong PIN."""

    reason: Reason
    grant: str | None = None
    credential: str | None = None
    kind: Kind | None = None
    via: CredentialKind | None = None
    opens_at: int | None = None
    told: bool = True
    duress: bool = False
    max_uses: int | None = None
    until_s: int | None = None

    @property
    def granted(self) -> bool:
        return self.reason is Reason.GRANTED

    @property
    def shown(self) -> Reason:
        """The reason as the person at the door may learn it."""
        return self.reason if self.told else Reason.UNKNOWN_CODE

    def of_staff(self) -> Verdict:
        """The same on what only facility staff may ask for: anybody else's code is unknown there."""
        foreign = self.granted and self.kind != "facility"
        return msgspec.structs.replace(self, reason=Reason.UNKNOWN_CODE) if foreign else self


class _Found(msgspec.Struct, frozen=True):
    grant: Grant
    credential: str
    via: CredentialKind
    duress: bool = False


class Installed:
    """A list with the look-ups a decision needs: one dictionary access for a PIN or QR, whatever the list's size."""

    def __init__(self, code_list: CodeList, payload_hash: str = "") -> None:
        self.list = code_list
        self.hash = payload_hash
        self.grants = {grant.id: grant for grant in code_list.grants}
        self.pass_keys = tuple(unb64(entry.key, "pass_keys") for entry in code_list.pass_keys)
        self.occupancy = Occupancy(code_list)
        self._pins = {pin.verifier: (grant, pin) for grant in code_list.grants for pin in grant.pins}
        self._qrs = {qr.hash: (grant, qr) for grant in code_list.grants for qr in grant.qrs}

    def find(self, shown: PinPresented | qr_pass.QrPass, now_s: int) -> _Found | None:
        """Whose credential this is."""
        if isinstance(shown, PinPresented):
            pin_hit = self._pins.get(shown.verifier)
            return _Found(pin_hit[0], pin_hit[1].credential, "pin", pin_hit[1].duress) if pin_hit else None
        qr_hit = self._qrs.get(shown.list_hash)
        if qr_hit:
            return _Found(qr_hit[0], qr_hit[1].credential, "qr")
        if self._stands_alone(shown, now_s):
            return _Found(_grant_of(shown), shown.credential, "pass")
        return None

    def _stands_alone(self, token: qr_pass.QrPass, now_s: int) -> bool:
        """The newer statement wins: only a pass newer than the list, and only while the list itself is in force."""
        return (
            self.list.policy.passes
            and now_s < self.list.valid_until
            and token.number > self.list.version
            and token.may_stand_alone
            and token.tagged_by(self.pass_keys)
        )


def screen_pin(installed: Installed | None, length: int, tries: int) -> Reason | None:
    """What is wrong with a typed entry before its PIN is looked at, or None. `length` counts digits typed, `tries` the
    PIN tries left at this door."""
    lengths = PIN_LENGTHS if installed is None else (installed.list.policy.pin_digits,)
    if length not in lengths:
        return Reason.MALFORMED
    if tries < 1:
        return Reason.LOCKED_OUT
    return Reason.LIST_MISSING if installed is None else None


def decide(
    installed: Installed | None,
    presented: PinPresented | QrPresented,
    moment: Moment,
    posture: PostureState = "controlled",
    uses: Mapping[str, int] | None = None,
) -> Verdict:
    """The verdict on a presented credential. `uses` counts entries by grant id."""
    via: CredentialKind
    shown: PinPresented | qr_pass.QrPass
    if isinstance(presented, PinPresented):
        via, shown = "pin", presented
    else:
        via, text = "qr", presented.text
        if not qr_pass.is_ours(text) or len(text.encode("utf-8", "replace")) > LIMITS.qr_text_bytes:
            return Verdict(Reason.FOREIGN, via=via)
        try:
            shown = qr_pass.parse(text)
        except Refused:
            return Verdict(Reason.MALFORMED, via=via)
    if installed is None:
        return Verdict(Reason.LIST_MISSING, via=via)
    found = installed.find(shown, moment.now_s)
    if found is None:
        return Verdict(Reason.UNKNOWN_CODE, via=via)
    return _verdict(installed.list, found, moment, posture, uses or {})


def decide_grant(
    installed: Installed | None,
    grant_id: str,
    moment: Moment,
    posture: PostureState,
    uses: Mapping[str, int],
    tries: int,
) -> tuple[Verdict, ...]:
    """What a listed grant's own credentials would be answered, one verdict for each kind it has; without a kind to
    answer for, one verdict that says why. `tries` are the PIN tries left at this door."""
    if installed is None:
        return (Verdict(Reason.LIST_MISSING),)
    grant = installed.grants.get(grant_id)
    if grant is None:
        return (Verdict(Reason.UNKNOWN_CODE),)
    verdicts = []
    if grant.pins:
        screened = screen_pin(installed, installed.list.policy.pin_digits, tries)
        pin = _Found(grant, grant.pins[0].credential, "pin")
        verdicts.append(
            Verdict(screened, grant.id, via="pin") if screened else _verdict(installed.list, pin, moment, posture, uses)
        )
    if grant.qrs:
        qr = _Found(grant, grant.qrs[0].credential, "qr")
        verdicts.append(_verdict(installed.list, qr, moment, posture, uses))
    return tuple(verdicts) or (Verdict(Reason.UNKNOWN_CODE, grant.id),)


def _verdict(
    code_list: CodeList, found: _Found, moment: Moment, posture: PostureState, uses: Mapping[str, int]
) -> Verdict:
    grant = found.grant
    reason = _judge(code_list, grant, moment, posture, uses.get(grant.id, 0))
    told = reason is Reason.GRANTED or found.via != "pin" or _near(grant.windows, moment, code_list.policy.early_hint_s)
    return Verdict(
        reason=reason,
        grant=grant.id,
        credential=found.credential,
        kind=grant.kind,
        via=found.via,
        opens_at=_next_start(grant.windows, moment.now_s) if reason is Reason.TOO_EARLY and told else None,
        told=told,
        duress=found.duress,
        max_uses=grant.max_uses,
        until_s=_current_end(grant.windows, moment.now_s),
    )


def clock_usable(code_list: CodeList, moment: Moment) -> bool:
    """Whether windows of this list can be judged at this moment."""
    return moment.trusted and moment.now_s >= code_list.issued - ISSUED_AHEAD_S


def _judge(code_list: CodeList, grant: Grant, moment: Moment, posture: PostureState, uses: int) -> Reason:
    if not grant.active:
        return Reason.SUSPENDED
    usable = clock_usable(code_list, moment)
    if not usable and not grant.offline_ok:
        return Reason.CLOCK_UNTRUSTED
    if usable and moment.now_s >= code_list.valid_until and not grant.offline_ok:
        return Reason.LIST_EXPIRED
    if posture == "lockdown" and grant.kind != "emergency":
        return Reason.LOCKDOWN
    in_time = _judge_time(code_list, grant, moment) if usable else _judge_floor(grant, moment)
    if in_time is not None:
        return in_time
    if grant.max_uses is not None and uses >= grant.max_uses:
        return Reason.USED_UP
    return Reason.GRANTED


def _judge_time(code_list: CodeList, grant: Grant, moment: Moment) -> Reason | None:
    now = moment.now_s
    if _current_end(grant.windows, now) is None:
        return Reason.TOO_EARLY if _next_start(grant.windows, now) is not None else Reason.TOO_LATE
    if grant.kind == "renter":
        reasons = {closure.reason for closure in code_list.closures if closure.from_ <= now < closure.until}
        for reason in (Reason.ROOM_CLOSED, Reason.ROOM_NOT_READY):
            if reason.value in reasons:
                return reason
    return None


def _judge_floor(grant: Grant, moment: Moment) -> Reason | None:
    """Without a usable clock only what is certainly over can be refused: the floor is the one time known to be past."""
    over = not grant.windows or grant.windows[-1][1] <= moment.floor_s
    return Reason.TOO_LATE if over else None


def _current_end(windows: tuple[Window, ...], now: int) -> int | None:
    return next((end for start, end in windows if start <= now < end), None)


def _next_start(windows: tuple[Window, ...], now: int) -> int | None:
    return next((start for start, _ in windows if start > now), None)


def _near(windows: tuple[Window, ...], moment: Moment, hint_s: int) -> bool:
    """In a window, or at most `hint_s` before the next or after the last. Between two evenings of a series the code
    is silent again: whoever tries codes just after the first must not learn what opens next week."""
    now = moment.now_s
    if not moment.trusted or not windows:
        return False
    start = _next_start(windows, now)
    if start is None:
        return now < windows[-1][1] + hint_s
    return start - now <= hint_s or _current_end(windows, now) is not None


def _grant_of(token: qr_pass.QrPass) -> Grant:
    """The grant a pass speaks of by itself; the list will name it by the same id later."""
    return Grant(
        id=f"p-{token.credential}",
        kind="renter",
        active=True,
        windows=((token.start_s, token.until_s),),
        max_uses=None,
        offline_ok=False,
        pins=(),
        qrs=(),
    )
