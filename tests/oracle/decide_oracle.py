"""A second opinion on every verdict: the rules of deciding written again, naively, from the specification.

Nothing of `controller.decide` is used here, and nothing is clever: every grant, every window and every key is tried one
after the other, so that a mistake in the door's look-ups cannot be made twice. `Case` is one question; `cases(seed)`
makes random worlds whose instants crowd around the edges of windows, closures and dates.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from controller.formats import qr_pass
from controller.formats.code_list import (
    KINDS,
    Closure,
    CodeList,
    Grant,
    PassKey,
    PinEntry,
    PinKdf,
    Policy,
    PostureState,
    QrEntry,
    Window,
)
from controller.formats.encoding import b64

YEAR_2024_S = 1_704_067_200
DAY_S = 86_400


@dataclass(frozen=True)
class Case:
    """Somebody presents a PIN (by its length and its verifier) or a QR text at an instant."""

    code_list: CodeList | None
    now_s: int
    trusted: bool = True
    floor_s: int = 0
    posture: PostureState = "controlled"
    uses: dict[str, int] = field(default_factory=dict)
    tries: int = 10
    pin_length: int = 6
    verifier: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class Opinion:
    """The verdict: reason, whose credential, when it opens, whether the reason may be told."""

    reason: str
    grant: str | None = None
    opens_at: int | None = None
    told: bool = True


def judge(case: Case) -> Opinion:
    """The first reason that applies, in the order of the table."""
    if case.text is not None:
        if not case.text.startswith("ZS1:") or len(case.text.encode()) > 256:
            return Opinion("foreign")
        token = _token(case.text)
        if token is None:
            return Opinion("malformed")
    else:
        token = None
        lengths = [6, 7, 8] if case.code_list is None else [case.code_list.policy.pin_digits]
        if case.pin_length not in lengths:
            return Opinion("malformed")
        if case.tries <= 0:
            return Opinion("locked_out")
    if case.code_list is None:
        return Opinion("list_missing")
    whose = _by_pin(case.code_list, case.verifier) if token is None else _by_qr(case.code_list, token, case.now_s)
    if whose is None:
        return Opinion("unknown_code")
    reason = _reason(case, case.code_list, whose)
    told = True
    if token is None and reason != "granted":
        hint = case.code_list.policy.early_hint_s
        near = any(start - hint <= case.now_s < end for start, end in whose.windows)
        last_end = max((end for _, end in whose.windows), default=0)
        just_over = last_end <= case.now_s < last_end + hint
        told = case.trusted and (near or just_over)
    opens_at = None
    if reason == "too_early" and told:
        opens_at = min(start for start, _ in whose.windows if start > case.now_s)
    return Opinion(reason, whose.id, opens_at, told)


def _reason(case: Case, code_list: CodeList, grant: Grant) -> str:
    now = case.now_s
    clock_is_right = case.trusted and not now < code_list.issued - 120
    covering = [closure.reason for closure in code_list.closures if closure.from_ <= now and now < closure.until]
    in_window = any(start <= now and now < end for start, end in grant.windows)
    later_window = any(now < start for start, _ in grant.windows)
    last_end = max((end for _, end in grant.windows), default=0)

    if not grant.active:
        return "suspended"
    if not clock_is_right and not grant.offline_ok:
        return "clock_untrusted"
    if clock_is_right and now >= code_list.valid_until and not grant.offline_ok:
        return "list_expired"
    if case.posture == "lockdown" and grant.kind != "emergency":
        return "lockdown"
    if clock_is_right:
        if not in_window and later_window:
            return "too_early"
        if not in_window:
            return "too_late"
        if grant.kind == "renter" and "room_closed" in covering:
            return "room_closed"
        if grant.kind == "renter" and "room_not_ready" in covering:
            return "room_not_ready"
    elif last_end <= case.floor_s:
        return "too_late"
    if grant.max_uses is not None and case.uses.get(grant.id, 0) >= grant.max_uses:
        return "used_up"
    return "granted"


def _by_pin(code_list: CodeList, verifier: str | None) -> Grant | None:
    for grant in code_list.grants:
        for pin in grant.pins:
            if pin.verifier == verifier:
                return grant
    return None


def _by_qr(code_list: CodeList, token: bytes, now_s: int) -> Grant | None:
    name = hashlib.sha256(b"zs-qr" + token).digest()[:16]
    for grant in code_list.grants:
        for qr in grant.qrs:
            if base64.urlsafe_b64decode(qr.hash + "==") == name:
                return grant
    if not code_list.policy.passes or now_s >= code_list.valid_until:
        return None
    count = token[0] & 15
    start_s = YEAR_2024_S + 60 * int.from_bytes(token[6:9], "big")
    minutes = int.from_bytes(token[9:11], "big")
    number = int.from_bytes(token[11:15], "big")
    if number <= code_list.version or minutes == 0 or minutes > 24 * 60 or start_s > number + 7 * DAY_S:
        return None
    if not _any_tag_holds(code_list, token, count):
        return None
    window = (start_s, start_s + 60 * minutes)
    return Grant(
        id="p-" + token[1:6].hex(),
        kind="renter",
        active=True,
        windows=(window,),
        max_uses=None,
        offline_ok=False,
        pins=(),
        qrs=(),
    )


def _any_tag_holds(code_list: CodeList, token: bytes, count: int) -> bool:
    size = {0: 0, 1: 16, 2: 10, 3: 6}[count]
    for entry in code_list.pass_keys:
        key = base64.urlsafe_b64decode(entry.key + "=")
        full = hmac.new(key, b"zs-pass-1\0" + token[:15], hashlib.sha256).digest()
        for index in range(count):
            if token[15 + index * size : 15 + (index + 1) * size] == full[:size]:
                return True
    return False


def _token(text: str) -> bytes | None:
    if len(text) != 60 or any(letter not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" for letter in text[4:]):
        return None
    token = base64.b32decode(text[4:])
    count = token[0] & 15
    if token[0] >> 4 != 1 or count > 3:
        return None
    used = 15 + {0: 20, 1: 16, 2: 20, 3: 18}[count]
    return token if not any(token[used:]) else None


# ---- random worlds


def cases(seed: int, count: int) -> Iterator[Case]:
    """`count` cases; every world is asked a few dozen times."""
    chance = random.Random(seed)
    while count > 0:
        world = _World(chance)
        for _ in range(min(count, 40)):
            yield world.case()
        count -= 40


class _World:
    """One list and the credentials people have for it, right and wrong ones."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._base = 1_784_000_040 // 60 * 60 + chance.randrange(0, 10_000) * 60
        self._group_keys = [chance.randbytes(32) for _ in range(3)]
        self._texts: list[str] = []
        self._verifiers: list[str] = [self._verifier()]
        self.code_list = self._list()
        self._texts += [self._pass().text() for _ in range(6)]
        self._texts += ["ZS1:", "zs1:" + "A" * 56, "https://example.org", "ZS1:" + "A" * 56, "ZS1:" + "A" * 300]
        self._texts += [self._texts[0][:-1], self._texts[0] + "A", self._texts[0].lower(), "ZS1:" + "1" * 56]
        self._instants = self._edges()

    def case(self) -> Case:
        chance = self._chance
        now = chance.choice(self._instants) + chance.choice([-1, 0, 1, chance.randint(-90_000, 90_000)])
        missing = chance.random() < 0.04
        by_pin = chance.random() < 0.5
        return Case(
            code_list=None if missing else self.code_list,
            now_s=max(0, now),
            trusted=chance.random() < 0.8,
            floor_s=max(0, chance.choice(self._instants) + chance.choice([-1, 0, 1])),
            posture=chance.choice(["controlled", "controlled", "unlocked", "lockdown"]),
            uses={grant.id: chance.randint(0, 3) for grant in self.code_list.grants},
            tries=chance.choice([0, 1, 5, 5, 5, 5]),
            pin_length=chance.choice([5, 6, 6, 6, 6, 6, 6, 7, 8, 9]),
            verifier=chance.choice(self._verifiers) if by_pin else None,
            text=None if by_pin else chance.choice(self._texts),
        )

    def _list(self) -> CodeList:
        chance, base = self._chance, self._base
        issued = base + chance.randint(-3 * DAY_S, DAY_S)
        return CodeList(
            door="hall-1",
            epoch=1,
            version=base + chance.randint(-DAY_S, DAY_S),
            issued=issued,
            refresh_after=issued + DAY_S,
            valid_until=issued + chance.randint(1, 4) * DAY_S,
            shrink=False,
            policy=Policy(early_hint_s=chance.choice([0, 60, 7_200]), passes=chance.random() < 0.8),
            posture=None,
            pin_kdf=PinKdf(salt="A" * 22),
            grants=tuple(self._grant(number) for number in range(chance.randint(1, 5))),
            closures=tuple(self._closure() for _ in range(chance.randint(0, 3))),
            pass_keys=tuple(PassKey("room", b64(key)) for key in self._group_keys[:2]),
        )

    def _grant(self, number: int) -> Grant:
        chance = self._chance
        verifier, token = self._verifier(), self._pass()
        self._verifiers.append(verifier)
        self._texts.append(token.text())
        return Grant(
            id=f"g{number}",
            kind=chance.choice(["renter", "renter", *KINDS]),
            active=chance.random() < 0.85,
            windows=self._windows(),
            max_uses=chance.choice([None, None, 1, 2]),
            offline_ok=chance.random() < 0.3,
            pins=(PinEntry("c1", verifier, chance.random() < 0.1),),
            qrs=(QrEntry("c2", token.list_hash),),
        )

    def _windows(self) -> tuple[Window, ...]:
        chance, windows = self._chance, []
        start = self._base + chance.randint(-2 * DAY_S, DAY_S)
        for _ in range(chance.randint(0, 3)):
            end = start + chance.choice([1, 60, 3_600, 20_000])
            windows.append((start, end))
            start = end + chance.choice([0, 1, 600, 10_000])
        return tuple(windows)

    def _closure(self) -> Closure:
        start = self._base + self._chance.randint(-2 * DAY_S, 2 * DAY_S)
        length = self._chance.choice([1, 3_600, DAY_S])
        return Closure(from_=start, until=start + length, reason=self._chance.choice(["room_closed", "room_not_ready"]))

    def _pass(self) -> qr_pass.QrPass:
        chance = self._chance
        start = self._base + chance.randint(-1_000, 1_000) * 60
        number = chance.choice(
            [self._base - 3 * DAY_S, self._base + DAY_S + 1, start - 7 * DAY_S, start - 7 * DAY_S - 1]
        )
        return qr_pass.make_pass(
            credential=chance.randbytes(5),
            start_s=start,
            length_minutes=chance.choice([0, 1, 60, 1_440, 1_441]),
            number=number,
            group_keys=chance.sample(self._group_keys, chance.randint(0, 3)),
            filler=chance.randbytes(20),
        )

    def _verifier(self) -> str:
        return b64(self._chance.randbytes(32))

    def _edges(self) -> list[int]:
        code_list = self.code_list
        edges = [code_list.issued - 120, code_list.issued, code_list.valid_until, self._base]
        edges += [edge for grant in code_list.grants for window in grant.windows for edge in window]
        hint = code_list.policy.early_hint_s
        edges += [start - hint for grant in code_list.grants for start, _ in grant.windows]
        edges += [edge for closure in code_list.closures for edge in (closure.from_, closure.until)]
        return edges + [qr_pass.parse(text).start_s for text in self._texts if _token(text)]
