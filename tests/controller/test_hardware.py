"""What each piece of hardware means to the door: real drivers and loop, virtual wires."""

import threading
from pathlib import Path

import pytest

from controller.config import load
from controller.formats.errors import Refused
from controller.hardware import ALARMS, Hardware
from hal.errors import HardwareFault
from tests.controller.wired_unit import LINES, WiredUnit, config_text, wired_unit


@pytest.fixture
def unit(tmp_path, monkeypatch):
    with wired_unit(tmp_path, monkeypatch) as unit:
        yield unit


def pulses(unit: WiredUnit, name: str) -> int:
    return sum(change.high for change in unit.board.history(LINES[name]))


@pytest.mark.parametrize(("switch", "fault"), ALARMS.items())
def test_a_switch_is_a_fault_for_as_long_as_it_is_active(unit, switch, fault):
    unit.start()
    assert fault not in unit.faults
    unit.press(switch, True)
    assert unit.until(lambda: fault in unit.faults)
    unit.press(switch, False)
    assert unit.until(lambda: fault not in unit.faults)
    kinds = [(event["kind"], event.get("reason")) for event in unit.events()]
    assert [kind for kind, reason in kinds if reason == fault] == ["fault_raised", "fault_cleared"]


@pytest.mark.parametrize(("switch", "fault"), ALARMS.items())
def test_what_was_active_before_the_start_is_a_fault_too(unit, switch, fault):
    unit.press(switch, True)
    unit.start()
    assert fault in unit.faults


def test_every_key_clicks_alike(unit):
    unit.start()
    for number, key in enumerate("0123456789*", 1):
        unit.keypad.press(key, 0)
        assert unit.until(lambda number=number: pulses(unit, "sound") == number)
    assert "log" not in unit.faults


def test_while_there_is_fire_the_buzzer_is_silent(unit):
    unit.start()
    unit.press("fire", True)
    assert unit.until(lambda: "fire" in unit.faults)
    unit.keypad.press("7", 0)
    assert unit.until(lambda: unit.runner._performer.door.typed == 1)
    assert pulses(unit, "sound") == 0
    unit.press("fire", False)
    assert unit.until(lambda: "fire" not in unit.faults)
    unit.keypad.press("7", 0)
    assert unit.until(lambda: pulses(unit, "sound") == 1)


def test_fire_opens_and_locks_nothing(unit):
    unit.start()
    unit.press("fire", True)
    assert unit.until(lambda: "fire" in unit.faults)
    unit.press("fire", False)
    assert unit.until(lambda: "fire" not in unit.faults)
    assert pulses(unit, "lock") == 0


def test_the_housing_button_is_looked_at_and_not_recorded(unit):
    unit.start()
    unit.runner.turn()
    before = len(unit.events())
    unit.press("housing_button", True)
    assert unit.until(lambda: unit.runner._hardware.active("housing_button"))
    assert len(unit.events()) == before


def test_a_scanned_text_is_a_qr_text(unit):
    unit.start()
    unit.scanner.press("ZS1:" + "A" * 56 + "\r\n", 0)
    assert unit.until(lambda: any(event["kind"] == "refused" for event in unit.events()))


def test_a_scanner_that_goes_is_a_fault_until_it_comes_back(unit):
    unit.start()
    unit.scanner.plug(False)
    assert unit.until(lambda: "scanner" in unit.faults)
    unit.scanner.plug(True)
    assert unit.until(lambda: "scanner" not in unit.faults)


def test_a_device_that_takes_long_to_find_holds_nobody_up(unit, monkeypatch):
    unit.start()
    found = threading.Event()
    scanner = unit.runner._hardware.scanners["outside"]
    really_open = scanner.open

    def open_slowly() -> object:
        found.wait(10)
        return really_open()

    monkeypatch.setattr(scanner, "open", open_slowly)
    unit.scanner.plug(False)
    assert unit.until(lambda: "scanner" in unit.faults)
    unit.scanner.plug(True)
    assert unit.until(lambda: scanner in unit.runner._opening)
    unit.keypad.press("7", 0)
    assert unit.until(lambda: unit.runner._performer.door.typed == 1)
    assert scanner.port is None, "still looking"
    found.set()
    assert unit.until(lambda: "scanner" not in unit.faults)


def test_a_fault_of_two_keypads_is_over_when_both_are_there(tmp_path, monkeypatch):
    more = f'[keypads.inside]\ndriver = "serial"\ndevice = "{tmp_path / "second"}"\ninside = true\n'
    with wired_unit(tmp_path, monkeypatch, more) as unit:
        unit.start()
        assert "keypad" in unit.faults
        unit.keypad.plug(False)
        assert unit.until(lambda: unit.runner._hardware.keypads["outside"].port is None)
        unit.keypad.plug(True)
        assert unit.until(lambda: unit.runner._hardware.keypads["outside"].port is not None)
        assert "keypad" in unit.faults
        assert unit.runner._hardware.inside == {"inside"}


def test_a_lamp_that_breaks_is_a_fault_and_stops_nothing(unit, monkeypatch):
    def dark(_signal: str) -> None:
        raise HardwareFault("I/O error")

    unit.start()
    signals = unit.runner._hardware.signals
    with monkeypatch.context() as broken:
        broken.setattr(signals._light, "show", dark)
        signals.show("granted")
        assert unit.until(lambda: "light" in unit.faults)
        unit.keypad.press("7", 0)
        assert unit.until(lambda: unit.runner._performer.door.typed == 1)
    signals.show("idle")
    assert unit.until(lambda: "light" not in unit.faults)


def test_a_door_without_any_reader_is_refused(tmp_path: Path):
    text = config_text(tmp_path)
    path = tmp_path / "door.toml"
    path.write_text(text[: text.index("[keypads")])
    with pytest.raises(Refused, match="needs a keypad, a scanner or a camera"):
        Hardware(load(path))
