"""The page of figures: what the reports say stands on it, and nothing on it is stale."""

from __future__ import annotations

import json
import shutil
from xml.etree import ElementTree

import pytest

from tests.bench.page import PAGE, REPORTS, write
from tests.bench.plot import Bar, Line, bars, lines


def test_the_page_is_what_its_reports_say(tmp_path):
    copy = tmp_path / "performance"
    shutil.copytree(REPORTS, copy)
    page = tmp_path / PAGE.name
    shutil.copy(PAGE, page)
    for written in write(page, copy):
        kept = PAGE if written == page else REPORTS / written.name
        assert written.read_text("utf-8") == kept.read_text("utf-8"), f"{kept.name} is stale: ./run page"


def test_a_result_is_told_with_its_verdict(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n", "utf-8")
    results = [
        {"name": "quick", "path": 1.0, "floor": 1.0, "ratio": 1.0, "budget": 2.0, "within_budget": True},
        {"name": "slow", "path": 9.0, "floor": 3.0, "ratio": 3.0, "budget": 2.0, "within_budget": False},
    ]
    (tmp_path / "bench.json").write_text(json.dumps(results), "utf-8")
    write(page, tmp_path)
    told = page.read_text("utf-8")
    assert "old" not in told
    assert "| quick | 1 | 1 | 1 | 2 |  |" in told
    assert "| slow | 9 | 3 | 3 | 2 | **over** |" in told
    assert told.startswith("before\n")
    assert told.endswith("after\n")


def test_a_page_without_the_place_is_refused(tmp_path):
    (tmp_path / "performance.md").write_text("nothing marked", "utf-8")
    (tmp_path / "bench.json").write_text("[]", "utf-8")
    with pytest.raises(ValueError, match="marked bench"):
        write(tmp_path / "performance.md", tmp_path)


@pytest.mark.parametrize(
    "plot",
    [
        bars("<title> & more", [Bar("a", 0.5, "0.5"), Bar("b", 7.0, "7")]),
        bars("none", []),
        lines("t", "x", [Line("a", [(0, 0), (1, 5)]), Line("b", [(0, 3)])]),
        lines("none", "x", []),
    ],
)
def test_a_plot_is_whole_and_inside_its_frame(plot):
    picture = ElementTree.fromstring(plot)
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    for stroke in picture.iter("{http://www.w3.org/2000/svg}polyline"):
        for point in stroke.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
