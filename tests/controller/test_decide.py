"""The rules of deciding, one by one; `test_decide_oracle.py` plays them against each other."""

import itertools
import random
from collections.abc import Mapping
from typing import Any

import pytest

from controller.decide import Installed, Moment, PinPresented, QrPresented, Verdict, decide, screen_pin
from controller.formats.code_list import Closure, PinEntry, Policy, PostureState
from controller.formats.reasons import Reason
from tests.controller.worlds import (
    DAY,
    GROUP_KEY,
    HOUR,
    NOON,
    OTHER_KEY,
    PIN,
    code_list,
    grant,
    installed,
    qr_entry,
    token,
    verifier_of,
)

TEXT = token()


def at(now_s: int = NOON, trusted: bool = True, floor_s: int = NOON - HOUR) -> Moment:
    return Moment(now_s, trusted, floor_s)


def judge(
    rules: Installed | None,
    moment: Moment | None = None,
    posture: PostureState = "controlled",
    uses: Mapping[str, int] | None = None,
    text: str | None = None,
) -> Verdict:
    presented = QrPresented(text) if text is not None else PinPresented(verifier_of(PIN))
    return decide(rules, presented, moment or at(), posture, uses)


def reason(rules: Installed | None, moment: Moment | None = None, **more: Any) -> Reason:
    return judge(rules, moment, **more).reason


# Each reason after `unknown_code` with what makes it apply, and nothing else: (grant fields, list fields, moment
# fields, posture, uses).
CLOSED = (Closure(from_=0, until=NOON * 2, reason="room_closed"),)
NOT_READY = (Closure(from_=0, until=NOON * 2, reason="room_not_ready"),)
CAUSES: dict[Reason, dict[str, Any]] = {
    Reason.SUSPENDED: {"grant": {"active": False}},
    Reason.CLOCK_UNTRUSTED: {"moment": {"trusted": False}},
    Reason.LIST_EXPIRED: {"list": {"refresh_after": NOON - 60, "valid_until": NOON}},
    Reason.LOCKDOWN: {"posture": "lockdown"},
    Reason.TOO_EARLY: {"grant": {"windows": ((NOON + 60, NOON + 120),)}},
    Reason.TOO_LATE: {"grant": {"windows": ((NOON - 60, NOON),)}},
    Reason.ROOM_CLOSED: {"list": {"closures": CLOSED}},
    Reason.ROOM_NOT_READY: {"list": {"closures": NOT_READY}},
    Reason.USED_UP: {"grant": {"max_uses": 1}, "uses": {"g1": 1}},
}
EXCLUSIVE = {(Reason.TOO_EARLY, Reason.TOO_LATE)}  # no instant is both


@pytest.mark.parametrize(("first", "second"), [p for p in itertools.combinations(CAUSES, 2) if p not in EXCLUSIVE])
def test_of_two_reasons_the_earlier_one_is_the_answer(first: Reason, second: Reason):
    merged: dict[str, dict[str, Any]] = {"grant": {}, "list": {}, "moment": {}}
    closures: tuple[Closure, ...] = ()
    for cause in (CAUSES[first], CAUSES[second]):
        for part in merged:
            merged[part] |= cause.get(part, {})
        closures += cause.get("list", {}).get("closures", ())
    posture = "lockdown" if Reason.LOCKDOWN in (first, second) else "controlled"
    rules = installed(grant(qr=TEXT, **merged["grant"]), **{**merged["list"], "closures": closures})
    moment = Moment(**{"now_s": NOON, "trusted": True, "floor_s": NOON - HOUR, **merged["moment"]})
    for text in (None, TEXT):
        assert reason(rules, moment, posture=posture, uses={"g1": 1}, text=text) is first


@pytest.mark.parametrize("cause", CAUSES)
def test_each_reason_alone(cause: Reason):
    given = CAUSES[cause]
    rules = installed(grant(**given.get("grant", {})), **given.get("list", {}))
    moment = Moment(**{"now_s": NOON, "trusted": True, "floor_s": NOON - HOUR, **given.get("moment", {})})
    assert reason(rules, moment, posture=given.get("posture", "controlled"), uses=given.get("uses")) is cause


