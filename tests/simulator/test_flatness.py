"""The judge of the soak: what grows is found, what only warms up or waits for a busy machine is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.flatness import MEBI, Flatness, Rule, Series, judge_all

MINUTES = 60


def series(rule: Rule, *values: float) -> Series:
    """These values at equal distances over an hour."""
    step = MINUTES / (len(values) - 1)
    return Series("it", "", rule, tuple((index * step, value) for index, value in enumerate(values)))


def verdict(*watched: Series) -> Flatness:
    [only] = judge_all(watched)
    return only


def line(start: float, slope: float) -> list[float]:
    return [start + slope * minute for minute in range(MINUTES + 1)]


@pytest.mark.parametrize("rule", ["memory", "count", "latency", "growth"])
@given(level=st.floats(0, 1e12), count=st.integers(9, 400))
def test_what_does_not_move_is_flat(rule: Rule, level: float, count: int):
    assert verdict(series(rule, *[level] * count)).flat


def test_a_leak_is_found_and_warming_up_is_not():
    leak_of_1_mb_a_minute = line(60e6, 1e6)
    assert not verdict(series("memory", *leak_of_1_mb_a_minute)).flat
    warm = [20e6 + 4e6 * minute for minute in range(10)]
    assert verdict(series("memory", *warm, *[60e6] * 51)).flat


def test_a_leaking_descriptor_is_found():
    assert not verdict(series("count", *line(10, 0.1))).flat
    assert verdict(series("count", *[10.0, 12.0] * 30)).flat


def test_growth_may_go_on_and_may_not_speed_up():
    assert verdict(series("growth", *line(0, MEBI))).flat
    assert not verdict(series("growth", *[minute**3 * 1000 for minute in range(61)])).flat


def test_latency_may_grow_as_the_machine_slows_and_no_more():
    assert not verdict(series("latency", *line(100, 5))).flat
    slower = series("pace", *line(30, 0.6))
    assert verdict(series("latency", *line(100, 5)), slower).flat
    assert not verdict(series("latency", *line(0, 20)), slower).flat
    quicker = series("pace", *line(60, -0.5))
    assert verdict(series("latency", *line(100, 0)), quicker).flat  # a machine that gets quicker excuses nothing less


def test_too_few_points_are_no_answer():
    with pytest.raises(ValueError, match="too few"):
        judge_all([series("memory", 1.0, 2.0)])
