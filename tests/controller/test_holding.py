"""Postures at the door: who may change them, how long they last, which one wins."""

from typing import Any

import pytest

from controller.door_events import (
    Derive,
    Hold,
    Keep,
    LeafMoved,
    ListInstalled,
    Record,
    Show,
)
from controller.draft import Draft
from controller.formats.code_list import PinEntry
from controller.memory import Memory
from controller.posture import Posture as Stance
from tests.controller.worlds import (
    DAY,
    HOUR,
    NOON,
    PIN,
    STAFF,
    STAFF_PIN,
    Bench,
    grant,
    installed,
    kinds,
    listed,
    records,
    types_of,
    verifier_of,
)


def test_staff_unlock_until_their_window_ends_and_lock_again():
    bench = Bench(installed(replace_windows(STAFF, NOON + HOUR)))
    effects = bench.keys("*#1" + STAFF_PIN)
    assert types_of(effects) == [Derive, Keep, Record, Hold, Show]
    (posture,) = records(effects)
    assert posture == Draft(
        "posture", None, "s1", "c1", "pin", {"state": "unlocked", "until": NOON + HOUR, "by": "keypad"}
    )
    assert bench.door.tries_left(bench.now()) == 10
    assert effects[2].kept["tries"] == 10  # type: ignore[union-attr]
    assert [d.detail["by"] for d in records(bench.step(LeafMoved(True)))] == ["unlocked"]
    assert Hold(False) in bench.keys("*#1" + STAFF_PIN)


def replace_windows(whose: Any, until_s: int) -> Any:
    return grant(whose.id, pin=STAFF_PIN, kind=whose.kind, windows=((NOON - DAY, until_s),))


def test_unlocked_ends_by_time():
    bench = Bench(installed(replace_windows(STAFF, NOON + HOUR)))
    bench.keys("*#1" + STAFF_PIN)
    assert Hold(False) not in bench.wait(HOUR - 1)
    effects = bench.wait(1)
    assert Hold(False) in effects
    assert [d.detail["by"] for d in records(effects) if d.kind == "posture"] == ["time"]


def test_unlocked_never_lasts_longer_than_twelve_hours():
    bench = Bench(installed(replace_windows(STAFF, NOON + 5 * DAY)))
    (posture,) = records(bench.keys("*#1" + STAFF_PIN))
    assert posture.detail["until"] == NOON + 12 * HOUR


def test_a_clock_that_is_set_back_makes_unlocked_no_longer():
    bench = Bench(installed(replace_windows(STAFF, NOON + 5 * DAY)), start_s=NOON + 20 * HOUR)
    bench.keys("*#1" + STAFF_PIN)
    bench.wait(HOUR)
    bench.start_s -= 20 * HOUR
    assert Hold(False) not in bench.wait(11 * HOUR - 1)
    assert Hold(False) in bench.wait(1)
    assert Hold(True) in bench.keys("*#1" + STAFF_PIN), "and staff may ask for it again"


def test_unlocked_ends_when_the_clock_is_not_trusted():
    bench = Bench(installed(STAFF))
    bench.keys("*#1" + STAFF_PIN)
    bench.clock = "floor"
    assert Hold(False) in bench.wait(0)


@pytest.mark.parametrize(
    ("kind", "clock", "reason"), [("renter", "synced", "unknown_code"), ("facility", "floor", "clock_untrusted")]
)
def test_who_may_not_unlock(kind: str, clock: Any, reason: str):
    bench = Bench(installed(grant(kind=kind, offline_ok=True)), clock=clock)
    effects = bench.keys("*#1" + PIN)
    assert [d.reason for d in records(effects)] == [reason]
    assert Hold(True) not in effects
    assert bench.door.tries_left(bench.now()) == 9


def test_staff_cannot_unlock_a_lockdown():
    bench = Bench(installed(STAFF), memory=Memory(tries=10, posture=Stance("lockdown", 1)))
    assert [d.reason for d in records(bench.keys("*#1" + STAFF_PIN))] == ["lockdown"]


def test_a_duress_pin_unlocks_and_says_so():
    staff = grant("s1", kind="facility", pins=(PinEntry("c9", verifier_of(STAFF_PIN), True),))
    bench = Bench(installed(staff))
    assert records(bench.keys(STAFF_PIN))[0].detail["duress"] is True
    assert records(bench.keys("*#1" + STAFF_PIN))[0].detail["duress"] is True


def test_under_duress_nothing_looks_different():
    """Neither what the lock does nor what the light shows may tell an attacker."""

    def seen(duress: bool) -> list[Any]:
        staff = grant("s1", kind="facility", pins=(PinEntry("c9", verifier_of(STAFF_PIN), duress),))
        bench = Bench(installed(staff))
        effects = [*bench.keys(STAFF_PIN), *bench.wait(20)]
        return [effect for effect in effects if not isinstance(effect, Record)]

    assert seen(True) == seen(False)


def test_of_two_postures_the_newer_wins():
    bench = Bench()
    bench.step(ListInstalled(listed("lockdown", 10)))
    assert bench.door.posture(bench.now()).state == "lockdown"
    bench.step(ListInstalled(listed("controlled", 9)))
    assert bench.door.posture(bench.now()).state == "lockdown"
    effects = bench.step(ListInstalled(listed("unlocked", 11, NOON + HOUR)))
    assert effects[-1] == Hold(True)
    bench.step(ListInstalled(listed("lockdown", 11)))
    assert bench.door.posture(bench.now()).state == "lockdown"


def test_a_posture_that_is_over_does_not_come_back_with_the_next_list():
    bench = Bench()
    bench.step(ListInstalled(listed("unlocked", 10, NOON + 60)))
    bench.wait(60)
    assert Hold(True) not in bench.step(ListInstalled(listed("unlocked", 10, NOON + HOUR)))


def test_the_lists_posture_holds_after_the_memory_was_lost():
    bench = Bench(listed("lockdown", 10), memory=Memory.restore(None))
    effects = bench.door.start([Draft("boot")], bench.now())
    assert kinds(effects) == ["boot", "posture"]
    assert bench.door.posture(bench.now()).state == "lockdown"