def test_without_a_cause_it_is_granted():
    verdict = judge(installed(grant()))
    assert verdict.granted
    assert (verdict.grant, verdict.credential, verdict.via, verdict.until_s) == ("g1", "c1", "pin", NOON + HOUR)


# ---- what stands before the look-up


@pytest.mark.parametrize(
    ("length", "tries", "has_list", "expected"),
    [
        (5, 0, True, Reason.MALFORMED),
        (7, 5, True, Reason.MALFORMED),
        (6, 0, True, Reason.LOCKED_OUT),
        (6, 0, False, Reason.LOCKED_OUT),
        (6, 1, False, Reason.LIST_MISSING),
        (8, 1, False, Reason.LIST_MISSING),
        (9, 1, False, Reason.MALFORMED),
        (5, 0, False, Reason.MALFORMED),
        (6, 1, True, None),
    ],
)
def test_a_typed_entry_is_screened_in_order(length: int, tries: int, has_list: bool, expected: Reason | None):
    assert screen_pin(installed() if has_list else None, length, tries) is expected


def test_the_length_of_a_pin_is_the_lists():
    rules = installed(policy=Policy(pin_digits=8))
    assert screen_pin(rules, 8, 1) is None
    assert screen_pin(rules, 6, 1) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Reason.FOREIGN),
        ("https://pay.example/1", Reason.FOREIGN),
        ("zs1:" + "A" * 56, Reason.FOREIGN),
        ("ZS1:" + "A" * 253, Reason.FOREIGN),
        ("ZS1:" + "é" * 127, Reason.FOREIGN),
        ("ZS1:" + "\ud800" * 300, Reason.FOREIGN),
        ("ZS1:" + "A" * 252, Reason.MALFORMED),
        ("ZS1:", Reason.MALFORMED),
        (TEXT.replace("ZS1:", "ZS1:\n"), Reason.MALFORMED),
        (TEXT[:4] + TEXT[4:].lower(), Reason.MALFORMED),
        (TEXT[:-1] + "=", Reason.MALFORMED),
    ],
)
def test_texts_that_are_no_pass(text: str, expected: Reason):
    for rules in (None, installed(grant(qr=TEXT))):
        assert reason(rules, text=text) is expected


def test_a_pass_without_a_list():
    assert reason(None, text=TEXT) is Reason.LIST_MISSING


def test_a_code_nobody_has():
    assert judge(installed(grant(pin="000000"))) == Verdict(Reason.UNKNOWN_CODE, via="pin")
    assert judge(installed(grant()), text=TEXT) == Verdict(Reason.UNKNOWN_CODE, via="qr")


# ---- half-open edges


@pytest.mark.parametrize(
    ("now_s", "expected"),
    [
        (NOON - 1, Reason.TOO_EARLY),
        (NOON, Reason.GRANTED),
        (NOON + 1, Reason.GRANTED),
        (NOON + HOUR - 1, Reason.GRANTED),
        (NOON + HOUR, Reason.TOO_LATE),
        (NOON + HOUR + 1, Reason.TOO_LATE),
    ],
)
def test_a_window_is_half_open(now_s: int, expected: Reason):
    assert reason(installed(grant(qr=TEXT)), at(now_s)) is expected
    assert reason(installed(grant(qr=TEXT)), at(now_s), text=TEXT) is expected


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_where_two_windows_meet_exactly_one_opens(offset: int):
    later = token(number=2)
    rules = installed(
        grant("g1", qr=TEXT, windows=((NOON - HOUR, NOON),)),
        grant("g2", pin="111111", qr=later, windows=((NOON, NOON + HOUR),)),
    )
    opens = [judge(rules, at(NOON + offset), text=text).granted for text in (TEXT, later)]
    assert opens == [offset < 0, offset >= 0]


