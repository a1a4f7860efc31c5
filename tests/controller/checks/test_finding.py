"""Colours."""

import pytest

from controller.checks.finding import amber, green, red, worst


@pytest.mark.parametrize(
    ("colours", "expected"),
    [("", "green"), ("g", "green"), ("ga", "amber"), ("gar", "red"), ("rg", "red"), ("ag", "amber")],
)
def test_a_unit_is_as_good_as_its_worst(colours, expected):
    made = {"g": green("x", "y"), "a": amber("x", "y", "z"), "r": red("x", "y", "z")}
    assert worst(made[colour] for colour in colours) == expected
