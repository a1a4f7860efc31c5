"""A unit that no hub has heard for three months gives up its oldest records, and says so."""

from pathlib import Path

from controller.eventlog import DAY_S
from tests.controller.enrolled_unit import EnrolledUnit, Town
from tests.controller.worlds import NOON


def test_a_unit_nobody_answers_begins_a_new_log_behind_a_loss(tmp_path: Path):
    unit = EnrolledUnit(tmp_path / "data", Town())
    unit.receipt(1, number=1)
    unit.keys("1#")
    old_log, last = unit.unit.log.log, unit.unit.log.end.seq
    unit.pass_time(98 * DAY_S)
    unit.pass_time(10)
    assert unit.unit.log.log != old_log
    (loss,) = unit.events("loss")
    assert (loss["reason"], loss["detail"]["old_log"], loss["detail"]["first"]) == ("unsent_too_long", old_log, 2)
    assert loss["detail"]["count"] >= last - 1
    assert not [event for event in unit.events() if event["log"] == old_log and event["seq"] > 1]
    new = [event["seq"] for event in unit.events() if event["log"] == unit.unit.log.log]
    assert new == list(range(1, unit.unit.log.end.seq + 1))
    assert unit.batches()[-1].body, "the new log is on its way"


def test_a_forged_clock_makes_no_door_throw_records_away(tmp_path: Path):
    """A start believes NTP; what is thrown away for its age is judged by signed time alone."""
    unit = EnrolledUnit(tmp_path / "data", Town())
    unit.receipt(1, number=1)
    unit.keys("1#")
    old_log = unit.unit.log.log
    unit.clock.ntp_ms = lambda: (NOON + 365 * DAY_S) * 1000 + unit.clock.passed_ms  # type: ignore[method-assign]
    unit.clock.rtc_ms = lambda: None  # type: ignore[method-assign]
    unit.clock.boot_id = lambda: "another"  # type: ignore[method-assign]
    unit.start()
    unit.pass_time(DAY_S)
    unit.pass_time(10)
    assert unit.performer.now().utc_s > NOON + 300 * DAY_S
    assert unit.unit.log.log == old_log
    assert not unit.events("loss")


def test_a_forged_clock_makes_no_door_throw_away_what_was_just_signed_for(tmp_path: Path):
    """A week after its receipt a record goes; that week is one of signed time as well."""
    unit = EnrolledUnit(tmp_path / "data", Town())
    unit.receipt(1, number=1)
    unit.clock.ntp_ms = lambda: (NOON + 365 * DAY_S) * 1000 + unit.clock.passed_ms  # type: ignore[method-assign]
    unit.clock.rtc_ms = lambda: None  # type: ignore[method-assign]
    unit.clock.boot_id = lambda: "another"  # type: ignore[method-assign]
    unit.start()
    unit.pass_time(DAY_S)
    unit.pass_time(10)
    assert unit.events()[0]["seq"] == 1
    unit.pass_time(8 * DAY_S)
    unit.keys("1#")
    unit.pass_time(10)
    assert unit.events()[0]["seq"] == 2


def test_what_is_signed_for_after_a_long_outage_stays_a_week(tmp_path: Path):
    """The floor still stands where it was, the receipt says what day it is."""
    unit = EnrolledUnit(tmp_path / "data", Town())
    unit.clock.ntp_ms = lambda: (NOON + 60 * DAY_S) * 1000 + unit.clock.passed_ms  # type: ignore[method-assign]
    unit.clock.rtc_ms = lambda: None  # type: ignore[method-assign]
    unit.clock.boot_id = lambda: "another"  # type: ignore[method-assign]
    unit.start()
    unit.keys("1#")
    unit.receipt(unit.unit.log.end.seq, number=1, issued=NOON + 60 * DAY_S)
    unit.pass_time(DAY_S)
    unit.pass_time(10)
    assert unit.performer.now().floor_s > NOON + 59 * DAY_S
    assert unit.events()[0]["seq"] == 1