def test_between_two_windows_it_is_early_and_says_until_when():
    rules = installed(grant(windows=((NOON - 600, NOON - 300), (NOON + 60, NOON + 120), (NOON + 500, NOON + 600))))
    verdict = judge(rules)
    assert (verdict.reason, verdict.opens_at) == (Reason.TOO_EARLY, NOON + 60)


def test_no_window_at_all_is_too_late():
    assert reason(installed(grant(windows=()))) is Reason.TOO_LATE


@pytest.mark.parametrize(("offset", "opens"), [(-1, True), (0, False), (1, False), (59, False), (60, True), (61, True)])
def test_a_closure_is_half_open(offset: int, opens: bool):
    closures = (Closure(from_=NOON, until=NOON + 60, reason="room_closed"),)
    rules = installed(grant(windows=((NOON - HOUR, NOON + HOUR),)), closures=closures)
    assert judge(rules, at(NOON + offset)).granted is opens


@pytest.mark.parametrize("kind", ["cleaning", "technical", "supplier", "facility", "emergency"])
def test_a_closure_stops_renters_only(kind: str):
    assert reason(installed(grant(kind=kind), closures=CLOSED + NOT_READY)) is Reason.GRANTED


def test_closed_comes_before_not_ready_in_whatever_order_they_are_listed():
    for closures in (CLOSED + NOT_READY, NOT_READY + CLOSED):
        assert reason(installed(grant(), closures=closures)) is Reason.ROOM_CLOSED


@pytest.mark.parametrize(
    ("offset", "expected"), [(-1, Reason.GRANTED), (0, Reason.LIST_EXPIRED), (1, Reason.LIST_EXPIRED)]
)
def test_a_list_ends_at_its_second(offset: int, expected: Reason):
    fields = {"refresh_after": NOON + 60, "valid_until": NOON + 120}
    moment = at(NOON + 120 + offset)
    assert reason(installed(grant(), **fields), moment) is expected
    assert reason(installed(grant(offline_ok=True), **fields), moment) is Reason.GRANTED


def test_an_expired_list_still_judges_offline_ok_by_its_windows():
    fields = {"refresh_after": NOON, "valid_until": NOON}
    late = grant(offline_ok=True, windows=((NOON - 60, NOON),))
    assert reason(installed(late, **fields)) is Reason.TOO_LATE


# ---- a clock that cannot be believed


@pytest.mark.parametrize(
    ("offset", "expected"), [(-121, Reason.CLOCK_UNTRUSTED), (-120, Reason.GRANTED), (-119, Reason.GRANTED)]
)
def test_a_clock_before_the_lists_own_date_is_wrong(offset: int, expected: Reason):
    windows = ((NOON - HOUR, NOON + HOUR),)
    fields = {"issued": NOON, "refresh_after": NOON + DAY}
    assert reason(installed(grant(windows=windows), **fields), at(NOON + offset)) is expected


def test_offline_ok_without_a_clock_is_judged_without_windows_and_closures():
    early = grant(offline_ok=True, windows=((NOON + DAY, NOON + 2 * DAY),))
    assert reason(installed(early, closures=CLOSED), at(trusted=False)) is Reason.GRANTED


@pytest.mark.parametrize(("offset", "expected"), [(-1, Reason.GRANTED), (0, Reason.TOO_LATE), (1, Reason.TOO_LATE)])
def test_without_a_clock_only_the_floor_ends_a_grant(offset: int, expected: Reason):
    windows = ((NOON - DAY, NOON - DAY + 60), (NOON - HOUR, NOON))
    rules = installed(grant(offline_ok=True, windows=windows))
    assert reason(rules, at(NOON + DAY, trusted=False, floor_s=NOON + offset)) is expected


def test_without_a_clock_uses_and_lockdown_still_count():
    rules = installed(grant(offline_ok=True, max_uses=1))
    assert reason(rules, at(trusted=False), uses={"g1": 1}) is Reason.USED_UP
    assert reason(rules, at(trusted=False), posture="lockdown") is Reason.LOCKDOWN


