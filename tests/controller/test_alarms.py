"""Faults: once each way, and none of the leaf's while there is fire."""

from controller.alarms import Alarms
from controller.draft import Draft


def test_a_fault_is_written_once_each_way():
    alarms = Alarms()
    assert alarms.set("camera", True) == [Draft("fault_raised", "camera")]
    assert alarms.set("camera", True) == []
    assert alarms.faults == {"camera"}
    assert alarms.set("camera", False) == [Draft("fault_cleared", "camera")]
    assert alarms.set("camera", False) == []
    assert not alarms.faults


def test_nobody_is_asked_about_an_open_door_while_there_is_fire():
    alarms = Alarms()
    alarms.set("fire", True)
    assert alarms.set("held_open", True) == []
    assert alarms.set("forced", True) == []
    assert alarms.set("camera", True)


def test_an_alarm_from_before_the_fire_is_still_cleared():
    alarms = Alarms()
    alarms.set("held_open", True)
    alarms.set("fire", True)
    assert alarms.set("held_open", False) == [Draft("fault_cleared", "held_open")]
