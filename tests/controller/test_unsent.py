"""A unit that no hub has heard for three months gives up its oldest records, and says so."""

from pathlib import Path

from controller.eventlog import DAY_S
from tests.controller.enrolled_unit import EnrolledUnit, Town


def test_a_unit_nobody_answers_begins_a_new_log_behind_a_loss(tmp_path: Path):
    unit = EnrolledUnit(tmp_path / "data", Town())
    old_log, last = unit.unit.log.log, unit.unit.log.end.seq
    unit.pass_time(98 * DAY_S)
    unit.pass_time(10)
    assert unit.unit.log.log != old_log
    (loss,) = unit.events("loss")
    assert (loss["reason"], loss["detail"]["old_log"], loss["detail"]["first"]) == ("unsent_too_long", old_log, 1)
    assert loss["detail"]["count"] >= last
    assert not [event for event in unit.events() if event["log"] == old_log]
    assert [event["seq"] for event in unit.events()] == list(range(1, unit.unit.log.end.seq + 1))
    assert unit.batches()[-1].body, "the new log is on its way"