def test_a_granted_pin_is_shown_as_granted_also_without_a_clock():
    verdict = judge(installed(grant(offline_ok=True)), at(trusted=False))
    assert verdict.shown is Reason.GRANTED


# ---- lockdown, uses


@pytest.mark.parametrize(("kind", "expected"), [("emergency", Reason.GRANTED), ("facility", Reason.LOCKDOWN)])
def test_lockdown_lets_emergency_in_and_nobody_else(kind: str, expected: Reason):
    assert reason(installed(grant(kind=kind)), posture="lockdown") is expected


def test_an_unlocked_door_judges_as_usual():
    assert reason(installed(grant()), posture="unlocked") is Reason.GRANTED


@pytest.mark.parametrize(("uses", "expected"), [(1, Reason.GRANTED), (2, Reason.USED_UP), (3, Reason.USED_UP)])
def test_uses_run_out(uses: int, expected: Reason):
    assert reason(installed(grant(max_uses=2)), uses={"g1": uses, "g2": 9}) is expected


# ---- what may be told


@pytest.mark.parametrize(("ahead_s", "told"), [(7_199, True), (7_200, True), (7_201, False), (3 * DAY, False)])
def test_a_pin_is_told_its_hour_only_near_it(ahead_s: int, told: bool):
    rules = installed(grant(qr=TEXT, windows=((NOON + ahead_s, NOON + 4 * DAY),)))
    by_pin, by_qr = judge(rules), judge(rules, text=TEXT)
    assert by_pin.reason is by_qr.reason is Reason.TOO_EARLY
    assert by_pin.opens_at == (NOON + ahead_s if told else None)
    assert by_pin.shown is (Reason.TOO_EARLY if told else Reason.UNKNOWN_CODE)
    assert (by_qr.opens_at, by_qr.shown) == (NOON + ahead_s, Reason.TOO_EARLY)


@pytest.mark.parametrize("fields", [{"active": False}, {"windows": ((NOON - 9 * DAY, NOON - 8 * DAY),)}])
def test_a_pin_far_from_its_window_looks_like_any_wrong_one(fields: dict[str, Any]):
    far = {"windows": ((NOON + 3 * DAY, NOON + 4 * DAY),), **fields}
    verdict = judge(installed(grant(**far)))
    assert (verdict.shown, verdict.opens_at) == (Reason.UNKNOWN_CODE, None)


@pytest.mark.parametrize(
    ("ago_s", "later_s", "told"),
    [
        (0, None, True),  # over, and nothing comes any more
        (7_199, None, True),
        (7_200, None, False),
        (0, 7 * DAY, False),  # a series: the code opens next week
        (60, 7_201, False),
        (60, 7_200, True),
    ],
)
def test_after_its_window_a_pin_is_told_only_what_is_over_or_near(ago_s: int, later_s: int | None, told: bool):
    windows = [(NOON - ago_s - 3_600, NOON - ago_s)]
    if later_s is not None:
        windows.append((NOON + later_s, NOON + later_s + 3_600))
    for active in (True, False):
        verdict = judge(installed(grant(windows=tuple(windows), active=active)))
        assert (verdict.shown is not Reason.UNKNOWN_CODE) is told
        assert verdict.opens_at is None or told


def test_without_a_clock_no_pin_is_told_anything():
    assert judge(installed(grant()), at(trusted=False)).shown is Reason.UNKNOWN_CODE


def test_duress_changes_nothing_but_the_mark():
    rules = installed(grant(pins=(PinEntry("c9", verifier_of(PIN), True),)))
    verdict = judge(rules)
    assert verdict.granted
    assert verdict.duress
    assert not judge(installed(grant())).duress
    assert not judge(installed(grant(qr=TEXT)), text=TEXT).duress
    assert not alone().duress


# ---- passes that stand alone: newer than the list, and every condition


