"""The unit file against itself."""

from controller.checks.wiring import wiring
from controller.config import Config

TABLES = {
    "door": {"id": "hall-1", "data": "data", "sockets": "run"},
    "lock": {"driver": "gpio", "pin": 17},
    "contact": {"driver": "gpio", "pin": 23},
    "tamper": {"driver": "gpio", "pin": 25},
    "light": {"driver": "gpio", "pin": 22},
    "sound": {"driver": "gpio", "pin": 18},
    "clock": {"driver": "linux"},
}


def colours(**more):
    return {(finding.check, finding.colour) for finding in wiring(Config({**TABLES, **more}))}


def test_all_there_is_green():
    assert colours() == {("wiring", "green")}


def test_a_line_used_twice_is_red():
    assert colours(fire={"driver": "gpio", "pin": 17}) == {("wiring", "red")}


def test_what_is_missing_is_amber():
    tables = {section: table for section, table in TABLES.items() if section not in {"tamper", "sound"}}
    ambers = [finding for finding in wiring(Config(tables)) if finding.colour == "amber"]
    assert [finding.do for finding in ambers] == ["wire it and add [tamper]", "wire it and add [sound]"]


def test_a_device_that_is_not_plugged_in_is_red(tmp_path):
    pad = {"driver": "serial", "device": str(tmp_path / "keypad")}
    assert ("device keypads.outside", "red") in colours(keypads={"outside": pad})
    (tmp_path / "keypad").touch()
    assert ("device keypads.outside", "red") not in colours(keypads={"outside": pad})
    assert ("device camera", "red") in colours(camera={"driver": "opencv", "source": "/dev/video99"})
    assert ("device camera_inside", "red") in colours(camera_inside={"driver": "opencv", "source": "/dev/video99"})
