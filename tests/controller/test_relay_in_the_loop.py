"""An exception anywhere in the controller ends it with the relay off (the driver's own lease: tests/hal)."""

import pytest

from controller.door_events import Tick
from tests.controller.wired_unit import LINES, wired_unit
from tests.hal.bench import eventually


@pytest.fixture
def unit(tmp_path, monkeypatch):
    with wired_unit(tmp_path, monkeypatch) as unit:
        unit.start()
        unit.runner._hardware.lock.release(10)
        assert eventually(lambda: unit.board.high(LINES["lock"]))
        yield unit


def broken(*_arguments: object) -> None:
    raise RuntimeError("a bug")


def run_into(unit) -> None:
    """As `run` does: the loop until an exception, then close."""
    try:
        for _ in range(200):
            unit.runner.turn()
    finally:
        unit.runner.close()
        del unit.runner


def test_an_exception_in_the_loop(unit, monkeypatch):
    monkeypatch.setattr(unit.runner._performer.door, "step", broken)
    monkeypatch.setattr(unit.runner._performer, "turn", lambda: unit.runner._performer.feed(Tick()))
    with pytest.raises(RuntimeError, match="a bug"):
        run_into(unit)
    assert unit.until_low(LINES["lock"])


@pytest.mark.parametrize("lane", ["on_disk", "open"])
def test_an_exception_in_a_job_beside_the_loop(unit, lane):
    getattr(unit.runner._beside, lane)(broken, broken)
    with pytest.raises(RuntimeError, match="a bug"):
        run_into(unit)
    assert unit.until_low(LINES["lock"])


def test_an_exception_in_a_drivers_thread_is_a_fault_and_the_lease_runs_out(unit, monkeypatch):
    port = unit.runner._hardware.switches["tamper"].port
    monkeypatch.setattr(port, "_look", broken)
    unit.runner._hardware.lock.release(0.3)
    unit.press("tamper", True)
    assert unit.until(lambda: "switch" in unit.faults)
    assert unit.until_low(LINES["lock"])