def alone(
    number: int = NOON, now_s: int = NOON, list_fields: dict[str, Any] | None = None, **pass_fields: Any
) -> Verdict:
    return judge(installed(**(list_fields or {})), at(now_s), text=token(number, **pass_fields))


def test_a_newer_pass_opens_by_itself_as_a_renter():
    verdict = alone()
    assert verdict.granted
    assert (verdict.grant, verdict.kind, verdict.via) == ("p-0102030405", "renter", "pass")


@pytest.mark.parametrize(
    "spoiled",
    [
        {"number": NOON - DAY},  # the list's own number: not newer
        {"number": NOON - DAY - 1},
        {"list_fields": {"policy": Policy(passes=False)}},
        {"list_fields": {"pass_keys": ()}},
        {"list_fields": {"refresh_after": NOON, "valid_until": NOON}},
        {"keys": ()},
        {"keys": (OTHER_KEY,)},
        {"minutes": 0},
        {"minutes": 24 * 60 + 1},
        {"number": NOON - 7 * DAY - 60, "list_fields": {"version": 1}},
    ],
)
def test_a_pass_that_fails_one_condition_is_unknown(spoiled: dict[str, Any]):
    assert alone(**spoiled).reason is Reason.UNKNOWN_CODE


@pytest.mark.parametrize(
    "fine",
    [
        {"number": NOON - DAY + 1},
        {"keys": (OTHER_KEY, GROUP_KEY)},
        {"keys": (OTHER_KEY, b"x" * 32, GROUP_KEY)},
        {"minutes": 24 * 60},
        {"number": NOON - 7 * DAY, "list_fields": {"version": 1}},
        {"list_fields": {"refresh_after": NOON, "valid_until": NOON + 1}},
    ],
)
def test_a_pass_just_within_its_conditions_opens(fine: dict[str, Any]):
    assert alone(**fine).granted


@pytest.mark.parametrize(
    ("now_s", "more", "expected"),
    [
        (NOON - 1, {}, Reason.TOO_EARLY),
        (NOON + HOUR, {}, Reason.TOO_LATE),
        (NOON, {"closures": CLOSED}, Reason.ROOM_CLOSED),
        (NOON - HOUR - 121, {}, Reason.CLOCK_UNTRUSTED),
    ],
)
def test_all_later_rules_apply_to_a_pass(now_s: int, more: dict[str, Any], expected: Reason):
    assert alone(now_s=now_s, list_fields=more).reason is expected


def test_a_pass_in_lockdown_stays_outside():
    assert reason(installed(), posture="lockdown", text=token(NOON)) is Reason.LOCKDOWN


def test_a_pass_the_list_names_is_the_lists_however_new_it_is():
    newer = token(NOON)
    assert reason(installed(grant(qrs=(qr_entry(newer),), active=False)), text=newer) is Reason.SUSPENDED


def test_a_list_newer_than_a_pass_kills_it():
    assert alone(number=NOON, list_fields={"version": NOON}).reason is Reason.UNKNOWN_CODE


# ---- PIN and QR of one grant (R004-02)


def test_pin_and_qr_of_one_grant_get_one_verdict_at_ten_thousand_instants():
    chance = random.Random(7)
    closures = tuple(
        Closure(from_=NOON + h * HOUR, until=NOON + h * HOUR + 900, reason="room_closed") for h in range(9)
    )
    windows = tuple((NOON + h * HOUR, NOON + h * HOUR + 1_800) for h in range(0, 20, 2))
    rules = Installed(code_list(grant(qr=TEXT, windows=windows, max_uses=2), closures=closures, issued=NOON))
    for _ in range(10_000):
        moment = at(NOON + chance.randint(-HOUR, 22 * HOUR), trusted=chance.random() < 0.9)
        uses = {"g1": chance.randint(0, 2)}
        by_pin, by_qr = judge(rules, moment, uses=uses), judge(rules, moment, uses=uses, text=TEXT)
        assert (by_pin.reason, by_pin.grant, by_pin.until_s) == (by_qr.reason, by_qr.grant, by_qr.until_s)
