"""The planted bugs still fit the project, are all told of, and the easiest of them is found."""

import pytest

from tests.mutants.__main__ import OF_WORLDS, PAGE, hunt, page_of
from tests.mutants.bug import ROOT, Bug, all_bugs

BUGS = all_bugs()


def test_there_are_enough_and_nearly_all_are_for_worlds():
    assert len(BUGS) >= 30
    assert sum(bug.test is None for bug in BUGS) >= OF_WORLDS * len(BUGS)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_it_fits_the_project(bug: Bug):
    bug.check()
    assert bug.test is None or (ROOT / bug.test).is_file()


def test_the_page_tells_of_every_bug():
    rows = PAGE.read_text("utf-8")
    assert [bug.name for bug in BUGS if f"| {bug.what} |" not in rows] == []
    assert "nothing" not in rows


def test_a_bug_is_planted_and_found():
    bug = next(bug for bug in BUGS if bug.name == "release-before-record")
    outcome = hunt(bug, 20)
    assert outcome.by == "`no_release_without_record`"
    assert bug.what in page_of([outcome], 20)
