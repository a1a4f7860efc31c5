"""Time: every rule of the clock, as a sentence."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.clock import Clock, Readings, Restored

T = 1_784_289_600_000  # UTC milliseconds
MIN, HOUR, DAY = 60_000, 3_600_000, 86_400_000
FLOOR_S = T // 1000 - 3_600


def start(ntp: int | None = None, rtc: int | None = None, floor_s: int = FLOOR_S, **more: Any) -> Clock:
    return Clock.start(Readings(0, ntp, rtc), floor_s, **more)


def observe(clock: Clock, raw_ms: int, ntp: int | None) -> None:
    clock.observe(Readings(raw_ms, ntp, None))


# ---- at start


def test_ntp_at_start_is_synced():
    clock = start(ntp=T)
    assert (clock.state, clock.utc_ms(5), clock.fault) == ("synced", T + 5, False)


def test_rtc_at_start_is_holdover():
    clock = start(rtc=T)
    assert (clock.state, clock.utc_ms(5), clock.fault) == ("holdover", T + 5, False)


@pytest.mark.parametrize(
    ("off", "state", "fault"), [(60_000, "synced", False), (60_001, "holdover", True), (-60_001, "holdover", True)]
)
def test_where_ntp_and_rtc_differ_rtc_counts_and_it_is_a_fault(off: int, state: str, fault: bool):
    clock = start(ntp=T + off, rtc=T)
    assert (clock.state, clock.fault) == (state, fault)
    assert clock.utc_ms(0) == (T if fault else T + off)


@pytest.mark.parametrize("source", ["ntp", "rtc"])
@pytest.mark.parametrize(("off", "trusted"), [(-1, False), (0, True)])
def test_what_lies_before_the_floor_is_not_believed(source: str, off: int, trusted: bool):
    clock = start(**{source: FLOOR_S * 1000 + off})
    assert clock.trusted is trusted
    assert clock.state in ({"synced", "holdover"} if trusted else {"floor"})


def test_nothing_readable_is_floor_or_without_one_bad():
    clock = start()
    assert (clock.state, clock.utc_ms(0)) == ("floor", FLOOR_S * 1000)
    assert start(floor_s=0).state == "bad"


def test_floor_ends_when_ntp_reaches_it():
    clock = start()
    observe(clock, MIN, FLOOR_S * 1000 - 1)
    assert clock.state == "floor"
    observe(clock, 2 * MIN, T)
    assert (clock.state, clock.utc_ms(2 * MIN)) == ("synced", T)


@pytest.mark.parametrize("floor_s", [FLOOR_S, 0])
def test_floor_and_bad_end_with_a_signed_reading(floor_s: int):
    clock = start(floor_s=floor_s)
    assert clock.signed(MIN, T - 2 * HOUR)
    assert (clock.state, clock.utc_ms(MIN)) == ("synced", T - 2 * HOUR)
    assert clock.floor_s(MIN) == (T - 2 * HOUR) // 1000 - 120


def test_a_restart_within_a_boot_goes_on_from_what_was_written_down():
    before = start(ntp=T)
    clock = Clock.start(Readings(HOUR, None, T - DAY), FLOOR_S, before.restorable(10 * MIN))
    assert (clock.utc_ms(HOUR), clock.state) == (T + HOUR, "holdover")


def test_an_untrusted_clock_is_not_gone_on_from():
    restored = Restored(0, T + DAY, "floor", "none")
    assert start(rtc=T, restored=restored).utc_ms(0) == T


# ---- while running


def test_time_is_the_last_reading_plus_what_passed():
    clock = start(rtc=T)
    for raw_ms in range(0, DAY, HOUR):
        observe(clock, raw_ms, None)
        assert clock.utc_ms(raw_ms) == T + raw_ms


@pytest.mark.parametrize("sign", [1, -1])
def test_ntp_pulls_by_a_second_a_minute_at_most(sign: int):
    clock = start(ntp=T)
    for minute in range(1, 31):
        observe(clock, minute * MIN, T + minute * MIN + sign * 30_000)
        assert clock.utc_ms(minute * MIN) - T - minute * MIN == sign * minute * 1_000
    observe(clock, 31 * MIN, T + 31 * MIN + sign * 30_000)
    assert clock.utc_ms(31 * MIN) - T - 31 * MIN == sign * 30_000


def test_often_observed_pulls_no_faster():
    clock = start(ntp=T)
    for raw_ms in range(0, MIN + 1, 10):
        observe(clock, raw_ms, T + raw_ms + 30_000)
    assert clock.utc_ms(MIN) - T - MIN <= 1_000


@pytest.mark.parametrize(
    ("raw_ms", "off", "holds"),
    [(0, 60_000, True), (0, 60_001, False), (DAY, 68_640, True), (DAY, 68_641, False), (DAY, -68_641, False)],
)
def test_ntp_may_be_off_by_a_minute_and_a_crystals_drift(raw_ms: int, off: int, holds: bool):
    clock = start(rtc=T)
    observe(clock, raw_ms, T + raw_ms + off)
    assert (clock.state, clock.fault) == (("synced", False) if holds else ("holdover", True))
    if not holds:
        assert clock.utc_ms(raw_ms) == T + raw_ms


def test_a_signed_reading_narrows_what_ntp_may_be_off():
    clock = start(rtc=T)
    clock.signed(DAY, T + DAY)
    observe(clock, DAY, T + DAY + 60_001)
    assert (clock.state, clock.fault) == ("holdover", True)


@pytest.mark.parametrize("off", [-60_000, 0, 60_000])
def test_a_near_signed_reading_confirms_and_moves_nothing(off: int):
    clock = start(rtc=T)
    assert clock.signed(HOUR, T + HOUR + off)
    assert (clock.state, clock.utc_ms(HOUR)) == ("synced", T + HOUR)


@pytest.mark.parametrize("off", [-60_001, 60_001, -DAY, DAY])
def test_a_far_signed_reading_sets_the_clock(off: int):
    clock = start(rtc=T)
    assert clock.signed(HOUR, T + HOUR + off)
    assert clock.utc_ms(HOUR) == T + HOUR + off


def test_not_while_ntp_holds_that_has_agreed_with_a_signed_reading():
    clock = start(ntp=T)
    clock.signed(0, T)
    assert not clock.signed(MIN, T + MIN + 60_001)
    assert (clock.utc_ms(MIN), clock.fault) == (T + MIN, True)


def test_ntp_that_never_agreed_with_one_does_not_protect():
    clock = start(ntp=T)
    assert clock.signed(MIN, T + MIN + HOUR)
    assert (clock.utc_ms(MIN), clock.state, clock.fault) == (T + MIN + HOUR, "holdover", True)


def test_ntp_that_holds_by_the_clock_but_is_far_from_the_signed_time_has_not_agreed():
    clock = start(rtc=T)
    observe(clock, 0, T + 50_000)
    assert clock.signed(0, T - 50_000)
    assert clock.signed(MIN, T + MIN + HOUR)


def test_the_fault_of_an_unbelieved_signed_reading_stays_until_one_is_believed():
    clock = start(ntp=T)
    clock.signed(0, T)
    clock.signed(MIN, T + MIN + HOUR)
    for minute in range(2, 10):
        observe(clock, minute * MIN, T + minute * MIN)
        assert clock.fault
    clock.signed(10 * MIN, T + 10 * MIN)
    assert not clock.fault


@pytest.mark.parametrize("source", ["ntp", "rtc"])
def test_more_than_a_day_off_needs_a_day_of_saying_so(source: str):
    clock = start(**{source: T})
    far = T + 3 * DAY
    for raw_ms in range(0, DAY, HOUR):
        assert not clock.signed(raw_ms, far + raw_ms)
        assert clock.fault
    assert clock.signed(DAY, far + DAY)
    assert clock.utc_ms(DAY) == far + DAY


def test_a_believed_reading_in_between_starts_the_day_anew():
    clock = start(rtc=T)
    assert not clock.signed(0, T + 3 * DAY)
    assert clock.signed(HOUR, T + HOUR)
    assert not clock.signed(DAY, T + 4 * DAY)


def test_more_than_a_day_off_is_believed_when_ntp_says_so_too():
    clock = start(rtc=T)
    observe(clock, MIN, T + 3 * DAY)
    assert clock.signed(MIN, T + 3 * DAY + 60_000)
    assert clock.utc_ms(MIN) == T + 3 * DAY + 60_000


def test_more_than_a_day_off_a_signed_time_is_believed_at_once():
    clock = start()
    clock.signed(0, T)
    assert clock.signed(MIN, T + 9 * DAY)


# ---- the floor


def test_a_believed_signed_reading_sets_the_floor_also_downward():
    clock = start(rtc=T)
    clock.signed(0, T)
    assert clock.kept_floor_s(0) == T // 1000 - 120
    clock.signed(MIN, T - HOUR)
    assert clock.kept_floor_s(MIN) == (T - HOUR) // 1000 - 120


def test_one_that_is_not_believed_leaves_it():
    clock = start(rtc=T)
    clock.signed(0, T + 9 * DAY)
    assert clock.kept_floor_s(0) == FLOOR_S


def test_the_floor_moves_on_at_a_thousandth_less_than_time():
    clock = start()
    assert clock.kept_floor_s(1_000_000_000) == FLOOR_S + 999_000


def test_unsigned_time_never_moves_the_floor():
    clock = start(ntp=T)
    for hour in range(1, 48):
        observe(clock, hour * HOUR, T + hour * HOUR + 59_000)
    assert clock.kept_floor_s(48 * HOUR) == FLOOR_S + int(0.999 * 48 * 3_600)


def test_while_trusted_the_floor_lies_two_minutes_back_at_least():
    clock = start(rtc=T)
    clock.signed(0, T + 60_000)
    assert clock.kept_floor_s(0) == T // 1000 - 60
    assert clock.floor_s(0) == T // 1000 - 120


def test_a_time_floor_of_trust_sets_it_and_ends_a_time_before_it():
    clock = start(rtc=T)
    clock.set_floor(0, T // 1000 - 1)
    assert clock.trusted
    clock.set_floor(0, T // 1000 + 1)
    assert (clock.state, clock.utc_ms(0)) == ("floor", T + 1_000)
    clock.set_floor(0, T // 1000 - 10)
    assert clock.floor_s(0) == T // 1000 - 10


def test_a_time_floor_helps_a_clock_that_had_nothing():
    clock = start(floor_s=0)
    clock.set_floor(0, T // 1000)
    assert clock.state == "floor"


READING = st.one_of(st.none(), st.integers(-2 * DAY, 2 * DAY))


@given(
    READING,
    READING,
    st.lists(st.tuples(st.integers(0, HOUR), st.sampled_from(["ntp", "signed", "floor"]), READING), max_size=30),
)
def test_whatever_is_read_the_floor_stays_behind_and_time_runs(ntp: int | None, rtc: int | None, steps: list[Any]):
    clock = start(ntp=None if ntp is None else T + ntp, rtc=None if rtc is None else T + rtc)
    raw_ms = 0
    for gap_ms, what, off in steps:
        raw_ms += gap_ms
        reading = None if off is None else T + raw_ms + off
        if what == "ntp":
            observe(clock, raw_ms, reading)
        elif what == "signed" and reading is not None:
            clock.signed(raw_ms, reading)
        elif reading is not None:
            clock.set_floor(raw_ms, reading // 1000)
        if clock.trusted:
            assert clock.floor_s(raw_ms) * 1000 <= clock.utc_ms(raw_ms) - 120_000
        assert clock.utc_ms(raw_ms + 1_000) >= clock.utc_ms(raw_ms)
        assert clock.state != "bad" or clock.kept_floor_s(raw_ms) == 0
