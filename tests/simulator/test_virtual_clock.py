"""The time a virtual unit is told."""

import pytest

from hal import catalog
from hal.errors import UnknownDriver
from simulator import virtual_clock
from simulator.virtual_clock import VirtualClock, VirtualClockFile


def test_it_is_this_machines_time_until_somebody_steps_it(tmp_path, monkeypatch):
    monkeypatch.setattr(virtual_clock, "time_ns", lambda: 5_000_000_000)
    monkeypatch.setattr(virtual_clock, "raw_ms", lambda: 1_000)
    clock = VirtualClock(tmp_path / "clock.json")
    assert clock.ntp_ms() == 5_000
    VirtualClockFile(tmp_path / "clock.json").set(3600, 0)
    assert clock.ntp_ms() == 3_605_000
    assert clock.raw_ms() == 1_000


def test_drift_counts_from_when_it_was_set(tmp_path, monkeypatch):
    now_ms = [1_000]
    monkeypatch.setattr(virtual_clock, "raw_ms", lambda: now_ms[0])
    file = VirtualClockFile(tmp_path / "clock.json")
    file.set(0, 20_000)
    now_ms[0] += 60_000
    assert file.ahead_ms() == 1_200


@pytest.mark.parametrize(("ahead_s", "drift_ppm"), [(1e12, 0), (0, 1e9), (float("nan"), 0)])
def test_what_no_clock_tells_is_refused(tmp_path, ahead_s, drift_ppm):
    with pytest.raises(ValueError, match="no time"):
        VirtualClockFile(tmp_path / "clock.json").set(ahead_s, drift_ppm)


def test_a_driver_that_is_not_ours_is_found_by_its_entry_point():
    assert catalog.driver("clock", "virtual").open is virtual_clock.open
    with pytest.raises(UnknownDriver, match="there are: linux, host"):
        catalog.driver("clock", "sundial")
