"""Every story in tests/scenarios comes out as told, and a wrong one says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.formats.errors import Refused
from simulator import scenario

STORIES = sorted((Path(__file__).parents[1] / "scenarios").glob("*.txt"))

STORY = """
09:00     book party room-1 10:00-12:00
10:05     pin door-1 party
=> 10:05:00 door-1 granted party
=> 10:05:10 door-1 no_entry party
"""


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_story_comes_out_as_told(story: Path) -> None:
    told = scenario.parse(story.read_text("utf-8"))
    assert told.expected, "a story without expectations proves nothing"
    assert scenario.differences(told, scenario.play(told)) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("granted", "refused"), ("10:05:10 door-1 no_entry", "10:05:20 door-1 no_entry"), ("party\n", "nobody\n")],
)
def test_a_story_that_came_out_otherwise_names_the_line(right: str, wrong: str) -> None:
    told = scenario.parse(STORY[: STORY.index("=>")] + STORY[STORY.index("=>") :].replace(right, wrong, 1))
    (difference,) = scenario.differences(told, scenario.play(told))
    assert difference.startswith("line ")


@pytest.mark.parametrize(("before", "wrong"), [("mend", "waiting"), ("cut", "delivered")])
def test_what_must_hold_and_does_not_names_the_line(before: str, wrong: str) -> None:
    told = scenario.parse(f"09:30 {before} door-1\n10:30 {wrong} door-1\n" + STORY.lstrip())
    with pytest.raises(Refused, match="line 2"):
        scenario.play(told)


def test_an_event_nobody_told_of_is_a_difference() -> None:
    told = scenario.parse(STORY.replace("=> 10:05:10 door-1 no_entry party\n", ""))
    assert "no_entry" in scenario.differences(told, scenario.play(told))[0]


@pytest.mark.parametrize(
    ("line", "place"),
    [("nonsense", "line 1"), ("09:00", "line 1"), ("=> 09:00 door-1", "line 1"), ("09:00 fly door-1", "line 1")],
)
def test_a_line_that_cannot_be_done_is_named(line: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        scenario.play(scenario.parse(line))
    assert refused.value.where == place
