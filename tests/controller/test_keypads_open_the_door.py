"""A PIN typed at the far end of each keypad driver opens the door: wires, driver, loop, decision, record, relay."""

import time

import pytest

from controller.door_events import ListInstalled
from hal import catalog
from tests.controller.wired_unit import LINES, WiredUnit, wired_unit
from tests.controller.worlds import PIN, grant, installed
from tests.hal.keypads import MatrixPad, WiegandPad, far_end_of

ON_THE_HEADER: dict[str, type[MatrixPad] | type[WiegandPad]] = {"matrix": MatrixPad, "wiegand": WiegandPad}
"""Their wires are on the board that the lock is on."""
SETTINGS: dict[str, dict[str, object]] = {
    "matrix": {"rows": list(MatrixPad.rows), "columns": list(MatrixPad.columns), "debounce_ms": 10},
    "wiegand": {"d0": WiegandPad.d0, "d1": WiegandPad.d1, "gap_ms": 200},
}


def as_toml(settings: dict[str, object]) -> str:
    return "".join(f"{name} = {value!r}\n".replace("'", '"') for name, value in settings.items())


def admit(unit: WiredUnit) -> None:
    """Put a list in force that lets the PIN in now."""
    now_s = int(time.time())
    window = (now_s - 60, now_s + 3_600)
    unit.runner._performer.feed(
        ListInstalled(installed(grant(windows=(window,)), issued=now_s - 60, valid_until=now_s + 86_400))
    )


def released(unit: WiredUnit) -> int:
    return sum(change.high for change in unit.board.history(LINES["lock"]))


@pytest.fixture(params=sorted(set(catalog.DRIVERS["keypad"]) - set(ON_THE_HEADER)))
def door(request, tmp_path, monkeypatch):
    (tmp_path / "far").mkdir()
    with far_end_of(request.param, tmp_path / "far", monkeypatch) as pad:
        more = f'[keypads.tried]\ndriver = "{request.param}"\n{as_toml(pad.settings)}'
        with wired_unit(tmp_path, monkeypatch, more) as unit:
            unit.start()
            admit(unit)
            yield unit, pad


@pytest.fixture(params=sorted(ON_THE_HEADER))
def wired_door(request, tmp_path, monkeypatch):
    more = f'[keypads.tried]\ndriver = "{request.param}"\n{as_toml(SETTINGS[request.param])}'
    with wired_unit(tmp_path, monkeypatch, more) as unit:
        unit.start()
        admit(unit)
        yield unit, ON_THE_HEADER[request.param](tmp_path, unit.board)


def test_a_pin_typed_on_bare_wires_opens(wired_door):
    unit, pad = wired_door
    pad.press(PIN)
    assert unit.until(lambda: released(unit) == 1)


def test_the_right_pin_opens_and_a_wrong_one_does_not(door):
    unit, pad = door
    pad.press("111111")
    assert unit.until(lambda: any(event["kind"] == "refused" for event in unit.events()))
    assert released(unit) == 0
    pad.press(PIN + "#")
    assert unit.until(lambda: released(unit) == 1)
    kinds = [event["kind"] for event in unit.events()]
    assert kinds.index("granted") > kinds.index("refused")


def test_a_cable_that_is_pulled_is_a_fault_and_the_pin_works_again_afterwards(door):
    unit, pad = door
    pad.press(PIN[:3])
    pad.plug(False)
    assert unit.until(lambda: "keypad" in unit.faults)
    pad.plug(True)
    assert unit.until(lambda: "keypad" not in unit.faults, 15.0)
    pad.press("*" + PIN)
    assert unit.until(lambda: released(unit) == 1)
