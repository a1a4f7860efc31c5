"""What travels in a list, and the numbers it travels under."""

import msgspec

from controller.formats.code_list import Closure, CodeList, PinEntry, PinKdf, Policy, dump, parse
from controller.formats.encoding import b64
from sync.hub.issuing.issuer import (
    DAY_S,
    DoorRecord,
    GrantRecord,
    GrantState,
    Said,
    build_list,
    content_hash,
    next_number,
    windows_moved,
)

NOW = 1_784_000_000
DOOR = DoorRecord(id="hall-1", epoch=1, kdf=PinKdf(salt=b64(bytes(16))), policy=Policy(), pass_keys=())


def grant(name: str, start: int, until: int, state: GrantState = "active", fill: int = 0) -> GrantRecord:
    pin = PinEntry(f"c-{name}", b64(bytes([fill]) * 32), False)
    return GrantRecord(id=name, kind="renter", state=state, openings=((start, until),), pins=(pin,))


def test_states_and_horizon_decide_what_travels():
    records = [
        grant("now", NOW, NOW + 60, fill=1),
        grant("stopped", NOW, NOW + 60, "suspended", fill=2),
        grant("asked", NOW, NOW + 60, "pending"),
        grant("off", NOW, NOW + 60, "cancelled"),
        grant("old", NOW - 2 * DAY_S, NOW - DAY_S),
        grant("yesterday", NOW - DAY_S, NOW - DAY_S + 1, fill=3),
        grant("far", NOW + 21 * DAY_S, NOW + 22 * DAY_S),
    ]
    code_list = build_list(DOOR, records, number=NOW, now_s=NOW)
    assert [(each.id, each.active) for each in code_list.grants] == [
        ("now", True),
        ("stopped", False),
        ("yesterday", True),
    ]
    assert (code_list.refresh_after, code_list.valid_until) == (NOW + DAY_S, NOW + 21 * DAY_S)
    assert parse(dump(code_list)) == code_list


def test_openings_are_joined_and_order_does_not_matter():
    one, two = grant("a", 10, 20, fill=1), grant("b", 10, 20, fill=2)
    late = GrantRecord(id="c", kind="renter", state="active", openings=((30, 40), (10, 20), (20, 30)))
    closures = [Closure(from_=5, until=6, reason="room_closed"), Closure(from_=1, until=2, reason="room_closed")]
    left = build_list(DOOR, [one, two, late], closures, number=1, now_s=0)
    right = build_list(DOOR, [late, two, one], closures[::-1], number=1, now_s=0)
    assert left == right
    assert left.grants[2].windows == ((10, 40),)


def test_content_is_what_is_left_without_numbers_and_times():
    records = [grant("a", NOW, NOW + 60)]
    today, tomorrow = (build_list(DOOR, records, number=n, now_s=n) for n in (NOW, NOW + 500))
    assert content_hash(today) == content_hash(tomorrow)
    assert content_hash(today) != content_hash(build_list(DOOR, [], number=NOW, now_s=NOW))


def test_who_opens_at_other_times_than_the_list_before_said():
    def listed(*records: GrantRecord, now: int = NOW) -> CodeList:
        return build_list(DOOR, records, number=now, now_s=now)

    def moved(before: CodeList, now: CodeList) -> list[str]:
        return windows_moved(msgspec.json.decode(dump(before), type=Said), now)

    def later(name: str, start: int, fill: int) -> GrantRecord:
        return grant(name, NOW + start, NOW + start + 600, fill=fill)

    before = listed(later("a", 60, 1), later("b", 60, 2), later("gone", 60, 3))
    assert moved(before, before) == []
    assert moved(before, listed(later("a", 60, 1), later("b", 70, 2), later("new", 60, 3))) == ["b"]
    # What is over by now, and what came into sight, is no other time.
    today, far = later("s", 60, 1), later("s", 22 * DAY_S, 1)
    assert moved(listed(today), listed(far, now=NOW + 2 * DAY_S)) == []


def test_numbers_never_fall_behind():
    assert next_number(5, 3, 1) == 6
    assert next_number(5, 100, 1) == 100
    assert next_number(5, 100, 200) == 201
